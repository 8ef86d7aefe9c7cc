"""From logits on the model's square to COCO annotations at the photograph's own size."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.config.structures import Structure
from sam2pal.dataset.dataset import Annotation, State
from sam2pal.dataset.rle import at_edge
from sam2pal.dataset.runs import Runs
from sam2pal.dataset.signals import UNADAPTED
from sam2pal.images.reading import Photograph
from sam2pal.images.window import Window
from sam2pal.segmentation.claims import Claim, TrackedPhotograph
from sam2pal.segmentation.confidence import Confidence, shipped_confidence
from sam2pal.segmentation.level_sets import Likelihood
from sam2pal.segmentation.limits import Limit, check_mask
from sam2pal.segmentation.signals import Grid, mask_signals
from sam2pal.segmentation.tracking import Outcome

AREA_LEVELS = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Annotator:
    """Makes the annotations of specimens.

    Attributes:
        followed: [F], names of those that were tracked.
        annotated: names of those that are annotated; all if not given.
    """

    structures: Sequence[Structure]
    followed: Sequence[str]
    options: SegmentationOptions
    annotated: Collection[str] | None = None
    confidence: Confidence = field(default_factory=shipped_confidence)

    def annotate(
        self,
        photograph: Photograph,
        outcome: Outcome,
        drawn: Mapping[str, Annotation],
        limits: Sequence[Limit | None] = (),
        shapes: Sequence[Sequence[Grid]] = (),
    ) -> Iterator[dict[str, Any]]:
        """From logits on the square to an annotation per structure at the photograph's size.

        Args:
            drawn: what is known of the photograph as a template; it stands, and predicted rivals make
                room for it.
            limits: of every annotated structure in the view that was taken; none are checked if not given.
            shapes: of every annotated structure on the templates in that view, each in its own frame.
        """
        tracked = TrackedPhotograph.of(photograph, outcome, self.followed)
        annotated = [
            (category, structure)
            for category, structure in enumerate(self.structures)
            if self.annotated is None or structure.name in self.annotated
        ]
        for number, (category, structure) in enumerate(annotated):
            if structure.name in drawn:
                yield drawn_annotation(category, drawn[structure.name])
            elif structure.name not in tracked.place:
                yield unknown_annotation(category, photograph)
            else:
                claim = self._claim(structure, tracked, drawn)
                limit = limits[number] if limits else None
                yield self._predicted(category, claim, limit, shapes[number] if shapes else ())

    def _claim(
        self, structure: Structure, tracked: TrackedPhotograph, drawn: Mapping[str, Annotation]
    ) -> Claim:
        rivals = [
            other.name
            for other in self.structures
            if other != structure
            and other.parent == structure.parent
            and (other.exclusive and structure.exclusive)
        ]
        upright = (tracked.photograph.to_upright(drawn[n].mask()) for n in rivals if n in drawn)
        taken = tuple(Runs.of(mask, *mask.shape) for mask in upright)
        followed = tuple(name for name in rivals if name in tracked.place and name not in drawn)
        # with a lower threshold they have pixels that are less likely, too
        likely = min(0.5, self.options.threshold)
        return Claim(tracked, structure.name, followed, taken, likely)

    def _predicted(
        self, category: int, claim: Claim, limit: Limit | None, shapes: Sequence[Grid]
    ) -> dict[str, Any]:
        """The annotation of a structure that was tracked."""
        tracked = claim.tracked
        told, likelihood = claim.told, claim.fitted
        shared = mask_signals(*claim.cells(), shapes)
        mask = self._mask(likelihood)
        if mask and shared["expected_iou"] is None and not (own := self._mask(told)):
            # a structure may win pixels of rivals to which the model alone gives all
            mask, likelihood = own, told
        # of the model's own logits: fitted ones do not tell good masks better
        signals = self._signals(claim, told, mask) | shared
        flags = check_mask(mask, limit, tracked.box) if limit and mask else []
        score = 0.0
        if mask:
            unadapted = self.confidence.unadapted(signals)
            signals[UNADAPTED] = _number(unadapted)
            score = _number(self.confidence.recalibration(claim.name, unadapted))
        else:
            flags.append("absent")
        return _entry(category, _stored_runs(tracked.photograph, mask), score) | {
            "confidence": {name: _number(of) for name, of in signals.items()},
            "areas": {str(level): likelihood.above(level).area for level in AREA_LEVELS},
            "flags": flags,
        }

    def _mask(self, likelihood: Likelihood) -> Runs:
        return likelihood.above(self.options.threshold).without_specks(self.options.min_area)

    def _signals(self, claim: Claim, told: Likelihood, mask: Runs) -> dict[str, float | None]:
        """Those of a mask that do not need the grid."""
        outcome, i = claim.tracked.outcome, claim.tracked.place[claim.name]
        visible = 1 / (1 + np.exp(-outcome.object_score[i].clip(-30, 30)))
        return {
            "predicted_iou": _number(outcome.predicted_iou[i]),
            "object_score": _number(visible),
            "mean_probability": _number(told.mean(mask)) if mask else None,
            "stability": _stability(told, self.options.threshold),
            "contrast": claim.tracked.contrasts[i],
            "steadiness": None if outcome.steadiness is None else _number(outcome.steadiness[i]),
        }


def _stored_runs(photograph: Photograph, mask: Runs) -> Runs:
    """An upright mask in the orientation on disk."""
    if photograph.orientation == 1:
        return mask
    part, top, left = mask.window()
    window = Window(top, left, *part.shape)
    at_x, at_y, _, _ = replace(photograph, window=window).stored_box()
    stored = photograph.to_stored(part)
    return Runs.of(stored, photograph.height, photograph.width, at_y, at_x)


def _stability(likelihood: Likelihood, threshold: float) -> float:
    """IoU of the masks at thresholds 0.2 above and below, as SAM's stability score; 1 for two empty ones."""
    low = likelihood.above(threshold - 0.2).area
    return _number(likelihood.above(threshold + 0.2).area / low) if low else 1.0


