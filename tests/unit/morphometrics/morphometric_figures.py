"""The drawn shapes as closed polygons that can be changed, and the true measures of any polygon.

A polygon is float [n, 2], (x, y) in pixels, walked with the inside to the right (y down), without
holes. Nothing here depends on pixels.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from morphometric_shapes import SHAPES, of_hull
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, Voronoi
from skimage.measure import points_in_poly

from sam2pal.morphometrics.geometry.moments import next_points, polygon_moments
from sam2pal.morphometrics.geometry.outline import Loop
from sam2pal.morphometrics.geometry.shape import Shape

Array = NDArray[np.float64]
Points = NDArray[np.float64]
FINE, LARGEST = 10, 30  # points per pixel of outline; of larger shapes as many as of this size
ENLARGED = 40  # times; the medial axis is found in a polygon this much larger
WAVE = 8.0  # pixels, the shortest wave of a displacement; nor is one shorter than an eighth of the side
BEND = 1.0  # by which curvature may change, times the size,
BEND_SHARE = 0.5  # or as a share of the curvature, where that is more
TURN = 0.15  # radians by which the direction of a side may change at a corner


def _arc(
    centre: tuple[float, float], radius: float, start: float, end: float, count: int
) -> Points:
    angle = np.linspace(start, end, count, endpoint=False)
    return np.stack([np.sin(angle), np.cos(angle)], axis=1) * radius + centre


def _disc(p: Points, n: int) -> list[Points]:
    return [_arc((0, 0), p[0] / 2, math.pi, -math.pi, 3 * n)]


def _ellipse(p: Points, n: int) -> list[Points]:
    return [_arc((0, 0), 0.5, math.pi, -math.pi, 4 * n) * p[:2]]


def _rise(length: float, bend: float) -> float:
    """By which the drawn tubes are moved to lie in the middle of their picture."""
    return -length / bend * (1 + math.cos(bend / 2)) / 2


def _tube(p: Points, n: int) -> list[Points]:
    length, width, bend = p[:3]
    inner, outer = length / bend - width / 2, length / bend + width / 2
    left, right = (np.array([math.sin(a), math.cos(a)]) for a in (-bend / 2, bend / 2))
    share = np.arange(n // 4)[:, None] / (n // 4)
    sides = [
        _arc((0, 0), inner, -bend / 2, bend / 2, n),
        right * (inner + share * (outer - inner)),
        _arc((0, 0), outer, bend / 2, -bend / 2, n),
        left * (outer + share * (inner - outer)),
    ]
    return [side + (0, _rise(length, bend)) for side in sides]


def _finger(p: Points, n: int) -> list[Points]:
    length, width, bend = p[:3]
    radius, r, half = length / bend, width / 2, bend / 2
    left, right = ((radius * math.sin(a), radius * math.cos(a)) for a in (-half, half))
    sides = [
        _arc((0, 0), radius - r, -half, half, n),
        _arc(right, r, half + math.pi, half, n // 2),
        _arc((0, 0), radius + r, half, -half, n),
        _arc(left, r, -half, -half - math.pi, n // 2),
    ]
    return [np.concatenate(sides) + (0, _rise(length, bend))]


def _corner(p: Points, n: int) -> list[Points]:
    a, b, w, v = p[:4]
    corners = np.array([(0, 0), (a, 0), (a, w), (v, w), (v, b), (0, b)])
    share = np.arange(n // 2)[:, None] / (n // 2)
    pairs = zip(corners, next_points(corners), strict=True)
    return [start + share * (end - start) for start, end in pairs]


@dataclass(frozen=True)
class Family:
    """A drawn shape and those that differ from it in their own parameters, angle and place.

    Attributes:
        pieces: from the parameters its outline, in pieces from one sharp corner to the next.
        own: parameters of the drawn shape of size 1, lengths where `lengths` says so.
        origin: of the shape of size 1.
    """

    pieces: Callable[[Points, int], list[Points]]
    own: tuple[float, ...]
    lengths: tuple[bool, ...]
    origin: float = 0.0


FAMILIES = {
    "disc": Family(_disc, (1,), (True,)),
    "ellipse": Family(_ellipse, (1, 0.5), (True, True)),
    "tube": Family(_tube, (1, 1 / 4, 2), (True, True, False)),
    "finger": Family(_finger, (1, 1 / 5, 1.5), (True, True, False)),
    "corner": Family(_corner, (1, 1, 1 / 3, 1 / 3), (True,) * 4, -0.5),
}


class Drawing:
    """A shape at an angle and a place, as `SHAPES` draws it.

    Attributes:
        mask: bool [h, w].
        start: its parameters: own ones, angle, place.
    """

    def __init__(self, shape: str, size: float, turn: float, shift: Points) -> None:
        self.family, self.size = FAMILIES[shape], size
        self.mask, self.truth = SHAPES[shape](size, turn, shift)
        scale = np.where(self.family.lengths, size, 1.0)
        self.start = np.concatenate([np.array(self.family.own) * scale, [turn], shift])
        self._fine = FINE * min(size, LARGEST)
        self.sides = [len(piece) for piece in self._pieces(self.start)]

    def _pieces(self, parameters: Points) -> list[Points]:
        return self.family.pieces(parameters, self._fine)

    def polygon(self, parameters: Points) -> Points:
        """The shape with these parameters, always of as many points."""
        x, y = (np.concatenate(self._pieces(parameters)) + self.family.origin * self.size).T
        turn, *place = parameters[-3:]
        c, s = math.cos(turn), math.sin(turn)
        middle = np.array(self.mask.shape[::-1]) / 2
        return np.stack([c * x - s * y, s * x + c * y], axis=1) + middle + place


# --- two kinds of figures, each with parameters from `start` on ---


class Own:
    """The drawn shape with other sizes, proportions, bend, angle and place."""

    def __init__(self, drawing: Drawing) -> None:
        self.polygon = drawing.polygon
        self.start = drawing.start
        self.limits = np.zeros((0, len(self.start))), np.zeros(0)

    def moves(self, parameters: Array) -> Array:
        """Derivatives [n, 2, p] of the polygon's points."""
        by = 1e-4 * np.eye(len(parameters))
        more, less = ([self.polygon(parameters + sign * of) for of in by] for sign in (1, -1))
        return (np.stack(more, axis=2) - np.stack(less, axis=2)) / 2e-4


