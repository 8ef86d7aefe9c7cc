"""The shape of one structure: sizes, Feret diameters, moments and medial axes of its parts."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from numpy.typing import NDArray

from sam2pal.morphometrics.geometry.axis import Axis, medial_axes, widest
from sam2pal.morphometrics.geometry.corners import Points
from sam2pal.morphometrics.geometry.moments import Moments, next_points, polygon_moments
from sam2pal.morphometrics.geometry.outline import Loop, outline

MEDIAL = (
    "medial_length",
    "medial_length_total",
    "medial_width_mean",
    "medial_width_max",
    "length",
    "width",
)
"""Measures that need medial axes."""


@dataclass(frozen=True)
class Part:
    """One connected piece of a structure, with its holes."""

    outer: Loop
    holes: tuple[Loop, ...]

    @property
    def area(self) -> int:
        return self.outer.area + sum(hole.area for hole in self.holes)


class Shape:
    """A structure on one photograph.

    Args:
        loops: its outlines, at least one.
        min_part: pieces with a smaller share of the area are left out (`specks` counts them).
    """

    def __init__(self, loops: list[Loop], min_part: float = 0.0) -> None:
        parts = _parts(loops)
        total = sum(part.area for part in parts)
        self.parts = [part for part in parts if part.area >= min_part * total] or parts[:1]
        self.specks = len(parts) - len(self.parts)
        self.loops = [loop for part in self.parts for loop in (part.outer, *part.holes)]

    @classmethod
    def of(
        cls, mask: NDArray[np.bool_], offset: tuple[int, int] = (0, 0), min_part: float = 0.0
    ) -> "Shape":
        """The shape of a mask [h, w] with at least one pixel; `offset` is its first pixel's (x, y)."""
        return cls(outline(mask, offset), min_part)

    @property
    def area(self) -> int:
        return sum(part.area for part in self.parts)

    @cached_property
    def perimeter(self) -> float:
        return sum(loop.length for loop in self.loops)

    @cached_property
    def moments(self) -> Moments:
        return _moments([self])[0]

    @cached_property
    def convex(self) -> shapely.Polygon:
        """The convex hull of all parts, its corners counter-clockwise."""
        points = np.concatenate([part.outer.points for part in self.parts])
        return shapely.orient_polygons(shapely.convex_hull(shapely.linestrings(points)))

    @cached_property
    def hull(self) -> Points:
        """Corners of the convex hull [k, 2]."""
        return shapely.get_coordinates(self.convex)[:-1]

    @cached_property
    def feret(self) -> tuple[float, float, float]:
        """Largest and smallest Feret diameter, and direction of the largest (radians, y down)."""
        hull = self.hull
        after = next_points(hull)
        edge = after - hull
        angle = np.unwrap(np.arctan2(edge[:, 1], edge[:, 0]))
        # the corner opposite to each edge: where the edges turn past the opposite direction
        opposite = np.searchsorted(angle, (angle + np.pi - angle[0]) % (2 * np.pi) + angle[0])
        opposite %= len(hull)
        normal = np.stack([-np.sin(angle), np.cos(angle)], axis=1)
        width = np.abs(((hull[opposite] - hull) * normal).sum(axis=1))
        pairs = np.concatenate([hull[opposite] - hull, hull[opposite] - after])
        distance = np.hypot(pairs[:, 0], pairs[:, 1])
        far = int(distance.argmax())
        return float(distance[far]), float(width.min()), math.atan2(pairs[far, 1], pairs[far, 0])

    def extent(self, angle: float) -> float:
        """Distance between the outermost points in a direction (radians, y down)."""
        return float(np.ptp(self.hull @ np.array([math.cos(angle), math.sin(angle)])))

    @cached_property
    def axes(self) -> list[Axis]:
        """The medial axes of the parts."""
        return _axes([self])[0]

    @cached_property
    def longest(self) -> Axis:
        """The longest medial axis of a part."""
        return max(self.axes, key=lambda axis: axis.length)

    @cached_property
    def widest(self) -> float:
        """Largest width across the longest axis."""
        return self.longest.widest

    def touches(self, width: int, height: int) -> bool:
        """Whether it reaches the border of a photograph of this size."""
        corners = np.concatenate([part.outer.corners for part in self.parts])
        low, high = corners.min(axis=0), corners.max(axis=0)
        return bool((low <= 0).any() or high[0] >= width or high[1] >= height)

    def measures(self, body_angle: float, leave_out: Collection[str] = ()) -> dict[str, float]:
        """All measures but colours, `length` and `width`; angles in degrees, see the dictionary."""
        wanted = _Wanted(leave_out)
        moments, (major, minor) = self.moments, self.moments.axes
        convex = self.convex.area
        result: dict[str, float] = {
            "area": self.area,
            "perimeter": self.perimeter,
            "convex_area": convex,
            "solidity": min(self.area / convex, 1.0) if convex > 0 else 1.0,
            "circularity": min(4 * math.pi * self.area / self.perimeter**2, 1.0),
            "eccentricity": math.sqrt(max(1 - (minor / major) ** 2, 0.0)) if major else 0.0,
            "major_axis": major,
            "minor_axis": minor,
            "orientation": upward(moments.angle),
            "centroid_x": moments.centre[0],
            "centroid_y": moments.centre[1],
            "parts": len(self.parts),
            "holes": sum(len(part.holes) for part in self.parts),
            "angle_to_body": between(moments.angle, body_angle),
        }
        if wanted("feret_max", "feret_min", "feret_angle"):
            largest, smallest, angle = self.feret
            result |= {"feret_max": largest, "feret_min": smallest, "feret_angle": upward(angle)}
        if wanted("body_length", "body_width", "length", "width"):
            result["body_length"] = self.extent(body_angle)
            result["body_width"] = self.extent(body_angle + math.pi / 2)
        if wanted(*MEDIAL):
            result["medial_length"] = self.longest.length
            result["medial_length_total"] = sum(axis.length for axis in self.axes)
            result["medial_width_mean"] = self.longest.width
            result["medial_width_max"] = self.widest
        return result


