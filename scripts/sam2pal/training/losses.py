"""Losses between predicted mask logits and drawn masks, one number per object."""

import torch.nn.functional as F
from torch import Tensor


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """1 - Dice of soft masks; [N, 1, h, w] twice to [N]. Empty against empty is 0."""
    probability, target = logits.float().sigmoid().flatten(1), target.float().flatten(1)
    overlap = 2 * (probability * target).sum(1)
    return 1 - (overlap + 1) / (probability.sum(1) + target.sum(1) + 1)


def focal_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Focal loss (Lin et al. 2017), gamma 2, no class weight, mean over pixels; [N, 1, h, w] twice to [N]."""
    logits, target = logits.float(), target.float()
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    wrong = (logits.sigmoid() - target).abs()  # 1 - p of the true class
    return (loss * wrong**2).flatten(1).mean(1)
