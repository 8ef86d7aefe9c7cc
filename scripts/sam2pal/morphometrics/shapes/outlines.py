"""The outline of a structure as semilandmarks and as elliptic Fourier coefficients."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pyefd
import shapely
from numpy.typing import NDArray

from sam2pal.morphometrics.geometry.corners import Points
from sam2pal.morphometrics.geometry.shape import Part
from sam2pal.morphometrics.shapes.frame import BodyFrame

WHOLE = 0.9  # share of a structure's area from which one piece of it stands for all


@dataclass(frozen=True)
class Described:
    """What is kept of an outline.

    Attributes:
        semilandmarks: [n, 2] on the photograph.
        fourier: [h, 4], see `OrientedOutline.fourier`.
        area, solidity: see `OrientedOutline`.
    """

    semilandmarks: Points
    fourier: NDArray[np.float64]
    area: float
    solidity: float


class OrientedOutline:
    """The outer outline of one piece, walked clockwise from where its midline leaves it in front.

    The start is the farthest point in which the ray forwards from the piece's centroid crosses the
    outline: on a blunt front edge it moves little when the axis turns, which the foremost point does not.

    Attributes:
        points: [n, 2] on the photograph, from the start; clockwise with forwards up, in mirrored
            specimens anticlockwise, so that points with the same number correspond.
        local: [n, 2], the same in the frame, from the centroid.
        area: enclosed, in pixels; solidity: that over the area of its convex hull.
    """

    def __init__(self, part: Part, frame: BodyFrame) -> None:
        ring = shapely.Polygon(part.outer.points)
        centre = shapely.get_coordinates(ring.centroid)[0]
        self.centre = (float(centre[0]), float(centre[1]))
        line = part.outer.points[::-1] if frame.mirrored else part.outer.points
        local = frame.local(line, self.centre)
        edge, start = _crossing(local, 1)
        self.local = np.concatenate([[start], np.roll(local, -edge - 1, axis=0)])
        self._frame = frame
        self.points = self.on_photograph(self.local)
        self.area = float(ring.area)
        self.solidity = min(self.area / ring.convex_hull.area, 1.0)

    def on_photograph(self, local: Points) -> Points:
        """Points of the frame, from the centroid, as pixels of the photograph."""
        return replace(self._frame, centre=self.centre).photograph(local)

    def semilandmarks(self, count: int) -> Points:
        """Points [count, 2] of the photograph, evenly spaced along the outline from its start."""
        return self.on_photograph(_evenly(self.local, count))

    def fourier(self, harmonics: int) -> NDArray[np.float64]:
        """Elliptic Fourier coefficients a, b, c, d of each harmonic (Kuhl and Giardina 1982), [h, 4].

        Of the outline in the frame, from its start: x to the right, y forwards, the square root of its
        area as unit. So they are free of place, size and orientation without the ellipse of the first
        harmonic, whose direction says nothing in a round structure.
        """
        return pyefd.elliptic_fourier_descriptors(self.local / math.sqrt(self.area), harmonics)

    def described(self, points: int, harmonics: int) -> Described:
        """What is kept of it."""
        return Described(
            self.semilandmarks(points), self.fourier(harmonics), self.area, self.solidity
        )

    @property
    def extremes(self) -> dict[str, Points]:
        """The points in front, at the rear (on the midline through its centroid), left and right."""
        _, rear = _crossing(self.local, -1)
        sides = self.local[:, 0].argmin(), self.local[:, 0].argmax()
        places = {"front": self.local[0], "rear": rear}
        places |= {name: self.local[i] for name, i in zip(("left", "right"), sides, strict=True)}
        return {name: self.on_photograph(point) for name, point in places.items()}


def in_one_piece(parts: list[Part]) -> bool:
    """Whether the largest piece stands for the structure."""
    return parts[0].outer.area >= WHOLE * sum(part.outer.area for part in parts)


def _crossing(local: Points, sense: int) -> tuple[int, Points]:
    """The farthest point in which a closed line [n, 2] crosses the y axis, and the edge it is on.

    Args:
        sense: 1 forwards, -1 backwards. A line that does not cross there has its farthest point taken.
    """
    x, y = local[:, 0], local[:, 1] * sense
    after = np.roll(np.arange(len(x)), -1)
    edges = np.flatnonzero((x < 0) != (x[after] < 0))
    share = x[edges] / (x[edges] - x[after[edges]])
    heights = y[edges] + share * (y[after[edges]] - y[edges])
    if not len(edges) or heights.max() <= 0:
        far = int(y.argmax())
        return far - 1, local[far]
    best = int(heights.argmax())
    return int(edges[best]), np.array([0.0, heights[best] * sense])


def _evenly(line: Points, count: int) -> Points:
    closed = np.concatenate([line, line[:1]])
    place = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    wanted = np.arange(count) * (place[-1] / count)
    return np.stack([np.interp(wanted, place, closed[:, i]) for i in (0, 1)], axis=1)
