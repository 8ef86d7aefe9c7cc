"""Whether a specimen shows a structure: found, absent, or outside of the photograph."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.dataset.dataset import State
from sam2pal.dataset.runs import Runs
from sam2pal.images.reading import Photograph
from sam2pal.segmentation.bank import Bank
from sam2pal.segmentation.level_sets import logit
from sam2pal.segmentation.limits import Limit, lies_beyond

SURE = 0.7  # share of the templates' logit above which a faint structure is there all the same


@dataclass(frozen=True)
class Thresholds:
    """Limits below which a structure is called absent; NaN for none.

    Attributes:
        logit: that it is there.
        contrast: of its colour with what surrounds it, unless the logit is at least `sure`.
    """

    logit: float
    contrast: float = np.nan
    sure: float = np.nan

    @staticmethod
    def of(bank: Bank, options: SegmentationOptions) -> "list[Thresholds]":
        """Of each structure, as shares of what the templates themselves have."""
        return [
            Thresholds(options.absent_below * sure, options.faint_below * contrast, SURE * sure)
            for sure, contrast in zip(bank.sure, bank.contrast, strict=True)
        ]

    def is_met(self, signals: dict[str, float | None]) -> bool:
        there, contrast = signals.get("object_score"), signals.get("contrast")
        if there is None:
            return True
        faint = contrast is not None and contrast < self.contrast
        return not (logit(there) < self.logit or (faint and logit(there) < self.sure))


def decide_states(
    entries: Iterable[dict[str, Any]],
    photograph: Photograph,
    limits: Sequence[Limit | None],
    thresholds: Sequence[Thresholds],
) -> list[dict[str, Any]]:
    """The annotations of a specimen without masks of what is not there, and why it is not.

    Args:
        entries: of every structure, in the order of `limits`.
        limits: in the view that was taken.
        thresholds: what a mask needs not to be dropped.
    """
    entries = [
        _dropped(entry, photograph)
        if entry["area"] and not of.is_met(entry["confidence"])
        else entry
        for entry, of in zip(entries, thresholds, strict=True)
    ]
    known = [
        (limit, photograph.upright_box(*entry["bbox"]), entry["state"] == State.OUTSIDE)
        for entry, limit in zip(entries, limits, strict=True)
        if limit is not None and entry["area"]
    ]
    # a mask that is cut does not lie where its structure does
    whole = [(limit, box) for limit, box, cut in known if not cut]
    found = whole if len(whole) > 1 else [(limit, box) for limit, box, _ in known]
    for entry, limit in zip(entries, limits, strict=True):
        missing = entry["source"] == "predicted" and entry["state"] == State.ABSENT
        if missing and limit is not None and lies_beyond(limit, found, photograph.displayed_shape):
            entry["state"] = State.OUTSIDE
    return entries


def _dropped(entry: dict[str, Any], photograph: Photograph) -> dict[str, Any]:
    """An annotation without its mask."""
    nothing = Runs.empty(photograph.height, photograph.width)
    return entry | {
        "segmentation": nothing.rle(),
        "area": 0,
        "bbox": list(nothing.bbox()),
        "areas": dict.fromkeys(entry["areas"], 0),
        "score": 0.0,
        "flags": [*entry["flags"], "absent"],
        "state": State.ABSENT,
    }
