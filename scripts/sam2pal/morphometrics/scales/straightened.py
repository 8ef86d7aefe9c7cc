"""The surroundings of what may be a bar, straightened, and its two long edges."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sam2pal.morphometrics.scales.strip import STEP, Line, Numbers, sample, spaced

FAINTEST = 18.0  # of 255: a bar differs more from what is around it
COVERED = 0.85  # of its length, along a row that belongs to the bar
FRAME = 0.6  # of what it encloses: the frame of a box is not thicker
EVEN = 4.0  # of 255: by how much its grey values may lie beside a straight change
ASIDE = 0.75  # pixels: how far from its line an edge may lie


@dataclass(frozen=True)
class Straightened:
    """A bar's surroundings, straightened.

    Attributes:
        values: [v, s], grey values; the bar is darker than what is beside it.
        known: [v, s], whether it lies in the picture.
        ink, contrast: [s], the bar's own grey value, and how much lighter what is beside it is.
        spine: rows that the bar covers; one run of them, or two of a box.
    """

    line: Line
    s: Numbers
    v: Numbers
    values: Numbers
    known: NDArray[np.bool_]
    ink: Numbers
    contrast: Numbers
    spine: NDArray[np.bool_]
    box: bool

    @cached_property
    def like(self) -> Numbers:
        """[v, s]: 0 is what is beside it there, 1 the bar's ink; 0 outside of the picture."""
        relative = 1 - (self.values - self.ink) / np.maximum(self.contrast, FAINTEST)
        return np.where(self.known, relative, 0.0)

    @cached_property
    def profile(self) -> Numbers:
        """[s]: its grey value along the bar, less what it typically is there."""
        inner = ndimage.binary_erosion(self.spine, iterations=2)  # the others are half ground
        grey = self.values[inner if inner.any() else self.spine].mean(0) - self.ink
        return grey - np.median(grey[self.core])

    @property
    def core(self) -> NDArray[np.bool_]:
        """[s]: the middle part, in which its ends do not lie."""
        return np.abs(self.s) < 0.4 * self.line.length

    @property
    def top(self) -> float:
        return float(self.v[self.spine][0])

    @property
    def bottom(self) -> float:
        return float(self.v[self.spine][-1])

    def rows(self, low: float, high: float) -> Numbers:
        """[s]: mean likeness of the rows from `low` to `high` pixels across."""
        rows = (self.v >= low) & (self.v <= high)
        return self.like[rows].mean(0) if rows.any() else np.zeros(len(self.s))


def straightened(picture: NDArray[np.float32], line: Line, step: float) -> Straightened | None:
    """The surroundings of a dark bar; None if nothing there is one.

    Args:
        picture: float [h, w], 0 to 255.
        line: about where it is.
        step: between samples along it, pixels.
    """
    margin = min(max(10.0, line.length / 4), 80.0)
    side = max(4.0, min(line.width, 15.0))
    s = spaced(-line.length / 2 - margin, line.length / 2 + margin, step)
    v = spaced(-line.width / 2 - side, line.width / 2 + side)
    size = max(3, int(min(line.length / 2, 120) / step) | 1)
    core, near = np.abs(s) < 0.4 * line.length, np.abs(v) < line.width / 2 + 1
    above, below = v < -line.width / 2 - 1.5, v > line.width / 2 + 1.5
    for turn in range(3):
        values, known = sample(picture, line, s, v)
        # the lighter ones of what is beside it: text, and ticks at its ends, are as dark as it
        sides = [np.median(values[rows], axis=0) for rows in (above, below)]
        sides = [ndimage.percentile_filter(of, 70, size, mode="nearest") for of in sides]
        lighter = (sides[0] + sides[1]) / 2
        best = values[near][np.median((lighter - values)[np.ix_(near, core)], axis=1).argmax()]
        ink = _onwards(s, core, best, size)
        contrast = lighter - ink
        if np.percentile(contrast[core], 20) < FAINTEST:
            return None
        covered = (values - ink < 0.5 * np.maximum(contrast, FAINTEST))[:, core].mean(1) > COVERED
        spine = covered & (np.abs(v) < line.width / 2 + 2)
        runs = runs_of(spine)
        hollow = len(runs) == 2
        if not runs or len(runs) > 2:
            return None
        if hollow and max(map(len, runs)) > FRAME * (runs[1][0] - runs[0][-1]):
            return None  # the panel on which a bar is drawn
        strip = Straightened(line, s, v, values, known, ink, contrast, spine, hollow)
        edges = long_edges(strip)
        if turn == 2 or edges is None:
            break
        slope, offset = (sum(of) / 2 for of in zip(*(of.line for of in edges), strict=True))
        if abs(slope) * line.length < 0.1 and abs(offset) < 0.1:
            break
        line = line.moved(offset, math.atan(slope))
    return strip


