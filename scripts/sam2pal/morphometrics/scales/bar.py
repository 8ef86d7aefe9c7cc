"""What makes a stripe a scale bar, and where it ends."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sam2pal.morphometrics.scales.strip import STEP, Line, Numbers, crossing, sample, spaced

FAINTEST = 18.0  # of 255: a bar differs more from what is around it
COVERED = 0.85  # of its length, along a row that belongs to the bar
LEAVES = 0.7  # of the level that it had before: a profile that is below has ended
CLEAR = 0.6  # of a bar's contrast: that of a tick
RIM = 0.1  # of its contrast: what goes round it differs by more from what is around both
TALLEST = 0.35  # of its length: ticks are not longer
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
    """A bar's surroundings, straightened.

    Attributes:
        values: [v, s]; 0 is what is beside it there, 1 the bar's ink; NaN outside of the picture.
        grey: the same in grey values, higher where it is more like the bar; known outside, too.
        contrast: [s], between ink and surroundings.
        spine: rows that the bar covers; one run of them, or two of a box.
    """

    line: Line
    s: Numbers
    v: Numbers
    values: Numbers
    grey: Numbers
    contrast: Numbers
    spine: NDArray[np.bool_]
    box: bool

    @property
    def profile(self) -> Numbers:
        """[s]: along the bar."""
        return self.values[self.spine].mean(0)

    @property
    def top(self) -> float:
        return float(self.v[self.spine][0])

    @property
    def bottom(self) -> float:
        return float(self.v[self.spine][-1])

    def rows(self, low: float, high: float) -> Numbers:
        """[s]: mean of the rows from `low` to `high` pixels across; 0 outside of the picture."""
        rows = (self.v >= low) & (self.v <= high)
        return np.nan_to_num(self.values[rows]).mean(0) if rows.any() else np.zeros(len(self.s))


def measure_bar(
    picture: NDArray[np.float32], line: Line, dark: bool, step: float = STEP
) -> Bar | None:
    """Measure what may be a bar; None where it is none.

    Args:
        picture: float [h, w], 0 to 255.
        line: about where it is.
        step: between samples, pixels.
    """
    picture = picture if dark else 255 - picture
    strip = _straightened(picture, line, step)
    ends = None if strip is None else _ends(strip)
    if strip is None or ends is None:
        return None
    (first, last), rises, cut = ends
    inner = (strip.s > first + (last - first) * 0.1) & (strip.s < last - (last - first) * 0.1)
    if inner.sum() < 3:
        return None
    stroke, odd, tall = (0.0, False, False) if strip.box else _ticks(picture, strip, first, last)
    thickness = _thickness(strip)
    quality = _quality(strip, (first, last), rises, stroke) | {"frame": float(tall)}
    kind = BOX if strip.box else TICKED if stroke else PLAIN
    first, last = first + stroke / 2, last - stroke / 2
    thick = strip.bottom - strip.top + STEP if strip.box else float(np.median(thickness[inner]))
    found = strip.line.between(first, last, thick).moved((strip.top + strip.bottom) / 2, 0.0)
    error = math.sqrt(
        2 * (0.1**2 + (_noise(strip) * max(rises)) ** 2) + (stroke * 0.15) ** 2 + 0.29**2
    )
    contrast = float(np.median(strip.contrast[inner]))
    return Bar(found, dark, kind, contrast, error, quality, cut, odd)


def _straightened(picture: NDArray[np.float32], line: Line, step: float) -> _Strip | None:
    """The surroundings of a dark bar."""
    margin = min(max(10.0, line.length / 4), 80.0)
    side = max(4.0, min(line.width, 15.0))
    s = spaced(-line.length / 2 - margin, line.length / 2 + margin, step)
    v = spaced(-line.width / 2 - side, line.width / 2 + side)
    size = max(3, int(min(line.length / 3, 120) / step) | 1)
    core, near = np.abs(s) < 0.4 * line.length, np.abs(v) < line.width / 2 + 1
    above, below = v < -line.width / 2 - 1.5, v > line.width / 2 + 1.5
    for turn in range(3):
        values, inside = sample(picture, line, s, v)
        # the lighter ones of what is beside it: text, and ticks at its ends, are as dark as it
        sides = [np.median(values[rows], axis=0) for rows in (above, below)]
        sides = [ndimage.percentile_filter(of, 70, size, mode="nearest") for of in sides]
        difference = (sides[0] + sides[1]) / 2 - values
        best = near & (v == v[near][np.median(difference[np.ix_(near, core)], axis=1).argmax()])
        ink = ndimage.median_filter(values[best][0][core], size, mode="nearest")
        ink = np.interp(s, s[core], ink)  # what is at its ends goes on
        contrast = (sides[0] + sides[1]) / 2 - ink
        if np.percentile(contrast[core], 20) < FAINTEST:
            return None
        relative = difference / np.maximum(contrast, FAINTEST)
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
    return _Strip(line, s, v, relative, -values, contrast, spine, runs == 2)


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
    """Both ends, halfway between ink and ground, how long the rise takes, and whether the picture ends there.

    An end is where the profile leaves the level that it had before: something less dark may touch it.
    """
    half, step = strip.line.length / 2, strip.s[1] - strip.s[0]
    grey, contrast = strip.grey[strip.spine].mean(0), np.maximum(strip.contrast, FAINTEST)
    ends, rises, cut = [], [], False
    for sign in (-1, 1):
        order = slice(None, None, sign)
        t, p, q = sign * strip.s[order], strip.profile[order], (grey / contrast)[order]
        known = np.isfinite(p) & (t > 0)
        t, p, q = t[known], p[known], q[known]
        if not len(t):
            return None
        left = np.flatnonzero((t > 0.5 * half) & (p < LEAVES))
        if not len(left):
            if t[-1] > strip.s[-1] - 2 * step:
                return None
            ends.append(sign * t[-1])  # it goes on to the edge of the picture
            rises.append(1.0)
            cut = True
            continue
        rough = t[left[0]]
        within = (t > rough - min(max(6.0, 0.15 * half), 12.0)) & (t < rough - 1.5)
        without = (t > rough + 1.5) & (t < rough + 5.0)
        if within.sum() < 2:
            return None
        high, low, fall = float(np.median(p[within])), 0.0, 1.0
        if without.any():
            low = float(np.median(p[without]))
            fall = float(np.median(q[within]) - np.median(q[without]))
        else:
            cut = True
        if high - low < 0.25 or fall < 0.25:  # its surroundings end there, and not the bar
            return None
        near = np.abs(t - rough) < 6
        places = [
            crossing(t[near], p[near], low + share * (high - low), rough)
            for share in (0.75, 0.5, 0.25)
        ]
        if None in places:
            return None
        ends.append(sign * places[1])
        rises.append(abs(places[2] - places[0]))
    return (ends[0], ends[1]), rises, cut


def _ticks(
    picture: NDArray[np.float32], strip: _Strip, first: float, last: float
) -> tuple[float, bool, bool]:
    """The width of the ticks at both ends, or 0; whether something hangs on one end only, as on a stroke of
    a letter; and whether the ticks are so long that they are rather the sides of a frame."""
    reach = max(6.0, 0.05 * (last - first), 1.5 * (strip.bottom - strip.top) + 4)
    widths, odd, tall = [], False, False
    for sign, edge in ((-1, -strip.top), (1, strip.bottom)):
        beside = strip.rows(*sorted((sign * (edge + 1.5), sign * (edge + 3.5))))
        pair = [_tick(strip.s, beside, first, reach), _tick(-strip.s, beside, -last, reach)]
        if all(pair):
            widths.append(min(pair))
            places = np.array([first + min(pair) / 2, last - min(pair) / 2])
            v = sign * spaced(edge + 1.5, edge + TALLEST * (last - first) + 2)
            values, inside = sample(picture, strip.line, places, v)
            ink = -np.interp(places, strip.s, strip.grey[strip.spine].mean(0))
            like = values - ink < 0.4 * np.interp(places, strip.s, strip.contrast)
            tall = tall or bool((inside & like).all())
        odd = odd or any(pair) != all(pair)
    return min(widths, default=0.0), odd, tall


def _tick(s: Numbers, beside: Numbers, end: float, reach: float) -> float:
    """How wide what stands on an end is, inwards from there; 0 if nothing stands there."""
    peak = beside[np.abs(s - end - 1) < 2].max(initial=0.0)
    if peak < CLEAR:
        return 0.0
    order = np.argsort(s)
    s, beside = s[order], beside[order]
    inwards = np.flatnonzero((s > end + 1) & (s < end + reach) & (beside < peak / 2))
    outer = crossing(s, beside, peak / 2, end)
    if not len(inwards) or outer is None or abs(outer - end) > 1.5:
        return 0.0
    inner = crossing(s, beside, peak / 2, s[inwards].min())
    return max(0.0, inner - end) if inner is not None else 0.0


def _thickness(strip: _Strip) -> Numbers:
    """[s]: pixels, of all between the outer rows."""
    near = (strip.v > strip.top - 2) & (strip.v < strip.bottom + 2)
    return np.clip(np.nan_to_num(strip.values[near]), 0, None).sum(0) * (strip.v[1] - strip.v[0])


def _noise(strip: _Strip) -> float:
    """Robust standard deviation beside the bar, as a share of its contrast."""
    beside = strip.values[(strip.v < strip.top - 1.5) | (strip.v > strip.bottom + 1.5)]
    steps = np.diff(beside[:, ::2], axis=1)
    steps = np.abs(steps[np.isfinite(steps)])
    return float(np.median(steps) / 0.954) if len(steps) else 0.0


def _edge(strip: _Strip) -> float:
    """How many pixels the rise across the bar takes, on the sharper side."""
    core = np.abs(strip.s) < 0.4 * strip.line.length
    values = np.median(np.nan_to_num(strip.values[:, core]), axis=1)
    widths = []
    for v, p, edge in (
        (strip.v, values, strip.bottom),
        (-strip.v[::-1], values[::-1], -strip.top),
    ):
        near = np.abs(v - edge) < 5
        places = [crossing(v[near], p[near], level, edge) for level in (0.75, 0.25)]
        if None not in places:
            widths.append(abs(places[1] - places[0]))
    return min(widths, default=0.0)


def _quality(
    strip: _Strip, ends: tuple[float, float], rises: list[float], stroke: float
) -> dict[str, float]:
    """How little it is like a bar; 0 is perfect.

    - uneven: spread of the grey value along it, as a share of the contrast.
    - ragged: spread of its thickness, as a share. tapered: change of thickness from end to end.
    - beside: share of its length beside which something as dark lies. beyond: what lies in line with
      it beyond its ends. hemmed: how much its surroundings change close to it, on the better side.
    - soft: how much longer the rise at an end takes than across. stout: width over length.
    - framed: whether it is the inside of a box.
    """
    (first, last), s = ends, strip.s
    length, top, bottom = last - first, strip.top, strip.bottom
    pads = (max(min(0.08 * length, 6.0) + 1, stroke + 1.5), 1.0, 0.0)
    inner = next(
        (of for pad in pads if (of := (s > first + pad) & (s < last - pad)).sum() >= 3),
        np.ones(len(s), bool),
    ) & np.isfinite(strip.profile)
    thick = _thickness(strip)[inner]
    typical = max(float(np.median(thick)), 1e-6)
    slope = np.polyfit(s[inner], thick, 1)[0] * length
    bands = (top - 3.5, top - 2.0), (bottom + 2.0, bottom + 3.5)
    beside = max(float((strip.rows(*of)[inner] > 0.4).mean()) for of in bands)
    reach = 6 + 0.02 * length
    line = strip.rows(top - 1.5, bottom + 1.5)
    beyond = max(
        float(line[(s > a) & (s < b)].max(initial=0.0))
        for a, b in ((first - reach, first - 2.5), (last + 2.5, last + reach))
    )
    near = max(3.5, typical)
    core = np.median(np.nan_to_num(strip.values[:, inner]), axis=1)
    v = strip.v
    hemmed = min(
        float(core[rows].max(initial=0.0))
        for rows in ((v < top - 1.5) & (v > top - near), (v > bottom + 1.5) & (v < bottom + near))
    )
    return {
        "uneven": float(np.std(strip.profile[inner])),
        "ragged": float(np.std(thick)) / typical,
        "tapered": abs(slope) / typical,
        "beside": beside,
        "beyond": beyond,
        "soft": max(rises) / (1.5 if strip.box or stroke else max(_edge(strip), 0.8)),
        "stout": typical / length,
        "hemmed": hemmed,
        "framed": float(_framed(strip, ends)),
    }


def _framed(strip: _Strip, ends: tuple[float, float]) -> bool:
    """Whether something equally wide goes all round it, so that it is the inside of a box."""
    values = np.nan_to_num(strip.values)
    core = np.abs(strip.s) < 0.4 * strip.line.length
    across = strip.v, np.median(values[:, core], axis=1)
    along = strip.s, np.median(values[strip.spine], axis=0)
    far = min(15.0, max(strip.bottom - strip.top, 4.0))
    distance = np.arange(0.0, far, STEP)
    sides = np.array(
        [
            np.interp(edge + sign * distance, *profile)
            for profile, edge, sign in (
                (across, strip.top, -1),
                (across, strip.bottom, 1),
                (along, ends[0], -1),
                (along, ends[1], 1),
            )
        ]
    )
    gaps, rims = [], []
    for (
        side
    ) in sides:  # where a line as the bar is begins beyond a gap, and where another level ends
        line = np.flatnonzero((distance > 1.5) & (side > 0.3))
        gaps += [float(distance[line[0]])] if len(line) else []
        flat = np.flatnonzero((np.abs(np.diff(side)) < 0.03) & (np.abs(side[1:]) > RIM))
        flat = flat[flat > 1]
        if len(flat):
            over = np.flatnonzero(np.abs(side[flat[0] :]) < np.abs(side[flat[0]]) / 2)
            rims += [float(distance[flat[0] + over[0]])] if len(over) else []
    for widths, least in ((gaps, 4), (rims, 3)):
        near = (
            np.abs(np.array(widths) - np.median(widths or [0]))
            < 0.25 * np.median(widths or [0]) + 1
        )
        if near.sum() >= least:
            return True
    return False
