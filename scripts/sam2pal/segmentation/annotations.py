"""From logits on the model's square to COCO annotations at the photograph's own size."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import log
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
from sam2pal.model.loading import letterbox_of
from sam2pal.segmentation.confidence import Confidence, shipped_confidence
from sam2pal.segmentation.level_sets import Likelihood, LogitSurface
from sam2pal.segmentation.limits import Limit, check_mask
from sam2pal.segmentation.signals import Grid, contrasts, mask_signals
from sam2pal.segmentation.tracking import Outcome

AREA_LEVELS = (0.25, 0.5, 0.75)
# times the logarithm of a structure's area, taken off its logits where rivals claim the same pixel: a pixel
# more or less changes the IoU of a small structure more
HANDICAP = 0.5


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
        box = letterbox_of(photograph, 4 * outcome.logits.shape[-1])
        place = {
            name: i
            for i, name in enumerate(self.followed)
            if outcome.known is None or outcome.known[i]
        }
        surfaces = {name: LogitSurface.over(outcome.logits[i], box) for name, i in place.items()}
        kinds = [surfaces]  # of logits: the model's own, and those fitted to the picture
        if outcome.fitted is not None:
            fit = {name: LogitSurface.over(outcome.fitted[i], box) for name, i in place.items()}
            kinds.append(fit)
        handicap = {
            name: HANDICAP * log(max(1, int((of.values > 0).sum())))
            for name, of in kinds[-1].items()
        }
        apart, cells = [None] * len(self.followed), outcome.cells
        if outcome.colours is not None:
            apart = contrasts(outcome.colours, cells > 0)
        annotated = [
            (category, structure)
            for category, structure in enumerate(self.structures)
            if self.annotated is None or structure.name in self.annotated
        ]
        for number, (category, structure) in enumerate(annotated):
            i = place.get(structure.name)
            if structure.name in drawn:
                yield drawn_annotation(category, drawn[structure.name])
                continue
            if i is None:
                yield unknown_annotation(category, photograph)
                continue
            rivals = [
                s.name
                for s in self.structures
                if s != structure
                and (s.parent == structure.parent and s.exclusive and structure.exclusive)
            ]
            tracked = [name for name in rivals if name in surfaces and name not in drawn]
            first = sum(place[name] < i for name in tracked)  # of equal logits the first one wins
            upright = (photograph.to_upright(drawn[n].mask()) for n in rivals if n in drawn)
            taken = tuple(Runs.of(mask, *mask.shape) for mask in upright)
            # signals are of the model's own logits: fitted ones do not tell good masks better
            name = structure.name
            ahead = tuple(handicap[name] - handicap[n] for n in tracked)
            told, *fitted = (
                Likelihood(of[name], tuple(of[n] for n in tracked), first, taken, ahead)
                for of in kinds
            )
            likelihood = fitted[0] if fitted else told
            mask = likelihood.above(self.options.threshold).without_specks(self.options.min_area)
            shared = mask_signals(
                cells[i],
                [
                    cells[place[n]] + lead * (cells[place[n]] > 0)
                    for n, lead in zip(tracked, ahead, strict=True)
                ],
                shapes[number] if shapes else (),
            )
            if fitted and mask and shared["expected_iou"] is None:
                # a structure may win pixels of rivals to which the model alone gives all
                own = told.above(self.options.threshold).without_specks(self.options.min_area)
                if not own:
                    mask, likelihood = own, told
            limit = limits[number] if limits else None
            flags = check_mask(mask, limit, box) if limit and mask else []
            signals = {
                "predicted_iou": _number(outcome.predicted_iou[i]),
                "object_score": _number(1 / (1 + np.exp(-outcome.object_score[i].clip(-30, 30)))),
                "mean_probability": _number(told.mean(mask)) if mask else None,
                "stability": _stability(told, self.options.threshold),
                "contrast": apart[i],
                "steadiness": _of(outcome.steadiness, i),
            }
            signals |= shared
            score = 0.0
            if mask:
                unadapted = self.confidence.unadapted(signals)
                signals[UNADAPTED] = _number(unadapted)
                score = _number(self.confidence.recalibration(structure.name, unadapted))
            else:
                flags.append("absent")
            yield _entry(category, _stored_runs(photograph, mask), score) | {
                "confidence": {name: _number(of) for name, of in signals.items()},
                "areas": {str(level): likelihood.above(level).area for level in AREA_LEVELS},
                "flags": flags,
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


def _of(values: np.ndarray | None, i: int) -> float | None:
    return None if values is None else _number(values[i])


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
            one["flags"] += [] if left else ["absent"]


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
