"""COCO: polygons, compressed and uncompressed RLE."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sam2pal.dataset.dataset import specimen_of
from sam2pal.dataset.drawing import Drawing, Outline, Source, absent, polygons, positive_size
from sam2pal.dataset.files import check
from sam2pal.dataset.rle import decode_mask, rle_area, rle_size
from sam2pal.io.errors import InputError

KEYPOINTS = "keypoints"
BOXES = "bounding boxes without an outline"


def recognise(data: Any) -> bool:
    """COCO, or its results format, which `check` explains cannot be used."""
    if isinstance(data, list):
        return bool(data) and isinstance(data[0], dict) and "image_id" in data[0]
    return isinstance(data, dict) and "annotations" in data and "images" in data


def read(data: Any, path: Path) -> Source:
    """Read COCO.

    `info.orientation`, `stored` or `displayed`, says for which orientation of photographs with
    an EXIF orientation the annotation was made, where sizes do not tell.

    Raises:
        InputError: naming the entry that is wrong.
    """
    data = check(data, path)
    orientation = (data.get("info") or {}).get("orientation")
    if orientation not in (None, "stored", "displayed"):
        raise InputError(
            f"{path}: info.orientation is {orientation!r}; write 'stored' or 'displayed'"
        )
    source = Source()
    names = {category["id"]: category["name"] for category in data["categories"]}
    drawings = {}
    for image in data["images"]:
        where = f"{path}: image '{image['file_name']}'"
        size = positive_size(image.get("width"), image.get("height"), where)
        displayed = None if orientation is None else orientation == "displayed"
        drawings[image["id"]] = Drawing(_photograph(image), where, [], size, displayed)
    for number, annotation in enumerate(data["annotations"], 1):
        drawing = drawings[annotation["image_id"]]
        label = names[annotation["category_id"]]
        entry = annotation.get("id", f"number {number}")
        where = f"{path}: annotation {entry} ('{label}' of '{drawing.photograph}')"
        if annotation.get("keypoints"):
            source.ignore(KEYPOINTS)
        outline = _outline(annotation, label, where)
        if outline is not None:
            drawing.outlines.append(outline)
        elif not annotation.get("keypoints"):
            source.ignore(BOXES)
    source.drawings = list(drawings.values())
    return source


def _photograph(image: Mapping[str, Any]) -> str:
    """The file name, with the folders of the specimen where a file of the workflow's says them."""
    folders = os.path.dirname(specimen_of(image))
    name = image["file_name"]
    return f"{folders}/{name}" if folders and "/" not in name else name


def _outline(annotation: Mapping[str, Any], label: str, where: str) -> Outline | None:
    segmentation = annotation.get("segmentation")
    if not segmentation or segmentation == [[]]:
        if annotation.get("area") == 0 and not annotation.get("keypoints"):
            return absent(label, where)
        return None
    if isinstance(segmentation, dict):
        try:
            height, width = rle_size(segmentation)
            empty = rle_area(segmentation) == 0
        except ValueError as error:
            raise InputError(f"{where}: {error}; export it again") from error
        return Outline(
            label, where, lambda *size: decode_mask(segmentation), (width, height), empty=empty
        )
    if not isinstance(segmentation, list):
        raise InputError(
            f"{where}: its segmentation is neither a list of polygons nor an RLE; export it again"
        )
    rings = segmentation if isinstance(segmentation[0], list) else [segmentation]
    if not all(isinstance(ring, list) for ring in rings):
        raise InputError(f"{where}: its segmentation mixes polygons and numbers; export it again")
    return polygons(label, where, rings)