class Smooth:
    """A figure whose sides are displaced by smooth waves, and whose corners are moved.

    Curvature changes nowhere by more than 1 / size or half of itself, so that convex sides stay
    convex, and the direction of a side at a corner by no more than `TURN`.

    Attributes:
        limits: rows [m, p] and limits [m] for the parameters, which these keep curvature to.
    """

    def __init__(self, base: Points, sides: Sequence[int], size: float) -> None:
        self.base, self.closed = base, len(sides) == 1
        ends = np.cumsum([0, *sides])
        every = [np.arange(*pair) for pair in zip(ends[:-1], ends[1:], strict=True)]
        normals = np.concatenate([self._normals(side) for side in every])
        columns = [of for side in every for of in self._waves(side, normals)]
        if not self.closed:
            for before, side in zip([every[-1], *every[:-1]], every, strict=True):
                columns += self._corner(before, side)
        self._moves = np.stack(columns, axis=2)
        along = np.einsum("nd,ndp->np", normals, self._moves)
        limits = [self._curvatures(side, along, size) for side in every]
        rows, room = (np.concatenate(of) for of in zip(*limits, strict=True))
        self.limits = np.concatenate([rows, -rows]), np.concatenate([room, room])
        self.start = np.zeros(len(columns))

    def polygon(self, parameters: Array) -> Points:
        return self.base + self._moves @ parameters

    def moves(self, parameters: Array) -> Array:
        return self._moves

    def _line(self, side: NDArray[np.int64]) -> tuple[Points, Array]:
        """Points of a side to its end, and how far each is along it."""
        points = self.base[np.append(side, (side[-1] + 1) % len(self.base))]
        return points, np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])

    def _normals(self, side: NDArray[np.int64]) -> Points:
        points, _ = self._line(side)
        edge = np.diff(points, axis=0)
        edge /= np.hypot(*edge.T)[:, None]
        before = np.roll(edge, 1, axis=0)
        if not self.closed:
            before[0] = edge[0]
        normal = np.stack([edge[:, 1] + before[:, 1], -edge[:, 0] - before[:, 0]], axis=1)
        return normal / np.hypot(*normal.T)[:, None]

    def _waves(self, side: NDArray[np.int64], normals: Points) -> Iterator[Points]:
        travelled = self._line(side)[1]
        length, whole = travelled[-1], 2 if self.closed else 1  # or half waves
        share = travelled[:-1] / length
        shapes = [np.ones_like(share)] if self.closed else []
        for number in range(1, max(int(min(2 * length / WAVE, 16) / whole), 1) + 1):
            angle = whole * math.pi * number * share
            shapes += [np.sin(angle), np.cos(angle)] if self.closed else [np.sin(angle)]
        for shape in shapes:
            field = np.zeros_like(self.base)
            field[side] = normals[side] * shape[:, None]
            yield field

    def _corner(self, before: NDArray[np.int64], side: NDArray[np.int64]) -> Iterator[Points]:
        """The corner between two sides moves along x and y, the sides in proportion."""
        for axis in (0, 1):
            field = np.zeros_like(self.base)
            for of, falling in ((side, True), (before, False)):
                travelled = self._line(of)[1]
                share = travelled[:-1] / travelled[-1]
                field[of, axis] += 1 - share if falling else share
            yield field

    def _curvatures(
        self, side: NDArray[np.int64], along: Array, size: float
    ) -> tuple[Array, Array]:
        """Changes of curvature [m, p] at places about a pixel apart, of direction at corners, and
        how large they may be."""
        travelled = self._line(side)[1]
        count = max(round(travelled[-1]), 6)
        gap = travelled[-1] / count
        places = np.arange(count) * gap
        index = side[np.searchsorted(travelled[:-1], places + 1e-9, side="right") - 1]
        edge = self.base[np.roll(index, -1)] - self.base[index]
        heading = np.arctan2(edge[:, 1], edge[:, 0])
        turn = np.angle(np.exp(1j * (heading - np.roll(heading, 1)))) / gap
        d = along[index]
        second = (np.roll(d, 1, axis=0) - 2 * d + np.roll(d, -1, axis=0)) / gap**2
        change = second + turn[:, None] ** 2 * d
        room = np.maximum(BEND / size, BEND_SHARE * np.abs(turn))
        if not self.closed:
            change[[0, -1]] = (d[1] - d[0]) / gap, (d[-1] - d[-2]) / gap
            room[[0, -1]] = TURN
        return change, room


