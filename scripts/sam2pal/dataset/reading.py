"""Reading an annotation file or folder of any known format."""

from collections.abc import Sequence
from pathlib import Path

from sam2pal.dataset.drawing import Source
from sam2pal.dataset.files import read_json
from sam2pal.dataset.formats import coco, labelme, masks, via
from sam2pal.dataset.photographs import Photographs
from sam2pal.images.folder import natural_key
from sam2pal.io.errors import InputError

FORMATS = "COCO, LabelMe, VIA (JSON or CSV), or a folder of LabelMe files or of PNG masks"


def read_annotations(path: Path, photographs: Photographs, structures: Sequence[str]) -> Source:
    """Read one annotation file or folder; the content says which format it is.

    Raises:
        InputError: the format is not known, or an entry is wrong.
    """
    if path.is_dir():
        return _read_folder(path, photographs, structures)
    if not path.exists():
        raise InputError(f"{path}: the annotation file does not exist; correct its path")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: this is no text file; expected {FORMATS}") from None
    if via.recognise_csv(text):
        return via.read_csv(text, path, structures)
    if text.strip() and text.lstrip()[0] not in "{[":
        raise InputError(f"{path}: the format is not known; expected {FORMATS}")
    data = read_json(path)
    if coco.recognise(data):
        return coco.read(data, path)
    if labelme.recognise(data):
        return labelme.read(data, path)
    if via.recognise(data):
        return via.read(data, path, structures)
    found = f"keys {', '.join(list(data)[:5]) or 'none'}" if isinstance(data, dict) else "a list"
    raise InputError(f"{path}: the format is not known ({found}); expected {FORMATS}")


def _read_folder(folder: Path, photographs: Photographs, structures: Sequence[str]) -> Source:
    files = [
        path
        for path in sorted(folder.rglob("*.json"), key=lambda path: natural_key(path.as_posix()))
        if not path.name.startswith(".") and path.name != "legend.json"
    ]
    if not files:
        source = masks.read(folder, photographs.stems())
        if not source.drawings:
            raise InputError(f"{folder}: no annotation in this folder; expected {FORMATS}")
        return source
    merged = Source()
    for path in files:
        part = read_annotations(path, photographs, structures)
        merged.drawings += part.drawings
        for kind, count in part.ignored.items():
            merged.ignored[kind] = merged.ignored.get(kind, 0) + count
    return merged
