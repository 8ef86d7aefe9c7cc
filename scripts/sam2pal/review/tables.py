"""What the tables of a genus and round say of its specimens, beside the masks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sam2pal.evaluation.columns import COLUMNS as EVALUATION
from sam2pal.io import tables
from sam2pal.morphometrics.measures.dictionary import DOUBTFUL
from sam2pal.morphometrics.measures.plausibility import DOUBTS
from sam2pal.morphometrics.tables.columns import COLUMNS as MORPHOMETRICS
from sam2pal.morphometrics.tables.counts import COUNTED, Counts
from sam2pal.review.changes import COLUMNS as CHANGES
from sam2pal.review.next import COLUMNS as NEXT

File = str | Path | None
Of = dict[tuple[str, str], Any]
"""By specimen and structure."""


class Tables:
    """The tables of a genus and round, as far as the page shows them; each file may be missing.

    Attributes:
        scores: IoU and status.
        doubts: flags of masks that are unlike others by their shape.
        doubtful: masks whose status is doubtful: unlike others, and not of low confidence.
        counts: how many specimens are trusted.
        next: rank, structure and reason by specimen.
        changes: overlap with the mask of the round `before`, and the measure that changed most.
        files: those to which the page links, by title.

    Raises:
        InputError: a file is missing, or lacks a column, or a number is none.
    """

    def __init__(
        self,
        evaluation: File = None,
        measurements: File = None,
        next: File = None,
        changes: File = None,
    ) -> None:
        names = ("specimen", "structure", "status", "iou")
        rows = _rows(evaluation, EVALUATION, names)
        self.scores: Of = {row[:2]: (row[3], row[2]) for row in rows}
        self.doubts: Of = {}
        self.doubtful: set[tuple[str, str]] = set()
        self.counts = Counts()
        for *key, status, flags in self._measured(measurements):
            doubts = tuple(flag for flag in flags.split(";") if flag in DOUBTS)
            if doubts:
                self.doubts[tuple(key)] = doubts
            if status == DOUBTFUL:
                self.doubtful.add(tuple(key))
        names = ("specimen", "rank", "structure", "reason")
        self.next = {row[0]: row[1:] for row in _rows(next, NEXT, names)}
        self.changes: Of = {}
        self.before = ""
        names = ("specimen", "structure", "round_before", "overlap", "iou_before")
        more = ("measure", "value_before", "value_after", "unit")
        for *key, before, overlap, iou, measure, earlier, later, unit in _rows(
            changes, CHANGES, (*names, *more)
        ):
            self.before = before
            self.changes[tuple(key)] = {
                "overlap": overlap,
                "iou": iou,
                **(
                    {"measure": measure, "from": earlier, "to": later, "unit": unit}
                    if measure
                    else {}
                ),
            }

        self.files = {
            "What to correct next": next,
            f"What changed since round {self.before}": changes,
            "Measurements": _for_spreadsheets(measurements),
        }

    def _measured(self, path: File) -> Iterator[tuple[str, ...]]:
        """Specimen, structure, status and flags of the measurements, which are counted."""
        names = ("specimen", "structure", "status", "flags")
        columns = {name: MORPHOMETRICS[name] for name in COUNTED}
        for piece in tables.read_chunks(path, columns, names, others=False) if path else ():
            self.counts.add(piece)
            yield from zip(*(piece[name].to_pylist() for name in names), strict=True)

    @property
    def evaluated(self) -> bool:
        """Whether anything has a truth."""
        return any(iou is not None for iou, _ in self.scores.values())


def _for_spreadsheets(measurements: File) -> File:
    """The wide table beside the measurements, if there is one: no spreadsheet opens Parquet."""
    if not measurements:
        return None
    path = Path(measurements)
    wide = path.with_name(f"{path.stem}_wide.csv")
    return wide if wide.is_file() else measurements


def _rows(path: File, columns: tables.Columns, names: tuple[str, ...]) -> Any:
    return tables.rows(path, columns, names) if path else ()
