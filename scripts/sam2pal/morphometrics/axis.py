"""The medial axis of one part of a structure: its length from tip to tip, and the width across it."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import Delaunay, QhullError, cKDTree

from sam2pal.morphometrics.moments import following, polygon_moments
from sam2pal.morphometrics.outline import (
    Loop,
    Points,
    along_line,
    closed_length,
    convex_hull,
    signed_area,
)

SLENDER = 2.0  # length over largest width from which a part has ends, and an axis that may bend
ROUND = 0.6  # circularity below which a part is not looked at as convex and short
CONVEX = 0.96  # share of its convex hull from which a part has no bend
TIP = 2.0  # an end this many radii long belongs to the blunt tip and is replaced by a straight run
MOST_BENT = 0.35  # radius of a tip over the radius of the bend with which its axis is continued
STEPS = 25  # points of the continuation of an axis to the tip
EVEN = 0.6  # pixels by which widths differ that a mask cannot tell apart
SAMPLES = 6.0  # outline points along a stretch as long as the part is thick


@dataclass(frozen=True)
class Axis:
    """Medial axis of one part.

    Attributes:
        points: [n, 2], the axis from tip to tip (closed: the last joins the first).
        length: its length in pixels.
        closed: the part is a ring, the axis runs once round it.
        straight: the part is not slender; the axis is the chord along its main axis of inertia.
        width: mean width across the axis, area / length.
    """

    points: Points
    length: float
    closed: bool
    straight: bool
    width: float
    _within: "_Within"

    @property
    def circle(self) -> tuple[Points, float]:
        """Centre (x, y) and radius of the largest circle inside the part."""
        return self._within.circle

    @cached_property
    def widest(self) -> float:
        """Largest width: the mean diameter of the circles inside a slender part that are within
        `EVEN` pixels of the largest; of other parts the largest circle's.

        The outline is uncertain by a part of a pixel, and along a tube the largest circle is the one
        where that adds most.
        """
        largest = 2 * self.circle[1]
        if self.straight:
            return largest
        widths = 2 * _radii(self.points, self._within.boundary, largest / 2 - EVEN / 2)
        return float(np.mean([largest, *widths[widths >= largest - EVEN]]))


def medial_axis(outer: Loop, holes: list[Loop]) -> Axis:
    """Medial axis of the part bounded by `outer` and `holes`.

    A hole rounder and narrower than the part is thick (a pin through an elytron) is bridged: the
    axis passes over it. A wider one (an antenna that curls back on itself) is gone round.

    The axis joins the midpoints of the chords that cross the part, the inner edges of the Delaunay
    triangulation of its outline (the chordal axis); the longest shortest path along them is taken,
    its ends up to `TIP` radii replaced by the continuation of the path to the outline. That ends at
    the apex of a round tip and in the middle of a flat one.
    """
    bridged = [hole for hole in holes if _is_bridged(outer, hole, holes)]
    open_holes = [hole for hole in holes if not any(hole is other for other in bridged)]
    area = outer.area + sum(hole.area for hole in open_holes)
    loops = [outer.points, *(hole.points for hole in open_holes)]
    length = sum(closed_length(loop) for loop in loops)
    spacing = max(2 * area / length / SAMPLES, min(max(length / 250, 0.8), 1.5))
    samples = [_resample_closed(loop, spacing) for loop in loops]
    dense = samples
    if spacing > 1.6:
        dense = [_resample_closed(loop, 1.6) for loop in loops]
    boundary = _Boundary.of(dense)
    within = _Within(_triangulate(samples), boundary, outer)
    if not open_holes and _is_compact(outer, within):
        return _chord(outer, area, within)
    tree = boundary.tree
    path, closed = _path(within.triangles, bool(open_holes), tree)
    points = path if path is None or closed else _to_tips(path, tree, boundary.along, spacing)
    if points is None or (
        not closed and _open_length(points) < SLENDER * 2 * float(tree.query(points)[0].max())
    ):
        return _chord(outer, area, within)
    axis_length = closed_length(points) if closed else _open_length(points)
    return Axis(points, axis_length, closed, False, area / axis_length, within)


def _is_compact(outer: Loop, within: "_Within") -> bool:
    """Whether a part is so convex and short that no axis inside it can be `SLENDER`."""
    if 4 * math.pi * outer.area < ROUND * outer.length**2:  # of most, without more ado
        return False
    hull = convex_hull(outer.points)
    if outer.area < CONVEX * abs(signed_area(hull)):
        return False
    longest = float(np.ptp(hull @ _DIRECTIONS, axis=0).max()) * _BETWEEN
    return longest < SLENDER * 2 * within.circle[1]


_TURNS = np.arange(24) * (np.pi / 24)
_DIRECTIONS = np.stack([np.cos(_TURNS), np.sin(_TURNS)])
_BETWEEN = 1 / math.cos(math.pi / 48)  # a diameter may lie between two of these directions


def _chord(outer: Loop, area: int, within: "_Within") -> Axis:
    """The chord along the main axis of inertia as the axis of a part that is not slender."""
    points = _main_chord(outer.points)
    length = _open_length(points)
    return Axis(points, length, False, True, area / length, within)


def _is_bridged(outer: Loop, hole: Loop, holes: list[Loop]) -> bool:
    """Whether the hole's half-width is less than that of the part."""
    area = outer.area + sum(other.area for other in holes)
    length = outer.length + sum(other.length for other in holes)
    return 2 * abs(hole.area) / hole.length < max(area / length, 1.0)


