"""COCO: polygons, compressed and uncompressed RLE; and the dialects that programs write."""

import ast
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sam2pal.dataset.corrections import FACTS
from sam2pal.dataset.dataset import MISSING, State, specimen_of
from sam2pal.dataset.drawing import (
    Drawing,
    Outline,
    Source,
    absent_outline,
    polygons,
    positive_size,
)
from sam2pal.dataset.exported import Exported
from sam2pal.dataset.files import Coco, check
from sam2pal.dataset.rle import decode_mask, encode_mask, rle_area
from sam2pal.dataset.runs import rle_size
from sam2pal.io.errors import InputError

KEYPOINTS = "keypoints"
_USED = (None, "", *FACTS)
BOXES = "bounding boxes without an outline"
UNKNOWN = "structures that no template shows"


def recognise(data: Any) -> bool:
    """COCO, or its results format, which `check` explains cannot be used."""
    if isinstance(data, list):
        return bool(data) and isinstance(data[0], dict) and "image_id" in data[0]
    return isinstance(data, dict) and "annotations" in data and "images" in data


def read(data: Any, path: Path) -> Source:
    """Read COCO.

    `info.orientation`, `stored` or `displayed`, says for which orientation of photographs with
    an EXIF orientation the annotation was made, where sizes do not tell. A photograph may be
    listed several times.

    Raises:
        InputError: naming the entry that is wrong.
    """
    source = Source()
    data = check(data, path, lambda wrong: source.faults.append(InputError(wrong)))
    of_review = [one for one in data["annotations"] if one.get("verdict") not in _USED]
    for one in of_review:  # what was only judged is no outline of a person's
        source.ignore(f"verdicts '{one['verdict']}'")
        data["annotations"].remove(one)
    info = data.get("info")
    orientation = info.get("orientation") if isinstance(info, dict) else None
    if orientation not in (None, "stored", "displayed"):
        raise InputError(
            f"{path}: info.orientation is {orientation!r}; write 'stored' or 'displayed'"
        )
    displayed = None if orientation is None else orientation == "displayed"
    names = {category["id"]: category["name"] for category in data["categories"]}
    drawings: dict[tuple[str, Any], Drawing] = {}
    of_image = {}
    for image in data["images"]:
        where = f"{path}: image '{image['file_name']}'"
        size = positive_size(image.get("width"), image.get("height"), where)
        key = (photograph_of(image), size)
        drawing = Drawing(
            key[0], where, [], size, displayed, sha256=str(image.get("sha256") or "").lower()
        )
        of_image[image["id"]] = drawings.setdefault(key, drawing)
    for number, annotation in enumerate(data["annotations"], 1):
        drawing = of_image[annotation["image_id"]]
        label = names[annotation["category_id"]]
        entry = annotation.get("id", f"number {number}")
        where = f"{path}: annotation {str(entry)[:40]} ('{label}' of '{drawing.photograph}')"
        flags = annotation.get("flags")
        if isinstance(flags, list) and "no_template" in flags:  # of predictions
            source.ignore(UNKNOWN)
            continue
        if annotation.get("is_line"):  # of Descriptron: a measured length, its points as a polygon
            source.ignore("lines")
            continue
        if annotation.get("keypoints"):
            source.ignore(KEYPOINTS)
        drawing.add(label, where, _outline, annotation, label, where, source)
    for image in data["images"]:
        drawing = of_image[image["id"]]
        for label, status in _statuses(data, image).items():
            said = str(status).replace("_", " ").strip().casefold()
            why = State.HIDDEN if said == "not visible" else said
            if why in MISSING:
                drawing.outlines.append(
                    absent_outline(label, f"{drawing.where}: status of '{label}'", why)
                )
    scales = [scale for image in data["images"] if (scale := _scale(image, data, info))]
    if scales:
        source.notes.append(
            f"{path}: it gives the scale of {len(scales)} photographs (the first: {scales[0]:g} pixels"
            " per mm), which is not used; write it into pixels_per_mm of genera.tsv or of the table of"
            " specimens"
        )
    source.drawings = list(drawings.values())
    return source


def _scale(*holders: Any) -> float | None:
    """Pixels per mm, as Descriptron writes them into the entry of an image or of the file."""
    for holder in holders:
        if isinstance(holder, Mapping):
            bars = [
                bar for key in ("scale", "scale_bar") if isinstance(bar := holder.get(key), Mapping)
            ]
            said = [holder.get("scale_px_per_mm")]
            said += [bar.get("px_per_unit") for bar in bars if bar.get("unit") == "mm"]
            for value in said:
                if isinstance(value, int | float) and value > 0:
                    return value
    return None


def _statuses(data: Mapping[str, Any], image: Mapping[str, Any]) -> Mapping[str, Any]:
    """`structure_status` of Descriptron: in the image's entry, or by its name or id."""
    found = image.get("structure_status")
    every = data.get("structure_status")
    if found is None and isinstance(every, Mapping):
        keys = (image["file_name"], str(image["id"]))
        found = next((every[key] for key in keys if key in every), None)
    return found if isinstance(found, Mapping) else {}


