"""From templates and photographs to logits: the templates remembered once, specimens tracked in batches."""

import logging
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sam2pal.coco import Template
from sam2pal.errors import InputError
from sam2pal.images import Photograph
from sam2pal.loading import annotated, read_template, square_image
from sam2pal.losses import hard_iou
from sam2pal.models import autocast
from sam2pal.segmentation.options import SegmentationOptions
from sam2pal.specimens import Specimen
from sam2pal.tracker import Features, Memory, Tracked, Tracker, drawn_logits

log = logging.getLogger(__name__)


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


@dataclass(frozen=True)
class Outcome:
    """One specimen's share of a batch: [F, ...] arrays."""

    logits: np.ndarray
    predicted_iou: np.ndarray
    object_score: np.ndarray
    roundtrip_iou: np.ndarray | None


def track_halving(
    tracker: Tracker,
    bank: Bank,
    specimens: list[tuple[Specimen, Photograph]],
    options: SegmentationOptions,
    device: torch.device,
) -> tuple[list[Outcome], int]:
    """Track photographs in one batch, or in halves of it when the device has not enough memory.

    Returns:
        An outcome a specimen, and how many specimens a batch may have from now on.
    """
    if not specimens:
        return [], options.batch_size
    try:
        return _track(tracker, bank, specimens, options, device), options.batch_size
    except RuntimeError as error:
        if not _out_of_memory(error):
            raise
        if len(specimens) == 1:
            raise InputError(
                f"{specimens[0][0].path}: the memory of the device '{device}' is too small for one specimen; "
                "use a smaller model, a smaller `image_size`, fewer templates, or another device"
            ) from error
    # outside of the handler, which would keep the tensors of the failed try alive
    if device.type == "cuda":
        torch.cuda.empty_cache()
    fits = len(specimens) // 2
    log.warning("out of memory with %d specimens a batch: going on with %d", len(specimens), fits)
    outcomes = []
    while len(outcomes) < len(specimens):
        some = specimens[len(outcomes) : len(outcomes) + fits]
        more, fits_now = track_halving(tracker, bank, some, options, device)
        outcomes += more
        fits = min(fits, fits_now)
    return outcomes, fits


def _out_of_memory(error: RuntimeError) -> bool:
    # only cuda has an error class of its own
    text = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or any(
        words in text for words in ("out of memory", "can't allocate memory")
    )


def _track(tracker, bank, specimens, options, device) -> list[Outcome]:
    side = tracker.model.image_size
    images = torch.stack([square_image(photograph, side) for _, photograph in specimens])
    tracked, back = track_batch(tracker, bank, images.to(device), options.round_trip)
    shape = (len(specimens), -1)
    logits = tracked.logits[:, 0].cpu().numpy()
    logits = logits.reshape(*shape, *logits.shape[-2:])
    predicted_iou = tracked.predicted_iou.view(shape).cpu().numpy()
    object_score = tracked.object_score.view(shape).cpu().numpy()
    back = None if back is None else back.view(shape).cpu().numpy()
    return [
        Outcome(logits[i], predicted_iou[i], object_score[i], None if back is None else back[i])
        for i in range(len(specimens))
    ]
