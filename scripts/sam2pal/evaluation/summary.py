"""Summaries of evaluation rows: means, presence, comparison of rounds, calibration.

`(all)` stands for all genera, or all structures, together. Over genera specimens are pooled. Over
structures a mean, median or share is the unweighted mean of the structures' values, while
calibration pools masks.
"""

import warnings
from collections.abc import Callable
from itertools import combinations, groupby

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sam2pal.config.evaluation import EvaluationOptions
from sam2pal.dataset.signals import GOOD_IOU
from sam2pal.evaluation import calibration as cal
from sam2pal.evaluation.bootstrap import bootstrap_means, generator, holm, sign_flip_p
from sam2pal.evaluation.columns import CONFIDENCES, MEASURES
from sam2pal.evaluation.scores import ALL, Scores
from sam2pal.io import tables

COMPARED = ("iou", "boundary_f")

SUMMARY = {
    **dict.fromkeys(("genus", "round", "structure", "measure"), str),
    "n": int,
    **dict.fromkeys(("mean", "lower", "upper", "median", "share_good"), float),
}
COMPARISON = {
    **dict.fromkeys(("genus", "round_before", "round_after", "structure", "measure"), str),
    **dict.fromkeys(("n", "n_unpaired"), int),
    **dict.fromkeys(("before", "after", "change", "lower", "upper"), float),
    **dict.fromkeys(("share_improved", "p", "p_holm"), float),
    "more_than_noise": str,
}
CALIBRATION = {
    **dict.fromkeys(("genus", "round", "structure", "signal"), str),
    **dict.fromkeys(("n", "n_bad"), int),
    **dict.fromkeys(("auroc", "auroc_lower", "auroc_upper", "spearman"), float),
    **dict.fromkeys(("ece", "brier_skill", "mean_confidence", "share_good", "mean_iou"), float),
}
"""A bad mask has an IoU below `bad_iou`, a good one at least that of which the confidence is the probability.

`auroc` and `spearman` say how well a signal ranks masks, `ece` and `brier_skill` how far its value is the
probability that a mask is good, which the confidence alone is meant to be."""
RELIABILITY = {
    **dict.fromkeys(("genus", "round", "structure", "signal"), str),
    **dict.fromkeys(("low", "high"), float),
    "n": int,
    **dict.fromkeys(("mean_confidence", "share_good"), float),
}


def summarise(scores: Scores, options: EvaluationOptions, seed: int) -> pa.Table:
    """Mean with interval, median and share of good masks: see `SUMMARY`."""
    rows = []
    for genus, round_, chosen in scores.scopes():
        if not len(chosen):
            continue
        _, values = scores.tensor(chosen)
        used = np.isfinite(values[:, :, 0]).any(axis=0)
        values = values[:, used]
        names = [name for name, u in zip(scores.structures, used, strict=True) if u]
        means = bootstrap_means(
            values, generator(seed, "summary", genus, round_), options.replicates, options.level
        )
        median = _with_mean(_over(np.nanmedian, values))
        good = np.where(np.isfinite(values), values >= options.good_iou, np.nan)
        share = _with_mean(_over(np.nanmean, good[:, :, :1]))
        for k, structure in enumerate([*names, ALL]):
            for m, measure in enumerate(MEASURES):
                rows.append(
                    {
                        "genus": genus,
                        "round": round_,
                        "structure": structure,
                        "measure": measure,
                        "n": means.n[k, m],
                        "mean": means.mean[k, m],
                        "lower": means.lower[k, m],
                        "upper": means.upper[k, m],
                        "median": median[k, m],
                        "share_good": share[k, 0] if measure == "iou" else None,
                    }
                )
    return tables.table(rows, SUMMARY)


def compare_rounds(scores: Scores, options: EvaluationOptions, seed: int) -> pa.Table:
    """Every pair of rounds on the specimens and structures scored in both: see `COMPARISON`.

    `more_than_noise` is `yes` if the interval of the mean change excludes zero and p is below
    1 - level; p is of a sign-flip test and, among the structures of a genus and pair of rounds,
    adjusted after Holm.
    """
    index = [MEASURES.index(name) for name in COMPARED]
    rows = []
    for genus, scopes in groupby(scores.scopes(), key=lambda scope: scope[0]):
        tensors = [scores.tensor(chosen) for _, _, chosen in scopes]
        for i, j in combinations(range(len(scores.rounds)), 2):
            before, after = _aligned(tensors[i], tensors[j])
            before, after = before[:, :, index], after[:, :, index]
            there = np.isfinite(before[:, :, 0]), np.isfinite(after[:, :, 0])
            used = (there[0] & there[1]).any(axis=0)
            if not used.any():
                continue
            unpaired = (there[0] ^ there[1])[:, used].sum(0).tolist()
            unpaired.append(int((there[0] ^ there[1])[:, used].any(axis=1).sum()))
            before, after = before[:, used], after[:, used]
            names = [name for name, u in zip(scores.structures, used, strict=True) if u]
            pair = {
                "genus": genus,
                "round_before": scores.rounds[i],
                "round_after": scores.rounds[j],
            }
            table = _compare(before, after, options, seed, tuple(pair.values()))
            for k, structure in enumerate([*names, ALL]):
                for m, measure in enumerate(COMPARED):
                    cells = {name: column[k, m] for name, column in table.items()}
                    clear = cells["lower"] > 0 or cells["upper"] < 0
                    noise = not (clear and cells["p_holm"] < 1 - options.level)
                    rows.append(
                        pair
                        | {"structure": structure, "measure": measure, "n_unpaired": unpaired[k]}
                        | cells
                        | {"more_than_noise": "no" if noise else "yes"}
                    )
    return tables.table(rows, COMPARISON)


