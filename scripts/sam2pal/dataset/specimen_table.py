"""The user's table of specimens (catalogue number, species, sex ...), joined to every result."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow as pa

from sam2pal.io import tables
from sam2pal.io.errors import InputError
from sam2pal.io.spelling import composed, misspelt, nearest
from sam2pal.io.user_tables import number, read_user_table

KEYS = ("genus", "specimen")
NUMBERS = {"pixels_per_mm": float}
"""Columns of it that are not text."""
SCALES = {"pixels_per_mm": 1.0, "ac:scaleConversionFactor": 0.1}
"""Columns of scales, and what makes pixels per millimetre of them."""
SHOWN = 5
"""Cells that are named of those that are wrong."""
FEW = 3  # typed scales of a genus, below which their median says nothing
FAR = 3.0  # times more or less than the median, beyond which a scale is odd


class SpecimenTable:
    """Further columns of specimens, text as it was typed.

    Args:
        path: CSV or TSV with the columns genus, specimen and any others.
        reserved: columns of the results it is joined to, which it must not use.

    Attributes:
        columns: the further columns and their types; `pixels_per_mm` is a number.
        notes: what is unusual about the file, for people.

    Raises:
        InputError: a column is missing, reserved or misspelt, or a specimen has two rows.
    """

    def __init__(self, path: str | Path, reserved: Iterable[str] = ()) -> None:
        self.path = Path(path)
        table = read_user_table(path, (*KEYS, *NUMBERS))
        names = table.columns
        for said in misspelt(names, (*KEYS, *SCALES)):
            raise InputError(f"{path}: {said}")
        for name in KEYS:
            if name not in names:
                raise InputError(
                    f"{path}: no column '{name}', which says whose row it is; found {', '.join(names)}"
                )
        self.notes = table.notes
        self.columns = {n: NUMBERS.get(n, str) for n in names if n and n not in KEYS}
        refused = {*reserved} - {*NUMBERS}
        for name in self.columns:
            if name in refused:
                raise InputError(
                    f"{path}: the column '{name}' has the name of a column of the results; rename "
                    f"it, for example to 'specimen_{name}'"
                )
        self._rows: dict[tuple[str, str], tuple[int, list[str]]] = {}
        for line, row in table.rows:
            self._add(line, row)

    def _add(self, line: int, row: dict[str, str]) -> None:
        key = (row["genus"], row["specimen"])
        for name in KEYS:
            if not row[name]:
                what = f"the column '{name}' is empty; fill it in, or delete the row"
                raise InputError(f"{self.path}, line {line}: {what}")
        if key in self._rows:
            raise InputError(
                f"{self.path}, line {line}: '{key[1]}' of '{key[0]}' has a second row; remove one"
            )
        self._rows[key] = line, [row[name] for name in self.columns]

    def cells(self, genus: str, specimen: str) -> dict[str, Any]:
        """The further columns of a specimen; empty text and None if it has no row.

        Raises:
            InputError: a number is none.
        """
        line, cells = self._rows.get((genus, composed(specimen)), (0, [""] * len(self.columns)))
        result: dict[str, Any] = dict(zip(self.columns, cells, strict=True))
        for name in NUMBERS.keys() & result.keys():
            where = f"{self.path}, line {line} ('{specimen}'): column '{name}'"
            said, result[name] = result[name], number(result[name], where)
            if result[name] is not None and not 0 < result[name] < math.inf:
                raise InputError(
                    f"{where}: {said} is not a scale; give a number above 0, or leave it empty"
                )
        return result

    def check(self) -> None:
        """Look at every number; InputError lists those that are none."""
        wrong = []
        for genus, specimen in self._rows:
            try:
                self.cells(genus, specimen)
            except InputError as error:
                wrong.append(str(error))
        if wrong:
            more = [f"{self.path}: {len(wrong) - SHOWN} more such cells"] if wrong[SHOWN:] else []
            raise InputError("\n".join([*wrong[:SHOWN], *more]))

    def need(self, column: str, key: str) -> None:
        """InputError unless there is the column that a key of the configuration names."""
        if column not in self.columns:
            raise InputError(
                f"{self.path}: no column '{column}', which {key} names{nearest(column, self.columns)}; found "
                f"{', '.join(self.columns) or 'none but genus and specimen'}"
            )

    def odd_scales(self, genus: str) -> list[str]:
        """What is to be said of each typed scale that is far from the median of its genus."""
        if "pixels_per_mm" not in self.columns:
            return []
        names = [name for of, name in self._rows if of == genus]
        cells = {name: self.cells(genus, name)["pixels_per_mm"] for name in names}
        scales = {name: scale for name, scale in cells.items() if scale is not None}
        if len(scales) < FEW:
            return []
        usual = median(scales.values())
        return [
            f"{self.path}, line {self._rows[genus, name][0]}: pixels_per_mm of '{name}' is {scale:g}, but "
            f"the median of {genus} is {usual:g}; is it right? The decimal sign is a point, and "
            "thousands have none"
            for name, scale in scales.items()
            if max(scale / usual, usual / scale) > FAR
        ]

    def genera(self) -> list[str]:
        """The genera that have rows."""
        return list(dict.fromkeys(genus for genus, _ in self._rows))

    def join(self, table: pa.Table) -> pa.Table:
        """`table`, which has the columns genus and specimen, with the further columns appended."""
        keys = zip(table["genus"].to_pylist(), table["specimen"].to_pylist(), strict=True)
        more = tables.table([self.cells(*key) for key in keys], self.columns)
        for name in self.columns:
            table = table.append_column(name, more[name])
        return table

    def unmatched(self, genus: str, specimens: Sequence[str]) -> tuple[list[str], list[str]]:
        """Those of the specimens of a genus that have no row, and the rows that are none of them."""
        rows, known = (
            {name: None for of, name in self._rows if of == genus},
            {composed(name) for name in specimens},
        )
        return (
            [name for name in specimens if composed(name) not in rows],
            [name for name in rows if name not in known],
        )
