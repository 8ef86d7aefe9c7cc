"""The medial axis of one part of a structure: its length from tip to tip, and the width across it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from numpy.typing import NDArray

from sam2pal.morphometrics.geometry.boundary import Boundary, inner_circles
from sam2pal.morphometrics.geometry.chords import longest_ways, triangulate
from sam2pal.morphometrics.geometry.corners import Points
from sam2pal.morphometrics.geometry.moments import polygon_moments
from sam2pal.morphometrics.geometry.outline import Loop
from sam2pal.morphometrics.geometry.resampling import evenly_closed
from sam2pal.morphometrics.geometry.tips import to_tips

SLENDER = 2.0  # length over largest width from which a part has ends, and an axis that may bend
EVEN = 0.6  # pixels by which widths differ that a mask cannot tell apart
SAMPLES = 6.0  # outline points along a stretch as long as the part is thick
DENSE = 1.6  # pixels between points of the outline, at most
BESIDE = np.array([-0.5, -0.25, 0.0, 0.25, 0.5])  # pixels

_TURNS = np.arange(24) * (np.pi / 24)
_DIRECTIONS = np.stack([np.cos(_TURNS), np.sin(_TURNS)])
_BETWEEN = 1 / math.cos(math.pi / 48)  # a diameter may lie between two of these directions

Outlines = tuple[Loop, Sequence[Loop]]
"""The outer loop of a part, and its holes."""


@dataclass(frozen=True)
class Axis:
    """Medial axis of one part.

    Attributes:
        points: [n, 2], the axis from tip to tip (closed: the last joins the first).
        closed: the part is a ring, the axis runs once round it.
        straight: the part is not slender; the axis is its extent along its main axis of inertia.
        width: mean width across the axis, area / length.
    """

    points: Points
    length: float
    closed: bool
    straight: bool
    width: float
    _within: "_Within"
    _part: int

    @property
    def circle(self) -> tuple[Points, float]:
        """Centre (x, y) and radius of the largest circle inside the part."""
        centre, radius = self._within.circles([self._part])[0]
        return np.array([centre.real, centre.imag]), radius

    @cached_property
    def widest(self) -> float:
        """Largest width: the mean diameter of the circles inside a slender part that are within
        `EVEN` pixels of the largest; of other parts the largest circle's.

        The outline is uncertain by a part of a pixel, and along a tube the largest circle is the one
        where that adds most.
        """
        return widest([self])[0]


class _Within:
    """The largest circles inside several parts, found when they are asked for."""

    def __init__(
        self, parts: Sequence["_Part"], samples: Sequence[Sequence[Points]], boundary: Boundary
    ) -> None:
        self.triangles = triangulate(samples)
        self.boundary = boundary
        self._parts = parts
        self._known: dict[int, tuple[complex, float]] = {}

    def circles(self, parts: Sequence[int]) -> list[tuple[complex, float]]:
        """Centre x + iy and radius of the largest circle of each of `parts`."""
        unknown = [part for part in dict.fromkeys(parts) if part not in self._known]
        if unknown:
            starts = [
                inner_circles(self.triangles.of(part), self._parts[part].outer.points)
                for part in unknown
            ]
            centres, radii = self.boundary.climb(starts, np.array(unknown))
            found = zip(centres.tolist(), radii.tolist(), strict=True)
            self._known |= dict(zip(unknown, found, strict=True))
        return [self._known[part] for part in parts]


class _Part:
    """One part as its axis sees it: small holes are bridged."""

    def __init__(self, outer: Loop, holes: Sequence[Loop]) -> None:
        bridged = [_is_bridged(outer, hole, holes) for hole in holes]
        self.outer = outer
        self.holes = [hole for hole, over in zip(holes, bridged, strict=True) if not over]
        self.loops = [outer, *self.holes]
        self.area = outer.area + sum(hole.area for hole in self.holes)
        length = sum(loop.length for loop in self.loops)
        self.spacing = max(2 * self.area / length / SAMPLES, min(max(length / 250, 0.8), 1.5))

    @property
    def may_be_compact(self) -> bool:
        """Whether it may be shorter than `SLENDER` times its largest circle, as the area has it."""
        if self.holes:
            return False
        extent = float(np.ptp(self.outer.points, axis=0).max())
        return extent < SLENDER * 2 * math.sqrt(self.area / math.pi)

    def shorter_than(self, length: float) -> bool:
        """Whether its largest diameter is certainly less than `length`."""
        return float(np.ptp(self.outer.points @ _DIRECTIONS, axis=0).max()) * _BETWEEN < length


def medial_axes(parts: Sequence[Outlines]) -> list[Axis]:
    """Medial axes of parts: of all at once in a fraction of the time of one after another.

    A hole rounder and narrower than the part is thick (a pin through an elytron) is bridged: the
    axis passes over it. A wider one (an antenna that curls back on itself) is gone round.

    An axis joins the midpoints of the chords that cross the part, the inner edges of the Delaunay
    triangulation of its outline (the chordal axis); the longest shortest path along them is taken,
    its ends up to `TIP` radii replaced by the continuation of the path to the outline. That ends at
    the apex of a round tip and in the middle of a flat one.

    A part whose largest diameter is less than `SLENDER` times that of the largest circle inside it
    has no ends between which an axis could run: its ways lead from corner to corner. Its extent
    along its main axis of inertia is taken. What is bent round never is as short as that.
    """
    if not parts:
        return []
    every = [_Part(outer, holes) for outer, holes in parts]
    samples = _resampled(every, [part.spacing for part in every])
    coarse = [index for index, part in enumerate(every) if part.spacing > DENSE]
    dense = list(samples)
    finer = _resampled([every[index] for index in coarse], [DENSE] * len(coarse))
    for index, lines in zip(coarse, finer, strict=True):
        dense[index] = lines
    boundary = Boundary(dense)
    within = _Within(every, samples, boundary)
    compact = [index for index, part in enumerate(every) if part.may_be_compact]
    compact = [
        index
        for index, (_, radius) in zip(compact, within.circles(compact), strict=True)
        if every[index].shorter_than(SLENDER * 2 * radius)
    ]
    lines = _lines(every, within, np.array([i for i in range(len(every)) if i not in compact], int))
    axes = []
    for index, part in enumerate(every):
        points, closed = lines.get(index, (None, False))
        straight = points is None
        if points is None:
            points = _main_extent(part.outer.points)
        length = _length(points, closed)
        axes.append(Axis(points, length, closed, straight, part.area / length, within, index))
    return axes


def _lines(
    every: Sequence[_Part], within: _Within, parts: NDArray[np.int64]
) -> dict[int, tuple[Points, bool]]:
    """The axes of those of `parts` that are slender, by part, and whether they are closed."""
    if len(parts) == 0:
        return {}
    boundary = within.boundary
    may_close = np.array([bool(every[part].holes) for part in parts])
    ways = longest_ways(within.triangles, boundary, parts, may_close)
    found = {
        int(part): (_points(way[0]), True)
        for part, way in zip(parts, ways, strict=True)
        if way is not None and way[1]
    }
    pairs = zip(parts.tolist(), ways, strict=True)
    opened = [(part, way[0]) for part, way in pairs if way is not None and not way[1]]
    if not opened:
        return found
    of = np.array([part for part, _ in opened])
    spacing = np.array([every[part].spacing for part in of])
    lines = to_tips([way for _, way in opened], boundary, of, spacing)
    there = [
        (part, line) for part, line in zip(of.tolist(), lines, strict=True) if line is not None
    ]
    if not there:
        return found
    sizes = [len(line) for _, line in there]
    owner = np.repeat([part for part, _ in there], sizes)
    radii, _ = boundary.nearest(np.concatenate([line for _, line in there]), owner)
    thickest = np.maximum.reduceat(radii, np.concatenate([[0], np.cumsum(sizes)[:-1]]))
    for (part, line), radius in zip(there, thickest, strict=True):
        points = _points(line)
        if _length(points, False) >= SLENDER * 2 * radius:
            found[part] = points, False
    return found


def widest(axes: Sequence[Axis]) -> list[float]:
    """`Axis.widest` of several axes, those that were found together at once."""
    result = [0.0] * len(axes)
    for within in dict.fromkeys(axis._within for axis in axes):
        own = [index for index, axis in enumerate(axes) if axis._within is within]
        circles = within.circles([axes[index]._part for index in own])
        slender = []
        for index, (_, radius) in zip(own, circles, strict=True):
            result[index] = 2 * radius
            if not axes[index].straight:
                slender.append(index)
        if slender:
            least = [result[index] / 2 - EVEN / 2 for index in slender]
            radii = _radii([axes[index] for index in slender], within.boundary, least)
            for index, of in zip(slender, radii, strict=True):
                widths = 2 * of
                even = widths[widths >= result[index] - EVEN]
                result[index] = float(np.mean([result[index], *even]))
    return result


def _radii(
    axes: Sequence[Axis], boundary: Boundary, least: Sequence[float]
) -> list[NDArray[np.float64]]:
    """Radii of the largest circles beside the points of medial axes, where they may reach `least`."""
    sizes = [len(axis.points) for axis in axes]
    part = np.repeat([axis._part for axis in axes], sizes)
    lines = [axis.points.view(np.complex128)[:, 0] for axis in axes]
    line, step = np.concatenate(lines), np.concatenate([np.gradient(of) for of in lines])
    reached, _ = boundary.nearest(line, part)  # not less than the distance, and found faster
    near = reached >= np.repeat(least, sizes) - np.abs(BESIDE).max()
    number = np.repeat(np.arange(len(axes)), sizes)[near]
    line, step, part = line[near], step[near], part[near]
    normal = 1j * step / np.maximum(np.abs(step), 1e-9)
    beside = line + BESIDE[:, None] * normal  # [5, n]
    reached = boundary.distance(beside.ravel(), np.tile(part, len(BESIDE)))
    radii = reached.reshape(beside.shape).max(axis=0)
    return [radii[number == index] for index in range(len(axes))]


def _points(line: NDArray[np.complex128]) -> Points:
    return np.ascontiguousarray(line).view(float).reshape(-1, 2)


def _is_bridged(outer: Loop, hole: Loop, holes: Sequence[Loop]) -> bool:
    """Whether the hole's half-width is less than that of the part."""
    area = outer.area + sum(other.area for other in holes)
    length = outer.length + sum(other.length for other in holes)
    return 2 * abs(hole.area) / hole.length < max(area / length, 1.0)


def _length(points: Points, closed: bool) -> float:
    return float(shapely.length((shapely.linearrings if closed else shapely.linestrings)(points)))


def _resampled(parts: Sequence[_Part], spacing: Sequence[float]) -> list[list[Points]]:
    """Points on the loops of each part, its `spacing` [m] apart."""
    counts = [len(part.loops) for part in parts]
    loops = [loop.points.view(np.complex128)[:, 0] for part in parts for loop in part.loops]
    lines = evenly_closed(loops, np.repeat(spacing, counts), least=8)
    found = iter([_points(line) for line in lines])
    return [[next(found) for _ in part.loops] for part in parts]


def _main_extent(points: Points) -> Points:
    """The line along the main axis of inertia as long as a closed outline reaches in its direction.

    Its chord through the centroid would be shorter by the depth of every hollow at its ends.
    """
    (moments,) = polygon_moments([[points]])
    centre, angle = np.array(moments.centre), moments.angle
    along = np.array([np.cos(angle), np.sin(angle)])
    place = (points - centre) @ along
    return centre + np.array([place.min(), place.max()])[:, None] * along
