"""Results on disk: a file for each run, which is there whole or not at all."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from sam2pal.io.errors import InputError
from sam2pal.io.files import write_text
from sam2pal.research.benchmark.protocol import BenchmarkRun

KEY = ("configuration", "data", "collection", "templates", "draw", "seed", "variant")
"""What makes a run: one with the same values is not run again."""


class Store:
    """The runs in a folder, with what is to be known of each and its scores."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "runs"

    def _file(self, key: Mapping[str, Any]) -> Path:
        text = json.dumps([key[name] for name in KEY])
        return self._folder / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"

    def __contains__(self, key: Mapping[str, Any]) -> bool:
        return self._file(key).is_file()

    def add(self, rows: list[dict[str, Any]], record: dict[str, Any]) -> None:
        """Keep a run: `rows` have what differs among its scores, `record` the rest."""
        record, *rows = (
            {name: round(of, 6) if isinstance(of, float) else of for name, of in one.items()}
            for one in (record, *rows)
        )
        write_text(self._file(record), json.dumps({"run": record, "scores": rows}))

    def read(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """All runs and all scores, both with the columns of `KEY`.

        Raises:
            InputError: a file is damaged.
        """
        runs, scores = [], []
        for path in sorted(self._folder.glob("*.json")):
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
                key = {name: content["run"][name] for name in KEY}
                scores += [{**key, **row} for row in content["scores"]]
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(
                    f"{path}: damaged; remove it and run the benchmark again"
                ) from error
            runs.append(content["run"])
        return tuple(pd.DataFrame(of, columns=None if of else list(KEY)) for of in (runs, scores))


def key_of(run: BenchmarkRun, configuration: str, data: str) -> dict[str, Any]:
    """The values of `KEY`."""
    return {"configuration": configuration, "data": data} | {
        name: getattr(run, name) for name in KEY[2:]
    }
