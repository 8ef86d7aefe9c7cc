"""What the prediction files say of every specimen, as the page needs it."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from sam2pal.dataset.files import load
from sam2pal.dataset.rle import decode_mask, rle_area
from sam2pal.io.errors import InputError

BY_HAND = ("drawn", "corrected")
_EXPECTED = frozenset({"absent", "low_confidence", "no_template"})


class Group(IntEnum):
    """What kind of look a specimen needs, those to look at first first."""

    NOTHING = 0
    LOW = 1
    FLAGGED = 2
    ABSENT = 3
    FINE = 4
    TEMPLATE = 5
    UNREADABLE = 6
    DUPLICATE = 7


@dataclass(frozen=True, slots=True)
class Mark:
    """One structure of one specimen.

    Attributes:
        structure, number: name, and place among all structures from 1.
        source: `predicted`, `drawn` or `corrected`; empty if the file says nothing of it.
        score: confidence, 0..1, or None.
        absent: the mask has no pixel.
        flags: as in the file.
        iou: against the truth, or None.
        verdict: the `status` of its row in evaluation.csv, or empty.
    """

    structure: str
    number: int
    source: str = ""
    score: float | None = None
    absent: bool = False
    flags: tuple[str, ...] = ()
    iou: float | None = None
    verdict: str = ""

    @property
    def predicted(self) -> bool:
        """Whether the model made it and was asked to: not drawn, and some template shows it."""
        return self.source == "predicted" and "no_template" not in self.flags

    @property
    def missing(self) -> bool:
        """Whether the model or a person says that the specimen does not show it."""
        return self.absent and (self.predicted or self.source in BY_HAND)

    @property
    def there(self) -> bool:
        """Whether there is a mask with pixels."""
        return bool(self.source) and not self.absent

    def low(self, limit: float) -> bool:
        """Whether a mask is there and its confidence is low."""
        if not self.predicted or self.absent:
            return False
        return "low_confidence" in self.flags or (self.score is not None and self.score < limit)


@dataclass(frozen=True, slots=True)
class Entry:
    """One specimen in a file: `place` among its images; texts and marks as in the file."""

    place: int
    specimen: str
    path: str
    width: int
    height: int
    status: str
    reason: str
    view: str
    marks: tuple[Mark, ...]

    def group(self, low_confidence: float) -> Group:
        """The group of the page that the specimen belongs to."""
        if self.status == "duplicate":
            return Group.DUPLICATE
        if self.status != "ok":
            return Group.UNREADABLE
        predicted = [mark for mark in self.marks if mark.predicted]
        if not predicted and any(mark.source in BY_HAND for mark in self.marks):
            return Group.TEMPLATE
        if all(mark.absent for mark in predicted):
            return Group.NOTHING
        if any(mark.low(low_confidence) for mark in predicted):
            return Group.LOW
        if any(set(mark.flags) - _EXPECTED for mark in predicted):
            return Group.FLAGGED
        return Group.ABSENT if any(mark.absent for mark in predicted) else Group.FINE

    def lowest(self) -> Mark | None:
        """The predicted mask of the lowest score among those that are there."""
        known = [m for m in self.marks if m.predicted and not m.absent and m.score is not None]
        return min(known, key=lambda mark: (mark.score, mark.number), default=None)


class Truth:
    """IoU and status by specimen and structure, from evaluation.csv.

    Raises:
        InputError: the file is missing, or lacks a column, or an IoU is not a number.
    """

    def __init__(self, path: str | Path | None) -> None:
        self.rows: dict[str, dict[str, tuple[float | None, str]]] = {}
        if path is None:
            return
        try:
            with open(path, encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file)
                for name in ("specimen", "structure", "status", "iou"):
                    if name not in (reader.fieldnames or ()):
                        raise InputError(
                            f"{path}: no column '{name}'; expected a file of scripts/evaluate.py"
                        )
                for row in reader:
                    self._add(row, f"{path}, line {reader.line_num}")
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{path}: the evaluation cannot be read ({error})") from error

    def _add(self, row: Mapping[str, str | None], where: str) -> None:
        text = row["iou"] or ""
        try:
            value = float(text) if text else None
        except ValueError:
            raise InputError(f"{where}: the IoU '{text}' is not a number") from None
        if value is not None and not math.isfinite(value):
            value = None
        found = self.rows.setdefault(row["specimen"] or "", {})
        found[row["structure"] or ""] = (value, row["status"] or "")

    def __bool__(self) -> bool:
        return any(iou is not None for row in self.rows.values() for iou, _ in row.values())


class Shard:
    """A file of predictions (or of templates) in memory.

    Attributes:
        structures: names in the order of the categories; `parents` has the parent of each, or
            an empty text.
        info: the file's `info`.
        entries: its specimens.

    Raises:
        InputError: the file is not such COCO.
    """

    def __init__(self, path: str | Path, truth: Truth | None = None, source: str = "") -> None:
        self.path = Path(path)
        data = load(path)
        self.info = data["info"] if isinstance(data.get("info"), dict) else {}
        self._numbers = {c["id"]: i for i, c in enumerate(data["categories"], 1)}
        self.structures = [category["name"] for category in data["categories"]]
        self.parents = {
            category["name"]: str(category.get("supercategory") or "")
            for category in data["categories"]
        }
        self._masks: dict[tuple[int, int], Any] = {}
        found: dict[int, dict[int, dict[str, Any]]] = {}
        for annotation in data["annotations"]:
            own = found.setdefault(annotation["image_id"], {})
            number = self._numbers[annotation["category_id"]]
            if number in own:
                raise InputError(
                    f"{path}: image {annotation['image_id']} has two annotations of"
                    f" '{self.structures[number - 1]}'; unite them (the workflow's own files have"
                    " one a structure)"
                )
            own[number] = annotation
        rows = truth.rows if truth else {}
        self.entries = [
            self._entry(place, image, found.get(image["id"], {}), rows, source)
            for place, image in enumerate(data["images"])
        ]

    def mask(self, entry: Entry, mark: Mark) -> np.ndarray:
        """A mask, bool `[height, width]` as stored on disk.

        Raises:
            InputError: it is damaged.
        """
        try:
            mask = decode_mask(self._masks[entry.place, mark.number])
        except (ValueError, TypeError, AttributeError) as error:
            raise InputError(
                f"{self.path}: specimen '{entry.specimen}', structure '{mark.structure}': damaged"
                f" mask ({error}); delete the file and run again"
            ) from error
        return mask

    def _entry(
        self,
        place: int,
        image: dict[str, Any],
        annotations: Mapping[int, dict[str, Any]],
        rows: Mapping[str, Mapping[str, tuple[float | None, str]]],
        source: str,
    ) -> Entry:
        specimen = image.get("specimen")
        if not isinstance(specimen, str) or not specimen:
            specimen = PurePosixPath(image["file_name"]).with_suffix("").as_posix()
        scores = rows.get(specimen, {})
        marks = []
        for number, name in enumerate(self.structures, 1):
            iou, verdict = scores.get(name, (None, ""))
            annotation = annotations.get(number)
            if annotation is None:
                marks.append(Mark(name, number, iou=iou, verdict=verdict))
                continue
            self._masks[place, number] = annotation.get("segmentation")
            marks.append(
                Mark(
                    name,
                    number,
                    str(annotation.get("source") or source or "predicted"),
                    _number(annotation.get("score")),
                    self._absent(annotation, specimen, name),
                    tuple(str(flag) for flag in annotation.get("flags") or ()),
                    iou,
                    verdict,
                )
            )
        return Entry(
            place,
            specimen,
            str(image.get("path") or image["file_name"]),
            *(
                value if type(value) is int else 0
                for value in (image.get("width"), image.get("height"))
            ),
            str(image.get("status") or "ok"),
            " ".join(str(image.get("reason") or "").split()),
            _view(image.get("view")),
            tuple(marks),
        )

    def _absent(self, annotation: dict[str, Any], specimen: str, structure: str) -> bool:
        area = annotation.get("area")
        if type(area) is int:
            return area == 0
        try:
            return rle_area(annotation["segmentation"]) == 0
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise InputError(
                f"{self.path}: specimen '{specimen}', structure '{structure}': expected a mask in"
                f" COCO's run-length encoding ({error})"
            ) from error


def same_structures(shards: Sequence[tuple[Path, list[str]]]) -> list[str]:
    """The structures of all files.

    Raises:
        InputError: two files differ.
    """
    (first, names), *others = shards
    for path, other in others:
        if other != names:
            raise InputError(
                f"{path} has the structures {', '.join(other)}, but {first} has"
                f" {', '.join(names)}; one of them is of another configuration: run the workflow"
                " again"
            )
    return names


def _number(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) and math.isfinite(value) else None


def _view(value: Any) -> str:
    """In which view of the templates the specimen was matched, unless it was the plain one."""
    if not value or value in ("upright", "identity", "0"):
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {value[key]}" for key in sorted(value))
    return str(value)
