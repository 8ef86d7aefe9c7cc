"""How much each structure counts, by its area on the templates."""

import torch
from torch import Tensor

_LARGEST = 4.0  # no structure counts more than so many times, or less than a quarter of, its number


def area_weights(masks: Tensor, known: Tensor) -> Tensor:
    """[K], one over the square root of a structure's mean area on the templates that show it, relative to the
    geometric mean of all structures, between 1/4 and 4; 1 for a structure that none shows.

    Args:
        masks: [T, K, h, w], drawn on the templates.
        known: [T, K] bool, what was annotated.
    """
    area = masks.float().flatten(2).mean(2)
    shown = known & (area > 0)
    mean = (area * shown).sum(0) / shown.sum(0).clamp(min=1)
    weights = torch.ones_like(mean)
    some = mean > 0
    if bool(some.any()):
        logs = mean[some].log()
        weights[some] = (0.5 * (logs.mean() - logs)).exp()
    return weights.clamp(1 / _LARGEST, _LARGEST)
