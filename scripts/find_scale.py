"""Join what was found in the photographs of a genus to its table of scales; outliers become doubtful."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from sam2pal.cli import add_options, run
from sam2pal.config.checking import refuse
from sam2pal.config.scale import ALIKE, alike_problems
from sam2pal.config.stages import read_options
from sam2pal.dataset.specimen_table import SpecimenTable
from sam2pal.morphometrics.scales.collection import (
    ScaleRow,
    read_rows,
    with_one_scale,
    with_outliers_doubtful,
    with_shared_scale,
    without_scale,
    write_rows,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", nargs="+", required=True, help="what search_scale.py wrote")
    add_options(parser, "measurement")
    parser.add_argument("--specimen-table", help="CSV or TSV; may say what was taken alike")
    parser.add_argument("--output", type=Path, required=True, help="scale.csv")
    arguments = parser.parse_args()
    search = read_options(arguments.options).measurement.scale_search
    rows = read_rows(arguments.tables)
    if search.once == "collection":
        rows = with_one_scale(rows)
    elif search.once == "alike":
        rows = with_outliers_doubtful(
            with_shared_scale(rows, groups(rows, arguments.specimen_table, search.alike))
        )
    else:
        rows = with_outliers_doubtful(rows)
    write_rows(arguments.output, rows)
    print(without_scale(rows) or f"all {len(rows)} specimens have a scale")


def groups(
    rows: Sequence[ScaleRow], table: str | Path | None, column: str | None
) -> dict[str, str] | None:
    """What the specimen table says of how each specimen was taken; None if no column is named.

    Raises:
        InputError: there is no table, or it lacks the column.
    """
    if column is None:
        return None
    refuse(alike_problems(column, table), "")
    specimens = SpecimenTable(table)
    specimens.need(column, ALIKE)
    return {
        row.specimen: str(specimens.cells(row.genus, row.specimen)[column] or "") for row in rows
    }


if __name__ == "__main__":
    run(main)