def calibrate(scores: Scores, options: EvaluationOptions) -> tuple[pa.Table, pa.Table]:
    """How each confidence signal relates to IoU, and its reliability table over all genera."""
    codes, values = scores.arrays()
    iou_all = values[:, MEASURES.index("iou")]
    rows, bins = [], []
    for genus, round_, in_round in scores.scopes():
        for k, structure in [(-1, ALL), *enumerate(scores.structures)]:
            inside = in_round if k < 0 else in_round[codes[in_round, 2] == k]
            for s, signal in enumerate(CONFIDENCES, start=len(MEASURES)):
                chosen = inside[np.isfinite(values[inside, s])]
                if not len(chosen):
                    continue
                key = {"genus": genus, "round": round_, "structure": structure, "signal": signal}
                confidence, iou = values[chosen, s], iou_all[chosen]
                rows.append(key | _calibration_row(confidence, iou, codes[chosen, 3], options))
                if genus == ALL and confidence.min() >= 0 and confidence.max() <= 1:
                    good = iou >= GOOD_IOU
                    table = cal.reliability(confidence, good, options.bins)
                    bins += [key | line for line in table]
    return tables.table(rows, CALIBRATION), tables.table(bins, RELIABILITY)


def _calibration_row(
    confidence: NDArray[np.float64],
    iou: NDArray[np.float64],
    specimen: NDArray[np.int32],
    options: EvaluationOptions,
) -> dict[str, float]:
    bad, good = iou < options.bad_iou, iou >= GOOD_IOU
    lower, upper = cal.auroc_interval(-confidence, bad, specimen, options.level)
    return {
        "n": len(iou),
        "n_bad": int(bad.sum()),
        "auroc": cal.auroc(-confidence, bad),
        "auroc_lower": lower,
        "auroc_upper": upper,
        "spearman": cal.spearman(confidence, iou),
        "ece": cal.expected_calibration_error(confidence, good, options.bins),
        "brier_skill": cal.brier_skill(confidence, good),
        "mean_confidence": float(confidence.mean()),
        "share_good": float(good.mean()),
        "mean_iou": float(iou.mean()),
    }


def _compare(
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    options: EvaluationOptions,
    seed: int,
    names: tuple[str, ...],
) -> dict[str, NDArray[np.float64]]:
    """Columns of the comparison of paired values [n, K, M], each [K + 1, M]."""
    change = after - before
    paired = np.isfinite(change)
    means = bootstrap_means(
        change, generator(seed, "change", *names), options.replicates, options.level
    )
    p = sign_flip_p(change, generator(seed, "flip", *names), max(10_000, options.replicates))
    adjusted = p.copy()
    for m in range(p.shape[1]):
        adjusted[:-1, m] = holm(p[:-1, m])
    improved = np.where(paired, change > 0, np.nan)
    return {
        "n": means.n.astype(float),
        "before": _with_mean(_over(np.nanmean, np.where(paired, before, np.nan))),
        "after": _with_mean(_over(np.nanmean, np.where(paired, after, np.nan))),
        "change": means.mean,
        "lower": means.lower,
        "upper": means.upper,
        "share_improved": _with_mean(_over(np.nanmean, improved)),
        "p": p,
        "p_holm": adjusted,
    }


def _aligned(
    first: tuple[NDArray[np.int32], NDArray[np.float64]],
    second: tuple[NDArray[np.int32], NDArray[np.float64]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two tensors over the union of their specimens."""
    both = np.union1d(first[0], second[0])
    out = []
    for specimens, values in (first, second):
        whole = np.full((len(both), *values.shape[1:]), np.nan)
        whole[np.searchsorted(both, specimens)] = values
        out.append(whole)
    return out[0], out[1]


def _over(
    statistic: Callable[..., NDArray[np.float64]], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """`np.nanmean` or `np.nanmedian` over the specimens of [n, K, M], NaN where none has a value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return statistic(values, axis=0)


def _with_mean(by_structure: NDArray[np.float64]) -> NDArray[np.float64]:
    """[K, M] with the mean over structures appended: [K + 1, M]."""
    return np.concatenate([by_structure, _over(np.nanmean, by_structure)[None]])
