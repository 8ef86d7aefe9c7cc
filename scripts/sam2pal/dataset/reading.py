"""Reading an annotation file or folder of any known format."""

from collections.abc import Sequence
from pathlib import Path

from sam2pal.dataset.drawing import Source
from sam2pal.dataset.files import guarded, parse_json, read_text
from sam2pal.dataset.formats import (
    coco,
    cvat,
    geojson,
    imagej,
    labelme,
    labelstudio,
    masks,
    supervisely,
    via,
    yolo,
)
from sam2pal.dataset.formats.others import advice, advice_on_json, advice_on_text
from sam2pal.dataset.photographs import Photographs
from sam2pal.images.folder import visible_below
from sam2pal.io.errors import InputError

FORMATS = (
    "COCO, LabelMe, VIA (JSON or CSV), CVAT for images (XML), Label Studio (JSON), QuPath (GeoJSON),"
    " ImageJ ROIs, Supervisely, or a folder of such files, of YOLO outlines or of masks"
)
_BESIDE = ("legend", "meta", "obj_class_to_machine_color")  # what lies beside annotations
_SUFFIXES = (".json", ".rlejson", ".geojson", ".xml", ".csv", ".zip", ".roi")


def read_annotations(
    path: Path, photographs: Photographs, structures: Sequence[str], glance: bool = False
) -> Source:
    """Read one annotation file or folder; the content says which format it is.

    Args:
        glance: do not open mask pictures further than for their sizes.

    Raises:
        InputError: the format is not known, or an entry is wrong.
    """
    if path.is_dir():
        return _read_folder(path, photographs, structures, glance)
    with guarded(path):
        if path.is_file() and imagej.recognise(path):
            return imagej.read(path, photographs, structures)
        if hint := advice(path):
            raise InputError(f"{path}: {hint}")
        text = read_text(path)
        if via.recognise_csv(text):
            return via.read_csv(text, path, structures)
        if cvat.recognise(text):
            return cvat.read(text, path)
        if hint := advice_on_text(text):
            raise InputError(f"{path}: {hint}")
        if text.strip() and text.lstrip()[0] not in "{[":
            raise InputError(f"{path}: the format is not known; expected {FORMATS}")
        data = parse_json(text, path)
        if coco.recognise(data):
            return coco.read(data, path)
        if labelstudio.recognise(data):
            return labelstudio.read(data, path)
        if geojson.recognise(data):
            return geojson.read(data, path, photographs)
        if supervisely.recognise(data):
            return supervisely.read(data, path)
        if labelme.recognise(data):
            return labelme.read(data, path, photographs)
        if via.recognise(data):
            return via.read(data, path, structures)
        if hint := advice_on_json(data):
            raise InputError(f"{path}: {hint}")
    found = f"keys {', '.join(list(data)[:5]) or 'none'}" if isinstance(data, dict) else "a list"
    raise InputError(f"{path}: the format is not known ({found}); expected {FORMATS}")


def _read_folder(
    folder: Path, photographs: Photographs, structures: Sequence[str], glance: bool
) -> Source:
    classes = yolo.classes_of(folder)
    below = visible_below(folder)
    texts = any(path.suffix == ".txt" for path in below)
    if classes is not None and texts:
        with guarded(folder):
            return yolo.read(folder, below, classes, photographs)
    files = [
        path
        for path in below
        if path.suffix.lower() in _SUFFIXES
        and path.stem not in _BESIDE
        # Descriptron writes both; polygons lack the holes that the RLE has
        and not (path.suffix == ".json" and path.with_suffix(".rlejson").is_file())
    ]
    merged = Source()
    unknown: list[InputError] = []
    for path in files:
        try:
            part = read_annotations(path, photographs, structures)
        except InputError as error:
            unknown.append(error)
            continue
        merged.drawings += part.drawings
        merged.notes += part.notes
        merged.faults += part.faults
        for kind, count in part.ignored.items():
            merged.ignored[kind] = merged.ignored.get(kind, 0) + count
    pictures = masks.pictures(below)
    if not merged.drawings and pictures:
        with guarded(folder):
            merged = masks.read(folder, below, photographs, structures, glance)
    elif others := sorted(p.name for p in pictures if photographs.name_of_file(p) is None):
        merged.notes.append(
            f"{folder}: {len(others)} pictures such as '{others[0]}' were not read, as annotation files"
            " lie beside them; if they are masks, give them a folder of their own"
        )
    if not merged.drawings:
        if unknown:
            raise unknown[0]
        if merged.faults:
            raise merged.faults[0]
        lacking = "; YOLO's outlines need data.yaml or classes.txt beside them"
        more = lacking if texts else ""
        raise InputError(f"{folder}: no annotation in this folder{more}; expected {FORMATS}")
    merged.notes += [f"left out: {error}" for error in unknown]
    return merged
