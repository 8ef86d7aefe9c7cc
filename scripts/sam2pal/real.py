"""Judging a model on collections of real specimens, without training: template to specimen."""

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


@torch.no_grad()
def evaluate_real(
    tracker: Tracker, folder: Path, parity: int, templates: int = 1, batch: int = 8
) -> dict[str, float]:
    """Mean IoU by structure at the model's resolution, upright as photographed.

    Args:
        folder: holds `images/`, `annotations.json` (truth) and `templates_{templates}.json`.
        parity: 0 or 1, which specimens by the parity of their number.

    Returns:
        IoU by structure and their `mean`; a quick look, the tables come from `evaluate.py`.
    """
    drawn = read_collection(folder, f"templates_{templates}.json")
    names = sorted({name for template in drawn for name in template.masks})
    memories = []
    for template in drawn:
        features, masks = _load(tracker, [template], names)
        memories.append(tracker.memorize(features, drawn_logits(masks), annotated(template, names)))
    used = {template.specimen for template in drawn}
    truth = [
        t
        for t in read_collection(folder, "annotations.json")
        if t.specimen not in used and int(t.specimen) % 2 == parity
    ]
    scores: dict[str, list[float]] = {name: [] for name in names}
    for start in range(0, len(truth), batch):
        some = truth[start : start + batch]
        features, masks = _load(tracker, some, names)
        tracked = tracker.track(features, [m.repeat(len(some)) for m in memories])
        found = torch.nn.functional.interpolate(
            tracked.logits, masks.shape[-2:], mode="bilinear", align_corners=False
        )
        iou = hard_iou(found, masks).view(len(some), len(names))
        for row, specimen in zip(iou.tolist(), some, strict=True):
            for name, value in zip(names, row, strict=True):
                if name in specimen.masks and specimen.masks[name].any():
                    scores[name].append(value)
    result = {name: round(float(np.mean(values)), 4) for name, values in scores.items()}
    return {"mean": round(float(np.mean(list(result.values()))), 4), **result}


def _load(tracker: Tracker, specimens: list[Template], names: list[str]) -> tuple[Features, Tensor]:
    """Features of [B] photographs and masks [B * K, 1, S, S]; a missing structure is empty."""
    loaded = [read_template(specimen, names, tracker.model.image_size) for specimen in specimens]
    images, masks = (torch.stack(part) for part in zip(*loaded, strict=True))
    return tracker.encode(images), masks.flatten(0, 1)[:, None]
