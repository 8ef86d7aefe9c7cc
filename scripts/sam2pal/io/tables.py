"""Tidy tables on disk: CSV and Parquet with the same content, read and written in pieces.

Every table declares its columns (`Columns`), so that it keeps its types whatever its cells hold.
Text is never missing, only empty; a missing number is an empty cell in CSV and null in Parquet.
"""

import csv
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sam2pal.io.errors import InputError
from sam2pal.io.files import atomic

Columns = Mapping[str, type]
"""The columns of a table in their order, each `str`, `float` or `int`."""

_DTYPES = {str: "str", float: "float64", int: "Int64"}
_ARROW = {str: pa.string(), float: pa.float64(), int: pa.int64()}


def delimiter(path: str | Path) -> str:
    """Tab for .tsv and .tab, otherwise comma."""
    return "\t" if Path(path).suffix.lower() in (".tsv", ".tab") else ","


def header(path: str | Path) -> list[str]:
    """The column names of a CSV or TSV file.

    Raises:
        InputError: no such file, not text, no header line, or a column twice.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            names = next(csv.reader(file, delimiter=delimiter(path)), [])
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a table ({error})") from error
    names = [name.strip() for name in names]
    if not any(names):
        raise InputError(f"{path}: it is empty; expected a line of column names")
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{path}: the column '{name}' occurs twice; rename one of them")
    return names


def read_chunks(
    path: str | Path,
    columns: Columns,
    required: Iterable[str] | None = None,
    others: bool = True,
    megabytes: int = 16,
) -> Iterator[pd.DataFrame]:
    """Read a table in pieces; a table without rows gives none.

    Args:
        columns: the types of its columns; any other is text.
        required: columns that must be there (default: all of `columns`).
        others: also read what is not in `columns`.
        megabytes: about how much of the file a piece holds.

    Raises:
        InputError: a column is missing, or a cell is not of its column's type.
    """
    path, names = Path(path), header(path)
    for name in columns if required is None else required:
        if name not in names:
            raise InputError(
                f"{path}: no column '{name}'; found {', '.join(names)}. If another version wrote "
                "it, delete it and run again."
            )
    wanted = [name for name in names if others or name in columns]
    first = 2
    try:
        reader = arrow_csv.open_csv(
            path,
            arrow_csv.ReadOptions(
                use_threads=False, block_size=megabytes << 20, column_names=names, skip_rows=1
            ),
            arrow_csv.ParseOptions(delimiter=delimiter(path), newlines_in_values=True),
            arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=wanted,
                strings_can_be_null=False,
            ),
        )
        for batch in reader:
            cells = {name: pd.Series(batch.column(name), name=name, dtype="str") for name in wanted}
            yield pd.DataFrame(
                {name: typed(cells[name], columns.get(name, str), path, first) for name in wanted}
            )
            first += batch.num_rows
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            return
        raise InputError(f"{path}: damaged table ({error}); delete it and run again") from error


def read(
    path: str | Path, columns: Columns, required: Iterable[str] | None = None, others: bool = True
) -> pd.DataFrame:
    """Read a whole table; arguments as of `read_chunks`."""
    chunks = list(read_chunks(path, columns, required, others))
    if chunks:
        return pd.concat(chunks, ignore_index=True)
    return empty({n: columns.get(n, str) for n in header(path) if others or n in columns})


def empty(columns: Columns) -> pd.DataFrame:
    """A table with these columns and no rows."""
    return pd.DataFrame({name: pd.Series([], dtype=_DTYPES[of]) for name, of in columns.items()})


def frame(rows: Iterable[Mapping[str, object]], columns: Columns) -> pd.DataFrame:
    """A typed table of `rows`; a key that is absent or None gives an empty cell."""
    rows = list(rows)
    return pd.DataFrame({name: _typed_cells(rows, name, of) for name, of in columns.items()})


def _typed_cells(
    rows: Sequence[Mapping[str, object]], name: str, of: type
) -> pd.api.extensions.ExtensionArray | NDArray:
    try:
        cells = list(map(operator.itemgetter(name), rows))
    except KeyError:
        cells = [row.get(name) for row in rows]
    if of is str:
        cells = [cell if type(cell) is str else "" if cell is None else str(cell) for cell in cells]
        return pd.array(cells, dtype="str")
    return np.array(cells, dtype="float64") if of is float else pd.array(cells, dtype="Int64")


class Writer:
    """Writes a table piece by piece as CSV, Parquet or both; the files appear at the end.

    Use as a context manager: when its block raises, older files are left untouched.

    Args:
        paths: one or more of name.csv, name.parquet.
        columns: all columns in their order; a piece may lack some (empty cells), but has no others.
    """

    def __init__(self, paths: Iterable[str | Path], columns: Columns) -> None:
        self.columns = dict(columns)
        self.rows = 0
        self._paths = [Path(path) for path in paths]
        self._stack = ExitStack()
        self._schema = pa.schema([(name, _ARROW[of]) for name, of in self.columns.items()])

    def __enter__(self) -> "Writer":
        self._csv, self._parquet = [], []
        with ExitStack() as stack:
            for path in self._paths:
                temporary = stack.enter_context(atomic(path))
                if path.suffix == ".parquet":
                    writer = pq.ParquetWriter(temporary, self._schema, compression="zstd")
                    self._parquet.append(stack.enter_context(writer))
                else:
                    file = temporary.open("w", encoding="utf-8", newline="")
                    self._csv.append(stack.enter_context(file))
                    empty(self.columns).to_csv(file, index=False, lineterminator="\n")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind_: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return self._stack.__exit__(kind_, error, traceback)

    def write(self, piece: pd.DataFrame) -> None:
        """Append the rows of `piece`."""
        unknown = [name for name in piece.columns if name not in self.columns]
        if unknown:
            raise ValueError(f"columns that were not announced: {unknown}")
        if not len(piece):
            return
        data = {}
        for name, of in self.columns.items():
            cells = (
                piece[name] if name in piece else pd.Series("" if of is str else None, piece.index)
            )
            data[name] = cells.astype(_DTYPES[of])
        whole = pd.DataFrame(data)
        for file in self._csv:
            whole.to_csv(file, index=False, header=False, lineterminator="\n")
        if self._parquet:
            table = pa.Table.from_pandas(whole, schema=self._schema, preserve_index=False)
            table = table.replace_schema_metadata(None)
            for writer in self._parquet:
                writer.write_table(table)
        self.rows += len(piece)


def write(table: pd.DataFrame, *paths: str | Path) -> None:
    """Write a whole table to every path (.csv or .parquet), its columns as their dtypes say."""
    types = {dtype: of for of, dtype in _DTYPES.items()}
    columns = {str(name): types.get(str(dtype), str) for name, dtype in table.dtypes.items()}
    with Writer(paths, columns) as writer:
        writer.write(table)


def typed(cells: pd.Series, of: type, path: Path, first: int = 2) -> pd.Series:
    """Text cells as a type, `str`, `float` or `int`.

    Args:
        path, first: the file and the line of the first cell, for the message.

    Raises:
        InputError: a cell is not of the type.
    """
    if of is str:
        return cells
    text = pa.array(cells, pa.string(), from_pandas=True)
    text = pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
    try:
        # Arrow gives the nearest float64 of a text; pandas' parser is off in the last digit
        numbers = pd.Series(pc.cast(text, pa.float64()).to_numpy(zero_copy_only=False))
        return numbers.astype(_DTYPES[of]).set_axis(cells.index)
    except (pa.ArrowInvalid, ValueError, TypeError):
        for line, cell in enumerate(cells, start=first):
            if not _fits(cell, of):
                raise InputError(
                    f"{path}, line {line}: '{cell}' in the column '{cells.name}' is not "
                    f"{'a whole number' if of is int else 'a number'}"
                ) from None
        raise


def _fits(cell: str, of: type) -> bool:
    if not cell:
        return True
    try:
        value = float(cell)
    except ValueError:
        return False
    return of is float or value.is_integer()
