"""The scales that were found in the photographs of a genus: which to trust, and what they say together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sam2pal.io import tables
from sam2pal.io.errors import InputError

FOUND, DOUBTFUL, NONE = "found", "doubtful", "none"
COLUMNS = {
    **dict.fromkeys(("genus", "specimen", "status", "source"), str),
    **dict.fromkeys(("pixels_per_mm", "uncertainty", "pixels", "mm"), float),
    **dict.fromkeys(("reason", "picture", "taken"), str),
}
"""Columns of scale.csv: `uncertainty` is a standard one, as a share; `pixels` and `mm` were measured;
`taken` is the size in pixels and the camera."""
MEDIAN = "_median"
"""Follows the source of a scale that is the median of other photographs."""
FAR = 5.0  # robust standard deviations
NARROWEST = 0.01  # as a share: photographs of one magnification do not differ by less
FEWEST = 5  # scales among which one can be an outlier
ALIKE = 0.02  # as a share: scales of one magnification
ALONE = 2  # others with the same scale make it no outlier but another magnification
SPREAD = 0.02  # as a share: photographs that differ by more were not taken alike
OFF = 0.03  # as a share: a scale that is farther from the median of photographs taken alike is doubtful
MOST_OFF = 0.1  # of the photographs: if more are off, they were not taken alike


@dataclass(frozen=True)
class ScaleRow:
    """What was found in one photograph, see `COLUMNS`; `pixels_per_mm` is empty where it is not trusted."""

    genus: str
    specimen: str
    status: str
    source: str = ""
    pixels_per_mm: float | None = None
    uncertainty: float | None = None
    pixels: float | None = None
    mm: float | None = None
    reason: str = ""
    picture: str = ""
    taken: str = ""

    @property
    def own(self) -> bool:
        """Whether it was found in the photograph itself."""
        return self.pixels_per_mm is not None and not self.source.endswith(MEDIAN)


def read_rows(paths: Iterable[str | Path]) -> list[ScaleRow]:
    """Rows of tables in their order.

    Raises:
        InputError: a table is damaged, or a specimen is in two.
    """
    rows: dict[str, ScaleRow] = {}
    for path in paths:
        for cells in tables.read(path, COLUMNS, others=False).to_pylist():
            row = ScaleRow(**cells)
            if row.specimen in rows:
                raise InputError(
                    f"{path}: the specimen '{row.specimen}' has two rows; run the workflow again"
                )
            rows[row.specimen] = row
    return list(rows.values())


def write_rows(path: str | Path, rows: Iterable[ScaleRow]) -> None:
    """Write scale.csv."""
    cells: list[Mapping[str, Any]] = [
        vars(row)
        | {
            name: None if (value := getattr(row, name)) is None else float(f"{value:.6g}")
            for name, kind in COLUMNS.items()
            if kind is float
        }
        for row in rows
    ]
    tables.write(tables.table(cells, COLUMNS), path)


def with_outliers_doubtful(rows: Sequence[ScaleRow]) -> list[ScaleRow]:
    """Rows of a genus, with scales found in a photograph that are far from all others doubtful.

    A scale that others have too is another magnification and no outlier.
    """
    known = np.array([row.pixels_per_mm for row in rows if row.own], float)
    if len(known) < FEWEST:
        return list(rows)
    logs = np.log(known)
    middle = float(np.median(logs))
    spread = max(1.4826 * float(np.median(np.abs(logs - middle))), NARROWEST)
    found = []
    for row in rows:
        if row.pixels_per_mm and row.own:
            value = math.log(row.pixels_per_mm)
            z = (value - middle) / spread
            others = int((np.abs(logs - value) < ALIKE).sum()) - 1
            if abs(z) > FAR and others < ALONE:
                reason = (
                    f"{row.pixels_per_mm:.4g} pixels per mm, but the median of {len(known)} photographs is "
                    f"{math.exp(middle):.4g} and their spread {spread:.1%}"
                )
                row = replace(row, status=DOUBTFUL, pixels_per_mm=None, reason=reason)
        found.append(row)
    return found


def with_one_scale(rows: Sequence[ScaleRow]) -> list[ScaleRow]:
    """Rows of photographs that were taken alike: all have the median scale, and its spread.

    A scale of a photograph's own that is far from it is doubtful, and the photograph has none.
    """
    shared = _Shared.of(rows)
    if shared is None:
        return list(rows)
    if not shared.alike:
        reason = f"{shared.said}: they were not taken alike, so `once: collection` does not fit"
        return [replace(row, status=DOUBTFUL, pixels_per_mm=None, reason=reason) for row in rows]
    return [shared.doubted(row) if shared.off(row) else shared.given(row) for row in rows]


def with_shared_scale(
    rows: Sequence[ScaleRow], groups: Mapping[str, str] | None = None
) -> list[ScaleRow]:
    """Rows of which those without a scale have the median of photographs that were taken alike.

    Without five scales, or where these differ, nobody knows that photographs were taken alike, and
    rows stay as they are. A scale of a photograph's own that is far from the median is doubtful.

    Args:
        groups: what says which were taken alike, by specimen; those without it were not. None: the
            camera and the size.
    """
    of = {row.specimen: row.taken for row in rows} if groups is None else groups
    members: dict[str, list[ScaleRow]] = {}
    for row in rows:
        if of.get(row.specimen):
            members.setdefault(of[row.specimen], []).append(row)
    shared = {name: _Shared.of(group) for name, group in members.items()}
    found = []
    for row in rows:
        one = shared.get(of.get(row.specimen, ""))
        if one is not None and one.alike and one.count >= FEWEST:
            row = one.doubted(row) if one.off(row) else row if row.own else one.given(row)
        found.append(row)
    return found


@dataclass(frozen=True)
class _Shared:
    """The scale of photographs that may have been taken alike.

    Attributes:
        count: of the scales found in them.
        spread: robust standard deviation, as a share.
        strays: how many are farther from the median than `OFF`.
        source: of most.
        uncertainty: of the median for one photograph, as a share.
        said: for people.
    """

    pixels_per_mm: float
    count: int
    spread: float
    strays: int
    source: str
    uncertainty: float
    said: str

    @classmethod
    def of(cls, rows: Sequence[ScaleRow]) -> _Shared | None:
        known = [row for row in rows if row.pixels_per_mm]
        if not known:
            return None
        scales = np.array([row.pixels_per_mm for row in known], float)
        middle = float(np.median(scales))
        apart = np.abs(np.log(scales / middle))
        spread = 1.4826 * float(np.median(apart))
        sources = [row.source for row in known]
        return cls(
            middle,
            len(known),
            spread,
            int((apart > OFF).sum()),
            max(dict.fromkeys(sources), key=sources.count),
            max(spread, min(row.uncertainty or 0.0 for row in known)),
            f"median of {len(known)} of {len(rows)} photographs, spread {spread:.2%}",
        )

    @property
    def alike(self) -> bool:
        """Whether nothing speaks against it; one stray may be a wrong bar."""
        return self.spread <= SPREAD and self.strays <= max(1, MOST_OFF * self.count)

    def off(self, row: ScaleRow) -> bool:
        own = row.pixels_per_mm
        return own is not None and abs(math.log(own / self.pixels_per_mm)) > OFF

    def doubted(self, row: ScaleRow) -> ScaleRow:
        reason = f"{row.pixels_per_mm:.4g} pixels per mm, but {self.pixels_per_mm:.4g} is the {self.said}"
        return replace(row, status=DOUBTFUL, pixels_per_mm=None, reason=reason)

    def given(self, row: ScaleRow) -> ScaleRow:
        return replace(
            row,
            status=FOUND,
            source=self.source + MEDIAN,
            pixels_per_mm=self.pixels_per_mm,
            uncertainty=self.uncertainty,
            reason=f"{self.said}; {row.reason}" if row.reason else self.said,
        )


def without_scale(rows: Sequence[ScaleRow]) -> str:
    """What there is to know of the scales of a genus; empty if every specimen has one."""
    doubtful = [row.specimen for row in rows if row.status == DOUBTFUL]
    without = [row.specimen for row in rows if row.status == NONE]
    parts = [
        f"{len(names)} {what} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
        for names, what in ((doubtful, "doubtful and left empty"), (without, "without one"))
        if names
    ]
    return f"scales of {len(rows)} specimens: {', '.join(parts)}" if parts else ""
