"""Which specimens to look at first: each structure is compared with itself.

A confidence of 0.4 is low for a head and usual for an antenna. So a score is judged by how far it lies
below the scores of the same structure on the other specimens. Scores are probabilities, and compared by
their log odds: 0.02 and 0.2 differ, and so do 0.8 and 0.98.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sam2pal.dataset.recalibration import log_odds

LEAST_SPREAD = 0.25  # scores whose log odds differ by less are alike
FAR_BELOW = -2.0  # robust standard deviations at which a score of a weak structure is low for it


@dataclass(frozen=True)
class WorstMask:
    """The worst mask of a specimen, and its robust standard deviations from its structure's median."""

    structure: str
    score: float
    deviation: float


class Ranking:
    """Learns how the scores of each structure are spread."""

    def __init__(self, scores: Mapping[str, Sequence[float]], low: float) -> None:
        self.low = low
        self._middle: dict[str, tuple[float, float]] = {}
        for name, of in scores.items():
            if len(of):
                odds = np.array([log_odds(score) for score in of])
                median = float(np.median(odds))
                spread = 1.4826 * float(np.median(np.abs(odds - median)))
                self._middle[name] = median, max(spread, LEAST_SPREAD)
        self.weak = tuple(
            name for name, (median, _) in self._middle.items() if median < log_odds(low)
        )

    def deviation(self, structure: str, score: float) -> float:
        """Robust standard deviations of a score from the median of its structure."""
        median, spread = self._middle[structure]
        return (log_odds(score) - median) / spread

    def worst(self, scores: Mapping[str, float]) -> WorstMask | None:
        """The mask of a specimen that stands lowest among those of its structure."""
        found = [
            WorstMask(name, score, self.deviation(name, score)) for name, score in scores.items()
        ]
        return min(found, key=lambda one: one.deviation, default=None)

    def is_low(self, structure: str, score: float) -> bool:
        """Whether a score is low; of a weak structure, whether it is also low for that structure."""
        far = structure not in self.weak or self.deviation(structure, score) < FAR_BELOW
        return score < self.low and far
