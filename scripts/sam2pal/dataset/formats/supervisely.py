"""Supervisely's JSON: a file per photograph, `{photograph}.json`."""

import base64
import zlib
from pathlib import Path
from typing import Any

from sam2pal.dataset.drawing import (
    Drawing,
    Outline,
    Source,
    finite,
    flat,
    outline_of_mask,
    pasted_png,
    polygon_with_holes,
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
        read_one = _polygon if kind == "polygon" else _bitmap
        drawing.add(label, where, read_one, entry, label, where, size)
    source.drawings.append(drawing)
    return source


def _polygon(entry: dict[str, Any], label: str, where: str, _: object) -> Outline:
    points = entry["points"]
    rings = [points["exterior"], *(points.get("interior") or [])]
    return polygon_with_holes(label, where, [flat(ring, where) for ring in rings])


def _bitmap(entry: dict[str, Any], label: str, where: str, size: tuple[int, int] | None) -> Outline:
    bitmap = entry["bitmap"]
    if size is None:
        raise InputError(
            f"{where}: its file does not say the size of the photograph; export it again"
        )
    expand = zlib.decompressobj()
    try:
        content = expand.decompress(base64.b64decode(bitmap["data"]), 2**28)
    except zlib.error as error:
        raise InputError(f"{where}: its bitmap is damaged ({error}); export it again") from error
    left, top = (int(finite(value)) for value in bitmap["origin"])
    return outline_of_mask(label, where, pasted_png(content, left, top, size, where))
