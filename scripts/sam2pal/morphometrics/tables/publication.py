"""The summary of measurements as publications print it."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from sam2pal.morphometrics.measures.dictionary import BY_NAME

PRINTED = ("length", "width", "area")
COLUMNS = {
    **dict.fromkeys(("genus", "structure", "measure", "unit"), str),
    "n": int,
    **dict.fromkeys(("mean", "sd", "cv_percent", "min", "max"), float),
    "text": str,
}
"""Columns of publication.csv; text is `mean ± sd (min to max)`, all with the mean's decimals."""
DIGITS = 3  # significant ones of what is printed


def publication(
    rows: Iterable[Mapping[str, Any]], final: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Length, width and area of every structure in millimetres, and what has no unit of length.

    Pixels are left out: between photographs without a scale their means say nothing.
    """
    result = []
    for row in rows:
        index = row["measure"] not in BY_NAME
        wanted = row["round"] == final.get(row["genus"]) and row["n"] > 0
        if not (wanted and (row["measure"] in PRINTED or index)) or row["unit"].startswith("px"):
            continue
        sd, cv = row.get("sd"), row.get("cv")
        low, high = _digits(row["min"]), _digits(row["max"])
        decimals = _decimals(row["mean"])
        spread = "" if sd is None else f" ± {sd:.{decimals}f}"
        limits = f"{row['min']:.{decimals}f} to {row['max']:.{decimals}f}"
        result.append(
            {key: row[key] for key in ("genus", "structure", "measure", "n")}
            | {"unit": "" if row["unit"] == "1" else row["unit"]}
            | {"mean": _digits(row["mean"]), "sd": None if sd is None else _digits(sd)}
            | {"cv_percent": None if cv is None else _digits(100 * cv), "min": low, "max": high}
            | {"text": f"{row['mean']:.{decimals}f}{spread} ({limits})"}
        )
    return result


def _decimals(value: float) -> int:
    """Decimals with which a value has `DIGITS` significant digits."""
    return max(0, DIGITS - 1 - math.floor(math.log10(abs(value)))) if value else DIGITS - 1


def _digits(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
