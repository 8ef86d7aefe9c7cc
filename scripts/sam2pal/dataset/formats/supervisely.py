"""Supervisely's JSON: a file per photograph, `{photograph}.json`."""

import base64
import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sam2pal.dataset.drawing import (
    Drawing,
    Outline,
    Source,
    drawn,
    faulty,
    finite,
    flat,
    placed,
    polygons,
    positive_size,
)
from sam2pal.io.errors import InputError


def recognise(data: Any) -> bool:
    """It has the size of the photograph and objects with a class."""
    return isinstance(data, dict) and isinstance(data.get("size"), dict) and "objects" in data


def read(data: dict[str, Any], path: Path) -> Source:
    """Read polygons and bitmaps of a file `{photograph}.json`."""
    source = Source()
    size = positive_size(data["size"].get("width"), data["size"].get("height"), str(path))
    drawing = Drawing(path.name.removesuffix(".json"), str(path), [], size)
    for number, entry in enumerate(data["objects"], 1):
        label, kind = str(entry.get("classTitle") or ""), entry.get("geometryType")
        where = f"{path}: object {number} ('{label}')"
        if kind not in ("polygon", "bitmap"):
            source.ignore(f"objects of type {str(kind)[:40]}")
            continue
        try:
            if kind == "polygon":
                points = entry["points"]
                rings = [points["exterior"], *(points.get("interior") or [])]
                outline = polygons(label, where, [flat(ring, where) for ring in rings])
            else:
                outline = _bitmap(entry["bitmap"], label, where, size)
        except (KeyError, TypeError, ValueError, OSError, zlib.error) as error:
            message = f"{where}: its {kind} is damaged ({error}); export it again"
            outline = faulty(label, where, InputError(message))
        except InputError as error:
            outline = faulty(label, where, error)
        drawing.outlines.append(outline)
    source.drawings.append(drawing)
    return source


def _bitmap(
    bitmap: dict[str, Any], label: str, where: str, size: tuple[int, int] | None
) -> Outline:
    if size is None:
        raise InputError(f"{where}: a bitmap needs the size of its photograph")
    expand = zlib.decompressobj()
    content = expand.decompress(base64.b64decode(bitmap["data"]), 2**28)
    left, top = (int(finite(value)) for value in bitmap["origin"])
    with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
        place = placed(image.size, left, top, size, where)
        single = image.mode in ("L", "1", "P")
        crop = image.convert("L") if single else image.convert("RGBA").getchannel("A")
    mask = np.zeros((size[1], size[0]), bool)
    mask[place] = np.asarray(crop) > 0
    return drawn(label, where, mask)
