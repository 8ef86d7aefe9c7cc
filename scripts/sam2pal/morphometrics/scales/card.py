"""A flat rectangle of known sides, such as a colour card."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sam2pal.morphometrics.scales.straightened import straight
from sam2pal.morphometrics.scales.strip import Line, Numbers, sample, spaced
from sam2pal.morphometrics.scales.stripes import Edges, find_edges

SHORTEST = 0.035  # of the picture's longer side: a card's shorter side
FACING = 0.1  # radians: between opposite sides, and by how much corners may not be square
SEEN = 0.25  # of a side, of which an edge is found
BORDER = 0.015  # of its diagonal, within which a card has one colour
EVEN = 0.2  # of the contrast to what is around it: how much that colour may vary
REACH = 5.0  # pixels from where a side should be
FAINTEST = 12.0  # of 255: what is beside a card differs more from it
BEYOND = 4.0  # pixels from a corner, where a card's border is not
GOES_ON = 3  # of eight places there that have its colour, so that it is a part of a card
MOST, MEASURED = 400, 40  # edges that are compared; rectangles that are measured
ABOUT = 0.08  # the same before its sides are measured
SHAPE = 0.01  # by how much, and by half a pixel, the ratio of its sides may differ from the card's
LEVEL = 0.02  # by how much opposite sides may differ, else it is seen at an angle
PATCHES = (
    "its border has several colours, or other rectangles have its shape: it may be a part of a card"
)
SQUARE = math.radians(1.5)  # the same of its angles


@dataclass(frozen=True)
class Card:
    """A rectangle.

    Attributes:
        corners: [4, 2], x and y.
        pixels_per_mm, error: the scale that its sides give, and its standard uncertainty as a share.
        doubt: why it is not to be trusted.
    """

    corners: Numbers
    pixels_per_mm: float
    error: float
    doubt: str = ""

    @property
    def line(self) -> Line:
        """The rectangle as a line with a width."""
        along = self.corners[1] - self.corners[0]
        length = float(np.hypot(*along))
        width = float(np.hypot(*(self.corners[2] - self.corners[1])))
        centre = self.corners.mean(0)
        return Line((centre[0], centre[1]), (along[0] / length, along[1] / length), length, width)

    def holds(self, other: Card) -> bool:
        """Whether another one lies in it, or is the same."""
        line = self.line
        apart = other.corners - line.centre
        s, v = np.abs(apart @ line.along).max(), np.abs(apart @ line.across).max()
        return bool(s < line.length / 2 + REACH and v < line.width / 2 + REACH)


def find_card(picture: NDArray[np.float32], sides: tuple[float, float]) -> Card | None:
    """The card of a picture, or None; the largest of several.

    Args:
        picture: float [h, w], 0 to 255.
        sides: of the card, mm.
    """
    found = []
    for corners in _rectangles(find_edges(picture), max(sides) / min(sides), max(picture.shape)):
        refined, even = _refined(picture, corners)
        card = None if refined is None else _card(refined, sides)
        if card is not None:
            found.append(card if even or card.doubt else replace(card, doubt=PATCHES))
    # parts of a card, and the inside of its border, may have nearly its shape
    best = max(found, key=lambda card: (not card.doubt, card.line.length), default=None)
    shaped = [card for card in found if card.doubt in ("", PATCHES)]
    if best is None or best.doubt or all(best.holds(of) for of in shaped):
        return best
    return replace(best, doubt=PATCHES)


@dataclass(frozen=True)
class _Pairs:
    """Edges that face each other, as opposite sides of a rectangle do.

    Attributes:
        along: [n, 2], unit vectors.
        middle: [n], how far the line between both lies from the origin, across.
        apart: [n], pixels from one to the other. dark: [n], what lies between them is darker.
        reach: [n, 2, 2], of both edges, from where to where they go along, from the origin.
    """

    along: Numbers
    middle: Numbers
    apart: Numbers
    dark: NDArray[np.bool_]
    reach: Numbers

    @classmethod
    def of(cls, edges: Edges, least: float) -> _Pairs:
        """All pairs that are at least so far apart, pixels."""
        i, j = np.triu_indices(len(edges.length), 1)
        opposite = (edges.along[i] * edges.along[j]).sum(1) < -math.cos(FACING)
        i, j = i[opposite], j[opposite]
        along = edges.along[i] * edges.length[i, None] - edges.along[j] * edges.length[j, None]
        along /= np.hypot(*along.T)[:, None]
        across = np.stack([-along[:, 1], along[:, 0]], 1)
        middles = (edges.first + edges.last) / 2
        one, other = ((middles[of] * across).sum(1) for of in (i, j))
        ends = np.stack([edges.first, edges.last])
        reach = np.stack([(ends[:, of] * along).sum(2) for of in (i, j)])  # [2 edges, 2 ends, n]
        reach = np.sort(reach, axis=1).transpose(2, 0, 1)
        pairs = along, (one + other) / 2, np.abs(other - one), other > one, reach
        far = pairs[2] >= least
        return cls(*(of[far] for of in pairs))

    def chosen(self, ratio: float) -> _Pairs:
        """Those whose edges are about `ratio` times as long as they are apart, or a part of that."""
        length = self.reach[..., 1] - self.reach[..., 0]
        side = (ratio * self.apart)[:, None]
        fit = ((length >= SEEN * side) & (length <= (1 + ABOUT) * side)).all(1)
        every = self.along, self.middle, self.apart, self.dark, self.reach
        return _Pairs(*(of[fit] for of in every))


def _rectangles(edges: Edges, ratio: float, side: int) -> list[Numbers]:
    """Corners [4, 2] of rectangles whose sides have about a ratio, those with most of their edges first."""
    least = SHORTEST * side
    long = edges.length >= SEEN * least
    pairs = _Pairs.of(Edges(edges.first[long][:MOST], edges.last[long][:MOST]), least)
    found: list[tuple[float, Numbers]] = []
    level = pairs.chosen(ratio)  # its edges may be the long sides
    across = np.stack([-level.along[:, 1], level.along[:, 0]], 1)
    upright = pairs.chosen(1 / ratio)
    for k in range(len(upright.apart)):
        u, wide = upright.along[k], upright.apart[k]
        may = np.abs(np.log(wide / level.apart / ratio)) < ABOUT
        may &= (np.abs(level.along @ u) < math.sin(FACING)) & (level.dark == upright.dark[k])
        if not may.any():
            continue
        n, normal = across[may], np.array([-u[1], u[0]])
        matrix = np.stack([n, np.broadcast_to(normal, n.shape)], 1)
        middle = np.stack([level.middle[may], np.full(len(n), upright.middle[k])], 1)
        centre = np.linalg.solve(matrix, middle[..., None])[..., 0]
        tall, along = level.apart[may], level.along[may]
        seen = np.minimum(
            _share(
                level.reach[may] - (centre * along).sum(1)[:, None, None], np.full(len(n), wide)
            ),
            _share(upright.reach[k] - (centre @ u)[:, None, None], tall),
        )
        for i in np.flatnonzero(seen >= SEEN):
            half = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (wide / 2, tall[i] / 2)
            found.append((float(seen[i]), centre[i] + half @ np.stack([along[i], n[i]])))
    found.sort(key=lambda of: -of[0])
    return [corners for _, corners in found[:MEASURED]]


def _share(reach: Numbers, length: Numbers) -> Numbers:
    """[n]: of two edges [n, 2, 2], from where to where they go along a side from its middle, the smaller
    share of the side that one covers; 0 if one goes on beyond the side."""
    farthest = np.abs(reach).max((1, 2))
    share = (reach[..., 1] - reach[..., 0]).min(1) / length
    return np.where(farthest > (0.5 + ABOUT) * length, 0.0, share)


def _refined(picture: NDArray[np.float32], corners: Numbers) -> tuple[Numbers | None, bool]:
    """Corners where straight lines through the edges of all sides meet, and whether the border within
    has one colour."""
    lines, even = [], True
    depth = min(2.0, BORDER * float(np.hypot(*np.ptp(corners, axis=0))))
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        length = float(np.hypot(*(b - a)))
        ux, uy = (b - a) / length
        line = Line(((a[0] + b[0]) / 2, (a[1] + b[1]) / 2), (ux, uy), length, 1.0)
        for _ in range(2):
            moved = _fitted(picture, line, depth)
            if moved is None:
                return None, False
            line, one_colour = moved
            even = even and one_colour
        lines.append(line)
    found = []
    for first, second in zip([lines[-1], *lines[:-1]], lines, strict=True):
        matrix = np.array([first.along, [-second.along[0], -second.along[1]]]).T
        if abs(np.linalg.det(matrix)) < 0.2:
            return None, False
        step = np.linalg.solve(matrix, np.subtract(second.centre, first.centre))
        found.append(first.point(float(step[0])))
    return np.array(found), even and not _goes_on(picture, np.array(found), depth)


def _goes_on(picture: NDArray[np.float32], corners: Numbers, depth: float) -> bool:
    """Whether the border goes on beyond the corners, as where a part of a card was found."""
    beyond = 0
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        half = float(np.hypot(*(b - a))) / 2
        line = Line(tuple((a + b) / 2), tuple((b - a) / 2 / half), 2 * half, 1.0)
        s = np.array([-half - BEYOND, half + BEYOND, *spaced(-0.9 * half, 0.9 * half)])
        (values,), (inside,) = sample(picture, line, s, np.array([depth]))
        beyond += (inside & (np.abs(values - np.median(values[2:])) < FAINTEST))[:2].sum()
    return bool(beyond >= GOES_ON)


def _fitted(picture: NDArray[np.float32], line: Line, depth: float) -> tuple[Line, bool] | None:
    """A side, whose inside lies across it, moved to where most of its edge is, and whether the border
    within has one colour.

    Args:
        depth: pixels from there at which a card's border has one colour.
    """
    s, v = spaced(-0.45 * line.length, 0.45 * line.length, 1.0), spaced(-REACH, REACH, 0.25)
    values, _ = sample(picture, line, s, v)
    values = ndimage.uniform_filter1d(values, 3, axis=1)
    border = values[np.abs(v - depth) < 0.6].mean(0)
    own = float(np.median(border))
    ground = values[(v > -3.5) & (v < -2.0)].mean(0)
    even = np.median(np.abs(border - own)) <= EVEN * np.median(np.abs(ground - own))
    seen = np.abs(ground - own) > FAINTEST
    if seen.sum() < max(4, SEEN * len(s)):
        return None
    rise = ((values[:, seen] - own) / (ground[seen] - own))[::-1]  # 0 inside, then 1 outside
    over = rise > 0.5
    over[v[::-1] > 2.0] = False
    first = over.argmax(0)
    known = first > 0
    if known.sum() < max(4, SEEN * len(s)):
        return None
    columns = np.flatnonzero(known)
    high, low = rise[first[known], columns], rise[first[known] - 1, columns]
    back = np.clip((high - 0.5) / np.maximum(high - low, 0.01), 0, 1) * (v[1] - v[0])
    slope, offset = straight(s[seen][known], v[::-1][first[known]] + back)
    return line.moved(offset, math.atan(slope)), bool(even)


def _card(corners: Numbers, sides: tuple[float, float]) -> Card | None:
    steps = np.roll(corners, -1, axis=0) - corners
    lengths = np.hypot(*steps.T)
    if lengths[0] + lengths[2] < lengths[1] + lengths[3]:
        corners, steps, lengths = (np.roll(of, -1, axis=0) for of in (corners, steps, lengths))
    long, short = (lengths[0] + lengths[2]) / 2, (lengths[1] + lengths[3]) / 2
    largest, smallest = max(sides), min(sides)
    ratio = (long / short) / (largest / smallest)
    if abs(math.log(ratio)) > ABOUT:
        return None
    directions = np.arctan2(steps[:, 1], steps[:, 0])
    turns = np.abs((np.roll(directions, -1) - directions + math.pi) % (2 * math.pi) - math.pi)
    skew = float(np.abs(turns - math.pi / 2).max())
    uneven = max(abs(lengths[0] / lengths[2] - 1), abs(lengths[1] / lengths[3] - 1))
    if skew > 0.15 or uneven > 0.2:
        return None
    scale = (long / largest + short / smallest) / 2
    error = math.hypot(abs(math.log(ratio)) / 4, math.hypot(0.4 / short, max(uneven / 4, 5e-4)))
    if uneven > LEVEL + 1 / short or skew > SQUARE + 1 / short:
        doubt = f"opposite sides of the card differ by {uneven:.1%}: it is seen at an angle"
    elif abs(math.log(ratio)) > SHAPE + 0.5 / short:
        doubt = (
            f"its sides are as {long / short:.3f} to 1, those of the card as {largest / smallest:.3f} "
            "to 1"
        )
    else:
        doubt = ""
    return Card(corners, scale, error, doubt)
