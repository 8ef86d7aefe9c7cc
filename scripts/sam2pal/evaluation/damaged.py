"""Results that were cut, emptied or lost, set aside so that the workflow makes them again.

Looked at are how files begin and end and how many rows lists have, not all of their content: a call of
the workflow begins with it.
"""

import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sam2pal.io.errors import InputError
from sam2pal.io.files import set_aside

_HEADER = 8  # bytes that say how long the header of safetensors is


def set_aside_damaged(results: str | Path, runs: Iterable[tuple[str, str]]) -> list[str]:
    """Set aside what is damaged of some runs, and have genera listed again whose lists are; a line a file."""
    results, runs, notes = Path(results), list(runs), []
    for genus in dict.fromkeys(genus for genus, _ in runs):
        if reason := _lists_problem(results / genus):
            (results / genus / "lists/.listed").unlink(missing_ok=True)
            if (results / genus / "manifest.tsv").is_file():
                set_aside(results / genus / "manifest.tsv")
            notes.append(f"{results / genus}: {reason}; the photographs are listed again")
    files = [path for genus, name in runs for path in _files(results / genus, name)]
    with ThreadPoolExecutor(16) as pool:
        for path, reason in zip(files, pool.map(_problem, files), strict=True):
            if reason:
                notes.append(
                    f"{path}: {reason}; set aside as {set_aside(path).name}, and made again"
                )
    return notes


def _lists_problem(genus: Path) -> str | None:
    """Why the lists of a genus are not what a listing left, or None."""
    manifest, lists = genus / "manifest.tsv", genus / "lists"
    if not (lists / ".listed").is_file():
        return None  # not listed yet, or due anyway
    if not manifest.is_file():
        return "manifest.tsv is gone"
    rows = _rows(manifest)
    if rows is None:
        return "manifest.tsv is damaged"
    of_lists = [_rows(path) for path in lists.glob("[0-9]*.tsv")]
    if None in of_lists:
        return "a list is damaged"
    if rows != sum(count or 0 for count in of_lists):
        return (
            f"manifest.tsv has {rows} rows, and the lists together {sum(c or 0 for c in of_lists)}"
        )
    return None


def _rows(path: Path) -> int | None:
    """The rows below the header; None if the end is missing. No cell has a line break."""
    content = path.read_bytes()
    sound = content.startswith(b"specimen\t") and content.endswith(b"\n") and b"\0" not in content
    return content.count(b"\n") - 1 if sound else None


def _files(genus: Path, name: str) -> Iterator[Path]:
    run = genus / name
    yield genus / "truth.json"
    for made in ("templates.json", "train_pool.tsv", "evaluation.csv", "measures.tsv", "adapter"):
        yield run / made
    for made in ("morphometrics", "morphometrics_wide"):
        yield from (run / f"{made}.csv", run / f"{made}.parquet")
    yield from sorted((run / "shards").glob("*.json"))


def _problem(path: Path) -> str | None:
    try:
        if path.is_dir():
            return next(filter(None, map(_weights_problem, path.glob("*.safetensors"))), None)
        if not path.is_file():
            return None
        start, end = _ends(path)
    except OSError:
        return None  # whoever reads it will say so
    if not end:
        return "it is empty"
    if path.suffix == ".parquet":
        whole = start == b"PAR1" and end.endswith(b"PAR1")
    elif path.suffix == ".json":
        whole = end.rstrip().endswith(b"\n}")
    else:
        whole = end.endswith(b"\n")
    return None if whole else "its end is missing"


def _ends(path: Path) -> tuple[bytes, bytes]:
    with path.open("rb") as file:
        start = file.read(4)
        file.seek(-min(16, os.fstat(file.fileno()).st_size), os.SEEK_END)
        return start, file.read()


def _weights_problem(path: Path) -> str | None:
    """Whether a file of safetensors is as long as its header says."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_HEADER), "little")
        if size < _HEADER or length > size:
            return f"{path.name} is damaged"
        try:
            header = json.loads(file.read(length))
            ends = [of["data_offsets"][1] for key, of in header.items() if key != "__metadata__"]
            sound = _HEADER + length + max(ends, default=0) == size
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            sound = False
    return None if sound else f"{path.name} is damaged"


def check_whole(path: Path, rows: dict[str, int], listed: Iterable[str]) -> None:
    """Check that a table has all rows of all specimens.

    Args:
        rows: how many rows each specimen has.
        listed: the specimens that it must have.

    Raises:
        InputError: it lacks some.
    """
    missing = [name for name in listed if name not in rows]
    if missing:
        raise InputError(
            f"{path}: rows are missing: of {len(missing)} listed specimens, '{missing[0]}' the first, it "
            "has none; it was cut"
        )
    most = max(rows.values(), default=0)
    short = [name for name, count in rows.items() if count < most]
    if short:
        raise InputError(
            f"{path}: rows are missing: '{short[0]}' has {rows[short[0]]}, others {most}; it was cut"
        )
