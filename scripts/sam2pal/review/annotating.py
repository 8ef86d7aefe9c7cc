"""A page for drawing templates before any round."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sam2pal.dataset.files import Coco
from sam2pal.images.folder import FoundFile, scan
from sam2pal.images.reading import inspect
from sam2pal.io.errors import InputError
from sam2pal.review.page import PageLocation
from sam2pal.review.survey import Sources
from sam2pal.review.writing import WrittenPages, write_review


def write_annotation_page(
    output: str | Path, genus: str, photographs: str | Path, structures: Mapping[str, Any]
) -> WrittenPages:
    """Write the page of a folder of photographs, on none of which anything is outlined.

    Raises:
        InputError: the folder is missing or holds no photograph that can be read.
    """
    listing = scan(photographs)
    coco = Coco(structures, genus=genus)
    for found in listing.photographs:
        coco.image(**_image(found))
    if not any(image["status"] == "ok" for image in coco.images):
        raise InputError(f"{photographs}: the folder holds no photograph that can be read")
    with TemporaryDirectory() as folder:
        nothing = Path(folder) / "nothing.json"
        coco.write(nothing)
        place = PageLocation(Path(output), annotate=True)
        return write_review(place, Sources([nothing], genus=genus))


def _image(found: FoundFile) -> dict[str, Any]:
    image = {"file_name": Path(found.name).name, "specimen": found.stem}
    image |= {"path": found.path, "status": "ok", "reason": ""}
    try:
        header = inspect(found.path)
    except InputError as error:
        return image | {"status": "unreadable", "reason": str(error), "width": 0, "height": 0}
    return image | {"width": header.width, "height": header.height}
