"""Tidy tables on disk: CSV and Parquet with the same content, read and written in pieces.

A column is a number, an integer or text, decided by its name (`kind`) and not by what it happens to
hold, so that a table keeps its types when a genus joins. Text is never missing, only empty;
a missing number is an empty cell in CSV and null in Parquet.
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

SIGNALS = (
    "predicted_iou",
    "object_score",
    "mean_probability",
    "stability",
    "agreement",
    "roundtrip_iou",
)
"""The confidence signals kept with every predicted mask."""

NUMBERS = frozenset(
    (
        *("iou", "dice", "precision", "recall", "boundary_f", "hd95_px", "area_error"),
        *("boundary_tolerance_px", "confidence", *SIGNALS),
        *("value", "low_by_threshold", "high_by_threshold", "lower", "upper"),
        *("mean", "median", "sd", "cv", "min", "max"),
        *("share_good", "change", "before", "after", "share_improved", "p", "p_holm"),
        *("auroc", "auroc_lower", "auroc_upper", "ece", "spearman"),
        *("low", "high", "mean_confidence", "mean_iou", "pixels_per_mm"),
    )
)
INTEGERS = frozenset(
    (
        *("truth_area_px", "predicted_area_px", "n", "n_bad", "n_unpaired", "n_known"),
        *("true_present", "false_absent", "false_present", "true_absent", "unannotated"),
        *("no_truth", "template", "unreadable", "no_prediction", "specimens", "rows"),
    )
)


def kind(column: str) -> str:
    """`number`, `integer` or `text`, by the name of a column."""
    return "number" if column in NUMBERS else "integer" if column in INTEGERS else "text"


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
    required: Iterable[str] = (),
    columns: Sequence[str] | None = None,
    megabytes: int = 16,
) -> Iterator[pd.DataFrame]:
    """Read a table in pieces with the types of `kind`; a table without rows gives none.

    Args:
        required: columns that must be there.
        columns: read only those of these that the file has.
        megabytes: about how much of the file a piece holds.

    Raises:
        InputError: a column is missing, or a cell is not of its column's kind.
    """
    path, names = Path(path), header(path)
    missing = [name for name in required if name not in names]
    if missing:
        raise InputError(
            f"{path}: no column '{missing[0]}'; found {', '.join(names)}. If another version wrote "
            "it, delete it and run again."
        )
    wanted = [name for name in names if columns is None or name in columns]
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
            yield pd.DataFrame({name: typed(cells[name], path, first) for name in wanted})
            first += batch.num_rows
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            return
        raise InputError(f"{path}: damaged table ({error}); delete it and run again") from error


def read(
    path: str | Path, required: Iterable[str] = (), columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """Read a whole table with the types of `kind`."""
    chunks = list(read_chunks(path, required, columns))
    if chunks:
        return pd.concat(chunks, ignore_index=True)
    names = [name for name in header(path) if columns is None or name in columns]
    return empty(names)


def empty(columns: Iterable[str]) -> pd.DataFrame:
    """A table with these columns, of the right types, and no rows."""
    return pd.DataFrame({name: pd.Series([], dtype=_dtype(name)) for name in columns})


def frame(rows: Iterable[Mapping[str, object]], columns: Sequence[str]) -> pd.DataFrame:
    """A typed table of `rows`; a key that is absent or None gives an empty cell."""
    rows = list(rows)
    return pd.DataFrame({name: typed_cells(rows, name, kind(name)) for name in columns})


def typed_cells(
    rows: Sequence[Mapping[str, object]], name: str, of: str
) -> pd.api.extensions.ExtensionArray | NDArray:
    """The cells of one column of `rows`; `of` is its kind."""
    try:
        cells = list(map(operator.itemgetter(name), rows))
    except KeyError:
        cells = [row.get(name) for row in rows]
    if of == "text":
        cells = [cell if type(cell) is str else "" if cell is None else str(cell) for cell in cells]
        return pd.array(cells, dtype="str")
    return np.array(cells, dtype="float64") if of == "number" else pd.array(cells, dtype="Int64")


class Writer:
    """Writes a table piece by piece as CSV, Parquet or both; the files appear at the end.

    Use as a context manager: when its block raises, older files are left untouched.

    Args:
        paths: one or more of name.csv, name.parquet.
        columns: all columns in their order; a piece may lack some (empty cells), but has no others.
    """

    def __init__(self, paths: Iterable[str | Path], columns: Sequence[str]) -> None:
        self.columns = list(columns)
        self.rows = 0
        self._paths = [Path(path) for path in paths]
        self._stack = ExitStack()
        self._schema = pa.schema([(name, _arrow(name)) for name in self.columns])

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
        """Append the rows of `piece`, which has the types of `kind`."""
        unknown = [name for name in piece.columns if name not in self.columns]
        if unknown:
            raise ValueError(f"columns that were not announced: {unknown}")
        if not len(piece):
            return
        data = {}
        for name in self.columns:
            if name in piece:
                data[name] = piece[name].astype(_dtype(name))
            else:
                cell = "" if kind(name) == "text" else None
                data[name] = pd.Series([cell] * len(piece), index=piece.index, dtype=_dtype(name))
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
    """Write a whole table to every path (.csv or .parquet)."""
    with Writer(paths, list(table.columns)) as writer:
        writer.write(table)


def _dtype(column: str) -> str:
    return {"number": "float64", "integer": "Int64", "text": "str"}[kind(column)]


def _arrow(column: str) -> pa.DataType:
    return {"number": pa.float64(), "integer": pa.int64(), "text": pa.string()}[kind(column)]


def typed(cells: pd.Series, path: Path, first: int = 2) -> pd.Series:
    """Text cells as the type of their column, which is the name of the series.

    Args:
        path, first: the file and the line of the first cell, for the message.

    Raises:
        InputError: a cell is not of its column's kind.
    """
    name = str(cells.name)
    if kind(name) == "text":
        return cells
    text = pa.array(cells, pa.string(), from_pandas=True)
    text = pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
    try:
        # Arrow gives the nearest float64 of a text; pandas' parser is off in the last digit
        numbers = pd.Series(pc.cast(text, pa.float64()).to_numpy(zero_copy_only=False))
        return numbers.astype(_dtype(name)).set_axis(cells.index)
    except (pa.ArrowInvalid, ValueError, TypeError):
        for line, cell in enumerate(cells, start=first):
            if not _fits(cell, name):
                raise InputError(
                    f"{path}, line {line}: '{cell}' in the column '{name}' is not "
                    f"{'a whole number' if kind(name) == 'integer' else 'a number'}"
                ) from None
        raise


def _fits(cell: str, column: str) -> bool:
    if not cell:
        return True
    try:
        value = float(cell)
    except ValueError:
        return False
    return kind(column) == "number" or value.is_integer()
