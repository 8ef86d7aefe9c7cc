"""CVAT for images 1.1: one XML file for many photographs."""

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sam2pal.dataset.drawing import (
    Drawing,
    Outline,
    Source,
    absent_outline,
    ellipse,
    outline_of_mask,
    paste_slices,
    polygons,
    positive_size,
)
from sam2pal.dataset.exported import NO_MARK, Exported, marks, missing_structure
from sam2pal.io.errors import InputError
from sam2pal.io.files import atomic, write_text

_START = re.compile(r"\s*(<\?xml[^>]*>)?\s*(<!--.*?-->\s*)*<annotations[\s>]", re.S)


def recognise(text: str) -> bool:
    """CVAT's XML, of images or of a video."""
    return bool(_START.match(text[:4096]))


def read(text: str, path: Path) -> Source:
    """Read CVAT's XML: polygons, ellipses and masks; boxes are not outlines.

    CVAT turns photographs upright. A tag such as `head absent` or `head hidden` says why
    the specimen does not show the structure.

    Raises:
        InputError: it is not sound XML, or of a video.
    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InputError(f"{path}: XML with definitions of its own is not read; export it again")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise InputError(f"{path}: not valid XML ({error}); export it again") from error
    if root.find("track") is not None:
        raise InputError(f"{path}: this is CVAT for video; export it as CVAT for images or COCO")
    source = Source()
    for image in root.iter("image"):
        name = image.get("name") or ""
        where = f"{path}: image '{name}'"
        size = positive_size(*(float(image.get(k) or 0) for k in ("width", "height")), where)
        drawing = Drawing(name, where, [], size, displayed=True)
        for number, shape in enumerate(image, 1):
            label = (shape.get("label") or "").strip()
            place = f"{where}, shape {number} ('{label}')"
            missing, why = missing_structure(label)
            if shape.tag == "tag" and missing:
                drawing.outlines.append(absent_outline(missing, place, why))
                continue
            if shape.tag == "tag":
                source.ignore(f"tags '{label}' {NO_MARK}")
                continue
            if shape.tag not in ("polygon", "ellipse", "mask"):
                source.ignore(f"shapes of type {shape.tag[:40]}")
                continue
            drawing.add(label, place, _outline, shape, label, place, size)
        source.drawings.append(drawing)
    return source


def _outline(
    shape: ElementTree.Element, label: str, where: str, size: tuple[int, int] | None
) -> Outline:
    if shape.tag == "mask":
        return outline_of_mask(label, where, _mask(shape, where, size))
    if shape.tag == "ellipse":
        cx, cy, rx, ry = (float(shape.get(key) or "") for key in ("cx", "cy", "rx", "ry"))
        turn = np.deg2rad(float(shape.get("rotation") or 0))
        return polygons(label, where, [ellipse(cx, cy, rx, ry, float(turn))])
    points = [point.split(",") for point in (shape.get("points") or "").split(";")]
    return polygons(label, where, [[float(v) for point in points for v in point]], browser=True)


def _mask(shape: ElementTree.Element, where: str, size: tuple[int, int] | None) -> np.ndarray:
    """CVAT's own run lengths: along the rows of a box, ground first."""
    left, top, width, height = (
        int(float(shape.get(key) or "")) for key in ("left", "top", "width", "height")
    )
    if size is None:
        raise InputError(f"{where}: it does not say the size of its image; export it again")
    place = paste_slices((width, height), left, top, size, where)
    runs = np.array([int(run) for run in (shape.get("rle") or "").split(",")])
    if runs.min() < 0 or runs.sum() != width * height:
        raise ValueError(f"its runs cover {runs.sum()} pixels of {width * height}")
    mask = np.zeros((size[1], size[0]), bool)
    values = np.arange(len(runs)) % 2 == 1
    mask[place] = np.repeat(values, runs).reshape(height, width)
    return mask


def write(specimens: Sequence[Exported], structures: Sequence[str], folder: Path) -> None:
    """Write `annotations.xml`: polygons, and tags for what is not shown; and labels for the task."""
    with (
        atomic(folder / "annotations.xml") as temporary,
        temporary.open("w", encoding="utf-8") as file,
    ):
        file.write(
            '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n'
        )
        for number, one in enumerate(specimens):
            width, height = (str(side) for side in one.displayed_size)
            sizes = {"id": str(number), "name": one.specimen.name, "width": width, "height": height}
            image = ElementTree.Element("image", sizes)
            for structure in one.present:
                for points in one.rings(structure):
                    line = ";".join(f"{x:.12g},{y:.12g}" for x, y in points)
                    shape = {"label": structure, "source": "manual", "occluded": "0"}
                    ElementTree.SubElement(
                        image, "polygon", {**shape, "points": line, "z_order": "0"}
                    )
            for mark in one.marks:
                ElementTree.SubElement(image, "tag", {"label": mark, "source": "manual"})
            file.write(ElementTree.tostring(image, encoding="unicode") + "\n")
        file.write("</annotations>\n")
    labels = [{"name": name, "type": "polygon", "attributes": []} for name in structures]
    labels += [{"name": mark, "type": "tag", "attributes": []} for mark in marks(structures)]
    text = "Paste this into the tab *Raw* of the labels of a new task:\n\n"
    write_text(folder / "labels.md", text + json.dumps(labels, indent=1, ensure_ascii=False) + "\n")
