"""YOLO segmentation: a text file per photograph, a line per outline in parts of the photograph's sides."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from sam2pal.dataset.drawing import (
    Drawing,
    Outline,
    Source,
    absent_outline,
    faulty_outline,
    polygons,
)
from sam2pal.dataset.exported import Exported
from sam2pal.dataset.files import read_text
from sam2pal.dataset.photographs import Photographs
from sam2pal.images.reading import IMAGE_SUFFIXES
from sam2pal.io.errors import InputError
from sam2pal.io.files import write_text

_LISTS = ("data.yaml", "dataset.yaml", "data.yml", "classes.txt", "obj.names")


def classes_of(folder: Path) -> Path | None:
    """The list of classes that lies beside the files, None if there is none."""
    for place in (folder, folder.parent, folder.parent.parent):  # train/labels of Roboflow's
        for name in _LISTS:
            if (place / name).is_file():
                return place / name
    return None


def read(folder: Path, listed: Sequence[Path], classes: Path, photographs: Photographs) -> Source:
    """Read all text files `listed` of a folder; lines of five numbers are boxes, which are not outlines.

    Programs of YOLO turn photographs upright. `absent` in `data.yaml` names structures that
    specimens lack.
    """
    source = Source()
    names, lacking = _content(classes)
    for path in listed:
        if path.suffix != ".txt" or path.name in _LISTS or path.name.upper().startswith("README"):
            continue
        try:
            lines = read_text(path).splitlines()
        except InputError as error:
            source.faults.append(error)
            continue
        if lines and all(Path(line.strip()).suffix.lower() in IMAGE_SUFFIXES for line in lines):
            continue  # a list of photographs, such as train.txt
        stem = path.relative_to(folder).with_suffix("").as_posix()
        name = photographs.name_of_file(path) or stem
        drawing = Drawing(name, str(path), [], displayed=True)
        for number, line in enumerate(lines, 1):
            cells = line.split()
            if len(cells) in (0, 5):
                if cells:
                    source.ignore("bounding boxes without an outline")
                continue
            where = f"{path}: line {number}"
            try:
                label, ring = names[int(cells[0])], [float(cell) for cell in cells[1:]]
            except (ValueError, KeyError):
                source.faults.append(
                    InputError(
                        f"{where} is not the number of a class and points from 0 to 1; export it again"
                    )
                )
                continue
            drawing.outlines.append(_outline(label, f"{where} ('{label}')", ring))
        for label in lacking.get(stem.removeprefix("labels/"), ()):
            drawing.outlines.append(
                absent_outline(label, f"{classes}: absent '{label}' of '{stem}'")
            )
        source.drawings.append(drawing)
    return source


def _content(path: Path) -> tuple[dict[int, str], dict[str, list[str]]]:
    """Classes by their number, and by file the structures that the specimen lacks."""
    text = read_text(path)
    if path.suffix in (".txt", ".names"):
        lines = [line.strip() for line in text.splitlines()]
        return {number: line for number, line in enumerate(lines) if line}, {}
    try:
        aliases = any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text))
        data: Any = None if aliases else yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML ({error}); export it again") from error
    if isinstance(data, dict) and "kpt_shape" in data:
        raise InputError(
            f"{path}: it names kpt_shape, so its files hold boxes and points, which are not outlines; export "
            "for segmentation"
        )
    names = data.get("names") if isinstance(data, dict) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not all(str(key).isdecimal() for key in names):
        raise InputError(f"{path}: expected a list 'names' of the classes")
    lacking = data.get("absent")
    return {int(key): str(name) for key, name in names.items()}, {
        str(stem): [str(label) for label in labels]
        for stem, labels in (lacking.items() if isinstance(lacking, dict) else ())
        if isinstance(labels, list)
    }


def _outline(label: str, where: str, ring: list[float]) -> Outline:
    if len(ring) < 6 or len(ring) % 2 or not all(-0.5 <= value <= 1.5 for value in ring):
        message = f"{where}: its {len(ring)} numbers are not pairs of parts of the sides, 0 to 1"
        return faulty_outline(label, where, InputError(f"{message}; export outlines alone"))

    def draw(height: int, width: int) -> np.ndarray:
        scaled = (np.asarray(ring).reshape(-1, 2) * (width, height)).round(6)
        return polygons(label, where, [scaled.ravel().tolist()]).draw(height, width)

    return Outline(label, where, draw)


def write(specimens: Sequence[Exported], structures: Sequence[str], folder: Path) -> None:
    """Write `labels/{specimen}.txt`, and `data.yaml` with the classes and what is absent."""
    numbers = {name: number for number, name in enumerate(structures)}
    lacking: dict[str, list[str]] = {}
    for one in specimens:
        width, height = one.displayed_size
        lines = [
            f"{numbers[structure]} "
            + " ".join(f"{x / width:.12g} {y / height:.12g}" for x, y in points)
            for structure in one.present
            for points in one.rings(structure)
        ]
        write_text(
            folder / "labels" / f"{one.specimen.specimen}.txt",
            "".join(f"{line}\n" for line in lines),
        )
        if one.absent:
            lacking[one.specimen.specimen] = one.absent
    content: dict[str, Any] = {
        "path": ".",
        "train": "images",
        "val": "images",
        "names": dict(enumerate(structures)),
        "absent": lacking,
    }
    write_text(folder / "data.yaml", yaml.safe_dump(content, allow_unicode=True, sort_keys=False))
