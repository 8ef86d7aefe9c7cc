"""Columns of evaluation.csv, and the values of `status`."""

from sam2pal.dataset.signals import SIGNALS

MEASURES = ("iou", "dice", "precision", "recall", "boundary_f", "hd95_px", "area_error")
CONFIDENCES = ("confidence", *SIGNALS)
COLUMNS = {
    **dict.fromkeys(
        ("genus", "round", "specimen", "structure", "status", "state", "source", "verdict"), str
    ),
    **dict.fromkeys((*MEASURES, "boundary_tolerance_px"), float),
    **dict.fromkeys(("truth_area_px", "predicted_area_px"), int),
    **dict.fromkeys(CONFIDENCES, float),
    **dict.fromkeys(("flags", "reason"), str),
}
"""Columns of evaluation.csv; those of the specimen table follow."""
STATUSES = (
    *("scored", "missed", "false_positive", "absent_both", "unannotated", "no_truth"),
    *("template", "corrected", "unreadable", "no_specimen", "no_prediction"),
)
SCORED = ("scored", "missed")
"""Rows that enter means: truth shows the structure."""
