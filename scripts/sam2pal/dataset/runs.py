"""Masks as runs of pixels down the columns, so that the size of the photograph costs nothing.

COCO's RLE is the same thing written as lengths. A mask of a 24-megapixel photograph is some thousand runs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from sam2pal.images.header import MAX_PIXELS


@dataclass(frozen=True)
class Runs:
    """A mask of `height` x `width` pixels. The pixel in row `y` and column `x` is number `x * height + y`.

    Attributes:
        start, end: int64 [R], first pixel of each run and the one after its last; sorted, disjoint, not
            touching each other.
    """

    height: int
    width: int
    start: np.ndarray
    end: np.ndarray

    @staticmethod
    def empty(height: int, width: int) -> Runs:
        """No pixel."""
        return Runs(height, width, np.zeros(0, np.int64), np.zeros(0, np.int64))

    @staticmethod
    def of(mask: np.ndarray, height: int, width: int, top: int = 0, left: int = 0) -> Runs:
        """The runs of a window, bool `[h, w]`, whose upper left pixel lies at `top`, `left`."""
        columns = np.zeros((mask.shape[1], mask.shape[0] + 2), np.int8)
        columns[:, 1:-1] = mask.T
        change = np.diff(columns, axis=1)
        x, y = np.nonzero(change > 0)
        start = (x + left) * height + y + top
        x, y = np.nonzero(change < 0)
        return Runs._joined(height, width, start, (x + left) * height + y + top)

    @staticmethod
    def from_rle(rle: Mapping[str, Any]) -> Runs:
        """The runs of a COCO RLE, compressed or not; ValueError if size or counts are malformed."""
        height, width = rle_size(rle)
        ends = np.cumsum(rle_counts(rle))
        start, end = ends[0:-1:2], ends[1::2]
        return Runs._joined(height, width, start, end)

    @staticmethod
    def in_columns(
        height: int, width: int, x: np.ndarray, first: np.ndarray, after: np.ndarray
    ) -> Runs:
        """Runs of rows `first` to `after` (exclusive) in columns `x`, sorted; empty ones are dropped."""
        some = after > first
        base = x[some].astype(np.int64) * height
        return Runs._joined(height, width, base + first[some], base + after[some])

    @staticmethod
    def _joined(height: int, width: int, start: np.ndarray, end: np.ndarray) -> Runs:
        """Sorted, disjoint runs of which some may be empty or touch."""
        some = end > start
        start, end = start[some].astype(np.int64), end[some].astype(np.int64)
        apart = start[1:] > end[:-1]
        first, last = np.r_[True, apart][: len(start)], np.r_[apart, True][: len(end)]
        return Runs(height, width, start[first], end[last])

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int((self.end - self.start).sum())

    def __bool__(self) -> bool:
        return len(self.start) > 0

    def columns(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`x`, first row and row after the last of each run, runs cut at the ends of columns."""
        first, last = self.start // self.height, (self.end - 1) // self.height
        number = last - first + 1
        before = np.cumsum(number) - number
        x = np.repeat(first - before, number) + np.arange(number.sum())
        y = np.maximum(np.repeat(self.start, number), x * self.height) - x * self.height
        after = np.minimum(np.repeat(self.end, number), (x + 1) * self.height) - x * self.height
        return x, y, after

    def bbox(self) -> tuple[int, int, int, int]:
        """`(left, top, width, height)`; zeros for no pixel."""
        if not self:
            return 0, 0, 0, 0
        x, first, after = self.columns()
        left, top = int(x[0]), int(first.min())
        return left, top, int(x[-1]) - left + 1, int(after.max()) - top

    def middle(self) -> tuple[float, float]:
        """Mean row and column of the pixels' centres; not for an empty mask."""
        x, first, after = self.columns()
        length = after - first
        area = length.sum()
        return (
            float(((after + first) / 2 * length).sum() / area),
            float(((x + 0.5) * length).sum() / area),
        )

    def window(self) -> tuple[np.ndarray, int, int]:
        """The mask within its bounding box, bool `[h, w]`, and the box's top and left."""
        left, top, width, height = self.bbox()
        x, first, after = self.columns()
        mask = np.zeros((height + 1, width), np.uint8)
        mask[first - top, x - left] = mask[after - top, x - left] = 1
        for row in range(1, height):  # columns turned into rows would take up to ten times as long
            mask[row] ^= mask[row - 1]
        return mask[:-1].view(bool), top, left

    def __and__(self, other: Runs) -> Runs:
        """The pixels of both."""
        return common([self, other])

    def __sub__(self, other: Runs) -> Runs:
        """The pixels that `other` lacks."""
        edges = np.r_[0, np.c_[other.start, other.end].ravel(), self.height * self.width]
        return self & Runs._joined(self.height, self.width, edges[::2], edges[1::2])

    def without_specks(self, share: float) -> Runs:
        """Without the pieces (8 neighbours) that are smaller than `share` of the mask; holes stay."""
        largest = math.ceil(share * self.area) - 1  # that is removed, in pixels
        if largest < 1:
            return self
        x, first, after = self.columns()
        piece = _pieces(x * self.height + first, x * self.height + after, self.height)
        size = np.bincount(piece, weights=after - first)
        kept = size[piece] > largest
        return Runs.in_columns(self.height, self.width, x[kept], first[kept], after[kept])

    def rle(self) -> dict[str, Any]:
        """COCO's compressed RLE."""
        edges = np.c_[self.start, self.end].ravel()
        counts = np.diff(np.r_[0, edges, self.height * self.width])
        if len(counts) > 1 and counts[-1] == 0:
            counts = counts[:-1]
        size = [self.height, self.width]
        rle = coco_mask.frPyObjects({"size": size, "counts": counts.tolist()}, *size)
        return {"size": size, "counts": rle["counts"].decode("ascii")}


def common(masks: Sequence[Runs]) -> Runs:
    """The pixels that all masks of one size have."""
    if len(masks) == 1:
        return masks[0]
    height, width = masks[0].height, masks[0].width
    edges = np.concatenate([part for mask in masks for part in (mask.start, mask.end)])
    steps = np.concatenate([np.full(len(mask.start), step) for mask in masks for step in (1, -1)])
    order = np.argsort(edges, kind="stable")
    edges, depth = edges[order], np.cumsum(steps[order])
    last = np.r_[edges[1:] > edges[:-1], True][: len(edges)]  # of several edges at one pixel
    edges, full = edges[last], depth[last] == len(masks)
    inside = np.flatnonzero(full)
    return Runs._joined(height, width, edges[inside], edges[inside + 1])


def _pieces(start: np.ndarray, end: np.ndarray, height: int) -> np.ndarray:
    """[R] which piece each run, cut at the ends of columns, belongs to; runs touch also at corners."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    column = start // height
    next_first = np.searchsorted(start, (column + 1) * height)
    next_after = np.searchsorted(start, (column + 2) * height)
    first = np.maximum(np.searchsorted(end, start + height), next_first)
    after = np.minimum(np.searchsorted(start, end + height, side="right"), next_after)
    number = np.maximum(after - first, 0)
    here = np.repeat(np.arange(len(start)), number)
    there = np.arange(number.sum()) + np.repeat(first - (np.cumsum(number) - number), number)
    graph = coo_array((np.ones(len(here), bool), (here, there)), shape=(len(start),) * 2)
    return connected_components(graph, directed=False)[1]


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
