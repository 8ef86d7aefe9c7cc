"""How well two sets of measurements of the same specimens agree."""

import math
from collections.abc import Collection, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sam2pal.dataset.dataset import BY_HAND
from sam2pal.dataset.matching import match
from sam2pal.io import tables
from sam2pal.io.errors import InputError
from sam2pal.morphometrics.measures.dictionary import DOUBTFUL, LOW, MEASURED, OUTSIDE
from sam2pal.morphometrics.tables.columns import COLUMNS as TIDY
from sam2pal.morphometrics.tables.columns import rounded
from sam2pal.morphometrics.tables.summary import NOT_SUMMARISED, REQUIRED

COLUMNS = {
    **dict.fromkeys(("genus", "round", "structure", "measure", "unit"), str),
    "n": int,
    **dict.fromkeys(("mean_predicted", "mean_drawn", "bias", "bias_percent"), float),
    **dict.fromkeys(("sd_of_difference", "limit_low", "limit_high"), float),
    **dict.fromkeys(("ccc", "ccc_low", "ccc_high", "pearson"), float),
    **dict.fromkeys(("only_predicted", "only_drawn"), int),
}
"""Columns of the concordance table."""
PAIRS = ("genus", "round", "specimen", "structure", "measure", "unit")
PAIR_COLUMNS = {**dict.fromkeys(PAIRS, str), "predicted": float, "drawn": float}
"""Columns of the table of pairs."""


