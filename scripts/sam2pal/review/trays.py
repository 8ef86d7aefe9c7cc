"""The page on which the boxes of specimens in trays are added, removed, merged and split."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from PIL import Image

from sam2pal.images.reading import Photograph
from sam2pal.images.trays import SIDE
from sam2pal.io.files import atomic, write_text
from sam2pal.review.records import TEMPLATES, VIEWER, copy_assets, script
from sam2pal.review.specimens import address

PAGE = "index.html"
_QUALITY = 88


def tray_picture(folder: Path, name: str) -> Path:
    """Where the page of a folder keeps the picture of a tray."""
    return folder / "pictures" / f"{name}.jpg"


def write_picture(photograph: Photograph, path: Path) -> None:
    """The photograph, upright, its longer side `SIDE` pixels or less."""
    with atomic(path) as temporary:
        Image.fromarray(photograph.small(SIDE)).save(temporary, quality=_QUALITY)


def write_trays_page(folder: Path, found: dict[str, Any], names: list[str], genus: str) -> Path:
    """Write `index.html` and what it needs into a folder that has the pictures."""
    told = []
    for image, name in zip(found["images"], names, strict=True):
        picture = address(str(tray_picture(folder, name)), folder)
        keys = {"width": image["width"], "height": image["height"]}
        keys["whole"] = image.get("whole", False)
        told.append({"file": image["file_name"], "picture": picture, **keys, "specimens": []})
    for one in found["annotations"]:
        keys = {key: one[key] for key in ("name", "source", "touching")}
        told[one["image_id"] - 1]["specimens"].append({"box": one["bbox"], **keys})
    for tray in told:
        tray["print"] = sha256(json.dumps(tray).encode()).hexdigest()[:16]
    copy_assets(folder, "trays.js", *VIEWER)
    value = {"genus": genus, "trays": told}
    (folder / "data.js").write_text(script("trays", value), "utf-8")
    write_text(folder / PAGE, TEMPLATES.get_template("trays.html.j2").render(genus=genus))
    return folder / PAGE
