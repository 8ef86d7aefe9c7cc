"""Specimens with what is known of their structures: templates, truth, predictions, corrections."""

from __future__ import annotations

import math
from collections import UserDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from pycocotools import mask as coco_mask

from sam2pal.dataset.files import check, read_json
from sam2pal.dataset.rle import (
    at_edge,
    decode_box,
    decode_mask,
    encode_mask,
    rle_area,
    rle_measures,
)
from sam2pal.dataset.runs import rle_size
from sam2pal.images.address import suffix_of
from sam2pal.io.errors import DamagedError, InputError

if TYPE_CHECKING:
    from sam2pal.images.reading import Photograph

BY_HAND = ("drawn", "corrected")
"""Sources of masks that a person made."""
FARTHEST_POINT = 10
"""How many photographs away a point is no slip of the hand; drawing such an outline takes memory."""


class State(StrEnum):
    """What is known of a structure of a specimen; the column `state` of every table."""

    FOUND = "found"
    OUTSIDE = "outside"  # its mask meets the photograph's edge, or it lies beyond
    HIDDEN = "hidden"  # something covers it
    ABSENT = "absent"
    UNKNOWN = "not_annotated"


MISSING = (State.ABSENT, State.HIDDEN, State.OUTSIDE)
"""Why a specimen may show nothing of a structure."""


@dataclass(frozen=True, eq=False)
class Annotation:
    """One structure of one specimen; its mask stays encoded until it is asked for.

    Attributes:
        pieces: RLE, or lists of polygons; together they are the mask.
        height, width: of the photograph as stored on disk, in pixels; 0 if the file has none.
        areas: pixels of the mask at other probability thresholds, by threshold.
        before: what was predicted, if a person's mask or verdict stands in its place.
        why: without a mask: `hidden` or `outside` if that is known.
        verdict: of a person (see `dataset.corrections`); empty if there is none.
    """

    pieces: Sequence[Any]
    height: int
    width: int
    source: str = "drawn"
    score: float | None = None
    confidence: Mapping[str, float | None] = field(default_factory=dict)
    areas: Mapping[str, int] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    where: str = "an annotation"
    verdict: str = ""
    why: str = ""
    before: Annotation | None = None

    @property
    def by_hand(self) -> bool:
        """Whether a person made it."""
        return self.source in BY_HAND

    @property
    def state(self) -> State:
        """Unknown if no template shows the structure, else by the mask, or why there is none."""
        if "no_template" in self.flags:
            return State.UNKNOWN
        if self.area:
            return State.OUTSIDE if self._cut else State.FOUND
        return State(self.why) if self.why in MISSING else State.ABSENT

    @cached_property
    def _cut(self) -> bool:
        """Whether the mask meets an edge of the photograph."""
        return at_edge(rle_measures(self.rle)["bbox"], *rle_size(self.rle))

    @cached_property
    def rle(self) -> Mapping[str, Any]:
        """The mask as one compressed RLE, as stored.

        Raises:
            InputError: the mask is damaged or of another size than the photograph.
        """
        try:
            found = [_rle(piece, self.height, self.width) for piece in self.pieces]
            sizes = {rle_size(rle): rle for rle in found}
            if len(sizes) > 1:
                said = " and ".join(map(_size, sizes))
                raise InputError(f"{self.where}: it has masks of different sizes: {said} pixels")
            rle = found[0]
            if len(found) > 1 or not isinstance(rle["counts"], str):
                rle = encode_mask(np.logical_or.reduce([decode_mask(one) for one in found]))
            rle_area(rle)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            message = f"{self.where}: damaged mask ({error}); make or export the file again"
            raise DamagedError(str(self.where).partition(":")[0], message) from error
        (shape,) = sizes
        if self.width and shape != (self.height, self.width):
            raise InputError(
                f"{self.where}: the mask has {_size(shape)} pixels, the photograph"
                f" {self.width} x {self.height} (width x height)"
            )
        return rle

    @property
    def polygons(self) -> list[list[float]]:
        """Those that the mask is drawn from, `[x1, y1, x2, y2, ...]`; sound if `rle` is."""
        lists = [piece for piece in self.pieces if isinstance(piece, list)]
        return [ring for piece in lists for ring in _polygons(piece)]

    @cached_property
    def area(self) -> int:
        """Pixels of the mask; InputError as of `rle`."""
        return rle_area(self.rle)

    def mask(self) -> np.ndarray:
        """The mask, bool `[height, width]` as stored; InputError as of `rle`."""
        return decode_mask(self.rle)

    def part(self) -> tuple[np.ndarray, tuple[int, int, int, int], tuple[int, int]]:
        """The part of the mask that holds its pixels, its (left, top, width, height), and the mask's shape.

        Raises:
            InputError: as of `rle`.
        """
        return *decode_box(self.rle), rle_size(self.rle)