# --- the measures of a polygon ---

_TURNS = np.arange(720) * (math.pi / 720)
DIRECTIONS = np.stack([np.cos(_TURNS), np.sin(_TURNS)])


def true_value(name: str, points: Points) -> float:
    """A measure of the figure that a polygon bounds, from the geometry."""
    if name == "area":
        return signed_area(points)
    if name == "perimeter":
        return open_length(np.vstack([points, points[:1]]))
    if name in ("convex_area", "feret_max", "feret_min"):
        return float(of_hull(points)[name])
    if name in ("major_axis", "minor_axis"):
        return polygon_moments([[points]])[0].axes[name == "minor_axis"]
    if name == "medial_width_max":
        return 2 * float(inner_circles(points)[1].max())
    length = open_length(medial_line(points))
    return length if name == "medial_length" else signed_area(points) / length


def hull(points: Points) -> NDArray[np.int64]:
    """Which points are corners of the convex hull, in order."""
    return np.sort(ConvexHull(points).vertices)


def opposite(points: Points) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """The outermost points to both sides in each of `DIRECTIONS`, and their distance along it."""
    corners = hull(points)
    along = points[corners] @ DIRECTIONS
    return corners[along.argmax(axis=0)], corners[along.argmin(axis=0)], np.ptp(along, axis=0)


def signed_area(points: Points) -> float:
    """Area of the closed polygon, positive when walked with the inside to the right."""
    return polygon_moments([[points]])[0].area


def open_length(points: Points) -> float:
    return float(np.hypot(*(points[1:] - points[:-1]).T).sum())


def inner_circles(points: Points) -> tuple[Points, NDArray[np.float64], NDArray[np.int64]]:
    """Centres, radii and touched points [m, 3] of circles inside, each through three of `points`."""
    diagram = Voronoi(points)
    ridges = np.array(diagram.ridge_vertices)
    touched = np.concatenate([diagram.ridge_points[ridges[:, end] >= 0] for end in (0, 1)])
    vertex = np.concatenate([ridges[ridges[:, end] >= 0, end] for end in (0, 1)])
    touched = touched[np.argsort(vertex, kind="stable")]
    first = np.searchsorted(np.sort(vertex), np.arange(len(diagram.vertices)))
    # of the three ridges that meet, two suffice: they have one of their points in common
    four = np.sort(np.concatenate([touched[first], touched[first + 1]], axis=1), axis=1)
    repeated = (four[:, 1:] == four[:, :-1]).argmax(axis=1)
    three = np.take_along_axis(four, np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3]])[repeated], axis=1)
    inside = points_in_poly(diagram.vertices, points)
    centres, three = diagram.vertices[inside], three[inside]
    return centres, np.hypot(*(points[three[:, 0]] - centres).T), three


def medial_line(points: Points) -> Points:
    """The medial axis from tip to tip; of what is not slender the extent along the main axis.

    The one that is measured in masks, here without pixels: the outline itself, enlarged.
    """
    large = np.ascontiguousarray(points * ENLARGED)
    pixels, area = np.round(large).astype(np.int64), round(signed_area(large))
    return Shape([Loop(pixels, large, area)]).longest.points / ENLARGED
