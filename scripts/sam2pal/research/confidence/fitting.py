"""Logistic regressions from signals to the probability that a mask is good."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from sam2pal.dataset.signals import GOOD_IOU
from sam2pal.research.confidence.cases import BEETLES
from sam2pal.research.confidence.segmenting import SegmentedCase, specimens_of
from sam2pal.segmentation.alikeness import COMBINED
from sam2pal.segmentation.confidence import Feature, scaled

Values = NDArray[np.float64]

SCALES = {
    "stability": "log odds",
    "steadiness": "log odds",
    "expected_iou": "log odds",
    "shape_likeness": "log odds of 0.3 to 0.7",
    "thickness": "log",
    "contested": "plain",
}
STEADY = ("stability", "contested", "steadiness", "shape_likeness")
ONCE = ("expected_iou", "thickness", "contested", "stability")  # of a specimen that was seen once
ALIKE = ("body_likeness",), COMBINED  # the second one for models with other features
THRESHOLDS = (0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9)
PIECES = "log odds"  # scale of how far masks lie apart
KINDS = {"beetles": 2.0, "drawn": 1.0, "others": 1.0}  # weights


def fit(found: Sequence[SegmentedCase], names: Sequence[str]) -> dict[str, Any]:
    """A regression on the masks that have all these signals.

    One slope serves several thresholds of IoU (proportional odds), so that the order of masks that are all
    good, or all bad, is learned too; the probability is then fitted to the threshold of a good mask.
    """
    masks = [(of, mask) for of in found for mask in of.masks if _usable(mask, names)]
    signals = [mask["signals"] for _, mask in masks]
    values = np.array([[scaled(SCALES[n], of[n]) for n in names] for of in signals])
    iou = np.array([mask["iou"] for _, mask in masks])
    weight = _weights([of.case.source for of, _ in masks])
    mean, spread = values.mean(0), np.maximum(values.std(0), 1e-6)
    plain = (values - mean) / spread
    slope = _ordinal(plain, iou, weight)
    last = LogisticRegression(C=100.0).fit((plain @ slope)[:, None], iou >= GOOD_IOU, weight)
    weights = slope * last.coef_[0, 0]
    scales = [SCALES[name] for name in names]
    found = _described(last.intercept_[0], names, scales, mean, spread, weights)
    return found | {"masks": len(masks), "good": int((iou >= GOOD_IOU).sum())}


def fit_alikeness(
    alike: Sequence[SegmentedCase], foreign: Sequence[SegmentedCase], names: Sequence[str]
) -> dict[str, Any]:
    """A regression of combined signals to whether a specimen is what the templates show.

    Two specimens in a photograph are left out: `fit_single` tells them. Both kinds weigh the same, so that at
    one half a photograph is as likely the one as the other.
    """
    own, other = (
        np.array([[of[n] for n in names] for one in found for of in _but_two(one)])
        for found in (alike, foreign)
    )
    scales = ["plain"] * len(names)
    found = _told_apart(own, other, names, scales)
    return found | {"limit": 0.5, "alike": len(own), "foreign": len(other)}


def fit_single(one: Sequence[SegmentedCase], two: Sequence[SegmentedCase]) -> dict[str, Any]:
    """A regression of how far masks lie apart to whether a photograph shows one specimen.

    Args:
        two: of which some photographs show two.
    """
    own = [seen["apart"] for of in one for seen in of.seen.values()]
    other = [seen["apart"] for of in two for name, seen in of.seen.items() if _shows_two(name)]
    values = (np.array([[scaled(PIECES, of)] for of in some]) for some in (own, other))
    found = _told_apart(*values, ["apart"], [PIECES])
    return found | {"one": len(own), "two": len(other)}


def _told_apart(
    own: Values, other: Values, names: Sequence[str], scales: Sequence[str]
) -> dict[str, Any]:
    """A regression that tells two kinds of values [n, P] apart, both of which weigh the same."""
    values = np.concatenate([own, other])
    mean, spread = values.mean(0), np.maximum(values.std(0), 1e-6)
    model = LogisticRegression(class_weight="balanced", max_iter=1000)
    model.fit((values - mean) / spread, np.arange(len(values)) < len(own))
    return _described(model.intercept_[0], names, scales, mean, spread, model.coef_[0])


def _described(intercept: float, *columns: Sequence[Any]) -> dict[str, Any]:
    """As `Logistic.of` reads it; `columns` are the attributes of `Feature`, in their order."""
    keys = [one.name for one in fields(Feature)]
    features = [
        dict(zip(keys, (name, scale, *map(_short, numbers)), strict=True))
        for name, scale, *numbers in zip(*columns, strict=True)
    ]
    return {"intercept": _short(intercept), "features": features}


def _but_two(found: SegmentedCase) -> list[dict[str, float | None]]:
    return [of for name, of in specimens_of(found).items() if not _shows_two(name)]


def _shows_two(name: str) -> bool:
    """As `foreign_to_drawn` names what is foreign."""
    return name.startswith("two/")


def _ordinal(plain: Values, iou: Values, weight: Values) -> Values:
    """The slopes [P] that all thresholds share; each has its own intercept."""
    own = np.eye(len(THRESHOLDS)) * 5  # large, so that the penalty leaves the intercepts alone
    rows = np.concatenate([np.hstack([plain, np.tile(one, (len(plain), 1))]) for one in own])
    above = np.concatenate([iou >= threshold for threshold in THRESHOLDS])
    model = LogisticRegression(fit_intercept=False, max_iter=5000)
    model.fit(rows, above, np.tile(weight, len(THRESHOLDS)) / len(THRESHOLDS))
    return model.coef_[0, : plain.shape[1]]


def _usable(mask: Mapping[str, Any], names: Sequence[str]) -> bool:
    known = all(mask["signals"].get(name) is not None for name in names)
    return mask["found"] and mask["iou"] is not None and known


def _weights(sources: Sequence[str]) -> Values:
    """Of each mask, by where it comes from; their mean is 1. Sets of one kind share its weight alike."""
    kinds = ["beetles" if of in BEETLES else of if of == "drawn" else "others" for of in sources]
    masks, sets = Counter(sources), Counter(dict(zip(sources, kinds, strict=True)).values())
    weight = np.array(
        [KINDS[kind] / sets[kind] / masks[of] for kind, of in zip(kinds, sources, strict=True)]
    )
    return weight / weight.mean()


def _short(value: float) -> float:
    return float(f"{value:.5g}")
