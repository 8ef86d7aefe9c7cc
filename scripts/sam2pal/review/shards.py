"""What the prediction files say of every specimen, as the page needs it."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from sam2pal.dataset.dataset import AnnotatedSpecimen, Annotation, Dataset, State
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
    """One structure of one specimen.

    Attributes:
        verdict: the `status` of its row in evaluation.csv, or empty.
        doubts: flags of its shape, from the table of measurements.
        change: since the earlier round, from changes.csv.
    """

    structure: str
    number: int
    annotation: Annotation | None = None
    iou: float | None = None
    verdict: str = ""
    doubts: tuple[str, ...] = ()
    change: dict[str, Any] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """Empty if the file says nothing of it."""
        return self.annotation.source if self.annotation else ""

    @property
    def by_hand(self) -> bool:
        """Whether a person drew it."""
        return self.annotation is not None and self.annotation.by_hand

    @property
    def given(self) -> str:
        """What a person said of it, or empty."""
        return self.annotation.verdict if self.annotation else ""

    @property
    def score(self) -> float | None:
        """Confidence, 0 to 1, or None."""
        return self.annotation.score if self.annotation else None

    @property
    def flags(self) -> tuple[str, ...]:
        """As in the file."""
        return self.annotation.flags if self.annotation else ()

    @property
    def predicted(self) -> bool:
        """Whether the model made it and was asked to: not drawn, and some template shows it."""
        return self.source == "predicted" and "no_template" not in self.flags

    @property
    def there(self) -> bool:
        """Whether there is a mask with pixels."""
        return self.annotation is not None and self.annotation.area > 0

    @property
    def absent(self) -> bool:
        """Whether there is a mask without a pixel."""
        return self.annotation is not None and self.annotation.area == 0

    @property
    def missing(self) -> bool:
        """Whether the model or a person says that the specimen does not show it."""
        return self.absent and self.annotation.state != State.UNKNOWN

    def low(self, limit: float) -> bool:
        """Whether a mask is there, its confidence is low, and nobody accepted it."""
        there = self.predicted and not self.absent and self.given != "accepted"
        return there and self.score is not None and self.score < limit


@dataclass(frozen=True)
class Entry:
    """One specimen in a file: `place` among its specimens, and a mark per structure."""

    place: int
    specimen: AnnotatedSpecimen
    marks: tuple[Mark, ...]

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
        predicted = [mark for mark in self.marks if mark.predicted]
        if not predicted and any(mark.source == "drawn" for mark in self.marks):
            return Group.TEMPLATE
        shown = any(mark.by_hand and mark.there for mark in self.marks)
        if all(mark.absent for mark in predicted) and not shown:
            return Group.NOTHING
        if any(mark.low(low_confidence) for mark in predicted):
            return Group.LOW
        if any(mark.doubts or set(mark.flags) - _EXPECTED for mark in predicted):
            return Group.FLAGGED
        return Group.ABSENT if any(mark.absent for mark in predicted) else Group.FINE


def entries(dataset: Dataset, tables: Tables | None = None) -> list[Entry]:
    """The specimens of a file with their marks."""
    tables = tables or Tables()
    found = []
    for place, specimen in enumerate(dataset.specimens):
        marks = []
        for number, name in enumerate(dataset.structures, 1):
            key = specimen.specimen, name
            known = (*tables.scores.get(key, (None, "")), tables.doubts.get(key, ()))
            change = tables.changes.get(key, {})
            marks.append(Mark(name, number, specimen.annotations.get(name), *known, change))
        found.append(Entry(place, specimen, tuple(marks)))
    return found