def _open_length(points: Points) -> float:
    step = points[1:] - points[:-1]
    return float(np.hypot(step[:, 0], step[:, 1]).sum())


def _resample_closed(points: Points, spacing: float) -> Points:
    closed = np.concatenate([points, points[:1]])
    step = closed[1:] - closed[:-1]
    travelled = np.concatenate([[0.0], np.cumsum(np.hypot(step[:, 0], step[:, 1]))])
    count = max(round(travelled[-1] / spacing), 8)
    samples = np.arange(count) * (travelled[-1] / count)
    return along_line(closed, travelled, samples)


@dataclass(frozen=True)
class _Boundary:
    """Points of the outline, for distances from it, and where it goes on from each.

    Attributes:
        steps: complex [n, 2], x + iy, to the next and to the last point.
        inverse: [n, 2], of the squared lengths of the steps.
    """

    tree: cKDTree
    steps: NDArray[np.complex128]
    inverse: NDArray[np.float64]

    @classmethod
    def of(cls, loops: Sequence[Points]) -> "_Boundary":
        lines = [loop @ np.array([1, 1j]) for loop in loops]
        points = np.concatenate(lines)
        after = np.concatenate([following(line) for line in lines])
        before = np.concatenate([np.concatenate([line[-1:], line[:-1]]) for line in lines])
        steps = np.stack([after - points, before - points], axis=1)
        squared = steps.real**2 + steps.imag**2
        return cls(cKDTree(np.concatenate(loops)), steps, 1 / np.maximum(squared, 1e-12))

    @cached_property
    def along(self) -> Points:
        step = self.steps[:, 0]
        return np.stack([step.real, step.imag], axis=1) * np.sqrt(self.inverse[:, :1])

    def distance(self, where: Points) -> NDArray[np.float64]:
        """Distances of points [m, 2] from the outline itself, not from its nearest point."""
        _, nearest = self.tree.query(where)
        gap = (where - self.tree.data[nearest]).view(np.complex128)  # [m, 1]
        steps = self.steps[nearest]
        share = (gap * steps.conj()).real * self.inverse[nearest]
        share = np.minimum(np.maximum(share, 0), 1)
        return np.abs(gap - share * steps).min(axis=1)


@dataclass(frozen=True)
class _Triangles:
    """Delaunay triangles inside the part: corners into `points`, neighbours into the triangles."""

    points: Points
    corners: NDArray[np.int64]
    neighbours: NDArray[np.int64]


@dataclass(frozen=True)
class _Within:
    """What is needed to find the largest circle inside a part."""

    triangles: _Triangles
    boundary: _Boundary
    outer: Loop

    @cached_property
    def circle(self) -> tuple[Points, float]:
        return _largest_circle(self.triangles, self.boundary, self.outer)


