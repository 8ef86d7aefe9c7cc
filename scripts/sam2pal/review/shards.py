"""What the prediction files say of every specimen, as the page needs it."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from sam2pal.dataset.dataset import AnnotatedSpecimen, Annotation, Dataset
from sam2pal.dataset.states import NO_SPECIMEN
from sam2pal.review.tables import Tables

_EXPECTED = frozenset({"absent", "no_template"})


class Group(IntEnum):
    """Why a specimen needs a look, in the order of the page."""

    NOTHING = 0
    LOW = 1
    FLAGGED = 2
    ABSENT = 3
    FINE = 4
    TEMPLATE = 5
    NO_SPECIMEN = 6
    UNREADABLE = 7
    DUPLICATE = 8


@dataclass(frozen=True)
class Mark:
    """One structure of one specimen, of which the file says something.

    Attributes:
        verdict: the `status` of its row in evaluation.csv, or empty.
        doubts: flags of its shape, from the table of measurements.
        change: since the earlier round, from changes.csv.
    """

    annotation: Annotation
    iou: float | None = None
    verdict: str = ""
    doubts: tuple[str, ...] = ()
    change: dict[str, Any] = field(default_factory=dict)

    @property
    def predicted(self) -> bool:
        """Whether the model made it and was asked to: not drawn, and some template shows it."""
        return self.annotation.source == "predicted" and "no_template" not in self.annotation.flags

    @property
    def absent(self) -> bool:
        """Whether its mask has no pixel."""
        return self.annotation.area == 0

    def low(self, limit: float) -> bool:
        """Whether a mask is there, its confidence is low, and nobody accepted it."""
        there = self.predicted and not self.absent and self.annotation.verdict != "accepted"
        return there and self.annotation.score is not None and self.annotation.score < limit


@dataclass(frozen=True)
class Entry:
    """One specimen in a file: `place` among its specimens, and its marks by structure."""

    place: int
    specimen: AnnotatedSpecimen
    marks: dict[str, Mark]

    @property
    def path(self) -> str:
        """Its photograph."""
        return self.specimen.path or self.specimen.file_name

    def group(self, low_confidence: float) -> Group:
        """The group of the page that the specimen belongs to."""
        if self.specimen.status == "duplicate":
            return Group.DUPLICATE
        if self.specimen.status == NO_SPECIMEN:
            return Group.NO_SPECIMEN
        if self.specimen.status != "ok":
            return Group.UNREADABLE
        marks = self.marks.values()
        predicted = [mark for mark in marks if mark.predicted]
        if not predicted and any(mark.annotation.source == "drawn" for mark in marks):
            return Group.TEMPLATE
        shown = any(mark.annotation.by_hand and not mark.absent for mark in marks)
        if all(mark.absent for mark in predicted) and not shown:
            return Group.NOTHING
        if any(mark.low(low_confidence) for mark in predicted):
            return Group.LOW
        if any(mark.doubts or set(mark.annotation.flags) - _EXPECTED for mark in predicted):
            return Group.FLAGGED
        return Group.ABSENT if any(mark.absent for mark in predicted) else Group.FINE


def entries(dataset: Dataset, tables: Tables | None = None) -> list[Entry]:
    """The specimens of a file with their marks."""
    tables = tables or Tables()
    found = []
    for place, specimen in enumerate(dataset.specimens):
        marks = {}
        for name, annotation in specimen.annotations.items():
            key = specimen.specimen, name
            known = (*tables.scores.get(key, (None, "")), tables.doubts.get(key, ()))
            marks[name] = Mark(annotation, *known, tables.changes.get(key, {}))
        found.append(Entry(place, specimen, marks))
    return found
