"""All measures of one predicted mask against one true mask."""

import numpy as np

from sam2pal.evaluation.boundary import boundary_measures, tolerance_px
from sam2pal.evaluation.columns import MEASURES
from sam2pal.evaluation.overlap import Mask, check_sizes, overlap
from sam2pal.images.window import Window


def evaluate_pair(predicted: Mask, truth: Mask, boundary_tolerance: float) -> dict[str, float]:
    """Measures of a predicted mask against the true one, both bool [H, W].

    Args:
        boundary_tolerance: as a fraction of the photograph's diagonal.

    Returns:
        the measures named in `MEASURES`, `boundary_tolerance_px`, `truth_area_px` and
        `predicted_area_px`. If truth is empty every measure is NaN: whether the structure was
        rightly found absent is another question than how well it was outlined. If only the
        prediction is empty, IoU, Dice, recall and boundary F are 0, the area error is -1,
        precision and HD95 are NaN.

    Raises:
        ValueError: the masks differ in size.
    """
    predicted, truth = np.asarray(predicted, bool), np.asarray(truth, bool)
    check_sizes(predicted, truth)
    tolerance = tolerance_px(boundary_tolerance, *truth.shape)
    result = {
        **dict.fromkeys(MEASURES, float("nan")),
        "boundary_tolerance_px": tolerance,
        "truth_area_px": int(np.count_nonzero(truth)),
        "predicted_area_px": int(np.count_nonzero(predicted)),
    }
    if result["truth_area_px"]:
        result |= overlap(predicted, truth)
        box = Window.holding(predicted | truth).slices
        result |= boundary_measures(predicted[box], truth[box], tolerance)
    return result
