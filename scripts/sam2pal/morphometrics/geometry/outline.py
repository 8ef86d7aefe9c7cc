"""The outline of a mask as smooth closed curves that lie between its pixels.

A mask says on which side of the outline every pixel centre lies, no more. Lengths taken from pixel
corners are too long and those from pixel centres too short, by up to a pixel at either end and by
5 % along a slanted edge. Here the edges between pixels ("cracks") are followed, their midpoints
smoothed along the curve by as much as the local curvature allows, and sharp corners kept: a disc,
a straight slanted edge and a right angle all come out with their true lengths.

Coordinates are (x, y) in pixels of the photograph as stored, x to the right and y down; (0, 0) is
the outer corner of its first pixel, whose centre is (0.5, 0.5).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from numpy.typing import NDArray

from sam2pal.morphometrics.geometry.corners import Points
from sam2pal.morphometrics.geometry.moments import next_points
from sam2pal.morphometrics.geometry.smoothing import smooth
from sam2pal.morphometrics.geometry.tracing import trace_all


@dataclass(frozen=True)
class Loop:
    """One closed curve; the structure lies to the right of the walking direction.

    Attributes:
        corners: int [n, 2], the pixel corners it passes, in order.
        points: float [m, 2], the smooth outline.
        area: pixels enclosed, exactly as counted; negative for a hole.
    """

    corners: NDArray[np.int64]
    points: Points
    area: int

    @property
    def is_hole(self) -> bool:
        return self.area < 0

    @property
    def beside(self) -> tuple[float, float]:
        """Centre (x, y) of a pixel of the structure: to the right of the first step."""
        (x, y), (dx, dy) = self.corners[0], self.corners[1] - self.corners[0]
        return x + dx / 2 - dy / 2, y + dy / 2 + dx / 2

    @cached_property
    def length(self) -> float:
        """Of the smooth outline, in pixels."""
        return float(shapely.length(shapely.linearrings(self.points)))


def outlines(
    masks: Sequence[NDArray[np.bool_]], offsets: Sequence[tuple[int, int]]
) -> list[list[Loop]]:
    """The loops of several masks [h, w], each moved by its offset (x, y), largest first."""
    traced = [
        [(corners + np.array(offset), area) for corners, area in loops]
        for loops, offset in zip(trace_all(masks), offsets, strict=True)
    ]
    smoothed = iter(smooth([(x + next_points(x)) / 2 for loops in traced for x, _ in loops]))
    return [[Loop(corners, next(smoothed), area) for corners, area in loops] for loops in traced]


def outline(mask: NDArray[np.bool_], offset: tuple[int, int] = (0, 0)) -> list[Loop]:
    """All loops of one mask [h, w], largest first, moved by `offset` (x, y)."""
    return outlines([mask], [offset])[0]
