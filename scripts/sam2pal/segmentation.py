"""Segmenting a shard: every structure of every specimen, at the photograph's own size, with a confidence."""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skimage.morphology import remove_small_objects
from torch import Tensor

from sam2pal.coco import Template, encode_mask, rle_area
from sam2pal.errors import InputError
from sam2pal.images import Photograph, read_photograph
from sam2pal.loading import ahead, annotated, letterbox_of, read_template, square_image
from sam2pal.losses import hard_iou
from sam2pal.models import autocast
from sam2pal.specimens import OK, UNREADABLE, Specimen, find_templates
from sam2pal.structures import Structure
from sam2pal.tracker import Features, Memory, Tracked, Tracker, drawn_logits

log = logging.getLogger(__name__)

AREA_LEVELS = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class SegmentationOptions:
    """How specimens are segmented.

    Attributes:
        batch_size: specimens that go through the model together; halved by itself when memory runs out.
        threshold: probability above which a pixel belongs to a structure.
        min_area: specks smaller than this share of their structure's mask are removed.
        round_trip: templates to which every mask is tracked back for `roundtrip_iou`; 0 for none.
        low_confidence: scores below it are flagged `low_confidence`.
        decode_threads: threads that decode photographs ahead of the model.
    """

    batch_size: int = 4
    threshold: float = 0.5
    min_area: float = 0.02
    round_trip: int = 1
    low_confidence: float = 0.5
    decode_threads: int = 2

    def __post_init__(self) -> None:
        for name in ("batch_size", "decode_threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; found {getattr(self, name)}")
        for name in ("threshold", "min_area", "low_confidence"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must lie between 0 and 1; found {getattr(self, name)}")


@dataclass(frozen=True)
class Bank:
    """The templates as the tracker needs them, made once a job.

    Attributes:
        memories: one a template, of `K` structures each.
        features: of the `T` templates.
        masks: [T, K, S/4, S/4], drawn.
        drawn: [T, K] bool, structures that a template shows.
        followed: [K] bool, structures that at least one template shows.
    """

    memories: list[Memory]
    features: Features
    masks: Tensor
    drawn: Tensor
    followed: Tensor


@torch.no_grad()
def remember(
    tracker: Tracker, templates: list[Template], names: list[str], device: torch.device
) -> Bank:
    """Encode and memorize the templates.

    Raises:
        InputError: there is no template, or none shows any of the structures.
    """
    if not templates:
        raise InputError("no template is left to segment from")
    memories, features, masks, drawn = [], [], [], []
    for template in templates:
        image, mask = read_template(template, names, tracker.model.image_size)
        mask = mask.to(device)
        shown = annotated(template, names) & (mask.flatten(1).amax(1) > 0.5).cpu()
        with autocast(device):
            encoded = tracker.encode(image[None].to(device))
            # what a template does not show it does not vote on, not even "empty"
            memory = tracker.memorize(encoded, drawn_logits(mask[:, None]), shown.to(device))
        memories.append(memory)
        features.append(encoded)
        masks.append(torch.nn.functional.avg_pool2d(mask, 4))
        drawn.append(shown.to(device))
    shown = torch.stack(drawn)
    if not bool(shown.any()):
        raise InputError(f"no template shows any of the structures {', '.join(names)}")
    return Bank(memories, Features.cat(features), torch.stack(masks), shown, shown.any(0))


@torch.no_grad()
def track_batch(
    tracker: Tracker, bank: Bank, images: Tensor, round_trip: int
) -> tuple[Tracked, Tensor | None]:
    """Track the followed structures (`F` of them) on `B` specimens.

    Args:
        images: [B, 3, S, S].

    Returns:
        What was tracked, N = B * F, and the IoU of the way back to the templates [N], NaN where no
        template of the first `round_trip` shows the structure; None without round trip.
    """
    count = len(images)
    followed = bank.followed.nonzero()[:, 0]
    memories = [memory[followed].repeat(count) for memory in bank.memories]
    with autocast(images.device):
        features = tracker.encode(images)
        tracked = tracker.track(features, memories)
        if not round_trip:
            return tracked, None
        # a real memory reset: only the prediction is remembered
        memory = tracker.memorize(features, tracked.logits)
        scores = []
        for index in range(min(round_trip, len(bank.memories))):
            back = tracker.track(bank.features[[index] * count], [memory])
            iou = hard_iou(back.logits, bank.masks[index, followed].repeat(count, 1, 1)[:, None])
            shown = bank.drawn[index, followed].repeat(count)
            scores.append(torch.where(shown, iou, torch.nan))
    return tracked, torch.stack(scores).nanmean(0)


def segment(
    tracker: Tracker,
    specimens: list[Specimen],
    templates: list[Template],
    structures: list[Structure],
    options: SegmentationOptions,
    device: torch.device,
    on_specimen: Callable[[], Any] = lambda: None,
) -> dict[str, Any]:
    """Segment a shard.

    Returns:
        COCO: an image a specimen (also the unreadable ones, with the reason), and for each readable one an
        annotation a structure, empty where the structure is absent; see README, "What comes out".
    """
    names = [structure.name for structure in structures]
    bank = remember(tracker, templates, names, device)
    own = find_templates(specimens, templates)
    followed = [name for name, kept in zip(names, bank.followed.tolist(), strict=True) if kept]
    images, annotations = [], []

    def add(specimen: Specimen, status: str, reason: str, found: Iterable[dict]) -> None:
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
            }
        )
        for annotation in found:
            annotations.append(
                {"id": len(annotations) + 1, "image_id": len(images), "iscrowd": 0, **annotation}
            )
        on_specimen()

    to_track: list[tuple[Specimen, Photograph]] = []

    def flush() -> None:
        for (specimen, photograph), outcome in zip(
            to_track, _track_halving(tracker, bank, to_track, options, device), strict=True
        ):
            found = _annotations(photograph, outcome, structures, followed, options)
            add(specimen, OK, "", found)
        to_track.clear()

    for specimen, photograph, reason in ahead(_read, specimens, options.decode_threads):
        template = own.get(specimen.specimen)
        if photograph is None or template is not None:
            flush()  # keeps the order of the list
        if photograph is None:
            add(specimen, specimen.status if specimen.status != OK else UNREADABLE, reason, [])
        elif template is not None:
            add(specimen, OK, "", _drawn(template, names))
        else:
            to_track.append((specimen, photograph))
            if len(to_track) == options.batch_size:
                flush()
    flush()
    categories = [
        {"id": i + 1, "name": s.name, "supercategory": s.parent or ""}
        for i, s in enumerate(structures)
    ]
    return {"images": images, "categories": categories, "annotations": annotations}


