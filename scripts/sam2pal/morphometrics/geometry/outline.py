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
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from sam2pal.morphometrics.geometry.corners import Points
from sam2pal.morphometrics.geometry.moments import following
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

    @cached_property
    def length(self) -> float:
        """Of the smooth outline, in pixels."""
        return closed_length(self.points)

    @cached_property
    def hull(self) -> Points:
        """Corners of the convex hull [k, 2]."""
        return convex_hull(self.points)


def closed_length(points: Points) -> float:
    """Length of the closed polygon through `points` [n, 2]."""
    step = following(points) - points
    return float(np.hypot(step[:, 0], step[:, 1]).sum())


def signed_area(points: NDArray) -> float:
    """Area of the closed polygon, positive when walked with the inside to the right."""
    after = following(points)
    return float(points[:, 0] @ after[:, 1] - after[:, 0] @ points[:, 1]) / 2


def convex_hull(points: Points) -> Points:
    """Corners of the convex hull of `points` [n, 2], counter-clockwise as qhull gives them."""
    points = _outermost(points)
    try:
        return points[ConvexHull(points).vertices]
    except QhullError:  # pragma: no cover - outlines have an extent in both directions
        return points


def _outermost(points: Points) -> Points:
    """`points` [n, 2] without those that lie inside the octagon of the outermost eight."""
    x, y = points.T
    sums, differences = x + y, x - y
    around = (x.argmin(), sums.argmin(), y.argmin(), differences.argmax())
    around += (x.argmax(), sums.argmax(), y.argmax(), differences.argmin())
    octagon = points[list(dict.fromkeys(around))]
    step = following(octagon) - octagon
    side = np.outer(step[:, 0], y) - np.outer(step[:, 1], x)
    side -= (step[:, 0] * octagon[:, 1] - step[:, 1] * octagon[:, 0])[:, None]
    return points[side.min(axis=0) <= 1e-6]


def outlines(
    masks: Sequence[NDArray[np.bool_]], offsets: Sequence[tuple[int, int]]
) -> list[list[Loop]]:
    """The loops of several masks [h, w], each moved by its offset (x, y), largest first.

    All at once takes half the time of one after another.
    """
    traced = [
        [(corners + np.array(offset), area) for corners, area in loops]
        for loops, offset in zip(trace_all(masks), offsets, strict=True)
    ]
    smoothed = iter(smooth([(x + following(x)) / 2 for loops in traced for x, _ in loops]))
    return [[Loop(corners, next(smoothed), area) for corners, area in loops] for loops in traced]


def outline(mask: NDArray[np.bool_], offset: tuple[int, int] = (0, 0)) -> list[Loop]:
    """All loops of one mask [h, w], largest first, moved by `offset` (x, y)."""
    return outlines([mask], [offset])[0]
