"""Measure the masks of a genus: a row per specimen, structure, measure and unit.

Any COCO file with masks will do:

    python scripts/measure.py --predictions masks.json --genus Formica --round drawn \\
        --pixels-per-mm 84 --output morphometrics.csv --dictionary measures.tsv
"""

import argparse
import itertools
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sam2pal.cli import add_options, add_progress, program, run
from sam2pal.config.stages import read_options
from sam2pal.dataset.judged import Corrections
from sam2pal.dataset.manifest import read_list
from sam2pal.dataset.specimen_table import SpecimenTable
from sam2pal.io import tables
from sam2pal.io.errors import InputError
from sam2pal.io.progress import Progress
from sam2pal.morphometrics.tables.columns import COLUMNS
from sam2pal.morphometrics.tables.dictionary import write_dictionary
from sam2pal.morphometrics.tables.genus import GenusShards
from sam2pal.morphometrics.tables.short import taken
from sam2pal.morphometrics.tables.table import wide

PIECE = 100  # specimens


def parse() -> argparse.Namespace:
    parser = program(__doc__)
    add = parser.add_argument
    add("--predictions", nargs="+", required=True, help="COCO files, such as the shards of a genus")
    add("--templates", help="COCO file of the templates, as convert_templates.py writes it")
    add("--corrections", type=Corrections, help="what convert_corrections wrote")
    add("--genus", help="value of the column genus (default: the one the predictions name)")
    add("--round", help="value of the column round (default: the one the predictions name)")
    add("--pixels-per-mm", help="scale of the genus; empty: not known")
    add("--specimen-table", help="CSV or TSV joined by genus and specimen; may have scales")
    add("--scales", help="scale.csv of find_scale.py: scales found in the photographs")
    add(
        "--specimens",
        help="list of the genus' specimens (manifest.tsv): what else is annotated is left out, and "
        "so are structures that --options does not name",
    )
    add("--photographs", help="folder of the photographs (default: as in the predictions)")
    add("--output", nargs="+", required=True, help="morphometrics.parquet, .csv or both")
    add("--wide", nargs="+", default=[], help="a row per specimen: .csv, .parquet or both")
    add("--dictionary", help="measures.tsv: what every measure is")
    add_options(parser, "measurement", "structures")
    add_progress(parser)
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    for path in (*arguments.output, *arguments.wide):
        if Path(path).suffix not in (".csv", ".parquet"):
            raise InputError(f"{path}: expected a name ending in .csv or .parquet")
    stage = read_options(arguments.options)
    genus = GenusShards(
        arguments.predictions,
        stage.measurement,
        arguments.templates,
        list(stage.structures) or None,  # as in the predictions
        arguments.photographs,
        genus=arguments.genus,
        round=arguments.round,
        pixels_per_mm=scale(arguments.pixels_per_mm),
        specimen_table=arguments.specimen_table,
        listed=read_list(arguments.specimens) if arguments.specimens else None,
        corrections=arguments.corrections,
        found_scales=arguments.scales,
    )
    table, reserved = None, taken(genus.structures, stage.measurement, genus.indices)
    if arguments.specimen_table:
        table = SpecimenTable(arguments.specimen_table, reserved)
    if arguments.dictionary:
        write_dictionary(arguments.dictionary, genus.structures, stage.measurement, genus.indices)
    with Progress(arguments.progress, "specimen", genus.count) as bar:
        write(genus, table, arguments.output, arguments.wide, bar.update)
    print(genus.report(table))


def write(
    genus: GenusShards,
    table: SpecimenTable | None,
    output: list[str],
    wide_: list[str],
    progress: Callable[[], None] = lambda: None,
) -> None:
    """Measure, and write both tables in pieces."""
    more = {name: of for name, of in table.columns.items() if name not in COLUMNS} if table else {}
    with ExitStack() as stack:
        tidy_writer = stack.enter_context(tables.Writer(output, COLUMNS | more))
        wide_writer = stack.enter_context(tables.Writer(wide_, genus.layout.wide_columns() | more))
        specimens = iter(genus.measured(progress))
        while piece := list(itertools.islice(specimens, PIECE)):
            rows = [genus.layout.tidy(genus.genus, genus.round, measured) for measured in piece]
            if table:
                rows = [of and joined(table, of, more) for of in rows]
            tidy = itertools.chain.from_iterable(rows)
            tidy_writer.write(tables.table(tidy, tidy_writer.columns))
            if wide_:
                wide_rows = [wide(of) | {name: of[0][name] for name in more} for of in rows if of]
                wide_writer.write(tables.table(wide_rows, wide_writer.columns))


def joined(
    table: SpecimenTable, rows: list[dict[str, Any]], columns: Iterable[str]
) -> list[dict[str, Any]]:
    """The rows of one specimen with these columns of the specimen table."""
    cells = table.cells(rows[0]["genus"], rows[0]["specimen"])
    more = {name: cells[name] for name in columns}
    return [row | more for row in rows]


def scale(text: str | None) -> float | None:
    """Pixels per millimetre, or None for nothing."""
    if not text or not text.strip():
        return None
    try:
        return float(text)
    except ValueError:
        raise InputError(f"--pixels-per-mm {text}: not a number") from None


if __name__ == "__main__":
    run(main)
