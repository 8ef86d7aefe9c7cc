"""The outlines of several parts as one set of points, for distances from them and the circles inside.

What is done for all parts of a specimen at once takes a fraction of the time of one after another:
most parts are small, and a call of NumPy on ten points takes as long as one on a thousand.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import scipy
import shapely
from numpy.typing import NDArray

from sam2pal.morphometrics.geometry.corners import Points
from sam2pal.morphometrics.geometry.moments import next_points

APART = 1e6  # pixels between parts in the third dimension, more than any photograph has
SAME = 1e-8  # pixels by which lengths may differ that are the same
FINEST = 0.03  # pixels up to which the centre of a largest circle is sought
SIDES = 3  # nearest points beside which the outline may be nearest
CANDIDATES = 12  # circumcircles from which it may start

_AROUND = np.array([(x, y) for x in range(-2, 3) for y in range(-2, 3) if x or y], dtype=float)
_NEAR = np.abs(_AROUND).max(axis=1) < 2


class Boundary:
    """Points of the outlines of several parts, and where each outline goes on from them."""

    def __init__(self, loops: Sequence[Sequence[Points]]) -> None:
        lines = [line for of in loops for line in of]
        self.points = np.concatenate(lines).view(np.complex128).ravel()
        self._part = np.repeat(np.arange(len(loops)), [sum(map(len, of)) for of in loops])
        self._sizes = np.array([len(line) for line in lines])

    @cached_property
    def _tree(self) -> "scipy.spatial.cKDTree":
        # not balanced: outline points lie evenly, and building takes longer than asking
        points = _with_part(self.points, self._part)
        return scipy.spatial.cKDTree(points, balanced_tree=False, compact_nodes=True)

    @cached_property
    def _steps(self) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
        """To the next and to the last point [n, 2], and the inverse of their squared lengths."""
        ahead = next_points(self.points, self._sizes) - self.points
        steps = np.empty((len(ahead), 2), np.complex128)
        steps[:, 0] = ahead
        steps[1:, 1] = -ahead[:-1]
        ends = np.cumsum(self._sizes)
        steps[ends - self._sizes, 1] = -ahead[ends - 1]
        return steps, 1 / np.maximum(steps.real**2 + steps.imag**2, 1e-12)

    def nearest(
        self, where: NDArray[np.complex128], part: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """How far the nearest point of its own part is from each of `where` [m], and which it is."""
        return self._tree.query(_with_part(where, part))

    def distance(
        self, where: NDArray[np.complex128], part: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Distances of points [m] from the outline itself, not from its nearest point; below 0 outside.

        In the middle of a part points on either side are equally near, and one between two others may
        be nearer than either.
        """
        _, nearest = self._tree.query(_with_part(where, part), k=SIDES)
        steps, inverse = self._steps
        gap = (where[:, None] - self.points[nearest])[..., None]
        turned = steps[nearest].conj() * gap
        share = np.minimum(np.maximum(turned.real * inverse[nearest], 0), 1)
        apart = np.abs(gap - share * steps[nearest]).reshape(len(where), 2 * SIDES)
        least = apart.min(axis=1)
        # the structure lies to the right of the way to the next point, to the left of that to the last
        side = (turned.imag * np.array([1, -1]) * np.sqrt(inverse[nearest])).reshape(apart.shape)
        # where two stretches meet at the nearest point, the one that is farther from running past it tells
        telling = np.where(apart <= least[:, None] + SAME, np.abs(side), -1).argmax(axis=1)
        return np.where(side[np.arange(len(where)), telling] < 0, -least, least)

    def depth(self, where: NDArray[np.complex128], part: NDArray[np.int64]) -> NDArray[np.float64]:
        """How far inside points [m] lie, from the line through the nearest point and its next."""
        _, nearest = self.nearest(where, part)
        steps, inverse = self._steps
        # the structure lies to the right of the outline's direction; y points down
        along = steps[nearest, 0] * np.sqrt(inverse[nearest, 0])
        return (along.conj() * (where - self.points[nearest])).imag

    def climb(
        self, starts: Sequence[NDArray[np.complex128]], part: NDArray[np.int64]
    ) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
        """Centre and radius of the largest circle of each of `part` [m], uphill from a start.

        Args:
            starts: for each some points inside it.
        """
        count = len(part)
        owner = np.repeat(np.arange(count), [len(of) for of in starts])
        every = np.concatenate(starts)
        reached = self.distance(every, part[owner])
        centre, radius = np.empty(count, np.complex128), np.empty(count)
        at = 0
        for index, of in enumerate(starts):
            best = at + int(_first_of_largest(reached[at : at + len(of)]))
            centre[index], radius[index] = every[best], reached[best]
            at += len(of)
        step, tries = np.maximum(radius / 8, 0.5), np.zeros(count, int)
        around = _AROUND @ np.array([1, 1j])
        active = np.flatnonzero(step > FINEST)
        while len(active):
            trial = centre[active, None] + step[active, None] * around
            owners = np.repeat(part[active], len(around))
            distance = self.distance(trial.ravel(), owners).reshape(trial.shape)
            best = _first_of_largest(distance)
            row = np.arange(len(active))
            higher = distance[row, best] > radius[active] + 2 * SAME
            moved = active[higher]
            centre[moved] = trial[higher, best[higher]]
            radius[moved] = distance[higher, best[higher]]
            tries[active] += 1
            # finer where nothing near is higher, or what was tried is all around the new centre
            done = ~higher | _NEAR[best] | (tries[active] == 8)
            step[active[done]] /= 4
            tries[active[done]] = 0
            active = active[step[active] > FINEST]
        return centre, radius


def _first_of_largest(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Where the largest of values [..., k] stands, whatever rounding makes of equal ones."""
    return (values >= values.max(axis=-1, keepdims=True) - SAME).argmax(axis=-1)


def _with_part(where: NDArray[np.complex128], part: NDArray[np.int64]) -> NDArray[np.float64]:
    """Points [m, 3] of which those of different parts are far apart."""
    result = np.empty((len(where), 3))
    result[:, 0], result[:, 1], result[:, 2] = where.real, where.imag, part * APART
    return result


def inner_circles(triangles: NDArray[np.float64], outer: Points) -> NDArray[np.complex128]:
    """Centres of some large circles that touch the outline from inside.

    Args:
        triangles: [t, 3, 2], between points of the outline.
        outer: the outline without its holes.
    """
    if len(triangles) == 0:
        return outer.mean(axis=0, keepdims=True).view(np.complex128)[:, 0]
    a, b, c = triangles.view(np.complex128)[..., 0].T
    u, v = b - a, c - a
    cross = 2 * (u.conj() * v).imag
    cross = np.where(np.abs(cross) < 1e-12, 1e-12, cross)
    uu, vv = u.real**2 + u.imag**2, v.real**2 + v.imag**2
    shift = 1j * (v * uu - u * vv) / -cross
    radius = np.abs(shift)
    # the circumcircle of a flat triangle beside the outline is centred outside
    sharp = radius <= 2 * np.sqrt(np.maximum(uu, vv))
    largest = np.argsort(-np.where(sharp, radius, 0), kind="stable")[:CANDIDATES]
    middles = ((a + b + c) / 3)[largest]
    centres = np.where(sharp[largest], (a + shift)[largest], middles)
    inside = shapely.contains_xy(shapely.Polygon(outer), centres.real, centres.imag)
    return centres[inside] if inside.any() else middles
