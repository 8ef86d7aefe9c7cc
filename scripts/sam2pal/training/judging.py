"""What the model as it is makes of the templates and of the pool: validation, and guesses to learn from."""

import math

import torch
from torch import Tensor

from sam2pal.losses import at_size_of
from sam2pal.palindrome import View, direct
from sam2pal.tracker import Tracker, drawn_logits
from sam2pal.training.data import Data


@torch.no_grad()
def validate(tracker: Tracker, data: Data, pairs: int = 32, batch: int = 4) -> float:
    """Mean IoU from each template to unseen views of the others.

    To unseen views of itself if there is only one template, or if no two share a structure; NaN if no
    unseen view shows any.

    Args:
        pairs: no further templates are paired once so many pairs have been judged.
        batch: pairs that go through the model together.
    """
    templates = len(data.drawn.masks)
    scores: list[Tensor] = []
    judged = 0
    for shift in [*range(1, templates), 0]:
        if judged >= pairs or (shift == 0 and scores):
            break
        # of very many templates, some that are evenly spread
        count = min(templates, max(1, pairs - judged))
        sources = torch.linspace(0, templates - 1, count).round().long()
        for some in sources.split(batch):
            goal = data.unseen[(some + shift) % templates]
            followed = direct(tracker, data.drawn[some], goal)
            if followed is not None:
                scores.append(followed.iou())
                judged += len(some)
    return torch.cat(scores).mean().item() if scores else math.nan


@torch.no_grad()
def guess(tracker: Tracker, data: Data, labels: str = "hard", batch: int = 4) -> View:
    """The pool with the masks that the model sees there, all templates remembered together.

    Args:
        labels: `hard` (p > 0.5) or `soft` (p itself).
        batch: specimens that go through the model together.

    Returns:
        [P, K] masks of the size of the drawn ones; not known where no pixel has p > 0.5.
    """
    drawn, device = data.drawn, data.drawn.masks.device
    shown = drawn.known & (drawn.masks.flatten(2).amax(2) > 0.5)  # [T, K]
    followed = shown.any(0).nonzero()[:, 0]
    memories = [
        tracker.memorize(
            drawn.features[[t]],
            drawn_logits(drawn.remembered[t, followed][:, None]),
            shown[t, followed],
        )
        for t in range(len(drawn.masks))
    ]
    masks = drawn.masks.new_zeros(len(data.pool), *drawn.masks.shape[1:])
    for some in torch.arange(len(data.pool)).split(batch):
        tracked = tracker.track(data.pool[some], [m.repeat(len(some)) for m in memories])
        probability = at_size_of(tracked.logits.float(), masks).sigmoid()
        probability = probability.view(len(some), -1, *masks.shape[2:])
        masks[some[:, None].to(device), followed] = probability.to(masks)
    known = masks.flatten(2).amax(2) > 0.5
    return View(data.pool, (masks > 0.5).to(masks) if labels == "hard" else masks, known)
