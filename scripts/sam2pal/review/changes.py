"""Changes of masks from one round to the next."""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sam2pal.dataset.dataset import Annotation, Dataset, State
from sam2pal.dataset.judged import Corrections
from sam2pal.evaluation.columns import COLUMNS as EVALUATION
from sam2pal.evaluation.overlap import iou
from sam2pal.io import tables
from sam2pal.io.errors import InputError
from sam2pal.morphometrics.tables.columns import COLUMNS as MORPHOMETRICS
from sam2pal.morphometrics.tables.columns import INTERVALS, widest

COMPARED = ("length", "width", "area")
COLUMNS = {
    **dict.fromkeys(("genus", "round_before", "round_after", "specimen", "structure"), str),
    **dict.fromkeys(("state_before", "state_after"), str),
    "overlap": float,
    **dict.fromkeys(("area_before_px", "area_after_px"), int),
    **dict.fromkeys(("confidence_before", "confidence_after"), float),
    **dict.fromkeys(("iou_before", "iou_after"), float),
    "measure": str,
    **dict.fromkeys(("value_before", "value_after", "ratio"), float),
    **dict.fromkeys(("unit", "beyond_interval"), str),
}
"""Columns of changes.csv.

overlap is the IoU of the masks of both rounds, iou_before and iou_after are those with the truth where
there is any; measure is the one of `COMPARED` that changed most, ratio its value after by before, both empty
of an accepted mask, which is measured in every round;
beyond_interval are those of `COMPARED` whose value after lies outside of all intervals before."""
Key = tuple[str, str]  # specimen and structure
Ends = tuple[float, float, float]  # a value and the ends of its interval, in pixels


def changes(
    genus: str,
    before: Sequence[Path],
    after: Sequence[Path],
    folders: tuple[Path, Path],
    corrections: Corrections | None = None,
    progress: Callable[[], None] = lambda: None,
) -> list[dict[str, Any]]:
    """Rows of `COLUMNS`, those that changed most first; masks that a person made are left out.

    Args:
        before, after: shards of the two rounds, of the same names.
        folders: of the two rounds, with their evaluation.csv and morphometrics.parquet.
        progress: called after every shard.

    Raises:
        InputError: the rounds do not have the same shards.
    """
    names = [[path.name for path in paths] for paths in (before, after)]
    if names[0] != names[1]:
        raise InputError(
            f"{folders[0]} and {folders[1]} do not have the same shards; run the workflow again"
        )
    said = [_learned(corrections, files) for files in (before, after)]
    scores = [_scores(folder / "evaluation.csv") for folder in folders]
    measured = [_measures(folder / "morphometrics.parquet") for folder in folders]
    rows = []
    for pair in zip(before, after, strict=True):
        for name, structure, one, other in _both(pair, said):
            key = (name, structure)
            row = {
                "genus": genus,
                "round_before": folders[0].name,
                "round_after": folders[1].name,
                "specimen": name,
                "structure": structure,
                "overlap": _overlap(one, other),
            }
            for when, annotation, found in zip(
                ("before", "after"), (one, other), scores, strict=True
            ):
                row[f"state_{when}"] = str(annotation.state)
                row[f"area_{when}_px"] = annotation.area
                row[f"confidence_{when}"] = annotation.score if annotation.area else None
                row[f"iou_{when}"] = found.get(key)
            rows.append(row | _most(*(of.get(key, {}) for of in measured)))
        progress()
    return sorted(rows, key=lambda row: (row["overlap"], row["specimen"], row["structure"]))


def _learned(corrections: Corrections | None, files: Sequence[Path]) -> Corrections | None:
    """The corrections as they move the confidences of one round."""
    own = copy.copy(corrections)
    if own:
        own.learn(files)
    return own


def _both(
    pair: tuple[Path, Path], said: Sequence[Corrections | None]
) -> Iterator[tuple[str, str, Annotation, Annotation]]:
    """Structures that are predicted in both rounds."""
    datasets = [
        of.apply(Dataset(path), settle=False) if of else Dataset(path)
        for path, of in zip(pair, said, strict=True)
    ]
    known = datasets[0].by_specimen()
    for specimen in datasets[1].by_specimen().values():
        earlier = known.get(specimen.specimen)
        if earlier is None or {specimen.status, earlier.status} != {"ok"}:
            continue
        for structure, other in specimen.annotations.items():
            one = earlier.annotations.get(structure)
            if one is None or one.by_hand or other.by_hand:
                continue
            if State.UNKNOWN not in (one.state, other.state):
                yield specimen.specimen, structure, one, other


def _overlap(one: Annotation, other: Annotation) -> float:
    if not one.area or not other.area:
        return float(one.area == other.area)
    if one.rle == other.rle:
        return 1.0
    return round(iou(one.mask(), other.mask()), 4)


def _most(before: dict[str, Ends], after: dict[str, Ends]) -> dict[str, Any]:
    """The measure that changed most, if any has a value in both rounds, and those beyond intervals."""
    both = {
        name: (before[name], after[name][0])
        for name in COMPARED
        if name in before and name in after
    }
    found = {
        name: other / one for name, ((one, *_), other) in both.items() if one > 0 and other > 0
    }
    if not found:
        return {}
    most = max(found, key=lambda name: max(found[name], 1 / found[name]))
    beyond = [name for name, ((_, low, high), other) in both.items() if not low <= other <= high]
    return {
        "measure": most,
        "unit": "px2" if most == "area" else "px",
        "value_before": before[most][0],
        "value_after": after[most][0],
        "ratio": round(found[most], 4),
        "beyond_interval": ";".join(beyond),
    }


def _scores(path: Path) -> dict[Key, float]:
    rows = tables.rows(path, EVALUATION, ("specimen", "structure", "iou"))
    return {tuple(key): iou for *key, iou in rows if iou is not None}


def _measures(path: Path) -> dict[Key, dict[str, Ends]]:
    names = ("specimen", "structure", "measure", "unit", "value", "verdict")
    names += tuple(name for ends in INTERVALS.values() for name in ends)
    found: dict[Key, dict[str, Ends]] = {}
    for values in tables.rows(path, MORPHOMETRICS, names):
        row = dict(zip(names, values, strict=True))
        of_prediction = row["value"] is not None and row["verdict"] != "accepted"
        if of_prediction and row["measure"] in COMPARED and row["unit"].startswith("px"):
            of = found.setdefault((row["specimen"], row["structure"]), {})
            of[row["measure"]] = row["value"], *(widest(row) or (-math.inf, math.inf))
    return found
