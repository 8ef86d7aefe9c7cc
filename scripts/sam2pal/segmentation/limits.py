"""Area and place that the templates allow a structure: masks outside of them are flagged, or clamped."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.images.letterbox import Letterbox

AREA, PLACE, CLAMPED = "outside_template_area", "outside_template_place", "clamped"


@dataclass(frozen=True)
class Limit:
    """What one structure may be in one view, as shares of the square.

    Attributes:
        smallest, largest: area.
        box: (top, left, bottom, right) in which it lies.
    """

    smallest: float
    largest: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Limits:
    """Of every view and structure: `by_view[v][k]`, None where no template says anything."""

    by_view: list[list[Limit | None]]


def learn_limits(masks: Tensor, shown: Tensor, options: SegmentationOptions) -> Limits:
    """The range over the templates, widened as the options say.

    Args:
        masks: [T, V, K, s, s] drawn, in 0..1.
        shown: [T, V, K] bool.
    """
    side = masks.shape[-1]
    areas = (masks.sum((-2, -1)) / side**2).cpu()
    rows, columns = (masks.amax(axis).cpu() > 0 for axis in (-1, -2))
    by_view = []
    for view in range(masks.shape[1]):
        limits: list[Limit | None] = []
        for structure in range(masks.shape[2]):
            here = shown[:, view, structure].nonzero()[:, 0].tolist()
            ends = [
                (*_ends(rows[t, view, structure]), *_ends(columns[t, view, structure]))
                for t in here
                if bool(rows[t, view, structure].any())
            ]
            if not ends:
                limits.append(None)
                continue
            area = areas[here, view, structure]
            top, bottom, left, right = np.array(ends).T / side
            wider = options.place_margin
            limits.append(
                Limit(
                    float(area.min()) / options.area_range,
                    float(area.max()) * options.area_range,
                    (
                        float(top.min()) - wider,
                        float(left.min()) - wider,
                        float(bottom.max()) + wider,
                        float(right.max()) + wider,
                    ),
                )
            )
        by_view.append(limits)
    return Limits(by_view)


def _ends(line: Tensor) -> tuple[int, int]:
    places = torch.nonzero(line)[:, 0]
    return int(places[0]), int(places[-1]) + 1


def check_mask(mask: np.ndarray, limit: Limit, box: Letterbox) -> list[str]:
    """The flags of a mask that is larger, smaller or elsewhere than the templates' ones.

    Args:
        mask: bool [H, W], upright; not empty.
    """
    flags = []
    share = mask.sum() * box.scale**2 / box.square**2
    if not limit.smallest <= share <= limit.largest:
        flags.append(AREA)
    # the middle of the mask, as a share of the square
    top, left, height, width = box.box
    row = (_middle(mask.sum(1)) * height / box.height + top) / box.square
    column = (_middle(mask.sum(0)) * width / box.width + left) / box.square
    first, start, last, end = limit.box
    if not (first <= row <= last and start <= column <= end):
        flags.append(PLACE)
    return flags


def _middle(counts: np.ndarray) -> float:
    return float((counts * (np.arange(len(counts)) + 0.5)).sum() / counts.sum())


def clamp(probability: np.ndarray, threshold: float, limit: Limit, box: Letterbox) -> np.ndarray:
    """Probabilities with nothing outside of the box and, above the threshold, no more than the largest area.

    What is too much is what is least probable.

    Args:
        probability: [H, W], upright.
    """
    top, left, height, width = box.box
    first, start, last, end = (edge * box.square for edge in limit.box)
    rows = (np.arange(box.height) + 0.5) / box.height * height + top
    columns = (np.arange(box.width) + 0.5) / box.width * width + left
    inside = ((rows >= first) & (rows <= last))[:, None] & ((columns >= start) & (columns <= end))
    kept = np.where(inside, probability, 0.0)
    most = int(limit.largest * box.square**2 / box.scale**2)
    if (kept > threshold).sum() > most:
        least = np.partition(kept.ravel(), -most - 1)[-most - 1] if most < kept.size else 0.0
        kept = np.where(kept > least, kept, np.minimum(kept, threshold))
    return kept
