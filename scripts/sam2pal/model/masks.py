"""Mask logits at another size, and against drawn masks."""

import torch
import torch.nn.functional as F
from torch import Tensor


def at_size_of(logits: Tensor, target: Tensor) -> Tensor:
    """Mask logits as they are applied to a larger image: interpolated, [N, M, h, w] to [N, M, H, W]."""
    if logits.shape[-2:] == target.shape[-2:]:
        return logits
    return F.interpolate(logits.float(), target.shape[-2:], mode="bilinear", align_corners=False)


@torch.no_grad()
def hard_iou(logits: Tensor, target: Tensor) -> Tensor:
    """IoU of the masks p > 0.5 and target > 0.5; [N, 1, h, w] twice to [N]. Empty against empty is 1."""
    mask, truth = (logits > 0).flatten(1), (target > 0.5).flatten(1)
    union = (mask | truth).sum(1)
    return torch.where(union > 0, (mask & truth).sum(1) / union.clamp(min=1), 1.0)
