"""Tables over all genera and rounds, and a table of what is missing from them.

    python scripts/aggregate.py --results results --expected '["Formica/untrained"]' \\
        --output-folder results/tables

Runs whose results are missing, older than what they are made from, or damaged are left out and
named in status.csv, with the reason; the tables are written anew from what is up to date.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa

from sam2pal.cli import add_options, add_progress, program, run
from sam2pal.config.stages import read_options
from sam2pal.evaluation.ending import chosen, screen
from sam2pal.evaluation.final import final_rounds, read_scores
from sam2pal.evaluation.left_out import COLUMNS as LEFT_OUT
from sam2pal.evaluation.left_out import read_left_out, rows_of
from sam2pal.evaluation.notices import worse_rounds
from sam2pal.evaluation.report import rounded
from sam2pal.evaluation.scores import Scores
from sam2pal.evaluation.summary import COMPARISON, calibrate, compare_rounds, summarise
from sam2pal.evaluation.up_to_date import (
    STAGES,
    STATUS,
    USABLE,
    Results,
    Run,
    expected_runs,
    incomplete,
    run_of,
)
from sam2pal.io import tables
from sam2pal.io.errors import InputError
from sam2pal.io.files import write_text
from sam2pal.io.progress import Progress
from sam2pal.morphometrics.tables.collecting import (
    combine,
    further_notices,
    notes_behind,
    status_of,
    unusable,
)


def parse() -> argparse.Namespace:
    parser = program(__doc__)
    add = parser.add_argument
    add("--expected", required=True, help="the runs there should be: a JSON list, or its file")
    add("--results", type=Path, help="folder results/, whose files are checked for their age")
    add("--logs", type=Path, help="folder logs/: why a missing result is missing")
    add("--unchanged", type=Path, help="file that lists what is up to date whatever its age")
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
    unchanged = arguments.unchanged.read_text("utf-8").splitlines() if arguments.unchanged else []
    folders = arguments.results, arguments.logs
    checked = Results(runs, *folders, unchanged) if arguments.results else None
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
    final = final_rounds(there, given.final_round, given.rounds or None, of_rounds, judged)
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


if __name__ == "__main__":
    run(main)
