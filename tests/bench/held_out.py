"""Judging a model on what it never learned from: drawn plans and pictures that are held out."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from sam2pal.model.masks import at_size_of, hard_iou
from sam2pal.model.tracker import Tracker, drawn_logits
from sam2pal.research.pretraining.batches import drawn_group, photographed_group
from sam2pal.research.pretraining.options import PretrainingOptions
from sam2pal.research.pretraining.photographs import PictureSet
from sam2pal.research.pretraining.step import other_view, presence
from sam2pal.research.synthetic.species import JUDGING_PLANS

# a stream of random numbers of its own, so that no step has drawn what is judged on
_STREAM = 10**6
# nothing in common with the options of a run: what is judged on stays the same
_JUDGED = PretrainingOptions(views=4, structures=3, altered=0.0, lacking=0.15, turned=0.4)

Group = tuple[Tensor, Tensor]


@torch.no_grad()
def judge(
    tracker: Tracker, groups: Iterable[Group], templates: int = 1, quarters: int = 0
) -> dict[str, float]:
    """Find the structures of each image of a group from memories of others.

    Args:
        groups: images [V, 3, S, S] and masks [V, K, S, S], with `V > templates`.
        quarters: by how many times 90 degrees the specimens, not their templates, are turned.

    Returns:
        `iou`, the mean over what is there; `present_missed`, the share of it that was called missing;
        `absent_seen`, the share of what is missing that was recognised as such (if anything is missing).
    """
    scores: list[float] = []
    said: dict[bool, list[bool]] = {True: [], False: []}
    for images, masks in groups:
        views, structures = masks.shape[:2]
        drawn = masks.flatten(0, 1)[:, None]
        features = tracker.encode(images)
        memory = tracker.memorize(features, drawn_logits(drawn))
        grid = torch.arange(len(drawn))
        orders = [other_view(grid, views, structures, offset + 1) for offset in range(templates)]
        present, clear = presence(drawn)
        target = torch.rot90(drawn, quarters, (2, 3))
        if quarters:
            turned = torch.rot90(images, quarters, (2, 3)).contiguous()
            features = tracker.encode(turned)
        tracked = tracker.track(features, [memory[order] for order in orders])
        known = torch.stack([present[order] for order in orders]).all(0) & clear
        iou = hard_iou(at_size_of(tracked.logits, target), target)
        scores += iou[present & known].tolist()
        visible = tracked.object_score > 0
        for there in (True, False):
            said[there] += visible[known & (present == there)].tolist()
    result = {"iou": float(np.mean(scores)), "present_missed": 1 - float(np.mean(said[True]))}
    if said[False]:
        result["absent_seen"] = 1 - float(np.mean(said[False]))
    return {name: round(value, 4) for name, value in result.items()}


def drawn_groups(
    seed: int, number: int, image_size: int, held_out: bool, views: int = 4
) -> Iterable[Group]:
    """Unseen drawn genera, of the plans that teach or of those that are held out."""
    options = replace(_JUDGED, image_size=image_size, views=views)
    for index in range(number):
        rng = np.random.default_rng([seed, _STREAM, index, int(held_out)])
        kind = str(rng.choice(JUDGING_PLANS)) if held_out else None
        yield drawn_group(rng, options, kind)


def photographed_groups(
    seed: int, number: int, photographs: Sequence[PictureSet], views: int = 4
) -> Iterable[Group]:
    """Held-out pictures that show the same class, `number` groups in all."""
    options = replace(_JUDGED, views=views, structures=2)
    for index in range(number):
        rng = np.random.default_rng([seed, _STREAM, index, 2])
        yield photographed_group(rng, options, photographs, judged=True)
