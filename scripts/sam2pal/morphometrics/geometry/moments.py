"""Area, centroid and main axis of inertia of figures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BAND = 256  # rows of a mask that are looked at together: they stay in the processor's cache


def next_points(points: NDArray, sizes: NDArray[np.int64] | None = None) -> NDArray:
    """Of each point of a closed line the next one.

    Args:
        points: [n, ...]
        sizes: [m], of several lines after each other; None: it is one line.
    """
    if sizes is None:
        return np.concatenate([points[1:], points[:1]])
    after = np.empty_like(points)
    after[:-1] = points[1:]
    ends = np.cumsum(sizes)
    after[ends - 1] = points[ends - sizes]
    return after


@dataclass(frozen=True)
class Moments:
    """Area, centroid and covariance of a figure, in pixels; each pixel is a unit square."""

    area: float
    centre: tuple[float, float]
    xx: float
    yy: float
    xy: float

    @property
    def angle(self) -> float:
        """Direction of the main axis of inertia in radians, y down."""
        return math.atan2(2 * self.xy, self.xx - self.yy) / 2

    @property
    def axes(self) -> tuple[float, float]:
        """Long and short axis of the ellipse of equal second moments."""
        middle, half = (self.xx + self.yy) / 2, math.hypot((self.xx - self.yy) / 2, self.xy)
        return 4 * math.sqrt(max(middle + half, 0)), 4 * math.sqrt(max(middle - half, 0))


def polygon_moments(figures: Sequence[Sequence[NDArray]]) -> list[Moments]:
    """Moments of figures, each bounded by closed polygons [n, 2], holes walked the other way."""
    if not figures:
        return []
    lines = [line for figure in figures for line in figure]
    sizes = np.array([len(line) for line in lines])
    counts = np.array([sum(map(len, figure)) for figure in figures])
    # from a point of the figure itself: sums over far coordinates lose digits
    origin = np.array([figure[0][0] for figure in figures], float)
    points = np.concatenate(lines) - np.repeat(origin, counts, axis=0)
    (x, y), (xn, yn) = points.T, next_points(points, sizes).T
    cross = x * yn - xn * y
    terms = np.stack(
        [
            cross / 2,
            (x + xn) * cross / 6,
            (y + yn) * cross / 6,
            (x * x + x * xn + xn * xn) * cross / 12,
            (y * y + y * yn + yn * yn) * cross / 12,
            (x * yn + 2 * x * y + 2 * xn * yn + xn * y) * cross / 24,
        ]
    )
    area, *others = np.add.reduceat(terms, np.cumsum(counts) - counts, axis=1)
    cx, cy, xx, yy, xy = np.stack(others) / area
    columns = area, origin[:, 0] + cx, origin[:, 1] + cy, xx - cx * cx, yy - cy * cy, xy - cx * cy
    return [
        Moments(area, (x, y), xx, yy, xy)
        for area, x, y, xx, yy, xy in np.stack(columns, axis=1).tolist()
    ]


def pixel_moments(mask: NDArray[np.bool_], offset: tuple[int, int] = (0, 0)) -> Moments:
    """Moments of the pixels of a mask [h, w], each a unit square."""
    width = mask.shape[1] + 1  # the ends of rows are empty: no run reaches into the next one
    ends = []
    for top in range(0, len(mask), BAND):
        band = np.zeros((min(BAND, len(mask) - top) + 1, width), dtype=bool)
        band[1:, :-1] = mask[top : top + BAND]
        flat = band.ravel()[width - 1 :]
        ends.append(np.flatnonzero(flat[1:] ^ flat[:-1]) + top * width)
    start, end = np.concatenate(ends).reshape(-1, 2).T
    row, first = np.divmod(start, width)
    length, x, y = end - start, first + (end - start) / 2, row + 0.5
    area = length.sum()
    cx, cy = length @ x / area, length @ y / area
    x, y = x - cx, y - cy
    return Moments(
        float(area),
        (float(cx + offset[0]), float(cy + offset[1])),
        float(length @ (x * x + length**2 / 12) / area),
        float(length @ (y * y) / area + 1 / 12),
        float(length @ (x * y) / area),
    )
