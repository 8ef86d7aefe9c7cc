"""Measures of two masks that count pixels."""

import math

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def iou(first: Mask, second: Mask) -> float:
    """Intersection over union of two masks [H, W]; NaN if both are empty: there is nothing to agree about.

    Raises:
        ValueError: the masks differ in height or width.
    """
    check_sizes(first, second)
    return _ratio(np.count_nonzero(first & second), np.count_nonzero(first | second))


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
    shared = np.count_nonzero(predicted & truth)
    n_predicted, n_truth = np.count_nonzero(predicted), np.count_nonzero(truth)
    return {
        "iou": _ratio(shared, n_predicted + n_truth - shared),
        "dice": _ratio(2 * shared, n_predicted + n_truth),
        "precision": _ratio(shared, n_predicted),
        "recall": _ratio(shared, n_truth),
        "area_error": _ratio(n_predicted - n_truth, n_truth),
    }


def _ratio(numerator: int, denominator: int) -> float:
    return numerator / denominator if denominator else math.nan
