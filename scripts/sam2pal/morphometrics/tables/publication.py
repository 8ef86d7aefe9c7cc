"""The summary of measurements as publications print it."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from sam2pal.morphometrics.measures.dictionary import BY_NAME
from sam2pal.morphometrics.tables.summary import STATE_COUNTS, SUMMARY_MEANINGS

PRINTED = ("length", "width", "area")
COLUMNS = {
    **dict.fromkeys(("genus", "structure", "measure", "unit"), str),
    "n": int,
    **dict.fromkeys(("mean", "sd", "cv_percent", "min", "max"), float),
    "text": str,
    **dict.fromkeys(STATE_COUNTS, int),
}
"""Columns of publication.csv; text is `mean ± sd (min to max)`, all with the same decimals."""
MEANINGS = SUMMARY_MEANINGS | {
    "cv_percent": "coefficient of variation, per cent; empty where a value is not above 0",
    "text": "mean ± sd (min to max), as a table of a publication prints it",
}
DIGITS = 3  # significant ones of what is printed
MOST = 6  # of a mean of values that hardly differ


def publication(
    rows: Iterable[Mapping[str, Any]], final: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Length, width and area of every structure in millimetres, and what has no unit of length.

    Pixels are left out: between photographs without a scale their means say nothing. What was measured on no
    specimen has a row that says so, except millimetres of a genus without any.
    """
    rows = [row for row in rows if row["round"] == final.get(row["genus"])]
    scaled = {row["genus"] for row in rows if row["n"] and row["unit"].startswith("mm")}
    result = []
    for row in rows:
        index = row["measure"] not in BY_NAME
        there = row["n"] > 0 or row["unit"] == "1" or row["genus"] in scaled
        if not (there and (row["measure"] in PRINTED or index)) or row["unit"].startswith("px"):
            continue
        keys = ("genus", "structure", "measure", "n", *STATE_COUNTS)
        found = {key: row[key] for key in keys} | {
            "unit": "" if row["unit"] == "1" else row["unit"]
        }
        result.append(found | (_printed(row) if row["n"] else {"text": "not measured"}))
    return result


def _printed(row: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of a row of the summary."""
    sd, cv = row.get("sd"), row.get("cv")
    # a spread that is not 0 must not look like it
    decimals = max(_decimals(row["mean"], DIGITS), _decimals(sd, 1) if sd else 0)
    decimals = min(decimals, _decimals(row["mean"], MOST))
    spread = "" if sd is None else f" ± {sd:.{decimals}f}"
    return {
        "mean": round(row["mean"], decimals),
        "sd": None if sd is None else _digits(sd),
        "cv_percent": None if cv is None else _digits(100 * cv),
        "min": round(row["min"], decimals),
        "max": round(row["max"], decimals),
        "text": f"{row['mean']:.{decimals}f}{spread} "
        f"({row['min']:.{decimals}f} to {row['max']:.{decimals}f})",
    }


def _decimals(value: float, digits: int) -> int:
    """Decimals with which a value has so many significant digits."""
    return max(0, digits - 1 - math.floor(math.log10(abs(value)))) if value else digits - 1


def _digits(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
