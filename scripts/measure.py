"""Measure the masks of a genus: a row a specimen, structure, measure and unit.

Any COCO file with masks will do:

    python scripts/measure.py --predictions masks.json --genus Formica --round drawn \\
        --pixels-per-mm 84 --output morphometrics.csv --dictionary measures.tsv
"""

import argparse
import itertools
from contextlib import ExitStack
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from sam2pal.cli import add_options, run
from sam2pal.config.stages import read_options
from sam2pal.dataset.manifest import read_list
from sam2pal.dataset.specimen_table import SpecimenTable
from sam2pal.io.errors import InputError
from sam2pal.io.tables import Writer, frame
from sam2pal.morphometrics.tables.columns import COLUMNS
from sam2pal.morphometrics.tables.dictionary import write_dictionary
from sam2pal.morphometrics.tables.genus import Genus
from sam2pal.morphometrics.tables.table import wide

PIECE = 100  # specimens


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--predictions", nargs="+", required=True, help="COCO files, such as the shards of a genus")
    add("--templates", help="COCO file of the templates, as convert_templates.py writes it")
    add("--genus", help="value of the column genus (default: the one the predictions name)")
    add("--round", help="value of the column round (default: the one the predictions name)")
    add("--pixels-per-mm", help="scale of the genus; empty: not known")
    add("--specimen-table", help="CSV or TSV joined by genus and specimen; may have scales")
    add(
        "--specimens",
        help="list of the genus' specimens (manifest.tsv): what else is annotated is left out, and "
        "so are structures that --options does not name",
    )
    add("--photographs", help="folder of the photographs (default: as in the predictions)")
    add("--output", nargs="+", required=True, help="morphometrics.csv, and .parquet if wanted")
    add("--wide", nargs="+", default=[], help="a row a specimen: .csv, .parquet or both")
    add("--dictionary", help="measures.tsv: what every measure is")
    add_options(parser, "measurement", "structures")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    for path in (*arguments.output, *arguments.wide):
        if Path(path).suffix not in (".csv", ".parquet"):
            raise InputError(f"{path}: expected a name ending in .csv or .parquet")
    stage = read_options(arguments.options)
    genus = Genus(
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
    )
    table = None
    if arguments.specimen_table:
        reserved = COLUMNS | genus.layout.wide_columns()
        table = SpecimenTable(arguments.specimen_table, reserved)
    if arguments.dictionary:
        write_dictionary(arguments.dictionary, genus.structures, stage.measurement, genus.indices)
    write(genus, table, arguments.output, arguments.wide)
    print(genus.report(table))


def write(genus: Genus, table: SpecimenTable | None, output: list[str], wide_: list[str]) -> None:
    """Measure, and write both tables in pieces."""
    more = {name: of for name, of in table.columns.items() if name not in COLUMNS} if table else {}
    with ExitStack() as stack:
        tidy_writer = stack.enter_context(Writer(output, COLUMNS | more))
        wide_writer = stack.enter_context(Writer(wide_, genus.layout.wide_columns() | more))
        specimens = iter(tqdm(genus.measured(), unit=" specimens", disable=None))
        while piece := list(itertools.islice(specimens, PIECE)):
            rows = [genus.layout.tidy(genus.genus, genus.round, measured) for measured in piece]
            joined = join(table, genus.genus, [measured.specimen for measured in piece], list(more))
            tidy = frame(itertools.chain.from_iterable(rows), COLUMNS)
            repeated = joined.loc[tidy["specimen"]].reset_index(drop=True)
            tidy_writer.write(pd.concat([tidy, repeated], axis=1))
            if wide_:
                wide_rows = [wide(of) | dict(joined.loc[of[0]["specimen"]]) for of in rows if of]
                wide_writer.write(frame(wide_rows, wide_writer.columns))


def join(
    table: SpecimenTable | None, genus: str, specimens: list[str], columns: list[str]
) -> pd.DataFrame:
    """The specimen table's columns of these specimens, indexed by specimen."""
    keys = pd.DataFrame({"genus": genus, "specimen": specimens}, dtype="str")
    joined = table.join(keys) if table else keys
    return joined.set_index("specimen")[columns]


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