def _triangulate(samples: list[Points]) -> _Triangles:
    """Triangles between outline points that lie inside the part.

    A triangle whose corners lie on one loop is inside if, taken in walking order, it turns the way
    the outline does; one that joins two loops is inside.
    """
    points = np.concatenate(samples)
    loop = np.repeat(np.arange(len(samples)), [len(sample) for sample in samples])
    try:
        net = Delaunay(points)
    except QhullError:  # all points on one line
        return _Triangles(points, np.zeros((0, 3), int), np.zeros((0, 3), int))
    corners = np.sort(net.simplices, axis=1)
    a, b, c = points[corners].transpose(1, 0, 2)
    turn = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    # along a straight edge rounding makes triangles without a height of points far apart
    inside = turn > 1e-5 * np.sqrt(np.maximum(((b - a) ** 2).sum(1), ((c - a) ** 2).sum(1)))
    if len(samples) > 1:
        inside |= (loop[corners] != loop[corners[:, :1]]).any(axis=1)
    number = np.full(len(corners) + 1, -1)
    number[:-1][inside] = np.arange(inside.sum())
    return _Triangles(points, net.simplices[inside], number[net.neighbors[inside]])


def _inner_circles(
    triangles: _Triangles, boundary: _Boundary, outer: Loop
) -> tuple[Points, NDArray[np.float64]]:
    """Centres and radii of some large circles that touch the outline from inside."""
    if len(triangles.corners) == 0:
        middle = outer.points.mean(axis=0, keepdims=True)
        return middle, boundary.distance(middle)
    a, b, c = triangles.points[triangles.corners].transpose(1, 0, 2)
    u, v = b - a, c - a
    cross = 2 * (u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])
    cross = np.where(np.abs(cross) < 1e-12, 1e-12, cross)
    uu, vv = (u * u).sum(1), (v * v).sum(1)
    shift = np.stack([v[:, 1] * uu - u[:, 1] * vv, u[:, 0] * vv - v[:, 0] * uu], axis=1)
    shift /= cross[:, None]
    radius = np.hypot(shift[:, 0], shift[:, 1])
    # the circumcircle of a flat triangle beside the outline is centred outside
    sharp = radius <= 2 * np.sqrt(np.maximum(uu, vv))
    centres = np.where(sharp[:, None], a + shift, (a + b + c) / 3)
    largest = np.argsort(-np.where(sharp, radius, 0), kind="stable")[:12]
    centres = centres[largest]
    inside = _inside(centres, outer)
    if not inside.any():
        centres, inside = ((a + b + c) / 3)[largest], np.ones(len(largest), bool)
    centres = centres[inside]
    return centres, boundary.distance(centres)


def _largest_circle(
    triangles: _Triangles, boundary: _Boundary, outer: Loop
) -> tuple[Points, float]:
    """Centre and radius of the largest circle inside the part, uphill from a circumcircle."""
    centres, radii = _inner_circles(triangles, boundary, outer)
    best = int(radii.argmax())
    centre, radius = centres[best], float(radii[best])
    step = max(radius / 8, 0.5)
    while step > 0.03:
        for _ in range(8):
            trial = centre + step * _AROUND
            distance = boundary.distance(trial)
            best = int(distance.argmax())
            if distance[best] <= radius + 1e-9:
                break
            centre, radius = trial[best], float(distance[best])
            if np.abs(_AROUND[best]).max() < 2:  # it lies within what was tried
                break
        step /= 4
    return centre, radius


def _radii(line: Points, boundary: _Boundary, least: float) -> NDArray[np.float64]:
    """Radii of the largest circles beside the points of a medial axis, where they may reach `least`."""
    step = np.gradient(line, axis=0)
    near = boundary.distance(line) >= least - np.abs(BESIDE).max()
    line, step = line[near], step[near]
    normal = np.stack([-step[:, 1], step[:, 0]], axis=1)
    normal /= np.maximum(np.hypot(step[:, 0], step[:, 1]), 1e-9)[:, None]
    beside = line + BESIDE[:, None, None] * normal  # [5, n, 2]
    return boundary.distance(beside.reshape(-1, 2)).reshape(len(BESIDE), -1).max(axis=0)


BESIDE = np.array([-0.5, -0.25, 0.0, 0.25, 0.5])  # pixels
_AROUND = np.array([(x, y) for x in range(-2, 3) for y in range(-2, 3) if x or y], dtype=float)


