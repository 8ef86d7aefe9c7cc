"""Points at even distances along lines, of many lines at once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Line = NDArray[np.complex128]
"""Points x + iy."""


def evenly(lines: Sequence[Line], spacing: NDArray[np.float64], least: int) -> list[Line]:
    """Points about `spacing` [m] apart along each line, from its first point to its last.

    Args:
        least: steps that a line has however short it is.
    """
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
    after = np.cumsum(count + 1)
    number = np.arange(after[-1]) - np.repeat(after - count - 1, count + 1)
    samples = np.repeat(start, count + 1) + number * np.repeat(total / count, count + 1)
    points = np.interp(samples, place, every.real) + 1j * np.interp(samples, place, every.imag)
    return np.split(points, after[:-1])


def evenly_closed(lines: Sequence[Line], spacing: NDArray[np.float64], least: int) -> list[Line]:
    """As `evenly`, of lines whose last point is joined to the first."""
    closed = [np.append(line, line[0]) for line in lines]
    return [line[:-1] for line in evenly(closed, spacing, least)]