def concordance(predicted: NDArray, drawn: NDArray) -> dict[str, float | None]:
    """Agreement of paired values.

    Bias is the mean of predicted - drawn; the limits of agreement are bias -+ 1.96 standard
    deviations of the differences (Bland and Altman 1986). ccc is Lin's concordance correlation
    coefficient with the 95 % interval by Fisher's transformation (Lin 1989, corrected 2000). What
    cannot be known from so few or so equal values is None.

    Args:
        predicted, drawn: [n], finite.
    """
    x, y = np.asarray(predicted, float), np.asarray(drawn, float)
    if x.shape != y.shape or x.ndim != 1 or not len(x):
        raise ValueError(f"expected two equally long lists of values, got {x.shape} and {y.shape}")
    n, apart = len(x), x - y
    bias, mean = float(apart.mean()), float(y.mean())
    result: dict[str, float | None] = dict.fromkeys(
        name for name, of in COLUMNS.items() if of is not str
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
    if np.ptp(x) == 0 or np.ptp(y) == 0:  # of equal values the standard deviation may be rounded
        return result
    sx, sy = x.std(), y.std()
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
        half = NormalDist().inv_cdf(0.975) * math.sqrt(max(variance, 0.0))
        result["ccc_low"] = math.tanh(math.atanh(c) - half)
        result["ccc_high"] = math.tanh(math.atanh(c) + half)
    return result


def pair(
    predicted: Sequence[str | Path], drawn: Sequence[str | Path]
) -> tuple[pd.DataFrame, list[str]]:
    """Pair the values of two sets of tidy tables.

    Specimens are paired by genus and name; `ants/0040` and `0040` are the same if there is no other
    (see `dataset.matching.match`). Values from masks that in their round were drawn or corrected by
    hand (templates) agree with themselves and are left out, also of structures that a person called absent,
    hidden or outside, or whose drawn mask was rejected. So are specimens of which nothing was drawn:
    what they show is unknown, not empty. Masks of low confidence, doubtful ones and those that meet the
    photograph's edge count.

    Returns:
        A table of `PAIR_COLUMNS`, in the order of `predicted`, a value that one side lacks being empty;
        and the specimens of which something was left out, as genus/specimen.

    Raises:
        InputError: a specimen is measured twice.
    """
    ours = _values(predicted, BY_HAND).rename(columns={"value": "predicted"})
    theirs = _values(drawn).drop(columns=["round", "source"]).rename(columns={"value": "drawn"})
    theirs = _named_alike(theirs, ours)
    keys = [name for name in PAIRS if name != "round"]
    for name, table in (("predicted", ours), ("drawn", theirs)):
        twice = table[table.duplicated(keys if name == "drawn" else [*keys, "round"])]
        if len(twice):
            row = twice.iloc[0]
            raise InputError(
                f"the {name} measurements have {row['measure']} of the {row['structure']} of "
                f"{row['genus']} '{row['specimen']}' twice; give each specimen once"
            )
    seen = pd.MultiIndex.from_frame(theirs[["genus", "specimen"]])
    ours = ours[pd.MultiIndex.from_frame(ours[["genus", "specimen"]]).isin(seen)]
    left_out: dict[str, None] = {}
    pieces = [tables.to_pandas(tables.table([], PAIR_COLUMNS))]
    for (genus, round_), of_round in ours.groupby(["genus", "round"], sort=False):
        by_hand = of_round["source"].isin(BY_HAND)
        left_out |= dict.fromkeys(f"{genus}/{name}" for name in of_round["specimen"][by_hand])
        mine = of_round[~by_hand].drop(columns=["round", "source"])
        rest = _without(theirs[theirs["genus"] == genus], of_round, keys)
        both = pd.concat([mine.merge(theirs, on=keys, how="left"), rest], ignore_index=True)
        pieces.append(both.assign(round=round_))
    pairs = pd.concat(pieces[1:] or pieces, ignore_index=True)
    return pairs[list(PAIR_COLUMNS)], list(left_out)


def _without(table: pd.DataFrame, other: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The rows of `table` whose keys `other` has not."""
    marked = table.merge(other[keys], on=keys, how="left", indicator=True)
    return marked[marked["_merge"] == "left_only"].drop(columns="_merge")


def compare(pairs: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of `COLUMNS` for a table of `PAIR_COLUMNS`."""
    rows = []
    keys = ["genus", "round", "structure", "measure", "unit"]
    for key, group in pairs.groupby(keys, sort=False):
        both = group.dropna(subset=["predicted", "drawn"])
        row = dict(zip(keys, key, strict=True)) | {
            "n": len(both),
            "only_predicted": int(group["drawn"].isna().sum()),
            "only_drawn": int(group["predicted"].isna().sum()),
        }
        if len(both):
            found = concordance(both["predicted"].to_numpy(), both["drawn"].to_numpy())
            for name, value in found.items():
                if value is not None and name not in ("only_predicted", "only_drawn", "n"):
                    row[name] = rounded(value)
        rows.append(row)
    return rows


def _named_alike(drawn: pd.DataFrame, predicted: pd.DataFrame) -> pd.DataFrame:
    """`drawn` with the specimens' names of `predicted`, where it has them."""
    pieces = [drawn[:0]]
    for genus, of in drawn.groupby("genus", sort=False):
        names = predicted["specimen"][predicted["genus"] == genus].unique()
        what = f"predicted and drawn measurements of {genus}"
        found = {
            theirs: ours for ours, theirs in match(names, of["specimen"].unique(), what).items()
        }
        pieces.append(
            of.assign(specimen=of["specimen"].map(lambda name, f=found: f.get(name, name)))
        )
    return pd.concat(pieces, ignore_index=True)


def _values(paths: Sequence[str | Path], known: Collection[str] = ()) -> pd.DataFrame:
    """What was measured, and all of the sources `known`, measured or not."""
    columns = {name: TIDY[name] for name in (*REQUIRED, "source")}
    pieces = [tables.to_pandas(tables.table([], columns))]
    for path in paths:
        for piece in map(tables.to_pandas, tables.read_chunks(path, columns, others=False)):
            kept = piece["status"].isin((MEASURED, DOUBTFUL, LOW, OUTSIDE)) & piece["value"].notna()
            kept |= piece["source"].isin(known)
            kept &= ~piece["measure"].isin(NOT_SUMMARISED)
            pieces.append(piece[kept])
    return pd.concat(pieces, ignore_index=True).drop(columns="status")