@dataclass(frozen=True, eq=False)
class AnnotatedSpecimen:
    """A specimen with what is known of its structures; a template is one of them.

    Attributes:
        path: its photograph, as it is opened; may be empty.
        annotations: by structure, in the order of the dataset's structures. A structure without
            an entry is unknown.
        status: `ok`, or as in the manifest; `missing` if the photograph is not there.
        view: in which view of the templates it was matched; empty if in the plain one.
        size: of the photograph's file in bytes, -1 if not known.
        likeness: of its photograph to the templates', up to 1; None if that was not asked.
        windows: (left, top, width, height), as stored, of what the model saw; none if it saw all of it.
    """

    specimen: str
    path: str
    width: int
    height: int
    annotations: Mapping[str, Annotation]
    file_name: str = ""
    status: str = "ok"
    reason: str = ""
    view: str = ""
    size: int = -1
    likeness: float | None = None
    windows: tuple[tuple[int, int, int, int], ...] = ()

    @property
    def name(self) -> str:
        """Its id with the extension of its photograph."""
        return self.specimen + suffix_of(self.path or self.file_name)

    @property
    def masks(self) -> Mapping[str, np.ndarray]:
        """The masks of all structures that have one, decoded when asked for; without a pixel it is absent."""
        return _Masks(self.annotations)

    def union(self, photograph: Photograph) -> np.ndarray:
        """What is drawn of any structure, bool [height, width] of the upright photograph."""
        union = np.zeros(photograph.displayed_shape, bool)
        for mask in self.masks.values():
            union |= photograph.to_upright(mask)
        return union

    def state(self, structure: str) -> State:
        """What is known of a structure."""
        annotation = self.annotations.get(structure)
        return State.UNKNOWN if annotation is None else annotation.state


class _Masks(UserDict):
    def __getitem__(self, structure: str) -> np.ndarray:
        return self.data[structure].mask()


def drawn_annotations(masks: Mapping[str, np.ndarray]) -> dict[str, Annotation]:
    """Annotations of masks `[height, width]` that were drawn, by structure."""
    return {
        name: Annotation((encode_mask(mask),), *mask.shape, where=f"the drawn '{name}'")
        for name, mask in masks.items()
    }


