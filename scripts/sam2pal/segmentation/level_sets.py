"""Where bilinearly interpolated logits exceed a level, found row by row of the logits' coarse grid.

Along a column of the photograph the interpolated logits are piecewise linear, so the runs of pixels above a
level begin and end at roots of linear functions. Nothing is computed a pixel: the cost grows with the
photograph's width times the grid's height.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sam2pal.dataset.runs import Runs
from sam2pal.images.letterbox import Letterbox


@dataclass(frozen=True)
class GridAxis:
    """The grid coordinate of the pixels of one axis: pixel `i` lies at `offset + step * i`, node 0 at 0.

    Attributes:
        first, after: pixels `first` to `after` (exclusive) are those of the window; nothing lies outside.
    """

    pixels: int
    offset: float
    step: float
    first: int
    after: int

    @staticmethod
    def over(pixels: int, first: int, count: int, offset: float, step: float) -> GridAxis:
        """The axis of a window of `count` pixels, the first of which lies at `offset`."""
        return GridAxis(pixels, offset - step * first, step, first, first + count)

    def pixel(self, node: np.ndarray) -> np.ndarray:
        """Where a grid coordinate lies, in pixels from the centre of the first one."""
        return (node - self.offset) / self.step

    def weights(self, pixels: np.ndarray, nodes: int) -> tuple[np.ndarray, np.ndarray]:
        """For numbers of pixels: the node before each, and the share of the one behind it."""
        at = np.clip(self.offset + self.step * pixels, 0, nodes - 1)
        node = np.minimum(at.astype(np.int64), max(nodes - 2, 0))
        return node, (at - node).astype(np.float32)

    def reach(self, nodes: np.ndarray) -> tuple[int, int]:
        """The pixels (first, after the last) whose value depends on any of the nodes, bool [n]."""
        which = np.flatnonzero(nodes)
        if not len(which):
            return self.first, self.first
        ends = self.pixel(np.array([which[0] - 1.0, which[-1] + 1.0]))
        first, after = self.first, self.after
        if which[0] > 0:
            first = max(first, int(np.floor(ends[0])))
        if which[-1] < len(nodes) - 1:
            after = min(after, int(np.ceil(ends[1])) + 1)
        return first, max(first, after)


@dataclass(frozen=True)
class GridRegion:
    """Columns `first` to `after` of the photograph, and nodes `top` to `bottom` (exclusive) of its rows."""

    first: int
    after: int
    top: int
    bottom: int

    def common(self, other: GridRegion) -> GridRegion | None:
        """What both hold; None if that is nothing."""
        first, top = max(self.first, other.first), max(self.top, other.top)
        after, bottom = min(self.after, other.after), min(self.bottom, other.bottom)
        return GridRegion(first, after, top, bottom) if first < after and top < bottom else None


@dataclass(frozen=True)
class LogitSurface:
    """Logits over a photograph, bilinear between the nodes of a grid.

    Attributes:
        values: float32 [h, w], at the nodes.
        rows, columns: the grid coordinates of the photograph's pixels, upright.
    """

    values: np.ndarray
    rows: GridAxis
    columns: GridAxis

    @staticmethod
    def over(values: np.ndarray, box: Letterbox) -> LogitSurface:
        """Logits `[s, s]` on a grid that spans the square of `box`.

        Where the window is smaller than the grid, the values are first averaged at its own pixels
        (`Letterbox.square_to_native`), which become the nodes.
        """
        grid = values.shape[-1] / box.square
        top, left, height, width = box.box
        window = box.window
        steps = height * grid / window.height, width * grid / window.width
        offsets = top * grid + 0.5 * steps[0] - 0.5, left * grid + 0.5 * steps[1] - 0.5
        if max(steps) > 1:
            values, offsets, steps = box.square_to_native(values), (0.0, 0.0), (1.0, 1.0)
        rows = GridAxis.over(box.height, window.top, window.height, offsets[0], steps[0])
        columns = GridAxis.over(box.width, window.left, window.width, offsets[1], steps[1])
        return LogitSurface(np.asarray(values, np.float32), rows, columns)

    def __sub__(self, other: LogitSurface) -> LogitSurface:
        return LogitSurface(self.values - other.values, self.rows, self.columns)

    def window(self, level: float) -> GridRegion | None:
        """The columns and nodes that the pixels above `level` can depend on; None where there are none."""
        high = self.values > level
        rows = np.flatnonzero(high.any(1))
        if not len(rows):
            return None
        first, after = self.columns.reach(high.any(0))
        return GridRegion(first, after, max(0, rows[0] - 1), min(len(high), rows[-1] + 2))

    def above(
        self, level: float, window: GridRegion | None = None, *, or_equal: bool = False
    ) -> Runs:
        """The pixels whose logit is above `level`.

        Args:
            window: outside of which nothing is asked.
            or_equal: where the logit is equal at neighbouring nodes, too.
        """
        height, width = self.rows.pixels, self.columns.pixels
        window = window or self.window(level)
        if window is None or window.first >= window.after:
            return Runs.empty(height, width)
        value = self._in_columns(window) - np.float32(level)  # [columns, nodes]
        above = np.zeros((len(value), value.shape[1] + 2), np.int8)
        above[:, 1:-1] = value >= 0 if or_equal else value > 0
        change = np.diff(above, axis=1)
        x, node = np.nonzero(change > 0)
        root = self._root(value, x, node, window)
        # a pixel right on a root is equal to the level
        begin = (np.ceil(root) if or_equal else np.floor(root) + 1).astype(np.int64)
        edges = np.array([window.top, window.bottom - 1])
        # beyond the outermost nodes the grid goes on unchanged
        first, last = self.rows.pixel(edges)
        begin[node == 0] = np.ceil(first) if window.top else self.rows.first
        x_end, node = np.nonzero(change < 0)
        root = self._root(value, x_end, node, window)
        end = (np.floor(root) + 1 if or_equal else np.ceil(root)).astype(np.int64)
        cut = window.bottom < len(self.values)
        end[node == value.shape[1]] = np.floor(last) + 1 if cut else self.rows.after
        begin, end = (part.clip(self.rows.first, self.rows.after) for part in (begin, end))
        return Runs.in_columns(height, width, x + window.first, begin, end)

    def _root(
        self, value: np.ndarray, x: np.ndarray, node: np.ndarray, window: GridRegion
    ) -> np.ndarray:
        """The pixel coordinate of the root between nodes `node - 1` and `node` of column `x`."""
        before = value[x, np.maximum(node - 1, 0)].astype(np.float64)
        behind = value[x, np.minimum(node, value.shape[1] - 1)].astype(np.float64)
        inside = (node > 0) & (node < value.shape[1])
        share = before / np.where(inside, before - behind, 1.0)
        return self.rows.pixel(window.top + node - 1 + share)

    def _in_columns(self, window: GridRegion) -> np.ndarray:
        """[columns, nodes] of the window: the nodes' rows, interpolated at columns of the photograph."""
        pixels = np.arange(window.first, window.after)
        node, share = self.columns.weights(pixels, self.values.shape[1])
        turned = np.ascontiguousarray(self.values[window.top : window.bottom].T)
        here = turned[node]
        return here + (turned[np.minimum(node + 1, len(turned) - 1)] - here) * share[:, None]

    def at(self, pixels: np.ndarray) -> np.ndarray:
        """Logits at pixels, numbered down the columns as in `Runs`."""
        x, y = np.divmod(pixels, self.rows.pixels)
        height, width = self.values.shape
        top, down = self.rows.weights(y, height)
        left, across = self.columns.weights(x, width)
        bottom, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
        upper = self.values[top, left] * (1 - across) + self.values[top, right] * across
        lower = self.values[bottom, left] * (1 - across) + self.values[bottom, right] * across
        return upper * (1 - down) + lower * down


