"""Segmenting a shard: every structure of every specimen, at the photograph's own size, with a confidence."""

from sam2pal.model.views import View
from sam2pal.segmentation.annotations import AREA_LEVELS
from sam2pal.segmentation.bank import Bank, remember
from sam2pal.segmentation.options import SegmentationOptions
from sam2pal.segmentation.shard import segment
from sam2pal.segmentation.tracking import track_batch

__all__ = [
    "AREA_LEVELS",
    "Bank",
    "SegmentationOptions",
    "View",
    "remember",
    "segment",
    "track_batch",
]
