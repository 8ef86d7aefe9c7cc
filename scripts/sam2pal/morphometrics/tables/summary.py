"""Tables over specimens: n, mean, spread and range; wide from tidy."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import scipy

from sam2pal.dataset.dataset import BY_HAND, MISSING, State
from sam2pal.io import tables
from sam2pal.io.errors import InputError
from sam2pal.morphometrics.measures.dictionary import (
    ABSENT,
    BY_NAME,
    DOUBTFUL,
    HIDDEN,
    LOW,
    MEASURED,
    OUTSIDE,
    SPECIMEN,
)
from sam2pal.morphometrics.tables.columns import COLUMNS, rounded
from sam2pal.morphometrics.tables.table import index_name, wide, wide_columns, wide_name

UNCONFIRMED = "unconfirmed"
STATE_COUNTS = {f"state_{name}": name for name in (State.FOUND, *MISSING)}
"""Columns that count specimens by their state, whatever their status."""
KEYS = ("genus", "round", "structure", "measure", "unit")
SUMMARY = {
    **dict.fromkeys(KEYS, str),
    "n": int,
    **dict.fromkeys(("mean", "sd", "cv", "min", "max"), float),
    "n_checked": int,
    **dict.fromkeys(("bias", "bias_low", "bias_high", "bias_of_mean"), float),
    **dict.fromkeys(
        [f"n_{s}" for s in (LOW, DOUBTFUL, OUTSIDE, HIDDEN, ABSENT, UNCONFIRMED, "other")], int
    ),
    **dict.fromkeys(STATE_COUNTS, int),
}
"""Columns of the summary; `SUMMARY_MEANINGS` explains those after the unit."""
_LEFT = "specimens left out of the mean: "
SUMMARY_MEANINGS = {
    "n": "specimens whose masks were measured with confidence",
    "mean": "of these n; empty if there are none",
    "sd": "standard deviation",
    "cv": "coefficient of variation, sd / mean; empty where a value is not above 0",
    "min": "smallest value",
    "max": "largest value",
    "n_checked": "of the n, masks that a person accepted or corrected and that had counted as predicted",
    "bias": "mean of predicted minus checked values over n_checked",
    "bias_low": "lower end of the 95 % interval of bias",
    "bias_high": "upper end of the 95 % interval of bias",
    "bias_of_mean": "what follows for the mean: bias times the share of the n that nobody checked",
    f"n_{LOW}": f"{_LEFT}the mask has a low confidence",
    f"n_{DOUBTFUL}": f"{_LEFT}the mask is unlike those of the genus or the templates, or"
    " (in mm) the scale does not fit",
    f"n_{OUTSIDE}": f"{_LEFT}the mask is cut by the photograph's edge, or lies beyond",
    f"n_{HIDDEN}": f"{_LEFT}a person said that something covers the structure",
    f"n_{ABSENT}": f"{_LEFT}there is no mask",
    f"n_{UNCONFIRMED}": f"{_LEFT}nobody confirmed the mask (`confirmed_only`)",
    "n_other": f"{_LEFT}unreadable, no specimen, not annotated, or no value (no scale, too few pixels)",
    **{
        column: f"specimens whose structure is {name}, whether the mask counts or not"
        for column, name in STATE_COUNTS.items()
    },
}
_MEASURED = (MEASURED, LOW, DOUBTFUL, OUTSIDE)
_SAID = ("status", "source", "verdict")
_LEFT_OUT = (DOUBTFUL, OUTSIDE, HIDDEN, ABSENT, UNCONFIRMED)
NOT_SUMMARISED = ("orientation", "feret_angle", "centroid_x", "centroid_y")
"""Where a structure is on the photograph: a mean of it says nothing."""
REQUIRED = (
    *("genus", "round", "specimen", "structure", "measure", "value", "unit"),
    *("status", "source", "verdict"),
)
"""Columns without which a table is none of measurements."""


def confirmed_only(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Tidy rows without the values of masks that nobody drew, corrected or accepted."""
    kept = []
    for row in rows:
        status = _confirmed(row["status"], row["source"], row["verdict"])
        left_out = {"status": status, "value": None} if status == UNCONFIRMED else {}
        kept.append({**row, **left_out})
    return kept


def _confirmed(status: str, source: str, verdict: str) -> str:
    """The status, `unconfirmed` of a predicted mask that is measured but was not accepted."""
    looked_at = source in BY_HAND or verdict == "accepted"
    return status if looked_at or status not in _MEASURED else UNCONFIRMED


