"""Chordal axes of several parts: the longest ways through the triangles between outline points."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from sam2pal.morphometrics.geometry.boundary import Boundary
from sam2pal.morphometrics.geometry.corners import Points
from sam2pal.morphometrics.geometry.moments import next_points

TAIL = 4.0  # radii that a branch of a ring may be long
Route = tuple[NDArray[np.complex128], bool]
"""A line, and whether its last point joins the first."""


@dataclass(frozen=True)
class Triangles:
    """Delaunay triangles inside several parts, those of a part together.

    Attributes:
        corners: [t, 3, 2], points of the outlines.
        neighbours: [t, 3], across the side opposite to each corner; -1 for none.
        starts: where the triangles of each part begin, and the number of all.
    """

    corners: NDArray[np.float64]
    neighbours: NDArray[np.int64]
    starts: NDArray[np.int64]

    def of(self, part: int) -> NDArray[np.float64]:
        return self.corners[self.starts[part] : self.starts[part + 1]]


def triangulate(samples: Sequence[Sequence[Points]]) -> Triangles:
    """Triangles between outline points that lie inside the parts.

    A triangle whose corners lie on one loop is inside if, taken in walking order, it turns the way
    the outline does; one that joins two loops is inside.

    Args:
        samples: for each part points on its loops.
    """
    simplices, neighbours, starts, count = [], [], [0], 0
    first_point = 0
    for of in samples:
        points = np.concatenate(of) if len(of) > 1 else of[0]
        try:
            net = scipy.spatial.Delaunay(points)
        except scipy.spatial.QhullError:  # all points on one line
            starts.append(count)
        else:
            simplices.append(net.simplices + first_point)
            neighbours.append(np.where(net.neighbors >= 0, net.neighbors + count, -1))
            count += len(net.simplices)
            starts.append(count)
        first_point += len(points)
    if not simplices:
        empty = np.zeros((0, 3, 2)), np.zeros((0, 3), int)
        return Triangles(*empty, np.array(starts))
    loops = [loop for of in samples for loop in of]
    points, loop = np.concatenate(loops), np.repeat(np.arange(len(loops)), [*map(len, loops)])
    corners, beside = np.concatenate(simplices), np.concatenate(neighbours)
    in_order = np.sort(corners, axis=1)
    a, b, c = points.view(np.complex128)[:, 0][in_order].T
    u, v = b - a, c - a
    turn = (u.conj() * v).imag
    # along a straight edge rounding makes triangles without a height of points far apart
    longest = np.maximum(u.real**2 + u.imag**2, v.real**2 + v.imag**2)
    inside = turn > 1e-5 * np.sqrt(longest)
    inside |= loop[in_order[:, 0]] != loop[in_order[:, 2]]
    number = np.full(count + 1, -1)
    number[:-1][inside] = np.arange(inside.sum())
    before = np.concatenate([[0], np.cumsum(inside)])
    return Triangles(points[corners[inside]], number[beside[inside]], before[starts])


def longest_ways(
    triangles: Triangles, boundary: Boundary, parts: NDArray[np.int64], may_close: NDArray[np.bool_]
) -> list[Route | None]:
    """The longest shortest path from triangle to triangle of each part, or the way round a ring.

    A triangle stands at the middle of its two chords; at its outline point if it is an end (one
    chord); where three chords meet, at the centre of the circle that touches all three sides.

    Args:
        parts: [m], of which it is wanted.
        may_close: [m], whether a part can be a ring.
    """
    linked = triangles.neighbours >= 0
    degree = linked.sum(axis=1)
    xy = triangles.corners.view(np.complex128)[..., 0]
    # the chord to neighbour k lies opposite corner k
    middles = (xy.sum(axis=1, keepdims=True) - xy) / 2
    nodes = (middles * linked).sum(axis=1) / np.maximum(degree, 1)
    ends = np.flatnonzero(degree == 1)
    nodes[ends] = xy[ends, linked[ends].argmax(axis=1)]
    chord, target = middles[linked], triangles.neighbours[linked]
    # from node to chord to node: the way does not leave the part where it bends
    length = np.abs(np.repeat(nodes, degree) - chord) + np.abs(nodes[target] - chord)
    pointer = np.concatenate([[0], np.cumsum(degree)])
    result: list[Route | None] = [None] * len(parts)
    first, last = triangles.starts[parts], triangles.starts[parts + 1]
    wanted = last - first >= 4
    for index in np.flatnonzero(wanted & may_close):
        start, end = int(first[index]), int(last[index])
        bounds = itertools.pairwise(pointer[start : end + 1].tolist())
        links = [set((target[a:b] - start).tolist()) for a, b in bounds]
        ring = _ring(links, nodes[start:end], boundary, int(parts[index]))
        if ring is not None:
            result[index], wanted[index] = (ring, True), False
    chosen = np.flatnonzero(wanted)
    if len(chosen) == 0:
        return result
    count = len(nodes)
    weights = np.maximum(length, 1e-9)
    graph = scipy.sparse.csr_array((weights, target, pointer), shape=(count, count))
    orders = _farthest(graph, first[chosen], last[chosen])
    way = np.concatenate(orders)
    line = nodes[way]
    joints = np.flatnonzero(degree[way] == 3)
    line[joints] = _circumcentres(xy[way[joints]])
    at = 0
    for index, order in zip(chosen, orders, strict=True):
        if len(order) >= 4:
            result[index] = line[at : at + len(order)], False
        at += len(order)
    return result


def _farthest(
    graph: "scipy.sparse.csr_array", first: NDArray[np.int64], last: NDArray[np.int64]
) -> list[NDArray[np.int64]]:
    """The nodes of the longest shortest path of each piece of a graph.

    Twice to the farthest node: exact in a tree, as triangles without a hole between them are.
    """
    reach = scipy.sparse.csgraph.dijkstra(graph, indices=first, min_only=True)
    spans = list(zip(first.tolist(), last.tolist(), strict=True))
    if any(np.isinf(reach[start:end]).any() for start, end in spans):
        # a pinched part may fall into several: the largest counts
        _, label = scipy.sparse.csgraph.connected_components(graph, directed=False)
        largest = [int(np.bincount(label[start:end]).argmax()) for start, end in spans]
        starts = [
            start + int((label[start:end] == of).argmax())
            for (start, end), of in zip(spans, largest, strict=True)
        ]
        reach = scipy.sparse.csgraph.dijkstra(graph, indices=starts, min_only=True)
    reach = np.where(np.isfinite(reach), reach, -1)
    ends = [start + int(reach[start:end].argmax()) for start, end in spans]
    reach, before, _ = scipy.sparse.csgraph.dijkstra(
        graph, indices=ends, min_only=True, return_predecessors=True
    )
    reach = np.where(np.isfinite(reach), reach, -1)
    previous = before.tolist()
    orders = []
    for start, end in spans:
        order, at = [], start + int(reach[start:end].argmax())
        while at >= 0:
            order.append(at)
            at = previous[at]
        orders.append(np.array(order))
    return orders


def _circumcentres(triangles: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Centres of the circles through the corners of triangles [t, 3]; of obtuse ones the middle."""
    a, b, c = triangles.T
    u, v, w = b - a, c - a, c - b
    uu, vv, ww = (x.real**2 + x.imag**2 for x in (u, v, w))
    acute = 2 * np.maximum(np.maximum(uu, vv), ww) < uu + vv + ww
    cross = np.where(acute, 2 * (u.conj() * v).imag, 1.0)
    return np.where(acute, a - 1j * (v * uu - u * vv) / cross, (a + b + c) / 3)


