"""The review page of a genus and round, outlines over photographs, and contact sheets."""

from sam2pal.gallery.colours import PALETTE, LineStyle, line_styles
from sam2pal.gallery.options import ReviewOptions
from sam2pal.gallery.outlines import outlines
from sam2pal.gallery.overlay import Cell, contact_sheet, render_overlay
from sam2pal.gallery.shards import Group
from sam2pal.gallery.writing import Result, write_review

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