def _onwards(s: Numbers, core: NDArray[np.bool_], best: Numbers, size: int) -> Numbers:
    """[s]: a bar's own grey value, smoothed in its core; beyond, its change goes on, as in glare.

    Args:
        best: [s], grey values of a row that belongs to the bar.
        size: samples over which it is smoothed.
    """
    middle, own = s[core], best[core]
    ink = ndimage.median_filter(own, size, mode="reflect")
    found = np.interp(s, middle, ink)
    near = max(size // 2, 4)
    for sign, end in ((-1, slice(None, near)), (1, slice(-near, None))):
        slope, offset = straight(middle[end], own[end])
        if np.median(np.abs(own[end] - offset - slope * middle[end])) < EVEN:
            beyond = sign * s > sign * middle[end][0 if sign > 0 else -1]
            places = np.clip(s[beyond], 1.3 * middle[0], 1.3 * middle[-1])
            found[beyond] = offset + slope * places
    return found


def runs_of(spine: NDArray[np.bool_]) -> list[NDArray[np.int_]]:
    """The rows of a spine, those that follow each other together."""
    rows = np.flatnonzero(spine)
    return np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1) if len(rows) else []


@dataclass(frozen=True)
class Edge:
    """A long edge of a bar: slope and place in the middle, [s] how far off it lies (NaN: it is not seen), and
    where it is seen on its line."""

    line: tuple[float, float]
    rest: Numbers
    seen: NDArray[np.bool_]


def long_edges(strip: Straightened) -> list[Edge] | None:
    """A bar's two long edges, the upper one first; None if one is not seen."""
    half = 0.4 * strip.line.length
    edges = [_fitted(strip.s, y, seen, half) for y, seen in _edges(strip)]
    return None if None in edges else edges


def _fitted(s: Numbers, y: Numbers, seen: NDArray[np.bool_], half: float) -> Edge | None:
    """A line through most of the places where an edge is seen in the middle part; None of fewer than four."""
    here = seen & (np.abs(s) < half)
    if here.sum() < 4:
        return None
    slope, offset = straight(s[here], y[here])
    rest = np.where(seen, y - offset - slope * s, np.nan)
    return Edge((slope, offset), rest, np.abs(rest) < ASIDE)


def _edges(strip: Straightened) -> list[tuple[Numbers, NDArray[np.bool_]]]:
    """Where its two long edges lie, [s] across, halfway between ink and ground; and where they are seen."""
    runs, found = runs_of(strip.spine), []
    smooth = ndimage.uniform_filter1d(strip.values, 3, axis=1)
    for sign, start, edge in (
        (-1, runs[0][len(runs[0]) // 2], strip.top),
        (1, runs[-1][len(runs[-1]) // 2], strip.bottom),
    ):
        v = sign * strip.v
        beside = (v > sign * edge + 1.5) & (v < sign * edge + 4.0)
        ground = ndimage.median_filter(smooth[beside].mean(0), 5, mode="nearest")
        order = np.arange(start, len(v)) if sign > 0 else np.arange(start, -1, -1)
        order = order[v[order] < sign * edge + 4.0]
        level = strip.ink + (ground - strip.ink) / 2
        over = smooth[order] >= level
        first = np.argmax(over, 0)
        columns = np.arange(len(strip.s))
        high, low = smooth[order[first], columns], smooth[order[first - 1], columns]
        share = (level - low) / np.where(high > low, high - low, 1.0)
        place = strip.v[order[first - 1]] + sign * STEP * np.clip(share, 0, 1)
        found.append((place, (first > 0) & (ground - strip.ink > FAINTEST / 2)))
    return found


def straight(x: Numbers, y: Numbers) -> tuple[float, float]:
    """Slope, and value at 0, of a line through most of the points."""
    half = len(x) // 2
    slope = float(np.median((y[half:] - y[: len(x) - half]) / (x[half:] - x[: len(x) - half])))
    offset = float(np.median(y - slope * x))
    for _ in range(2):
        rest = np.abs(y - offset - slope * x)
        keep = rest <= max(0.25, 2.5 * float(np.median(rest)))
        slope, offset = np.polyfit(x[keep], y[keep], 1)
    return float(slope), float(offset)
