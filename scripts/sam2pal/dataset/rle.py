"""Masks and COCO's run-length encoding: runs of 0 and 1 in turn, down the columns."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from sam2pal.images.header import MAX_PIXELS


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
    height, _ = rle_size(rle)
    counts = rle_counts(rle)
    left, top, wide, high = rle_measures(rle)["bbox"]
    values = np.zeros(len(counts), dtype=bool)
    values[1::2] = True
    # only the columns that have pixels are filled, and of these only the rows turned back
    first = left * height
    ends = np.clip(np.cumsum(counts), first, first + wide * height)
    turned = np.repeat(values, np.diff(ends, prepend=first)).reshape(wide, height)
    return np.ascontiguousarray(turned[:, top : top + high].T), (left, top, wide, high)


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
    runs = rle_counts(rle)
    height, _ = rle_size(rle)
    ends = np.cumsum(runs)
    first, last = (ends - runs)[1::2], ends[1::2] - 1
    first, last = first[runs[1::2] > 0], last[runs[1::2] > 0]
    if not len(first):
        return {"area": 0, "bbox": [0, 0, 0, 0]}
    left, right = int(first[0] // height), int(last[-1] // height)
    whole = (first // height != last // height).any()  # a run over a column's end touches both
    top = 0 if whole else int((first % height).min())
    bottom = height - 1 if whole else int((last % height).max())
    bbox = [left, top, right - left + 1, bottom - top + 1]
    return {"area": int(runs[1::2].sum()), "bbox": bbox}


def at_edge(box: Sequence[int], height: int, width: int) -> bool:
    """Whether a `bbox` `[left, top, width, height]` meets an edge of the photograph."""
    left, top, wide, high = box
    return left == 0 or top == 0 or left + wide == width or top + high == height


def rle_size(rle: Mapping[str, Any]) -> tuple[int, int]:
    """`(height, width)` of an RLE; ValueError if it is malformed."""
    size = rle.get("size")
    if (
        not isinstance(size, Sequence)
        or len(size) != 2
        or not all(type(n) is int and n > 0 for n in size)
    ):
        raise ValueError(f"the size of an RLE is [height, width], found {size!r}")
    if size[0] * size[1] > MAX_PIXELS:
        raise ValueError(f"an RLE of {size[0]} x {size[1]} has more than {MAX_PIXELS:,} pixels")
    return size[0], size[1]


def rle_counts(rle: Mapping[str, Any]) -> np.ndarray:
    """int64 lengths of the runs, checked to fill the size of the RLE."""
    height, width = rle_size(rle)
    counts = rle.get("counts")
    if isinstance(counts, str):
        counts = counts.encode("ascii", errors="replace")
    if isinstance(counts, bytes):
        runs = _uncompress(counts)
    elif isinstance(counts, Sequence) and all(type(n) is int for n in counts):
        runs = np.array(counts, dtype=np.int64)
    else:
        raise ValueError("the counts of an RLE are a string or a list of whole numbers")
    if len(runs) and runs.min() < 0:
        raise ValueError("an RLE has a run of negative length")
    if runs.sum() != height * width:
        raise ValueError(
            f"the runs of an RLE cover {runs.sum()} pixels, but its size {height} x {width}"
            f" (height x width) has {height * width}"
        )
    return runs


def _uncompress(text: bytes) -> np.ndarray:
    """Runs of COCO's string: 5 bits a character, bit 6 says that more follow, offset 48.

    From the fourth run on, the string holds the difference to the run before the previous one.
    """
    if not text:
        raise ValueError("an RLE has no counts")
    codes = np.frombuffer(text, dtype=np.uint8).astype(np.int64) - 48
    if codes.min() < 0 or codes.max() > 63 or codes[-1] & 32:
        raise ValueError("the counts of an RLE are not COCO's compressed string")
    last = np.flatnonzero((codes & 32) == 0)
    first = np.concatenate([[0], last[:-1] + 1])
    length = last - first + 1
    if length.max() > 8:
        raise ValueError("the counts of an RLE are not COCO's compressed string")
    place = np.arange(len(codes)) - np.repeat(first, length)
    runs = np.add.reduceat((codes & 31) << (5 * place), first)
    negative = (codes[last] & 16) != 0
    runs -= np.where(negative, np.int64(1) << (5 * length), 0)
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    return runs