class Dataset:
    """A COCO file in memory, its masks still encoded.

    Args:
        path: of the file, or its content as read.
        images_of: for a bare list of COCO results: the dataset whose images and categories it has.
        source: of annotations that do not say theirs.
        where: what messages call the file, if `path` is its content.

    Attributes:
        info: the file's own.
        notes: what was noticed when the annotations were converted.
        structures: names in the order of the categories.
        numbers: the category's id by structure.
        parents: the structure that each is a part of, or an empty text.
        specimens: in the order of the file, duplicates and unreadable ones included.

    Raises:
        InputError: the file is not sound COCO.
    """

    def __init__(
        self,
        path: str | Path | Mapping[str, Any],
        images_of: Dataset | None = None,
        source: str = "predicted",
        where: str | Path = "",
    ) -> None:
        data: Any = path
        try:
            if isinstance(path, str | Path):
                where = path
                data = read_json(path)
            if isinstance(data, list) and images_of is not None:
                data = {**images_of._head, "annotations": data}
            data = check(data, where)
        except InputError as error:
            raise DamagedError(where, str(error)) from error
        self.path = Path(where)
        self._head = {key: data[key] for key in ("images", "categories")}
        self.info = data["info"] if isinstance(data.get("info"), dict) else {}
        self.notes = [str(note) for note in _list(self.info.get("notes"))]
        self.numbers: dict[str, int] = {}
        outlined = {of["category_id"] for of in data["annotations"] if "segmentation" in of}
        for category in data["categories"]:
            if category.get("keypoints") and category["id"] not in outlined:
                continue  # landmarks are no structure
            if category["name"] in self.numbers:
                raise InputError(
                    f"{where}: two categories are named '{category['name']}'; give each its own name"
                )
            self.numbers[category["name"]] = category["id"]
        self.structures = list(self.numbers)
        self.parents = {c["name"]: str(c.get("supercategory") or "") for c in data["categories"]}
        pieces: dict[int, dict[int, list[dict[str, Any]]]] = {}
        for entry in data["annotations"]:
            of_image = pieces.setdefault(entry["image_id"], {})
            of_image.setdefault(entry["category_id"], []).append(entry)
        self.specimens = [
            self._specimen(image, pieces.get(image["id"], {}), source) for image in data["images"]
        ]

    def by_specimen(self) -> dict[str, AnnotatedSpecimen]:
        """The specimens by id, without those that are duplicates; InputError if two images are the same."""
        found: dict[str, AnnotatedSpecimen] = {}
        for specimen, image in zip(self.specimens, self._head["images"], strict=True):
            if specimen.status == "duplicate":
                continue
            if specimen.specimen in found:
                first = self.specimens.index(found[specimen.specimen])
                raise InputError(
                    f"{self.path}: images {self._head['images'][first]['id']} and {image['id']} are"
                    f" both the specimen '{specimen.specimen}'; remove or rename one"
                )
            found[specimen.specimen] = specimen
        return found

    def _specimen(
        self, image: dict[str, Any], pieces: Mapping[int, list[dict[str, Any]]], source: str
    ) -> AnnotatedSpecimen:
        name = specimen_of(image)
        height, width = (_pixels(image.get(key)) for key in ("height", "width"))
        annotations = {}
        for structure, number in self.numbers.items():
            where = f"{self.path}: specimen '{name}', structure '{structure}'"
            entries = [
                entry  # without those that have a box alone, and do not say that it is absent
                for entry in pieces.get(number, ())
                if entry.get("segmentation") not in ([], [[]]) or entry.get("area") == 0
            ]
            if entries:
                annotations[structure] = _annotation(entries, height, width, source, where)
        return AnnotatedSpecimen(
            name,
            str(image.get("path") or ""),
            width,
            height,
            annotations,
            image["file_name"],
            str(image.get("status") or "ok"),
            " ".join(str(image.get("reason") or "").split()),
            _view(image.get("view"), self.info.get("reference_template")),
            likeness=_number(image.get("view_score")),
            windows=_windows(image, [0, 0, width, height]),
        )


def read_templates(path: str | Path) -> list[AnnotatedSpecimen]:
    """The specimens of a canonical COCO file, in its order; their masks are sound.

    Raises:
        InputError: the file is not canonical (`convert` makes such a file), or a mask is damaged.
    """
    dataset = Dataset(path, source="drawn")
    for image, specimen in zip(dataset._head["images"], dataset.specimens, strict=True):
        for key in ("specimen", "path", "width", "height"):
            if key not in image:
                raise InputError(
                    f"{path}: image '{image['file_name']}' has no '{key}'; this is not a file that"
                    " scripts/convert_templates.py wrote: convert it first"
                )
        for annotation in specimen.annotations.values():
            if len(annotation.pieces) > 1:
                raise InputError(
                    f"{annotation.where} is annotated twice; convert the annotations again"
                )
            annotation.mask()
    return dataset.specimens


