"""Which measures of the same specimens change from one round to the next by more than their interval."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sam2pal.dataset.dataset import BY_HAND
from sam2pal.io.errors import InputError
from sam2pal.morphometrics.measures.dictionary import MEASURED
from sam2pal.morphometrics.tables.columns import rounded, widest
from sam2pal.morphometrics.tables.summary import NOT_SUMMARISED, specimens

KEYS = ("genus", "round_before", "round_after", "structure", "measure", "unit")
COLUMNS = {
    **dict.fromkeys(KEYS, str),
    **dict.fromkeys(("n", "beyond_interval"), int),
    **dict.fromkeys(("share_beyond", "mean_before", "mean_after", "change_percent"), float),
    **dict.fromkeys(("mean_absolute_change_percent", "p_of_change"), float),
}
"""Columns of changed_measures.csv.

n: specimens measured in both rounds from predicted masks; beyond_interval: of these, those whose later
value lies outside of all intervals of the earlier one; change_percent: of the mean; p_of_change: two-sided,
of the mean of the paired differences (normal approximation), of 10 or more."""
ENOUGH = 10


def changed(before: str | Path, after: str | Path) -> list[dict[str, Any]]:
    """Rows of `COLUMNS` from two tidy tables of the same specimens, those with most beyond first.

    Only what is measured in both from predicted masks and has an interval. Lengths of a specimen with a
    scale are in millimetres, so that photographs of several magnifications count alike.

    Raises:
        InputError: the tables have other specimens, or another order.
    """
    values: dict[tuple[str, ...], list[tuple[float, float, bool]]] = {}
    for one, other in _pairs(before, after):
        known = {_key(row): row for row in one if _counts(row)}
        scaled = any(of[2].startswith("mm") for of in known)
        for row in other:
            earlier = known.get(_key(row))
            if earlier is None or not _counts(row) or (scaled and row["unit"].startswith("px")):
                continue
            if ends := widest(earlier):
                key = (row["genus"], earlier["round"], row["round"], *_key(row))
                beyond = not ends[0] <= row["value"] <= ends[1]
                values.setdefault(key, []).append((earlier["value"], row["value"], beyond))
    rows = [dict(zip(KEYS, key, strict=True)) | _summed(of) for key, of in values.items()]
    return sorted(rows, key=lambda row: -row["share_beyond"])


def _summed(values: Sequence[tuple[float, float, bool]]) -> dict[str, Any]:
    """The numbers of a row from values before and after, and whether the change is beyond the intervals."""
    before, after, beyond = np.array(values).T
    n, mean, apart = len(values), before.mean(), after - before
    found = {"n": n, "beyond_interval": beyond.sum()}
    shares = {"share_beyond": beyond.mean(), "mean_before": mean, "mean_after": after.mean()}
    if mean:
        shares["change_percent"] = 100 * apart.mean() / mean
        shares["mean_absolute_change_percent"] = 100 * np.abs(apart).mean() / mean
    if n >= ENOUGH and np.ptp(apart) > 0:
        z = abs(apart.mean()) / (apart.std(ddof=1) / math.sqrt(n))
        shares["p_of_change"] = math.erfc(z / math.sqrt(2))
    return found | {name: rounded(float(of)) for name, of in shares.items()}


def _pairs(
    before: str | Path, after: str | Path
) -> Iterable[tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]]:
    """The rows of each specimen in both tables, which list the same specimens in the same order."""
    every, others = specimens([before]), specimens([after])
    while True:
        one, other = next(every, None), next(others, None)
        if one is None and other is None:
            return
        names = [rows[0]["specimen"] if rows else "nothing" for rows in (one, other)]
        if one is None or other is None or names[0] != names[1]:
            raise InputError(
                f"{before} goes on with {names[0]}, but {after} with {names[1]}; run the workflow again"
            )
        yield one, other


def _key(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["structure"], row["measure"], row["unit"]


def _counts(row: Mapping[str, Any]) -> bool:
    # what a person accepted stands in every round, whatever that predicts
    by_hand = row["source"] in BY_HAND or row["verdict"] == "accepted"
    known = row["status"] == MEASURED and row["value"] is not None
    return known and not by_hand and row["measure"] not in NOT_SUMMARISED