def _inside(where: Points, outer: Loop) -> NDArray[np.bool_]:
    """Whether points [m, 2] lie inside the outer outline (even-odd rule)."""
    p = outer.points if len(outer.points) < 400 else outer.points[:: len(outer.points) // 200]
    q = following(p)
    x, y = where[:, :1], where[:, 1:]
    crosses = (p[:, 1] > y) != (q[:, 1] > y)
    slope = (q[:, 0] - p[:, 0]) / np.where(q[:, 1] == p[:, 1], 1.0, q[:, 1] - p[:, 1])
    return (crosses & (x < p[:, 0] + slope * (y - p[:, 1]))).sum(axis=1) % 2 == 1


def _path(triangles: _Triangles, may_close: bool, tree: cKDTree) -> tuple[Points | None, bool]:
    """The longest shortest path from triangle to triangle, or the way round a ring.

    A triangle stands at the middle of its two chords; at its outline point if it is an end (one
    chord); where three chords meet, at the centre of the circle that touches all three sides.
    """
    corners, neighbours = triangles.corners, triangles.neighbours
    count = len(corners)
    if count < 4:
        return None, False
    linked = neighbours >= 0
    degree = linked.sum(axis=1)
    xy = triangles.points[corners]  # [t, 3, 2]; the chord to neighbour k lies opposite corner k
    middles = (xy.sum(axis=1, keepdims=True) - xy) / 2
    nodes = (middles * linked[..., None]).sum(axis=1) / np.maximum(degree, 1)[:, None]
    ends = np.flatnonzero(degree == 1)
    nodes[ends] = xy[ends, linked[ends].argmax(axis=1)]
    chord = middles[linked]
    triangle = np.repeat(np.arange(count), degree)
    target = neighbours[linked]
    # from node to chord to node: the way does not leave the part where it bends
    apart = np.hypot(*(nodes[triangle] - chord).T) + np.hypot(*(nodes[target] - chord).T)
    pointer = np.concatenate([[0], np.cumsum(degree)])
    if may_close:
        ring = _ring(target, pointer, nodes, tree)
        if ring is not None:
            return ring, True
    order = _longest_way(apart, target, pointer, tree_like=not may_close)
    if len(order) < 4:
        return None, False
    way = np.array(order)
    line = nodes[way]
    joints = np.flatnonzero(degree[way] == 3)
    line[joints] = _circumcentres(xy[way[joints]])
    return line, False


def _longest_way(
    length: NDArray[np.float64],
    target: NDArray[np.int64],
    pointer: NDArray[np.int64],
    tree_like: bool,
) -> list[int]:
    """Nodes of the longest shortest path of a graph, whose links are those of a sparse matrix.

    Twice to the farthest node: exact in a tree, as triangles without a hole between them are.
    """
    count = len(pointer) - 1
    if not tree_like:
        graph = csr_array((np.maximum(length, 1e-9), target, pointer), shape=(count, count))
        reach = dijkstra(graph, indices=0)
        first = int(np.where(np.isfinite(reach), reach, -1).argmax())
        reach, before = dijkstra(graph, indices=first, return_predecessors=True)
        last, before = int(np.where(np.isfinite(reach), reach, -1).argmax()), before.tolist()
    else:  # for so few nodes by far faster
        links = _links(length, target, pointer)
        visited, reach_of, _ = _sweep(0, links)
        if len(visited) < count:  # a pinched part may fall into several trees
            seen, largest = set(visited), visited
            for node in range(count):
                if node not in seen:
                    visited, _, _ = _sweep(node, links)
                    seen.update(visited)
                    largest = max(largest, visited, key=len)
            visited, reach_of, _ = _sweep(largest[0], links)
        first = max(visited, key=reach_of.__getitem__)
        visited, reach_of, before = _sweep(first, links)
        last = max(visited, key=reach_of.__getitem__)
    order, at = [], last
    while at >= 0:
        order.append(at)
        at = before[at]
    return order


def _links(
    length: NDArray[np.float64], target: NDArray[np.int64], pointer: NDArray[np.int64]
) -> list[list[tuple[int, float]]]:
    """Of every node its neighbours and how far they are."""
    pairs = list(zip(target.tolist(), length.tolist(), strict=True))
    ends = pointer.tolist()
    return [pairs[start:end] for start, end in itertools.pairwise(ends)]


def _sweep(
    start: int, links: list[list[tuple[int, float]]]
) -> tuple[list[int], list[float], list[int]]:
    """The nodes of a tree that can be reached, how far each is (-1: not reached), and the one before it."""
    reach, before, order = [-1.0] * len(links), [-1] * len(links), [start]
    reach[start] = 0.0
    for node in order:  # grows while it is read
        far = reach[node]
        for other, step in links[node]:
            if reach[other] < 0:
                reach[other] = far + step
                before[other] = node
                order.append(other)
    return order, reach, before


def _circumcentres(triangles: NDArray) -> Points:
    """Centres of the circles through the corners of triangles [t, 3, 2]; of obtuse ones the middle."""
    a, b, c = triangles.transpose(1, 0, 2)
    u, v, w = b - a, c - a, c - b
    uu, vv, ww = (u * u).sum(1), (v * v).sum(1), (w * w).sum(1)
    cross = 2 * (u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])
    acute = 2 * np.maximum(np.maximum(uu, vv), ww) < uu + vv + ww
    safe = np.where(acute, cross, 1.0)[:, None]
    shift = np.stack([v[:, 1] * uu - u[:, 1] * vv, u[:, 0] * vv - v[:, 0] * uu], axis=1) / safe
    return np.where(acute[:, None], a + shift, (a + b + c) / 3)


