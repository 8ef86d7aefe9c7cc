"""How alike photographs are: specimens and turned templates by their features, templates by their pixels."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from sam2pal.tracker import Tracker

GRID = 16
DUPLICATE = 0.95  # correlation of two photographs that are one


def fingerprint(tracker: Tracker, images: Tensor) -> Tensor:
    """[B, D] of length 1: the coarsest features at half the side, without their mean over the photograph.

    The dot product of two is 1 for the same features in the same places. What all places share (the
    background, the light) does not count. Half the side costs a quarter of an encoding.

    Args:
        images: [B, 3, S, S].
    """
    side = max(64, images.shape[-1] // 2 // 32 * 32)
    small = F.interpolate(images, (side, side), mode="bilinear", antialias=True)
    low = tracker.model.forward_image(small)["backbone_fpn"][-1].float()
    low = F.adaptive_avg_pool2d(low, min(GRID, low.shape[-1]))
    return F.normalize((low - low.mean((-2, -1), keepdim=True)).flatten(1), dim=1)


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
