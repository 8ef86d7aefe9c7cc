"""Segmenting a shard: every structure of every specimen, at the photograph's own size, with a confidence."""

from sam2pal.segmentation.annotations import AREA_LEVELS
from sam2pal.segmentation.options import SegmentationOptions
from sam2pal.segmentation.shard import segment
from sam2pal.segmentation.tracking import Bank, remember, track_batch

__all__ = ["AREA_LEVELS", "Bank", "SegmentationOptions", "remember", "segment", "track_batch"]
