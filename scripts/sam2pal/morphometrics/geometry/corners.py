"""Sharp corners of the closed lines that run between the pixels of masks."""

import math

import numpy as np
import scipy
from numpy.typing import NDArray

Points = NDArray[np.float64]

ARM, GAP = 7, 1  # points on either side of a corner that are fitted, and left out next to it
CORNER_TURN = (60.0, 150.0)  # degrees
CORNER_RATIO = 0.58  # two straight arms must fit this much better than one circle
CORNER_DISTANCE = 0.9  # pixels between the corner and the pixels' own outline
CORNER_REACH = 0.75  # pixels by which a corner may stand out from there
EMPTY, EMPTY_BY_TURN = 0.9, 0.025  # pixels that may be missing between the arms of a corner of 80
# degrees, and more per degree: more are missing in a round tip of 5 pixels' radius
LONG_ARM, STRAIGHT = 14, 0.32  # points of long arms, and their deviation from lines in pixels


def find_corners(loops: list[Points]) -> list[list[tuple[int, Points]]]:
    """Sharp corners of closed lines: (index of the nearest point, position), in order, for each.

    A place is a corner if two straight arms describe the points around it clearly better than a
    circle does. Without this, a right angle loses half a pixel of length and of Feret diameter.
    """
    reach = ARM + GAP
    result: list[list[tuple[int, Points]]] = [[] for _ in loops]
    long = [index for index, points in enumerate(loops) if len(points) >= 4 * reach]
    if not long:
        return result
    # all loops in one line, each with its own end before it and its own start after it
    sizes = np.array([len(loops[index]) for index in long])
    margin = 4 * reach
    line = np.concatenate(
        [loops[k][np.arange(-margin, len(loops[k]) + margin) % len(loops[k])] for k in long]
    )
    first = np.concatenate([[0], np.cumsum(sizes + 2 * margin)[:-1]]) + margin
    ahead, behind = line[2 * reach :] - line[reach:-reach], line[reach:-reach] - line[: -2 * reach]
    turned = np.zeros(len(line))
    turned[reach:-reach] = np.abs(
        np.arctan2(behind[:, 0] * ahead[:, 1] - behind[:, 1] * ahead[:, 0], (ahead * behind).sum(1))
    )
    peak = turned >= scipy.ndimage.maximum_filter1d(turned, 5) - 0.3
    owner = np.repeat(np.arange(len(long)), sizes + 2 * margin)
    own = np.arange(len(line)) - first[owner]
    candidates = np.flatnonzero(
        peak & (turned > np.radians(45)) & (own >= 0) & (own < sizes[owner])
    )
    if len(candidates) == 0:
        return result
    window = np.arange(-reach, reach + 1)
    around = line[candidates[:, None] + window]  # [m, 17, 2]
    position, angle, rest = _meet(around)
    distance = np.hypot(*(around - position[:, None]).transpose(2, 0, 1)).min(axis=1)
    good = (angle > CORNER_TURN[0]) & (angle < CORNER_TURN[1]) & (distance < CORNER_DISTANCE)
    candidates, around, position, rest = (x[good] for x in (candidates, around, position, rest))
    if len(candidates) == 0:
        return result
    ratio = rest / np.maximum(_circle_rest(around), 1e-6)
    found: list[int] = []  # indices among the candidates, the best first
    of_loop: dict[int, list[tuple[int, float, float]]] = {}
    order = np.argsort(ratio, kind="stable")
    order = order[ratio[order] < CORNER_RATIO]
    loops_of = owner[candidates[order]]
    places = zip(candidates[order].tolist(), *position[order].T.tolist(), strict=True)
    for index, loop, size, (at, x, y) in zip(
        order.tolist(), loops_of.tolist(), sizes[loops_of].tolist(), places, strict=True
    ):
        before = of_loop.setdefault(loop, [])
        for other, other_x, other_y in before:
            along = abs(at - other) % size
            if (
                min(along, size - along) <= ARM - 2
                or math.hypot(x - other_x, y - other_y) <= ARM / 2
            ):
                break
        else:
            before.append((at, x, y))
            found.append(index)
    if not found:
        return result
    # the best fit may sit beside the corner, with one arm bent round it: centre, and fit again
    near, corner = candidates[found], position[found]
    for _ in range(2):
        away = np.hypot(*(line[near[:, None] + window] - corner[:, None]).transpose(2, 0, 1))
        near = near + window[away.argmin(axis=1)]
        around = line[near[:, None] + window]
        better, angle, _ = _meet(around)
        away = np.hypot(*(around - better[:, None]).transpose(2, 0, 1)).min(axis=1)
        moved = np.hypot(*(better - corner).T)
        believed = (angle > CORNER_TURN[0]) & (angle < CORNER_TURN[1])
        believed &= (away < 1.3 * CORNER_DISTANCE) & (moved < 2 * CORNER_DISTANCE)
        corner = np.where(believed[:, None], better, corner)
    window_points = line[near[:, None] + window]
    sharp = (_empty(window_points) < EMPTY) | _between_long_arms(line, near, corner)
    near, corner, found = near[sharp], corner[sharp], np.array(found)[sharp]
    window_points = window_points[sharp]
    # the pixels of a sharp corner reach nearly to it: farther out it is a guess
    gap = np.hypot(*(window_points - corner[:, None]).transpose(2, 0, 1))
    nearest = window_points[np.arange(len(near)), gap.argmin(axis=1)]
    reached = np.minimum(CORNER_REACH / np.maximum(gap.min(axis=1), 1e-6), 1.0)
    corner = nearest + reached[:, None] * (corner - nearest)
    loop = owner[candidates[found]]
    at = (near - first[loop]) % sizes[loop]
    for index in np.lexsort((at, loop)):
        of = result[long[loop[index]]]
        if not of or of[-1][0] != at[index]:
            of.append((int(at[index]), corner[index]))
    return result