def _read(specimen: Specimen) -> tuple[Specimen, Photograph | None, str]:
    """A photograph, or the reason why there is none."""
    if specimen.status != OK:
        return specimen, None, specimen.reason
    path = Path(specimen.path)
    try:
        stat = path.stat()
    except OSError:
        return specimen, None, f"{path}: disappeared since it was listed; run the workflow again"
    if (stat.st_size, stat.st_mtime_ns) != (specimen.size, specimen.mtime_ns):
        return specimen, None, f"{path}: changed since it was listed; run the workflow again"
    try:
        return specimen, read_photograph(path), ""
    except InputError as error:
        return specimen, None, str(error)


@dataclass(frozen=True)
class _Outcome:
    """One specimen's share of a batch: [F, ...] arrays."""

    logits: np.ndarray
    predicted_iou: np.ndarray
    object_score: np.ndarray
    roundtrip_iou: np.ndarray | None


def _track_halving(tracker, bank, specimens, options, device) -> Iterator[_Outcome]:
    """Track photographs in one batch, or in halves of it when the device has not enough memory."""
    if not specimens:
        return
    side = tracker.model.image_size
    images = torch.stack([square_image(photograph, side) for _, photograph in specimens])
    try:
        tracked, back = track_batch(tracker, bank, images.to(device), options.round_trip)
    except torch.OutOfMemoryError:
        if len(specimens) == 1:
            raise
        half = len(specimens) // 2
        log.warning(
            "out of memory with %d specimens a batch: going on with %d", len(specimens), half
        )
        torch.cuda.empty_cache()
        yield from _track_halving(tracker, bank, specimens[:half], options, device)
        yield from _track_halving(tracker, bank, specimens[half:], options, device)
        return
    shape = (len(specimens), -1)
    logits = tracked.logits[:, 0].cpu().numpy()
    for i in range(len(specimens)):
        yield _Outcome(
            logits.reshape(*shape, *logits.shape[-2:])[i],
            tracked.predicted_iou.view(shape)[i].cpu().numpy(),
            tracked.object_score.view(shape)[i].cpu().numpy(),
            None if back is None else back.view(shape)[i].cpu().numpy(),
        )


