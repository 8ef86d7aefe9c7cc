"""Masks of each template, segmented from the others."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.dataset.dataset import AnnotatedSpecimen, State
from sam2pal.dataset.recalibration import Labelled
from sam2pal.dataset.rle import decode_mask
from sam2pal.dataset.signals import GOOD_IOU, UNADAPTED
from sam2pal.images.reading import Photograph
from sam2pal.model.device import enough_memory
from sam2pal.model.templates import TemplateSet
from sam2pal.model.tracker import Tracker
from sam2pal.segmentation.annotations import Annotator
from sam2pal.segmentation.bank import Bank
from sam2pal.segmentation.tracking import track_images


def templates_by_others(
    tracker: Tracker,
    bank: Bank,
    templates: tuple[TemplateSet, Sequence[AnnotatedSpecimen]],
    annotator: Annotator,
    options: SegmentationOptions,
) -> Iterator[Labelled]:
    """Segment each template as if it were a specimen and the others were all templates.

    Masks are compared on the model's square. Templates that are nearly the same photograph say nothing of
    one another; of one template alone there is nothing to say.
    """
    known, annotated = templates
    twins = {name for pair in bank.duplicates for name in pair}
    if len(annotated) < 2:
        return
    names = [structure.name for structure in annotator.structures]
    side = known.images.shape[-1]
    square = Photograph(np.zeros((side, side, 3), np.uint8), 1, side, side)
    for number, specimen in enumerate(known.specimens):
        others = bank.without(number)
        if specimen in twins or not len(others.followed):
            continue
        with enough_memory(annotated[number].path, tracker.device):
            (outcome,) = track_images(tracker, others, known.images[[number]], options.refine)
        followed = others.names_followed(names)
        shapes = others.shapes_in(outcome.view)
        found = replace(annotator, followed=followed).annotate(square, outcome, {}, (), shapes)
        for k, entry in enumerate(found):
            drawn = annotated[number].annotations.get(names[k])
            if drawn is None or not entry["area"] or drawn.state in (State.HIDDEN, State.UNKNOWN):
                continue
            mask, truth = decode_mask(entry["segmentation"]), known.masks[number, k].numpy() > 0.5
            good = (mask & truth).sum() >= GOOD_IOU * (mask | truth).sum()
            signals = entry["confidence"]
            yield Labelled(names[k], signals[UNADAPTED], bool(good), signals)
