"""Long narrow regions of a picture that are darker or lighter than what is around them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sam2pal.morphometrics.scales.strip import Line

SIDES = (7, 21, 61)  # of the squares that regions are narrower than, in pixels
LEVELS = (20, 45, 90)  # of 255: how much they differ from what is around them
SHORTEST, SLENDEREST = 7.0, 2.0  # length in pixels, and length over width


def long_regions(picture: NDArray[np.float32], dark: bool) -> Iterator[Line]:
    """All regions that may be a tick, in no order; the same place may come several times.

    Args:
        picture: float [h, w], 0 to 255.
        dark: whether they are darker than what is around them, or lighter.

    Returns:
        the rectangle that holds each along its main axis.
    """
    values = picture if dark else 255 - picture
    for side in SIDES:
        if side <= min(values.shape):
            difference = ndimage.grey_closing(values, (side, side), mode="nearest") - values
            for level in LEVELS:
                yield from _regions(difference > level)


def _regions(mask: NDArray[np.bool_]) -> Iterator[Line]:
    labels, count = ndimage.label(mask, np.ones((3, 3), int))
    if not count:
        return
    y, x = np.nonzero(labels)
    of = labels[y, x]
    area = np.bincount(of, minlength=count + 1).astype(float)
    keep = area >= SHORTEST
    keep[0] = False
    here = keep[of]
    x, y, of = x[here] + 0.5, y[here] + 0.5, of[here]
    area[~keep] = 1

    def mean(numbers: NDArray) -> NDArray:
        return np.bincount(of, numbers, count + 1) / area

    cx, cy = mean(x), mean(y)
    dx, dy = x - cx[of], y - cy[of]
    xx, yy, xy = mean(dx * dx), mean(dy * dy), mean(dx * dy)
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)
    ux, uy = np.cos(angle), np.sin(angle)
    s, v = dx * ux[of] + dy * uy[of], dy * ux[of] - dx * uy[of]
    ends = []
    for numbers in (s, v):
        low, high = np.full(count + 1, np.inf), np.full(count + 1, -np.inf)
        np.minimum.at(low, of, numbers)
        np.maximum.at(high, of, numbers)
        ends.append((low, high))
    (first, last), (top, bottom) = ends
    half = (np.abs(ux) + np.abs(uy)) / 2  # of a pixel, seen along the axis
    length, width = last - first + 2 * half, bottom - top + 2 * half
    with np.errstate(invalid="ignore"):
        long = keep & (length >= SHORTEST) & (length >= SLENDEREST * width)
    for i in np.flatnonzero(long):
        line = Line((cx[i], cy[i]), (ux[i], uy[i]), length[i], width[i])
        line = line.moved((top[i] + bottom[i]) / 2, 0.0)
        yield line.between(first[i] - half[i], last[i] + half[i], width[i])
