"""What makes a stripe a scale bar, and where it ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sam2pal.morphometrics.scales.straightened import (
    FAINTEST,
    FRAME,
    Edge,
    Straightened,
    long_edges,
    runs_of,
    straightened,
)
from sam2pal.morphometrics.scales.strip import STEP, Line, Numbers, crossing, spaced

SAME = 8.0  # of 255: a bar's own grey value may differ by as much
CLEAR = 0.6  # of a bar's contrast: that of a tick
RIM = 0.2  # of the contrast to the frame round a filled box: its four sides differ by less
THIN = 1.6  # pixels: the frame round a filled box is not thinner
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
        rim: pixels, how thick the frame is that goes round it, where it is a box that is filled.
    """

    line: Line
    dark: bool
    kind: str
    contrast: float
    error: float
    quality: dict[str, float]
    cut: bool = False
    odd: bool = False
    rim: float = 0.0


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
    strip = straightened(picture, line, step)
    if strip is None:
        return None
    edges = long_edges(strip)
    ends = None if edges is None else _ends(strip, edges)
    if edges is None or ends is None:
        return None
    (first, last), rises, cut = ends
    inner = (strip.s > first + (last - first) * 0.1) & (strip.s < last - (last - first) * 0.1)
    if inner.sum() < 3:
        return None
    (high, top), (low, bottom) = edges[0].line, edges[1].line
    stroke, odd = (0.0, False) if strip.box else _ticks(strip, first, last)
    one, other, rim = (0.0, 0.0, 0.0) if strip.box else _rim(strip, (first, last))
    quality = _quality(strip, (first, last), rises, stroke or rim, edges)
    if strip.box or rim:  # what is drawn is as thick as its frame
        quality["stout"] = (rim or STEP * len(runs_of(strip.spine)[0])) / (last - first)
    kind = BOX if strip.box or rim else TICKED if stroke else PLAIN
    first, last = first + stroke / 2 - one, last - stroke / 2 + other
    middle, slope = (first + last) / 2, (high + low) / 2
    across = (top + bottom) / 2 + slope * middle
    found = strip.line.between(first, last, bottom - top + 2 * rim).moved(across, math.atan(slope))
    noise = _noise(strip)
    error = math.sqrt(2 * (0.1**2 + (noise * max(rises)) ** 2) + (stroke * 0.15) ** 2 + 0.29**2)
    contrast = float(np.median(strip.contrast[inner]))
    return Bar(found, dark, kind, contrast, error, quality, cut, odd and not rim, rim)


def _ends(
    strip: Straightened, edges: Sequence[Edge]
) -> tuple[tuple[float, float], list[float], bool] | None:
    """Both ends, halfway between ink and ground, how long the rise takes, and whether the picture ends there.

    The bar is the longest stretch from its middle that has its own grey value: what interrupts it is
    shorter than what follows.
    """
    step = strip.s[1] - strip.s[0]
    spread = 1.48 * float(np.median(np.abs(strip.profile[strip.core])))
    half = np.maximum(strip.contrast, FAINTEST) / 2
    darker = strip.profile < 0  # as the filled parts of a box are
    known_ink = np.interp(strip.s, strip.s[strip.core], strip.ink[strip.core])
    drift = np.abs(strip.ink - known_ink) / 2  # where light falls off along it
    differs = np.where(darker, half, np.minimum(max(3 * spread, SAME) + drift, half))
    same = np.clip(1 - np.abs(strip.profile) / differs, -1.0, 0.5)
    bare = edges[0].seen | edges[1].seen
    known = strip.known[strip.spine].all(0)
    ends, rises, cut = [], [], False
    thick = 2 * (strip.bottom - strip.top) + 3
    for sign in (-1, 1):
        t, p = sign * strip.s[::sign], strip.profile[::sign]
        of = np.where(known, np.where(bare, same, np.minimum(same, -0.25)), -1.0)[::sign]
        onwards = np.flatnonzero(t >= 0)
        last = onwards[np.argmax(np.cumsum(of[onwards]))]
        after = np.flatnonzero(same[::sign][last + 1 :] < -0.5)
        tick = len(after) and after[0] * step < thick  # on its end stands a tick, or another thing
        last += after[0] if tick else 0
        if last + 1 >= len(t):
            return None
        if not known[::sign][last + 1]:
            ends.append(sign * t[last])  # it goes on to the edge of the picture
            rises.append(1.0)
            cut = True
            continue
        place, known_there = float(t[last]) + step / 2, known[::sign]
        for _ in range(2):
            within = (t > place - min(max(6.0, 0.1 * place), 12.0)) & (t < place - 1.5)
            without = (t > place + 2.0) & (t < place + 5.0) & known_there
            if within.sum() < 2 or not without.any():
                return None
            inside, outside = float(np.median(p[within])), float(np.median(p[without]))
            if abs(outside - inside) < max(3 * spread, FAINTEST / 2):
                return None
            near = np.abs(t - place) < 6
            rise = (p[near] - inside) / (outside - inside)
            places = [crossing(t[near], rise, share, place) for share in (0.25, 0.5, 0.75)]
            if None in places:
                return None
            place = places[1]
        ends.append(sign * place)
        rises.append(abs(places[2] - places[0]))
    return (ends[0], ends[1]), rises, cut


