"""Landmarks drawn on templates: keypoints of COCO, points of LabelMe, TPS; and canonical COCO with them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sam2pal.dataset.drawing import flat, positive_size
from sam2pal.dataset.files import guarded, parse_json, read_text
from sam2pal.dataset.formats import coco, labelme
from sam2pal.dataset.photographs import Photographs
from sam2pal.images.folder import natural_key, visible_below
from sam2pal.images.header import Header
from sam2pal.images.orientation import upright_points
from sam2pal.images.window import enclosing
from sam2pal.io.errors import InputError, many

Points = dict[str, tuple[float, float]]
_SUFFIXES = (".json", ".tps")
_UNDONE_BY = {6: 8, 8: 6}  # every other orientation undoes itself
_CATEGORY = "landmarks"
_UNSEEN, _SEEN = 1, 2  # COCO's visibility of keypoints; one that is not labelled has 0
_DECIMALS = 3  # of pixels


@dataclass
class DrawnLandmarks:
    """The landmarks of one photograph in one file; `upwards`: y is counted from the lower edge."""

    photograph: str
    where: str
    size: tuple[int, int] | None = None
    displayed: bool = False
    upwards: bool = False
    points: Points = field(default_factory=dict)
    unseen: set[str] = field(default_factory=set)

    def stored(self, header: Header) -> Points:
        """The points in pixels of the photograph as stored, y down.

        Raises:
            InputError: they were drawn on a photograph of another size, or lie outside of it.
        """
        shown = header.displayed_size
        if self.size not in (None, shown, (header.width, header.height)):
            raise InputError(
                f"{self.where}: drawn on {self.size[0]} x {self.size[1]} pixels, but the photograph"
                f" has {header.width} x {header.height}; draw on the photograph itself"
            )
        displayed = self.displayed
        if self.size is not None and shown != (header.width, header.height):
            displayed = self.size == shown
        width, height = shown if displayed else (header.width, header.height)
        xy = np.array(list(self.points.values())).reshape(-1, 2)
        if self.upwards:
            xy = xy * (1, -1) + (0, height)
        for name, (x, y) in zip(self.points, xy, strict=True):
            if not (0 <= x <= width and 0 <= y <= height):
                raise InputError(
                    f"{self.where}: landmark '{name}' at ({x:g}, {y:g}) is outside of the"
                    f" photograph of {width} x {height} pixels; redraw it"
                )
        if displayed:
            undone = _UNDONE_BY.get(header.orientation, header.orientation)
            xy = upright_points(xy, undone, width, height)
        return dict(zip(self.points, map(tuple, xy.tolist()), strict=True))


@dataclass
class Landmarks:
    """The landmarks of templates: by specimen and name, in pixels of the photograph as stored, y down."""

    points: dict[str, Points] = field(default_factory=dict)
    unseen: dict[str, set[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def on(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Canonical COCO of templates with the landmarks as keypoints of a further category.

        A landmark that a template lacks has the visibility 0. `area` and `bbox` are those of the
        template's masks.

        Raises:
            InputError: a structure has the name of the category.
        """
        names = sorted({name for of in self.points.values() for name in of}, key=natural_key)
        if any(category["name"] == _CATEGORY for category in data["categories"]):
            raise InputError(
                f"the structure '{_CATEGORY}' has the name of the landmarks' category; rename it"
            )
        number = max((category["id"] for category in data["categories"]), default=0) + 1
        category = {"id": number, "name": _CATEGORY, "supercategory": ""}
        annotations = list(data["annotations"])
        for image in data["images"]:
            points = self.points.get(image["specimen"])
            if not points:
                continue
            unseen = self.unseen.get(image["specimen"], ())
            keypoints: list[float] = []
            for name in names:
                x, y = points.get(name, (0, 0))
                seen = _UNSEEN if name in unseen else _SEEN
                place = [round(x, _DECIMALS), round(y, _DECIMALS)]
                keypoints += [*place, seen if name in points else 0]
            masks = [
                of for of in data["annotations"] if of["image_id"] == image["id"] and of["area"]
            ]
            annotations.append(
                {
                    "id": max((of["id"] for of in annotations), default=0) + 1,
                    "image_id": image["id"],
                    "category_id": number,
                    "iscrowd": 0,
                    "area": sum(of["area"] for of in masks),
                    "bbox": list(enclosing([of["bbox"] for of in masks])) if masks else [0] * 4,
                    "num_keypoints": len(points),
                    "keypoints": keypoints,
                    "source": "drawn",
                }
            )
        kinds = [*data["categories"], category | {"keypoints": names, "skeleton": []}]
        return {**data, "categories": kinds, "annotations": annotations}


def read_landmarks(path: str | Path, photographs: Photographs) -> Landmarks:
    """The landmarks of templates.

    Args:
        path: a file, or a folder of files.
        photographs: the templates'; landmarks on others are left out, with a note.

    Raises:
        InputError: no landmark is found on a template, or an entry cannot be used.
    """
    path = Path(path)
    files = [path]
    if path.is_dir():
        files = [one for one in visible_below(path) if one.suffix.lower() in _SUFFIXES]
    found = Landmarks()
    others = []
    for file in files:
        with guarded(file):
            for drawn in _read(file, photographs):
                known = photographs.candidates(drawn.photograph)
                if not known:
                    others.append(drawn.photograph)
                    continue
                photograph = photographs.find(drawn.photograph, drawn.where)
                points = found.points.setdefault(photograph.specimen, {})
                for name, place in drawn.stored(photograph.header()).items():
                    if points.setdefault(name, place) != place:
                        raise InputError(
                            f"{drawn.where}: '{photograph.name}' has the landmark '{name}' in two places;"
                            " remove one of the two files or entries"
                        )
                unseen = found.unseen.setdefault(photograph.specimen, set())
                unseen.difference_update(drawn.points)
                unseen.update(drawn.unseen)
    if others:
        found.notes.append(
            f"{path}: landmarks on {many(len(others), 'photograph')} not among the templates of the round"
        )
    if not found.points:
        raise InputError(
            f"{path}: no landmark on a template ({photographs.place}); expected keypoints of COCO, "
            "points of LabelMe or TPS" + (f"; found them on {others[0]}" if others else "")
        )
    return found


