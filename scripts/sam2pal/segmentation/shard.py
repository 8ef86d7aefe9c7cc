"""A shard: every structure of every specimen, with a confidence, or the reason why there is none."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.config.structures import Structure
from sam2pal.dataset.dataset import AnnotatedSpecimen
from sam2pal.dataset.manifest import OK, UNREADABLE, Specimen
from sam2pal.dataset.matching import find_templates
from sam2pal.images.reading import Photograph, read_photograph
from sam2pal.io.errors import InputError
from sam2pal.model.loading import ahead
from sam2pal.model.tracker import Tracker
from sam2pal.segmentation.annotations import (
    Annotator,
    drawn_annotation,
    unknown_annotation,
)
from sam2pal.segmentation.bank import Bank, remember
from sam2pal.segmentation.tracking import Outcome, track_halving


def segment(
    tracker: Tracker,
    specimens: list[Specimen],
    templates: list[AnnotatedSpecimen],
    structures: list[Structure],
    options: SegmentationOptions,
    on_specimen: Callable[[], Any] = lambda: None,
) -> dict[str, Any]:
    """Segment a shard.

    Returns:
        COCO: an image per specimen (also the unreadable ones, with the reason), and for each readable one an
        annotation per structure, empty where the structure is absent; see README, "What comes out". A
        template keeps what was drawn on it; what was not annotated there is predicted.

    Raises:
        InputError: no usable template, or not even one specimen fits into the device's memory.
    """
    names = [structure.name for structure in structures]
    bank = remember(tracker, templates, names, options)
    own = find_templates(specimens, templates)
    followed = [names[index] for index in bank.followed.tolist()]
    annotator = Annotator(structures, followed, options)
    images, annotations = [], []

    def add(
        specimen: Specimen,
        status: str,
        reason: str,
        found: Iterable[dict],
        more: Mapping[str, Any] | None = None,
    ) -> None:
        images.append(
            {
                "id": len(images) + 1,
                "file_name": Path(specimen.path).name,
                "path": specimen.path,
                "specimen": specimen.specimen,
                "width": specimen.width,
                "height": specimen.height,
                "status": status,
                "reason": reason,
                **(more or {}),
            }
        )
        for annotation in found:
            annotations.append(
                {"id": len(annotations) + 1, "image_id": len(images), "iscrowd": 0, **annotation}
            )
        on_specimen()

    to_track: list[tuple[Specimen, Photograph]] = []
    batch_size = options.batch_size

    def flush() -> None:
        nonlocal batch_size
        outcomes, fits = track_halving(tracker, bank, to_track, options)
        batch_size = min(batch_size, fits)
        for (specimen, photograph), outcome in zip(to_track, outcomes, strict=True):
            drawn = own[specimen.specimen].masks if specimen.specimen in own else {}
            limits = bank.limits.by_view[outcome.view]
            found = annotator.annotate(photograph, outcome, drawn, limits)
            add(specimen, OK, specimen.reason, found, _how(bank, outcome))
        to_track.clear()

    read = partial(_read, at_least=tracker.image_size)
    for specimen, photograph, reason in ahead(read, specimens, options.decode_threads):
        template = own.get(specimen.specimen)
        outlined = template is not None and all(name in template.masks for name in followed)
        if photograph is None or outlined:
            flush()  # keeps the order of the list
        if photograph is None:
            add(specimen, specimen.status if specimen.status != OK else UNREADABLE, reason, [])
        elif outlined:
            found = [
                drawn_annotation(category, template.masks[name])
                if name in template.masks
                else unknown_annotation(category, photograph)
                for category, name in enumerate(names)
            ]
            add(specimen, OK, specimen.reason, found)
        else:
            to_track.append((specimen, photograph))
            if len(to_track) >= batch_size:
                flush()
    flush()
    categories = [
        {"id": i + 1, "name": s.name, "supercategory": s.parent or ""}
        for i, s in enumerate(structures)
    ]
    return {
        "info": {
            "near_duplicate_templates": [list(pair) for pair in bank.duplicates],
            "reference_template": bank.reference,
            "template_turns": {
                name: view.turn for name, view in zip(bank.specimens, bank.turns, strict=True)
            },
        },
        "images": images,
        "categories": categories,
        "annotations": annotations,
    }


def _how(bank: Bank, outcome: Outcome) -> dict[str, Any]:
    """How a specimen was segmented.

    The view that was taken, how alike specimen and templates are in it, and its lead over the next one; the
    share of each template in the masks.
    """
    scores, score, margin = outcome.view_scores, None, None
    if scores is not None and not np.isnan(scores).any():
        score = round(float(scores[outcome.view]), 4)
        others = np.delete(scores, outcome.view)
        if len(others):
            margin = round(float(scores[outcome.view]) - float(others.max()), 4)
    shares = zip(bank.specimens, outcome.shares.tolist(), strict=True)
    return {
        "view": bank.views[outcome.view].name,
        "view_score": score,
        "view_margin": margin,
        "templates": {name: round(share, 3) for name, share in shares if share > 0},
    }


def _read(specimen: Specimen, at_least: int) -> tuple[Specimen, Photograph | None, str]:
    """A photograph, or the reason why there is none."""
    if specimen.status != OK:
        return specimen, None, specimen.reason
    path = Path(specimen.path)
    try:
        stat = path.stat()
    except OSError:
        return specimen, None, "disappeared since it was listed; run the workflow again"
    if (stat.st_size, stat.st_mtime_ns) != (specimen.size, specimen.mtime_ns):
        return specimen, None, "changed since it was listed; run the workflow again"
    try:
        return specimen, read_photograph(path, at_least), ""
    except InputError as error:
        return specimen, None, str(error).removeprefix(f"{path}: ")
