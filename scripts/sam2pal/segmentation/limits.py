"""Area and place that the templates allow a structure: masks outside of them are flagged."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.dataset.runs import Runs
from sam2pal.images.letterbox import Letterbox

AREA, PLACE = "outside_template_area", "outside_template_place"


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

    @property
    def middle(self) -> complex:
        """Of the box: column + row * i."""
        top, left, bottom, right = self.box
        return complex(left + right, top + bottom) / 2


Limits = list[list[Limit | None]]
"""Of every view and structure."""


def learn_limits(masks: Tensor, shown: Tensor, options: SegmentationOptions) -> Limits:
    """The range over the templates, widened as the options say; None where none of them says anything.

    Args:
        masks: [T, V, K, s, s] drawn, in 0..1.
        shown: [T, V, K] bool.
    """
    side = masks.shape[-1]
    areas = (masks.sum((-2, -1)) / side**2).cpu()
    rows, columns = (masks.amax(axis).cpu() > 0 for axis in (-1, -2))
    by_view: Limits = []
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
    return by_view


def _ends(line: Tensor) -> tuple[int, int]:
    places = torch.nonzero(line)[:, 0]
    return int(places[0]), int(places[-1]) + 1


def check_mask(mask: Runs, limit: Limit, box: Letterbox) -> list[str]:
    """The flags of a mask that is larger, smaller or elsewhere than the templates' ones."""
    flags = []
    share = mask.area * box.scale**2 / box.square**2
    if not limit.smallest <= share <= limit.largest:
        flags.append(AREA)
    # the middle of the mask, as a share of the square
    top, left, height, width = box.box
    row, column = mask.middle()
    row = ((row - box.window.top) * height / box.window.height + top) / box.square
    column = ((column - box.window.left) * width / box.window.width + left) / box.square
    first, start, last, end = limit.box
    if not (first <= row <= last and start <= column <= end):
        flags.append(PLACE)
    return flags


def lies_beyond(
    missing: Limit, found: Sequence[tuple[Limit, tuple[int, int, int, int]]], size: tuple[int, int]
) -> bool:
    """Whether a structure without a mask should lie beyond the photograph.

    The templates' places of the structures that were found are laid on their places here (scaled, turned and
    shifted), and with them the place of the missing one.

    Args:
        found: of two or more structures the limit, and the (top, left, height, width) of the mask, upright.
        size: (height, width) of the photograph, upright.
    """
    drawn = np.array([limit.middle for limit, _ in found])
    here = np.array([complex(x + w / 2, y + h / 2) for _, (y, x, h, w) in found])
    apart = drawn - drawn.mean() if len(found) else drawn
    spread = (abs(apart) ** 2).sum()
    if not spread:
        return False
    turned = (apart.conj() * (here - here.mean())).sum() / spread
    place = here.mean() + turned * (missing.middle - drawn.mean())
    return not (0 <= place.real <= size[1] and 0 <= place.imag <= size[0])
