"""Judging a model on collections of real specimens, without training: template to specimen."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from torch import Tensor

from sam2pal.dataset.dataset import AnnotatedSpecimen, Dataset
from sam2pal.images.letterbox import IMAGENET_MEAN, IMAGENET_STD
from sam2pal.io.figures import COLOURS
from sam2pal.model.loading import annotated, read_template
from sam2pal.model.tracker import Memory, Tracker, drawn_logits
from sam2pal.training.losses import at_size_of, hard_iou


def read_collection(folder: Path, name: str) -> list[AnnotatedSpecimen]:
    """The annotated specimens of a COCO file whose photographs lie in `folder/images`."""
    specimens = Dataset(folder / name, source="drawn").specimens
    return [replace(one, path=str(folder / "images" / one.file_name)) for one in specimens]


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


@dataclass(frozen=True)
class Found:
    """What was found on one real specimen.

    Attributes:
        names: [K], the structures.
        image: [3, S, S], normalised.
        drawn, found: [K, S, S] bool; a structure that is missing is empty in `drawn`.
        iou: [K].
        visible: [K], whether the model says that the structure is there.
    """

    specimen: AnnotatedSpecimen
    names: list[str]
    image: Tensor
    drawn: Tensor
    found: Tensor
    iou: list[float]
    visible: list[bool]

    @property
    def present(self) -> list[bool]:
        """[K], whether the specimen has the structure."""
        masks = self.specimen.masks
        return [name in masks and bool(masks[name].any()) for name in self.names]

    @property
    def mean(self) -> float:
        """Mean IoU over the structures that the specimen has."""
        return float(np.mean([i for i, there in zip(self.iou, self.present, strict=True) if there]))


def evaluate_real(
    tracker: Tracker,
    folder: Path,
    parity: int,
    templates: int | list[AnnotatedSpecimen] = 1,
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
    scores: dict[str, list[float]] = {}
    seen: dict[bool, list[bool]] = {True: [], False: []}
    for found in find_real(tracker, folder, parity, templates, quarters, leave_out, batch):
        rows = zip(found.names, found.iou, found.visible, found.present, strict=True)
        for name, iou, visible, present in rows:
            scores.setdefault(name, [])
            seen[present].append(visible)
            if present:
                scores[name].append(iou)
    result = {name: float(np.mean(values)) for name, values in scores.items() if values}
    result = {"mean": float(np.mean(list(result.values()))), **result}
    if seen[False]:
        result["absent_seen"] = 1 - float(np.mean(seen[False]))
    result["present_missed"] = 1 - float(np.mean(seen[True]))
    return {name: round(value, 4) for name, value in result.items()}


@torch.no_grad()
def find_real(
    tracker: Tracker,
    folder: Path,
    parity: int,
    templates: int | list[AnnotatedSpecimen] = 1,
    quarters: int = 0,
    leave_out: frozenset[str] = frozenset(),
    batch: int = 8,
) -> Iterator[Found]:
    """The structures on every specimen that `evaluate_real` scores; its arguments."""
    if isinstance(templates, int):
        templates = read_collection(folder, f"templates_{templates}.json")
    names, memories = _remember(tracker, templates)
    used = {template.specimen for template in templates} | leave_out
    truth = [
        t
        for t in read_collection(folder, "annotations.json")
        if t.specimen not in used and int(t.specimen) % 2 == parity
    ]
    for start in range(0, len(truth), batch):
        some = truth[start : start + batch]
        images, masks = _load(tracker, some, names, quarters)
        tracked = tracker.track(tracker.encode(images), [m.repeat(len(some)) for m in memories])
        logits = at_size_of(tracked.logits, masks)
        shape = len(some), len(names)
        iou = hard_iou(logits, masks).view(shape).tolist()
        visible = (tracked.object_score > 0).view(shape).tolist()
        drawn, found = ((m[:, 0].unflatten(0, shape)) for m in (masks > 0.5, logits > 0))
        for row in zip(some, images, drawn, found, iou, visible, strict=True):
            yield Found(row[0], names, *row[1:])


def worst_real(tracker: Tracker, folders: list[Path], parity: int, count: int = 20) -> Figure:
    """The specimens found worst with one template: what was drawn in white, what was found in colour."""
    found = [(folder.name, one) for folder in folders for one in find_real(tracker, folder, parity)]
    found = sorted(found, key=lambda entry: entry[1].mean)[:count]
    columns = 5
    rows = max(1, -(-len(found) // columns))
    figure = Figure(figsize=(3 * columns, 3.2 * rows), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for panel, (collection, one) in zip(axes, found, strict=False):
        panel.imshow(_colours(one.image))
        for number, (drawn, mask) in enumerate(zip(one.drawn, one.found, strict=True)):
            if drawn.any():
                panel.contour(drawn.numpy(), [0.5], colors="white", linewidths=0.6)
            if mask.any():
                panel.contour(mask.numpy(), [0.5], colors=COLOURS[number], linewidths=1.0)
        panel.set_title(f"{collection} {one.specimen.specimen}: {one.mean:.2f}", fontsize=9)
    for panel in axes:
        panel.axis("off")
    if found:
        names = found[0][1].names
        lines = [Line2D([], [], color=COLOURS[n], label=name) for n, name in enumerate(names)]
        lines.append(Line2D([], [], color="grey", linewidth=0.6, label="drawn (white)"))
        figure.legend(handles=lines, loc="outside lower center", ncols=len(lines))
    return figure


def _colours(image: Tensor) -> NDArray[np.float32]:
    """A normalised image [3, S, S] as [S, S, 3] in 0..1."""
    mean, std = (torch.tensor(v)[:, None, None] for v in (IMAGENET_MEAN, IMAGENET_STD))
    return (image * std + mean).clamp(0, 1).movedim(0, -1).numpy()


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
