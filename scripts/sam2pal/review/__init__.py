"""The review page of a genus and round, outlines over photographs, and contact sheets."""

from sam2pal.review.colours import PALETTE, LineStyle, line_styles
from sam2pal.review.options import ReviewOptions
from sam2pal.review.outlines import outlines
from sam2pal.review.overlay import Cell, contact_sheet, render_overlay
from sam2pal.review.shards import Group
from sam2pal.review.writing import Result, write_review

__all__ = [
    "PALETTE",
    "Cell",
    "Group",
    "LineStyle",
    "Result",
    "ReviewOptions",
    "contact_sheet",
    "line_styles",
    "outlines",
    "render_overlay",
    "write_review",
]
