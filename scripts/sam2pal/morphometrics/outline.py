"""The outline of a mask as smooth closed curves that lie between its pixels.

A mask says on which side of the outline every pixel centre lies, no more. Lengths taken from pixel
corners are too long and those from pixel centres too short, by up to a pixel at either end and by
5 % along a slanted edge. Here the edges between pixels ("cracks") are followed, their midpoints
smoothed along the curve by as much as the local curvature allows, and sharp corners kept: a disc,
a straight slanted edge and a right angle all come out with their true lengths.

Coordinates are (x, y) in pixels of the photograph as stored, x to the right and y down; (0, 0) is
the outer corner of its first pixel, whose centre is (0.5, 0.5).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import fft, ifft, next_fast_len
from scipy.ndimage import correlate1d, maximum_filter1d
from scipy.spatial import ConvexHull, QhullError

from sam2pal.morphometrics.moments import following

Points = NDArray[np.float64]

LEVELS = (1.5, 2.8, 5.2, 10.0)  # standard deviations of the smoothing, in points
FINE, COARSE = 3.0, 8.0  # points over which curvature is taken
GROWTH = 0.2  # by which the width of the smoothing may grow from point to point
SHARP = 0.06  # curvature (1 / pixel) from which the fine one is believed
ARM, GAP = 7, 1  # points on either side of a corner that are fitted, and left out next to it
CORNER_TURN = (60.0, 150.0)  # degrees
CORNER_RATIO = 0.58  # two straight arms must fit this much better than one circle
CORNER_DISTANCE = 0.9  # pixels between the corner and the pixels' own outline
CORNER_REACH = 0.75  # pixels by which a corner may stand out from there
EMPTY, EMPTY_BY_TURN = 0.9, 0.025  # pixels that may be missing between the arms of a corner of 80
# degrees, and more per degree: more are missing in a round tip of 5 pixels' radius
LONG_ARM, STRAIGHT = 14, 0.32  # points of long arms, and their deviation from lines in pixels
SHORTEST = 12  # points of a loop that is smoothed
SPACING = 0.8  # pixels between points of a piece between two corners


@dataclass(frozen=True)
class Loop:
    """One closed curve; the structure lies to the right of the walking direction.

    Attributes:
        corners: int [n, 2], the pixel corners it passes, in order.
        points: float [m, 2], the smooth outline.
        area: pixels enclosed, exactly as counted; negative for a hole.
        length: of the smooth outline, in pixels.
    """

    corners: NDArray[np.int64]
    points: Points
    area: int
    length: float

    @property
    def is_hole(self) -> bool:
        return self.area < 0

    @cached_property
    def hull(self) -> Points:
        """Corners of the convex hull [k, 2]."""
        return convex_hull(self.points)


def closed_length(points: Points) -> float:
    """Length of the closed polygon through `points` [n, 2]."""
    step = following(points) - points
    return float(np.hypot(step[:, 0], step[:, 1]).sum())


def trace(mask: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Pixel corners of every boundary of `mask` [h, w], in walking order, largest area first.

    Pixels that touch at a corner belong together, as in 8-connected labelling. The number of
    loops with positive area is the number of parts, with negative area the number of holes.
    """
    rows, columns = mask.shape[0] + 2, mask.shape[1] + 2
    padded = np.zeros((rows, columns), dtype=bool)
    padded[1:-1, 1:-1] = mask
    width = columns + 1
    differs_down = padded[1:] ^ padded[:-1]
    differs_right = padded[:, 1:] ^ padded[:, :-1]
    # a crack is a pixel corner and a heading: 0 east along a pixel's top, 1 south along its right
    # side, 2 west along its bottom, 3 north along its left side
    starts, headings = [], []
    for upright, edges in enumerate((differs_down, differs_right)):
        row, column = np.divmod(np.flatnonzero(edges), columns - upright)
        # the structure lies below or left of the crack: east or south; otherwise west or north
        first = padded[row + 1, column] if upright == 0 else padded[row, column]
        corner = (row + 1 - upright) * width + column + upright
        starts.append(np.where(first, corner, corner + (width if upright else 1)))
        headings.append(np.where(first, upright, upright + 2))
    key = np.sort(np.concatenate(starts) * 4 + np.concatenate(headings))
    if len(key) == 0:
        return []
    start, heading = np.divmod(key, 4)
    end = start + np.array([1, width, -1, -width])[heading]
    follow = np.searchsorted(start, end)
    second = np.minimum(follow + 1, len(start) - 1)
    # two pixels that meet at a corner: turn left, so that they stay one part
    forked = (start[second] == end) & (second != follow)
    follow = np.where(forked & (heading[second] == (heading + 3) % 4), second, follow)
    chain = follow.tolist()
    seen, loops = np.zeros(len(chain), bool), []
    first = 0
    while not seen[first]:
        indices, at = [first], chain[first]
        while at != first:
            indices.append(at)
            at = chain[at]
        seen[indices] = True
        row, column = np.divmod(start[indices], width)
        loops.append(np.stack([column - 1, row - 1], axis=1))
        first += int(seen[first:].argmin())  # the next that is not seen, or one that is
    return sorted(loops, key=lambda loop: -signed_area(loop))


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
        [corners + np.array(offset) for corners in trace(mask)]
        for mask, offset in zip(masks, offsets, strict=True)
    ]
    every = [corners for of in traced for corners in of]
    if not every:
        return [[] for _ in masks]
    smoothed = smooth([(corners + following(corners)) / 2 for corners in every])
    areas = _sums(every, lambda here, after: here[:, 0] * after[:, 1] - after[:, 0] * here[:, 1])
    lengths = _sums(smoothed, lambda here, after: np.hypot(*(after - here).T))
    loops = zip(every, smoothed, areas.tolist(), lengths.tolist(), strict=True)
    made = (
        Loop(corners, points, round(area / 2), length) for corners, points, area, length in loops
    )
    return [[next(made) for _ in of] for of in traced]


