"""First reading of the files: the order of specimens on the page, and counts."""

import dataclasses
import os
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Any

from sam2pal.config.review import ReviewOptions
from sam2pal.dataset.dataset import MISSING, AnnotatedSpecimen, Dataset, State, check_structures
from sam2pal.dataset.judged import Corrections
from sam2pal.dataset.matching import differ, find_templates
from sam2pal.dataset.recalibration import labelled_in
from sam2pal.evaluation.columns import SCORED
from sam2pal.evaluation.ranking import Ranking
from sam2pal.images.address import file_of
from sam2pal.images.folder import natural_key
from sam2pal.io.errors import InputError
from sam2pal.review.shards import Entry, Group, entries
from sam2pal.review.tables import Tables


@dataclass(slots=True)
class PageRow:
    """One specimen's place on the page; everything that is kept of it between two readings.

    Attributes:
        missing: structures that are not found, by state.
        file, place: which file, and which of its images; `file` -1 is the file of templates.
        number: names its picture; the order of the files decides it.
        scores: of its predicted masks that are there, by structure.
        other: the group if no score is low.
        worst, worst_structure: score and name of the mask that stands lowest among those of its
            structure, if there is one; `deviation` says how low, in robust standard deviations.
        rank: its place, from 1; `shown`: whether it is on the page.
    """

    group: Group
    file: int
    place: int
    number: int
    specimen: str
    path: str
    reason: str
    scores: dict[str, float]
    other: Group
    missing: dict[State, list[str]]
    flags: tuple[str, ...]
    iou: float | None
    worst: float | None = None
    worst_structure: str = ""
    deviation: float = 0.0
    rank: int = 0
    shown: bool = False

    def key(self) -> tuple[Any, ...]:
        """Sorts those to look at first first."""
        missing = len(self.missing[State.ABSENT]) if self.group == Group.ABSENT else 0
        return (
            self.group,
            -missing,
            self.deviation,
            natural_key(self.specimen),
            self.file,
            self.place,
        )


@dataclass
class Count:
    """What is known of one structure over all specimens: its states, and how many of them a person said."""

    structure: str
    found: int = 0
    outside: int = 0
    hidden: int = 0
    absent: int = 0
    by_hand: int = 0
    unknown: int = 0
    low: int = 0
    doubtful: int = 0
    scores: array = field(default_factory=lambda: array("d"))
    ious: array = field(default_factory=lambda: array("d"))

    @property
    def median_score(self) -> float | None:
        """Of the predicted masks that are there."""
        return median(self.scores) if self.scores else None

    @property
    def mean_iou(self) -> float | None:
        """Over the specimens that are scored."""
        return fmean(self.ious) if self.ious else None


@dataclass(frozen=True)
class Sources:
    """The files of a genus and round.

    Attributes:
        templates: COCO file of the templates; those that are no specimens get cards of their own.
        genus, round: what the files must be of; if empty, what they say they are.
        corrections: what people said: masks they drew are shown, their verdicts stand beside the others.
        pictures: of each file of predictions the small pictures that were kept of its photographs.
    """

    predictions: Sequence[str | Path]
    templates: str | Path | None = None
    tables: Tables | None = None
    genus: str = ""
    round: str = ""
    corrections: Corrections | None = None
    pictures: Sequence[str | Path] = ()


