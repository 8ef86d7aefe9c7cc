"""Scores of masks against truth, their summaries, and what confidences are worth."""

from sam2pal.metrics.bootstrap import bootstrap_means, crossed_means, holm, sign_flip_p
from sam2pal.metrics.boundary import boundary, boundary_distances, boundary_measures
from sam2pal.metrics.calibration import (
    auroc,
    auroc_interval,
    expected_calibration_error,
    reliability,
    spearman,
)
from sam2pal.metrics.options import EvaluationOptions
from sam2pal.metrics.overlap import iou, overlap
from sam2pal.metrics.pair import MEASURES, evaluate_pair

__all__ = [
    "MEASURES",
    "EvaluationOptions",
    "auroc",
    "auroc_interval",
    "bootstrap_means",
    "boundary",
    "boundary_distances",
    "boundary_measures",
    "crossed_means",
    "evaluate_pair",
    "expected_calibration_error",
    "holm",
    "iou",
    "overlap",
    "reliability",
    "sign_flip_p",
    "spearman",
]
