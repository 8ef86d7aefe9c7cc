"""Measures of two masks that compare their boundaries.

The boundary of a mask is the set of its pixels with one of their four neighbours outside it; what
lies beyond the photograph's frame is outside, and the rim of a hole is boundary like any other.
Distances are Euclidean, between centres of pixels, in pixels of the photograph.
"""

import numpy as np
import scipy
from numpy.typing import NDArray

from sam2pal.evaluation.overlap import Mask, check_sizes


def boundary(mask: Mask) -> Mask:
    """The boundary pixels of a mask [H, W]."""
    padded = np.pad(mask, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inner


def boundary_distances(
    first: Mask, second: Mask
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance of every boundary pixel of each mask to the nearest one of the other.

    Neither mask may be empty.

    Returns:
        the distances of the first mask's boundary pixels, and those of the second's.
    """
    check_sizes(first, second)
    a, b = np.argwhere(boundary(first)), np.argwhere(boundary(second))
    if not len(a) or not len(b):
        raise ValueError("an empty mask has no boundary")
    # Trees of boundary pixels, not distance transforms: their cost grows with the outline, not
    # with the area, which matters for photographs of many megapixels.
    return scipy.spatial.cKDTree(b).query(a)[0], scipy.spatial.cKDTree(a).query(b)[0]


def tolerance_px(fraction: float, height: int, width: int) -> float:
    """The boundary tolerance in pixels: a fraction of the diagonal, but at least one pixel."""
    return max(1.0, fraction * float(np.hypot(height, width)))


def boundary_measures(predicted: Mask, truth: Mask, tolerance: float) -> dict[str, float]:
    """Boundary F and the 95th percentile Hausdorff distance of two masks [H, W].

    Args:
        tolerance: in pixels.

    Returns:
        `boundary_f`: harmonic mean of the share of predicted boundary pixels within `tolerance` of
        the true boundary and the share of true boundary pixels within it of the predicted one;
        `hd95_px`: the larger of the two directed 95th percentiles of the distances.
        Truth must not be empty; with an empty prediction `boundary_f` is 0 and `hd95_px` NaN.
    """
    if not predicted.any():
        return {"boundary_f": 0.0, "hd95_px": float("nan")}
    to_truth, to_predicted = boundary_distances(predicted, truth)
    limit = tolerance + 1e-9
    precision, recall = np.mean(to_truth <= limit), np.mean(to_predicted <= limit)
    both = precision + recall
    return {
        "boundary_f": float(2 * precision * recall / both) if both else 0.0,
        "hd95_px": float(max(np.percentile(to_truth, 95), np.percentile(to_predicted, 95))),
    }
