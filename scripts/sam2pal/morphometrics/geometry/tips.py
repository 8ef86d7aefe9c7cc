"""Running the chordal axes of parts out to the tips of the parts."""

from collections.abc import Sequence

import numpy as np
import scipy
from numpy.typing import NDArray

from sam2pal.morphometrics.geometry.boundary import Boundary
from sam2pal.morphometrics.geometry.resampling import Line, evenly
from sam2pal.morphometrics.geometry.smoothing import gaussian, twicing_kernel

TIP = 2.0  # an end this many radii long belongs to the blunt tip and is replaced by a straight run
MOST_BENT = 0.35  # radius of a tip over the radius of the bend with which its axis is continued
STEPS = 25  # points of the continuation of an axis to the tip
FEWEST = 5  # points between two tips


def to_tips(
    ways: Sequence[Line], boundary: Boundary, parts: NDArray[np.int64], spacing: NDArray[np.float64]
) -> list[Line | None]:
    """Cut both ends of each way back to where the tip begins, smooth it, and run it out.

    Args:
        parts: [m], to which the ways belong.
        spacing: [m], of the points of the outlines between which the ways run.
    """
    fine = np.maximum(spacing / 2, 0.8)
    lines = evenly(ways, fine, least=8)
    sizes = np.array([len(line) for line in lines])
    every, _ = boundary.nearest(np.concatenate(lines), np.repeat(parts, sizes))
    radii = np.split(every, np.cumsum(sizes)[:-1])
    ends = [
        line for pair in zip(lines, (line[::-1] for line in lines), strict=True) for line in pair
    ]
    end_radii = [of for pair in zip(radii, (of[::-1] for of in radii), strict=True) for of in pair]
    cut = _tips(ends, end_radii)
    first, last = cut[::2], sizes - 1 - cut[1::2]
    result: list[Line | None] = [None] * len(ways)
    kept = np.flatnonzero(last - first + 1 >= FEWEST)
    if len(kept) == 0:
        return result
    middles = []
    tips, tip_radii = [], []
    for index in kept:
        piece = slice(first[index], last[index] + 1)
        sigma = max(1.5, 0.75 * spacing[index]) / fine[index]
        line = _smooth(lines[index][piece], sigma)
        middles.append(line)
        tips += [line, line[::-1]]
        tip_radii += [radii[index][first[index]], radii[index][last[index]]]
    runs = _run_out(tips, np.array(tip_radii), boundary, np.repeat(parts[kept], 2))
    for index, line, before, after in zip(kept, middles, runs[::2], runs[1::2], strict=True):
        result[index] = np.concatenate([before[::-1], line, after])
    return result


def _padded(lines: Sequence[NDArray], counts: NDArray[np.int64]) -> NDArray:
    """The first points of lines [m, k], each repeated where a line has fewer."""
    places = np.minimum(np.arange(counts.max()), counts[:, None] - 1)
    starts = np.concatenate([[0], np.cumsum([len(line) for line in lines])[:-1]])
    return np.concatenate(lines)[starts[:, None] + places]


def _reaching(
    lines: Sequence[Line], far: NDArray[np.float64], least: int
) -> tuple[NDArray[np.complex128], NDArray[np.int64], NDArray[np.float64]]:
    """The start of each line up to just beyond a distance `far` [m].

    Returns:
        Points [m, k], how many of them count, and how far all but the first are along the lines.
    """
    sizes = np.array([len(line) for line in lines])
    points = _padded(lines, sizes)
    travelled = np.cumsum(np.abs(points[:, 1:] - points[:, :-1]), axis=1)
    counts = (travelled < far[:, None]).sum(
        axis=1, where=np.arange(1, sizes.max()) < sizes[:, None]
    )
    counts = np.minimum(np.maximum(counts + 2, least), sizes)
    width = counts.max()
    return points[:, :width], counts, travelled[:, : width - 1]


