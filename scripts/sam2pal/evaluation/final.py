"""The round of each genus whose measurements are the result."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from sam2pal.evaluation.left_out import Comparison, LeftOut, compare, read_left_out
from sam2pal.io import tables
from sam2pal.io.errors import InputError

_COLUMNS = {**dict.fromkeys(("genus", "round", "specimen", "structure"), str), "iou": float}


@dataclass(frozen=True)
class Score:
    """Mean IoU of a round, over the specimens that all rounds of its genus score."""

    iou: float
    masks: int


@dataclass(frozen=True)
class Final:
    """A genus' final round."""

    round: str
    why: str
    warning: str = ""


def read_scores(paths: Iterable[str | Path] | None) -> dict[tuple[str, str], Score]:
    """The score of every genus and round that has one, from tables of evaluation.

    Rounds are compared by the masks that all scored rounds of the genus have in common: a later round
    has more templates, which are not scored.
    """
    found: dict[tuple[str, str], dict[tuple[str, str], float]] = {}
    for path in paths or ():
        for piece in tables.read_chunks(path, _COLUMNS, others=False):
            for row in piece.filter(piece["iou"].is_valid()).to_pylist():
                of = found.setdefault((row["genus"], row["round"]), {})
                of[row["specimen"], row["structure"]] = row["iou"]
    common: dict[str, set[tuple[str, str]]] = {}
    for (genus, _), of in found.items():
        common[genus] = common[genus] & set(of) if genus in common else set(of)
    return {
        run: Score(fmean(of[key] for key in common[run[0]]), len(common[run[0]]))
        for run, of in found.items()
        if common[run[0]]
    }


def final_rounds(
    found: Iterable[tuple[str, str]],
    chosen: str | None,
    order: Sequence[str] | None,
    scores: Mapping[tuple[str, str], Score],
    left_out: Mapping[tuple[str, str], LeftOut] | None = None,
) -> dict[str, Final]:
    """The final round of each genus.

    The best against truth, where there is any. Without truth the last one, unless an earlier one is better by
    more than noise on outlined specimens that are left out of the templates. What a round was trained on it
    knows, which favours later rounds: so an earlier one is not taken by mistake.

    Args:
        found: (genus, round) that have measurements, in order.
        chosen: this round, where a genus has it; it may have failed, or have no templates.
        order: all rounds in their order; default: as found.
        scores: as `read_scores` gives them.
        left_out: as `read_left_out` gives them.

    Raises:
        InputError: the chosen round is none of `order`, and no genus has it.
    """
    rounds: dict[str, list[str]] = {}
    for genus, round_ in found:
        rounds.setdefault(genus, []).append(round_)
    known = sorted({name for names in rounds.values() for name in names})
    if chosen is not None and chosen not in (*known, *(order or ())):
        raise InputError(f"final_round: no genus has a round '{chosen}'; found: {', '.join(known)}")
    place = {name: i for i, name in enumerate(order or ())}
    result = {}
    for genus, names in rounds.items():
        names = sorted(names, key=lambda name: place.get(name, -1)) if order else names
        scored = [name for name in names if (genus, name) in scores]
        best = max(reversed(scored), key=lambda name: scores[genus, name].iou, default=None)
        own = chosen if chosen in names else None
        if best is None:
            apart = {name: (left_out or {}).get((genus, name)) for name in names}
            result[genus] = _without_truth(apart, own)
        else:
            result[genus] = _final(genus, names, best, own, scores)
    return result


def final_run(
    genus: str, folders: Sequence[Path], chosen: str | None, order: Sequence[str] | None
) -> tuple[Path, Final]:
    """The folder of the final round among those of a genus' rounds, and which round it is."""
    runs = {folder.name: folder for folder in folders}
    scores = read_scores([folder / "evaluation.csv" for folder in folders])
    apart = [path for folder in folders if (path := folder / "leave_one_out.csv").is_file()]
    found = [(genus, name) for name in runs]
    final = final_rounds(found, chosen, order, scores, read_left_out(apart))[genus]
    return runs[final.round], final


def _without_truth(left_out: Mapping[str, LeftOut | None], chosen: str | None) -> Final:
    """By specimens left out."""
    *earlier, best = left_out
    why = "the only one"
    if earlier:
        why = (
            "the last one; without truth and with few outlined specimens, rounds cannot be compared"
        )
    rivals: dict[str, Comparison] = {}
    for name in reversed(earlier):
        found = compare(left_out[name], left_out[best])
        if found and found.first_is_better:
            best, why = name, f"better by leave-one-out than '{best}' ({found})"
            rivals = {}
        elif found:
            rivals[name] = found
    if rivals and best == list(left_out)[-1]:
        name = max(rivals, key=lambda name: rivals[name].first - rivals[name].second)
        said = f"'{name}': {rivals[name]}"
        why = f"the last one; no other is clearly better by leave-one-out ({said})"
    if chosen is None:
        return Final(best, why)
    warning = ""
    found = compare(left_out[best], left_out[chosen]) if chosen != best else None
    if found and found.first_is_better:
        warning = f"final_round is '{chosen}', but '{best}' is better by leave-one-out: {found}"
    return Final(chosen, "chosen by final_round", warning)


def _final(
    genus: str,
    names: Sequence[str],
    best: str,
    chosen: str | None,
    scores: Mapping[tuple[str, str], Score],
) -> Final:
    score = scores[genus, best]
    iou = f"mean IoU {score.iou:.3f} over {score.masks} masks"
    warning = ""
    if chosen is None:
        later = [name for name in names[names.index(best) :] if (genus, name) not in scores]
        if later:
            said = ", ".join(f"'{name}'" for name in later)
            warning = (
                f"'{best}' is the final round, as {said} cannot be compared with it: without scores"
                " against truth (are all specimens with truth templates?); final_round chooses another"
            )
        why = f"the best against truth ({iou})" if len(names) > 1 else "the only one"
        return Final(best, why, warning)
    if chosen != best:
        own = scores.get((genus, chosen))
        said = f"'{chosen}' has {own.iou:.3f}" if own else f"'{chosen}' has no scores"
        warning = f"final_round is '{chosen}', but '{best}' is better against truth: {iou}; {said}"
    return Final(chosen, "chosen by final_round", warning)
