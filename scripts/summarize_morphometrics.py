"""Summaries of measurements: by genus, a row per specimen, or agreement of two sets.

    python scripts/summarize_morphometrics.py --tables results/*/*/morphometrics.parquet \\
        --output-folder results/tables
    python scripts/summarize_morphometrics.py --compare predicted.csv --against drawn.csv \\
        --output-folder results/tables

The first writes measurements (the short table), morphometrics_wide, morphometrics_summary, publication, and
columns.tsv with programs for Python and R that read them; the second writes morphometrics_concordance and the
morphometrics_pairs it is computed from. All but publication are CSV and Parquet.
"""

import argparse
import itertools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sam2pal.cli import add_options, add_progress, program, run
from sam2pal.config.stages import read_options
from sam2pal.evaluation.final import final_rounds, read_scores
from sam2pal.evaluation.left_out import read_left_out
from sam2pal.io import tables
from sam2pal.io.errors import InputError
from sam2pal.io.files import write_text
from sam2pal.io.progress import Progress
from sam2pal.morphometrics.tables import publication, short
from sam2pal.morphometrics.tables.columns import COLUMNS
from sam2pal.morphometrics.tables.summary import (
    REQUIRED,
    SUMMARY,
    Summary,
    WideColumns,
    confirmed_only,
    specimens,
)
from sam2pal.morphometrics.tables.table import described

Rows = list[Mapping[str, Any]]
PIECE = 500  # specimens
READERS = sorted(Path(short.__file__).parent.glob("read_results.*"))


def parse() -> argparse.Namespace:
    parser = program(__doc__)
    add = parser.add_argument
    add("--tables", nargs="+", help="morphometrics.parquet or .csv of genera and rounds, or of all")
    add("--output-folder", type=Path, required=True)
    add_options(parser, "rounds", "final_round", "confirmed_only")
    add_progress(parser)
    add("--evaluation", nargs="*", help="evaluation.csv, which say which round is best")
    add("--left-out", nargs="*", help="leave_one_out.csv, which say so where there is no truth")
    add("--compare", nargs="+", help="measurements of predicted masks ...")
    add("--against", nargs="*", help="... and of drawn masks of the same specimens; may be none")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    if (arguments.compare is None) != (arguments.against is None):
        raise InputError("--compare and --against: give both, or none of them")
    if not arguments.tables and not arguments.compare:
        raise InputError("give --tables, or --compare and --against")
    folder = arguments.output_folder
    if arguments.compare:
        # here, as it takes pandas, which is a second to import
        from sam2pal.morphometrics.tables import concordance as agreement

        pairs, left_out = agreement.pair(arguments.compare, arguments.against)
        rows = agreement.compare(pairs)
        both = tables.from_pandas(pairs, agreement.PAIR_COLUMNS)
        tables.write(both, *tables.both(folder, "morphometrics_pairs"))
        found = tables.table(rows, agreement.COLUMNS)
        tables.write(found, *tables.both(folder, "morphometrics_concordance"))
        print(report(rows, left_out, arguments.against))
    if arguments.tables:
        summarise(arguments, folder)


def report(rows: list[dict[str, Any]], left_out: list[str], against: list[str]) -> str:
    """How much was compared, for the log."""
    if not against:
        return "no genus has drawn masks to compare with"
    said = f"{sum(row['n'] > 0 for row in rows)} measures compared"
    if left_out:
        said += f"; left out where a person drew or corrected them: {', '.join(left_out)}"
    if not any(row["n"] for row in rows):
        said += "; no specimen is measured in both: are genus and specimen named alike?"
    return said


def summarise(arguments: argparse.Namespace, folder: Path) -> None:
    stage = read_options(arguments.options)
    only = stage.confirmed_only
    summary, columns = Summary(only), WideColumns()
    found: dict[tuple[str, str], None] = {}
    steps = 0
    for path in arguments.tables:
        for piece in tables.read_chunks(path, COLUMNS, REQUIRED):
            steps += len(piece)
            summary.add(piece)
            columns.add(piece)
            both = (piece[name].to_pylist() for name in ("genus", "round"))
            found |= dict.fromkeys(zip(*both, strict=True))
    scores, apart = read_scores(arguments.evaluation), read_left_out(arguments.left_out)
    final = final_rounds(found, stage.final_round, stage.rounds, scores, apart)
    of_genera = tables.table(summary.rows(), SUMMARY)
    tables.write(of_genera, *tables.both(folder, "morphometrics_summary"))
    rounds = {genus: of.round for genus, of in final.items()}
    printed = publication.publication(summary.rows(), rounds)
    tables.write(tables.table(printed, publication.COLUMNS), folder / "publication.csv")
    short_columns = short.columns(columns.structures, columns.measures, columns.more)
    with ExitStack() as stack:
        wide, brief = (
            stack.enter_context(tables.Writer(tables.both(folder, name), of))
            for name, of in (
                ("morphometrics_wide", columns.columns()),
                ("measurements", short_columns),
            )
        )
        bar = stack.enter_context(Progress(arguments.progress, "row", steps))
        chosen = (
            rows
            for rows in counted(specimens(arguments.tables), bar)
            if final[rows[0]["genus"]].round == rows[0]["round"]
        )
        if only:
            chosen = map(confirmed_only, chosen)
        while held := list(itertools.islice(chosen, PIECE)):
            wide.write(tables.table([columns.row(rows) for rows in held], wide.columns))
            brief.write(
                tables.table([short.row(rows, columns.more) for rows in held], brief.columns)
            )
    write_guide(folder, short_columns, columns.columns())
    if only:
        left_out = sum(row["n_unconfirmed"] for row in summary.rows())
        print(f"confirmed_only: {left_out} values of masks that nobody confirmed are left out")
    for genus, of in final.items():
        print(f"{genus}: final round {of.round}, {of.why}")
        if of.warning:
            print(f"warning: {genus}: {of.warning}")


def counted(items: Iterable[Rows], bar: Progress) -> Iterator[Rows]:
    for rows in items:
        yield rows
        bar.update(len(rows))


def write_guide(folder: Path, *of_tables: dict[str, type]) -> None:
    """columns.tsv, the codebook, which says what is text, and programs that read the tables by it."""
    names = ("measurements", "morphometrics_wide", "morphometrics_summary", "publication")
    more = (SUMMARY, publication.COLUMNS)
    lines = ["table\tcolumn\ttype\tunit\tmeaning"]
    for name, columns in zip(names, (*of_tables, *more), strict=True):
        for column, of in columns.items():
            unit, said = described(column)
            if name == "measurements":
                unit, said = short.described(column, columns, of_tables[1])
            elif columns in more:
                own = column in ("mean", "sd", "min", "max") or column.startswith("bias")
                unit = short.SAME if own else ""
                said = publication.MEANINGS.get(column, said)
            kind = "text" if of is str else "number"
            lines.append("\t".join((name, column, kind, unit, said)))
    texts = {"columns.tsv": "\n".join(lines) + "\n"}
    texts |= {path.name: path.read_text(encoding="utf-8") for path in READERS}
    for name, text in texts.items():
        write_text(folder / name, text)


if __name__ == "__main__":
    run(main)
