"""Which results of which genera and rounds are there and current, for the tables over all of them.

A file that exists may be yesterday's: the job that should have replaced it failed, or one before it
did and it never started. So a result counts only if everything it was made from is there and is
not newer, in this order:

    templates.json -> adapter/ -> shards/*.json (one for each list of specimens) -> the result
"""

import dataclasses
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sam2pal.io.errors import InputError, nearest

STAGES = {"evaluation": "evaluation.csv", "morphometrics": "morphometrics.csv"}
STATUS = {
    **dict.fromkeys(("genus", "round", "stage", "status"), str),
    **dict.fromkeys(("specimens", "rows"), int),
    "reason": str,
}
"""Columns of status.csv; status is `ok`, `missing`, `stale`, `failed` or `damaged`."""

_SLACK = 2.0  # seconds that the clocks of a cluster's machines may disagree
_ERROR = re.compile(r"^(error: .*|[\w.]*(Error|Exception|Killed)\b.*)$")


@dataclasses.dataclass(frozen=True)
class Run:
    """A genus in a round, and what its results need besides what the layout implies."""

    genus: str
    round: str
    stages: tuple[str, ...] = tuple(STAGES)
    requires: tuple[str, ...] = ()


def expected_runs(values: Any, where: str) -> list[Run]:
    """The runs of a list of `"genus/round"`, `[genus, round]`, or objects with the fields of `Run`.

    Raises:
        InputError: it is none of these, or names a run twice.
    """
    if not isinstance(values, list):
        raise InputError(f"{where}: expected a list of genus and round, such as Formica/trained")
    runs: list[Run] = []
    for value in values:
        if isinstance(value, str):
            value = value.split("/")
        if isinstance(value, list) and len(value) == 2:
            value = dict(zip(("genus", "round"), value, strict=True))
        if not isinstance(value, dict) or not {"genus", "round"} <= set(value):
            raise InputError(f"{where}: {value!r} is not a genus and a round (Formica/trained)")
        known = [field.name for field in dataclasses.fields(Run)]
        for key in value:
            if key not in known:
                raise InputError(f"{where}: unknown key '{key}'{nearest(key, known)}")
        lists = {key: tuple(value[key]) for key in ("stages", "requires") if key in value}
        for stage in lists.get("stages", ()):
            if stage not in STAGES:
                raise InputError(f"{where}: unknown stage '{stage}'{nearest(stage, STAGES)}")
        run = Run(str(value["genus"]), str(value["round"]), **lists)
        if any((run.genus, run.round) == (other.genus, other.round) for other in runs):
            raise InputError(f"{where}: {run.genus}/{run.round} is named twice")
        runs.append(run)
    return runs


def run_of(path: str | Path) -> tuple[str, str]:
    """Genus and round of a file `.../GENUS/ROUND/name`."""
    parts = Path(path).resolve().parts
    if len(parts) < 3:
        raise InputError(f"{path}: results lie in a folder GENUS/ROUND")
    return parts[-3], parts[-2]


def check(
    run: Run, path: Path, results: Path | None = None, logs: Path | None = None
) -> tuple[str, str]:
    """Status of a result and the reason, without reading it; `ok` and nothing if it may be read.

    Args:
        results: the folder results/, if the files in it lie as the workflow puts them.
        logs: the folder logs/, where the reason of a failure is looked for.
    """
    note = _failure_note(run, results, path)
    if note:
        return "failed", note
    if not path.is_file():
        return "missing", _last_error(run, logs) or f"{path} is missing"
    reason = _stale(path, [Path(name) for name in run.requires])
    if results and not reason:
        reason = _stale_in_layout(run, results, path)
    return ("stale", reason) if reason else ("ok", "")


def _stale_in_layout(run: Run, results: Path, path: Path) -> str:
    folder = results / run.genus / run.round
    lists = sorted((results / run.genus / "lists").glob("*.tsv"))
    if not lists:
        return f"{results / run.genus / 'lists'} has no list of specimens"
    templates, adapter = folder / "templates.json", folder / "adapter"
    if not templates.is_file():
        return f"{templates} is missing"
    before = [templates]
    if adapter.is_dir():
        reason = _stale(adapter, before)
        if reason:
            return reason
        before.append(adapter)
    shards = [folder / "shards" / f"{entry.stem}.json" for entry in lists]
    for shard, entry in zip(shards, lists, strict=True):
        if not shard.is_file():
            return f"{shard} is missing"
        reason = _stale(shard, [entry, *before])
        if reason:
            return reason
    return _stale(path, shards)


def _stale(path: Path, inputs: Iterable[Path]) -> str:
    """Why `path` is not current with regard to `inputs`, or nothing."""
    made = _changed(path)
    for before in inputs:
        if not before.exists():
            return f"{before} is missing"
        if _changed(before) > made + _SLACK:
            return f"{path} is older than {before}"
    return ""


def _changed(path: Path) -> float:
    """When a file, or anything in a folder that is an output, was made."""
    if not path.is_dir():
        return path.stat().st_mtime
    mark = path / ".snakemake_timestamp"
    if mark.exists():
        return mark.stat().st_mtime
    return max((p.stat().st_mtime for p in path.rglob("*")), default=path.stat().st_mtime)


def _failure_note(run: Run, results: Path | None, path: Path) -> str:
    """The first line of a note *.failed about the run or its genus, unless the result is newer."""
    folders = [path.parent]
    if results:
        folders = [results / run.genus, results / run.genus / run.round]
    for folder in folders:
        for note in sorted(folder.glob("*.failed")):
            if path.is_file() and path.stat().st_mtime > note.stat().st_mtime:
                continue
            lines = [line.strip() for line in _text(note).splitlines() if line.strip()]
            return lines[0] if lines else f"{note}"
    return ""


def _last_error(run: Run, logs: Path | None) -> str:
    """The error that the newest log with an error of this run, or of its genus, ends with."""
    if logs is None:
        return ""
    folder = logs / run.genus
    found = [*folder.glob("*.log"), *(folder / run.round).rglob("*.log")]
    for log in sorted(found, key=lambda p: (p.stat().st_mtime, str(p)), reverse=True):
        errors = [line for line in _text(log).splitlines() if _ERROR.match(line)]
        if errors:
            return f"{errors[-1].removeprefix('error: ')} ({log})"
    return ""


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def incomplete(rows: Sequence[dict[str, Any]]) -> str:
    """A sentence a stage on the runs whose results are not in the tables, or nothing."""
    lines = []
    for stage in STAGES:
        of_stage = [row for row in rows if row["stage"] == stage]
        absent = [row for row in of_stage if row["status"] != "ok"]
        if absent:
            lines.append(f"{stage}: {len(absent)} of {len(of_stage)} runs are not in the tables:")
            lines += [
                f"  {row['genus']}/{row['round']} {row['status']}: {row['reason']}"
                for row in absent
            ]
    return "\n".join(lines)
