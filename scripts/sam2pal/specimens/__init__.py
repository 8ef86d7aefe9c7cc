"""The specimens of a genus: their manifest, its shards, and what is drawn from it."""

from sam2pal.specimens.manifest import (
    DUPLICATE,
    OK,
    REMOVED,
    UNREADABLE,
    Manifest,
    Specimen,
    build_manifest,
    read_list,
    write_list,
    write_shard_lists,
)
from sam2pal.specimens.pool import check_pool, draw_pool, find_templates, fingerprint

__all__ = [
    "DUPLICATE",
    "OK",
    "REMOVED",
    "UNREADABLE",
    "Manifest",
    "Specimen",
    "build_manifest",
    "check_pool",
    "draw_pool",
    "find_templates",
    "fingerprint",
    "read_list",
    "write_list",
    "write_shard_lists",
]
