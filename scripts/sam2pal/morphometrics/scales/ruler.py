"""The ticks of a ruler: where they are, how far apart, and whether evenly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sam2pal.morphometrics.scales.regions import Region, long_regions
from sam2pal.morphometrics.scales.strip import Line, Numbers, sample, spaced

FEWEST = 10  # ticks
CLOSEST = 3.0  # pixels from one tick to the next
PARALLEL = math.radians(4)  # ticks of one ruler
UNEVEN = 0.03  # change of the period from one end to the other: more is seen at an angle
ROUGH = 0.08  # of the period: how far ticks may lie from where they should be
LONGER = {"mm": (5, 10), "1/16 in": (2, 4, 8, 16)}
"""Which ticks of a ruler are longer than their neighbours."""


@dataclass(frozen=True)
class Ruler:
    """A row of ticks.

    Attributes:
        line: from the first tick to the last; its width is the length of the shorter ticks.
        period: pixels from one tick to the next.
        ticks: how many.
        error: standard uncertainty of the period, as a share of it.
        doubt: why it is not to be trusted.
    """

    line: Line
    period: float
    ticks: int
    error: float
    doubt: str = ""


def find_ruler(picture: NDArray[np.float32], unit: str) -> Ruler | None:
    """The ruler of a picture with most ticks, or None.

    Args:
        picture: float [h, w], 0 to 255.
        unit: what its ticks are apart, a key of `LONGER`.
    """
    best: Ruler | None = None
    regions = [of for of in long_regions(picture) if of.line.length > 2 * of.line.width]
    for dark in (True, False):
        for row in _rows([of for of in regions if of.dark == dark]):
            found = _measured(picture, row, dark, unit)
            if found is not None and (best is None or _better(found, best)):
                best = found
    return best


def _better(ruler: Ruler, other: Ruler) -> bool:
    return (not ruler.doubt, ruler.ticks) > (not other.doubt, other.ticks)


@dataclass(frozen=True)
class _Row:
    """Parallel lines side by side: places along their common axis, and their lengths."""

    axis: Line
    places: Numbers
    lengths: Numbers


def _rows(regions: Sequence[Region]) -> list[_Row]:
    """Rows of parallel lines that may be ticks."""
    if len(regions) < FEWEST:
        return []
    along = np.array([of.line.along for of in regions])
    centres = np.array([of.line.centre for of in regions])
    lengths = np.array([of.line.length for of in regions])
    angles = np.arctan2(along[:, 1], along[:, 0]) % math.pi
    bins = np.bincount((angles / math.pi * 60).astype(int) % 60, minlength=60)
    smooth = bins + np.roll(bins, 1) + np.roll(bins, -1)
    rows = []
    for _ in range(3):
        peak = int(smooth.argmax())
        if smooth[peak] < FEWEST:
            break
        angle = (peak + 0.5) * math.pi / 60
        away = np.abs((angles - angle + math.pi / 2) % math.pi - math.pi / 2)
        row = _row(centres[away < PARALLEL + 0.03], lengths[away < PARALLEL + 0.03], angle)
        if row is not None:
            rows.append(row)
        for i in (peak - 1, peak, peak + 1):
            smooth[i % 60] = 0
    return rows


def _row(centres: Numbers, lengths: Numbers, angle: float) -> _Row | None:
    """The longest row among lines of one direction; their own angle is `angle`."""
    middle = centres.mean(0)
    axis = Line((middle[0], middle[1]), (math.sin(angle), -math.cos(angle)), 1.0, 1.0)
    kept = np.ones(len(centres), bool)
    for turn in range(4):
        (x, y), (ux, uy) = axis.centre, axis.along
        s = (centres[:, 0] - x) * ux + (centres[:, 1] - y) * uy
        v = (centres[:, 1] - y) * ux - (centres[:, 0] - x) * uy
        typical = float(np.median(lengths[kept]))
        # a line that crosses most of them
        tolerance = (1.0, 0.5, 0.4, 0.4)[turn] * lengths
        levels = np.sort(v[kept])
        counts = [(np.abs(v - level) < tolerance).sum() for level in levels]
        level = levels[int(np.argmax(counts))]
        kept = (np.abs(v - level) < tolerance) & (lengths < 6 * typical)
        if kept.sum() < FEWEST:
            return None
        slope, offset = np.polyfit(s[kept], v[kept], 1)
        if abs(slope) > 0.2:
            return None
        axis = axis.moved(float(offset), math.atan(slope))
    order = np.argsort(s[kept])
    return _Row(axis, s[kept][order], lengths[kept][order])


def _measured(picture: NDArray[np.float32], row: _Row, dark: bool, unit: str) -> Ruler | None:
    places, which = np.unique(np.round(row.places / 1.5), return_inverse=True)
    lengths = np.array([row.lengths[which == i].max() for i in range(len(places))])
    places = np.array([np.median(row.places[which == i]) for i in range(len(places))])
    steps = np.diff(places)
    steps = steps[steps > CLOSEST * 0.8]
    if len(steps) < FEWEST - 1:
        return None
    short = float(np.percentile(row.lengths, 20))
    s = spaced(places[0] - 30, places[-1] + 30, 0.25 if places[-1] - places[0] < 4000 else 0.5)
    v = spaced(-short * 0.3, short * 0.3, 1.0)
    values, inside = sample(picture, row.axis, s, v)
    profile = values.mean(0) * (-1 if dark else 1)
    profile[~inside.all(0)] = profile[inside.all(0)].mean() if inside.any() else 0
    period = _period(profile, s, float(np.median(steps)))
    if period is None or period < CLOSEST:
        return None
    ticks = _ticks(profile, s, period, places)
    if ticks is None:
        return None
    number, place = ticks
    even = np.polyfit(number, place, 1)
    bent = np.polyfit(number, place, 2)
    rest = place - np.polyval(bent, number)
    rough = float(np.sqrt(np.mean(rest**2))) / even[0]
    change = float(2 * bent[0] * np.ptp(number) / even[0])
    count = len(number)
    missing = np.ptp(number) + 1 - count
    if rough > ROUGH or missing > 0.25 * count:
        return None
    error = math.hypot(rough / count**1.5 * math.sqrt(12), max(abs(change) / 4, 5e-4))
    line = row.axis.between(float(place[0]), float(place[-1]), short)
    doubt = ""
    if abs(change) > UNEVEN:
        doubt = (
            f"its ticks lie {abs(change):.0%} closer together at one end: it is seen at an angle, or "
            "not flat"
        )
    else:
        doubt = _unlike(unit, places, lengths, number, place)
    return Ruler(line, float(even[0]), count, error, doubt)


def _period(profile: Numbers, s: Numbers, about: float) -> float | None:
    """The period near `about` at which the profile is most like itself."""
    step = s[1] - s[0]
    smooth = profile - ndimage.uniform_filter1d(profile, max(3, int(1.5 * about / step)))
    size = 2 * len(smooth)
    power = np.abs(np.fft.rfft(smooth, size)) ** 2
    alike = np.fft.irfft(power)[: len(smooth)]
    if alike[0] <= 0:
        return None
    lags = np.arange(len(alike)) * step
    near = np.flatnonzero((lags > 0.75 * about) & (lags < 1.3 * about))
    if len(near) < 3:
        return None
    best = near[np.argmax(alike[near])]
    if alike[best] < 0.25 * alike[0] or not 0 < best < len(alike) - 1:
        return None
    left, mid, right = alike[best - 1 : best + 2]
    return float(lags[best] + step * 0.5 * (left - right) / (left - 2 * mid + right))


def _ticks(
    profile: Numbers, s: Numbers, period: float, places: Numbers
) -> tuple[Numbers, Numbers] | None:
    """Numbers and places of ticks, followed from the middle to both ends."""
    step = s[1] - s[0]
    base = ndimage.uniform_filter1d(profile, max(3, int(period / step)))
    rise = profile - base
    strong = np.percentile(rise, 97)
    start = float(places[np.argmin(np.abs(places - np.median(places)))])

    def peak(about: float) -> float | None:
        near = np.flatnonzero(np.abs(s - about) < 0.35 * period)
        if len(near) < 3:
            return None
        best = near[np.argmax(rise[near])]
        if rise[best] < 0.35 * strong:
            return None
        around = np.abs(s - s[best]) < 0.3 * period
        weights = np.clip(rise[around] - 0.3 * rise[best], 0, None)
        return float((weights * s[around]).sum() / weights.sum())

    first = peak(start)
    if first is None:
        return None
    found = {0: first}
    for sign in (-1, 1):
        last, number, lost, local = first, 0, 0, period
        while lost < 3:
            number += sign
            place = peak(last + sign * local * (lost + 1))
            if place is None:
                lost += 1
                continue
            local = 0.8 * local + 0.2 * abs(place - last) / (lost + 1)
            if not 0.7 * period < local < 1.4 * period:
                break
            found[number], last, lost = place, place, 0
    if len(found) < FEWEST:
        return None
    numbers = sorted(found)
    return np.array(numbers, float), np.array([found[i] for i in numbers])


def _unlike(unit: str, places: Numbers, lengths: Numbers, number: Numbers, place: Numbers) -> str:
    """Why the longer ticks are not those of a ruler of this unit; empty if they are, or none is longer."""
    tall = np.zeros(len(number))
    for i, at in enumerate(place):
        near = np.abs(places - at) < 0.3 * (place[1] - place[0])
        if near.any():
            tall[i] = lengths[near].max()
    known = tall > 0
    if known.sum() < FEWEST:
        return ""
    long = known & (tall > 1.2 * np.percentile(tall[known], 30))
    if not 2 <= long.sum() <= 0.7 * known.sum():
        return ""
    gaps = np.diff(number[long])
    usual = int(np.median(gaps))
    if usual in LONGER[unit]:
        return ""
    other = {2: "sixteenths of an inch or half millimetres", 5: "millimetres", 10: "millimetres"}
    said = other.get(
        usual, "something else" if usual not in (4, 8, 16) else "sixteenths of an inch"
    )
    return f"one of {usual} ticks is longer, as where ticks are {said} apart, not {unit}"
