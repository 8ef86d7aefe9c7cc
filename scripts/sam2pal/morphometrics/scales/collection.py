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
    **dict.fromkeys(("reason", "picture"), str),
}
"""Columns of scale.csv: `uncertainty` is a standard one, as a share; `pixels` and `mm` were measured."""
FAR = 5.0  # robust standard deviations
NARROWEST = 0.01  # as a share: photographs of one magnification do not differ by less
FEWEST = 5  # scales among which one can be an outlier
ALIKE = 0.02  # as a share: scales of one magnification
ALONE = 2  # others with the same scale make it no outlier but another magnification
SPREAD = 0.02  # as a share: photographs that differ by more were not taken alike


@dataclass(frozen=True)
class Row:
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


def read_rows(paths: Iterable[str | Path]) -> list[Row]:
    """Rows of tables in their order.

    Raises:
        InputError: a table is damaged, or a specimen is in two.
    """
    rows: dict[str, Row] = {}
    for path in paths:
        for cells in tables.read(path, COLUMNS, others=False).to_pylist():
            row = Row(**cells)
            if row.specimen in rows:
                raise InputError(f"{path}: the specimen '{row.specimen}' is there twice")
            rows[row.specimen] = row
    return list(rows.values())


def write_rows(path: str | Path, rows: Iterable[Row]) -> None:
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


def judged(rows: Sequence[Row]) -> list[Row]:
    """Rows of a genus, with scales that are far from all others doubtful.

    A scale that others have too is another magnification and no outlier.
    """
    known = np.array([row.pixels_per_mm for row in rows if row.pixels_per_mm], float)
    if len(known) < FEWEST:
        return list(rows)
    logs = np.log(known)
    middle = float(np.median(logs))
    spread = max(1.4826 * float(np.median(np.abs(logs - middle))), NARROWEST)
    found = []
    for row in rows:
        if row.pixels_per_mm:
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


def with_one_scale(rows: Sequence[Row]) -> list[Row]:
    """Rows of photographs that were taken alike: all have the median scale, and its spread."""
    known = [row for row in rows if row.pixels_per_mm]
    if not known:
        return list(rows)
    scales = np.array([row.pixels_per_mm for row in known], float)
    middle = float(np.median(scales))
    spread = 1.4826 * float(np.median(np.abs(np.log(scales / middle))))
    said = f"median of {len(known)} of {len(rows)} photographs, spread {spread:.2%}"
    if spread > SPREAD:
        reason = f"{said}: they were not taken alike, so `once: collection` does not fit"
        return [replace(row, status=DOUBTFUL, pixels_per_mm=None, reason=reason) for row in rows]
    sources = [row.source for row in known]
    source = max(dict.fromkeys(sources), key=sources.count)
    least = min(row.uncertainty or 0.0 for row in known)
    return [
        replace(
            row,
            status=FOUND,
            source=source,
            pixels_per_mm=middle,
            uncertainty=max(spread, least),
            reason=f"{said}; {row.reason}" if row.reason else said,
        )
        for row in rows
    ]


def without_scale(rows: Sequence[Row]) -> str:
    """What there is to know of the scales of a genus; empty if every photograph has one."""
    doubtful = [row.specimen for row in rows if row.status == DOUBTFUL]
    without = [row.specimen for row in rows if row.status == NONE]
    parts = [
        f"{len(names)} {what} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
        for names, what in ((doubtful, "doubtful and left empty"), (without, "without one"))
        if names
    ]
    return f"scales of {len(rows)} photographs: {', '.join(parts)}" if parts else ""
