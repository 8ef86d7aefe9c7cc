"""Regions of a tray that are or may be specimens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from sam2pal.images.foreground import Box, Silhouette
from sam2pal.images.window import Window

APART = 0.2  # share of a region that may lie on another specimen
PART = 0.08  # likeness that a whole may lack of its parts, if it is
LARGER = 1.5  # times as large as the largest of them: two specimens together lack more
NEAR = 2  # pixels between specimens that touch
INSIDE = 0.8  # of its box or mask, that lies in another's of which it is a part


@dataclass(frozen=True, eq=False)
class Body:
    """A region that is or may be a specimen, or a part of one.

    Attributes:
        box: (top, left, height, width), in the pixels that are searched.
        mask: bool [height, width].
        likeness: to the template that it resembles most, with its colour.
        overlap: with that template, of shapes alone.
    """

    box: Box
    mask: np.ndarray
    likeness: float = 0.0
    overlap: float = 0.0

    @staticmethod
    def trimmed(
        mask: np.ndarray, place: tuple[slice, slice], likeness: float = 0.0, overlap: float = 0.0
    ) -> Body:
        """Of a mask [h, w] that lies at a place, without its empty margins."""
        window = Window.holding(mask)
        top, left, height, width = window
        box = place[0].start + top, place[1].start + left, height, width
        return Body(box, mask[window.slices], likeness, overlap)

    @property
    def place(self) -> tuple[slice, slice]:
        top, left, height, width = self.box
        return slice(top, top + height), slice(left, left + width)

    @property
    def length(self) -> int:
        return max(self.box[2:])

    @property
    def area(self) -> int:
        return int(self.mask.sum())


def completed(bodies: Sequence[Body], regions: Iterable[Body]) -> list[Body]:
    """With regions in the place of their parts that are nearly as alike: a wing case, half of a bent body.

    Args:
        regions: the most alike first.
    """
    bodies = list(bodies)
    boxes = np.array([body.box for body in bodies]).reshape(-1, 4)
    for one in regions:
        place, size = np.array(one.box[:2]), np.array(one.box[2:])
        meets = (boxes[:, :2] < place + size) & (boxes[:, :2] + boxes[:, 2:] > place)
        near = [bodies[index] for index in np.flatnonzero(meets.all(1))]
        shares = [_share_in(body, one) for body in near]
        parts = [body for body, share in zip(near, shares, strict=True) if share > APART]
        if (
            parts
            and all(share <= APART or share >= INSIDE for share in shares)
            and one.likeness >= max(part.likeness for part in parts) - PART
            and one.area >= LARGER * max(part.area for part in parts)
        ):
            bodies = [body for body in bodies if body not in parts] + [one]
            boxes = np.array([body.box for body in bodies])
    return bodies


def _share_in(one: Body, other: Body) -> float:
    """Share of a region that lies in another one."""
    top, left = (max(one.box[axis], other.box[axis]) for axis in (0, 1))
    bottom, right = (min(of.box[axis] + of.box[axis + 2] for of in (one, other)) for axis in (0, 1))
    if bottom <= top or right <= left:
        return 0.0
    here, there = (
        of.mask[top - of.box[0] : bottom - of.box[0], left - of.box[1] : right - of.box[1]]
        for of in (one, other)
    )
    return float((here & there).sum() / one.area)


def within(one: Body, other: Body) -> bool:
    """Whether the box of one lies in that of a larger one."""
    top, left, height, width = one.box
    high = min(top + height, other.box[0] + other.box[2]) - max(top, other.box[0])
    wide = min(left + width, other.box[1] + other.box[3]) - max(left, other.box[1])
    inside = max(high, 0) * max(wide, 0) >= INSIDE * height * width
    return inside and other.area > one.area


def likeness_of(own: Silhouette, known: Sequence[Silhouette]) -> tuple[float, float]:
    """To the template that it resembles most; with its colour, and the overlap of shapes alone."""
    return max((own.likeness(other), own.overlap(other)) for other in known)


def neighbours(regions: Sequence[Body], shape: tuple[int, int]) -> list[tuple[int, int]]:
    """Pairs of indices of those that touch."""
    from scipy.ndimage import maximum_filter

    marks = np.zeros(shape, np.int32)
    for number, one in enumerate(regions, 1):
        marks[one.place][one.mask] = number
    pairs = set()
    for number, one in enumerate(regions, 1):
        top, left, height, width = one.box
        first, start = max(top - NEAR, 0), max(left - NEAR, 0)
        here = marks[first : top + height + NEAR, start : left + width + NEAR]
        around = np.unique(here[maximum_filter(here == number, 2 * NEAR + 1)])
        pairs |= {tuple(sorted((number - 1, int(n) - 1))) for n in around if n not in (0, number)}
    return sorted(pairs)
