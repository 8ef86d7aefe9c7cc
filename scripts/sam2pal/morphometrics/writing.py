"""Writing tables of any columns in pieces."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from sam2pal.io.files import atomic
from sam2pal.io.tables import typed_cells

_ARROW = {"number": pa.float64(), "integer": pa.int64(), "text": pa.string()}


class TableWriter:
    """Writes a table as CSV, Parquet or both; use as a context manager.

    `sam2pal.io.tables.Writer` knows the kind of a column by its name; here it is given.

    Args:
        paths: names ending in .csv or .parquet.
        columns: name and kind: `number`, `integer` or `text` (never missing, only empty).
    """

    def __init__(self, paths: Iterable[str | Path], columns: Sequence[tuple[str, str]]) -> None:
        self._paths = [Path(path) for path in paths]
        self._columns = list(columns)
        self._schema = pa.schema([(name, _ARROW[kind]) for name, kind in columns])
        self._stack = ExitStack()
        self.rows = 0

    def __enter__(self) -> "TableWriter":
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
                    self._frame([]).to_csv(file, index=False, lineterminator="\n")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return self._stack.__exit__(kind, error, traceback)

    def _frame(self, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
        return pd.DataFrame({name: typed_cells(rows, name, kind) for name, kind in self._columns})

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append rows; a key that is absent gives an empty cell."""
        if not rows:
            return
        frame = self._frame(rows)
        for file in self._csv:
            frame.to_csv(file, index=False, header=False, lineterminator="\n")
        if self._parquet:
            table = pa.Table.from_pandas(frame, schema=self._schema, preserve_index=False)
            table = table.replace_schema_metadata(None)
            for writer in self._parquet:
                writer.write_table(table)
        self.rows += len(rows)