def _ticks(strip: Straightened, first: float, last: float) -> tuple[float, bool]:
    """The width of the ticks at both ends, or 0; whether something hangs on one end only, as on a stroke of
    a letter."""
    reach = max(6.0, 1.5 * (strip.bottom - strip.top) + 4)
    widths, odd = [], False
    for sign, edge in ((-1, -strip.top), (1, strip.bottom)):
        v = sign * strip.v
        beside = strip.values[(v > edge + 1.5) & (v < edge + 3.5)].mean(0) - strip.ink
        pair = [
            _tick(strip.s - first, beside, reach),
            _tick(last - strip.s[::-1], beside[::-1], reach),
        ]
        if all(pair):
            widths.append(min(pair))
        odd = odd or any(pair) != all(pair)
    return min(widths, default=0.0), odd


def _tick(inwards: Numbers, beside: Numbers, reach: float) -> float:
    """How wide what stands on an end is; 0 if nothing stands there.

    Args:
        inwards: pixels from the end.
        beside: grey value beside the bar, less its ink.
    """
    near = (inwards > 0) & (inwards < 3 * reach)
    ground = np.percentile(beside[near], 70) if near.any() else 0.0
    if (
        ground < FAINTEST
        or np.abs(beside[(inwards > 0.5) & (inwards < 2)]).min(initial=ground)
        > (1 - CLEAR) * ground
    ):
        return 0.0
    over = np.flatnonzero((inwards > 1) & (inwards < reach) & (beside > ground / 2))
    if not len(over):
        return 0.0
    return crossing(inwards, beside, ground / 2, float(inwards[over[0]])) or 0.0


def _noise(strip: Straightened) -> float:
    """Robust standard deviation beside the bar, as a share of its contrast."""
    beside = strip.like[(strip.v < strip.top - 1.5) | (strip.v > strip.bottom + 1.5)]
    return float(np.median(np.abs(np.diff(beside[:, ::2], axis=1))) / 0.954)


def _edge(strip: Straightened) -> float:
    """How many pixels the rise across the bar takes, on the sharper side."""
    values = np.median(strip.like[:, strip.core], axis=1)
    widths = []
    for v, p, edge in ((strip.v, values, strip.bottom), (-strip.v[::-1], values[::-1], -strip.top)):
        near = np.abs(v - edge) < 5
        places = [crossing(v[near], p[near], level, edge) for level in (0.75, 0.25)]
        if None not in places:
            widths.append(abs(places[1] - places[0]))
    return min(widths, default=0.0)


