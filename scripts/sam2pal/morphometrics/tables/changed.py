"""Which measures of the same specimens change from one round to the next by more than their interval."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

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


class _Sum:
    """Sums over the specimens of one measure."""

    def __init__(self) -> None:
        self.n = self.beyond = 0
        self.before = self.after = self.absolute = self.squares = 0.0

    def add(self, one: float, other: float, low: float, high: float) -> None:
        self.n += 1
        self.beyond += not low <= other <= high
        self.before += one
        self.after += other
        self.absolute += abs(other - one)
        self.squares += (other - one) ** 2

    def row(self) -> dict[str, Any]:
        n, mean = self.n, self.before / self.n
        change = (self.after - self.before) / n
        found = {
            "n": n,
            "beyond_interval": self.beyond,
            "share_beyond": rounded(self.beyond / n),
            "mean_before": rounded(mean),
            "mean_after": rounded(self.after / n),
        }
        if mean:
            found |= {
                "change_percent": rounded(100 * change / mean),
                "mean_absolute_change_percent": rounded(100 * self.absolute / n / mean),
            }
        variance = (self.squares - n * change**2) / max(n - 1, 1)
        if n >= ENOUGH and variance > 0:
            z = abs(change) / math.sqrt(variance / n)
            found["p_of_change"] = rounded(math.erfc(z / math.sqrt(2)))
        return found


def changed(before: str | Path, after: str | Path) -> list[dict[str, Any]]:
    """Rows of `COLUMNS` from two tidy tables of the same specimens, those with most beyond first.

    Only what is measured in both from predicted masks and has an interval. Lengths of a specimen with a
    scale are in millimetres, so that photographs of several magnifications count alike.

    Raises:
        InputError: the tables have other specimens, or another order.
    """
    sums: dict[tuple[str, ...], _Sum] = {}
    for one, other in _pairs(before, after):
        known = {_key(row): row for row in one if _counts(row)}
        scaled = any(of[2].startswith("mm") for of in known)
        for row in other:
            earlier = known.get(_key(row))
            if earlier is None or not _counts(row) or (scaled and row["unit"].startswith("px")):
                continue
            if ends := widest(earlier):
                key = (row["genus"], earlier["round"], row["round"], *_key(row))
                sums.setdefault(key, _Sum()).add(earlier["value"], row["value"], *ends)
    rows = [dict(zip(KEYS, key, strict=True)) | of.row() for key, of in sums.items()]
    return sorted(rows, key=lambda row: -row["share_beyond"])


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
    by_hand = row["source"] in BY_HAND
    known = row["status"] == MEASURED and row["value"] is not None
    return known and not by_hand and row["measure"] not in NOT_SUMMARISED