def measure_together(shapes: Sequence[Shape], leave_out: Collection[str] = ()) -> None:
    """Find the moments and medial axes of several shapes at once: by far the faster way."""
    for shape, moments in zip(shapes, _moments(shapes), strict=True):
        shape.moments = moments
    if not _Wanted(leave_out)(*MEDIAL):
        return
    for shape, axes in zip(shapes, _axes(shapes), strict=True):
        shape.axes = axes
    for shape, width in zip(shapes, widest([shape.longest for shape in shapes]), strict=True):
        shape.widest = width


def _moments(shapes: Sequence[Shape]) -> list[Moments]:
    return polygon_moments([[loop.corners for loop in shape.loops] for shape in shapes])


def _axes(shapes: Sequence[Shape]) -> list[list[Axis]]:
    parts = [(part.outer, part.holes) for shape in shapes for part in shape.parts]
    found = iter(medial_axes(parts))
    return [[next(found) for _ in shape.parts] for shape in shapes]


class _Wanted:
    def __init__(self, leave_out: Collection[str]) -> None:
        self._out = set(leave_out)

    def __call__(self, *names: str) -> bool:
        return any(name not in self._out for name in names)


def upward(angle: float) -> float:
    """A direction in radians with y down as degrees with y up, above -90 to 90."""
    degrees = -math.degrees(angle) % 180
    return degrees - 180 if degrees > 90 else degrees


def between(angle: float, other: float) -> float:
    """The smaller angle between two lines (radians), in degrees."""
    apart = abs(math.degrees(angle - other)) % 180
    return min(apart, 180 - apart)


def _parts(loops: list[Loop]) -> list[Part]:
    """Outer loops with the holes inside them, largest first."""
    outers = [loop for loop in loops if not loop.is_hole]
    holes = [loop for loop in loops if loop.is_hole]
    if len(outers) == 1:
        return [Part(outers[0], tuple(holes))]
    own: list[list[Loop]] = [[] for _ in outers]
    filled = [shapely.Polygon(outer.corners) for outer in outers] if holes else []
    for hole in holes:
        around = np.flatnonzero(shapely.contains_xy(filled, *hole.beside))
        own[min(around, key=lambda i: outers[i].area)].append(hole)
    parts = [Part(outer, tuple(inner)) for outer, inner in zip(outers, own, strict=True)]
    return sorted(parts, key=lambda part: -part.area)
