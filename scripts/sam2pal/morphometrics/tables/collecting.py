"""Tables over all genera and rounds, put together from those of the runs that are whole and up to date."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sam2pal.dataset.files import notes_of
from sam2pal.dataset.manifest import read_list
from sam2pal.dataset.specimen_table import NUMBERS
from sam2pal.dataset.states import DUPLICATE, NO_SPECIMEN, UNREADABLE
from sam2pal.evaluation.columns import COLUMNS as EVALUATION
from sam2pal.evaluation.damaged import check_whole
from sam2pal.evaluation.ending import COUNTS
from sam2pal.evaluation.notices import (
    doubtful,
    of_duplicates,
    of_misscaled,
    of_run,
    of_scales,
    of_specimen_table,
)
from sam2pal.evaluation.scores import REQUIRED
from sam2pal.evaluation.up_to_date import USABLE, Results, Run, entry, run_of, stale
from sam2pal.io import tables
from sam2pal.io.errors import DamagedError, InputError, first_few
from sam2pal.io.files import set_aside
from sam2pal.morphometrics.tables.columns import COLUMNS as MORPHOMETRICS
from sam2pal.morphometrics.tables.counts import Counts

COLUMNS = {"evaluation": EVALUATION, "morphometrics": MORPHOMETRICS}
LOST = {
    UNREADABLE: "{} could not be read: {}; manifest.tsv says why",
    NO_SPECIMEN: "no specimen was found in {}: {}; crop them, or set `window: photograph`",
}
"""What is said of photographs without masks, by status."""
TYPES = {stage: NUMBERS | columns for stage, columns in COLUMNS.items()}
KEYS = {"evaluation": REQUIRED, "morphometrics": ("genus", "round", "specimen")}


def status_of(run_: Run, stage: str, path: Path, checked: Results | None) -> dict[str, Any]:
    """Status and reason of a result, and its rows and specimens; all of its cells are read."""
    state, reason = checked.check(run_, stage) if checked else ("ok", "")
    if state == "ok" and not path.is_file():
        state, reason = "missing", f"{path} is missing"
    if state != "ok":
        return {"status": state, "reason": reason}
    rows, counts = Counter[str](), Counts()
    try:
        for piece in tables.read_chunks(path, TYPES[stage], KEYS[stage]):
            if stage == "morphometrics":
                counts.add(piece)
            for count in piece["specimen"].value_counts().to_pylist():
                rows[count["values"]] += count["counts"]
            for name, value in (("genus", run_.genus), ("round", run_.round)):
                other = piece[name].filter(pc.not_equal(piece[name], value))
                if len(other):
                    raise InputError(
                        f"{path}: the column {name} has '{other[0]}' instead of '{value}'"
                    )
        if checked:
            check_whole(path, rows, _expected_specimens(path.parents[1] / "manifest.tsv"))
    except InputError as error:
        if not checked:
            return {"status": "damaged", "reason": str(error)}
        aside = set_aside(path).name
        again = f"it was set aside as {aside}: run the workflow again, which writes it again"
        return {"status": "damaged", "reason": f"{error}; {again}"}
    row = {"status": "ok", "specimens": len(rows), "rows": rows.total(), "reason": ""}
    return row | cells_of(counts) if stage == "morphometrics" else row


def cells_of(counts: Counts) -> dict[str, Any]:
    """Cells of status.csv, and `misscaled`, of which there is a notice."""
    found = {name: counts.masks[name] for name in COUNTS}
    found |= {status: len(names) for status, names in counts.lost.items()}
    found |= {"specimens_doubtful": counts.doubtful, "specimens_unlike": counts.unlike}
    found["misscaled"] = counts.misscaled
    said = [
        LOST[status].format(
            f"{len(names)} photograph{'s' * (len(names) > 1)}", first_few(list(names))
        )
        for status, names in counts.lost.items()
        if names
    ]
    return found | {
        "status": "partial" if counts.lost[UNREADABLE] else "ok",
        "reason": "; ".join(said),
    }


def _expected_specimens(manifest: Path) -> list[str]:
    """The specimens of a genus that its tables must have; none where there is no such list."""
    try:
        found = read_list(manifest) if manifest.is_file() else []
    except DamagedError:  # the next call of the workflow lists the photographs again
        return []
    return [specimen.specimen for specimen in found if specimen.status != DUPLICATE]


def notes_behind(folder: Path, stage: str) -> int | None:
    """How many things were noticed in the annotations that a result in a folder is made from."""
    files = [folder / "templates.json"]
    truth = folder.parent / "truth.json"
    if stage == "evaluation" and truth.is_file():
        files.append(truth)
    try:
        return sum(len(notes_of(path)) for path in files)
    except InputError:  # of a run that failed, which its status says, or of files by hand
        return None


def unusable(path: Path) -> Iterator[dict[str, Any]]:
    """A row of status.csv, if a round is not compared by specimens left out because something failed."""
    made_from = [path.with_name("templates.json"), path.with_name("adapter")]
    lacking = f"{path} is missing" if not path.is_file() else ""
    if reason := lacking or stale(path, [one for one in made_from if one.exists()]):
        genus, round_ = run_of(path)
        yield entry(genus, round_, "leave_one_out", "missing" if lacking else "stale", reason)


def further_notices(
    found: list[tuple[dict[str, Any], Path]], table: str | None
) -> Iterator[dict[str, Any]]:
    """What is to be said of templates, trainings and the table of specimens."""
    genera: dict[str, Path] = {}
    misscaled: dict[str, dict[str, None]] = {}
    for row, path in found:
        if row["stage"] == "morphometrics" and row["status"] in USABLE:
            yield from of_run(row["genus"], row["round"], path.parent)
            yield from doubtful(row)
            genera[row["genus"]] = path.parents[1] / "manifest.tsv"
            misscaled.setdefault(row["genus"], {}).update(row["misscaled"])
    for genus, names in misscaled.items():
        yield from of_misscaled(genus, list(names))
    more = [of_duplicates(*genus) for genus in genera.items()]
    more += [of_scales(genus, path.with_name("scale.csv")) for genus, path in genera.items()]
    more += [of_specimen_table(str(table), *genus) for genus in genera.items()] if table else []
    for notices in more:
        with suppress(InputError):  # of a damaged file, which the rule that reads it names
            yield from notices


def combine(
    stage: str,
    paths: list[Path],
    targets: list[Path],
    take: Any,
    metadata: dict[str, dict[str, str]],
    progress: Callable[[], None],
) -> None:
    """Write the rows of all files one after another, a piece in memory at a time.

    Args:
        metadata: further columns of each genus, as text.
        progress: called after every file.

    Raises:
        InputError: a further column has the name of a column of the results.
    """
    found = dict.fromkeys(name for path in paths for name in tables.header(path))
    further = dict.fromkeys(key for of in metadata.values() for key in of)
    for name in further:
        if name in found or name in COLUMNS[stage]:
            raise InputError(
                f"genera.tsv: the column '{name}' has the name of a column of the results; rename it"
            )
    columns = {n: of for n, of in COLUMNS[stage].items() if n in found or not paths}
    columns |= {n: TYPES[stage].get(n, str) for n in found | further if n not in columns}
    with ExitStack() as stack:
        writer = stack.enter_context(tables.Writer(targets, columns))
        for piece in _pieces(paths, stage, progress):
            for name in further:
                cells = [metadata.get(str(genus), {}).get(name, "") for genus in piece["genus"]]
                piece = piece.append_column(name, pa.array(cells, pa.string()))
            writer.write(piece)
            if take:
                take(piece)


def _pieces(paths: list[Path], stage: str, progress: Callable[[], None]) -> Iterator[pa.Table]:
    for path in paths:
        yield from tables.read_chunks(path, TYPES[stage], KEYS[stage])
        progress()
