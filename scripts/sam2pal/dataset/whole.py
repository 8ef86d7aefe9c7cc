"""Masks of specimens in trays, in the coordinates of the photographs of the trays."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sam2pal.dataset.exported import Exported
from sam2pal.dataset.files import Coco
from sam2pal.dataset.rle import decode_mask, encode_mask
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


def write_whole(specimens: Sequence[Exported], structures: Sequence[str], folder: Path) -> None:
    """Write `annotations.json`, COCO with an image per photograph, its masks as stored on disk.

    Each annotation has the id of its `specimen`. `positions.csv` says where each structure lies in the
    upright photograph, in pixels.

    Raises:
        InputError: a specimen is no part of a photograph, or a photograph cannot be read.
    """
    coco = Coco(structures, description="predictions of SAM2-PAL", orientation="stored")
    images: dict[str, int] = {}
    headers: dict[str, Header] = {}
    positions: list[dict[str, Any]] = []
    for one in specimens:
        file, window = split(one.specimen.path)
        specimen = one.specimen.specimen
        if window is None:
            raise InputError(
                f"specimen '{specimen}' fills a photograph of its own; --whole is for the specimens of trays"
            )
        name = specimen.rpartition("#")[0] + suffix_of(file)
        if file not in images:
            header = headers[file] = inspect(file)
            images[file] = coco.image(file_name=name, width=header.width, height=header.height)
        width, height = headers[file].displayed_size
        for structure in one.present:
            runs = Runs.of(one.specimen.masks[structure], height, width, window.top, window.left)
            y, x = runs.middle()
            place = {"file_name": name, "specimen": specimen}
            place |= {"structure": structure, "centroid_x": x, "centroid_y": y}
            positions.append(place | dict(zip(BOX, runs.bbox(), strict=True)))
            rle = runs.rle()
            if headers[file].orientation != 1:
                rle = encode_mask(stored(decode_mask(rle), headers[file].orientation))
            known = one.specimen.annotations[structure]
            more = {"source": known.source, "score": known.score}
            coco.mask(images[file], structure, rle, specimen=specimen, **more)
    coco.write(folder / "annotations.json")
    tables.write(tables.table(positions, POSITIONS), folder / "positions.csv")
