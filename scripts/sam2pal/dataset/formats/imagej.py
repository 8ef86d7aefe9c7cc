"""ROIs of ImageJ: a file `.roi`, or a zip of them, of the photograph's name."""

import re
import zipfile
from collections.abc import Collection
from pathlib import Path

import roifile

from sam2pal.dataset.drawing import (
    Drawing,
    Outline,
    Source,
    ellipse,
    faulty_outline,
    polygons,
    rectangle,
)
from sam2pal.dataset.photographs import Photographs
from sam2pal.io.errors import InputError
from sam2pal.io.spelling import folded

_MOST = 10_000  # ROIs of a file
_LARGEST = 200_000_000  # bytes of all of them
_AREAS = {roifile.ROI_TYPE.POLYGON, roifile.ROI_TYPE.FREEHAND, roifile.ROI_TYPE.TRACED}


def recognise(path: Path) -> bool:
    """A ROI, or a zip that holds nothing else."""
    with path.open("rb") as file:
        start = file.read(4)
    if start == b"Iout":
        return True
    if start != b"PK\x03\x04" or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        names = _named(archive)
    return bool(names) and all(name.lower().endswith(".roi") for name in names)


def _named(archive: zipfile.ZipFile) -> list[str]:
    """What a zip holds beside what macOS adds to it."""
    names = archive.namelist()
    return [n for n in names if not n.startswith("__MACOSX/") and Path(n).name[:1] not in ("", ".")]


def read(path: Path, photographs: Photographs, structures: Collection[str] = ()) -> Source:
    """Read the ROIs; each has the name of its structure, the file that of its photograph.

    A single ROI may instead lie in a folder of the photograph's name. A number at the end of a
    ROI's name is that of an instance, unless there is a structure of the whole name.

    Raises:
        InputError: there are too many ROIs, or no photograph has the name of the file.
    """
    source = Source()
    own = path.stem.removesuffix("_RoiSet").removeprefix("RoiSet_")
    single = not zipfile.is_zipfile(path)
    names = (own, path.parent.name) if single else (own,)
    photograph = next((name for name in names if photographs.candidates(name)), None)
    if photograph is None:
        raise InputError(
            f"{path}: ROIs name no photograph, and there is none called '{own}' in"
            f" {photographs.place}; give the file the name of its photograph"
        )
    drawing = Drawing(photograph, str(path), [])
    for name, content in _contents(path):
        label = Path(name).stem
        where = f"{path}: ROI '{name}'"
        try:
            roi = roifile.ImagejRoi.frombytes(content)
            if single and photograph == own:  # the file has the photograph's name, the ROI its own
                label = roi.name
            label = _structure(label, structures)
            outline = _outline(roi, label, where)
        except InputError as error:
            outline = faulty_outline(label, where, error)
        except Exception as error:  # roifile raises whatever a damaged file makes it
            message = f"{where} is damaged ({error}); save it again"
            outline = faulty_outline(label, where, InputError(message))
        if outline is None:
            source.ignore(f"ROIs of type {roi.roitype.name.lower()}")
        else:
            drawing.outlines.append(outline)
    source.drawings.append(drawing)
    return source


def _structure(label: str, structures: Collection[str]) -> str:
    """A ROI's name without the number of an instance."""
    known = {folded(name) for name in structures}
    for name in (label, re.sub(r"[ _-]?\d+$", "", label)):
        if folded(name) in known:
            return name
    return re.sub(r"-\d+$", "", label)  # ImageJ adds it to a name that is there


def _contents(path: Path) -> list[tuple[str, bytes]]:
    if not zipfile.is_zipfile(path):
        return [(path.name, path.read_bytes())]
    with zipfile.ZipFile(path) as archive:
        members = [archive.getinfo(name) for name in _named(archive)]
        if len(members) > _MOST or sum(member.file_size for member in members) > _LARGEST:
            raise InputError(
                f"{path}: more than {_MOST:,} ROIs or {_LARGEST:,} bytes of them; split the file"
            )
        return [(member.filename, archive.read(member)) for member in members]


def _outline(roi: roifile.ImagejRoi, label: str, where: str) -> Outline | None:
    if roi.composite:
        rings = [ring.ravel().tolist() for ring in roi.coordinates(multi=True)]
        return polygons(label, where, [ring for ring in rings if len(ring) >= 6])
    left, top, right, bottom = (float(v) for v in (roi.left, roi.top, roi.right, roi.bottom))
    if roi.roitype == roifile.ROI_TYPE.RECT:
        return polygons(label, where, [rectangle(left, top, right, bottom)])
    if roi.roitype == roifile.ROI_TYPE.OVAL:
        radii = ((right - left) / 2, (bottom - top) / 2)
        return polygons(label, where, [ellipse(left + radii[0], top + radii[1], *radii)])
    if roi.roitype in _AREAS:
        return polygons(label, where, [roi.coordinates().ravel().astype(float).tolist()])
    return None
