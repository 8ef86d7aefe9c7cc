"""The user's table of specimens (catalogue number, species, sex ...), joined to every result."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from sam2pal.io import tables
from sam2pal.io.errors import InputError

KEYS = ("genus", "specimen")
NUMBERS = {"pixels_per_mm": float}
"""Columns of it that are no text."""


class SpecimenTable:
    """Further columns of specimens, text as it was typed.

    Args:
        path: CSV or TSV with the columns genus, specimen and any others.
        reserved: columns of the results it is joined to, which it must not use.

    Attributes:
        columns: the further columns and their types; `pixels_per_mm` is a number.

    Raises:
        InputError: a column is missing or reserved, or a specimen has two rows.
    """

    def __init__(self, path: str | Path, reserved: Iterable[str] = ()) -> None:
        self.path = Path(path)
        names = tables.header(path)
        for name in KEYS:
            if name not in names:
                raise InputError(f"{path}: no column '{name}'; found {', '.join(names)}")
        self.columns = {n: NUMBERS.get(n, str) for n in names if n and n not in KEYS}
        refused = {*reserved} - {*NUMBERS}
        for name in self.columns:
            if name in refused:
                raise InputError(
                    f"{path}: the column '{name}' has the name of a column of the results; rename "
                    f"it, for example to 'specimen_{name}'"
                )
        self._rows: dict[tuple[str, str], list[str]] = {}
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=tables.delimiter(path))
            next(reader)
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                self._add(reader.line_num, dict(zip(names, cells, strict=False)))

    def _add(self, line: int, row: dict[str, str]) -> None:
        key = (row.get("genus", "").strip(), row.get("specimen", "").strip())
        if not all(key):
            raise InputError(f"{self.path}, line {line}: genus and specimen must not be empty")
        if key in self._rows:
            raise InputError(
                f"{self.path}, line {line}: '{key[1]}' of '{key[0]}' has a second row; remove one"
            )
        self._rows[key] = [row.get(name, "").strip() for name in self.columns]

    def join(self, table: pd.DataFrame) -> pd.DataFrame:
        """`table`, which has the columns genus and specimen, with the further columns appended.

        Specimens without a row get empty cells.
        """
        nothing = [""] * len(self.columns)
        keys = zip(table["genus"], table["specimen"], strict=True)
        cells = [self._rows.get(key, nothing) for key in keys]
        more = pd.DataFrame(cells, columns=list(self.columns), index=table.index, dtype="str")
        for name, of in self.columns.items():
            more[name] = tables.typed(more[name], of, self.path)
        return pd.concat([table, more], axis=1)

    def without(self, genus: str, specimens: Sequence[str]) -> list[str]:
        """Those of the specimens of a genus that have no row."""
        return [name for name in specimens if (genus, name) not in self._rows]
