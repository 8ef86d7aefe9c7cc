"""How well a confidence ranks masks, and how well it is calibrated."""

import numpy as np
import scipy
from numpy.typing import NDArray

Array = NDArray[np.float64]


def auroc(warning: Array, bad: NDArray[np.bool_]) -> float:
    """Area under the ROC curve of `warning` [n] for telling bad masks [n] from good ones; NaN without both.

    The chance that a bad mask has the larger warning than a good one, ties counting half.
    """
    n_bad, n_good = int(np.sum(bad)), int(np.sum(~bad))
    if not n_bad or not n_good:
        return float("nan")
    ranks = _ranks(warning)
    return float((ranks[bad].sum() - n_bad * (n_bad + 1) / 2) / (n_bad * n_good))


def auroc_interval(
    warning: Array, bad: NDArray[np.bool_], specimen: NDArray[np.int64], level: float
) -> tuple[float, float]:
    """Confidence interval of `auroc`; masks of one specimen (its number in [n]) may be alike.

    DeLong's variance with the contributions of a specimen's masks summed (Obuchowski 1997,
    Biometrics 53: 567), on the logit scale. NaN with fewer than two specimens with bad masks, or
    with good ones, or where the area is 0 or 1: its variance cannot be told from the data then.
    """
    area = auroc(warning, bad)
    n_bad, n_good = int(np.sum(bad)), int(np.sum(~bad))
    names, number = np.unique(specimen, return_inverse=True)
    kinds = bad, ~bad
    counts = [len(np.unique(number[of])) for of in kinds]  # of specimens
    if min(counts) < 2 or not 0 < area < 1:
        return float("nan"), float("nan")
    everywhere, among_bad = _ranks(warning), _ranks(warning[bad])
    among_good = _ranks(warning[~bad])
    influence = np.empty(len(warning))
    influence[bad] = ((everywhere[bad] - among_bad) / n_good - area) / n_bad
    influence[~bad] = (1 - (everywhere[~bad] - among_good) / n_bad - area) / n_good
    summed = [np.bincount(number[of], influence[of], len(names)) for of in kinds]
    variance = sum(np.sum(of**2) * n / (n - 1) for of, n in zip(summed, counts, strict=True))
    variance += 2 * np.sum(summed[0] * summed[1]) * len(names) / (len(names) - 1)
    error = np.sqrt(max(variance, 0.0)) / (area * (1 - area))
    middle, reach = np.log(area / (1 - area)), scipy.special.ndtri((1 + level) / 2) * error
    lower, upper = (float(1 / (1 + np.exp(-x))) for x in (middle - reach, middle + reach))
    return lower, upper


def spearman(confidence: Array, iou: Array) -> float:
    """Spearman's rank correlation; NaN with fewer than three masks or without any variation."""
    if len(iou) < 3 or np.ptp(confidence) == 0 or np.ptp(iou) == 0:
        return float("nan")
    return float(np.corrcoef(_ranks(confidence), _ranks(iou))[0, 1])


def reliability(probability: Array, good: NDArray[np.bool_], bins: int) -> list[dict[str, float]]:
    """Mean probability and share of good masks in equally wide bins of a number between 0 and 1."""
    index = np.minimum((np.asarray(probability) * bins).astype(int), bins - 1)
    table = []
    for b in np.unique(index):
        inside = index == b
        table.append(
            {
                "low": b / bins,
                "high": (b + 1) / bins,
                "n": int(inside.sum()),
                "mean_confidence": float(np.mean(probability[inside])),
                "share_good": float(np.mean(good[inside])),
            }
        )
    return table


def expected_calibration_error(probability: Array, good: NDArray[np.bool_], bins: int) -> float:
    """Mean over masks of |mean probability - share of good ones| of their bin.

    NaN without masks or where the probability is not a number between 0 and 1 (a logit, say).
    """
    if not len(good) or np.min(probability) < 0 or np.max(probability) > 1:
        return float("nan")
    rows = reliability(probability, good, bins)
    return sum(row["n"] * abs(row["mean_confidence"] - row["share_good"]) for row in rows) / len(
        good
    )


def brier_skill(probability: Array, good: NDArray[np.bool_]) -> float:
    """1 - mean squared error of a probability over that of the share of good masks, said of all.

    NaN where all are good or none is, as that share makes no error then, or as of the calibration error.
    """
    share = float(np.mean(good)) if len(good) else 0.0
    if share in (0.0, 1.0) or np.min(probability) < 0 or np.max(probability) > 1:
        return float("nan")
    return 1 - float(np.mean((probability - good) ** 2)) / (share * (1 - share))


def _ranks(values: Array) -> Array:
    """Ranks from 1, ties sharing their mean; scipy.stats has it, but takes seconds to import."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]
