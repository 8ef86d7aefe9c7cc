"""Boxes and areas of annotations, compared with their masks."""

import numpy as np
import shapely
from PIL import Image, ImageDraw

from sam2pal.dataset.drawing import Outline, holes_of, united
from sam2pal.images.window import Window
from sam2pal.io.errors import InputError

Box = tuple[float, float, float, float]
AGREE = 0.5
"""IoU of two boxes below which they are of different things."""


def resolve_mask(outline: Outline, mask: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """The mask of an outline, as its annotation's box and area say it is meant.

    An RLE that runs along rows is turned; a polygon through the centres of pixels, as
    OpenCV's `findContours` gives it, includes them; a ring within another is a hole unless
    the area says that it was filled.

    Returns:
        The mask `[height, width]`, and notes on what was settled or remains doubtful.

    Raises:
        InputError: box and mask contradict each other.
    """
    notes: list[str] = []
    if outline.empty or not mask.any():
        return mask, notes
    if outline.box is not None:
        mask, notes = _by_box(outline, mask, outline.box)
    if outline.rings:
        mask, more = _by_area(outline, mask)
        notes += more
    elif outline.area is not None:
        _, _, width, height = Window.holding(mask).bbox
        count = int(mask.sum())
        if abs(count - outline.area) > 2 + (width + height) / 2:
            notes.append(
                f"{outline.where}: its area says {outline.area:g} pixels, its mask has {count}"
            )
    return mask, notes


def _by_box(outline: Outline, mask: np.ndarray, box: Box) -> tuple[np.ndarray, list[str]]:
    own = Window.holding(mask).bbox
    corners = (box[0], box[1], box[2] - box[0], box[3] - box[1])
    agree = [_overlap(own, box), _overlap(own, corners)]
    if outline.bounds is not None:  # the mask may be cut at the edge of the photograph
        left, top, right, bottom = outline.bounds
        agree.append(_overlap((left, top, right - left, bottom - top), box))
    if max(agree) >= AGREE:
        return mask, []
    if outline.size is not None:
        height, width = mask.shape
        along_rows = mask.T.ravel().reshape(height, width)
        if _overlap(Window.holding(along_rows).bbox, box) > 0.9:
            note = f"{outline.where}: its mask runs along rows, as its box shows, and was turned"
            return np.ascontiguousarray(along_rows), [note]
    raise InputError(
        f"{outline.where}: its bbox ({_said(box)}) and its outline ({_said(own)}; left, top, width,"
        " height) contradict each other; export it again"
    )


def _by_area(outline: Outline, mask: np.ndarray) -> tuple[np.ndarray, list[str]]:
    height, width = mask.shape
    area, where = outline.area, outline.where
    holes = holes_of(outline.rings)
    if holes:
        filled = united(outline.rings, height, width)
        if area is not None and abs(filled.sum() - area) < abs(mask.sum() - area):
            return filled, [f"{where}: a ring within another was filled, as its area says"]
        return mask, [f"{where}: a ring within another is taken as a hole"]
    left, top, right, bottom = outline.bounds or (0, 0, 0, 0)
    cut = left < 0 or top < 0 or right > width or bottom > height
    if area is None or cut or abs(mask.sum() - area) <= 2 + (right - left + bottom - top) / 2:
        return mask, []
    inclusive = _with_edge(outline, height, width)
    if inclusive is not None and abs(inclusive.sum() - area) <= 1:
        note = f"{where}: its outline runs through the centres of pixels, as its area shows"
        return inclusive, [note]
    return mask, [f"{where}: its area says {area:g} pixels, its outline encloses {mask.sum()}"]


def _with_edge(outline: Outline, height: int, width: int) -> np.ndarray | None:
    """The mask with the pixels whose centres a polygon of whole numbers runs through."""
    if not all(value == int(value) for ring in outline.rings for value in ring):
        return None
    picture = Image.new("1", (width, height))
    draw = ImageDraw.Draw(picture)
    for ring in outline.rings:
        draw.polygon([int(value) for value in ring], fill=1, outline=1)
    return np.asarray(picture)


def _overlap(one: Box, other: Box) -> float:
    """IoU of two boxes; one of less than a pixel counts as a pixel."""
    first, second = (
        shapely.box(left, top, left + max(width, 1), top + max(height, 1))
        for left, top, width, height in (one, other)
    )
    return first.intersection(second).area / first.union(second).area


def _said(box: Box) -> str:
    return ", ".join(f"{value:g}" for value in box)
