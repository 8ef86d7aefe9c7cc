"""LabelMe: one JSON file per photograph."""

import base64
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sam2pal.dataset.drawing import (
    Drawing,
    Outline,
    Source,
    absent_outline,
    ellipse,
    flat,
    outline_of_mask,
    pasted_png,
    polygons,
    positive_size,
    rectangle,
)
from sam2pal.dataset.exported import NO_MARK, Exported, marks, missing_structure
from sam2pal.dataset.files import write_json
from sam2pal.dataset.photographs import Photographs
from sam2pal.images.address import split
from sam2pal.images.reading import read_photograph
from sam2pal.io.errors import InputError
from sam2pal.io.files import atomic


def recognise(data: Any) -> bool:
    """A LabelMe file has a list of shapes."""
    return isinstance(data, dict) and isinstance(data.get("shapes"), list)


def read(data: Any, path: Path, photographs: Photographs) -> Source:
    """Read one LabelMe file.

    LabelMe turns photographs upright before it shows them, so its coordinates are taken as
    those of the displayed photograph wherever sizes do not tell. X-AnyLabeling does not.
    A flag such as `head absent` or `head hidden` that is set says why the specimen does not show it.

    Raises:
        InputError: the file does not say for certain which photograph it is of.
    """
    source = Source()
    size = positive_size(data.get("imageWidth"), data.get("imageHeight"), f"{path}: its photograph")
    shapes = [shape for shape in data["shapes"] if isinstance(shape, dict)]
    displayed = not any("kie_linking" in shape or "difficult" in shape for shape in shapes)
    drawing = Drawing(photograph_of(data, path, photographs), str(path), [], size, displayed)
    for number, shape in enumerate(data["shapes"], 1):
        where = f"{path}: shape {number}"
        label = shape.get("label") if isinstance(shape, dict) else None
        if not isinstance(label, str) or not label.strip():
            said = "no label" if label in (None, "") else f"the label {label!r}, which is not text"
            source.faults.append(InputError(f"{where} has {said}; name its structure in LabelMe"))
            continue
        where = f"{where} ('{label}')"
        drawing.add(label, where, _outline, shape, where, size, source)
    flags = data.get("flags")
    for mark, is_set in flags.items() if isinstance(flags, dict) else ():
        label, why = missing_structure(mark)
        if is_set and label:
            drawing.outlines.append(absent_outline(label, f"{path}: flag '{mark}'", why))
        elif is_set:
            source.ignore(f"flags '{mark}' {NO_MARK}")
    source.drawings.append(drawing)
    return source


def photograph_of(data: Mapping[str, Any], path: Path, photographs: Photographs) -> str:
    """The name of the photograph; InputError for a file copied from that of another one."""
    name = data.get("imagePath")
    # Files made from image data alone name no photograph; LabelMe gives both the same stem.
    if not isinstance(name, str) or not name:
        return path.stem
    said, beside = photographs.candidates(name), photographs.candidates(path.stem)
    if len(said) == len(beside) == 1 and said != beside:
        raise InputError(
            f"{path}: its imagePath is '{name}', but the photograph '{beside[0].name}' has its name;"
            " if it was copied and drawn anew, correct imagePath, else rename the file"
        )
    return name


def _outline(
    shape: dict[str, Any], where: str, size: tuple[int, int] | None, source: Source
) -> Outline | None:
    label, kind = shape["label"], shape.get("shape_type") or "polygon"
    values = flat(shape.get("points"), where)
    points = list(zip(values[0::2], values[1::2], strict=True))
    if kind in ("polygon", "oriented_rectangle", "quadrilateral", "rotation") or (
        kind == "rectangle" and len(points) == 4  # of X-AnyLabeling
    ):
        if len(points) < 3:
            source.ignore(f"{kind}s of fewer than 3 points")
            return None
        return polygons(label, where, [values])
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
        return outline_of_mask(label, where, _pasted(shape, points, size, where))
    source.ignore(f"shapes of type {str(kind)[:40]}")
    return None


def _pasted(
    shape: dict[str, Any],
    points: list[tuple[float, float]],
    size: tuple[int, int] | None,
    where: str,
) -> np.ndarray:
    """The mask of a shape of type `mask`: a PNG in base64, pasted at the first point."""
    if size is None:
        raise InputError(
            f"{where}: its file lacks imageWidth and imageHeight; save it again in LabelMe"
        )
    if not all(math.isfinite(value) for value in points[0]):
        raise InputError(f"{where}: the place of its mask is not a number; redraw it")
    left, top = (round(value) for value in points[0])
    try:
        content = base64.b64decode(shape["mask"], validate=True)
        return pasted_png(content, left, top, size, where)
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise InputError(f"{where}: its mask is not a PNG in base64; export it again") from error


def write(specimens: Sequence[Exported], structures: Sequence[str], folder: Path) -> None:
    """Write `{specimen}.json` with polygons, and flags for structures that are absent or hidden.

    LabelMe opens no window of a photograph, so `{specimen}.png` holds the pixels of one.
    """
    for one in specimens:
        path = folder / f"{one.specimen.specimen}.json"
        width, height = one.displayed_size
        shapes = [
            {
                "label": structure,
                "points": points,
                "group_id": None,
                "description": "",
                "shape_type": "polygon",
                "flags": {},
            }
            for structure in one.present
            for points in one.rings(structure)
        ]
        photograph = os.path.relpath(one.specimen.path or one.specimen.name, path.parent)
        if split(one.specimen.path)[1]:
            photograph = f"{path.stem}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic(path.parent / photograph) as temporary:
                Image.fromarray(read_photograph(one.specimen.path).pixels).save(temporary, "PNG")
        content = {
            "version": "5.5.0",
            "flags": {mark: mark in one.marks for mark in (*marks(structures), *one.marks)},
            "shapes": shapes,
            "imagePath": photograph.replace(os.sep, "/"),
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        write_json(path, content)
