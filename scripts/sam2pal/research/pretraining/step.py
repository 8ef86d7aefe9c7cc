"""The loss of a step: structures of each image found from memories of others of its group."""

import numpy as np
import torch
from torch import Tensor, nn

from sam2pal.model.masks import at_size_of, hard_iou
from sam2pal.model.tracker import Tracked, Tracker, drawn_logits
from sam2pal.research.pretraining.batches import SLIVER, Batch
from sam2pal.research.pretraining.options import PretrainingOptions
from sam2pal.training.losses import dice_loss, focal_loss


def step_loss(
    tracker: Tracker, batch: Batch, rng: np.random.Generator, options: PretrainingOptions
) -> tuple[Tensor, dict[str, float]]:
    """The loss of one step and its parts."""
    views = options.views
    structures = batch.masks.shape[1]
    # [G * V, K, S, S] to [N, 1, S, S], N = G * V * K
    target = batch.masks.flatten(0, 1)[:, None]
    present, clear = presence(target)
    half = torch.autocast(target.device.type, torch.bfloat16, enabled=options.half)

    count = 1 if rng.random() < options.single or views < 3 else int(rng.integers(2, views))
    offsets = rng.permutation(np.arange(1, views))[:count]
    grid = torch.arange(len(target), device=target.device)
    order = [other_view(grid, views, structures, int(offset)) for offset in offsets]
    with half:
        features = tracker.encode(batch.images)
        drawn = tracker.memorize(features, drawn_logits(target))
        tracked = tracker.track(features, [drawn[index] for index in order])
    known = torch.stack([present[index] for index in order]).all(0) & clear
    weight = _weights(batch, len(target), options).to(target.device)
    loss, parts = losses(tracked, target, present, known * weight, options)
    parts |= _by_source(tracked, batch, target, present & known)

    if rng.random() < options.soft_memory:
        # the palindrome's second half: a memory of the prediction finds the drawn mask again
        with half:
            memory = tracker.memorize(features, tracked.logits)
            back = tracker.track(features, [memory[order[0]]])
        known = known & known[order[0]] & present[order[0]]
        loss_back, parts_back = losses(back, target, present, known * weight, options)
        loss = loss + loss_back
        parts["iou_back"] = parts_back["iou"]
    return loss, parts


def _weights(batch: Batch, objects: int, options: PretrainingOptions) -> Tensor:
    """The weight [N] of each object by its source."""
    of_group = [1.0 if source == "drawn" else options.real for source in batch.source]
    return torch.tensor(of_group).repeat_interleave(objects // len(of_group))


def _by_source(tracked: Tracked, batch: Batch, target: Tensor, shown: Tensor) -> dict[str, float]:
    """Mean IoU of the objects of each source."""
    iou = hard_iou(at_size_of(tracked.logits, target), target)
    each = len(target) // len(batch.source)
    of = [source for source in batch.source for _ in range(each)]
    values: dict[str, list[float]] = {}
    for source, value, seen in zip(of, iou.tolist(), shown.tolist(), strict=True):
        if seen:
            values.setdefault(source, []).append(value)
    return {f"iou_{source}": float(np.mean(some)) for source, some in values.items()}


def presence(target: Tensor) -> tuple[Tensor, Tensor]:
    """Whether each structure shows, and whether that is clear; [N, 1, S, S] to [N] bool twice."""
    pixels = (target > 0.5).flatten(1).sum(1)
    present = pixels >= SLIVER
    return present, present | (pixels == 0)


def other_view(objects: Tensor, views: int, structures: int, offset: int) -> Tensor:
    """For each object of [N] numbers, that of the same structure on another image of its group."""
    return objects.view(-1, views, structures).roll(offset, dims=1).flatten()


def losses(
    tracked: Tracked, target: Tensor, present: Tensor, weight: Tensor, options: PretrainingOptions
) -> tuple[Tensor, dict[str, float]]:
    """Losses of objects by their weight [N], masks only where the structure is present.

    An object whose memory does not show the structure has the weight 0.
    """
    shown = present * weight
    logits = at_size_of(tracked.logits, target)
    iou = hard_iou(logits, target)
    there = nn.functional.binary_cross_entropy_with_logits(
        tracked.object_score, present.float(), reduction="none"
    )
    parts = {
        "focal": _mean(focal_loss(logits, target), shown),
        "dice": _mean(dice_loss(logits, target), shown),
        "object": _mean(there, weight),
        "iou_head": _mean((tracked.predicted_iou - iou).abs(), shown),
    }
    loss = (
        options.focal * parts["focal"]
        + options.dice * parts["dice"]
        + options.object * parts["object"]
        + options.iou * parts["iou_head"]
    )
    numbers = {name: value.item() for name, value in parts.items()}
    numbers["iou"] = _mean(iou, shown).item()
    return loss, numbers


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    """The mean of values [N] by their weight [N]; less where all weights together are below 1."""
    return (values * weight).sum() / weight.sum().clamp(min=1)
