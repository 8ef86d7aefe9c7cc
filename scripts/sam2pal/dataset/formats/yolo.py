"""YOLO segmentation: a text file a photograph, a line an outline in parts of the photograph's sides."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from sam2pal.dataset.drawing import Drawing, Outline, Source, faulty, fill
from sam2pal.images.folder import natural_key
from sam2pal.io.errors import InputError

_LISTS = ("data.yaml", "dataset.yaml", "data.yml", "classes.txt", "obj.names")


def names_of(folder: Path) -> list[str] | None:
    """The classes that a list beside the files names, None if there is none."""
    for place in (folder, folder.parent):
        for name in _LISTS:
            path = place / name
            if path.is_file():
                return _names(path)
    return None


def _names(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix in (".txt", ".names"):
        return [line.strip() for line in text.splitlines() if line.strip()]
    try:
        data: Any = yaml.safe_load(text) if len(text) < 1_000_000 and "&" not in text else None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML ({error}); export it again") from error
    names = data.get("names") if isinstance(data, dict) else None
    if isinstance(names, dict):
        names = [names[key] for key in sorted(names)]
    if not isinstance(names, list):
        raise InputError(f"{path}: expected a list 'names' of the classes")
    return [str(name) for name in names]


def read(folder: Path, names: Sequence[str]) -> Source:
    """Read all text files of a folder; lines of five numbers are boxes, which are no outlines."""
    source = Source()
    for path in sorted(folder.rglob("*.txt"), key=lambda path: natural_key(path.as_posix())):
        if path.name in _LISTS:
            continue
        drawing = Drawing(path.relative_to(folder).with_suffix("").as_posix(), str(path), [])
        for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
            cells = line.split()
            if len(cells) in (0, 5):
                if cells:
                    source.ignore("bounding boxes without an outline")
                continue
            where = f"{path}: line {number}"
            try:
                label, ring = names[int(cells[0])], [float(cell) for cell in cells[1:]]
            except (ValueError, IndexError):
                source.faults.append(InputError(f"{where} is no class and points in 0 to 1"))
                continue
            drawing.outlines.append(_outline(label, f"{where} ('{label}')", ring))
        source.drawings.append(drawing)
    return source


def _outline(label: str, where: str, ring: list[float]) -> Outline:
    if len(ring) < 6 or len(ring) % 2 or not all(-0.5 <= value <= 1.5 for value in ring):
        return faulty(
            label, where, InputError(f"{where}: its points are no parts of the sides, 0 to 1")
        )

    def draw(height: int, width: int) -> np.ndarray:
        scaled = np.asarray(ring).reshape(-1, 2) * (width, height)
        return fill([scaled.ravel().tolist()], height, width)

    return Outline(label, where, draw)
