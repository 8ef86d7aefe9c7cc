"""How well confidences tell good masks from bad ones, within each structure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sam2pal.dataset.recalibration import Recalibration, labelled_in
from sam2pal.dataset.signals import GOOD_IOU
from sam2pal.evaluation.calibration import (
    auroc,
    brier_skill,
    expected_calibration_error,
    spearman,
)
from sam2pal.research.confidence.segmenting import Found, specimens_of
from sam2pal.segmentation.alikeness import Alikeness
from sam2pal.segmentation.confidence import Confidence

BAD_IOU = 0.5
ENOUGH = 10  # bad masks, for an AUROC that says something
MEASURES = ("auroc", "spearman", "ece", "noise", "brier")
Score = Callable[[Mapping[str, Any]], float]


def of_signal(name: str) -> Score:
    """A signal as a score, between 0 and 1."""

    def score(mask: Mapping[str, Any]) -> float:
        value = mask["signals"].get(name)
        return np.nan if value is None else min(max(value, 0.0), 1.0)

    return score


def product(mask: Mapping[str, Any]) -> float:
    """Predicted IoU times object score: the score before confidences were fitted."""
    signals = mask["signals"]
    return min(max(signals["predicted_iou"], 0.0), 1.0) * signals["object_score"]


def rescored(found: Found, confidence: Confidence) -> Found:
    """With the scores that another confidence gives to the same signals."""
    known = [
        replace(one, probability=confidence.unadapted(one.signals))
        for one in labelled_in(found.info)
    ]
    adapted = replace(confidence, recalibration=Recalibration.learn(known))
    masks = [
        mask
        | {
            "score": adapted(mask["structure"], mask["signals"]),
            "unadapted": confidence.unadapted(mask["signals"]),
        }
        for mask in found.masks
    ]
    return replace(found, masks=masks)


SCORES: dict[str, Score] = {
    "confidence": lambda mask: mask["score"],
    "before the genus is known": lambda mask: mask["unadapted"],
    "predicted IoU": of_signal("predicted_iou"),
    "former score": product,
}


def judged(found: Iterable[Found], scores: Mapping[str, Score]) -> list[dict[str, Any]]:
    """A row a case, structure and score: of masks that are there, by their IoU."""
    rows = []
    for of in found:
        for structure in of.case.structures:
            known = [m for m in of.masks if m["structure"] == structure and m["iou"] is not None]
            masks = [m for m in known if m["found"]]
            iou = np.array([mask["iou"] for mask in masks])
            for name, score in scores.items():
                given = np.array([score(mask) for mask in masks])
                there = np.isfinite(given)
                if there.any():
                    key = {"case": of.case.name, "structure": structure, "score": name}
                    rows.append(key | _judge(given[there], iou[there]))
    return rows


def _judge(given: np.ndarray, iou: np.ndarray) -> dict[str, Any]:
    good, bad = iou >= GOOD_IOU, iou < BAD_IOU
    return {
        "n": len(iou),
        "bad": int(bad.sum()),
        "good": int(good.sum()),
        "auroc": auroc(-given, bad) if bad.sum() >= ENOUGH else np.nan,
        "spearman": spearman(given, iou),
        "ece": expected_calibration_error(given, good),
        "noise": _noise(given),
        "brier": brier_skill(given, good),
    }


def _noise(given: np.ndarray, replicates: int = 200) -> float:
    """The calibration error that so few masks have on average if the probabilities are right."""
    rng = np.random.default_rng(1)
    drawn = rng.random((replicates, len(given))) < given
    return float(np.mean([expected_calibration_error(given, of) for of in drawn]))


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: a line a case and structure, and the means of each score."""
    lines = ["| case | structure | score | n | bad | good | " + " | ".join(MEASURES) + " |"]
    lines.append("| --- " * (6 + len(MEASURES)) + "|")
    for row in rows:
        cells = [str(row[key]) for key in ("case", "structure", "score", "n", "bad", "good")]
        lines.append("| " + " | ".join([*cells, *(_cell(row[m]) for m in MEASURES)]) + " |")
    for name in dict.fromkeys(row["score"] for row in rows):
        of = [row for row in rows if row["score"] == name]
        means = [_cell(np.nanmean([row[m] for row in of] or [np.nan])) for m in MEASURES]
        total = [str(sum(row[key] for row in of)) for key in ("n", "bad", "good")]
        lines.append("| " + " | ".join(["all", "mean", name, *total, *means]) + " |")
    return "\n".join(lines)


def recognised(found: Iterable[Found], foreign: Iterable[Found], alikeness: Alikeness) -> str:
    """Markdown: how well specimens are told from what the templates do not show, by what that is.

    Cases of one source are judged together. Flagged at the shipped limit, and at the limit that flags one in
    a hundred of these specimens.
    """
    lines = [
        "| source | what | specimens | others | AUROC | others flagged | specimens flagged"
        " | others flagged at 1 % of the specimens |",
        "| --- " * 8 + "|",
    ]
    sources: dict[str, tuple[list[tuple[float, bool]], dict[str, list[tuple[float, bool]]]]] = {}
    for own, other in zip(found, foreign, strict=True):
        right, kinds = sources.setdefault(own.case.source, ([], {}))
        right += [alikeness(of) for of in specimens_of(own).values()]
        for name, of in specimens_of(other).items():
            kinds.setdefault(name.split("/")[0], []).append(alikeness(of))
    for source, (right, kinds) in sources.items():
        same = kinds.pop("collection", None)
        kinds["all of these"] = [one for of in kinds.values() for one in of]
        if same:
            kinds["the other collection"] = same
        given = np.array([probability for probability, _ in right])
        for kind, of in kinds.items():
            values = np.array([probability for probability, _ in of])
            area = auroc(np.r_[-given, -values], np.arange(len(given) + len(values)) >= len(given))
            numbers = (
                area,
                np.mean([flagged for _, flagged in of]),
                np.mean([flagged for _, flagged in right]),
                np.mean(values < np.quantile(given, 0.01)),
            )
            cells = [source, kind, str(len(given)), str(len(values))]
            lines.append("| " + " | ".join([*cells, *map(_cell, numbers)]) + " |")
    return "\n".join(lines)


def _cell(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else ""
