"""How well two sets of measurements of the same specimens agree."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from sam2pal import tables
from sam2pal.errors import InputError
from sam2pal.morphometrics.specimen import LOW, MEASURED
from sam2pal.morphometrics.summary import NOT_SUMMARISED, REQUIRED, rounded

COLUMNS = (
    *((name, "text") for name in ("genus", "round", "structure", "measure", "unit")),
    ("n", "integer"),
    *((name, "number") for name in ("mean_predicted", "mean_drawn", "bias", "bias_percent")),
    *((name, "number") for name in ("sd_of_difference", "limit_low", "limit_high")),
    *((name, "number") for name in ("ccc", "ccc_low", "ccc_high", "pearson")),
    *((name, "integer") for name in ("only_predicted", "only_drawn")),
)
"""Columns of the concordance table and their kinds."""


def concordance(predicted: NDArray, drawn: NDArray, level: float = 0.95) -> dict[str, float | None]:
    """Agreement of paired values.

    Bias is the mean of predicted - drawn; the limits of agreement are bias -+ 1.96 standard
    deviations of the differences (Bland and Altman 1986). ccc is Lin's concordance correlation
    coefficient with the interval by Fisher's transformation (Lin 1989, corrected 2000). What cannot
    be known from so few or so equal values is None.

    Args:
        predicted, drawn: [n], finite.
        level: coverage of the interval of ccc.
    """
    x, y = np.asarray(predicted, float), np.asarray(drawn, float)
    if x.shape != y.shape or x.ndim != 1 or not len(x):
        raise ValueError(f"expected two equally long lists of values, got {x.shape} and {y.shape}")
    n, apart = len(x), x - y
    bias, mean = float(apart.mean()), float(y.mean())
    result: dict[str, float | None] = dict.fromkeys(
        name for name, kind in COLUMNS if kind != "text"
    )
    result |= {
        "n": n,
        "mean_predicted": float(x.mean()),
        "mean_drawn": mean,
        "bias": bias,
        "bias_percent": 100 * bias / mean if mean else None,
    }
    if n < 2:
        return result
    sd = float(apart.std(ddof=1))
    result |= {
        "sd_of_difference": sd,
        "limit_low": bias - 1.96 * sd,
        "limit_high": bias + 1.96 * sd,
    }
    sx, sy = x.std(), y.std()
    if sx * sy == 0:
        return result
    covariance = float(((x - x.mean()) * (y - mean)).mean())
    ccc = 2 * covariance / (sx**2 + sy**2 + bias**2)
    r = covariance / (sx * sy)
    result |= {"ccc": ccc, "pearson": r}
    if n > 3 and abs(ccc) < 1 and r != 0:
        u, c, d = bias / math.sqrt(sx * sy), ccc, 1 - ccc**2
        variance = (
            (1 - r**2) * c**2 / (d * r**2)
            + 2 * c**3 * (1 - c) * u**2 / (r * d**2)
            - c**4 * u**4 / (2 * r**2 * d**2)
        ) / (n - 2)
        half = stats.norm.ppf((1 + level) / 2) * math.sqrt(max(variance, 0.0))
        result["ccc_low"] = math.tanh(math.atanh(c) - half)
        result["ccc_high"] = math.tanh(math.atanh(c) + half)
    return result


def compare(
    predicted: Sequence[str | Path], drawn: Sequence[str | Path]
) -> tuple[list[dict[str, Any]], int]:
    """Rows of `COLUMNS` for two sets of tidy tables, and how many templates were left out.

    Specimens are paired by genus and name. Specimens whose mask in `predicted` is the drawn one
    (templates) agree with themselves and are left out. Masks of low confidence count.

    Raises:
        InputError: nothing is in both.
    """
    keys = ["genus", "structure", "measure", "unit", "specimen"]
    ours, theirs = _values(predicted), _values(drawn).drop(columns="round")
    copies = ours["source"] == "drawn"
    left_out = int(ours[copies]["specimen"].nunique())
    ours = ours[~copies].drop(columns="source")
    theirs = theirs.drop(columns="source")
    for name, table in (("predicted", ours), ("drawn", theirs)):
        once = keys if name == "drawn" else [*keys, "round"]
        twice = table[table.duplicated(once)]
        if len(twice):
            row = twice.iloc[0]
            raise InputError(
                f"the {name} measurements have {row['measure']} of the {row['structure']} of "
                f"{row['genus']} '{row['specimen']}' twice; give each specimen once"
            )
    rows = []
    for round_ in dict.fromkeys(ours["round"]):
        of_round = ours[ours["round"] == round_].drop(columns="round")
        both = of_round.merge(theirs, on=keys, how="outer", suffixes=("", "_drawn"), sort=False)
        for key, group in both.groupby(keys[:4], sort=False):
            pairs = group.dropna(subset=["value", "value_drawn"])
            row = dict(zip(keys[:4], key, strict=True)) | {
                "round": round_,
                "n": len(pairs),
                "only_predicted": int(group["value_drawn"].isna().sum()),
                "only_drawn": int(group["value"].isna().sum()),
            }
            if len(pairs):
                found = concordance(pairs["value"].to_numpy(), pairs["value_drawn"].to_numpy())
                for name, value in found.items():
                    if value is not None and name not in ("only_predicted", "only_drawn", "n"):
                        row[name] = rounded(value)
            rows.append(row)
    if not any(row["n"] for row in rows):
        raise InputError(
            "no specimen is measured in both tables; are genus and specimen named alike?"
        )
    return rows, left_out


def _values(paths: Sequence[str | Path]) -> pd.DataFrame:
    columns = [*REQUIRED, "source"]
    pieces = []
    for path in paths:
        for piece in tables.read_chunks(path, columns, columns):
            kept = piece["status"].isin((MEASURED, LOW)) & piece["value"].notna()
            kept &= ~piece["measure"].isin(NOT_SUMMARISED)
            pieces.append(piece[kept].drop(columns="status"))
    if not pieces:
        raise InputError(f"{', '.join(map(str, paths))}: no rows")
    return pd.concat(pieces, ignore_index=True)
