"""Masks with their signals and their IoU, made once for each case and weights."""

import json
import math
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.config.stages import ENSEMBLE
from sam2pal.config.structures import read_structures
from sam2pal.dataset.dataset import Annotation, State
from sam2pal.dataset.manifest import Specimen
from sam2pal.dataset.rle import decode_mask
from sam2pal.evaluation.overlap import iou
from sam2pal.io.files import write_text
from sam2pal.model.tracker import Tracker
from sam2pal.research.confidence.cases import Case
from sam2pal.segmentation import METHODS
from sam2pal.segmentation.alikeness import SEEN, alikeness_signals
from sam2pal.segmentation.shard import segment

# as the workflow segments photographs that are cut to their specimens
OPTIONS = SegmentationOptions(window="photograph", ensemble=ENSEMBLE, refine=True)


def folder_of(cache: Path, digest: str) -> Path:
    """Where the cache keeps what was segmented with `OPTIONS` and the weights of a SHA-256."""
    how = zlib.crc32(json.dumps([METHODS["segment_shard"], asdict(OPTIONS)]).encode())
    return cache / f"{digest[:12]}-{how:08x}"


@dataclass(frozen=True)
class SegmentedCase:
    """The masks of a case.

    Attributes:
        masks: of each `specimen`, `structure`, `iou` (None if not known), `signals`, `score`, and whether it
            is `found`.
        seen: signals of each photograph, as `alikeness_signals` takes them.
        info: of the predictions.
    """

    case: Case
    masks: list[dict[str, Any]]
    seen: dict[str, dict[str, float | None]]
    info: dict[str, Any]


def specimens_of(found: SegmentedCase) -> dict[str, dict[str, float | None]]:
    """The combined signals of each specimen of a case."""
    masks: dict[str, list[dict[str, float | None]]] = {}
    for mask in found.masks:
        masks.setdefault(mask["specimen"], []).append(mask["signals"])
    return {name: alikeness_signals(of, found.seen[name]) for name, of in masks.items()}


@torch.no_grad()
def segmented(
    cases: Iterable[Case], tracker: Tracker, options: SegmentationOptions, cache: Path
) -> Iterator[SegmentedCase]:
    """Segment cases as a job of the workflow does; what the cache has is not made again."""
    for case in cases:
        kept = cache / f"{case.name}.json"
        if not kept.is_file():
            found = _segment(case, tracker, options)
            write_text(kept, json.dumps(found))
        yield SegmentedCase(case, **json.loads(kept.read_text(encoding="utf-8")))


def _segment(case: Case, tracker: Tracker, options: SegmentationOptions) -> dict[str, Any]:
    structures = read_structures(dict.fromkeys(case.structures))
    listed = [Specimen.annotated(one) for one in case.specimens]
    given = tracker, listed, list(case.templates), structures, options
    predictions = segment(*given, bundled=True)
    truth = {one.specimen: one for one in case.specimens}
    images = {image["id"]: image for image in predictions["images"]}
    masks = []
    for entry in predictions["annotations"]:
        specimen = truth[images[entry["image_id"]]["specimen"]]
        structure = case.structures[entry["category_id"] - 1]
        if "no_template" in entry["flags"]:
            continue
        masks.append(
            {
                "specimen": specimen.specimen,
                "structure": structure,
                "found": entry["area"] > 0,
                "iou": _iou(entry, specimen.annotations.get(structure)),
                "score": entry["score"],
                "signals": entry["confidence"],
            }
        )
    seen = {
        image["specimen"]: {name: image[name] for name in SEEN} for image in predictions["images"]
    }
    return {"masks": masks, "seen": seen, "info": predictions["info"]}


def _iou(entry: dict[str, Any], annotation: Annotation | None) -> float | None:
    """None where it is not known, or where there is nothing and nothing was found."""
    if annotation is None or annotation.state == State.HIDDEN:
        return None
    found = iou(decode_mask(entry["segmentation"]), annotation.mask())
    return None if math.isnan(found) else found