@dataclass(frozen=True)
class Likelihood:
    """The probability of one structure over a photograph, zero where it is not allowed.

    Attributes:
        rivals: surfaces of the structures with which it shares no pixel; where one is likely, the larger
            logit wins.
        first: how many of the rivals win over it also where their logits are equal.
        taken: pixels that are drawn as a rival's.
        ahead: what is added to the logit of each rival where the rival is likely.
        likely: probability above which it is.
    """

    surface: LogitSurface
    rivals: tuple[LogitSurface, ...] = ()
    first: int = 0
    taken: tuple[Runs, ...] = ()
    ahead: tuple[float, ...] = ()
    likely: float = 0.5

    @cached_property
    def _lost(self) -> list[Runs]:
        """To each rival; only where both may be likely is there anything to compare."""
        own, lost = self.surface.window(logit(LOWEST)), []
        for number, (rival, ahead) in enumerate(zip(self.rivals, self.ahead, strict=True)):
            other = rival.window(logit(LOWEST))
            both = own and other and own.common(other)
            if not both:
                continue
            wins = (rival - self.surface).above(-ahead, both, or_equal=number < self.first)
            lost.append(wins & rival.above(logit(max(self.likely, LOWEST)), both))
        return lost

    def above(self, probability: float) -> Runs:
        """The pixels with a probability above this one, or above `LOWEST` if that is more."""
        probability = max(probability, LOWEST)
        # the threshold of the mask is asked for again among the levels of its area
        if probability not in self._asked:
            self._asked[probability] = self._above(probability)
        return self._asked[probability]

    @cached_property
    def _asked(self) -> dict[float, Runs]:
        return {}

    def _above(self, probability: float) -> Runs:
        found = self.surface.above(logit(probability))
        for others in (*self._lost, *self.taken) if found else ():
            found = found - others
        return found

    def mean(self, mask: Runs, most: int = 200_000) -> float:
        """Mean probability over a mask, over every n-th of its pixels if they are more than `most`."""
        length = mask.end - mask.start
        after = np.cumsum(length)
        stride = -(-int(after[-1]) // most)
        place = np.arange(stride // 2, after[-1], stride)
        run = np.searchsorted(after, place, side="right")
        logits = self.surface.at(mask.end[run] - after[run] + place)
        return float((1 / (1 + np.exp(-logits.clip(-30, 30)))).mean())


LOWEST = 0.02


def logit(probability: float) -> float:
    """The inverse of the sigmoid, which is taken as `1 - 1e-9` at most."""
    probability = min(probability, 1 - 1e-9)
    return float(np.log(probability / (1 - probability)))
