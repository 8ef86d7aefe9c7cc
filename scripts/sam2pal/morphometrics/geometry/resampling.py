"""Points at even distances along lines, of many lines at once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Line = NDArray[np.complex128]
"""Points x + iy."""

DECIMALS = 7  # of coordinates that are kept: what rounding adds behind them depends on the other
# lines, and would decide between diameters and triangles of equal right


def spans(sizes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For spans of `sizes` [m] after each other: of which each place is, and its number in it."""
    of = np.repeat(np.arange(len(sizes)), sizes)
    return of, np.arange(len(of)) - (np.cumsum(sizes) - sizes)[of]


def evenly(lines: Sequence[Line], spacing: NDArray[np.float64], least: int) -> list[Line]:
    """Points about `spacing` [m] apart along each line, from its first point to its last."""
    if not lines:
        return []
    sizes = np.array([len(line) for line in lines])
    ends = np.cumsum(sizes)
    every = np.concatenate(lines)
    step = np.ones(len(every))  # from one line to the next, so that places stay in order
    step[1:] = np.abs(every[1:] - every[:-1])
    step[ends[:-1]] = 1.0
    step[0] = 0.0
    place = np.cumsum(step)
    start = place[ends - sizes]
    total = place[ends - 1] - start
    count = np.maximum(np.round(total / spacing), least).astype(int)
    of, number = spans(count + 1)
    samples = start[of] + number * (total / count)[of]
    points = np.interp(samples, place, every.real) + 1j * np.interp(samples, place, every.imag)
    return np.split(np.round(points, DECIMALS), np.cumsum(count + 1)[:-1])


def evenly_closed(lines: Sequence[Line], spacing: NDArray[np.float64], least: int) -> list[Line]:
    """As `evenly`, of lines whose last point is joined to the first."""
    closed = [np.append(line, line[0]) for line in lines]
    return [line[:-1] for line in evenly(closed, spacing, least)]
