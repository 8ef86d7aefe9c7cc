"""Area, centroid and main axis of inertia of figures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


def following(points: NDArray) -> NDArray:
    """Of each point of a closed line the next one."""
    return np.concatenate([points[1:], points[:1]])


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


def polygon_moments(loops: Sequence[NDArray]) -> Moments:
    """Moments of the figure bounded by closed polygons; loops walked the other way are holes."""
    origin = loops[0].mean(axis=0)
    sums = np.zeros(6)
    for loop in loops:
        x, y = (loop - origin).T
        xn, yn = (following(loop) - origin).T
        cross = x * yn - xn * y
        sums += [
            cross.sum() / 2,
            ((x + xn) * cross).sum() / 6,
            ((y + yn) * cross).sum() / 6,
            ((x * x + x * xn + xn * xn) * cross).sum() / 12,
            ((y * y + y * yn + yn * yn) * cross).sum() / 12,
            ((x * yn + 2 * x * y + 2 * xn * yn + xn * y) * cross).sum() / 24,
        ]
    area, cx, cy, xx, yy, xy = sums / np.array([1, *[sums[0]] * 5])
    centre = (float(origin[0] + cx), float(origin[1] + cy))
    return Moments(
        float(area), centre, float(xx - cx * cx), float(yy - cy * cy), float(xy - cx * cy)
    )


def pixel_moments(mask: NDArray[np.bool_], offset: tuple[int, int] = (0, 0)) -> Moments:
    """Moments of the pixels of a mask [h, w], each a unit square."""
    height, width = mask.shape
    y, x = np.arange(height) + 0.5, np.arange(width) + 0.5
    ones = mask.astype(np.float32)  # its sums along rows and columns are whole numbers, exact
    rows = (ones @ np.ones(width, np.float32)).astype(float)
    columns = (np.ones(height, np.float32) @ ones).astype(float)
    area = rows.sum()
    cx, cy = columns @ x / area, rows @ y / area
    along = ones @ (x - cx).astype(np.float32)
    return Moments(
        float(area),
        (float(cx + offset[0]), float(cy + offset[1])),
        float(columns @ (x - cx) ** 2 / area + 1 / 12),
        float(rows @ (y - cy) ** 2 / area + 1 / 12),
        float(along.astype(float) @ (y - cy) / area),
    )
