"""Judging a model on collections of real specimens, without training: template to specimen."""

import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sam2pal.coco import Template, decode_mask, load
from sam2pal.loading import annotated, read_template
from sam2pal.losses import hard_iou
from sam2pal.tracker import Features, Tracker, drawn_logits


def read_collection(folder: Path, name: str) -> list[Template]:
    """The annotated specimens of a COCO file whose photographs lie in `folder/images`."""
    data = load(folder / name)
    names = {category["id"]: category["name"] for category in data["categories"]}
    specimens = {
        image["id"]: Template(
            Path(image["file_name"]).stem,
            str(folder / "images" / image["file_name"]),
            image["width"],
            image["height"],
            {},
        )
        for image in data["images"]
    }
    for annotation in data["annotations"]:
        masks = specimens[annotation["image_id"]].masks
        masks[names[annotation["category_id"]]] = decode_mask(annotation["segmentation"])
    return list(specimens.values())


def template_draws(folder: Path, number: int = 5) -> list[Template]:
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
    templates: int | list[Template] = 1,
    quarters: int = 0,
    leave_out: frozenset[str] = frozenset(),
    batch: int = 8,
) -> dict[str, float]:
    """Mean IoU by structure at the model's resolution; a round's own tables come from `evaluate.py`.

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
    names = sorted({name for template in templates for name in template.masks})
    memories = []
    for template in templates:
        features, masks = _load(tracker, [template], names)
        memories.append(tracker.memorize(features, drawn_logits(masks), annotated(template, names)))
    used = {template.specimen for template in templates} | leave_out
    truth = [
        t
        for t in read_collection(folder, "annotations.json")
        if t.specimen not in used and int(t.specimen) % 2 == parity
    ]
    scores: dict[str, list[float]] = {name: [] for name in names}
    seen: dict[bool, list[bool]] = {True: [], False: []}
    for start in range(0, len(truth), batch):
        some = truth[start : start + batch]
        features, masks = _load(tracker, some, names, quarters)
        tracked = tracker.track(features, [m.repeat(len(some)) for m in memories])
        found = torch.nn.functional.interpolate(
            tracked.logits, masks.shape[-2:], mode="bilinear", align_corners=False
        )
        iou = hard_iou(found, masks).view(len(some), len(names)).tolist()
        positive = (tracked.object_score > 0).view(len(some), len(names)).tolist()
        for row, specimen in enumerate(some):
            for column, name in enumerate(names):
                present = name in specimen.masks and bool(specimen.masks[name].any())
                seen[present].append(positive[row][column])
                if present:
                    scores[name].append(iou[row][column])
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
    drawn = read_collection(folder, f"templates_{templates}.json")
    names = sorted({name for template in drawn for name in template.masks})
    memories = []
    for template in drawn:
        features, masks = _load(tracker, [template], names)
        memories.append(tracker.memorize(features, drawn_logits(masks), annotated(template, names)))
    spent = []
    for specimen in read_collection(folder, "annotations.json")[:most]:
        image, _ = read_template(specimen, names, tracker.model.image_size)
        began = time.perf_counter()
        tracker.track(tracker.encode(image[None]), memories)
        spent.append(time.perf_counter() - began)
    return float(np.median(spent))


def _load(
    tracker: Tracker, specimens: list[Template], names: list[str], quarters: int = 0
) -> tuple[Features, Tensor]:
    """Features of [B] photographs and masks [B * K, 1, S, S]; a missing structure is empty."""
    loaded = [read_template(specimen, names, tracker.model.image_size) for specimen in specimens]
    images, masks = (
        torch.rot90(torch.stack(part), quarters, (2, 3)) for part in zip(*loaded, strict=True)
    )
    return tracker.encode(images.contiguous()), masks.flatten(0, 1)[:, None].contiguous()
