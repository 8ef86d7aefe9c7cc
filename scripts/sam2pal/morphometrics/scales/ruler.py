"""The ticks of a ruler: where they are, how far apart, and whether evenly."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sam2pal.morphometrics.scales.regions import long_regions
from sam2pal.morphometrics.scales.strip import STEP, Line, Numbers, sample, spaced

FEWEST = 10  # ticks
CLOSEST = 3.0  # pixels from one tick to the next
PARALLEL = math.radians(6)  # ticks of one ruler, and a pixel more from end to end
NEAR, FEWEST_NEAR = 8, 6  # ticks to either side of the first one; of these so many are seen
GAPS = 4  # distances to the nearest lines, one of which is the period
EVEN = 0.2  # of the period: how far these may lie from where they should be
ROWS = 6  # that are measured
LOST = 4  # ticks that follow each other and are not seen: there the ruler ends
WEAKEST = 0.35  # of the typical rise: that of a tick
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
    for dark in (True, False):
        for row in _Lines(list(long_regions(picture, dark))).rows():
            ruler = _measured(picture, row, dark, unit)
            if ruler is not None:
                found.append(ruler)
    best = max(found, key=lambda of: (not of.doubt, of.ticks), default=None)
    for other in found:
        if best is None or not other.doubt:
            continue
        times = round(best.period / other.period)
        if abs(best.period - times * other.period) > UNEVEN * best.period:
            continue
        # the gaps between ticks are a row as well, and say less of the unit; so is every second tick
        if other.ticks > (best.ticks if times > 1 else 0.8 * best.ticks) and (
            other.unlike or times > 1
        ):
            return other
    return best


@dataclass(frozen=True)
class _Row:
    """Parallel lines at even distances: places along their axis, lengths, and how far apart they are."""

    axis: Line
    places: Numbers
    lengths: Numbers
    period: float


def _walked(
    period: float, find: Callable[[float, float], float | None], first: float = 0.0
) -> dict[int, float]:
    """Places of ticks by number, from the first one, 0, to both sides.

    Args:
        find: the tick near a place, the period there being as given, or None.
    """
    found = {0: first}
    for sign in (-1, 1):
        last, lost, local = first, 0, period
        while lost < LOST and 0.7 * period < local < 1.4 * period:
            place = find(last + sign * local * (lost + 1), local)
            if place is None:
                lost += 1
                continue
            local = 0.8 * local + 0.2 * abs(place - last) / (lost + 1)
            found[(max if sign > 0 else min)(found) + sign * (lost + 1)] = place
            last, lost = place, 0
    return dict(sorted(found.items()))


class _Lines:
    """Lines of a picture, of which some may be ticks."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.centres = np.array([of.centre for of in lines]).reshape(-1, 2)
        self.lengths = np.array([of.length for of in lines])
        self.angles = np.array([math.atan2(of.along[1], of.along[0]) for of in lines])

    def rows(self) -> list[_Row]:
        """Rows of lines, those with most lines near the first one at first."""
        starts = []
        for i in range(len(self.lengths)):
            s = self._crossed(self._across(i), i)[0]
            if len(s) < FEWEST:
                continue
            apart = np.sort(np.abs(s[np.abs(s) > CLOSEST]))
            for period in apart[np.diff(apart, prepend=0.0) > 1.0][:GAPS].tolist():
                for most in (2, NEAR):
                    number = np.round(s / period)
                    even = (np.abs(s / period - number) < EVEN) & (np.abs(number) <= most)
                    even &= number != 0
                    period = float(np.median(s[even] / number[even]))
                starts.append((len(np.unique(number[even])), i, period))
        starts = [of for of in starts if of[0] >= FEWEST_NEAR]
        found: list[_Row] = []
        used = np.zeros(len(self.lengths), bool)
        for _, i, period in sorted(starts, key=lambda of: (-of[0], of[2])):
            if used[i] or len(found) == ROWS:
                continue
            used[i] = True
            row, same = self._followed(i, period)
            used[same] = True
            if row is not None:
                found.append(row)
        return found

    def _across(self, i: int) -> Line:
        """The line across one of them, through its middle."""
        x, y = self.centres[i]
        return Line((x, y), (math.sin(self.angles[i]), -math.cos(self.angles[i])), 1.0, 1.0)

    def _crossed(self, axis: Line, i: int) -> tuple[Numbers, Numbers, NDArray[np.int_]]:
        """The lines like line i that an axis crosses: how far along it and beside it they lie, and which."""
        apart = self.centres - axis.centre
        s, v = apart @ axis.along, apart @ axis.across
        angle = math.atan2(axis.along[0], -axis.along[1])
        turned = np.abs((self.angles - angle + math.pi / 2) % math.pi - math.pi / 2)
        share = self.lengths / self.lengths[i]
        like = (
            (turned < PARALLEL + 1 / self.lengths)
            & (share > 0.4)
            & (share < 6)
            & (np.abs(v) < 0.5 * self.lengths)
        )
        which = np.flatnonzero(like)
        return s[which], v[which], which

    def _followed(self, i: int, period: float) -> tuple[_Row | None, NDArray[np.int_]]:
        """The row of which line i is one, if it is long enough, and which lines lie in its places."""
        axis = self._across(i)
        for turn in range(3):
            s, v, which = self._crossed(axis, i)

            def find(about: float, local: float, s: Numbers = s) -> float | None:
                near = float(s[np.argmin(np.abs(s - about))])
                return near if abs(near - about) < 0.3 * local else None

            walked = _walked(period, find) if len(s) else {0: 0.0}
            places = np.array(list(walked.values()))
            away = np.abs(s[:, None] - places)
            same = which[away.min(1) < EVEN * period]
            if len(places) < FEWEST:
                return None, same
            row = away.argmin(0)
            if turn < 2:
                slope, offset = np.polyfit(s[row], v[row], 1)
                axis = axis.moved(float(offset), math.atan(slope))
        typical = float(np.median(np.diff(places) / np.diff(list(walked))))
        return _Row(axis, places, self.lengths[which[row]], typical), same


