"""The confidence in a mask: the probability that its IoU with the truth is at least 0.75."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sam2pal.dataset.recalibration import Recalibration, log_odds
from sam2pal.model.build import BUNDLED

SHIPPED = BUNDLED / "confidence.json"

_SCALES = {
    "plain": float,
    "log": lambda value: math.log(max(value, 1e-3)),
    "log odds": lambda value: log_odds(value, least=0.02),
    "log odds of 0.3 to 0.7": lambda value: log_odds(value, least=0.3),
}
"""How a signal enters the sum."""


@dataclass(frozen=True)
class Feature:
    """A signal, scaled and standardised, times its weight.

    Attributes:
        name: of the signal; `scale`: how it enters (see `_SCALES`).
        mean, spread: of the masks that the weights were fitted to.
    """

    name: str
    scale: str
    mean: float
    spread: float
    weight: float

    def standardised(self, signals: Mapping[str, float | None]) -> float:
        """0 where the signal is not known."""
        value = signals.get(self.name)
        return 0.0 if value is None else (scaled(self.scale, value) - self.mean) / self.spread


def scaled(scale: str, value: float) -> float:
    """A signal as it enters the sum, before it is standardised."""
    return _SCALES[scale](value)


@dataclass(frozen=True)
class Logistic:
    """A logistic regression on signals.

    A mask that has none of its signals has no pixel on the grid of the logits: nothing speaks for it.
    """

    intercept: float
    features: tuple[Feature, ...]

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Logistic":
        return cls(content["intercept"], tuple(Feature(**one) for one in content["features"]))

    def knows(self, signals: Mapping[str, float | None]) -> bool:
        """Whether all of its signals are there."""
        return all(signals.get(one.name) is not None for one in self.features)

    def __call__(self, signals: Mapping[str, float | None]) -> float:
        if all(signals.get(one.name) is None for one in self.features):
            return 0.0
        odds = self.intercept + sum(one.weight * one.standardised(signals) for one in self.features)
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, odds))))


@dataclass(frozen=True)
class Confidence:
    """Computes the confidence of a mask from its signals.

    Attributes:
        models: the first one that knows all of its signals is asked.
        recalibration: what masks of the genus that are known say.
    """

    models: tuple[Logistic, ...]
    recalibration: Recalibration = field(default_factory=Recalibration)

    def unadapted(self, signals: Mapping[str, float | None]) -> float:
        """The probability before anything is known of the genus.

        0 of a mask that has no pixel on the grid of the logits: no model knows its signals, and its
        stability, 1 of two empty masks, says nothing.
        """
        chosen = next((one for one in self.models if one.knows(signals)), None)
        return chosen(signals) if chosen else 0.0

    def __call__(self, structure: str, signals: Mapping[str, float | None]) -> float:
        """The probability."""
        return self.recalibration(structure, self.unadapted(signals))


@cache
def shipped_confidence() -> Confidence:
    """What is shipped with the bundled model: `make confidence` fits it."""
    content = json.loads(SHIPPED.read_text(encoding="utf-8"))
    return Confidence(tuple(Logistic.of(one) for one in content["masks"]))
