"""Straight edges of a picture, and the stripes between two of them that run in opposite senses."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sam2pal.morphometrics.scales.strip import Line, Numbers

SHORTEST = 8.0  # pixels: of an edge
ASIDE = 1.3  # pixels that parts of one edge may lie beside each other
GAP = 0.3  # of the length of what is joined: between two parts of one edge
PARALLEL = 0.06  # radians
THICKEST, THINNEST = 0.3, 0.7  # of a stripe's length; in pixels
SHARED = 0.4  # of the longer edge's length, beside which the other one runs
FAINTEST = 12.0  # of 255: a bar differs more from what is beside it
PLACES = 40  # along a stripe at which it is compared with its sides


@dataclass(frozen=True)
class Edges:
    """Directed segments, the longest first; what is darker lies on the right-hand side, y down.

    Attributes:
        first, last: [n, 2], x and y.
    """

    first: Numbers
    last: Numbers

    @classmethod
    def of(cls, points: Numbers) -> Edges:
        """Those of [n, 4] that are long enough."""
        length = np.hypot(points[:, 2] - points[:, 0], points[:, 3] - points[:, 1])
        order = [i for i in np.argsort(-length, kind="stable") if length[i] >= SHORTEST]
        return cls(points[order, :2], points[order, 2:])

    @cached_property
    def length(self) -> Numbers:
        return np.hypot(*(self.last - self.first).T)

    @cached_property
    def along(self) -> Numbers:
        return (self.last - self.first) / self.length[:, None]

    def seen_from(self, i: int) -> tuple[Numbers, Numbers]:
        """[2, n] both: how far along and across from the first point of edge i all points lie."""
        u = self.along[i]
        apart = np.stack([self.first, self.last]) - self.first[i]
        return apart @ u, apart @ np.array([-u[1], u[0]])


@dataclass(frozen=True)
class Stripe:
    """What lies between two edges.

    Attributes:
        line: from where the first of them begins to where the last one ends.
        dark: whether it is darker than what is around it.
    """

    line: Line
    dark: bool


def find_stripes(picture: NDArray[np.float32], most: int) -> list[Stripe]:
    """What may be a bar or a tick: the stripes that differ most, and most evenly, from both of their sides.

    Args:
        picture: float [h, w], 0 to 255.
        most: how many.
    """
    return _clearest(picture, _pairs(find_edges(picture)), most)


def find_edges(picture: NDArray[np.float32]) -> Edges:
    """The straight edges of a picture [h, w], and those made of several that lie in one line."""
    detector = cv2.createLineSegmentDetector(cv2.LSD_REFINE_STD)
    found = detector.detect(np.clip(np.round(picture), 0, 255).astype(np.uint8))[0]
    if found is None:
        return Edges(np.zeros((0, 2)), np.zeros((0, 2)))
    single = Edges.of(found.reshape(-1, 4).astype(float) + 0.5)  # pixels' middles
    points = np.concatenate([single.first, single.last], axis=1)
    return Edges.of(np.concatenate([points, *_joined(single)]))


def _joined(single: Edges) -> list[Numbers]:
    """Edges [1, 4] made of several that lie in one line."""
    found = []
    used = np.zeros(len(single.length), bool)
    for i in range(len(single.length)):
        if used[i]:
            continue
        s, v = single.seen_from(i)
        turned = single.along @ single.along[i]
        aside = ASIDE + 0.01 * np.abs(s).max(0)
        may = np.flatnonzero((turned > 0.97) & (np.abs(v).max(0) < aside) & ~used)
        low, high, members = 0.0, single.length[i], [i]
        for j in may[np.argsort(np.abs(s[:, may].mean(0) - high / 2))]:
            gap = max(s[0, j] - high, low - s[1, j])
            if j != i and gap <= max(4.0, GAP * min(high - low, 3 * single.length[j])):
                low, high = min(low, s[0, j]), max(high, s[1, j])
                members.append(j)
        if len(members) > 1:
            used[members] = True
            t, across = s[:, members].ravel(), v[:, members].ravel()
            slope, offset = np.polyfit(t, across, 1, w=np.tile(single.length[members], 2))
            u = single.along[i]
            ends = [(at, slope * at + offset) for at in (low, high)]
            turn = np.array([u, (-u[1], u[0])])
            found.append((np.array(ends) @ turn + single.first[i]).reshape(1, 4))
    return found


def _pairs(edges: Edges) -> list[Stripe]:
    """All pairs of edges that may be the long sides of a bar."""
    length, found = edges.length, []
    for i in range(len(length)):
        s, v = edges.seen_from(i)
        beside = v[:, i:].mean(0)
        opposite = edges.along[i:] @ edges.along[i] < -math.cos(PARALLEL)
        thick = np.abs(beside)
        shared = np.minimum(s[0, i:], length[i]) - np.maximum(s[1, i:], 0)
        may = opposite & (thick > THINNEST) & (thick < THICKEST * length[i])
        for j in np.flatnonzero(may & (shared >= SHARED * length[i])):
            along = edges.along[i] * length[i] - edges.along[i + j] * length[i + j]
            ux, uy = along / np.hypot(*along)
            nx, ny = -edges.along[i][1], edges.along[i][0]
            x, y = edges.first[i] + edges.along[i] * length[i] / 2
            middle = float(x + nx * beside[j] / 2), float(y + ny * beside[j] / 2)
            line = Line(middle, (float(ux), float(uy)), 1.0, 1.0)
            first, last = (
                min(s[1, i + j], 0) - length[i] / 2,
                max(s[0, i + j], length[i]) - length[i] / 2,
            )
            line = line.between(float(first), float(last), float(thick[j]))
            found.append(Stripe(line, bool(beside[j] > 0)))
    return found


def _clearest(picture: NDArray[np.float32], found: list[Stripe], most: int) -> list[Stripe]:
    """The stripes that differ from both sides all along; of several in one place the clearest."""
    if not found:
        return []
    lines = [of.line for of in found]
    centre, along = np.array([of.centre for of in lines]), np.array([of.along for of in lines])
    length, width = (np.array([getattr(of, name) for of in lines]) for name in ("length", "width"))
    across = np.stack([-along[:, 1], along[:, 0]], 1)
    rim, out = width / 2 - np.minimum(1.0, width / 4), width / 2 + 2.5
    rows = np.stack([-out, -rim, rim, out], 1)
    places = length[:, None] * np.linspace(-0.46, 0.46, PLACES)
    x, y = (
        centre[:, i, None, None]
        + places[:, None] * along[:, i, None, None]
        + rows[:, :, None] * across[:, i, None, None]
        for i in (0, 1)
    )
    values = ndimage.map_coordinates(picture, [y - 0.5, x - 0.5], order=1, mode="nearest")
    values[[not of.dark for of in found]] *= -1
    apart = np.stack([values[:, 0] - values[:, 1], values[:, 3] - values[:, 2]], 1)
    contrast = np.percentile(apart.min(1), 25, axis=1)
    differs = (apart > 0.4 * np.maximum(contrast, FAINTEST)[:, None, None]).mean(2).min(1)
    spread = values[:, 1:3].std(2).max(1) / np.maximum(contrast, 1)
    worth = contrast * np.sqrt(length) * differs / (0.1 + spread)
    worth[(contrast <= FAINTEST) | (differs <= 0.75) | (spread >= 0.6)] = 0
    kept: list[Stripe] = []
    for i in np.argsort(-worth):
        if len(kept) == most or not worth[i]:
            break
        if not any(_same(found[i], other) for other in kept):
            kept.append(found[i])
    return kept


def _same(one: Stripe, other: Stripe) -> bool:
    reach = 2.0 + 0.02 * one.line.length
    corners = one.line.corners()
    apart = (np.abs(corners - np.roll(other.line.corners(), by, 0)).max() for by in (0, 2))
    return one.dark == other.dark and min(apart) < reach
