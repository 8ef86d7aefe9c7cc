"""Which specimens to correct next, and why."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sam2pal.dataset.dataset import Annotation, Dataset, State, check_structures
from sam2pal.dataset.judged import Corrections
from sam2pal.dataset.recalibration import PROBABILITY_MARGIN

Values = NDArray[np.float64]
COLUMNS = {
    "rank": int,
    **dict.fromkeys(("genus", "round", "specimen", "structure", "state", "reason"), str),
    **dict.fromkeys(("confidence", "standardised", "likeness"), float),
    "path": str,
}
"""Columns of next.csv.

structure is the one to look at first, state and confidence those of its mask; standardised is the
specimen's mean over structures of the log odds of the confidence less their mean for the structure, in
standard deviations; likeness is that of the photograph to the templates'."""
LOW = -1.0  # standard deviations below the mean that are worth saying
_ASKED = ("needs_correction", "rejected")


@dataclass(frozen=True)
class Candidate:
    """A specimen with masks that are not judged, or are judged wrong.

    Attributes:
        scores: [K], confidence of the masks that nobody accepted; NaN of the others.
        states: of all structures; `empty` are those without a mask.
        asked: structures whose mask a person wants corrected, with what they said.
        likeness: of its photograph to the templates'; NaN if not known.
    """

    specimen: str
    path: str
    scores: Values
    states: dict[str, State]
    empty: frozenset[str]
    asked: dict[str, str]
    likeness: float


def rank(
    files: Sequence[str | Path],
    count: int,
    corrections: Corrections | None = None,
    genus: str = "",
    round_: str = "",
) -> tuple[list[dict[str, Any]], int]:
    """The specimens most worth correcting.

    Those come first of which a person said that a mask is wrong, then those of the lowest confidence: the
    mean over structures of how far the confidence of each mask lies below that of others of its structure.

    Args:
        files: shards of a genus and round.
        count: how many at most.

    Returns:
        Rows of `COLUMNS`, and how many specimens there are to be ranked.

    Raises:
        InputError: a file is not sound, or they differ in their structures.
    """
    if corrections:
        corrections.learn(files)
    structures: list[str] = []
    confirmed: set[str] = set()
    found: list[Candidate] = []
    for dataset in _datasets(files, corrections, structures):
        for specimen in dataset.by_specimen().values():
            if specimen.status != "ok" or not specimen.annotations:
                continue
            marks = specimen.annotations
            confirmed |= {
                name for name, of in marks.items() if of.verdict in ("accepted", "corrected")
            }
            asked = {name: of.verdict for name, of in marks.items() if of.verdict in _ASKED}
            scores = np.array([_score(marks.get(name)) for name in structures])
            wrong = any(of.verdict == "wrong_specimen" for of in marks.values())
            if not wrong and (asked or np.isfinite(scores).any()):
                likeness = np.nan if specimen.likeness is None else specimen.likeness
                states = {name: of.state for name, of in marks.items()}
                empty = frozenset(name for name, of in marks.items() if not of.area)
                name, path = specimen.specimen, specimen.path
                found.append(Candidate(name, path, scores, states, empty, asked, likeness))
    if not found:
        return [], 0
    scores = np.stack([one.scores for one in found])
    least = np.clip(scores, PROBABILITY_MARGIN, 1 - PROBABILITY_MARGIN)
    apart = standardised(np.log(least / (1 - least)))
    known = np.isfinite(apart)
    means = np.where(known, apart, 0).sum(1) / np.maximum(known.sum(1), 1)
    likeness = standardised(np.array([[one.likeness] for one in found]))[:, 0]
    order = sorted(range(len(found)), key=lambda i: (not found[i].asked, means[i], i))
    rows = []
    for place, i in enumerate(order[:count], 1):
        one, row = found[i], apart[i]
        first = _first(one, row, structures)
        rows.append(
            {
                "rank": place,
                "genus": genus,
                "round": round_,
                "specimen": one.specimen,
                "structure": first,
                "state": str(one.states.get(first, State.UNKNOWN)),
                "reason": "; ".join(_reasons(one, row, structures, confirmed, likeness[i])),
                "confidence": None
                if first in one.empty
                else _number(one.scores[structures.index(first)]),
                "standardised": _number(means[i]),
                "likeness": _number(one.likeness),
                "path": one.path,
            }
        )
    return rows, len(found)


def standardised(scores: Values) -> Values:
    """Scores [n, K] of each structure less their mean, by their standard deviation.

    Legs are never found as surely as elytra: what counts is how sure a mask is among those of its
    structure. NaN stays NaN; a structure whose scores are all the same gives 0.
    """
    known = np.isfinite(scores)
    count = np.maximum(known.sum(0), 1)
    centred = scores - np.where(known, scores, 0).sum(0) / count
    spread = np.sqrt(np.where(known, centred**2, 0).sum(0) / count)
    return centred / np.where(spread > 1e-9, spread, 1)


def _datasets(
    files: Sequence[str | Path], corrections: Corrections | None, structures: list[str]
) -> Iterator[Dataset]:
    for file in files:
        dataset = Dataset(file)
        structures[:] = structures or dataset.structures
        check_structures(dataset, Path(files[0]), structures)
        yield corrections.apply(dataset, settle=False) if corrections else dataset


def _score(annotation: Annotation | None) -> float:
    """Confidence of a mask that may have to be corrected; NaN of any other."""
    if annotation is None or annotation.by_hand or annotation.score is None:
        return np.nan
    settled = annotation.verdict == "accepted" or "no_template" in annotation.flags
    return np.nan if settled else annotation.score


def _first(one: Candidate, apart: Values, structures: Sequence[str]) -> str:
    """The structure to look at first: one that a person wants corrected, else that of lowest confidence."""
    if one.asked:
        return next(iter(one.asked))
    return structures[int(np.nanargmin(apart))]


def _reasons(
    one: Candidate, apart: Values, structures: Sequence[str], confirmed: set[str], likeness: float
) -> Iterator[str]:
    for name, verdict in one.asked.items():
        yield f"{name}: {verdict.replace('_', ' ')}, as a person said"
    known = np.flatnonzero(np.isfinite(apart))
    low = [i for i in known[np.argsort(apart[known])] if apart[i] < LOW]
    if low:
        said = ", ".join(_said(one, structures[i], one.scores[i]) for i in low)
        yield f"low confidence for its structure: {said}"
    if likeness < LOW:
        yield f"unlike the templates: likeness {one.likeness:.2f}"
    if not (one.asked or low or likeness < LOW):
        least = int(known[np.argmin(apart[known])])
        yield f"lowest confidence of the others: {_said(one, structures[least], one.scores[least])}"
    never = [structures[i] for i in known if structures[i] not in confirmed]
    if never and confirmed:
        yield f"no mask accepted or corrected yet of {', '.join(never)}"


def _said(one: Candidate, structure: str, score: float) -> str:
    """A structure with the confidence of its mask, or why it has none."""
    return (
        f"{structure} {one.states[structure] if structure in one.empty else format(score, '.2f')}"
    )


def _number(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
