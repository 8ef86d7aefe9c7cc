"""How masks are scored and how scores are summarised."""

from typing import Literal

from pydantic import Field, StrictFloat, StrictInt

from sam2pal.config.fields import Share, options


@options
class EvaluationOptions:
    """How masks are scored and how scores are summarised."""

    boundary_tolerance: StrictFloat = Field(0.008, gt=0, lt=1)
    """distance at which two outlines still agree, as a share of the photograph's diagonal; at
    least one pixel"""
    unannotated: Literal["unknown", "absent"] = "unknown"
    """how to read a structure that a truth file does not mention: `unknown` (not scored, but
    counted) or `absent`"""
    good_iou: Share = 0.75
    """summaries give the share of specimens with at least this IoU"""
    bad_iou: Share = 0.5
    """masks below this IoU count as bad; confidences are judged by how well they find bad
    masks"""
    bins: StrictInt = Field(10, ge=2, le=1000)
    """bins of the reliability table"""
    replicates: StrictInt = Field(2000, ge=100, le=100_000)
    """replicates of the bootstrap, and of random sign flips if not all can be tried"""
    level: StrictFloat = Field(0.95, gt=0, lt=1)
    """coverage of intervals; a change with p < 1 - level counts as more than noise"""