def _tips(lines: Sequence[Line], radii: Sequence[NDArray]) -> NDArray[np.int64]:
    """How many points at the start of each line belong to the tip.

    Those up to the last one from which the whole start lies within `TIP` radii: in a blunt end the
    way turns into a corner, however it gets there.
    """
    far = 3 * TIP * np.array([radius.max() for radius in radii])
    points, counts, _ = _reaching(lines, far, 2)
    within = (TIP * _padded(radii, counts) + 1) ** 2
    stride = np.maximum(counts // 16, 1)
    place = np.arange(points.shape[1])
    reach = np.zeros(points.shape)
    rows = np.arange(len(lines))
    for number in range(int(((counts - 1) // stride).max()) + 1):
        chosen = number * stride
        gap = points - points[rows, np.minimum(chosen, counts - 1), None]
        squared = gap.real**2 + gap.imag**2
        reach = np.maximum(reach, np.where(place >= chosen[:, None], squared, 0))
    good = (reach <= within) & (place < counts[:, None])
    return points.shape[1] - good[:, ::-1].argmax(axis=1)


def _smooth(line: Line, sigma: float) -> Line:
    kernel = twicing_kernel(gaussian(sigma))
    margin = len(kernel) // 2
    beyond = np.minimum(np.arange(1, margin + 1), len(line) - 1)
    longer = np.concatenate(
        [2 * line[0] - line[beyond[::-1]], line, 2 * line[-1] - line[-1 - beyond]]
    )
    return scipy.ndimage.correlate1d(longer, kernel, mode="nearest")[margin : margin + len(line)]


def _run_out(
    lines: Sequence[Line], radii: NDArray[np.float64], boundary: Boundary, parts: NDArray[np.int64]
) -> list[Line]:
    """Continue the starts of `lines` with their own curvature until they meet the outline."""
    runs = _continued(lines, radii)
    depth = boundary.depth(runs.ravel(), np.repeat(parts, STEPS)).reshape(runs.shape)
    result = []
    for run, inside in zip(runs, depth, strict=True):
        outside = np.flatnonzero(inside[1:] <= 0)
        if len(outside) == 0:
            result.append(np.zeros(0, np.complex128))
            continue
        last = int(outside[0])
        share = inside[last] / (inside[last] - inside[last + 1]) if inside[last] > 0 else 0.0
        tip = run[last] + share * (run[last + 1] - run[last])
        result.append(np.append(run[1 : last + 1], tip))
    return result


def _continued(lines: Sequence[Line], radii: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Lines [m, STEPS] of four radii that continue lines beyond their starts."""
    window, counts, travelled = _reaching(lines, 2.5 * radii, 4)
    number = np.arange(window.shape[1])
    s = np.zeros(window.shape)
    s[:, 1:] = -travelled
    span = np.maximum(-s[np.arange(len(lines)), counts - 1], 1e-6)
    s /= span[:, None]
    weight = number < counts[:, None]
    origin = window[:, :1]
    local = (window - origin) * weight
    fit = np.zeros((len(lines), 3), np.complex128)
    fit[:, :2] = _polynomials(s, weight, local, 1)
    long = np.flatnonzero((counts >= 8) & (span > 1.5 * radii))
    if len(long):
        bent = _polynomials(s[long], weight[long], local[long], 2)
        # no more bend than a circle about the outline could have
        fits = np.abs(bent[:, 2]) * 2 / span[long] ** 2 * radii[long] <= MOST_BENT
        fit[long[fits]] = bent[fits]
    steps = np.arange(STEPS) * ((4 * radii + 2) / (STEPS - 1) / span)[:, None]
    return steps * fit[:, 1:2] + steps**2 * fit[:, 2:] + origin


def _polynomials(
    s: NDArray[np.float64], weight: NDArray[np.bool_], points: NDArray[np.complex128], degree: int
) -> NDArray[np.complex128]:
    """Coefficients [m, degree + 1] of the least squares polynomials in s through points [m, k]."""
    powers = s[..., None] ** np.arange(degree + 1) * weight[..., None]
    turned = powers.transpose(0, 2, 1)
    sides = np.stack([points.real, points.imag], axis=2)
    fit = np.linalg.solve(turned @ powers, turned @ sides)
    return fit[..., 0] + 1j * fit[..., 1]