def _ring(
    links: list[set[int]], nodes: NDArray[np.complex128], boundary: Boundary, part: int
) -> NDArray[np.complex128] | None:
    """The way round, if a part is one ring without a tail longer than its own thickness."""
    tail = np.zeros(len(nodes))
    leaves = [i for i, near in enumerate(links) if len(near) == 1]
    while leaves:
        leaf = leaves.pop()
        if len(links[leaf]) != 1:
            continue
        root = links[leaf].pop()
        links[root].discard(leaf)
        tail[root] = max(tail[root], tail[leaf] + abs(nodes[root] - nodes[leaf]))
        if len(links[root]) == 1:
            leaves.append(root)
    core = [i for i, near in enumerate(links) if near]
    if len(core) < 3 or any(len(links[i]) != 2 for i in core):
        return None
    radius, _ = boundary.nearest(nodes[core], np.full(len(core), part))
    if (tail[core] > TAIL * radius).any():
        return None
    order, at, before = [core[0]], min(links[core[0]]), core[0]
    while at != core[0]:
        order.append(at)
        at, before = next(iter(links[at] - {before})), at
    if len(order) != len(core):
        return None
    way = nodes[order]
    for _ in range(2):  # where a tail was cut off the centre of a joint stands a little aside
        way = (np.roll(way, 1) + 2 * way + next_points(way)) / 4
    return way
