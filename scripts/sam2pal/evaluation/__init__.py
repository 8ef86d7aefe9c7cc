"""Scores of masks against truth, their summaries, and what confidences are worth."""

from sam2pal.evaluation.bootstrap import bootstrap_means, crossed_means, holm, sign_flip_p
from sam2pal.evaluation.boundary import boundary, boundary_distances, boundary_measures
from sam2pal.evaluation.calibration import (
    auroc,
    auroc_interval,
    expected_calibration_error,
    reliability,
    spearman,
)
from sam2pal.evaluation.options import EvaluationOptions
from sam2pal.evaluation.overlap import iou, overlap
from sam2pal.evaluation.pair import MEASURES, evaluate_pair

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
