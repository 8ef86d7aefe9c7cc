"""Samples of a grey picture along a line, and where a step in them lies."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Numbers = NDArray[np.float64]
Point = tuple[float, float]

STEP = 0.5  # pixels between samples


def grey(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Luminance, 0 to 255, of RGB `[h, w, 3]`."""
    return np.asarray(pixels, np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Line:
    """A segment in pixels; the middle of the first pixel is (0.5, 0.5).

    Attributes:
        centre: (x, y).
        along: unit vector (x, y).
        length: in pixels.
        width: in pixels, across.
    """

    centre: Point
    along: Point
    length: float
    width: float

    @property
    def across(self) -> Point:
        return -self.along[1], self.along[0]

    def point(self, s: float, v: float = 0.0) -> Point:
        """The point `s` pixels from the middle along the line and `v` pixels beside it."""
        (x, y), (ux, uy) = self.centre, self.along
        return x + s * ux - v * uy, y + s * uy + v * ux

    def moved(self, v: float, angle: float) -> Line:
        """The line moved by `v` pixels across and turned by an angle in radians."""
        (ux, uy), c, s = self.along, math.cos(angle), math.sin(angle)
        return Line(self.point(0, v), (ux * c - uy * s, uy * c + ux * s), self.length, self.width)

    def between(self, first: float, last: float, width: float) -> Line:
        """The part from `first` to `last`, in pixels from the middle along the line."""
        return Line(self.point((first + last) / 2), self.along, last - first, width)

    def scaled(self, factor: float, shift: Point = (0.0, 0.0)) -> Line:
        """The line in a picture that is `factor` times as large, moved by `shift` there."""
        x, y = self.centre
        centre = x * factor + shift[0], y * factor + shift[1]
        return Line(centre, self.along, self.length * factor, self.width * factor)

    def corners(self, more: float = 0.0) -> Numbers:
        """[4, 2]: the corners of the segment, made longer and wider by `more` pixels on every side."""
        s, v = self.length / 2 + more, self.width / 2 + more
        return np.array([self.point(*of) for of in ((-s, -v), (s, -v), (s, v), (-s, v))])


def sample(
    picture: NDArray[np.float32], line: Line, s: Numbers, v: Numbers
) -> tuple[Numbers, NDArray[np.bool_]]:
    """Grey values [len(v), len(s)], the nearest ones outside of the picture, and which are inside."""
    (x, y), (ux, uy) = line.centre, line.along
    xs = x + s[None, :] * ux - v[:, None] * uy
    ys = y + s[None, :] * uy + v[:, None] * ux
    found = ndimage.map_coordinates(picture, [ys - 0.5, xs - 0.5], order=1, mode="nearest")
    high, wide = picture.shape
    inside = (xs > 0) & (ys > 0) & (xs < wide) & (ys < high)
    return found, inside


def spaced(first: float, last: float, step: float = STEP) -> Numbers:
    """Positions from first to last, about `step` apart."""
    return np.linspace(first, last, max(2, round((last - first) / step) + 1))


def crossing(s: Numbers, values: Numbers, level: float, near: float) -> float | None:
    """Where values cross a level, linearly between samples; the place nearest to `near`, or None."""
    above = values >= level
    places = np.flatnonzero(above[1:] != above[:-1])
    places = places[np.isfinite(values[places]) & np.isfinite(values[places + 1])]
    if not len(places):
        return None
    low, high = values[places], values[places + 1]
    found = s[places] + (level - low) / (high - low) * (s[places + 1] - s[places])
    return float(found[np.argmin(np.abs(found - near))])
