"""Masks and COCO's run-length encoding: runs of 0 and 1 in turn, down the columns."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from sam2pal.dataset.runs import Runs, rle_counts, rle_size


def encode_mask(mask: np.ndarray) -> dict[str, Any]:
    """Compressed RLE of a mask.

    Args:
        mask: bool (or 0 and 1) `[height, width]`.

    Returns:
        `{"size": [height, width], "counts": str}`.
    """
    if mask.ndim != 2:
        raise ValueError(f"expected a mask [height, width], got shape {mask.shape}")
    rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [int(n) for n in rle["size"]], "counts": rle["counts"].decode("ascii")}


def decode_mask(rle: Mapping[str, Any]) -> np.ndarray:
    """Mask bool `[height, width]` of an RLE, compressed or not; ValueError if it is malformed."""
    height, width = rle_size(rle)
    part, (left, top, wide, high) = decode_box(rle)
    mask = np.zeros((height, width), dtype=bool)
    mask[top : top + high, left : left + wide] = part
    return mask


def decode_box(rle: Mapping[str, Any]) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    """The part of a mask that holds its pixels, bool `[h, w]`, and its (left, top, w, h).

    Raises:
        ValueError: as `decode_mask`.
    """
    part, top, left = Runs.from_rle(rle).window()
    return part, (left, top, part.shape[1], part.shape[0])


def rle_area(rle: Mapping[str, Any]) -> int:
    """Number of pixels in the mask of an RLE."""
    return int(rle_counts(rle)[1::2].sum())


def fingerprint(rle: Mapping[str, Any]) -> str:
    """16 hexadecimal digits that tell a mask from another of the same photograph, whoever encoded it.

    Raises:
        ValueError: size or counts are malformed.
    """
    counts = rle["counts"]
    if not isinstance(counts, str):
        counts = encode_mask(decode_mask(rle))["counts"]
    return hashlib.sha256(counts.encode("ascii", errors="replace")).hexdigest()[:16]


def rle_measures(rle: Mapping[str, Any]) -> dict[str, Any]:
    """`area` in pixels and `bbox` `[left, top, width, height]` of an RLE, for an annotation."""
    runs = Runs.from_rle(rle)
    return {"area": runs.area, "bbox": list(runs.bbox())}


def at_edge(box: Sequence[int], height: int, width: int) -> bool:
    """Whether a `bbox` `[left, top, width, height]` meets an edge of the photograph."""
    left, top, wide, high = box
    return left == 0 or top == 0 or left + wide == width or top + high == height