def _ring(
    target: NDArray[np.int64], pointer: NDArray[np.int64], nodes: Points, tree: cKDTree
) -> Points | None:
    """The way round, if the part is one ring without a tail longer than its own thickness."""
    links = [set(target[pointer[i] : pointer[i + 1]].tolist()) for i in range(len(nodes))]
    tail = np.zeros(len(nodes))
    leaves = [i for i, near in enumerate(links) if len(near) == 1]
    while leaves:
        leaf = leaves.pop()
        if len(links[leaf]) != 1:
            continue
        root = links[leaf].pop()
        links[root].discard(leaf)
        tail[root] = max(tail[root], tail[leaf] + np.hypot(*(nodes[root] - nodes[leaf])))
        if len(links[root]) == 1:
            leaves.append(root)
    core = [i for i, near in enumerate(links) if near]
    if len(core) < 3 or any(len(links[i]) != 2 for i in core):
        return None
    if (tail[core] > 2 * TIP * tree.query(nodes[core])[0]).any():
        return None
    order, at, last = [core[0]], min(links[core[0]]), core[0]
    while at != core[0]:
        order.append(at)
        at, last = next(iter(links[at] - {last})), at
    if len(order) != len(core):
        return None
    way = nodes[order]
    for _ in range(2):  # where a tail was cut off the centre of a joint stands a little aside
        way = (np.roll(way, 1, axis=0) + 2 * way + following(way)) / 4
    return way


def _to_tips(path: Points, tree: cKDTree, along: Points, spacing: float) -> Points | None:
    """Cut both ends of the path back to where the tip begins, smooth it, and run it out.

    Args:
        tree, along: points of the outline, and its direction there.
    """
    travelled = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    total = travelled[-1]
    fine = max(spacing / 2, 0.8)
    count = max(round(total / fine), 8)
    samples = np.arange(count + 1) * (total / count)
    points = along_line(path, travelled, samples)
    radius = tree.query(points)[0]
    first, last = _tip(points, radius), len(points) - 1 - _tip(points[::-1], radius[::-1])
    if last - first < 4:
        return None
    middle = slice(first, last + 1)
    points, radius = points[middle], radius[middle]
    points = _smooth_open(points, max(1.5, 0.75 * spacing) / fine)
    before, after = _run_out([points[::-1], points], [radius[0], radius[-1]], tree, along)
    return np.concatenate([before[::-1], points, after])


