"""Tables over all genera and rounds, and a table of what is missing from them.

    python scripts/aggregate.py --results results --expected '["Formica/untrained"]' \\
        --output-folder results/tables

Runs whose results are missing, older than what they are made from, or damaged are left out and
named in status.csv, with the reason; the tables are written anew from what is up to date.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sam2pal.cli import add_options, add_progress, program, run
from sam2pal.config.stages import read_options
from sam2pal.dataset.files import notes_of
from sam2pal.dataset.manifest import read_list
from sam2pal.dataset.specimen_table import NUMBERS
from sam2pal.dataset.states import DUPLICATE, NO_SPECIMEN, UNREADABLE
from sam2pal.evaluation.columns import COLUMNS as EVALUATION
from sam2pal.evaluation.damaged import check_whole
from sam2pal.evaluation.ending import COUNTS, chosen, screen
from sam2pal.evaluation.final import final_rounds, read_scores
from sam2pal.evaluation.left_out import COLUMNS as LEFT_OUT
from sam2pal.evaluation.left_out import read_left_out, rows_of
from sam2pal.evaluation.notices import (
    doubtful,
    of_duplicates,
    of_misscaled,
    of_run,
    of_scales,
    of_specimen_table,
    worse_rounds,
)
from sam2pal.evaluation.report import rounded
from sam2pal.evaluation.scores import REQUIRED, Scores
from sam2pal.evaluation.summary import COMPARISON, calibrate, compare_rounds, summarise
from sam2pal.evaluation.up_to_date import (
    STAGES,
    STATUS,
    USABLE,
    Results,
    Run,
    entry,
    expected_runs,
    incomplete,
    run_of,
    stale,
)
from sam2pal.io import tables
from sam2pal.io.errors import DamagedError, InputError, first_few
from sam2pal.io.files import set_aside, write_text
from sam2pal.io.progress import Progress
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


def parse() -> argparse.Namespace:
    parser = program(__doc__)
    add = parser.add_argument
    add("--expected", required=True, help="the runs there should be: a JSON list, or its file")
    add("--results", type=Path, help="folder results/, whose files are checked for their age")
    add("--logs", type=Path, help="folder logs/: why a missing result is missing")
    add("--left-out", nargs="*", default=[], help="files GENUS/ROUND/leave_one_out.csv")
    add("--specimen-table", help="the table joined to the results, whose unused rows are told")
    add("--long-csv", action="store_true", help="also write morphometrics.csv, which is long")
    add("--summary", type=Path, help="text file to write: one screen on all runs")
    add("--metadata", type=json.loads, default={}, help="further columns of genera, JSON")
    add("--output-folder", type=Path, required=True, help="in the folder of the results")
    add_options(parser, "evaluation", "seed", "rounds", "final_round", "unreadable")
    add_progress(parser)
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    given = read_options(arguments.options)
    options = given.evaluation
    runs = runs_of(arguments.expected)
    checked = Results(runs, arguments.results, arguments.logs) if arguments.results else None
    found: list[tuple[dict[str, Any], Path]] = []
    folder = arguments.output_folder
    steps = 2 * len(runs) * len(STAGES)
    with Progress(arguments.progress, "table", steps) as bar:
        for run_, stage in bar.over([(r, s) for r in runs for s in STAGES]):
            results = arguments.results or folder.parent
            path = results / run_.genus / run_.round / STAGES[stage]
            row: dict[str, Any] = {"genus": run_.genus, "round": run_.round, "stage": stage}
            row["notes"] = notes_behind(path.parent, stage)
            found.append((row | status_of(run_, stage, path, checked), path))
        good = {
            stage: [p for row, p in found if row["stage"] == stage and row["status"] in USABLE]
            for stage in STAGES
        }
        scores = Scores(
            dict.fromkeys(run.genus for run in runs), dict.fromkeys(run.round for run in runs)
        )
        for stage in STAGES:
            take = scores.add if stage == "evaluation" else None
            targets = tables.both(folder, stage)
            if stage == "morphometrics" and not arguments.long_csv:
                # one of an earlier call would be taken for this one's
                targets.pop(0).unlink(missing_ok=True)
            combine(stage, good[stage], targets, take, arguments.metadata, bar.update)
    calibration, reliability = calibrate(scores, options)
    status = [row for row, _ in found]
    apart = [Path(path) for path in arguments.left_out]
    there = [run_of(path) for path in good["morphometrics"]]
    if checked:
        lacking = {path: row for path in apart for row in unusable(path)}
        status += [row for path, row in lacking.items() if run_of(path) in there]
        apart = [path for path in apart if path not in lacking]
    judged = read_left_out(apart)
    order = given.rounds or scores.rounds
    comparison = pa.concat_tables(
        [
            compare_rounds(scores, options, given.seed),
            tables.table(rows_of(judged, order, options), COMPARISON),
        ]
    )
    status += list(further_notices(found, arguments.specimen_table))
    status += list(worse_rounds(comparison, order))
    of_rounds = read_scores(good["evaluation"])
    asked = given.final_round if given.final_round in {of for _, of in there} else None
    final = final_rounds(there, asked, given.rounds or None, of_rounds, judged)
    status += chosen(final)
    derived = {
        "evaluation_summary": summarise(scores, options, given.seed),
        "evaluation_presence": scores.presence(),
        "evaluation_rounds": comparison,
        "evaluation_calibration": calibration,
        "evaluation_reliability": reliability,
        "leave_one_out": pa.concat_tables(
            [tables.table([], LEFT_OUT), *(tables.read(path, LEFT_OUT) for path in apart)]
        ),
        "status": tables.table(status, STATUS),
    }
    for name, table in derived.items():
        tables.write(rounded(table), *tables.both(folder, name))
    if arguments.summary:
        text = screen(status, final, of_rounds, arguments.summary.parent, given.unreadable)
        write_text(arguments.summary, text)
    message = incomplete(status)
    print(message or f"all {len(runs)} runs are in {folder}", file=sys.stderr if message else None)


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


def runs_of(expected: str) -> list[Run]:
    """The expected runs."""
    text, where = expected, "--expected"
    if not expected.lstrip().startswith("["):
        where = expected
        if not Path(expected).is_file():
            raise InputError(f"--expected {expected}: neither a JSON list nor an existing file")
        text = Path(expected).read_text(encoding="utf-8")
    try:
        return expected_runs(json.loads(text), where)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}: {error}") from error


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
            check_whole(path, rows, expected_specimens(path.parents[1] / "manifest.tsv"))
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


def expected_specimens(manifest: Path) -> list[str]:
    """The specimens of a genus that its tables must have; none where there is no such list."""
    try:
        found = read_list(manifest) if manifest.is_file() else []
    except DamagedError:  # the next call of the workflow lists the photographs again
        return []
    return [specimen.specimen for specimen in found if specimen.status != DUPLICATE]


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
        for piece in pieces(paths, stage, progress):
            for name in further:
                cells = [metadata.get(str(genus), {}).get(name, "") for genus in piece["genus"]]
                piece = piece.append_column(name, pa.array(cells, pa.string()))
            writer.write(piece)
            if take:
                take(piece)


def pieces(paths: list[Path], stage: str, progress: Callable[[], None]) -> Iterator[pa.Table]:
    for path in paths:
        yield from tables.read_chunks(path, TYPES[stage], KEYS[stage])
        progress()


if __name__ == "__main__":
    run(main)
