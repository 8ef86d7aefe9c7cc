"""Judging a model on collections of real specimens, without training: template to specimen."""

import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sam2pal.dataset.dataset import AnnotatedSpecimen
from sam2pal.model.loading import annotated, read_template
from sam2pal.model.masks import at_size_of, hard_iou
from sam2pal.model.tracker import Memory, Tracker, drawn_logits
from sam2pal.research.benchmark.collection import read_collection

BATCH = 8


def template_draws(folder: Path, number: int = 5) -> list[AnnotatedSpecimen]:
    """Specimens that can each be the one template: of `templates_1.json`, then even-numbered ones.

    All of them are annotated for every structure, and the even-numbered ones lie evenly among all such.
    """
    first = read_collection(folder, "templates_1.json")
    known = read_collection(folder, "annotations.json")
    names = {name for template in known for name in template.masks}
    templates = {template.specimen for template in read_collection(folder, "templates_5.json")}
    templates |= {template.specimen for template in first}
    even = [
        t
        for t in known
        if int(t.specimen) % 2 == 0
        and t.specimen not in templates
        and names == {name for name, mask in t.masks.items() if mask.any()}
    ]
    places = np.linspace(0, len(even) - 1, number - 1).round().astype(int)
    return [*first, *(even[place] for place in places)]


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
    names, memories = _remember(tracker, templates)
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
        images, masks = _load(tracker, some, names, quarters)
        tracked = tracker.track(tracker.encode(images), [m.repeat(len(some)) for m in memories])
        iou = hard_iou(at_size_of(tracked.logits, masks), masks).tolist()
        visible = (tracked.object_score > 0).tolist()
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


def report_real(tracker: Tracker, folders: list[Path], parity: int) -> str:
    """Markdown tables: one template (five draws of it), five templates, specimens turned."""
    lines, names = [], []
    for folder in folders:
        # the same specimens in every row, none of them a template in any
        score = partial(
            evaluate_real,
            tracker,
            folder,
            parity,
            leave_out=frozenset(t.specimen for t in read_collection(folder, "templates_5.json")),
        )
        draws = [score([template]) for template in template_draws(folder)]
        five = score(5)
        if not lines:
            names = [name for name in five if not name.startswith(("absent", "present"))]
            lines = [
                f"| collection | templates | {' | '.join(names)} | missing recognised | present missed |",
                "| --- " * (len(names) + 4) + "|",
            ]
        rows = {f"1, draw {number}": row for number, row in enumerate(draws, 1)}
        rows["1, mean of draws"] = {
            name: float(np.mean([row[name] for row in draws])) for name in draws[0]
        }
        rows["5"] = five
        for quarters in (1, 2, 3):
            turned = score(1, quarters)
            rows[f"1, draw 1, specimens turned by {90 * quarters} degrees"] = turned
        for label, row in rows.items():
            numbers = " | ".join(f"{row[name]:.3f}" for name in names)
            absent = f"{row['absent_seen']:.2f}" if "absent_seen" in row else "none is missing"
            lines.append(
                f"| {folder.name} | {label} | {numbers} | {absent} | {row['present_missed']:.3f} |"
            )
    return "\n".join(lines)


@torch.no_grad()
def seconds_a_specimen(tracker: Tracker, folder: Path, templates: int = 1, most: int = 16) -> float:
    """Median seconds to encode one photograph and find all structures on it, one photograph a call."""
    names, memories = _remember(
        tracker, read_collection(folder, f"templates_{templates}.json")
    )
    spent = []
    for specimen in read_collection(folder, "annotations.json")[:most]:
        image, _ = read_template(specimen, names, tracker.model.image_size)
        began = time.perf_counter()
        tracker.track(tracker.encode(image[None]), memories)
        spent.append(time.perf_counter() - began)
    return float(np.median(spent))


def _remember(tracker: Tracker, templates: list[AnnotatedSpecimen]) -> tuple[list[str], list[Memory]]:
    """The structures that templates show, and a memory per template of all of them."""
    names = sorted({name for template in templates for name in template.masks})
    memories = []
    for template in templates:
        images, masks = _load(tracker, [template], names)
        memories.append(
            tracker.memorize(tracker.encode(images), drawn_logits(masks), annotated(template, names))
        )
    return names, memories


def _load(
    tracker: Tracker, specimens: list[AnnotatedSpecimen], names: list[str], quarters: int = 0
) -> tuple[Tensor, Tensor]:
    """[B] photographs [B, 3, S, S] and masks [B * K, 1, S, S]; a missing structure is empty."""
    loaded = [read_template(specimen, names, tracker.model.image_size) for specimen in specimens]
    images, masks = (
        torch.rot90(torch.stack(part), quarters, (2, 3)) for part in zip(*loaded, strict=True)
    )
    return images.contiguous(), masks.flatten(0, 1)[:, None].contiguous()
