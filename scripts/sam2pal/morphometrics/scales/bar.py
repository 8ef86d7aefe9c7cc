"""What makes a long region a scale bar, and where it ends."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sam2pal.morphometrics.scales.strip import STEP, Line, Numbers, crossing, sample, spaced

FAINTEST = 18.0  # of 255: a bar differs more from what is around it
COVERED = 0.85  # of its length, along a row that belongs to the bar
CLEAR = 0.6  # of a bar's contrast: that of a tick
TALLEST = 0.35  # of its length: ticks are not longer
Tick = tuple[float, float]
"""Middle along the bar, and width."""
PLAIN, TICKED, BOX = "line", "line with ticks", "box"


@dataclass(frozen=True)
class Bar:
    """A bar, measured.

    Attributes:
        line: from end to end; its width is the bar's thickness.
        dark: whether it is darker than what is around it.
        kind: `line`, `line with ticks` (ends in the middle of the ticks) or `box`.
        contrast: to what is around it, of 255.
        error: standard uncertainty of its length, pixels.
        quality: of what a bar has, each 0 (perfect) and more; see `_quality`.
        cut: whether it reaches the edge of the picture.
        odd: whether something hangs on one of its ends only, as on a stroke of a letter.
    """

    line: Line
    dark: bool
    kind: str
    contrast: float
    error: float
    quality: dict[str, float]
    cut: bool = False
    odd: bool = False


@dataclass(frozen=True)
class _Strip:
    """A bar's surroundings: 0 is what is around it, 1 the bar.

    Attributes:
        values: [v, s]; NaN outside of the picture.
        raw: the same before the surroundings were taken off, as shares of the contrast.
        spine: rows that the bar covers.
        runs: of such rows: one, or two of a box.
        picture, dark: what it was cut from, and whether the bar is darker than its surroundings.
    """

    line: Line
    s: Numbers
    v: Numbers
    values: Numbers
    raw: Numbers
    contrast: float
    spine: NDArray[np.bool_]
    runs: int
    picture: NDArray[np.float32]
    dark: bool

    @property
    def core(self) -> NDArray[np.bool_]:
        return np.abs(self.s) < 0.4 * self.line.length

    @property
    def profile(self) -> Numbers:
        """[s]: along the bar."""
        return self.values[self.spine].mean(0)

    @property
    def thickness(self) -> Numbers:
        """[s]: pixels, of all between the outer rows."""
        rows = np.flatnonzero(self.spine)
        near = (self.v > self.v[rows[0]] - 2) & (self.v < self.v[rows[-1]] + 2)
        return np.clip(np.nan_to_num(self.values[near]), 0, None).sum(0) * (self.v[1] - self.v[0])

    @property
    def top_and_bottom(self) -> tuple[float, float]:
        rows = self.v[self.spine]
        return float(rows[0]), float(rows[-1])


def measure_bar(
    picture: NDArray[np.float32], line: Line, dark: bool, step: float = STEP
) -> Bar | None:
    """Measure what may be a bar; None where it is none.

    Args:
        picture: float [h, w], 0 to 255.
        line: about where it is.
        step: between samples, pixels.
    """
    strip = _straightened(picture, line, dark, step)
    if strip is None:
        return None
    ends = _ends(strip)
    if ends is None:
        return None
    (first, last), rises, cut = ends
    kind = BOX if strip.runs == 2 else PLAIN
    ticks, odd, frame = ([], False, False) if kind == BOX else _ticks(strip, first, last)
    top, bottom = strip.top_and_bottom
    inner = (strip.s > first + (last - first) * 0.1) & (strip.s < last - (last - first) * 0.1)
    if inner.sum() < 3:
        return None
    thick = bottom - top + STEP if kind == BOX else float(np.median(strip.thickness[inner]))
    quality = _quality(strip, (first, last), rises, kind, ticks) | {"frame": float(frame)}
    stroke = 0.0
    if ticks:
        (first, left), (last, right) = ticks
        kind, stroke = TICKED, (left + right) / 2
    found = strip.line.between(first, last, thick)
    found = found.moved((top + bottom) / 2, 0.0)
    noise = _noise(strip)
    error = math.sqrt(2 * (0.1**2 + (noise * max(rises)) ** 2) + (stroke * 0.15) ** 2 + 0.29**2)
    return Bar(found, dark, kind, strip.contrast, error, quality, cut, odd)


def _straightened(
    picture: NDArray[np.float32], line: Line, dark: bool, step: float
) -> _Strip | None:
    margin = min(max(8.0, line.length / 4), 80.0)
    side = max(4.0, min(line.width, 15.0))
    s = spaced(-line.length / 2 - margin, line.length / 2 + margin, step)
    v = spaced(-line.width / 2 - side, line.width / 2 + side)
    size = max(3, int(min(line.length / 3, 120) / step) | 1)
    core, near = np.abs(s) < 0.4 * line.length, np.abs(v) < line.width / 2 + 1
    above, below = v < -line.width / 2 - 1.5, v > line.width / 2 + 1.5
    for turn in range(3):
        values, inside = sample(picture, line, s, v)
        if not dark:
            values = 255 - values
        # the lighter ones of what is beside it: text, and ticks at its ends, are as dark as it
        sides = [np.median(values[rows], axis=0) for rows in (above, below)]
        sides = [ndimage.percentile_filter(of, 70, size, mode="nearest") for of in sides]
        difference = (sides[0] + sides[1]) / 2 - values
        contrast = float(np.median(difference[np.ix_(near, core)], axis=1).max())
        if contrast < FAINTEST:
            return None
        relative = difference / contrast
        weights = np.clip(relative[np.ix_(near, core)], 0, 1.2) ** 2
        total = weights.sum(0)
        good = total > 0.3 * np.median(total)
        if turn == 2 or good.sum() < 4:
            break
        middle = (weights * v[near][:, None]).sum(0)[good] / total[good]
        slope, offset = _straight(s[core][good], middle)
        if abs(slope) * line.length < 0.1 and abs(offset) < 0.1:
            break
        line = line.moved(offset, math.atan(slope))
    spine = ((relative[:, core] > 0.5).mean(1) > COVERED) & (np.abs(v) < line.width / 2 + 2)
    runs = int(np.count_nonzero(np.diff(np.concatenate([[0], spine.astype(int)])) == 1))
    if runs not in (1, 2):
        return None
    relative[~inside] = np.nan
    raw = -values / contrast
    return _Strip(line, s, v, relative, raw, contrast, spine, runs, picture, dark)


def _straight(x: Numbers, y: Numbers) -> tuple[float, float]:
    """Slope, and value at 0, of a line through most of the points."""
    keep = np.ones(len(x), bool)
    for _ in range(3):
        slope, offset = np.polyfit(x[keep], y[keep], 1)
        rest = np.abs(y - offset - slope * x)
        keep = rest <= max(0.25, 2.5 * float(np.median(rest)))
        if keep.sum() < 4:
            break
    return float(slope), float(offset)


def _ends(strip: _Strip) -> tuple[tuple[float, float], list[float], bool] | None:
    """Both ends where the profile has half its height, how long the rise takes, and whether one is
    at the edge of the picture."""
    c, s = strip.profile, strip.s
    known = np.isfinite(c)
    raw = strip.raw[strip.spine].mean(0)
    half = strip.line.length / 2
    if not known[np.abs(s) < half / 2].all():
        return None
    ends, rises, cut = [], [], False
    for sign in (-1, 1):
        t, p, q = (s, c, raw) if sign > 0 else (-s[::-1], c[::-1], raw[::-1])
        good = known if sign > 0 else known[::-1]
        reach = t[good].max()
        inside = good & (t > 0)
        below = np.flatnonzero(inside & (p < 0.5) & (t > half * 0.7))
        if not len(below):
            if reach < t[-1] - 2 * (t[1] - t[0]):  # it goes on to the edge
                ends.append(sign * reach)
                rises.append(1.0)
                cut = True
                continue
            return None
        rough = t[below[0]]
        within = good & (t > rough - min(max(6.0, 0.15 * half), 12.0)) & (t < rough - 1.5)
        without = good & (t > rough + 1.5) & (t < rough + 6.0)
        if within.sum() < 2:
            return None
        if without.sum() < 1:
            cut = True
            low = 0.0
        else:
            low = float(np.median(p[without]))
        high = float(np.median(p[within]))
        fall = float(np.median(q[within]) - np.median(q[without])) if without.any() else 1.0
        if high - low < 0.3 or fall < 0.4:  # its surroundings end there, and not the bar
            return None
        near = good & (np.abs(t - rough) < 8)
        places = [
            crossing(t[near], p[near], low + share * (high - low), rough)
            for share in (0.75, 0.5, 0.25)
        ]
        if None in places:
            return None
        ends.append(sign * places[1])
        rises.append(abs(places[2] - places[0]))
    return (ends[0], ends[1]), rises, cut


def _ticks(strip: _Strip, first: float, last: float) -> tuple[list[Tick], bool, bool]:
    """The tick at each end, or none; whether something hangs on one end only, as on a stroke of a letter;
    and whether the ticks are so long that they are rather the sides of a frame."""
    top, bottom = strip.top_and_bottom
    reach = max(6.0, 0.05 * (last - first), 1.5 * (bottom - top) + 4)
    found: list[Tick] = []
    odd = frame = False
    for above, (low, high) in (
        (True, (top - 3.5, top - 1.5)),
        (False, (bottom + 1.5, bottom + 3.5)),
    ):
        rows = (strip.v >= low) & (strip.v <= high)
        if not rows.any():
            continue
        marks = [_mark(strip, rows, end, reach) for end in (first, last)]
        pair = [mark for mark in marks if mark is not None]
        clear = max((mark[2] for mark in pair), default=0.0) >= CLEAR
        if len(pair) == 2 and clear:
            found = found or [mark[:2] for mark in pair]
            frame = frame or all(_tall(strip, mark[0], last - first, above) for mark in pair)
        odd = odd or (len(pair) == 1 and clear)
    return found, odd, frame


def _mark(
    strip: _Strip, rows: NDArray[np.bool_], end: float, reach: float
) -> tuple[float, float, float] | None:
    """Middle, width and strength of what lies beside an end."""
    near = np.abs(strip.s - end) < reach
    s, here = strip.s[near], np.nan_to_num(strip.values[rows][:, near]).mean(0)
    peak = here.max(initial=0.0)
    if peak < 0.4:
        return None
    marks = s[here > peak / 2]
    a, b = (crossing(s, here, peak / 2, mark) for mark in (marks[0], marks[-1]))
    if a is None or b is None or a == b:
        return None
    outer = a if end < 0 else b
    if abs(outer - end) > max(2.0, 0.3 * abs(b - a)):  # something else near it, such as a leg
        return None
    return (a + b) / 2, abs(b - a), float(peak)


def _tall(strip: _Strip, place: float, length: float, above: bool) -> bool:
    """Whether a tick is so long that it is rather the side of a frame or of a letter."""
    top, bottom = strip.top_and_bottom
    far = TALLEST * length + 2
    v = spaced(top - far, top - 1.5) if above else spaced(bottom + 1.5, bottom + far)
    values, inside = sample(strip.picture, strip.line, np.array([place]), v)
    level = float(np.median(strip.raw[strip.spine][:, strip.core])) * strip.contrast
    values = -values if strip.dark else values - 255  # as `raw` is
    return bool(inside.all() and (level - values < 0.4 * strip.contrast).all())


def _noise(strip: _Strip) -> float:
    """Robust standard deviation beside the bar, as a share of its contrast."""
    top, bottom = strip.top_and_bottom
    beside = strip.values[(strip.v < top - 1.5) | (strip.v > bottom + 1.5)]
    steps = np.diff(beside[:, ::2], axis=1)
    steps = np.abs(steps[np.isfinite(steps)])
    return float(np.median(steps) / 0.954) if len(steps) else 0.0


def _edge(strip: _Strip) -> float:
    """How many pixels the rise across the bar takes, on the sharper side."""
    values = np.median(np.nan_to_num(strip.values[:, strip.core]), axis=1)
    widths = []
    top, bottom = strip.top_and_bottom
    for v, p, edge in ((strip.v, values, bottom), (-strip.v[::-1], values[::-1], -top)):
        near = np.abs(v - edge) < 5
        places = [crossing(v[near], p[near], level, edge) for level in (0.75, 0.25)]
        if None not in places:
            widths.append(abs(places[1] - places[0]))
    return min(widths, default=0.0)


def _quality(
    strip: _Strip,
    ends: tuple[float, float],
    rises: list[float],
    kind: str,
    ticks: list[Tick],
) -> dict[str, float]:
    """How little it is like a bar; 0 is perfect.

    - uneven: spread of the grey value along it. faint: how much less contrast its worst part has.
    - ragged: spread of its thickness, as a share. tapered: change of thickness from end to end.
    - beside: share of its length beside which something as dark lies. beyond: what lies in line with
      it beyond its ends. hemmed: how much its surroundings change close to it, on the better side.
    - soft: how much longer the rise at an end takes than across. stout: width over length.
    - framed: whether it is the inside of a box.
    """
    (first, last), s = ends, strip.s
    length = last - first
    pad = min(0.08 * length, 6.0) + 1
    if ticks:
        pad = max(pad, ticks[0][1] + 1.5, ticks[1][1] + 1.5)
    inner = (s > first + pad) & (s < last - pad)
    if inner.sum() < 3:
        inner = (s > first + 1) & (s < last - 1)
    if inner.sum() < 3:
        inner = (s > first) & (s < last)
    inner &= np.isfinite(strip.profile)
    c = strip.profile[inner]
    trend = ndimage.uniform_filter1d(c, max(3, len(c) // 3), mode="nearest")
    thick = strip.thickness[inner] / np.maximum(trend, 0.2)  # light may be uneven
    typical = float(np.median(thick))
    slope = np.polyfit(s[inner], thick, 1)[0] * length
    top, bottom = strip.top_and_bottom
    sides = [
        strip.values[(strip.v >= low) & (strip.v <= high)].mean(0)[inner]
        for low, high in ((top - 3.5, top - 2.0), (bottom + 2.0, bottom + 3.5))
        if ((strip.v >= low) & (strip.v <= high)).any()
    ]
    beside = max((float(np.mean(~(of < 0.4))) for of in sides), default=1.0)
    rows = (strip.v > top - 1.5) & (strip.v < bottom + 1.5)
    reach = 6 + 0.1 * length
    beyond = 0.0
    for a, b in ((first - reach, first - 2.5), (last + 2.5, last + reach)):
        further = strip.values[np.ix_(rows, (s > a) & (s < b))]
        further = further[:, np.isfinite(further).all(0)]
        if further.size:
            beyond = max(beyond, float(np.abs(further.mean(1)).max()))
    near = max(3.5, typical)
    core = np.median(np.nan_to_num(strip.values[:, inner]), axis=1)
    hemmed = min(
        float(core[rows].max(initial=0.0))
        for rows in (
            (strip.v < top - 1.5) & (strip.v > top - near),
            (strip.v > bottom + 1.5) & (strip.v < bottom + near),
        )
    )
    return {
        "uneven": float(np.std(c - trend)),
        "faint": 1 - float(np.percentile(c, 3) / max(np.percentile(c, 97), 1e-6)),
        "ragged": float(np.std(thick)) / typical,
        "tapered": abs(slope) / typical,
        "beside": beside,
        "beyond": beyond,
        "soft": max(rises) / (max(_edge(strip), 0.8) if kind == PLAIN else 1.5),
        "stout": typical / length,
        "hemmed": hemmed,
        "framed": float(_framed(strip, ends)),
    }


def _framed(strip: _Strip, ends: tuple[float, float]) -> bool:
    """Whether a frame lies close around it, so that it is the inside of a box."""
    (first, last), (top, bottom) = ends, strip.top_and_bottom
    values = np.nan_to_num(strip.values)
    across = np.median(values[:, strip.core], axis=1)
    along = np.median(values[strip.spine], axis=0)
    reach = min(15.0, max(bottom - top, 4.0))
    gaps, rims = [], 0
    for places, profile, edge, sign in (
        (strip.v, across, top, -1),
        (strip.v, across, bottom, 1),
        (strip.s, along, first, -1),
        (strip.s, along, last, 1),
    ):
        distance = (places - edge) * sign
        there = distance[(distance > 1.5) & (distance < reach) & (profile > 0.3)]
        gaps += [float(there.min())] if len(there) else []
        rims += bool((profile[(distance > 0) & (distance < 5)] < -0.3).any())
    even = len(gaps) == 4 and max(gaps) - min(gaps) <= 0.35 * float(np.mean(gaps)) + 1.5
    return even or rims == 4
