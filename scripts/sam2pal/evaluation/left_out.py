"""Rounds compared without truth, by leave-one-out over outlined specimens."""

import json
import math
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import scipy

from sam2pal.config.evaluation import EvaluationOptions
from sam2pal.dataset.files import read_json
from sam2pal.evaluation.scores import ALL
from sam2pal.io import tables
from sam2pal.io.errors import InputError

COLUMNS = {
    **dict.fromkeys(("genus", "round", "specimen", "structure", "state"), str),
    "iou": float,
    **dict.fromkeys(("trained_on", "begun_from"), str),
}
"""Columns of leave_one_out.csv.

`state` is that of what was found; if nothing was, the IoU is 0. `trained_on` is `yes` if the round's adapter
was trained on the specimen, `begun_from` if the outline was begun from what the round had found."""
MEASURE = "iou_left_out"
"""What `evaluation_rounds.csv` calls the IoU of specimens left out."""
MOST = 8  # specimens; each template that is left out takes encoding all others once more
LEAST = 3  # specimens; of fewer no test can say anything
MARGIN = 0.01  # of mean IoU that is worth another round
LEVEL = 0.05  # of the one-sided paired t-test by which an earlier round is taken

Run = tuple[str, str]


@dataclass(frozen=True)
class LeftOut:
    """IoU of a round on outlined specimens, each segmented without its own outline.

    Attributes:
        trained_on: specimens that its adapter was trained on.
        begun_from: specimens and structures whose outlines were begun from its masks.
    """

    iou: Mapping[str, Mapping[str, float]]
    trained_on: frozenset[str] = frozenset()
    begun_from: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class Comparison:
    """Two rounds on the same specimens.

    Attributes:
        known: on how many of them one of the two rounds was trained.
        first, second: mean over specimens of the mean IoU over structures.
        error: standard error of the change from first to second.
    """

    specimens: int
    known: int
    first: float
    second: float
    error: float

    @property
    def change(self) -> float:
        return self.second - self.first

    @property
    def p(self) -> float:
        """Of "the mean change is zero", by a paired t-test; two-sided."""
        t = abs(self.change) / self.error if self.error else math.inf if self.change else 0.0
        return 2 * float(scipy.special.stdtr(self.specimens - 1, -t))

    def interval(self, level: float) -> tuple[float, float]:
        """Of the change, by Student's t."""
        width = self.error * float(scipy.special.stdtrit(self.specimens - 1, (1 + level) / 2))
        return self.change - width, self.change + width

    @property
    def first_is_better(self) -> bool:
        """Whether it is by more than noise; one-sided, as that is the only question."""
        return -self.change >= MARGIN and self.p / 2 < LEVEL

    def __str__(self) -> str:
        said = (
            f"mean IoU {self.first:.3f} against {self.second:.3f} over {self.specimens} specimens"
        )
        if self.known:
            said += f", one of the two was trained on {self.known} of these"
        return f"{said}; p {self.p:.3f}"


def drawn(rounds: Counter[str]) -> list[str]:
    """Which specimens all rounds are asked of: those that are templates of the fewest `rounds`, at random."""
    return sorted(rounds, key=lambda name: (rounds[name], zlib.crc32(name.encode()), name))[:MOST]


def begun_from(corrected: Iterable[Path], round_: str) -> set[tuple[str, str]]:
    """Specimens and structures whose outlines were begun from masks of the round, or are these."""
    begun = set()
    for path in corrected:
        data = read_json(path)
        specimens = {image["id"]: image["specimen"] for image in data["images"]}
        names = {category["id"]: category["name"] for category in data["categories"]}
        begun |= {
            (specimens[one["image_id"]], names[one["category_id"]])
            for one in data["annotations"]
            if one["round"] == round_
        }
    return begun


def trained_on(chain: Iterable[Path]) -> set[str]:
    """Templates that changed an adapter."""
    known: set[str] = set()
    for folder in chain:
        path = folder / "training.json"
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if record["published"] == "trained":
                known |= set(record["templates"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: damaged; delete {folder}, and run again") from error
    return known


def read_left_out(paths: Iterable[str | Path] | None) -> dict[Run, LeftOut]:
    """Tables of specimens left out, by genus and round."""
    iou: dict[Run, dict[str, dict[str, float]]] = {}
    known: dict[Run, set[str]] = {}
    begun: dict[Run, set[tuple[str, str]]] = {}
    for path in paths or ():
        for piece in tables.read_chunks(path, COLUMNS, others=False):
            for row in piece.to_pylist():
                run = row["genus"], row["round"]
                of = iou.setdefault(run, {}).setdefault(row["specimen"], {})
                of[row["structure"]] = row["iou"]
                if row["trained_on"] == "yes":
                    known.setdefault(run, set()).add(row["specimen"])
                if row["begun_from"] == "yes":
                    begun.setdefault(run, set()).add((row["specimen"], row["structure"]))
    return {
        run: LeftOut(of, frozenset(known.get(run, ())), frozenset(begun.get(run, ())))
        for run, of in iou.items()
    }


def compare(first: LeftOut | None, second: LeftOut | None) -> Comparison | None:
    """An earlier round and a later one on what both were asked of; None if that is too little.

    Outlines that were begun from a mask of the first are like it, and are left out. Of the others those of
    specimens that neither was trained on, if there are enough. Else all: a round is at an advantage on those
    that it was trained on, which are more of a later one.
    """
    if first is None or second is None:
        return None
    pairs = {}
    for specimen, of in first.iou.items():
        shared = [
            name
            for name in of
            if name in second.iou.get(specimen, {}) and (specimen, name) not in first.begun_from
        ]
        if shared:
            pairs[specimen] = tuple(
                fmean(one.iou[specimen][name] for name in shared) for one in (first, second)
            )
    trained_on = first.trained_on | second.trained_on
    fair = {name: pair for name, pair in pairs.items() if name not in trained_on}
    used = fair if len(fair) >= LEAST else pairs
    if len(used) < LEAST:
        return None
    changes = [after - before for before, after in used.values()]
    return Comparison(
        len(used),
        sum(name in trained_on for name in used),
        *(fmean(pair[n] for pair in used.values()) for n in (0, 1)),
        stdev(changes) / math.sqrt(len(changes)),
    )


def rows_of(
    left_out: Mapping[Run, LeftOut], order: Iterable[str], options: EvaluationOptions
) -> list[dict[str, Any]]:
    """Rows of evaluation_rounds.csv, one for each genus and pair of rounds.

    p is two-sided as in its other rows, but of a paired t-test: with fewer than six specimens no test by
    sign flips gives a p below 0.05. Holm's adjustment leaves it as it is, as there is no other structure.
    """
    rounds = list(order)
    rows = []
    for genus in dict.fromkeys(genus for genus, _ in left_out):
        for before, after in combinations(rounds, 2):
            found = compare(left_out.get((genus, before)), left_out.get((genus, after)))
            if found is None:
                continue
            lower, upper = found.interval(options.level)
            rows.append(
                {
                    "genus": genus,
                    "round_before": before,
                    "round_after": after,
                    "structure": ALL,
                    "measure": MEASURE,
                    "n": found.specimens,
                    "n_unpaired": 0,
                    "before": found.first,
                    "after": found.second,
                    "change": found.change,
                    "lower": lower,
                    "upper": upper,
                    "p": found.p,
                    "p_holm": found.p,
                    "more_than_noise": "yes" if found.p < 1 - options.level else "no",
                }
            )
    return rows
