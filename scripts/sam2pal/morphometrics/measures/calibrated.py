"""Intervals that hold the drawn value of a measurement, from what the model says of its mask.

The logarithm of drawn over predicted value lies, for `COVERAGE` of the masks, between two lines in what is
known of a mask: how sure the model is, and how far the value moves with the threshold. `calibrated.tsv` holds
the lines of each measure, for rounds that train and for others, fitted by quantile regression and moved
apart, or together, until they held as many masks of specimens that were left out (Romano, Patterson and
Candes 2019), and of the collection that was left out if rounds train. The value itself is in the interval.
tests/bench/intervals.py fits and judges them.
"""

import csv
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sam2pal.morphometrics.measures.intervals import Interval

COVERAGE = 0.9
TABLE = Path(__file__).with_suffix(".tsv")
FEATURES = ("constant", "unsure", "faint", "narrower", "wider")
COLUMNS = ("round", "of", "measure", "end", *FEATURES)
UNTRAINED, TRAINED = "untrained", "trained"


def features(
    signals: Mapping[str, float | None], value: float, by_threshold: Interval
) -> NDArray[np.float64] | None:
    """What the interval of a value depends on, as `FEATURES`; None where it is not known."""
    known = [signals.get(name) for name in ("predicted_iou", "object_score", "mean_probability")]
    if value <= 0 or any(one is None for one in known):
        return None
    iou, there, mean = (float(one) for one in known if one is not None)
    low, high = (max(end, 0.5 * value) for end in by_threshold)
    return np.array(
        [
            1.0,
            1 - min(max(iou, 0.0), 1.0) * there,
            1 - mean,
            math.log(value / min(low, value)),
            math.log(max(high, value) / value),
        ]
    )


def calibrated(
    signals: Mapping[str, float | None],
    values: Mapping[str, float],
    by_threshold: Mapping[str, Interval],
    of: str = "structure",
    round: str = UNTRAINED,
) -> dict[str, Interval]:
    """The intervals of all measures of a mask that have one."""
    found = {}
    for measure, ends in by_threshold.items():
        value = values.get(measure)
        lines = shipped_intervals().get((round, of, measure))
        if value is None or lines is None:
            continue
        known = features(signals, value, ends)
        if known is not None:
            low, high = (value * float(np.exp(line @ known)) for line in lines)
            found[measure] = min(low, value), max(high, value)
    return found


@cache
def shipped_intervals() -> dict[
    tuple[str, str, str], tuple[NDArray[np.float64], NDArray[np.float64]]
]:
    """The coefficients of the lower and the upper line, by round, what is measured and the measure."""
    ends: dict[tuple[str, str, str], dict[str, NDArray[np.float64]]] = {}
    with TABLE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            line = np.array([float(row[name]) for name in FEATURES])
            key = row["round"], row["of"], row["measure"]
            ends.setdefault(key, {})[row["end"]] = line
    return {key: (found["low"], found["high"]) for key, found in ends.items()}
