"""Measures of two masks that count pixels."""

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def iou(first: Mask, second: Mask) -> float | NDArray[np.float64]:
    """Intersection over union of masks [..., H, W]; a float for two single masks.

    NaN where both masks are empty: there is nothing to agree about.

    Raises:
        ValueError: the masks differ in height or width.
    """
    first, second = np.asarray(first, bool), np.asarray(second, bool)
    check_sizes(first, second)
    intersection = np.count_nonzero(first & second, axis=(-2, -1))
    union = np.count_nonzero(first | second, axis=(-2, -1))
    value = _ratio(intersection, union)
    return float(value) if np.ndim(value) == 0 else value


def check_sizes(first: Mask, second: Mask) -> None:
    """Raise `ValueError` unless two masks have the same height and width."""
    if first.ndim < 2 or second.ndim < 2 or first.shape[-2:] != second.shape[-2:]:
        raise ValueError(f"masks of different size: {first.shape} and {second.shape}")


def overlap(predicted: Mask, truth: Mask) -> dict[str, float]:
    """IoU, Dice, precision, recall and relative area error of two masks [H, W].

    Truth must not be empty. With an empty prediction IoU, Dice and recall are 0, the area
    error is -1 and precision, a share of no pixels, is NaN.
    """
    check_sizes(predicted, truth)
    shared = int(np.count_nonzero(predicted & truth))
    n_predicted, n_truth = int(np.count_nonzero(predicted)), int(np.count_nonzero(truth))
    return {
        "iou": float(_ratio(shared, n_predicted + n_truth - shared)),
        "dice": float(_ratio(2 * shared, n_predicted + n_truth)),
        "precision": float(_ratio(shared, n_predicted)),
        "recall": float(_ratio(shared, n_truth)),
        "area_error": float(_ratio(n_predicted - n_truth, n_truth)),
    }


def _ratio(numerator: object, denominator: object) -> NDArray[np.float64]:
    numerator, denominator = np.asarray(numerator, float), np.asarray(denominator, float)
    out = np.full(np.broadcast(numerator, denominator).shape, np.nan)
    return np.divide(numerator, denominator, out=out, where=denominator != 0)
