"""How the measures of a polygon change with its points, to first order.

`moves` are the derivatives [n, 2, p] of the points [n, 2] of a polygon by its parameters.
"""

import math

import numpy as np
from morphometric_figures import (
    DIRECTIONS,
    Array,
    Points,
    hull,
    inner_circles,
    medial_line,
    open_length,
    opposite,
    signed_area,
    true_value,
)
from scipy.spatial import cKDTree

from sam2pal.morphometrics.geometry.moments import next_points, polygon_moments


def slopes(name: str, points: Points, moves: Array, high: bool) -> tuple[Array, Array]:
    """Values [m] of which a measure is the smallest (`high`) or the largest, and derivatives [m, p]."""
    if name == "area":
        return np.array([signed_area(points)]), _along(_area_slope(points), moves)
    if name == "perimeter":
        edge = next_points(points) - points
        edge /= np.hypot(*edge.T)[:, None]
        slope = np.roll(edge, 1, axis=0) - edge
        return np.array([true_value(name, points)]), _along(slope, moves)
    if name == "convex_area":
        corners = hull(points)
        slope = _area_slope(points[corners])
        return np.array([signed_area(points[corners])]), _along(slope, moves[corners])
    if name in ("feret_max", "feret_min"):
        return _feret(name, points, moves, high)
    if name in ("major_axis", "minor_axis"):
        (moments,) = polygon_moments([[points]])
        angle = moments.angle + (math.pi / 2 if name == "minor_axis" else 0)
        deviation = moments.axes[name == "minor_axis"] / 4
        across = (points - moments.centre) @ (math.cos(angle), math.sin(angle))
        weight = 2 * (across**2 - deviation**2) / (moments.area * deviation)
        return np.array([4 * deviation]), _along(weight[:, None] * _area_slope(points), moves)
    if name == "medial_width_max":
        return _widths(points, moves, high)
    line = medial_line(points)
    length, slope = open_length(line), _line_slope(line, points, moves)
    if name == "medial_length":
        return np.array([length]), slope
    area, by = signed_area(points), _along(_area_slope(points), moves)
    return np.array([area / length]), (by - area / length * slope) / length


def _along(slope: Points, moves: Array) -> Array:
    return np.einsum("nd,ndp->p", slope, moves)[None]


def _area_slope(points: Points) -> Points:
    step = (next_points(points) - np.roll(points, 1, axis=0)) / 2
    return np.stack([step[:, 1], -step[:, 0]], axis=1)


def _feret(name: str, points: Points, moves: Array, high: bool) -> tuple[Array, Array]:
    one, other, width = opposite(points)
    if name == "feret_max":
        chosen = np.array([width.argmax()]) if high else np.flatnonzero(width > width.max() - 1)
        one, other = one[chosen], other[chosen]
        apart = points[one] - points[other]
        normal = apart / np.hypot(*apart.T)[:, None]
    elif high:
        chosen = np.flatnonzero(width < width.min() + 1.5)
        one, other, normal = one[chosen], other[chosen], DIRECTIONS.T[chosen]
    else:  # both flanks of the narrowest direction
        normal = DIRECTIONS.T[[width.argmin()]]
        corners = hull(points)
        across = (points[corners] @ normal.T)[:, 0]
        flanks = []
        for sign in (1, -1):
            depth = (sign * across).max() - sign * across
            flank = np.argsort(depth)[: (depth < 1).sum()]
            flanks.append(corners[flank[:: max(len(flank) // 15, 1)]])
        one, other = (of.ravel() for of in np.meshgrid(*flanks))
    values = ((points[one] - points[other]) * normal).sum(axis=1)
    normal = np.broadcast_to(normal, (len(one), 2))
    return values, np.einsum("md,mdp->mp", normal, moves[one] - moves[other])


def _widths(points: Points, moves: Array, high: bool) -> tuple[Array, Array]:
    """Diameters of inner circles: they grow with the mean displacement of what they touch.

    Weights are such that the circle's centre does not matter.
    """
    centres, radii, three = inner_circles(points)
    order = np.argsort(-radii)
    if high:
        order = order[:1]
    else:
        large = order[radii[order] > 0.9 * radii.max()]
        order = np.append(large[:1], large[1 :: max(len(large) // 300, 1)])
    centres, radii, three = centres[order], radii[order], three[order]
    outward = (points[three] - centres[:, None]) / radii[:, None, None]
    balance = np.concatenate([outward.transpose(0, 2, 1), np.ones((len(order), 1, 3))], axis=1)
    weight = np.linalg.pinv(balance, rcond=1e-2)[:, :, 2]
    return 2 * radii, 2 * np.einsum("mk,mkd,mkdp->mp", weight, outward, moves[three])


def _line_slope(line: Points, points: Points, moves: Array) -> Array:
    """Derivatives [1, p] of a medial axis' length: it moves with the mean of both sides."""
    tree = cKDTree(points)
    travelled = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    thick = tree.query(line)[0].max() if len(line) > 2 else travelled[-1]  # straight
    places = np.arange(1.5 * thick, travelled[-1] - 1.5 * thick, thick / 2)
    middle, ahead = (
        np.stack([np.interp(places + by, travelled, of) for of in line.T], axis=1)
        for by in (0, 0.3)
    )
    normal = np.stack([middle[:, 1] - ahead[:, 1], ahead[:, 0] - middle[:, 0]], axis=1)
    normal /= np.hypot(*normal.T)[:, None]
    reach = tree.query(middle)[0][:, None] * normal
    sides = (moves[tree.query(middle + reach)[1]] + moves[tree.query(middle - reach)[1]]) / 2
    moved = np.einsum("md,me,mep->mdp", normal, normal, sides)
    if len(line) > 2:
        tips = tree.query(line[[0, -1]])[1]
    else:  # as far as the outline reaches along the axis
        along = points @ (line[1] - line[0])
        tips = np.array([along.argmin(), along.argmax()])
    first, last = moves[tips]
    edge = np.diff(np.concatenate([line[:1], middle, line[-1:]]), axis=0)
    edge /= np.hypot(*edge.T)[:, None]
    slope = np.concatenate([-edge[:1], edge[:-1] - edge[1:], edge[-1:]])
    return _along(slope, np.concatenate([first[None], moved, last[None]]))
