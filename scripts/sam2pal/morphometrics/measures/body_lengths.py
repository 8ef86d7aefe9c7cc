"""Whether the scale of a photograph fits the body lengths of its genus."""

import math

import numpy as np

FEW = 8  # specimens below which the genus' own spread is not known
LIMIT = 5.0  # robust standard deviations
SPREAD = 0.1  # as a share: the least that body lengths of a genus differ by
ALIKE = 0.03  # as a share: photographs whose scales differ by less have the same one


class BodyLengths:
    """Learns body lengths and scales of a genus, and says which scale does not fit.

    A scale does not fit where the body is far longer or shorter than those of the genus, and a scale
    different from that of most photographs is what makes it so. A specimen that is unusual at the
    scale of all others is a matter of its mask, or of the specimen.
    """

    def __init__(self) -> None:
        self._seen: list[tuple[float, float]] = []

    def add(self, pixels: float, pixels_per_mm: float) -> None:
        """Take the body length of a specimen whose masks were measured."""
        self._seen.append((math.log(pixels / pixels_per_mm), math.log(pixels_per_mm)))

    def doubt(self, pixels: float, pixels_per_mm: float) -> str:
        """Why the scale of a specimen is doubtful; empty if it is not, or if too few are known."""
        if len(self._seen) < FEW:
            return ""
        seen = np.array(self._seen)
        usual, scale = np.median(seen, axis=0)
        spread = max(1.4826 * float(np.median(np.abs(seen[:, 0] - usual))), SPREAD)
        length = pixels / pixels_per_mm
        away, other = math.log(length) - usual, math.log(pixels_per_mm) - scale
        if abs(away) <= LIMIT * spread or abs(other) < ALIKE or away * other > 0:
            return ""
        return (
            f"a body length of {length:.4g} mm at {pixels_per_mm:.4g} pixels per mm, but the median of "
            f"{len(seen)} specimens is {math.exp(usual):.4g} mm and that of their scales "
            f"{math.exp(scale):.4g}: is the scale right?"
        )
