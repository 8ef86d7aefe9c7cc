"""Confidence adapted to a genus: a shift of the log odds of each structure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import exp, log
from typing import Any

import numpy as np

# in log odds; chosen on drawn insects and other things (docs/experiments/confidence.md)
GENUS_SPREAD = 0.5  # standard deviation by which genera are expected to differ
STRUCTURE_SPREAD = 2.0  # and structures of a genus
PROBABILITY_MARGIN = 0.001  # least distance from 0 and 1, so that labels can move probabilities


@dataclass(frozen=True)
class Labelled:
    """A predicted mask of which it is known whether it is good."""

    structure: str
    probability: float
    good: bool
    signals: Mapping[str, float | None] = field(default_factory=dict)


def labelled_in(info: Mapping[str, Any]) -> list[Labelled]:
    """The masks of templates that predictions were recalibrated with, from what their file says of itself."""
    return [Labelled(**one) for one in (info.get("confidence") or {}).get("labelled", ())]


@dataclass(frozen=True)
class Recalibration:
    """The shifts that the known masks of a genus give.

    Attributes:
        shifts: of the log odds, by structure; `other` is that of a structure of which no mask was known.
    """

    masks: int = 0
    shifts: Mapping[str, float] = field(default_factory=dict)
    other: float = 0.0

    @classmethod
    def learn(cls, labelled: Iterable[Labelled]) -> "Recalibration":
        """The most probable shifts: one of the genus, and one a structure that departs from it.

        Few labels move little: both are expected to be near 0, by `GENUS_SPREAD` and `STRUCTURE_SPREAD`.
        """
        known = list(labelled)
        if not known:
            return cls()
        names = sorted({one.structure for one in known})
        which = np.array([names.index(one.structure) for one in known])
        design = np.column_stack([np.ones(len(known)), np.eye(len(names))[which]])
        given = np.array([log_odds(one.probability) for one in known])
        good = np.array([one.good for one in known], float)
        precision = np.array([GENUS_SPREAD**-2.0] + [STRUCTURE_SPREAD**-2.0] * len(names))
        shift = np.zeros(1 + len(names))
        for _ in range(50):  # Newton's steps; the function is concave
            probability = 1 / (1 + np.exp(-(given + design @ shift)))
            slope = design.T @ (good - probability) - precision * shift
            weight = probability * (1 - probability)
            step = np.linalg.solve(
                design.T @ (design * weight[:, None]) + np.diag(precision), slope
            )
            shift += np.clip(step, -2, 2)
            if np.abs(step).max() < 1e-9:
                break
        whole, *own = shift.tolist()
        shifts = {name: whole + more for name, more in zip(names, own, strict=True)}
        return cls(len(known), shifts, whole)

    def __call__(self, structure: str, probability: float) -> float:
        """The probability, shifted."""
        if not self.masks:
            return probability
        odds = log_odds(probability) + self.shifts.get(structure, self.other)
        return 1 / (1 + exp(-odds))


def log_odds(probability: float, least: float = PROBABILITY_MARGIN) -> float:
    """Of a probability that is taken as at least so far from 0 and 1."""
    probability = min(max(probability, least), 1 - least)
    return log(probability / (1 - probability))
