"""Smooth curves through the closed lines that run between the pixels of masks."""

from functools import lru_cache

import numpy as np
import scipy
from numpy.typing import NDArray

from sam2pal.morphometrics.geometry.corners import Points, find_corners
from sam2pal.morphometrics.geometry.resampling import DECIMALS, Line, evenly, spans

LEVELS = (1.5, 2.8, 5.2, 10.0)  # standard deviations of the smoothing, in points
FINE, COARSE = 3.0, 8.0  # points over which curvature is taken
GROWTH = 0.2  # by which the width of the smoothing may grow from point to point
SHARP = 0.06  # curvature (1 / pixel) from which the fine one is believed
SHORTEST = 12  # points of a loop that is smoothed
SPACING = 0.8  # pixels between points of a piece between two corners


def gaussian(sigma: float) -> NDArray:
    """Kernel of a Gaussian of `sigma` points, [2 r + 1]."""
    radius = int(3.5 * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return kernel / kernel.sum()


def twicing_kernel(kernel: NDArray) -> NDArray:
    """Kernel that smooths what smoothing with `kernel` takes away once more, and adds it."""
    double = -np.convolve(kernel, kernel)
    radius = len(kernel) // 2
    double[radius : radius + len(kernel)] += 2 * kernel
    return double


BLUR, BLUR_COARSE = gaussian(FINE), gaussian(COARSE)
KERNELS = [twicing_kernel(gaussian(level)) for level in LEVELS]
MARGIN = len(KERNELS[-1]) // 2
NEIGHBOURS = (len(BLUR) + len(BLUR_COARSE)) // 2 + 1  # points over which curvature is taken
MARGINS = np.maximum([len(kernel) // 2 for kernel in KERNELS], NEIGHBOURS)
"""Points on either side of a line that count when it is smoothed by up to each of `LEVELS`."""


def smooth(loops: list[Points]) -> list[Points]:
    """Smooth curves through closed lines of crack midpoints [n, 2], with sharp corners kept.

    The Gaussian's width grows with the radius of curvature R, as R ** 0.6, because the steps of a
    digitised arc are about sqrt(R) long; applying its complement twice (2G - GG) keeps arcs from
    shrinking. Pieces between two corners are continued point-symmetrically beyond their ends,
    which stay where they are. Loops too short to smooth are returned as they are. What becomes of
    a loop does not depend on the others.
    """
    pieces: list[Line] = []  # from corner to corner; loops without corners whole
    closed: list[bool] = []
    counts = []  # pieces of each loop
    for points, found in zip(loops, find_corners(loops), strict=True):
        line = np.ascontiguousarray(points, float).view(np.complex128)[:, 0]
        before = len(pieces)
        if len(line) >= SHORTEST:
            pieces += _between(line, found) if found else [line]
        counts.append(len(pieces) - before)
        closed += [not found] * counts[-1]
    if not pieces:
        return list(loops)
    opened = [index for index, whole in enumerate(closed) if not whole]
    even = evenly([pieces[index] for index in opened], np.full(len(opened), SPACING), least=2)
    for index, line in zip(opened, even, strict=True):
        pieces[index] = line
    smoothed = iter(_smooth(pieces, np.array(closed)))
    result = []
    for points, count in zip(loops, counts, strict=True):
        line = np.concatenate([next(smoothed) for _ in range(count)]) if count else None
        result.append(points if line is None else line.view(float).reshape(-1, 2))
    return result


def _between(line: Line, corners: list[tuple[int, Points]]) -> list[Line]:
    """The pieces of a closed line from each corner to the next."""
    pieces = []
    for index, (at, (x, y)) in enumerate(corners):
        following, (next_x, next_y) = corners[(index + 1) % len(corners)]
        count = (following - at) % len(line) or len(line)
        between = line[(at + np.arange(2, count - 1)) % len(line)]
        pieces.append(np.concatenate([[complex(x, y)], between, [complex(next_x, next_y)]]))
    return pieces


def _smooth(pieces: list[Line], closed: NDArray[np.bool_]) -> list[Line]:
    """Smooth lines, closed ones round their ends; of open ones without their last point."""
    sizes = np.array([len(piece) for piece in pieces])
    # a short piece is smoothed less, and then needs less on either side
    reach = np.where(closed, MARGIN, np.minimum(MARGIN, 2 * sizes))
    widest = LEVELS[-1] * reach / MARGIN
    margins = MARGINS[np.minimum(np.searchsorted(LEVELS, widest), len(LEVELS) - 1)]
    longer = sizes + 2 * margins
    line, own = _continued(np.concatenate(pieces), sizes, margins, closed)
    smoothed = _filter(line, np.repeat(np.maximum(widest, LEVELS[0]), longer), own)
    smoothed = np.round(smoothed, DECIMALS)
    first = np.cumsum(longer) - longer + margins
    corners = np.flatnonzero(~closed)
    smoothed[first[corners]] = [pieces[index][0] for index in corners]
    ends = first + sizes - ~closed
    return [smoothed[start:end] for start, end in zip(first, ends, strict=True)]


def _continued(
    every: Line, sizes: NDArray[np.int64], margins: NDArray[np.int64], closed: NDArray[np.bool_]
) -> tuple[Line, NDArray[np.bool_]]:
    """Lines after each other [n], each continued by its margin on either side."""
    longer = sizes + 2 * margins
    of, number = spans(longer)
    place, last, start = number - margins[of], sizes[of] - 1, (np.cumsum(sizes) - sizes)[of]
    # open lines point-symmetrically, as far as they are long
    inside = np.clip(place, 0, last)
    mirrored = np.clip(2 * inside - place, 0, last)
    line = 2 * every[start + inside] - every[start + mirrored]
    # closed ones round their ends
    line = np.where(closed[of], every[start + place % sizes[of]], line)
    return line, np.minimum(number, longer[of] - 1 - number) >= NEIGHBOURS


def _filter(line: Line, widest: NDArray[np.float64], own: NDArray[np.bool_]) -> Line:
    """Smooth a line, by as much at each point as curvature and `widest` [n] allow.

    Args:
        own: [n], where the curvature is the line's own: between these points other lines begin.
    """
    base = scipy.ndimage.correlate1d(line, BLUR, mode="nearest")
    heading = np.empty_like(line)
    heading[:-1] = base[1:] - base[:-1]
    heading[-1] = heading[-2]
    turn = np.zeros(len(line))
    turn[1:] = np.angle(heading[1:] * heading[:-1].conj())
    turn /= np.maximum(np.abs(heading), 1e-6)
    curvature = np.abs(scipy.ndimage.correlate1d(turn, BLUR, mode="nearest"))
    coarse = np.abs(scipy.ndimage.correlate1d(turn, BLUR_COARSE, mode="nearest"))
    curvature = np.where(curvature > SHARP, curvature, coarse)
    sigma = 0.7 * np.maximum(curvature, 1e-3) ** -0.6
    sigma = np.where(own, np.clip(sigma, LEVELS[0], widest), LEVELS[-1])
    # widen slowly away from a bend: a filter that reaches into it would bulge beside it
    ramp = GROWTH * np.arange(len(line))
    sigma = np.minimum.accumulate(sigma - ramp) + ramp
    sigma = np.minimum.accumulate((sigma + ramp)[::-1])[::-1] - ramp
    place = np.interp(sigma, LEVELS, np.arange(len(LEVELS)))
    # the ends repeated by as much as the longest kernel needs, and more for a length that is fast
    size = scipy.fft.next_fast_len(len(line) + 2 * MARGIN)
    padded = np.pad(line, (MARGIN, size - MARGIN - len(line)), mode="edge")
    waves = scipy.fft.fft(padded, overwrite_x=True)
    result = np.zeros(len(line), complex)
    for index, spectrum in enumerate(_spectra(size)):
        weight = np.maximum(1 - np.abs(place - index), 0)
        if weight.any():
            filtered = scipy.fft.ifft(waves * spectrum, overwrite_x=True)
            result += weight * filtered[MARGIN : MARGIN + len(line)]
    return result


@lru_cache(maxsize=4)
def _spectra(size: int) -> NDArray:
    """Fourier transforms of `KERNELS`, which are symmetric, [levels, size]."""
    centred = np.zeros((len(KERNELS), size))
    for row, kernel in zip(centred, KERNELS, strict=True):
        radius = len(kernel) // 2
        row[: radius + 1], row[size - radius :] = kernel[radius:], kernel[:radius]
    return scipy.fft.fft(centred).real
