"""How much each structure counts: by numbers, by its area on the templates, or by how hard it is."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from sam2pal.training.palindrome import AnnotatedViews

_LARGEST = 4.0  # no structure counts more than so many times, or less than a quarter of, its number
_KEPT = 0.9  # of a running loss a step


def structure_weights(
    how: str, numbers: Tensor, drawn: AnnotatedViews, running: Sequence[float | None]
) -> Tensor:
    """[K], how much each structure counts.

    Args:
        how: `numbers`, `auto` (by area) or `difficulty` (by running loss).
        numbers: [K], the weights of the configuration.
        drawn: the templates that are trained on.
        running: see `running_losses`.
    """
    if how == "auto":
        return numbers * area_weights(drawn.masks, drawn.known)
    if how == "difficulty":
        return numbers * difficulty_weights(running).to(numbers)
    return numbers


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


def running_losses(
    running: Sequence[float | None], seen: Iterable[tuple[Tensor, Tensor]]
) -> list[float | None]:
    """The running loss of each structure after a step.

    Args:
        running: before it; None for a structure that no step has followed.
        seen: which structures were followed, [N], and their losses, [N], for each part of the step.
    """
    sums, counts = [0.0] * len(running), [0] * len(running)
    for structures, losses in seen:
        for structure, loss in zip(structures.tolist(), losses.tolist(), strict=True):
            sums[structure] += loss
            counts[structure] += 1
    after = list(running)
    for structure, count in enumerate(counts):
        if count:
            loss, before = sums[structure] / count, running[structure]
            after[structure] = loss if before is None else _KEPT * before + (1 - _KEPT) * loss
    return after


def difficulty_weights(running: Sequence[float | None]) -> Tensor:
    """[K], running losses relative to their mean, between 1/4 and 4; 1 for a structure that has none."""
    known = [loss for loss in running if loss is not None]
    mean = sum(known) / len(known) if known else 0.0
    weights = [1.0 if loss is None or mean == 0 else loss / mean for loss in running]
    return torch.tensor(weights).clamp(1 / _LARGEST, _LARGEST)
