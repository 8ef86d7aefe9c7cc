"""A shard: every structure of every specimen, with a confidence, or the reason why there is none."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.config.structures import Structure
from sam2pal.dataset.dataset import AnnotatedSpecimen
from sam2pal.dataset.files import categories
from sam2pal.dataset.manifest import Specimen
from sam2pal.dataset.matching import find_templates
from sam2pal.dataset.previews import Preview, preview
from sam2pal.dataset.states import NO_SPECIMEN, OK, UNREADABLE
from sam2pal.images.address import file_of
from sam2pal.images.reading import Photograph, look_closer, read_photograph
from sam2pal.images.window import Window
from sam2pal.io.errors import InputError
from sam2pal.model.ensemble import largest
from sam2pal.model.finding import NOTHING, Finder, FoundWindow
from sam2pal.model.loading import read_ahead
from sam2pal.model.templates import SEARCH_PIXELS
from sam2pal.model.tracker import Tracker
from sam2pal.segmentation.alikeness import SEEN, flag_unlike, shipped_alikeness
from sam2pal.segmentation.annotations import drawn_annotation, unknown_annotation
from sam2pal.segmentation.bank import Bank
from sam2pal.segmentation.batches import BatchSegmenter, Segmented
from sam2pal.segmentation.signals import separation

NOT_FOUND = (
    "no specimen found: nothing in the photograph looks like those of the templates; cut the photograph to"
    " its specimen, or set `window: photograph` under `segmentation`"
)


def segment(
    tracker: Tracker,
    specimens: list[Specimen],
    templates: list[AnnotatedSpecimen],
    structures: list[Structure],
    options: SegmentationOptions,
    on_specimen: Callable[[], Any] = lambda: None,
    *,
    bundled: bool,
    keep: Callable[[Specimen, Preview], Any] | None = None,
) -> dict[str, Any]:
    """Segment a shard.

    Args:
        bundled: whether this is the bundled model, to whose features alikeness is fitted.
        keep: takes the small picture of each large photograph; see `dataset/previews.py`.

    Returns:
        COCO: an image per specimen (also the unreadable ones, with the reason), and for each readable one an
        annotation per structure, empty where the structure is absent; see README, "What comes out". A
        template keeps what was drawn on it; what was not annotated there is predicted.

    Raises:
        InputError: no usable template, or not even one specimen fits into the device's memory.
    """
    names = [structure.name for structure in structures]
    batches = BatchSegmenter(tracker, templates, structures, options)
    bank = batches.bank
    own = find_templates(specimens, templates)
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
                "file_name": Path(specimen.name).name,
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
    places: list[FoundWindow | None] = []

    def flush() -> None:
        for one, place in zip(batches.segment(to_track, own), places, strict=True):
            found = [one.found[name] for name in names]
            more = _how(bank, one) | _where(one.photograph, place)
            if one.specimen.specimen not in own:
                seen = {name: more[name] for name in SEEN if bundled or name != "body_likeness"}
                more["alikeness"] = flag_unlike(found, seen, shipped_alikeness())
            more |= {"part_windows": one.windows} if one.windows else {}
            add(one.specimen, OK, one.specimen.reason, found, more)
        to_track.clear()
        places.clear()

    outlined = {
        name
        for name, template in own.items()
        if all(structure in template.masks for structure in batches.followed)
    }
    for seen in _photographs(tracker, batches, specimens, outlined, options.decode_threads):
        specimen, photograph = seen.specimen, seen.photograph
        if keep and seen.picture:
            keep(specimen, seen.picture)
        if photograph is None or specimen.specimen in outlined:
            flush()  # keeps the order of the list
        if photograph is None:
            add(specimen, seen.status, seen.reason, [], _where(None, seen.place))
        elif specimen.specimen in outlined:
            known = own[specimen.specimen].annotations
            found = [
                drawn_annotation(category, known[name])
                if name in known
                else unknown_annotation(category, photograph)
                for category, name in enumerate(names)
            ]
            add(specimen, OK, specimen.reason, found)
        else:
            to_track.append((specimen, photograph))
            places.append(seen.place)
            if len(to_track) >= batches.size:
                flush()
    flush()
    return {
        "info": {
            "near_duplicate_templates": [list(pair) for pair in bank.duplicates],
            "reference_template": bank.reference,
            "template_turns": {
                name: view.turn for name, view in zip(bank.specimens, bank.turns, strict=True)
            },
            "confidence": {"labelled": [asdict(one) for one in batches.labelled]},
        },
        "images": images,
        "categories": categories({s.name: {"parent": s.parent} for s in structures}),
        "annotations": annotations,
    }


def _how(bank: Bank, one: Segmented) -> dict[str, Any]:
    """How a specimen was segmented.

    The view that was taken, how alike specimen and templates are in it, and its lead over the next one; how
    far its masks lie apart, and how like the templates what they hold is; the share of each template in the
    masks.
    """
    outcome = one.outcome
    scores, score, margin = outcome.view_scores, None, None
    if scores is not None and not np.isnan(scores).any():
        score = round(float(scores[outcome.view]), 4)
        others = np.delete(scores, outcome.view)
        if len(others):
            margin = round(float(scores[outcome.view]) - float(others.max()), 4)
    masks, whole = outcome.cells > 0, [bank.whole[k] for k in bank.followed.tolist()]
    shares = zip(bank.specimens, outcome.shares.tolist(), strict=True)
    return {
        "view": bank.views[outcome.view].name,
        "view_score": score,
        "view_margin": margin,
        "apart": round(max(separation(masks, whole), one.second), 4),
        "body_likeness": None if outcome.body_likeness is None else round(outcome.body_likeness, 4),
        "templates": {name: round(share, 3) for name, share in shares if share > 0},
    }


def _where(photograph: Photograph | None, place: FoundWindow | None) -> dict[str, Any]:
    """The window that was taken, (left, top, width, height) as stored, and how it was found."""
    if place is None:
        return {}
    quality = None if place.quality is None else round(place.quality, 4)
    found = {"window_by": place.by, "window_quality": quality}
    return found if photograph is None else {"window": list(photograph.stored_box()), **found}


@dataclass(frozen=True)
class _Seen:
    """A specimen with the window of its photograph, or the reason why there is none."""

    specimen: Specimen
    photograph: Photograph | None = None
    status: str = OK
    reason: str = ""
    regions: Sequence[Window] = ()
    place: FoundWindow | None = None
    picture: Preview | None = None


def _photographs(
    tracker: Tracker,
    batches: BatchSegmenter,
    specimens: Sequence[Specimen],
    outlined: Collection[str],
    threads: int,
) -> Iterator[_Seen]:
    """The specimens in their order; threads decode, and the model finds in between."""

    finder = batches.bank.finder
    side = largest(batches.bank.ways, tracker.image_size)
    closer = round(side * batches.closer)

    def read(specimen: Specimen) -> _Seen:
        if specimen.specimen in outlined:
            return _read(specimen, side, None)
        return _read(
            specimen, closer if finder is None else tracker.image_size * SEARCH_PIXELS, finder
        )

    def find() -> Iterator[_Seen]:
        for seen in read_ahead(read, specimens, threads):
            if finder is None or seen.photograph is None or seen.specimen.specimen in outlined:
                yield seen
                continue
            place = finder.find(seen.specimen.path, seen.photograph, seen.regions)
            if place.by == NOTHING:
                seen = replace(seen, photograph=None, status=NO_SPECIMEN, reason=NOT_FOUND)
            yield replace(seen, place=place)

    yield from read_ahead(partial(_closer, side=closer), find(), threads)


def _read(specimen: Specimen, at_least: int, finder: Finder | None) -> _Seen:
    """A photograph with what stands out in it, or the reason why there is none."""
    if specimen.status != OK:
        return _Seen(specimen, None, specimen.status, specimen.reason)
    path = specimen.path
    lost = partial(_Seen, specimen, None, UNREADABLE)
    try:
        stat = os.stat(file_of(path))
    except OSError:
        return lost("disappeared since it was listed; run the workflow again")
    if (stat.st_size, stat.st_mtime_ns) != (specimen.size, specimen.mtime_ns):
        return lost("changed since it was listed; run the workflow again")
    try:
        photograph = read_photograph(path, at_least)
    except InputError as error:
        return lost(str(error).removeprefix(f"{path}: "))
    regions = finder.regions(photograph) if finder else ()
    return _Seen(specimen, photograph, regions=regions, picture=preview(photograph))


def _closer(seen: _Seen, side: int) -> _Seen:
    """With its window instead of the whole photograph."""
    if seen.photograph is None or seen.place is None:
        return seen
    path = seen.specimen.path
    try:
        closer = look_closer(path, seen.photograph, seen.place.window, side)
    except InputError as error:
        reason = str(error).removeprefix(f"{path}: ")
        return replace(seen, photograph=None, status=UNREADABLE, reason=reason)
    return replace(seen, photograph=closer)
