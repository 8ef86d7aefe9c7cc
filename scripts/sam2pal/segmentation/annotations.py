"""From logits on the model's square to COCO annotations at the photograph's own size."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy.ndimage import label

from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.config.structures import Structure
from sam2pal.dataset.rle import encode_mask, rle_measures
from sam2pal.images.reading import Photograph
from sam2pal.model.loading import letterbox_of
from sam2pal.segmentation.limits import CLAMPED, Limit, check_mask, clamp
from sam2pal.segmentation.tracking import Outcome

AREA_LEVELS = (0.25, 0.5, 0.75)


def annotations_of(
    photograph: Photograph,
    outcome: Outcome,
    structures: list[Structure],
    followed: list[str],
    options: SegmentationOptions,
    drawn: dict[str, np.ndarray],
    limits: Sequence[Limit | None] = (),
) -> Iterator[dict[str, Any]]:
    """From logits on the square to an annotation a structure at the photograph's size.

    Args:
        drawn: masks that the photograph has as a template, as stored; they stand, and predicted rivals make
            room for them.
        limits: of every structure in the view that was taken; none are checked if not given.
    """
    # the logits lie at a quarter of the square
    box = letterbox_of(photograph, 4 * outcome.logits.shape[-1])
    logits = box.square_to_native(outcome.logits)  # [F, H, W]
    probability = _sigmoid(logits)
    place = {
        name: i for i, name in enumerate(followed) if outcome.known is None or outcome.known[i]
    }
    for name in drawn.keys() & place.keys():
        probability[place[name]] = 2 * photograph.to_upright(drawn[name])  # wins against any p
    winners = _winners(probability, structures, place)
    for category, structure in enumerate(structures):
        i = place.get(structure.name)
        if structure.name in drawn:
            yield drawn_annotation(category, drawn[structure.name])
            continue
        if i is None:
            yield unknown_annotation(category, photograph)
            continue
        own = probability[i] * winners[i]
        mask = _without_specks(own > options.threshold, options.min_area)
        limit = limits[category] if limits else None
        flags = check_mask(mask, limit, box) if limit and mask.any() else []
        if flags and options.clamp:
            own = clamp(own, options.threshold, limit, box)
            cut = _without_specks(own > options.threshold, options.min_area)
            flags += [CLAMPED] if (cut != mask).any() else []
            mask = cut
        confidence = {
            "predicted_iou": _number(outcome.predicted_iou[i]),
            "object_score": _number(_sigmoid(outcome.object_score[i])),
            "mean_probability": _number(own[mask].mean()) if mask.any() else None,
            "stability": _stability(own, options.threshold),
            "agreement": None if outcome.agreement is None else _number(outcome.agreement[i]),
            "roundtrip_iou": None
            if outcome.roundtrip_iou is None
            else _number(outcome.roundtrip_iou[i]),
        }
        score = _score(confidence)
        if not mask.any():
            flags.append("absent")
        elif score < options.low_confidence:
            flags.append("low_confidence")
        yield _entry(category, photograph.to_stored(mask), score) | {
            "confidence": confidence,
            "areas": {str(level): int((own > level).sum()) for level in AREA_LEVELS},
            "flags": flags,
        }


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits.clip(-30, 30)))


def _winners(
    probability: np.ndarray, structures: list[Structure], place: dict[str, int]
) -> np.ndarray:
    """[F, H, W] bool: where a structure is the most probable of the exclusive ones with its parent."""
    winners = np.ones(probability.shape, bool)
    for parent in {structure.parent for structure in structures}:
        rivals = [
            place[s.name]
            for s in structures
            if s.parent == parent and s.exclusive and s.name in place
        ]
        if len(rivals) > 1:
            best = np.maximum.reduce([probability[i] for i in rivals])
            free = np.ones(best.shape, bool)
            for i in rivals:  # of two that are equal the first wins
                np.logical_and(probability[i] >= best, free, out=winners[i])
                free &= ~winners[i]
    return winners


def _without_specks(mask: np.ndarray, share: float) -> np.ndarray:
    """Remove pieces smaller than `share` of the mask; holes stay."""
    largest = math.ceil(share * mask.sum()) - 1  # that is removed, in pixels
    if largest < 1:
        return mask
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    inside = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    pieces, count = label(mask[inside], np.ones((3, 3)))
    if count == 1:
        return mask
    kept = np.bincount(pieces.ravel()) > largest
    kept[0] = False
    cleaned = np.zeros_like(mask)
    cleaned[inside] = kept[pieces]
    return cleaned


def _stability(probability: np.ndarray, threshold: float, delta: float = 0.2) -> float:
    """IoU of the masks at a higher and a lower threshold, as SAM's stability score; 1 for two empty ones."""
    low = (probability > threshold - delta).sum()
    return _number((probability > threshold + delta).sum() / low) if low else 1.0


def _score(confidence: dict[str, float | None]) -> float:
    """The overall confidence: the model's own estimate, tempered by the round trip where there is one."""
    # some configurations leave the estimate of IoU unbounded
    estimate = min(max(confidence["predicted_iou"], 0.0), 1.0) * confidence["object_score"]
    back = confidence["roundtrip_iou"]
    return _number(estimate if back is None else np.sqrt(estimate * back))


def _number(value: float) -> float | None:
    """A number for JSON: 4 decimals, None for NaN."""
    return None if np.isnan(value) else round(float(value), 4)


def drawn_annotation(category: int, mask: np.ndarray) -> dict[str, Any]:
    """The annotation of a structure as it was drawn on a template."""
    flags = [] if mask.any() else ["absent"]
    return _entry(category, mask, 1.0) | {"flags": flags, "source": "drawn"}


def unknown_annotation(category: int, photograph: Photograph) -> dict[str, Any]:
    """The annotation of a structure that no template shows: empty, and flagged."""
    nothing = np.zeros((photograph.height, photograph.width), bool)
    return _entry(category, nothing, 0.0) | {"flags": ["no_template"]}


def _entry(category: int, mask: np.ndarray, score: float) -> dict[str, Any]:
    """What every annotation has; `mask` is as stored on disk."""
    rle = encode_mask(mask)
    measures = rle_measures(rle)
    return {
        "category_id": category + 1,
        "segmentation": rle,
        **measures,
        "areas": {str(level): measures["area"] for level in AREA_LEVELS},
        "score": score,
        "confidence": {},
        "source": "predicted",
    }
