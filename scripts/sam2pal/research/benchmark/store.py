"""Results on disk: a tidy file of scores and one of runs, to which a run is appended when it is done."""

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from sam2pal.evaluation.columns import MEASURES
from sam2pal.io.errors import InputError
from sam2pal.io.files import atomic
from sam2pal.research.benchmark.protocol import BenchmarkRun

KEY = ("configuration", "data", "collection", "templates", "draw", "seed", "variant")
"""What makes a run: one with the same values is not run again."""
SCORES = (
    *("commit", *KEY, "specimen", "structure"),
    *MEASURES,
    *("truth_area_px", "predicted_area_px"),
)
RUNS = (
    *("commit", "model", *KEY, "template_specimens", "device"),
    *("seconds", "cpu_seconds", "segment_seconds", "steps", "trained_share"),
    *("validation_untrained", "validation_best", "rows"),
)


class Store:
    """The two files, `scores.csv` and `runs.csv`, in a folder.

    A run counts when it is in `runs.csv`, which is written last; the scores of one that was killed in
    between are removed when the store is opened.

    Raises:
        InputError: a file has other columns, or holds fewer scores of a run than were written.
    """

    def __init__(self, folder: Path) -> None:
        self.scores, self.runs = folder / "scores.csv", folder / "runs.csv"
        folder.mkdir(parents=True, exist_ok=True)
        runs, scores = self.read()
        keys = list(KEY)
        self._done = {tuple(row) for row in runs[keys].astype(str).itertuples(index=False)}
        known = [
            tuple(row) in self._done for row in scores[keys].astype(str).itertuples(index=False)
        ]
        if not all(known):
            scores = scores[known]
            with atomic(self.scores) as temporary:
                scores.to_csv(temporary, index=False)
        if len(scores) != runs["rows"].astype(int).sum():
            raise InputError(
                f"{self.scores}: {len(scores)} rows, but {self.runs} counts {runs['rows'].sum()}; "
                "remove both and run the benchmark again"
            )

    def __contains__(self, key: dict[str, Any]) -> bool:
        return tuple(str(key[name]) for name in KEY) in self._done

    def add(self, rows: list[dict[str, Any]], record: dict[str, Any]) -> None:
        """Append a run: `rows` have what differs among its scores, `record` the rest."""
        _append(self.scores, SCORES, ({**record, **row} for row in rows))
        _append(self.runs, RUNS, [{**record, "rows": len(rows)}])
        self._done.add(tuple(str(record[name]) for name in KEY))

    def read(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """All runs and all scores."""
        return _read(self.runs, RUNS), _read(self.scores, SCORES)


def key_of(run: BenchmarkRun, configuration: str, data: str) -> dict[str, Any]:
    """The values of `KEY`."""
    return {"configuration": configuration, "data": data} | {
        name: getattr(run, name) for name in KEY[2:]
    }


def _append(path: Path, columns: tuple[str, ...], rows: Iterable[dict[str, Any]]) -> None:
    """In one write that is on the disk before this returns."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    if not path.is_file():
        writer.writeheader()
    for row in rows:
        writer.writerow({k: round(v, 6) if isinstance(v, float) else v for k, v in row.items()})
    with path.open("a", encoding="utf-8", newline="") as file:
        file.write(text.getvalue())
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    if not path.is_file():
        return pd.DataFrame(columns=list(columns))
    # hashes of digits alone, and names such as 0040, are text
    text = {name: str for name in (*KEY[:3], "variant", "commit", "specimen", "structure", "model")}
    table = pd.read_csv(path, dtype=text)
    if list(table.columns) != list(columns):
        raise InputError(
            f"{path}: its columns are not those of this version; remove it and run the benchmark again"
        )
    return table
