"""Whether a photograph shows what the templates show, from all masks of a specimen together."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sam2pal.dataset.signals import UNLIKE_TEMPLATES
from sam2pal.segmentation.confidence import SHIPPED, Logistic, scaled

COMBINED = ("expected_iou", "shape_likeness", "predicted_iou", "object_score")

SEEN = ("apart", "body_likeness")
"""Signals of a photograph that predictions keep."""

Signals = Mapping[str, float | None]


def alikeness_signals(masks: Sequence[Signals], seen: Signals) -> dict[str, float | None]:
    """Means over the structures of a specimen, of log odds; one without a mask has the lowest.

    Args:
        seen: signals of the photograph: how far its masks lie `apart`, or a second specimen is found beside
            the first; and how alike what they hold and what is drawn on the templates are; None with features
            to which that was not fitted.
    """
    found = dict(seen)
    for name in COMBINED:
        odds = [scaled("log odds", signals.get(name) or 0.0) for signals in masks]
        found[name] = sum(odds) / len(odds) if odds else None
    return found


@dataclass(frozen=True)
class Alikeness:
    """Attributes:
    models: of these signals to the probability that the photograph shows what the templates show; of the
        first one that knows all its signals.
    limits: of each model; below it a photograph is unlike the templates.
    single: of `apart` to the probability that it shows one specimen.
    """

    models: tuple[Logistic, ...]
    limits: tuple[float, ...]
    single: Logistic

    def __call__(self, signals: Signals) -> tuple[float, bool]:
        """The probability, and whether the photograph is unlike the templates."""
        for model, limit in zip(self.models, self.limits, strict=True):
            if model.knows(signals):
                probability = model(signals)
                if self.single.knows(signals) and self.single(signals) < limit:
                    probability = min(probability, self.single(signals))
                return probability, probability < limit
        return 1.0, False  # no structure was looked for


def flag_unlike(entries: Sequence[dict[str, Any]], seen: Signals, alikeness: Alikeness) -> float:
    """Flag the masks of a photograph that is unlike the templates; the probability that it is like them.

    Args:
        seen: signals of the photograph, as `alikeness_signals` takes them.
    """
    asked = [entry for entry in entries if entry["confidence"]]
    probability, unlike = alikeness(alikeness_signals([of["confidence"] for of in asked], seen))
    for entry in asked:
        if unlike and entry["area"]:
            entry["flags"].append(UNLIKE_TEMPLATES)
    return round(probability, 4)


@cache
def shipped_alikeness() -> Alikeness:
    """What is shipped with the bundled model: `make confidence` fits it."""
    content = json.loads(SHIPPED.read_text(encoding="utf-8"))
    models = tuple(Logistic.of(one) for one in content["specimens"])
    limits = tuple(one["limit"] for one in content["specimens"])
    return Alikeness(models, limits, Logistic.of(content["single"]))
