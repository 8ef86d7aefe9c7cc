"""Annotations, masks and their encoding, the specimens of a genus and the shards they lie in."""

from sam2pal.dataset.convert import convert
from sam2pal.dataset.files import (
    Template,
    categories,
    check,
    load,
    read_json,
    read_templates,
    write,
)
from sam2pal.dataset.manifest import (
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
from sam2pal.dataset.pool import check_pool, draw_pool, find_templates, fingerprint
from sam2pal.dataset.rle import decode_mask, encode_mask, rle_area, rle_measures

__all__ = [
    "DUPLICATE",
    "Manifest",
    "OK",
    "REMOVED",
    "Specimen",
    "Template",
    "UNREADABLE",
    "build_manifest",
    "categories",
    "check",
    "check_pool",
    "convert",
    "decode_mask",
    "draw_pool",
    "encode_mask",
    "find_templates",
    "fingerprint",
    "load",
    "read_json",
    "read_list",
    "read_templates",
    "rle_area",
    "rle_measures",
    "write",
    "write_list",
    "write_shard_lists",
]