class Survey:
    """Reads every file once and sorts the specimens.

    Attributes:
        rows: all specimens, those to look at first first.
        weak: structures whose scores are low on most specimens: said once, not of each.
        info: of the predictions: the model, and how its templates lie.
        known: how many masks of the genus are known that its confidences are moved to.
        outside: templates that are not among the specimens (and have rows of their own).
        notes: what was noticed when the annotations of the templates were read.

    Raises:
        InputError: a file is not sound, belongs to another genus or round, or has other
            structures; or two files have the same specimen.
    """

    def __init__(self, sources: Sources, options: ReviewOptions) -> None:
        self.files = [Path(path) for path in sources.predictions]
        self.pictures = dict(enumerate(sources.pictures))  # by the number of the file
        self.templates = None if sources.templates is None else Path(sources.templates)
        self.tables, self.options = sources.tables or Tables(), options
        self.genus, self.round = sources.genus, sources.round
        self._corrections = sources.corrections
        if self._corrections:
            self._corrections.learn(self.files)
        self.rows: list[PageRow] = []
        self.counts: list[Count] = []
        self.parents: dict[str, str] = {}
        self.notes: list[str] = []
        self.info: dict[str, Any] = {}
        self.known = 0
        self.structures: list[str] = []
        self._first: Path | None = None
        self._drawn: list[AnnotatedSpecimen] = []  # may be templates
        seen: dict[str, Path] = {}
        for number, path in enumerate(self.files):
            dataset = self.read(number)
            self._check(dataset)
            for entry in entries(dataset, self.tables):
                name = entry.specimen.specimen
                if entry.specimen.status != "duplicate":
                    if name in seen:
                        raise InputError(
                            f"the specimen '{name}' is in both {seen[name]} and {path}; remove it"
                            " from one of them"
                        )
                    seen[name] = path
                self._add(number, entry)
        self.outside = self._add_templates()
        self._sort()

    def read(self, number: int) -> Dataset:
        """A file of predictions with what people said; other masks keep the pixels that were judged."""
        dataset = Dataset(self.files[number])
        return self._corrections.apply(dataset, settle=False) if self._corrections else dataset

    def given(self) -> list[dict[str, Any]]:
        """What people said of the genus in all rounds, as the page keeps it."""
        return list(self._corrections.records()) if self._corrections else []

    def _check(self, dataset: Dataset) -> None:
        if self._first is not None:
            check_structures(dataset, self._first, self.structures)
        else:
            self._first, self.structures = dataset.path, dataset.structures
            self.info = dataset.info
            self.parents = dataset.parents
            self.counts = [Count(name) for name in dataset.structures]
            known = labelled_in(dataset.info)
            self.known = self._corrections.known if self._corrections else len(known)
        for key in ("genus", "round"):
            said, wanted = dataset.info.get(key), getattr(self, key)
            if not said:
                continue
            if wanted and said != wanted:
                raise InputError(f"{dataset.path} is of the {key} '{said}', not of '{wanted}'")
            setattr(self, key, str(said))

    def _add(self, file: int, entry: Entry) -> None:
        group = entry.group(self.options.low_confidence)
        specimen = entry.specimen
        marks = entry.marks
        ious = [
            m.iou for m in marks.values() if m.iou is not None and m.verdict in SCORED and file >= 0
        ]
        self.rows.append(
            PageRow(
                group,
                file,
                entry.place,
                len(self.rows) + 1,
                specimen.specimen,
                entry.path,
                specimen.reason,
                {
                    name: m.annotation.score
                    for name, m in marks.items()
                    if m.predicted and not m.absent and m.annotation.score is not None
                },
                entry.group(0.0),
                {
                    state: [n for n, mark in marks.items() if mark.annotation.state == state]
                    for state in MISSING
                },
                tuple(sorted({flag for mark in marks.values() for flag in mark.annotation.flags})),
                fmean(ious) if ious else None,
            )
        )
        if group < Group.NO_SPECIMEN and file >= 0:
            self._count(entry)
        if file >= 0 and any(mark.annotation.by_hand for mark in marks.values()):
            size = _size(specimen.path)
            self._drawn.append(dataclasses.replace(specimen, annotations={}, size=size))

    def _count(self, entry: Entry) -> None:
        for count in self.counts:
            mark = entry.marks.get(count.structure)
            if mark is None:
                count.unknown += 1
                continue
            if mark.iou is not None and mark.verdict in SCORED:
                count.ious.append(mark.iou)
            state = mark.annotation.state
            count.found += state == State.FOUND
            count.outside += state == State.OUTSIDE
            count.hidden += state == State.HIDDEN
            count.absent += state == State.ABSENT
            count.unknown += state == State.UNKNOWN
            count.by_hand += mark.annotation.by_hand
            if mark.predicted and not mark.absent:
                count.low += mark.low(self.options.low_confidence)
                count.doubtful += (entry.specimen.specimen, count.structure) in self.tables.doubtful
                if mark.annotation.score is not None:
                    count.scores.append(mark.annotation.score)

    def _add_templates(self) -> int:
        """Add the templates that are not among the specimens; say how many these are."""
        if self.templates is None:
            return 0
        dataset = Dataset(self.templates, source="drawn")
        self.notes = dataset.notes
        self._check(dataset)
        paths = {specimen.specimen: specimen.path for specimen in self._drawn}
        among = find_templates(self._drawn, dataset.specimens, by_name=True)
        there = {of.specimen for name, of in among.items() if not differ(paths[name], of.path)}
        outside = [e for e in entries(dataset) if e.specimen.specimen not in there]
        for entry in outside:
            self._add(-1, entry)
        return len(outside)

    def _rank(self) -> None:
        """Put each specimen into its group and find its worst mask, now that all scores are known."""
        scores = {count.structure: count.scores for count in self.counts}
        ranking = Ranking(scores, self.options.low_confidence)
        self.weak = ranking.weak
        for row in self.rows:
            known = {name: score for name, score in row.scores.items() if len(scores[name])}
            worst = ranking.worst(known)
            if worst is not None:
                row.worst, row.worst_structure = worst.score, worst.structure
                row.deviation = worst.deviation
            low = any(ranking.is_low(*of) for of in known.items())
            if row.group == Group.LOW and not low:
                row.group = row.other

    def _sort(self) -> None:
        self._rank()
        self.rows.sort(key=PageRow.key)
        self.groups = Counter(row.group for row in self.rows)
        self.flags = Counter(flag for row in self.rows for flag in row.flags)
        left = self.options.show
        for rank, row in enumerate(self.rows, 1):
            row.rank = rank
            if row.group < Group.TEMPLATE and left is not None:
                if left == 0:
                    continue
                left -= 1
            row.shown = True
        self.shown = sum(row.shown for row in self.rows)

    @property
    def title(self) -> str:
        """Genus and round, as far as they are known."""
        parts = [self.genus, f"round {self.round}" if self.round else ""]
        return ", ".join(part for part in parts if part)

    @property
    def masked(self) -> bool:
        """Whether any specimen has masks."""
        return any(row.group < Group.NO_SPECIMEN and row.file >= 0 for row in self.rows)

    def sheet_rows(self) -> list[PageRow]:
        """Specimens of the contact sheet, at even distances from the first to the last to look at.

        Templates and specimens without masks are none of them.
        """
        rows = [row for row in self.rows if row.group < Group.TEMPLATE]
        n = min(self.options.sheet, len(rows))
        if n < 2:
            return rows[:n]
        return [rows[round(i * (len(rows) - 1) / (n - 1))] for i in range(n)]


def _size(path: str) -> int:
    try:
        return os.path.getsize(file_of(path))
    except OSError:
        return -1
