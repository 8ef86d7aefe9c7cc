"""LabelMe: one JSON file a photograph."""

import base64
import binascii
import io
import math
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
from PIL import Image

from sam2pal.dataset.drawing import (
    Drawing,
    Outline,
    Source,
    drawn,
    ellipse,
    polygons,
    positive_size,
    rectangle,
)
from sam2pal.io.errors import InputError


def recognise(data: Any) -> bool:
    """A LabelMe file has a list of shapes."""
    return isinstance(data, dict) and isinstance(data.get("shapes"), list)


def read(data: Any, path: Path) -> Source:
    """Read one LabelMe file.

    LabelMe turns photographs upright before it shows them, so its coordinates are taken as
    those of the displayed photograph wherever sizes do not tell.

    Raises:
        InputError: naming the shape that is wrong.
    """
    source = Source()
    name = data.get("imagePath")
    # Files made from image data alone name no photograph; LabelMe gives both the same stem.
    name = PureWindowsPath(name).as_posix() if isinstance(name, str) and name else path.stem
    size = positive_size(data.get("imageWidth"), data.get("imageHeight"), f"{path}: its photograph")
    drawing = Drawing(name, str(path), [], size, displayed=True)
    for number, shape in enumerate(data["shapes"], 1):
        where = f"{path}: shape {number}"
        if not isinstance(shape, dict) or not isinstance(shape.get("label"), str):
            raise InputError(f"{where} has no label; name it in LabelMe")
        outline = _outline(shape, f"{where} ('{shape['label']}')", size, source)
        if outline is not None:
            drawing.outlines.append(outline)
    source.drawings.append(drawing)
    return source


def _outline(
    shape: dict[str, Any], where: str, size: tuple[int, int] | None, source: Source
) -> Outline | None:
    label, kind = shape["label"], shape.get("shape_type") or "polygon"
    try:
        points = [(float(x), float(y)) for x, y in shape["points"]]
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{where}: its points are not pairs of numbers; redraw it") from None
    if kind in ("polygon", "oriented_rectangle"):
        return polygons(label, where, [[v for point in points for v in point]])
    if kind in ("rectangle", "circle", "mask") and len(points) != 2:
        raise InputError(f"{where}: a {kind} has two points, found {len(points)}; redraw it")
    if kind == "rectangle":
        (ax, ay), (bx, by) = points
        ring = rectangle(min(ax, bx), min(ay, by), max(ax, bx), max(ay, by))
        return polygons(label, where, [ring])
    if kind == "circle":
        radius = math.dist(*points)
        return polygons(label, where, [ellipse(*points[0], radius, radius)])
    if kind == "mask":
        return drawn(label, where, _pasted(shape, points, size, where))
    source.ignore(f"shapes of type {kind}")
    return None


def _pasted(
    shape: dict[str, Any],
    points: list[tuple[float, float]],
    size: tuple[int, int] | None,
    where: str,
) -> np.ndarray:
    """The mask of a shape of type `mask`: a PNG in base64, pasted at the first point."""
    if size is None:
        raise InputError(f"{where}: a mask needs imageWidth and imageHeight in its file")
    try:
        with Image.open(io.BytesIO(base64.b64decode(shape["mask"], validate=True))) as image:
            crop = np.asarray(image.convert("L")) > 0
    except (KeyError, TypeError, binascii.Error, OSError) as error:
        raise InputError(f"{where}: its mask is not a PNG in base64; export it again") from error
    left, top = (round(value) for value in points[0])
    if min(left, top) < 0 or left + crop.shape[1] > size[0] or top + crop.shape[0] > size[1]:
        raise InputError(
            f"{where}: its mask of {crop.shape[1]} x {crop.shape[0]} pixels at ({left}, {top}) does"
            f" not fit into the photograph of {size[0]} x {size[1]}; export it again"
        )
    mask = np.zeros((size[1], size[0]), bool)
    mask[top : top + crop.shape[0], left : left + crop.shape[1]] = crop
    return mask
