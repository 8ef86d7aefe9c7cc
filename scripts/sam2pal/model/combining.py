"""How several templates decide on one mask."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sam2pal.model.device import autocast
from sam2pal.model.masks import at_size_of, hard_iou
from sam2pal.model.templates import TemplateSet
from sam2pal.model.tracker import Features, Memory, Tracked, Tracker, drawn_logits

CERTAIN_LOGIT = 10.0  # a logit beyond it is no more certain
SHARPNESS = 8.0  # how much more a better mask counts


@dataclass(frozen=True)
class Decision:
    """What `k` templates say together of `N` objects.

    Attributes:
        logits: [N, 1, S/4, S/4]; of specimens that were seen in several ways at the size of the largest.
        predicted_iou: [N].
        object_score: [N], a logit.
        shares: [N, k], of each template in the decision, their sum 1; 0 where it does not show the structure.
        steadiness: [N], IoU of the masks of a specimen that is seen in several ways with that of all, mean
            over the ways; None where it was seen once.
    """

    logits: Tensor
    predicted_iou: Tensor
    object_score: Tensor
    shares: Tensor
    steadiness: Tensor | None = None


def decide_by_one(tracker: Tracker, features: Features, memory: Memory) -> Decision:
    """What a single template says."""
    found = tracker.track(features, [memory])
    shares = memory.valid[:, None].float()
    return Decision(found.logits, found.predicted_iou, found.object_score, shares)


def decide_together(
    tracker: Tracker, features: Features, memories: Sequence[Memory], valid: Tensor, skills: Tensor
) -> Decision:
    """What several templates say, each asked alone; see `mean_of_masks`."""
    found = [track_alone(tracker, features, memory) for memory in memories]
    return mean_of_masks(found, valid, skills)


def mean_of_masks(found: Sequence[Tracked], valid: Tensor, skills: Tensor) -> Decision:
    """The mean of the logits that each template gives alone.

    A template counts by the IoU that its mask is likely to have: how well it finds the structure on the other
    templates, if these are two or more, times how much the model trusts the mask that it found here. So a
    poor template, or one unlike the specimen, does not pull.

    Args:
        found: what `track_alone` says, for each of `k` templates.
        valid: [N, k] bool, whether the template shows the structure.
        skills: [N, k], see `skill_of_templates`.
    """
    quality = torch.stack([_quality(one) for one in found], dim=1)
    likely = (quality * skills).clamp(min=1e-4).log() * SHARPNESS
    shares = likely.masked_fill(~valid, -torch.inf).softmax(1)
    columns = shares.unbind(1)
    logits = sum(
        share[:, None, None, None] * one.logits.clamp(-CERTAIN_LOGIT, CERTAIN_LOGIT)
        for share, one in zip(columns, found, strict=True)
    )
    return Decision(
        logits,
        sum(share * one.predicted_iou for share, one in zip(columns, found, strict=True)),
        sum(share * one.object_score for share, one in zip(columns, found, strict=True)),
        shares,
    )


@torch.no_grad()
def memorized(
    tracker: Tracker, templates: TemplateSet, shown: Tensor | None = None
) -> tuple[Features, list[Memory]]:
    """The features of the `T` templates, and of each the memories of its `K` structures.

    Args:
        shown: [T, K] bool, structures that may be followed; those that the templates show if not given.
    """
    device = tracker.device
    shown = (templates.shown if shown is None else shown).to(device)
    features, memories = [], []
    with autocast(device):
        for image, masks, seen in zip(templates.images, templates.masks, shown, strict=True):
            features.append(tracker.encode(image[None].to(device)))
            drawn = drawn_logits(masks[:, None].to(device))
            memories.append(tracker.memorize(features[-1], drawn, seen))
    return Features.cat(features), memories


@torch.no_grad()
def each_on_each(
    tracker: Tracker, features: Features, memories: Sequence[Memory], templates: TemplateSet
) -> Tensor:
    """IoU of the masks that each template finds on each other one, [T, T, K].

    NaN on the template itself, and where the other does not show the structure.
    """
    device, count = tracker.device, len(templates)
    shown = templates.shown.to(device)
    iou = torch.full((count, *shown.shape), torch.nan, device=device)
    for number, memory in enumerate(memories):
        for other in range(count):
            if other == number:
                continue
            found = track_alone(tracker, features[[other]], memory)
            drawn = templates.masks[other][:, None].to(device)
            own = hard_iou(at_size_of(found.logits, drawn), drawn)
            iou[number, other] = torch.where(shown[other], own, torch.nan)
    return iou


def skill_of_templates(iou: Tensor) -> Tensor:
    """How well each template finds structures on the others, from `each_on_each`, [T, K].

    1 where fewer than two others show the structure: of two templates neither is known to be the better one.
    """
    others = (~iou.isnan()).sum(1)
    return torch.where(others < 2, 1.0, iou.nanmean(1).nan_to_num(1.0))


def track_alone(tracker: Tracker, features: Features, memory: Memory) -> Tracked:
    """What one template says of `N` objects; zeros where its memory is not valid."""
    some = memory.valid.nonzero()[:, 0]
    if len(some) == len(memory):
        return tracker.track(features, [memory])
    structures = len(memory) // len(features)
    # where nothing can be followed, one object is asked of for the shapes
    asked = some if len(some) else torch.arange(1, device=memory.valid.device)
    valid = torch.ones(len(asked), dtype=torch.bool, device=asked.device)
    found = tracker.track(features[asked // structures], [replace(memory[asked], valid=valid)])
    places = {}
    for name in Tracked.__dataclass_fields__:
        part = getattr(found, name)
        places[name] = part.new_zeros(len(memory), *part.shape[1:])
        places[name][some] = part[: len(some)]
    return Tracked(**places)


def _quality(found: Tracked) -> Tensor:
    return found.predicted_iou.clamp(0, 1) * found.object_score.sigmoid()
