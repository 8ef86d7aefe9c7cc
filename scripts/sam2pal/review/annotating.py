"""A page for drawing templates before any round."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sam2pal.dataset.files import Coco
from sam2pal.dataset.manifest import build_manifest
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
    coco = Coco(structures, genus=genus)
    for row in build_manifest(photographs, None, 1, genus).specimens:
        names = {"file_name": Path(row.name).name, "specimen": row.specimen, "path": row.path}
        size = {"width": row.width, "height": row.height}
        coco.image(**names, **size, status=row.status, reason=row.reason)
    if not any(image["status"] == "ok" for image in coco.images):
        raise InputError(f"{photographs}: the folder holds no photograph that can be read")
    with TemporaryDirectory() as folder:
        nothing = Path(folder) / "nothing.json"
        coco.write(nothing)
        place = PageLocation(Path(output), annotate=True)
        return write_review(place, Sources([nothing], genus=genus))