def _annotations(
    photograph: Photograph,
    outcome: _Outcome,
    structures: list[Structure],
    followed: list[str],
    options: SegmentationOptions,
) -> Iterator[dict[str, Any]]:
    """From logits on the square to an annotation a structure at the photograph's size."""
    box = letterbox_of(photograph, photograph_square(outcome))
    logits = box.square_to_native(outcome.logits)  # [F, H, W]
    probability = 1 / (1 + np.exp(-logits.clip(-30, 30)))
    place = {name: i for i, name in enumerate(followed)}
    winners = _winners(probability, structures, place)
    for category, structure in enumerate(structures):
        i = place.get(structure.name)
        if i is None:
            yield _entry(category, np.zeros((photograph.height, photograph.width), bool), 0.0) | {
                "flags": ["no_template"]
            }
            continue
        own = probability[i] * winners[i]
        mask = _without_specks(own > options.threshold, options.min_area)
        confidence = {
            "predicted_iou": _number(outcome.predicted_iou[i]),
            "object_score": _number(1 / (1 + np.exp(-outcome.object_score[i]))),
            "mean_probability": _number(own[mask].mean()) if mask.any() else None,
            "stability": _stability(own, options.threshold),
            "agreement": None,
            "roundtrip_iou": None
            if outcome.roundtrip_iou is None
            else _number(outcome.roundtrip_iou[i]),
        }
        score = _score(confidence)
        flags = []
        if not mask.any():
            flags.append("absent")
        elif score < options.low_confidence:
            flags.append("low_confidence")
        yield _entry(category, photograph.to_stored(mask), score) | {
            "confidence": confidence,
            "areas": {str(level): int((own > level).sum()) for level in AREA_LEVELS},
            "flags": flags,
        }


def photograph_square(outcome: _Outcome) -> int:
    """Side of the model's square, from logits at a quarter of it."""
    return outcome.logits.shape[-1] * 4


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
            best = probability[rivals].argmax(0)
            for rank, i in enumerate(rivals):
                winners[i] = best == rank
    return winners


def _without_specks(mask: np.ndarray, share: float) -> np.ndarray:
    """Remove pieces smaller than `share` of the mask; holes stay."""
    smallest = share * mask.sum()
    if smallest < 1:
        return mask
    return remove_small_objects(mask, max_size=int(smallest), connectivity=2)


def _stability(probability: np.ndarray, threshold: float, delta: float = 0.2) -> float:
    """IoU of the masks at a higher and a lower threshold, as SAM's stability score; 1 for two empty ones."""
    low = (probability > threshold - delta).sum()
    return _number((probability > threshold + delta).sum() / low) if low else 1.0


def _score(confidence: dict[str, float | None]) -> float:
    """The overall confidence: the model's own estimate, tempered by the round trip where there is one."""
    estimate = confidence["predicted_iou"] * confidence["object_score"]
    back = confidence["roundtrip_iou"]
    return _number(estimate if back is None else np.sqrt(estimate * back))


def _number(value: float) -> float | None:
    """A number for JSON: 4 decimals, None for NaN."""
    return None if np.isnan(value) else round(float(value), 4)


def _box(mask: np.ndarray) -> list[int]:
    """COCO's [x, y, width, height]; zeros for an empty mask."""
    if not mask.any():
        return [0, 0, 0, 0]
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return [
        int(columns[0]),
        int(rows[0]),
        int(columns[-1] - columns[0] + 1),
        int(rows[-1] - rows[0] + 1),
    ]


def _drawn(template: Template, names: list[str]) -> Iterator[dict[str, Any]]:
    """A template's own annotations: what was drawn; what was not annotated is left out."""
    for category, name in enumerate(names):
        if name not in template.masks:
            continue
        flags = [] if template.masks[name].any() else ["absent"]
        yield _entry(category, template.masks[name], 1.0) | {"flags": flags, "source": "drawn"}


def _entry(category: int, mask: np.ndarray, score: float) -> dict[str, Any]:
    """What every annotation has; `mask` is as stored on disk."""
    rle = encode_mask(mask)
    return {
        "category_id": category + 1,
        "segmentation": rle,
        "area": rle_area(rle),
        "bbox": _box(mask),
        "score": score,
        "confidence": {},
        "source": "predicted",
    }