def _meet(around: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Where the two arms of points [m, 2 * reach + 1, 2] meet, their turn in degrees, and the fit."""
    mean_1, along_1, rest_1 = _fit_lines(around[:, :ARM])
    mean_2, along_2, rest_2 = _fit_lines(around[:, -ARM:])
    cross = along_1[:, 0] * along_2[:, 1] - along_1[:, 1] * along_2[:, 0]
    angle = np.degrees(np.abs(np.arctan2(cross, (along_1 * along_2).sum(1))))
    between = mean_2 - mean_1
    travel = between[:, 0] * along_2[:, 1] - between[:, 1] * along_2[:, 0]
    cross = np.where(np.abs(cross) < 1e-6, 1e-6, cross)
    position = mean_1 + along_1 * (travel / cross)[:, None]
    return position, angle, np.sqrt((rest_1 + rest_2) / 2)


def _between_long_arms(line: Points, near: NDArray, corner: NDArray) -> NDArray[np.bool_]:
    """Whether corners [m, 2] lie where two arms of `LONG_ARM` points, both straight, meet."""
    away = np.arange(GAP + 1, GAP + 1 + LONG_ARM)
    (mean_1, along_1, rest_1), (mean_2, along_2, rest_2) = (
        _fit_lines(line[np.clip(near[:, None] + side * away, 0, len(line) - 1)]) for side in (-1, 1)
    )
    straight = np.maximum(rest_1, rest_2) < STRAIGHT**2
    for mean, along in ((mean_1, along_1), (mean_2, along_2)):
        x, y = (corner - mean).T
        straight &= np.abs(along[:, 0] * y - along[:, 1] * x) < CORNER_DISTANCE
    return straight


def _empty(around: NDArray) -> NDArray:
    """Pixels that are missing between the arms of corners [m, 2 * reach + 1, 2] to fill them.

    About none at a sharp corner, wherever it lies on the grid. Wide turns may lack more, see
    `EMPTY_BY_TURN`.
    """
    mean_1, along_1, _ = _fit_lines(around[:, :ARM])
    mean_2, along_2, _ = _fit_lines(around[:, -ARM:])
    position, angle, _ = _meet(around)
    start = mean_1 + along_1 * ((around[:, 0] - mean_1) * along_1).sum(1)[:, None]
    end = mean_2 + along_2 * ((around[:, -1] - mean_2) * along_2).sum(1)[:, None]
    x, y = np.concatenate(
        [start[:, None], position[:, None], end[:, None], around[:, ::-1]], axis=1
    ).transpose(2, 0, 1)
    area = (x * np.roll(y, -1, axis=1) - np.roll(x, -1, axis=1) * y).sum(axis=1) / 2
    turn = along_1[:, 0] * along_2[:, 1] - along_1[:, 1] * along_2[:, 0]
    return area * np.sign(turn) - EMPTY_BY_TURN * (angle - 80)


def _fit_lines(points: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Total least squares lines through points [m, k, 2]: mean, direction, mean squared rest."""
    across = np.ascontiguousarray(points.transpose(2, 1, 0))  # sums along its columns are fast
    mean = across.mean(axis=1)  # [2, m]
    x, y = across - mean[:, None]
    xx, yy, xy = (x * x).mean(axis=0), (y * y).mean(axis=0), (x * y).mean(axis=0)
    angle = np.arctan2(2 * xy, xx - yy) / 2
    direction = np.stack([np.cos(angle), np.sin(angle)])
    direction *= np.where((direction * (across[:, -1] - across[:, 0])).sum(axis=0) < 0, -1, 1)
    rest = (xx + yy) / 2 - np.sqrt(((xx - yy) / 2) ** 2 + xy**2)
    return mean.T, direction.T, np.maximum(rest, 0)


def _circle_rest(points: NDArray) -> NDArray:
    """Root mean squared distance of points [m, k, 2] from their least squares circles."""
    local = points - points.mean(axis=1, keepdims=True)
    design = np.concatenate([local, np.ones_like(local[..., :1])], axis=2)
    normal = design.transpose(0, 2, 1) @ design + 1e-9 * np.eye(3)
    squared = (local**2).sum(axis=2)
    solution = np.linalg.solve(normal, (design * squared[..., None]).sum(1)[..., None])[..., 0]
    centre = solution[:, :2] / 2
    radius = np.sqrt(np.maximum(solution[:, 2] + (centre**2).sum(1), 0))
    away = np.hypot(*(local - centre[:, None]).transpose(2, 0, 1))
    return np.sqrt(((away - radius[:, None]) ** 2).mean(axis=1))
