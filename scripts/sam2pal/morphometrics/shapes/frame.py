"""Where forwards and right are on a photograph, and which pieces of a structure lie on either side."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from sam2pal.morphometrics.geometry.corners import Points
from sam2pal.morphometrics.geometry.moments import Moments
from sam2pal.morphometrics.geometry.shape import Part


@dataclass(frozen=True)
class BodyFrame:
    """The body's own coordinates: x to its right, y forwards, as the photograph shows it.

    Attributes:
        centre: (x, y) of the body's centroid, which the midline passes through.
        angle: of forwards, radians, y down.
        mirrored: the specimen matched its templates as their mirror image, so right is left.
    """

    centre: tuple[float, float]
    angle: float
    mirrored: bool = False

    @classmethod
    def of(
        cls, body: Moments, axis: float, front: Moments, rear: Moments, mirrored: bool
    ) -> "BodyFrame":
        """The frame of a body.

        Args:
            axis: of the body, radians, y down; which of its two ends is the front is not known.
            front, rear: of the structures that tell.
        """
        along = np.array(front.centre) - np.array(rear.centre)
        backwards = along @ (math.cos(axis), math.sin(axis)) < 0
        return cls(body.centre, axis + math.pi * bool(backwards), mirrored)

    @property
    def forward(self) -> NDArray[np.float64]:
        return np.array([math.cos(self.angle), math.sin(self.angle)])

    @property
    def right(self) -> NDArray[np.float64]:
        x, y = self.forward
        return np.array([y, -x]) if self.mirrored else np.array([-y, x])

    def local(self, points: Points, origin: tuple[float, float] | None = None) -> Points:
        """Points [n, 2] of the photograph in the frame, from its centre or another origin."""
        apart = np.asarray(points) - np.array(self.centre if origin is None else origin)
        return apart @ np.stack([self.right, self.forward], axis=1)

    def photograph(self, local: Points) -> Points:
        """Points [..., 2] of the frame on the photograph; undoes `local`."""
        return local @ np.stack([self.right, self.forward]) + np.array(self.centre)

    def sides(self, parts: Sequence[Part]) -> tuple[int, int]:
        """Pixels of the pieces whose centroid is left and right of the midline."""
        areas = [0, 0]
        for part in parts:
            centroid = shapely.get_coordinates(shapely.Polygon(part.outer.points).centroid)
            areas[int(self.local(centroid)[0, 0] > 0)] += part.area
        return areas[0], areas[1]


def asymmetry(left: float, right: float) -> float | None:
    """(right - left) / their mean (Palmer and Strobeck 1986); None of nothing."""
    mean = (left + right) / 2
    return (right - left) / mean if mean else None