def _sums(lines: Sequence[NDArray], of: Callable[[NDArray, NDArray], NDArray]) -> NDArray:
    """Sum along each closed line [n, 2] of what `of` makes of its points and those that follow."""
    sizes = np.array([len(line) for line in lines])
    points = np.concatenate(lines)
    return np.add.reduceat(of(points, following(points, sizes)), np.cumsum(sizes) - sizes)


def outline(mask: NDArray[np.bool_], offset: tuple[int, int] = (0, 0)) -> list[Loop]:
    """All loops of one mask [h, w], largest first, moved by `offset` (x, y)."""
    return outlines([mask], [offset])[0]


def smooth(loops: list[Points]) -> list[Points]:
    """Smooth curves through closed lines of crack midpoints [n, 2], with sharp corners kept.

    The Gaussian's width grows with the radius of curvature R, as R ** 0.6, because the steps of a
    digitised arc are about sqrt(R) long; applying its complement twice (2G - GG) keeps arcs from
    shrinking. Pieces between two corners are continued point-symmetrically beyond their ends,
    which stay where they are. Loops too short to smooth are returned as they are.
    """
    lines: list[Points] = []
    widest: list[float] = []  # of the smoothing, for each of `lines`
    keep: list[list[NDArray[np.int64]]] = []
    sharp: list[list[Points]] = []
    length = 0
    for points, found in zip(loops, find_corners(loops), strict=True):
        keep.append([])
        sharp.append([corner for _, corner in found])
        n = len(points)
        if n < SHORTEST:
            continue
        if not found:
            around = np.arange(-MARGIN, n + MARGIN) % n
            lines.append(points[around])
            widest.append(LEVELS[-1])
            keep[-1].append(np.arange(length + MARGIN, length + MARGIN + n))
            length += n + 2 * MARGIN
        for index, (at, corner) in enumerate(found):
            following, next_corner = found[(index + 1) % len(found)]
            count = (following - at) % n or n
            between = points[(at + np.arange(2, count - 1)) % n]
            piece = _resample(np.concatenate([corner[None], between, next_corner[None]]))
            # a short piece is smoothed less, and then needs less on either side
            reach = min(MARGIN, 2 * len(piece))
            widest.append(LEVELS[-1] * reach / MARGIN)
            margin = _margin(widest[-1])
            beyond = np.minimum(np.arange(1, margin + 1), len(piece) - 1)
            before, after = 2 * piece[0] - piece[beyond[::-1]], 2 * piece[-1] - piece[-1 - beyond]
            lines.append(np.concatenate([before, piece, after]))
            keep[-1].append(np.arange(length + margin, length + margin + len(piece) - 1))
            length += len(lines[-1])
    if not lines:
        return list(loops)
    sizes = np.array([len(line) for line in lines])
    widths = np.repeat(np.maximum(widest, LEVELS[0]), sizes)
    from_start = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    from_end = np.repeat(sizes, sizes) - 1 - from_start
    own = np.minimum(from_start, from_end) >= NEIGHBOURS
    smoothed = _filter(np.ascontiguousarray(np.concatenate(lines).T), widths, own).T
    result = []
    for points, indices, corners in zip(loops, keep, sharp, strict=True):
        for piece, corner in zip(indices, corners, strict=False):
            smoothed[piece[0]] = corner
        result.append(smoothed[np.concatenate(indices)] if indices else points)
    return result