def _quality(
    strip: Straightened,
    ends: tuple[float, float],
    rises: list[float],
    stroke: float,
    edges: Sequence[Edge],
) -> dict[str, float]:
    """How little it is like a bar; 0 is perfect.

    - uneven: spread of its own grey value along it, as a share of the contrast.
    - ragged: spread of its edges about straight lines, over its thickness. tapered: change of
      thickness from end to end.
    - beyond: what lies in line with it beyond its ends. hemmed: how much its surroundings change
      close to it, on the better side.
    - soft: how much longer the rise at an end takes than across. stout: width over length.
    """
    (first, last), s = ends, strip.s
    length, top, bottom = last - first, strip.top, strip.bottom
    pads = (max(min(0.08 * length, 6.0) + 1, stroke + 1.5), 1.0, 0.0)
    inner = next(
        (of for pad in pads if (of := (s > first + pad) & (s < last - pad)).sum() >= 3),
        np.ones(len(s), bool),
    )
    grey = strip.profile[inner] + strip.ink[inner]
    level = grey - np.polyval(np.polyfit(s[inner], grey, 2), s[inner])  # light falls off along it
    spread = 1.48 * float(np.median(np.abs(level)))
    if strip.box:  # of which up to half may be filled
        apart = np.minimum(*(np.percentile(np.abs(of - np.median(of)), 25) for of in (grey, level)))
        spread = float(apart) / 0.32
    rough = [1.48 * float(np.nanmedian(np.abs(of.rest[inner]))) for of in edges]
    typical = max(edges[1].line[1] - edges[0].line[1], 0.5)
    reach = 6 + 0.02 * length
    line = strip.rows(top - 1.5, bottom + 1.5)
    beyond = max(
        float(line[(s > a) & (s < b)].max(initial=0.0))
        for a, b in ((first - reach, first - 2.5), (last + 2.5, last + reach))
    )
    near = max(3.5, typical)
    core = np.median(strip.like[:, inner], axis=1)
    v = strip.v
    hemmed = min(
        float(core[rows].max(initial=0.0))
        for rows in ((v < top - 1.5) & (v > top - near), (v > bottom + 1.5) & (v < bottom + near))
    )
    return {
        "uneven": spread / float(np.median(strip.contrast[inner])),
        "ragged": max(rough) / typical,
        "tapered": abs(edges[1].line[0] - edges[0].line[0]) * length / typical,
        "beyond": beyond,
        "soft": max(rises) / (1.5 if strip.box or stroke else max(_edge(strip), 0.8)),
        "stout": typical / length,
        "hemmed": hemmed,
    }


def _rim(strip: Straightened, ends: tuple[float, float]) -> tuple[float, float, float]:
    """How wide the line round it is, where it is the inside of a filled box: at its first end, at its last
    one, and beside it; all 0 where there is none."""
    far = min(15.0, FRAME * (strip.bottom - strip.top) + 4.0)
    distance, core = spaced(0.0, far), strip.core
    sides = [
        _rows_at(strip.s, strip.values[strip.spine], ends[0] - distance),
        _rows_at(strip.s, strip.values[strip.spine], ends[1] + distance),
        _rows_at(strip.v, strip.values[:, core].T, strip.top - distance),
        _rows_at(strip.v, strip.values[:, core].T, strip.bottom + distance),
    ]
    typical = np.array([np.median(of, axis=0) for of in sides])
    flat = np.abs(np.diff(typical)).sum(0) + np.where((distance < 1) | (distance > 4), 1e9, 0)[1:]
    at = int(np.argmin(flat))
    levels = typical[:, at]
    apart = abs(float(np.median(levels) - np.median(strip.ink)))
    spread = max(float(np.median(np.abs(of[:, at] - np.median(of[:, at])))) for of in sides)
    if apart < FAINTEST or max(spread, np.ptp(levels) / 2) > RIM * apart:
        return 0.0, 0.0, 0.0
    widths = []
    for of, level in zip(sides, levels, strict=True):
        of = ndimage.uniform_filter1d(of, 3, axis=0) - level
        first = at + np.argmax(np.abs(of[:, at:]) > FAINTEST, axis=1)
        of, first = of[first > at], first[first > at]
        if len(of) < 0.3 * len(sides[0]) and len(of) < 0.3 * strip.core.sum():
            return 0.0, 0.0, 0.0
        beyond = of[np.arange(len(of)), np.minimum(first + int(3 / STEP), len(distance) - 1)]
        past = of * np.sign(beyond)[:, None] > np.abs(beyond)[:, None] / 2
        past[:, :at] = False
        widths.append(float(np.median(distance[np.argmax(past, axis=1)])) - STEP / 2)
    one, last, beside = widths[0], widths[1], (widths[2] + widths[3]) / 2
    usual = float(np.median(widths))
    even = max(abs(of - usual) for of in widths) < 1.0 + 0.25 * usual
    if even and THIN <= usual <= FRAME * (strip.bottom - strip.top):
        return one, last, beside
    return 0.0, 0.0, 0.0


def _rows_at(where: Numbers, values: Numbers, places: Numbers) -> Numbers:
    """[n, len(places)]: rows of values [n, len(where)] at other places, the outermost ones beyond."""
    at = np.clip(np.interp(places, where, np.arange(len(where))), 0, len(where) - 1)
    low = np.minimum(at.astype(int), len(where) - 2)
    return values[:, low] + (at - low) * (values[:, low + 1] - values[:, low])
