"""Judging a model on collections of real specimens, without training: template to specimen."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sam2pal.dataset.dataset import AnnotatedSpecimen
from sam2pal.model.combining import Decision, decide_together
from sam2pal.model.masks import at_size_of, hard_iou
from sam2pal.model.templates import TemplateSet
from sam2pal.model.tracker import Features, Memory, Tracked, Tracker, drawn_logits
from sam2pal.research.benchmark.collection import read_collection

BATCH = 8


@torch.no_grad()
def evaluate_real(
    tracker: Tracker,
    folder: Path,
    parity: int,
    templates: int | list[AnnotatedSpecimen] = 1,
    quarters: int = 0,
    leave_out: frozenset[str] = frozenset(),
) -> dict[str, float]:
    """Mean IoU by structure at the model's resolution, template to specimen.

    Args:
        folder: holds `images/`, `annotations.json` (truth) and `templates_{number}.json`.
        parity: 0 or 1, which specimens by the parity of their number; templates are never scored.
        templates: the number of a file of templates, or the templates.
        quarters: by how many times 90 degrees the specimens, not the templates, are turned.
        leave_out: specimens that are not scored either.

    Returns:
        IoU by structure and their `mean`, over the specimens that have the structure; `absent_seen`, the
        share of the missing structures that were recognised as such (if any is missing), and
        `present_missed`, the share of the others that were wrongly called missing.
    """
    if isinstance(templates, int):
        templates = read_collection(folder, f"templates_{templates}.json")
    names, memories = remember(tracker, templates)
    used = {template.specimen for template in templates} | leave_out
    truth = [
        t
        for t in read_collection(folder, "annotations.json")
        if t.specimen not in used and int(t.specimen) % 2 == parity
    ]
    scores: dict[str, list[float]] = {name: [] for name in names}
    seen: dict[bool, list[bool]] = {True: [], False: []}
    for start in range(0, len(truth), BATCH):
        some = truth[start : start + BATCH]
        images, masks, _ = _load(tracker, some, names, quarters)
        recalled = [m[[*range(len(m))] * len(some)] for m in memories]
        decided = decide(tracker, tracker.encode(images), recalled)
        iou = hard_iou(at_size_of(decided.logits, masks), masks).tolist()
        visible = (decided.object_score > 0).tolist()
        drawn = [n in s.masks and bool(s.masks[n].any()) for s in some for n in names]
        for name, found, said, present in zip(names * len(some), iou, visible, drawn, strict=True):
            seen[present].append(said)
            if present:
                scores[name].append(found)
    result = {name: float(np.mean(values)) for name, values in scores.items() if values}
    result = {"mean": float(np.mean(list(result.values()))), **result}
    if seen[False]:
        result["absent_seen"] = 1 - float(np.mean(seen[False]))
    result["present_missed"] = 1 - float(np.mean(seen[True]))
    return {name: round(value, 4) for name, value in result.items()}


def decide(tracker: Tracker, features: Features, memories: list[Memory]) -> Tracked | Decision:
    """What templates say together, as in the workflow; what one says that shows all structures."""
    if len(memories) == 1:
        return tracker.track(features, memories)
    valid = torch.stack([memory.valid for memory in memories], 1)
    return decide_together(tracker, features, memories, valid, torch.ones(valid.shape))


def remember(
    tracker: Tracker, templates: list[AnnotatedSpecimen]
) -> tuple[list[str], list[Memory]]:
    """The structures that templates show, and a memory per template of all of them."""
    names = sorted({name for template in templates for name in template.masks})
    memories = []
    for template in templates:
        images, masks, annotated = _load(tracker, [template], names)
        features = tracker.encode(images)
        memories.append(tracker.memorize(features, drawn_logits(masks), annotated[0]))
    return names, memories


def _load(
    tracker: Tracker, specimens: list[AnnotatedSpecimen], names: list[str], quarters: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Photographs [B, 3, S, S], masks [B * K, 1, S, S], and which of them are annotated [B, K]."""
    some = TemplateSet.read(specimens, names, tracker.model.image_size, aligned=False)
    images, masks = (torch.rot90(part, quarters, (2, 3)) for part in (some.images, some.masks))
    return images.contiguous(), masks.flatten(0, 1)[:, None].contiguous(), some.annotated