def _number(value: float | None) -> float | None:
    """A number for JSON: 4 decimals, None for NaN."""
    return None if value is None or np.isnan(value) else round(float(value), 4)


def drawn_annotation(category: int, of: Annotation) -> dict[str, Any]:
    """The annotation of a structure as it was drawn on a template, or said not to be shown."""
    mask = of.mask()
    flags = [] if mask.any() else ["absent"]
    entry = _entry(category, Runs.of(mask, *mask.shape), 1.0)
    return entry | {"flags": flags, "source": "drawn", "state": of.state}


def make_room(found: Mapping[str, dict[str, Any]], structures: Sequence[Structure]) -> None:
    """Take pixels that exclusive structures share from those of which the model is less sure.

    Args:
        found: annotations by structure; predicted ones may lose pixels.
        structures: of one parent.
    """
    exclusive = [found[structure.name] for structure in structures if structure.exclusive]
    exclusive.sort(key=lambda one: (one["source"] == "predicted", -one["score"]))
    for number, one in enumerate(exclusive):
        mask = left = Runs.from_rle(one["segmentation"])
        if one["source"] != "predicted" or not mask:
            continue
        for other in exclusive[:number]:
            left = left - Runs.from_rle(other["segmentation"])
        if left.area < mask.area:
            one |= {"segmentation": left.rle(), "area": left.area, "bbox": list(left.bbox())}
            one["state"] = _state(left)
            if not left:
                one |= {"areas": dict.fromkeys(one["areas"], 0), "score": 0.0}
                one["flags"].append("absent")


def unknown_annotation(category: int, photograph: Photograph) -> dict[str, Any]:
    """The annotation of a structure that no template shows: empty, and flagged."""
    nothing = Runs.empty(photograph.height, photograph.width)
    return _entry(category, nothing, 0.0) | {"flags": ["no_template"], "state": State.UNKNOWN}


def _state(mask: Runs) -> State:
    """Of a predicted mask."""
    if not mask:
        return State.ABSENT
    return State.OUTSIDE if at_edge(mask.bbox(), mask.height, mask.width) else State.FOUND


def _entry(category: int, mask: Runs, score: float) -> dict[str, Any]:
    """What every annotation has; `mask` is as stored on disk."""
    return {
        "category_id": category + 1,
        "segmentation": mask.rle(),
        "area": mask.area,
        "bbox": list(mask.bbox()),
        "areas": {str(level): mask.area for level in AREA_LEVELS},
        "state": _state(mask),
        "score": score,
        "confidence": {},
        "source": "predicted",
    }