def _resample(points: Points) -> Points:
    """Points of equal spacing on an open line."""
    step = points[1:] - points[:-1]
    travelled = np.concatenate([[0.0], np.cumsum(np.hypot(step[:, 0], step[:, 1]))])
    count = max(round(travelled[-1] / SPACING), 2)
    return along_line(points, travelled, np.arange(count + 1) * (travelled[-1] / count))


def along_line(points: Points, travelled: NDArray, samples: NDArray) -> Points:
    """Points at distances `samples` along a line whose points lie at distances `travelled`."""
    result = np.empty((len(samples), 2))
    result[:, 0] = np.interp(samples, travelled, points[:, 0])
    result[:, 1] = np.interp(samples, travelled, points[:, 1])
    return result


def gaussian(sigma: float) -> NDArray:
    radius = int(3.5 * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return kernel / kernel.sum()


def twice(kernel: NDArray) -> NDArray:
    double = -np.convolve(kernel, kernel)
    radius = len(kernel) // 2
    double[radius : radius + len(kernel)] += 2 * kernel
    return double


BLUR, BLUR_COARSE = gaussian(FINE), gaussian(COARSE)
KERNELS = [twice(gaussian(level)) for level in LEVELS]
MARGIN = len(KERNELS[-1]) // 2


NEIGHBOURS = (len(BLUR) + len(BLUR_COARSE)) // 2 + 1  # points over which curvature is taken


def _margin(widest: float) -> int:
    """Points on either side of a line that smoothing by up to `widest` and its curvature need."""
    kernel = KERNELS[min(int(np.searchsorted(LEVELS, widest)), len(KERNELS) - 1)]
    return max(len(kernel) // 2, NEIGHBOURS)


def _filter(line: NDArray, widest: NDArray, own: NDArray[np.bool_]) -> NDArray:
    """Smooth a line [2, n], by as much at each point as curvature and `widest` [n] allow.

    Args:
        own: [n], where nothing that is curved differently is near: between these points another
            piece of the line begins, which does not count.
    """
    base = correlate1d(line, BLUR, axis=1, mode="nearest")
    heading = np.empty(line.shape[1], dtype=complex)
    heading[:-1] = (base[0, 1:] - base[0, :-1]) + 1j * (base[1, 1:] - base[1, :-1])
    heading[-1] = heading[-2]
    turn = np.zeros(line.shape[1])
    turn[1:] = np.angle(heading[1:] * heading[:-1].conj())
    turn /= np.maximum(np.abs(heading), 1e-6)
    curvature = np.abs(correlate1d(turn, BLUR, mode="nearest"))
    coarse = np.abs(correlate1d(turn, BLUR_COARSE, mode="nearest"))
    curvature = np.where(curvature > SHARP, curvature, coarse)
    sigma = 0.7 * np.maximum(curvature, 1e-3) ** -0.6
    sigma = np.where(own, np.clip(sigma, LEVELS[0], widest), LEVELS[-1])
    # widen slowly away from a bend: a filter that reaches into it would bulge beside it
    ramp = GROWTH * np.arange(line.shape[1])
    sigma = np.minimum.accumulate(sigma - ramp) + ramp
    sigma = np.minimum.accumulate((sigma + ramp)[::-1])[::-1] - ramp
    place = np.interp(sigma, LEVELS, np.arange(len(LEVELS)))
    # the ends repeated by as much as the longest kernel needs, and more for a length that is fast
    size = next_fast_len(line.shape[1] + 2 * MARGIN)
    padded = np.pad(line[0] + 1j * line[1], (MARGIN, size - MARGIN - line.shape[1]), mode="edge")
    waves = fft(padded, overwrite_x=True)
    result = np.zeros(line.shape[1], complex)
    for index, spectrum in enumerate(_spectra(size)):
        weight = np.maximum(1 - np.abs(place - index), 0)
        if weight.any():
            filtered = ifft(waves * spectrum, overwrite_x=True)
            result += weight * filtered[MARGIN : MARGIN + line.shape[1]]
    return np.stack([result.real, result.imag])


@lru_cache(maxsize=4)
def _spectra(size: int) -> NDArray:
    """Fourier transforms of `KERNELS`, which are symmetric, [levels, size]."""
    centred = np.zeros((len(KERNELS), size))
    for row, kernel in zip(centred, KERNELS, strict=True):
        radius = len(kernel) // 2
        row[: radius + 1], row[size - radius :] = kernel[radius:], kernel[:radius]
    return fft(centred).real


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
    peak = turned >= maximum_filter1d(turned, 5) - 0.3
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
