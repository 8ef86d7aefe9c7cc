"""How many masks and specimens of a table of measurements are trusted."""

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from sam2pal.dataset.signals import UNLIKE_TEMPLATES
from sam2pal.dataset.states import NO_SPECIMEN, UNREADABLE
from sam2pal.morphometrics.measures.dictionary import IMPLAUSIBLE, OUTSIDE, SPECIMEN

COUNTED = ("specimen", "structure", "measure", "unit", "status", "value", "flags")
"""Columns that are read."""
LOST = (UNREADABLE, NO_SPECIMEN)
_TRUSTED = ("measured", "not_annotated", *LOST)


class Counts:
    """Masks of a table of measurements by their status, and its specimens by how far they are trusted.

    Attributes:
        masks: by status.
        lost: photographs without masks, by status, in their order.
        misscaled: specimens whose scale does not fit the body lengths of the genus.
    """

    def __init__(self) -> None:
        self.masks: Counter[str] = Counter()
        self.lost: dict[str, dict[str, None]] = {status: {} for status in LOST}
        self.misscaled: dict[str, None] = {}
        self._first: tuple[str, str] | None = None  # a measure and unit that every structure has
        self._trusted: dict[str, bool] = {}  # of each specimen, whether any mask is
        self._unlike: dict[str, bool] = {}  # of each specimen with masks, whether all are flagged

    @property
    def doubtful(self) -> int:
        """Specimens without a mask that is there and trusted, of which one was looked for.

        A mask beyond the photograph's edge is trusted if it is no other animal's.
        """
        return len(self._trusted) - sum(self._trusted.values())

    @property
    def unlike(self) -> int:
        """Specimens whose masks are all flagged as unlike the templates."""
        return sum(self._unlike.values())

    def add(self, piece: pa.Table) -> None:
        """Take some rows of the table; nothing if it lacks one of the columns."""
        if not set(COUNTED) <= set(piece.column_names) or not len(piece):
            return
        if self._first is None:
            self._first = (piece["measure"][0].as_py(), piece["unit"][0].as_py())
        measure, unit = self._first
        once = pc.and_(pc.equal(piece["measure"], measure), pc.equal(piece["unit"], unit))
        whole = pc.equal(piece["structure"], SPECIMEN)
        masks = piece.filter(pc.and_(once, pc.invert(whole)))
        columns = ("specimen", "status", "value", "flags")
        for name, status, value, flags in zip(
            *(masks[column].to_pylist() for column in columns), strict=True
        ):
            self.masks[status] += 1
            trusted = status in _TRUSTED
            if IMPLAUSIBLE in (flags or "").split(";"):
                self.misscaled[name] = None
            if value is not None:
                unlike = UNLIKE_TEMPLATES in (flags or "").split(";")
                self._unlike[name] = self._unlike.get(name, True) and unlike
                trusted |= status == OUTSIDE and not unlike
            self._trusted[name] = self._trusted.get(name, False) or trusted
            if status in self.lost:
                self.lost[status][name] = None
