"""How alike photographs are: specimens and turned templates by their features, templates by their pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sam2pal.model.tracker import Tracker
from sam2pal.model.views import View

GRID = 16
DUPLICATE = 0.95  # correlation of two photographs that are one


def describe(tracker: Tracker, images: Tensor) -> Tensor:
    """Descriptors of images, [B, D] of length 1.

    The coarsest features at half the side, without their mean over the photograph: what all places share
    (the background, the light) does not count. The dot product of two is 1 for the same features in the same
    places. Half the side costs a quarter of an encoding.

    Args:
        images: [B, 3, S, S].
    """
    side = max(64, images.shape[-1] // 2 // 32 * 32)
    small = F.interpolate(images, (side, side), mode="bilinear", antialias=True)
    low = tracker.coarse(small).float()
    low = F.adaptive_avg_pool2d(low, min(GRID, low.shape[-1]))
    return F.normalize((low - low.mean((-2, -1), keepdim=True)).flatten(1), dim=1)


def describe_bodies(low: Tensor, masks: Tensor) -> Tensor:
    """How the features of what is outlined differ from those of its whole photograph, [B, C] of length 1.

    Args:
        low: [B, C, s, s], the coarsest features.
        masks: [B, S, S] of the same photographs, S a multiple of s.
    """
    low = low.float()
    share = F.adaptive_avg_pool2d(masks.float()[:, None], low.shape[-1])
    inside = (low * share).sum((-2, -1)) / share.sum((-2, -1)).clamp(min=1e-6)
    return F.normalize(inside - low.mean((-2, -1)), dim=1)


@dataclass(frozen=True)
class Match:
    """How `B` specimens lie against the templates.

    Attributes:
        view: [B], index of the view in which the templates resemble each specimen most.
        scores: [B, V], how alike the specimen and the templates are in each view, mean over templates.
    """

    view: Tensor
    scores: Tensor


def match(tracker: Tracker, templates: Tensor, images: Tensor) -> Match:
    """Find the view that each specimen resembles most.

    Args:
        templates: their descriptors in every view, [T, V, D].
        images: [B, 3, S, S].
    """
    described = describe(tracker, images)
    with torch.autocast(images.device.type, enabled=False):  # half precision knows three digits
        alike = torch.einsum("bd, tvd -> bvt", described, templates)
    scores = alike.mean(2)
    return Match(scores.argmax(1), scores)


def near_duplicates(images: Sequence[Tensor], names: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of templates that are nearly the same photograph, saved anew or slightly cut.

    Args:
        images: [3, S, S] each.
    """
    small = torch.stack([F.adaptive_avg_pool2d(image, 32).flatten() for image in images])
    small = F.normalize(small - small.mean(1, keepdim=True), dim=1)
    alike = small @ small.T
    return [
        (names[i], names[j])
        for i in range(len(names))
        for j in range(i + 1, len(names))
        if alike[i, j] > DUPLICATE
    ]


@dataclass(frozen=True)
class Alignment:
    """How `T` templates are turned to lie alike.

    Attributes:
        reference: the template that most others agree with, of those that stay as photographed.
        turns: [T], counterclockwise, in degrees.
    """

    reference: int
    turns: tuple[int, ...]


TIE = 1e-3  # overlaps that differ by less are equal


def align(masks: Sequence[Tensor], known: Tensor) -> Alignment:
    """Turn templates by quarter turns to lie as most of them were photographed.

    Decided by the drawn masks, moved onto each other's centre. Every template is turned to where it overlaps
    most with the one that overlaps most with all others; one that shares no structure with it is not turned.
    Of the four ways in which all may then lie, the one is taken that turns fewest templates.

    Args:
        masks: [K, S, S] each.
        known: [T, K] bool.
    """
    small = [F.adaptive_avg_pool2d(mask, 32) for mask in masks]
    count = len(small)
    overlap = torch.zeros(count, count, 4)
    for i in range(count):
        for j in range(i + 1, count):
            shared = known[i] & known[j]
            if shared.any():
                overlap[i, j] = _overlap(small[i][shared], small[j][shared])
                overlap[j, i] = overlap[i, j, [0, 3, 2, 1]]
    best = overlap.amax(2)
    middle = _first_best(best.sum(1).tolist())
    # no turn of its own against itself
    compared = [middle, *(i for i in range(count) if best[middle, i] > 0)]
    quarters = {i: _first_best(overlap[middle, i].tolist()) for i in compared}
    found = list(quarters.values())
    way = max(found, key=found.count)  # the first of equals is that of the middle one
    turns = tuple(90 * ((quarters.get(i, way) - way) % 4) for i in range(count))
    unturned = [i for i in sorted(compared) if turns[i] == 0]
    reference = unturned[_first_best(best.sum(1)[unturned].tolist())]
    return Alignment(reference, turns)


def _first_best(values: Sequence[float]) -> int:
    return next(i for i, value in enumerate(values) if value >= max(values) - TIE)


def _overlap(first: Tensor, other: Tensor) -> Tensor:
    """[4], the sum of the overlaps of structures [K, s, s] for each quarter turn of the other."""
    # what only one of them shows would move its centre, so both show the same structures
    first, other = _centred(first), _centred(other)
    overlaps = []
    for turn in (0, 90, 180, 270):
        turned = View(turn).apply(other)
        least = torch.minimum(turned, first).sum((1, 2))
        most = torch.maximum(turned, first).sum((1, 2))
        overlaps.append((least / most.clamp(min=1e-6)).sum())
    return torch.stack(overlaps)


def _centred(masks: Tensor) -> Tensor:
    """[K, s, s] moved so that the middle of their union lies in the middle of the grid."""
    union = masks.amax(0)
    side = union.shape[-1]
    place = torch.arange(side) + 0.5
    weight = union.sum().clamp(min=1e-6)
    down = side / 2 - float((union.sum(1) * place).sum() / weight)
    right = side / 2 - float((union.sum(0) * place).sum() / weight)
    return masks.roll((round(down), round(right)), (-2, -1))