def _tip(points: Points, radius: NDArray) -> int:
    """How many points at the start of a path belong to the tip.

    Those up to the last one from which the whole start lies within `TIP` radii: in a blunt end the
    path turns into a corner, however it gets there.
    """
    step = points[1:] - points[:-1]
    travelled = np.cumsum(np.hypot(step[:, 0], step[:, 1]))
    count = min(int(np.searchsorted(travelled, 3 * TIP * radius.max())) + 2, len(points))
    start, places = points[:count], np.arange(count)
    chosen = places[:: max(count // 16, 1)]
    apart = start[:, None] - start[chosen]
    reach = (np.hypot(apart[..., 0], apart[..., 1]) * (places[:, None] >= chosen)).max(axis=1)
    return int(np.flatnonzero(reach <= TIP * radius[:count] + 1)[-1]) + 1


def _smooth_open(points: Points, sigma: float) -> Points:
    reach = int(3.5 * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    margin = 2 * reach
    beyond = np.minimum(np.arange(1, margin + 1), len(points) - 1)
    line = np.concatenate(
        [2 * points[0] - points[beyond[::-1]], points, 2 * points[-1] - points[-1 - beyond]]
    )
    once = correlate1d(line, kernel, axis=0, mode="nearest")
    twice = 2 * once - correlate1d(once, kernel, axis=0, mode="nearest")
    return twice[margin : margin + len(points)]


def _run_out(
    lines: Sequence[Points], radii: Sequence[float], tree: cKDTree, along: Points
) -> list[Points]:
    """Continue the ends of `lines` with their own curvature until they meet the outline."""
    runs = [_continued(line, radius) for line, radius in zip(lines, radii, strict=True)]
    every = np.concatenate(runs)
    nearest = tree.query(every)[1]
    gap, direction = every - tree.data[nearest], along[nearest]
    # the structure lies to the right of the outline's direction; y points down
    depth = direction[:, 0] * gap[:, 1] - direction[:, 1] * gap[:, 0]
    result, at = [], 0
    for run in runs:
        inside = depth[at : at + len(run)]
        at += len(run)
        outside = np.flatnonzero(inside[1:] <= 0)
        if len(outside) == 0:
            result.append(np.zeros((0, 2)))
            continue
        last = int(outside[0])
        share = inside[last] / (inside[last] - inside[last + 1]) if inside[last] > 0 else 0.0
        tip = run[last] + share * (run[last + 1] - run[last])
        result.append(np.concatenate([run[1 : last + 1], tip[None]]))
    return result


def _continued(points: Points, radius: float) -> Points:
    """The end of `points`, and a line of four radii that continues it."""
    tail = points[::-1][: max(len(points), 4)]
    step = tail[1:] - tail[:-1]
    back = np.cumsum(np.hypot(step[:, 0], step[:, 1]))
    count = max(int(np.searchsorted(back, 2.5 * radius)) + 2, 4)
    window = tail[:count]
    s = np.concatenate([[0.0], -back[: len(window) - 1]])
    span = max(-s[-1], 1e-6)
    bends = len(window) >= 8 and span > 1.5 * radius
    fit = _polynomial(s / span, window - window[0], 2 if bends else 1)
    # no more bend than a circle about the outline could have
    if bends and math.hypot(*fit[2]) * 2 / span**2 * radius > MOST_BENT:
        fit = _polynomial(s / span, window - window[0], 1)
    steps = np.arange(STEPS) * ((4 * radius + 2) / (STEPS - 1) / span)
    return steps[:, None] ** np.arange(1, len(fit)) @ fit[1:] + window[0]


def _polynomial(s: NDArray, points: Points, degree: int) -> NDArray:
    """Coefficients [degree + 1, 2] of the least squares polynomials in s through points [n, 2]."""
    powers = s[:, None] ** np.arange(degree + 1)
    return np.linalg.solve(powers.T @ powers, powers.T @ points)


def _main_chord(points: Points) -> Points:
    """The chord through the centroid along the main axis of inertia of a closed outline."""
    moments = polygon_moments([points])
    centre, angle = np.array(moments.centre), moments.angle
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    p, q = points - centre, following(points) - centre
    side_p, side_q = p @ across, q @ across
    crossing = np.flatnonzero((side_p > 0) != (side_q > 0))
    share = side_p[crossing] / (side_p[crossing] - side_q[crossing])
    place = (p[crossing] + share[:, None] * (q[crossing] - p[crossing])) @ along
    return centre + np.array([place.min(), place.max()])[:, None] * along
