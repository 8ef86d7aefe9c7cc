"""Following the edges between the pixels of masks."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sam2pal.morphometrics.geometry.moments import BAND, next_points

Corners = NDArray[np.int64]
"""Pixel corners (x, y) [n, 2], each a step of one pixel from the last."""


def trace_all(masks: Sequence[NDArray[np.bool_]]) -> list[list[tuple[Corners, int]]]:
    """Pixel corners of every boundary of masks [h, w], and the pixels it encloses, largest first.

    The structure lies to the right of the walk. Pixels that touch at a corner belong together, as in
    8-connected labelling. Of each mask the number of loops with positive area is the number of parts,
    with negative area the number of holes.
    """
    cracks = [_cracks(mask) for mask in masks]
    widths = np.array([mask.shape[1] + 2 for mask in masks], int)
    sizes = np.array([(mask.shape[0] + 2) * (mask.shape[1] + 2) for mask in masks], int)
    counts = [len(of) for of in cracks]
    origin = np.repeat(np.cumsum(sizes) - sizes, counts)  # no two masks have a corner in common
    width = np.repeat(widths, counts)
    key = np.concatenate([np.zeros(0, int), *cracks])
    order = np.argsort(key + 4 * origin)
    start, heading = np.divmod(key[order], 4)
    row, column = np.divmod(start, width)
    corners = np.stack([column - 1, row - 1], axis=1)
    start += origin
    end = start + np.array([1, 0, -1, 0])[heading] + np.array([0, 1, 0, -1])[heading] * width
    follow = np.searchsorted(start, end)
    second = np.minimum(follow + 1, len(start) - 1)
    # two pixels that meet at a corner: turn left, so that they stay one part
    forked = (start[second] == end) & (second != follow)
    follow = np.where(forked & (heading[second] == (heading + 3) % 4), second, follow)
    loops = _loops(follow.tolist())
    lines = [corners[indices] for indices in loops]
    found: list[list[tuple[Corners, int]]] = [[] for _ in masks]
    of = np.repeat(np.arange(len(masks)), counts)
    for indices, line, area in zip(loops, lines, _areas(lines).tolist(), strict=True):
        found[of[indices[0]]].append((line, area))
    return [sorted(lines, key=lambda line: -line[1]) for lines in found]


def _areas(lines: Sequence[Corners]) -> NDArray[np.int64]:
    """Pixels that each closed line encloses, negative if it goes round a hole."""
    sizes = np.array([len(line) for line in lines], int)
    here = np.concatenate([np.zeros((0, 2), int), *lines])
    after = next_points(here, sizes)
    twice = here[:, 0] * after[:, 1] - after[:, 0] * here[:, 1]
    return np.add.reduceat(twice, np.cumsum(sizes) - sizes) // 2


def _cracks(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Edges between pixels that differ, as 4 x corner + heading.

    The corner is where the walk along the edge begins, counted along the rows of the mask with a
    pixel around it. Headings: 0 east along a pixel's top, 1 south along its right side, 2 west
    along its bottom, 3 north along its left side.
    """
    height, width = mask.shape[0], mask.shape[1] + 2
    found = []
    for top in range(-1, height, BAND):  # with the row after each band
        band = np.zeros((min(BAND, height - top) + 1, width), dtype=bool)
        first, after = max(top, 0), min(top + BAND + 1, height)
        band[first - top : after - top, 1:-1] = mask[first:after]
        flat = band.ravel()  # the ends of rows are empty: one row may follow the other
        above = np.flatnonzero(flat[width:] ^ flat[:-width])
        left = np.flatnonzero(flat[1:-width] ^ flat[: -width - 1])
        across, upright = above + width, left + 1  # the edges' western and northern corners
        level = np.where(flat[above], 4 * (across + 1) + 2, 4 * across)
        steep = np.where(flat[left], 4 * upright + 1, 4 * (upright + width) + 3)
        found.append(np.concatenate([level, steep]) + 4 * (top + 1) * width)
    return np.concatenate(found)


def _loops(following_: list[int]) -> list[list[int]]:
    """The cycles of a permutation."""
    seen, loops = np.zeros(len(following_), bool), []
    first = 0
    while len(seen) and not seen[first]:
        indices, at = [first], following_[first]
        while at != first:
            indices.append(at)
            at = following_[at]
        seen[indices] = True
        loops.append(indices)
        first += int(seen[first:].argmin())  # the next that is not seen, or one that is
    return loops
