"""COCO files, masks and their encoding, and every other annotation format turned into COCO."""

from sam2pal.coco.files import Template, check, load, read_json, read_templates, write
from sam2pal.coco.rle import decode_mask, encode_mask, rle_area

__all__ = [
    "Template",
    "check",
    "decode_mask",
    "encode_mask",
    "load",
    "read_json",
    "read_templates",
    "rle_area",
    "write",
]
