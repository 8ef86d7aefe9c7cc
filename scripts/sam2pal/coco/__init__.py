"""COCO files, masks and their encoding, and every other annotation format turned into COCO."""

from sam2pal.coco.convert import convert
from sam2pal.coco.files import (
    Template,
    categories,
    check,
    load,
    read_json,
    read_templates,
    write,
)
from sam2pal.coco.rle import decode_mask, encode_mask, rle_area, rle_measures

__all__ = [
    "Template",
    "categories",
    "check",
    "convert",
    "decode_mask",
    "encode_mask",
    "load",
    "read_json",
    "read_templates",
    "rle_area",
    "rle_measures",
    "write",
]