@dataclass
class Summary:
    """Collects tidy rows in pieces; `confirmed_only` takes what a person drew, corrected or accepted."""

    confirmed_only: bool = False
    _moments: dict[tuple[str, ...], list[float]] = field(default_factory=dict)
    _others: dict[tuple[str, ...], Counter[str]] = field(default_factory=dict)
    _states: dict[tuple[str, ...], Counter[str]] = field(default_factory=dict)
    _errors: dict[tuple[str, ...], list[float]] = field(default_factory=dict)
    _unchecked: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def add(self, piece: pa.Table) -> None:
        """Take the rows of a tidy table."""
        good: dict[tuple[str, ...], list[float]] = {}
        columns = [piece[name].to_pylist() for name in (*KEYS, "value", *_SAID)]
        before, states = (
            piece[name].to_pylist() if name in piece.column_names else [None] * len(piece)
            for name in ("predicted_value", "state")
        )
        for *cells, value, status, source, verdict, predicted, state in zip(
            *columns, before, states, strict=True
        ):
            key = tuple(cells)
            if self.confirmed_only:
                status = _confirmed(status, source, verdict)
            if key[KEYS.index("measure")] in NOT_SUMMARISED:
                continue
            self._others.setdefault(key, Counter())[status] += 1
            self._states.setdefault(key, Counter())[state] += 1
            if status == MEASURED and value is not None and not math.isnan(value):
                good.setdefault(key, []).append(value)
                self._unchecked[key] += source not in BY_HAND and verdict != "accepted"
                if predicted is not None and not math.isnan(predicted):
                    self._errors.setdefault(key, []).append(predicted - value)
        for key, values in good.items():
            self._take(key, np.array(values))

    def _take(self, key: tuple[str, ...], values: np.ndarray) -> None:
        """Merge mean and sum of squares of new values (Chan, Golub and LeVeque)."""
        n, mean, squares = len(values), values.mean(), ((values - values.mean()) ** 2).sum()
        known = self._moments.setdefault(key, [0, 0.0, 0.0, np.inf, -np.inf])
        total, apart = known[0] + n, mean - known[1]
        known[2] += squares + apart**2 * known[0] * n / total
        known[1] += apart * n / total
        known[0] = total
        known[3], known[4] = min(known[3], values.min()), max(known[4], values.max())

    def _bias(self, key: tuple[str, ...], n: int) -> dict[str, Any]:
        """Of predicted values, from those that a person checked."""
        errors = np.array(self._errors.get(key, ()))
        row: dict[str, Any] = {"n_checked": len(errors)}
        if len(errors):
            bias = float(errors.mean())
            row |= {"bias": rounded(bias), "bias_of_mean": rounded(bias * self._unchecked[key] / n)}
        if len(errors) > 1:
            low, high = _interval(errors)
            row |= {"bias_low": rounded(low), "bias_high": rounded(high)}
        return row

    def rows(self) -> list[dict[str, Any]]:
        """Rows of `SUMMARY`, in the order in which they first occurred."""
        result = []
        for key, counts in self._others.items():
            n, mean, squares, low, high = self._moments.get(key, [0, 0.0, 0.0, 0.0, 0.0])
            row: dict[str, Any] = dict(zip(KEYS, key, strict=True)) | {"n": n}
            if n:
                row |= {"mean": rounded(mean), "min": low, "max": high}
            if n > 1:
                sd = float(np.sqrt(squares / (n - 1)))
                row |= {"sd": rounded(sd), "cv": rounded(sd / mean) if low > 0 else None}
            row |= self._bias(key, n)
            known = {name: counts[name] for name in (LOW, *_LEFT_OUT)}
            row |= {f"n_{name}": count for name, count in known.items()}
            row["n_other"] = sum(counts.values()) - n - sum(known.values())
            row |= {column: self._states[key][name] for column, name in STATE_COUNTS.items()}
            result.append(row)
        return result


def _interval(values: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of a mean, by Student's t."""
    t = scipy.special.stdtrit(len(values) - 1, 0.975)
    reach = t * values.std(ddof=1) / len(values) ** 0.5
    return float(values.mean() - reach), float(values.mean() + reach)


def specimens(paths: Sequence[str | Path]) -> Iterator[list[Mapping[str, Any]]]:
    """The tidy rows of one specimen after another, one piece of a file in memory at a time."""
    held: list[Mapping[str, Any]] = []
    for path in paths:
        for piece in tables.read_chunks(path, COLUMNS, REQUIRED):
            for row in piece.to_pylist():
                same = held and all(held[0][k] == row[k] for k in ("genus", "round", "specimen"))
                if held and not same:
                    yield held
                    held = []
                held.append(row)
    if held:
        yield held


class WideColumns:
    """Finds the columns of the wide table of several genera from their tidy rows."""

    def __init__(self) -> None:
        self._states: dict[str, dict[str, None]] = {}
        self.measures: dict[str, dict[str, None]] = {}  # columns of each index
        self.more: dict[str, None] = {}  # further columns

    @property
    def structures(self) -> list[str]:
        """In the order in which they were met."""
        return [name for name in self._states if name != SPECIMEN]

    def add(self, piece: pa.Table) -> None:
        """Take the rows of a tidy table."""
        self.more |= dict.fromkeys(name for name in piece.column_names if name not in COLUMNS)
        keys = (piece[name].to_pylist() for name in ("structure", "measure", "unit"))
        for structure, measure, unit in dict.fromkeys(zip(*keys, strict=True)):
            if structure == SPECIMEN and measure not in BY_NAME:
                self.measures.setdefault(measure, {})[index_name(measure, unit)] = None
            else:
                name = wide_name(structure, measure, unit)
                self._states.setdefault(structure, {})[name] = None

    def columns(self) -> dict[str, type]:
        """The whole specimen and the indices after the structures, then further columns.

        Raises:
            InputError: a further column has the name of another.
        """
        order = sorted(self._states, key=lambda name: name == SPECIMEN)
        result = wide_columns({name: self._states[name] for name in order}, self.measures)
        for name in self.more:
            if name in result:
                raise InputError(
                    f"the further column '{name}' (specimen table or genera.tsv) has the name of a "
                    "column of morphometrics_wide; rename it"
                )
        return result | dict.fromkeys(self.more, str)

    def row(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The wide row of one specimen."""
        return wide(rows) | {name: rows[0].get(name, "") for name in self.more}