def _read(path: Path, photographs: Photographs) -> Iterator[DrawnLandmarks]:
    text = read_text(path)
    if path.suffix.lower() == ".tps":
        return _tps(text, path)
    data = parse_json(text, path)
    if coco.recognise(data) and isinstance(data, dict):
        return _coco(data, path)
    if labelme.recognise(data):
        return _labelme(data, path, photographs)
    raise InputError(f"{path}: the format is not known; expected COCO, LabelMe or TPS")


def _coco(data: Mapping[str, Any], path: Path) -> Iterator[DrawnLandmarks]:
    """Keypoints that are there, called as their category says, or by their numbers where it says nothing."""
    info = data.get("info")
    displayed = isinstance(info, dict) and info.get("orientation") == "displayed"
    names = {of.get("id"): of.get("keypoints") for of in data.get("categories") or ()}
    drawn = {
        image.get("id"): DrawnLandmarks(
            coco.photograph_of(image),
            f"{path}: image '{image.get('file_name')}'",
            positive_size(image.get("width"), image.get("height"), f"{path}: an image"),
            displayed,
        )
        for image in data["images"]
    }
    for number, annotation in enumerate(data["annotations"], 1):
        values = annotation.get("keypoints")
        if not values:
            continue
        where = f"{path}: annotation {annotation.get('id', number)}"
        numbers = [str(n) for n in range(1, len(values) // 3 + 1)]
        called = names.get(annotation.get("category_id")) or numbers
        if annotation.get("image_id") not in drawn or 3 * len(called) != len(values):
            raise InputError(
                f"{where}: {len(values) // 3} keypoints, but its category names {len(called)} and its "
                f"image is {annotation.get('image_id')!r}; export it again"
            )
        one = drawn[annotation["image_id"]]
        for name, x, y, visible in zip(
            called, values[0::3], values[1::3], values[2::3], strict=True
        ):
            if visible:
                if name in one.points:
                    raise InputError(
                        f"{where}: '{one.photograph}' has the landmark '{name}' twice; remove one"
                    )
                one.points[str(name)] = (float(x), float(y))
                if visible == _UNSEEN:
                    one.unseen.add(str(name))
    return iter([one for one in drawn.values() if one.points])


def _labelme(
    data: Mapping[str, Any], path: Path, photographs: Photographs
) -> Iterator[DrawnLandmarks]:
    size = positive_size(data.get("imageWidth"), data.get("imageHeight"), f"{path}: its photograph")
    name = labelme.photograph_of(data, path, photographs)
    if not photographs.candidates(name) and photographs.candidates(path.stem):
        name = path.stem
    drawn = DrawnLandmarks(name, str(path), size, displayed=True)
    for shape in data["shapes"]:
        if isinstance(shape, dict) and shape.get("shape_type") == "point":
            label = str(shape.get("label") or "").strip()
            x, y = (*flat(shape.get("points"), f"{path}: point '{label}'"), None, None)[:2]
            if not label or x is None or y is None:
                raise InputError(f"{path}: a point without a label or place; name it in LabelMe")
            if label in drawn.points:
                raise InputError(f"{path}: two points are called '{label}'; remove or rename one")
            drawn.points[label] = (x, y)
    return iter([drawn] if drawn.points else [])


def _tps(text: str, path: Path) -> Iterator[DrawnLandmarks]:
    """Landmarks are called by their numbers; negative ones are missing; curves are passed over."""
    left: int | None = None  # landmarks still to come; None of other lines
    drawn, every = DrawnLandmarks("", str(path)), []
    for line, content in enumerate(text.splitlines(), 1):
        key, equals, value = content.strip().partition("=")
        where = f"{path}, line {line}"
        _check_count(left, equals, content, where)
        if equals and key.upper() in ("LM", "LM3"):
            if key.upper() == "LM3" or not value.strip().isdigit():
                raise InputError(
                    f"{where}: '{content.strip()}' is not LM= and a number of landmarks in two dimensions; "
                    "export it again"
                )
            drawn, left, number = DrawnLandmarks("", where, upwards=True), int(value), 0
            every.append(drawn)
        elif equals:
            left = None
            if key.upper() == "IMAGE":
                drawn.photograph = value.strip()
        elif content.strip() and left:
            left, number = left - 1, number + 1
            try:
                x, y = (float(part) for part in content.split())
            except ValueError:
                raise InputError(
                    f"{where}: '{content.strip()}' is not the x and y of a landmark; correct it"
                ) from None
            if min(x, y) >= 0:
                drawn.points[str(number)] = (x, y)
    _check_count(left, "=", "", f"{path}, last line")
    for one in every:
        if one.points and not one.photograph:
            raise InputError(
                f"{one.where}: these landmarks name no photograph, as if a program for statistics had "
                "written them, which may have scaled them; give the file of the program they were drawn "
                "with, or, if they are pixels, add IMAGE= and the name of the photograph below them"
            )
    return iter([one for one in every if one.points])


def _check_count(left: int | None, equals: str, content: str, where: str) -> None:
    """Make sure that there are as many lines of landmarks as LM= says."""
    if (equals and left) or (not equals and left == 0 and content.strip()):
        raise InputError(
            f"{where}: there are {'fewer' if left else 'more'} landmarks than LM= says; save the file again"
        )
