"""Masks of specimens in trays, in the coordinates of the photographs of the trays."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sam2pal.dataset.exported import Exported
from sam2pal.dataset.files import write as write_coco
from sam2pal.dataset.formats.coco import categories
from sam2pal.dataset.rle import decode_mask, encode_mask, rle_measures
from sam2pal.dataset.runs import Runs
from sam2pal.images.address import split, suffix_of
from sam2pal.images.header import Header
from sam2pal.images.orientation import stored
from sam2pal.images.reading import inspect
from sam2pal.io import tables
from sam2pal.io.errors import InputError

BOX = "left", "top", "width", "height"
POSITIONS = {"file_name": str, "specimen": str, "structure": str}
POSITIONS |= {"centroid_x": float, "centroid_y": float, **dict.fromkeys(BOX, int)}


def write_whole(specimens: Iterable[Exported], structures: Sequence[str], folder: Path) -> int:
    """Write `annotations.json`, COCO with an image per photograph, its masks as stored on disk.

    Each annotation has the id of its `specimen`. `positions.csv` says where each structure lies in the
    upright photograph, in pixels.
    """
    images: dict[str, dict[str, Any]] = {}
    headers: dict[str, Header] = {}
    annotations: list[dict[str, Any]] = []
    positions: list[dict[str, Any]] = []
    numbers = {name: number for number, name in enumerate(structures, 1)}
    written = 0
    for one in specimens:
        file, window = split(one.specimen.path)
        if window is None:
            raise InputError(
                f"specimen '{one.stem}' fills a photograph of its own; --whole is for the specimens of trays"
            )
        if file not in images:
            header = headers[file] = inspect(file)
            size = {"width": header.width, "height": header.height}
            name = one.stem.rpartition("#")[0] + suffix_of(file)
            images[file] = {"id": len(images) + 1, "file_name": name, **size}
        width, height = headers[file].displayed
        for structure in one.present:
            runs = Runs.of(one.mask(structure), height, width, window.top, window.left)
            y, x = runs.middle()
            place = {"file_name": images[file]["file_name"], "specimen": one.stem}
            place |= {"structure": structure, "centroid_x": x, "centroid_y": y}
            positions.append(place | dict(zip(BOX, runs.bbox(), strict=True)))
            rle = runs.rle()
            if headers[file].orientation != 1:
                rle = encode_mask(stored(decode_mask(rle), headers[file].orientation))
            known = one.specimen.annotations[structure]
            entry = {
                "id": len(annotations) + 1,
                "image_id": images[file]["id"],
                "category_id": numbers[structure],
                "iscrowd": 0,
                "segmentation": rle,
                "source": known.source,
                "specimen": one.stem,
                **rle_measures(rle),
            }
            annotations.append(entry if known.score is None else {**entry, "score": known.score})
        written += 1
    content = {
        "info": {"description": "predictions of SAM2-PAL", "orientation": "stored"},
        "images": list(images.values()),
        "categories": categories(structures),
        "annotations": annotations,
    }
    write_coco(folder / "annotations.json", content)
    tables.write(tables.table(positions, POSITIONS), folder / "positions.csv")
    return written
