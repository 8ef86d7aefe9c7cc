"""Tidy tables on disk: CSV and Parquet with the same content, read and written in pieces.

Every table declares its columns (`Columns`), so that it keeps its types whatever its cells hold.
Text is never missing, only empty, and no spreadsheet runs it (`cells`); a missing number is an
empty cell in CSV and null in Parquet.
In memory they are Arrow's; pandas, which takes longer to import than most tables to write, is
loaded by `to_pandas` alone.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from sam2pal.io.cells import inert, inert_column, original, original_column
from sam2pal.io.errors import DamagedError, InputError
from sam2pal.io.files import atomic

if TYPE_CHECKING:
    import pandas as pd

Columns = Mapping[str, type]
"""The columns of a table in their order, each `str`, `float` or `int`."""

_ROWS = 100_000  # of a piece of a Parquet file
_ARROW = {str: pa.string(), float: pa.float64(), int: pa.int64()}


def delimiter(path: str | Path) -> str:
    """Tab for .tsv and .tab, otherwise comma."""
    return "\t" if Path(path).suffix.lower() in (".tsv", ".tab") else ","


def header(path: str | Path) -> list[str]:
    """The column names of a CSV, TSV or Parquet file; InputError if it has none, or one twice."""
    path = Path(path)
    try:
        if path.suffix == ".parquet":
            return pq.read_schema(path).names
        with path.open(encoding="utf-8-sig", newline="") as file:
            names = next(csv.reader(file, delimiter=delimiter(path)), [])
    except pa.ArrowInvalid as error:
        raise DamagedError(path, f"{path}: damaged table ({error})") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a table ({error})") from error
    names = [original(name.strip()) for name in names]
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
) -> Iterator[pa.Table]:
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
                "it, run the workflow again."
            )
    wanted = [name for name in names if others or name in columns]
    if path.suffix == ".parquet":
        yield from _parquet_chunks(path, {name: columns.get(name, str) for name in wanted})
        return
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
            cells = {name: batch.column(name) for name in wanted}
            types = {name: columns.get(name, str) for name in wanted}
            cells = {n: original_column(c) if types[n] is str else c for n, c in cells.items()}
            yield pa.table({n: typed(cells[n], types[n], n, path, first) for n in wanted})
            first += batch.num_rows
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            return
        raise DamagedError(path, f"{path}: damaged table ({error})") from error


def _parquet_chunks(path: Path, columns: Columns) -> Iterator[pa.Table]:
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS, columns=list(columns), use_threads=False):
                cells = {name: batch.column(name).cast(_ARROW[of]) for name, of in columns.items()}
                texts = {
                    name: pc.fill_null(cells[name], "") for name, of in columns.items() if of is str
                }
                yield pa.table(cells | texts)
    except (pa.ArrowInvalid, OSError) as error:
        raise DamagedError(path, f"{path}: damaged table ({error})") from error


def read(
    path: str | Path, columns: Columns, required: Iterable[str] | None = None, others: bool = True
) -> pa.Table:
    """Read a whole table; arguments as of `read_chunks`."""
    chunks = list(read_chunks(path, columns, required, others))
    if chunks:
        return pa.concat_tables(chunks).combine_chunks()
    return table([], {n: columns.get(n, str) for n in header(path) if others or n in columns})


def rows(path: str | Path, columns: Columns, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """The cells of some columns, a tuple a row; InputError as of `read_chunks`."""
    for piece in read_chunks(path, {name: columns[name] for name in names}, others=False):
        yield from zip(*(piece[name].to_pylist() for name in names), strict=True)


def table(rows: Iterable[Mapping[str, Any]], columns: Columns) -> pa.Table:
    """A table of `rows`; a key that is absent or None gives an empty cell."""
    rows = list(rows)
    return pa.table({name: _cells(rows, name, of) for name, of in columns.items()})


def _cells(rows: list[Mapping[str, Any]], name: str, of: type) -> pa.Array:
    cells = [row.get(name) for row in rows]
    if of is str:
        cells = [cell if type(cell) is str else "" if cell is None else str(cell) for cell in cells]
    elif of is int:
        cells = [None if cell is None else int(cell) for cell in cells]
    return pa.array(cells, _ARROW[of], from_pandas=True)


def to_pandas(table: pa.Table) -> "pd.DataFrame":
    """The table as a DataFrame, with missing integers too."""
    import pandas as pd

    return table.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)


def from_pandas(frame: "pd.DataFrame", columns: Columns) -> pa.Table:
    """A DataFrame with exactly these columns as a table."""
    schema = pa.schema([(name, _ARROW[of]) for name, of in columns.items()])
    return pa.Table.from_pandas(frame, schema, preserve_index=False).replace_schema_metadata(None)


class Writer:
    """Writes a table piece by piece as CSV, TSV or Parquet; the files appear at the end.

    Use as a context manager: when its block raises, older files are left untouched.
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
                    file = stack.enter_context(temporary.open("w", encoding="utf-8", newline=""))
                    writer = csv.writer(file, delimiter=delimiter(path), lineterminator="\n")
                    self._csv.append(writer)
                    self._csv[-1].writerow(map(inert, self.columns))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return self._stack.__exit__(kind, error, traceback)

    def write(self, piece: pa.Table) -> None:
        """Append the rows of `piece`."""
        unknown = [name for name in piece.column_names if name not in self.columns]
        if unknown:
            raise ValueError(f"columns that were not announced: {unknown}")
        if not len(piece):
            return
        cells = [self._column(piece, name, of) for name, of in self.columns.items()]
        texts = [
            inert_column(c) if of is str else c
            for c, of in zip(cells, self.columns.values(), strict=True)
        ]
        for file in self._csv:
            file.writerows(zip(*(column.to_pylist() for column in texts), strict=True))
        for writer in self._parquet:
            writer.write_table(pa.table(cells, self._schema))
        self.rows += len(piece)

    def _column(self, piece: pa.Table, name: str, of: type) -> pa.Array:
        if name not in piece.column_names:
            return pa.array(["" if of is str else None] * len(piece), _ARROW[of])
        column = piece.column(name).combine_chunks().cast(_ARROW[of])
        return pc.if_else(pc.is_nan(column), None, column) if of is float else column


def both(folder: Path, name: str) -> list[Path]:
    """The two files of a table."""
    return [folder / f"{name}.csv", folder / f"{name}.parquet"]


def write(table: pa.Table, *paths: str | Path) -> None:
    """Write a whole table to every path (.csv, .tsv or .parquet)."""
    types = {arrow: of for of, arrow in _ARROW.items()}
    with Writer(paths, {field.name: types[field.type] for field in table.schema}) as writer:
        writer.write(table)


def typed(cells: pa.Array, of: type, name: str, path: Path, first: int = 2) -> pa.Array:
    """Text cells of a column as a type, `str`, `float` or `int`; empty ones are null.

    Args:
        name, path, first: the column, the file and the line of the first cell, for the message.

    Raises:
        InputError: a cell is not of the type.
    """
    if of is str:
        return cells
    text = pc.if_else(pc.equal(cells, ""), pa.scalar(None, pa.string()), cells)
    try:
        return pc.cast(pc.cast(text, pa.float64()), _ARROW[of])
    except pa.ArrowInvalid:
        for line, cell in enumerate(cells.to_pylist(), start=first):
            if not _fits(cell, of):
                raise InputError(
                    f"{path}, line {line}: '{cell}' in the column '{name}' is not "
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
