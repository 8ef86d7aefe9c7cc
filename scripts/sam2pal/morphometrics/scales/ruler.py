"""The ticks of a ruler: where they are, how far apart, and whether evenly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sam2pal.morphometrics.scales.regions import OrientedRegion, long_regions
from sam2pal.morphometrics.scales.strip import STEP, Line, Numbers, sample, spaced

FEWEST = 10  # ticks
CLOSEST = 3.0  # pixels from one tick to the next
PARALLEL = math.radians(4)  # ticks of one ruler
UNEVEN = 0.03  # change of the period from one end to the other: more is seen at an angle
ROUGH = 0.08  # of the period: how far ticks may lie from where they should be
IN_LINE = 0.75  # of the ticks: they begin in one line
REACH = 6.0  # periods: half of the length of the longest tick
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
        unlike: whether that is because its longer ticks are those of another unit.
    """

    line: Line
    period: float
    ticks: int
    error: float
    doubt: str = ""
    unlike: bool = False


def find_ruler(picture: NDArray[np.float32], unit: str) -> Ruler | None:
    """The ruler of a picture with most ticks, or None.

    Args:
        picture: float [h, w], 0 to 255.
        unit: what its ticks are apart, a key of `LONGER`.
    """
    found: list[Ruler] = []
    regions = [of for of in long_regions(picture) if of.line.length > 2 * of.line.width]
    for dark in (True, False):
        for row in _rows([of for of in regions if of.dark == dark]):
            ruler = _measured(picture, row, dark, unit)
            if ruler is not None:
                found.append(ruler)
    best = max(found, key=lambda of: (not of.doubt, of.ticks), default=None)
    for other in found:  # the gaps between ticks are a row as well, and say less of the unit
        if best is None or not other.unlike or other.ticks < 0.8 * best.ticks:
            continue
        if abs(other.period / best.period - 1) < UNEVEN:
            return other
    return best


@dataclass(frozen=True)
class _Row:
    """Parallel lines side by side: places along their common axis, and their lengths."""

    axis: Line
    places: Numbers
    lengths: Numbers


def _rows(regions: Sequence[OrientedRegion]) -> list[_Row]:
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
    ends = _ends(picture, row.axis, place, dark)
    begins = max((_in_line(number, end, 0.3 * period) for end in ends), key=np.count_nonzero)
    begins = begins & (ends < REACH * period).all(0)
    if begins.sum() >= FEWEST:  # what follows it at its ends is no tick
        here = slice(begins.argmax(), len(begins) - begins[::-1].argmax())
        number, place, begins, ends = number[here], place[here], begins[here], ends[:, here]
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
    unlike = doubt = ""
    if abs(change) > UNEVEN:
        doubt = (
            f"its ticks lie {abs(change):.0%} closer together at one end: it is seen at an angle, or "
            "not flat"
        )
    elif begins.mean() < IN_LINE:
        doubt = "its ticks do not begin in one line"
    else:
        unlike = doubt = _unlike(unit, number, ends.sum(0))
    return Ruler(line, float(even[0]), count, error, doubt, bool(unlike))


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


def _ends(picture: NDArray[np.float32], axis: Line, places: Numbers, dark: bool) -> Numbers:
    """[2, n]: how far ticks reach to either side of the axis, in pixels.

    A tick ends where it differs from what is beside it by half of what it does on the axis.
    """
    period = float(np.median(np.diff(places)))
    v = spaced(-REACH * period, REACH * period)
    aside = np.linspace(-0.5, 0.5, 11) * period
    values, inside = sample(picture, axis, (places[:, None] + aside).ravel(), v)
    marked = np.where(inside, values, np.nan) * (-1 if dark else 1)
    marked = marked.reshape(len(v), len(places), len(aside))
    beside = np.minimum(marked[..., :2].mean(-1), marked[..., -2:].mean(-1))
    # the axis may be turned by a degree against the ticks
    rise = np.nan_to_num(np.sort(marked[..., 3:8], axis=-1)[..., -2:].mean(-1) - beside)
    rise = ndimage.uniform_filter1d(rise, max(3, int(0.3 * period / STEP)), axis=0)
    middle = len(v) // 2
    over = rise < 0.5 * np.median(rise[middle - 2 : middle + 3], axis=0)
    sides = over[middle::-1], over[middle:]
    runs = [np.where(of.any(0), of.argmax(0), len(of)) for of in sides]
    return np.array(runs) * (v[1] - v[0])


def _in_line(number: Numbers, ends: Numbers, off: float) -> NDArray[np.bool_]:
    """Which ends lie in one line, but for `off` or a pixel."""
    rest = ends - np.median(ends)
    most = np.abs(rest) <= 3 * np.median(np.abs(rest)) + 1
    rest = ends - np.polyval(np.polyfit(number[most], ends[most], 1), number)
    return np.asarray(np.abs(rest) < max(1.0, off))


def _unlike(unit: str, number: Numbers, lengths: Numbers) -> str:
    """Why the longer ticks are not those of a ruler of this unit; empty if they may be, or none is longer."""
    lengths = np.clip(lengths, None, 2 * np.percentile(lengths, 40))
    alike = {}
    for every in range(2, min(20, len(number) // 3) + 1):
        for first in range(every):
            long = number % every == first
            if lengths[long].mean() > 1.15 * lengths[~long].mean():
                fit = float(np.corrcoef(long, lengths)[0, 1])
                alike[every] = max(fit, alike.get(every, 0.0))
    own = max((alike.get(every, 0.0) for every in LONGER[unit]), default=0.0)
    usual = max(alike, key=lambda every: alike[every], default=0)
    if not alike or alike[usual] < 0.6 or alike[usual] - own < 0.15:
        return ""
    other = {2: "sixteenths of an inch or half millimetres", 5: "millimetres", 10: "millimetres"}
    said = other.get(
        usual, "something else" if usual not in (4, 8, 16) else "sixteenths of an inch"
    )
    return f"one of {usual} ticks is longer, as where ticks are {said} apart, not {unit}"