def photograph_of(image: Mapping[str, Any]) -> str:
    """The file name, with the folders of the specimen where a file of the workflow's says them."""
    folders = os.path.dirname(specimen_of(image))
    name = image["file_name"]
    return f"{folders}/{name}" if folders and "/" not in name else name


def _outline(
    annotation: Mapping[str, Any], label: str, where: str, source: Source
) -> Outline | None:
    outline = _of_segmentation(annotation, label, where)
    said = annotation.get("state") or annotation.get("verdict")  # of the review page
    if said in MISSING and (outline is None or outline.empty):
        return absent_outline(label, where, said)
    if outline is None and not annotation.get("keypoints"):
        source.ignore(BOXES)
    return outline


def _of_segmentation(annotation: Mapping[str, Any], label: str, where: str) -> Outline | None:
    segmentation = annotation.get("segmentation")
    if isinstance(
        exact := annotation.get("rle_segmentation"), dict
    ):  # of Descriptron, beside polygons
        segmentation = exact
    if not segmentation or segmentation == [[]]:
        if annotation.get("area") == 0 and not annotation.get("keypoints"):
            note = f"{where}: an object without an outline and of area 0 counts as absent"
            return replace(absent_outline(label, where), notes=(note,))
        return None
    area, box = _evidence(annotation)
    if isinstance(segmentation, dict):
        return _runs(segmentation, label, where, area, box)
    if not isinstance(segmentation, list):
        raise InputError(
            f"{where}: its segmentation is neither a list of polygons nor an RLE; export it again"
        )
    if segmentation in ([annotation.get("bbox")], annotation.get("bbox")):
        raise InputError(
            f"{where}: its segmentation is its box [x, y, width, height], which is not an outline;"
            " export polygons or masks"
        )
    return replace(polygons(label, where, _rings(segmentation, where)), area=area, box=box)


def _runs(
    segmentation: dict[str, Any],
    label: str,
    where: str,
    area: float | None,
    box: tuple[float, float, float, float] | None,
) -> Outline:
    rle = _whole(segmentation)
    try:
        height, width = rle_size(rle)
        empty = rle_area(rle) == 0
    except ValueError as error:
        raise InputError(f"{where}: {error}; export it again") from error
    return Outline(
        label, where, lambda *_: decode_mask(rle), (width, height), empty=empty, area=area, box=box
    )


def _whole(rle: dict[str, Any]) -> dict[str, Any]:
    """An RLE whose whole numbers have a decimal point (R, pandas) or whose text is that of bytes."""

    def whole(values: Any) -> Any:
        if isinstance(values, str) and values[:2] in ("b'", 'b"'):
            with suppress(ValueError, SyntaxError):
                return ast.literal_eval(values)
        if not isinstance(values, list):
            return values
        return [int(v) if isinstance(v, float) and v.is_integer() else v for v in values]

    return {**rle, "size": whole(rle.get("size")), "counts": whole(rle.get("counts"))}


def _rings(segmentation: list[Any], where: str) -> list[list[Any]]:
    """Rings `[x1, y1, x2, y2, ...]`; points may be pairs, as programs of one's own write them."""
    first = segmentation[0]
    if not isinstance(first, list):
        rings = [segmentation]
    elif _pairs(segmentation):
        rings = [[value for point in segmentation for value in point]]
    elif all(isinstance(ring, list) and _pairs(ring) for ring in segmentation):
        rings = [[value for point in ring for value in point] for ring in segmentation]
    else:
        rings = segmentation
    if not all(isinstance(ring, list) for ring in rings):
        raise InputError(f"{where}: its segmentation mixes polygons and numbers; export it again")
    return rings


def _pairs(points: list[Any]) -> bool:
    return len(points) > 2 and all(
        isinstance(point, list) and len(point) == 2 and not isinstance(point[0], list)
        for point in points
    )


def _evidence(
    annotation: Mapping[str, Any],
) -> tuple[float | None, tuple[float, float, float, float] | None]:
    """Area and box as far as they are plausible numbers."""
    area, box = annotation.get("area"), annotation.get("bbox")

    def number(value: Any) -> bool:
        return type(value) in (int, float) and 0 <= value < 1e12

    known = (
        isinstance(box, list)
        and len(box) == 4
        and all(number(v) for v in box)
        and min(box[2:]) > 0
        and bool(np.any(np.asarray(box, float) > 1))  # not normalised
    )
    return (float(area) if number(area) and area > 0 else None), tuple(box) if known else None


def write(specimens: Sequence[Exported], structures: Sequence[str], folder: Path) -> None:
    """Write `annotations.json`: RLE on the photographs as stored, an empty one where absent."""
    coco = Coco(structures, description="predictions of SAM2-PAL", orientation="stored")
    for one in specimens:
        size = {"width": one.specimen.width, "height": one.specimen.height}
        number = coco.image(file_name=one.specimen.name, specimen=one.specimen.specimen, **size)
        for structure in (*one.present, *one.missing):
            known = one.specimen.annotations[structure]
            more = {"source": known.source, "score": known.score}
            rle = encode_mask(one.specimen.masks[structure])
            coco.mask(number, structure, rle, state=one.specimen.state(structure), **more)
    coco.write(folder / "annotations.json")