def _measured(picture: NDArray[np.float32], row: _Row, dark: bool, unit: str) -> Ruler | None:
    places, period = row.places, row.period
    short = float(np.percentile(row.lengths, 20))
    s = spaced(places[0] - 30, places[-1] + 30, 0.25 if np.ptp(places) < 4000 else 0.5)
    values, inside = sample(picture, row.axis, s, spaced(-short * 0.3, short * 0.3, 1.0))
    profile = values.mean(0) * (-1 if dark else 1)
    profile[~inside.all(0)] = profile[inside.all(0)].mean() if inside.any() else 0
    number, place = _ticks(profile, s, row)
    if len(number) < FEWEST:
        return None
    ends = _ends(picture, row.axis, place, dark)
    begins = max((_in_line(number, end, 0.3 * period) for end in ends), key=np.count_nonzero)
    begins = begins & (ends < REACH * period).all(0)
    if begins.sum() >= FEWEST:  # what follows it at its ends is no tick
        here = slice(begins.argmax(), len(begins) - begins[::-1].argmax())
        number, place, begins, ends = number[here], place[here], begins[here], ends[:, here]
    # what else is taken for a tick lies beside its place, most of all beyond the lines that were found
    ticks = (place > places[0] - period / 2) & (place < places[-1] + period / 2)
    for _ in range(3):
        if ticks.sum() < FEWEST:
            return None
        bent = np.polyfit(number[ticks], place[ticks], 2)
        rest = np.abs(place - np.polyval(bent, number))
        ticks = rest <= max(0.02 * period, 4 * float(np.median(rest[ticks])))
    number, place, rest, begins, ends = (
        of[..., ticks] for of in (number, place, rest, begins, ends)
    )
    even = np.polyfit(number, place, 1)
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


def _ticks(profile: Numbers, s: Numbers, row: _Row) -> tuple[Numbers, Numbers]:
    """Numbers and places of the ticks of a row, and of those that follow at its ends."""
    period, size = row.period, max(3, int(row.period / (s[1] - s[0])))
    rise = profile - ndimage.uniform_filter1d(profile, size)
    usual = np.interp(row.places, s, ndimage.maximum_filter1d(rise, size // 2))
    usual = np.interp(s, row.places, ndimage.median_filter(usual, 5, mode="nearest"))

    def find(about: float, _: float) -> float | None:
        near = np.flatnonzero(np.abs(s - about) < 0.35 * period)
        if len(near) < 3:
            return None
        best = near[np.argmax(rise[near])]
        if rise[best] <= max(WEAKEST * usual[best], 0):
            return None
        around = np.abs(s - s[best]) < 0.3 * period
        weights = np.clip(rise[around] - 0.3 * rise[best], 0, None)
        return float((weights * s[around]).sum() / weights.sum())

    middle = float(row.places[len(row.places) // 2])
    found = _walked(period, find, find(middle, period) or middle)
    number, place = np.array(list(found), float), np.array(list(found.values()))
    tick, one, other = (np.interp(place + t * period, s, profile) for t in (0, -0.5, 0.5))
    both, either = (float(np.median(tick - of(one, other))) for of in (np.maximum, np.minimum))
    gaps = both > WEAKEST * either  # else it is every edge of ticks or gaps
    return (number, place) if gaps else (number[:0], place[:0])


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