def specimen_of(image: Mapping[str, Any]) -> str:
    """The id of the specimen of a COCO image: its own, or its file name without extension."""
    specimen = image.get("specimen")
    if isinstance(specimen, str) and specimen:
        return specimen
    file_name = PurePosixPath(image["file_name"].replace("\\", "/"))
    return file_name.with_suffix("").as_posix()


def _annotation(
    entries: Sequence[Mapping[str, Any]], height: int, width: int, source: str, where: str
) -> Annotation:
    """What several COCO annotations of one structure say; signals are those of the best of them."""
    scores = [_number(entry.get("score")) for entry in entries]
    best = entries[
        max(range(len(scores)), key=lambda i: -1.0 if scores[i] is None else float(scores[i]))
    ]
    confidence = best.get("confidence")
    signals = confidence if isinstance(confidence, Mapping) else {}
    areas = best.get("areas")
    return Annotation(
        tuple(entry.get("segmentation") for entry in entries),
        height,
        width,
        str(entries[0].get("source") or source),
        _number(best.get("score")),
        {key: _number(value) for key, value in signals.items()},
        areas if isinstance(areas, Mapping) else {},
        tuple(str(flag) for flag in _list(best.get("flags"))),
        where,
        str(best.get("verdict") or ""),
        str(best.get("state") or ""),
    )


def _rle(piece: Any, height: int, width: int) -> Mapping[str, Any]:
    """RLE of one, or of polygons; ValueError for anything else."""
    if isinstance(piece, dict):
        return piece
    if not isinstance(piece, list):
        raise ValueError("it has no segmentation (a polygon or an RLE)")
    if not height or not width:
        raise ValueError("a polygon, but the image has no 'width' and 'height'")
    polygons = _polygons(piece)
    for polygon in polygons:
        if len(polygon) < 6 or len(polygon) % 2:
            raise ValueError(
                f"a polygon of {len(polygon)} numbers; expected x, y of 3 or more points"
            )
        if not all(type(n) in (int, float) and math.isfinite(n) for n in polygon):
            raise ValueError("a polygon with something that is not a number")
        if max(map(abs, polygon)) > FARTHEST_POINT * max(height, width):
            raise ValueError("a polygon with a point far outside of the photograph")
    if not polygons:
        return encode_mask(np.zeros((height, width), bool))
    united = coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))
    return {"size": [height, width], "counts": united["counts"].decode("ascii")}


def _polygons(piece: list[Any]) -> list[list[float]]:
    """The polygons of a list of them, or of one alone."""
    return piece if not piece or isinstance(piece[0], list) else [piece]


def _windows(image: Mapping[str, Any], whole: list[int]) -> tuple[tuple[int, int, int, int], ...]:
    """The windows of an image of predictions."""
    parts = image.get("part_windows")
    found = [image.get("window"), *(parts.values() if isinstance(parts, dict) else ())]
    return tuple(
        tuple(window)
        for window in found
        if isinstance(window, list)
        and [type(edge) for edge in window] == [int] * 4
        and window != whole
    )


def _view(value: Any, reference: Any) -> str:
    if not value or value in ("upright", "identity", "0"):
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {value[key]}" for key in sorted(value))
    return f"{value}, against template {reference}" if reference else str(value)


def _pixels(value: Any) -> int:
    whole = type(value) in (int, float) and math.isfinite(value) and value == int(value)
    return int(value) if whole and value > 0 else 0


def _number(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) and math.isfinite(value) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"


def check_structures(dataset: Dataset, first: Path, structures: list[str]) -> None:
    """Raise `InputError` if a file has other structures than the first one of its genus and round."""
    if dataset.structures != structures:
        raise InputError(
            f"{dataset.path} has the structures {', '.join(dataset.structures)}, but {first} has"
            f" {', '.join(structures)}; one of them is of another configuration: run the workflow"
            " again"
        )
