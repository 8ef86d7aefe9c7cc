"""Specimens segmented together: first in their windows, then the parts of structures in closer ones."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.config.structures import Structure
from sam2pal.dataset.dataset import AnnotatedSpecimen, Annotation
from sam2pal.dataset.manifest import Specimen
from sam2pal.dataset.recalibration import Recalibration
from sam2pal.images.reading import Photograph
from sam2pal.model.tracker import Tracker
from sam2pal.segmentation.annotations import Annotator, make_room
from sam2pal.segmentation.bank import read_templates, remember
from sam2pal.segmentation.leaving_out import templates_by_others
from sam2pal.segmentation.parents import Level, flag_outside, levels_of
from sam2pal.segmentation.second import second_specimen
from sam2pal.segmentation.states import Thresholds, decide_states
from sam2pal.segmentation.tracking import Outcome, track_halving

log = logging.getLogger(__name__)


@dataclass
class Segmented:
    """One specimen.

    Attributes:
        second: how much of a specimen is found again beside it (see `second_specimen`).
        windows: (left, top, width, height) as stored, in which the parts of a structure were looked for, by
            structure.
    """

    specimen: Specimen
    photograph: Photograph
    outcome: Outcome
    found: dict[str, dict[str, Any]]
    second: float = 0.0
    windows: dict[str, list[int]] = field(default_factory=dict)


class BatchSegmenter:
    """Segments batches of specimens from the templates of a round.

    Attributes:
        size: how many specimens a batch may have; falls when memory runs out.
        labelled: masks of templates that were found from the others; confidences are moved to them.
        closer: how many times shorter than a specimen's window the smallest one in it is.
    """

    def __init__(
        self,
        tracker: Tracker,
        templates: Sequence[AnnotatedSpecimen],
        structures: Sequence[Structure],
        options: SegmentationOptions,
    ) -> None:
        self._tracker, self._structures, self._options = tracker, structures, options
        names = [structure.name for structure in structures]
        known = read_templates(tracker, templates, names, options)
        self.bank = remember(tracker, known, options)
        self._levels = levels_of(tracker, known, templates, structures, options)
        self.closer = max((level.closer for level in self._levels), default=1.0)
        self.size = options.batch_size
        self.followed = self.bank.names_followed(names)
        found = {*self.followed}.union(*(level.followed for level in self._levels))
        _warn_of_small(templates, [name for name in names if name not in found], tracker.image_size)
        annotator = Annotator(structures, self.followed, options)
        self.labelled = list(
            templates_by_others(tracker, self.bank, (known, templates), annotator, options)
        )
        self._confidence = replace(
            annotator.confidence, recalibration=Recalibration.learn(self.labelled)
        )
        self._annotator = replace(annotator, confidence=self._confidence)

    def segment(
        self, specimens: Sequence[tuple[Specimen, Photograph]], own: Mapping[str, AnnotatedSpecimen]
    ) -> list[Segmented]:
        """Annotate every structure of specimens; what was drawn on templates (`own`) stands.

        Raises:
            InputError: not even one specimen fits into the device's memory.
        """
        outcomes, fits = track_halving(self._tracker, self.bank, list(specimens), self._options)
        self.size = min(self.size, fits)
        done = []
        for (specimen, photograph), outcome in zip(specimens, outcomes, strict=True):
            limits = self.bank.limits[outcome.view]
            drawn = _drawn(own, specimen)
            shapes = self.bank.shapes_in(outcome.view)
            found = self._annotator.annotate(photograph, outcome, drawn, limits, shapes)
            found = decide_states(
                found, photograph, limits, Thresholds.of(self.bank, self._options)
            )
            second = second_specimen(self._tracker, self.bank, specimen.path, photograph, outcome)
            done.append(Segmented(specimen, photograph, outcome, self._by_name(found), second))
        for level in self._levels:
            self._look_closer(level, done, own)
        for one in done:
            flag_outside(one.found, self._structures, self._options.place_margin)
        return done

    def _look_closer(
        self, level: Level, done: Sequence[Segmented], own: Mapping[str, AnnotatedSpecimen]
    ) -> None:
        """Take the masks of a level of which the model is surer than of the ones that are there."""
        seen: list[tuple[Segmented, Photograph]] = []
        for one in done:
            whole = one.found[level.parent]
            if whole["area"]:
                seen.append((one, one.photograph.cut(level.window(one.photograph, whole["bbox"]))))
        if not seen:
            return
        outcomes, fits = track_halving(
            self._tracker,
            level.bank,
            [(one.specimen, cut) for one, cut in seen],
            self._options,
            [one.outcome for one, _ in seen],
        )
        self.size = min(self.size, fits)
        annotator = Annotator(
            self._structures, level.followed, self._options, level.names, self._confidence
        )
        for (one, cut), outcome in zip(seen, outcomes, strict=True):
            one.windows[level.parent] = list(cut.stored_box())
            limits = level.bank.limits[outcome.view]
            shapes = level.bank.shapes_in(outcome.view)
            closer = annotator.annotate(cut, outcome, _drawn(own, one.specimen), limits, shapes)
            closer = decide_states(closer, cut, limits, Thresholds.of(level.bank, self._options))
            better = {
                name: annotation
                for name, annotation in self._by_name(closer).items()
                if _trust(annotation) > _trust(one.found[name])
            }
            one.found |= better
            make_room(one.found, [s for s in self._structures if s.name in level.names])

    def _by_name(self, annotations: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        return {self._structures[one["category_id"] - 1].name: one for one in annotations}


def _warn_of_small(
    templates: Sequence[AnnotatedSpecimen], names: Sequence[str], square: int
) -> None:
    """Name the structures that are drawn, but too small on all templates to be looked for.

    Args:
        names: of structures that are not looked for.
    """
    for name in names:
        if any(name in of.masks and of.masks[name].any() for of in templates):
            log.warning(
                "'%s' is on no template as large as a pixel of the model's square, %d pixels wide, and is "
                "not looked for; a larger `image_size` would show it",
                name,
                square,
            )


def _trust(annotation: Mapping[str, Any]) -> float:
    """How much the model trusts its answer, also where that is an empty mask; 0 of a drawn one."""
    said = annotation["confidence"]
    return (said.get("predicted_iou") or 0.0) * (said.get("object_score") or 0.0)


def _drawn(own: Mapping[str, AnnotatedSpecimen], specimen: Specimen) -> Mapping[str, Annotation]:
    template = own.get(specimen.specimen)
    return template.annotations if template else {}
