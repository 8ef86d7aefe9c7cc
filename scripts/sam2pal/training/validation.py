"""Validation of a training on templates, and controls on the pool."""

import math

import torch
from torch import Tensor

from sam2pal.model.tracker import Tracker, drawn_logits
from sam2pal.training.data import Data
from sam2pal.training.palindrome import Followed, direct, drawn_in_both, mask_loss


@torch.no_grad()
def validate(tracker: Tracker, data: Data, pairs: int, batch: int) -> float:
    """Mean IoU from each template to unseen views of the others.

    To unseen views of itself if there is only one template, or if no two share a structure; NaN if no unseen
    view shows any.
    """
    scores: list[Tensor] = []
    judged = 0

    templates = len(data.drawn.masks)
    for shift in [*range(1, templates), 0]:
        if judged >= pairs or (shift == 0 and scores):
            break
        # of very many templates, some that are evenly spread
        for sources in _spread(templates, min(templates, max(1, pairs - judged))).split(batch):
            goals = (sources + shift) % templates
            followed = direct(tracker, data.drawn[sources], data.unseen[goals])
            if followed is not None:
                scores.append(followed.iou())
                judged += len(sources)
    return torch.cat(scores).mean().item() if scores else math.nan


def _spread(of: int, count: int) -> Tensor:
    return torch.linspace(0, of - 1, count).round().long()


@torch.no_grad()
def controls(tracker: Tracker, data: Data, weights: Tensor, pairs: int) -> dict[str, float]:
    """The loss of the way back from what was seen on an unlabelled specimen to an unseen view of the
    template, and what it is from memories that do not say where the structure is.

    If the way back needs what was seen, the loss is higher from the others: `control_blank`, a memory of an
    empty mask on the same specimen; `control_structure`, the memory of the template's next structure; and
    `control_specimen`, a memory of the same mask laid on another specimen.
    """
    templates = torch.arange(pairs) % len(data.drawn.masks)
    chosen = _spread(data.specimens, pairs) * data.copies
    start, back = data.drawn[templates], data.unseen[templates]
    usable = drawn_in_both(start, back)
    if not bool(usable.any()):
        return {}
    images, structure = usable.nonzero(as_tuple=True)
    specimens = tracker.finish(data.pool[chosen])[images]
    on_way_back = tracker.finish(back.features)[images]
    memory = tracker.memorize(
        tracker.finish(start.features)[images],
        drawn_logits(start.masks[images, structure][:, None]),
    )
    seen = tracker.track(specimens, [memory]).logits
    own = tracker.memorize(specimens, seen)
    target = back.masks[images, structure][:, None]
    following = _next_of_image(images)
    nothing = drawn_logits(torch.zeros_like(seen))
    memories = {"true": own, "blank": tracker.memorize(specimens, nothing)}
    if following is not None:
        memories["structure"] = own[following]
    if data.specimens > 1:
        others = (chosen + max(1, data.specimens // 2) * data.copies) % len(data.pool)
        others = tracker.finish(data.pool[others])[images]
        memories["specimen"] = tracker.memorize(others, seen)
    numbers = {}
    for name, remembered in memories.items():
        followed = Followed(tracker.track(on_way_back, [remembered]), target, structure)
        numbers[f"control_{name}"] = mask_loss(followed, weights).item()
    return numbers


def _next_of_image(images: Tensor) -> Tensor | None:
    """For each object the next of the same image; None where an image has only one."""
    of = images.tolist()
    following = []
    for place, image in enumerate(of):
        same = [other for other, its in enumerate(of) if its == image]
        if len(same) < 2:
            return None
        following.append(same[(same.index(place) + 1) % len(same)])
    return torch.tensor(following)
