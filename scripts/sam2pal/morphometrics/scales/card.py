"""A flat rectangle of known sides, such as a colour card."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_multiotsu
from skimage.measure import approximate_polygon

from sam2pal.morphometrics.scales.strip import Line, Numbers, crossing, sample, spaced

SMALLEST = 0.003  # of the picture's area
SHAPE = 0.04  # by how much the ratio of its sides may differ from that of the card
LEVEL = 0.02  # by how much opposite sides may differ, else it is seen at an angle
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


def find_card(picture: NDArray[np.float32], sides: tuple[float, float]) -> Card | None:
    """The card of a picture, or None; the largest of several.

    Args:
        picture: float [h, w], 0 to 255.
        sides: of the card, mm.
    """
    found = []
    for outline in _outlines(picture):
        corners = _quadrangle(outline)
        corners = None if corners is None else _refined(picture, corners)
        card = None if corners is None else _card(corners, sides)
        if card is not None:
            found.append(card)
    # the inside of a card's border has nearly its shape
    return max(found, key=lambda card: (not card.doubt, card.line.length), default=None)


def _outlines(picture: NDArray[np.float32]) -> Iterator[Numbers]:
    """Convex outlines [n, 2], x and y, of regions that are lighter or darker than the others."""
    smooth = ndimage.uniform_filter(picture, 3)
    if np.ptp(smooth) < 20:
        return
    for level in threshold_multiotsu(smooth, 4, 64):
        for mask in (smooth > level, smooth <= level):
            labels, _ = ndimage.label(mask)
            for i, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
                high, wide = rows.stop - rows.start, columns.stop - columns.start
                if high * wide < SMALLEST * picture.size or min(high, wide) < 12:
                    continue
                if 0 in (rows.start, columns.start):
                    continue  # it reaches the edge of the photograph
                if rows.stop == picture.shape[0] or columns.stop == picture.shape[1]:
                    continue
                y, x = np.nonzero(labels[rows, columns] == i)
                points = np.stack([x + columns.start, y + rows.start], 1) + 0.5
                yield _hull(points)


def _hull(points: Numbers) -> Numbers:
    from scipy.spatial import ConvexHull

    return points[ConvexHull(points).vertices]


def _quadrangle(hull: Numbers) -> Numbers | None:
    """The four corners of an outline that has four."""
    closed = np.concatenate([hull, hull[:1]])
    size = float(np.hypot(*np.ptp(hull, axis=0)))
    # begin at a corner: the point that is farthest from the middle
    start = int(np.argmax(np.hypot(*(hull - hull.mean(0)).T)))
    closed = np.concatenate([hull[start:], hull[: start + 1]])
    for tolerance in (0.02, 0.035, 0.05):
        corners = approximate_polygon(closed, tolerance * size)[:-1]
        if len(corners) == 4:
            filled = _area(hull) / max(_area(corners), 1.0)
            return corners if 0.94 < filled < 1.08 else None
    return None


def _area(points: Numbers) -> float:
    x, y = points.T
    return abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))) / 2


def _refined(picture: NDArray[np.float32], corners: Numbers) -> Numbers | None:
    """Corners where straight lines through the edges of all sides meet."""
    lines = []
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        length = float(np.hypot(*(b - a)))
        ux, uy = (b - a) / length
        line = Line(((a[0] + b[0]) / 2, (a[1] + b[1]) / 2), (ux, uy), length, 1.0)
        reach = min(max(5.0, 0.03 * length), 15.0)
        s, v = spaced(-0.42 * length, 0.42 * length, 1.0), spaced(-reach, reach)
        values, _ = sample(picture, line, s, v)
        smooth = ndimage.uniform_filter1d(values, 3, axis=1)
        at, places = [], []
        for i in range(len(s)):
            low, high = float(smooth[:5, i].mean()), float(smooth[-5:, i].mean())
            if abs(high - low) < 15:
                continue
            place = crossing(v, smooth[:, i], (low + high) / 2, 0.0)
            if place is not None:
                at.append(s[i])
                places.append(place)
        if len(at) < 0.5 * len(s):
            return None
        x, y = np.array(at), np.array(places)
        keep = np.abs(y - np.median(y)) < 3
        for _ in range(3):
            slope, offset = np.polyfit(x[keep], y[keep], 1)
            rest = np.abs(y - offset - slope * x)
            keep = rest < max(0.4, 2.5 * float(np.median(rest[keep])))
        if keep.sum() < 0.5 * len(s):
            return None
        moved = line.moved(float(offset), math.atan(slope))
        lines.append(moved)
    found = []
    for first, second in zip([lines[-1], *lines[:-1]], lines, strict=True):
        matrix = np.array([first.along, [-second.along[0], -second.along[1]]]).T
        if abs(np.linalg.det(matrix)) < 0.2:
            return None
        step = np.linalg.solve(matrix, np.subtract(second.centre, first.centre))
        found.append(first.point(float(step[0])))
    return np.array(found)


def _card(corners: Numbers, sides: tuple[float, float]) -> Card | None:
    steps = np.roll(corners, -1, axis=0) - corners
    lengths = np.hypot(*steps.T)
    if lengths[0] + lengths[2] < lengths[1] + lengths[3]:
        corners, steps, lengths = (np.roll(of, -1, axis=0) for of in (corners, steps, lengths))
    long, short = (lengths[0] + lengths[2]) / 2, (lengths[1] + lengths[3]) / 2
    largest, smallest = max(sides), min(sides)
    ratio = (long / short) / (largest / smallest)
    if abs(math.log(ratio)) > 3 * SHAPE:
        return None
    directions = np.arctan2(steps[:, 1], steps[:, 0])
    turns = np.abs((np.roll(directions, -1) - directions + math.pi) % (2 * math.pi) - math.pi)
    skew = float(np.abs(turns - math.pi / 2).max())
    uneven = max(abs(lengths[0] / lengths[2] - 1), abs(lengths[1] / lengths[3] - 1))
    if skew > 0.15 or uneven > 0.2:
        return None
    scale = (long / largest + short / smallest) / 2
    error = math.hypot(abs(math.log(ratio)) / 4, math.hypot(0.4 / short, max(uneven / 4, 5e-4)))
    if uneven > LEVEL or skew > SQUARE:
        doubt = f"opposite sides of the card differ by {uneven:.1%}: it is seen at an angle"
    elif abs(math.log(ratio)) > SHAPE:
        doubt = (
            f"its sides are as {long / short:.3f} to 1, those of the card as {largest / smallest:.3f} "
            "to 1"
        )
    else:
        doubt = ""
    return Card(corners, scale, error, doubt)
