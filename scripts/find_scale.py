"""Join what was found in the photographs of a genus to its table of scales; outliers become doubtful."""

import argparse
from pathlib import Path

from sam2pal.cli import add_options, run
from sam2pal.config.stages import read_options
from sam2pal.morphometrics.scales.collection import (
    judged,
    read_rows,
    with_one_scale,
    without_scale,
    write_rows,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", nargs="+", required=True, help="what search_scale.py wrote")
    add_options(parser, "measurement")
    parser.add_argument("--output", type=Path, required=True, help="scale.csv")
    arguments = parser.parse_args()
    search = read_options(arguments.options).measurement.scale_search
    rows = judged(read_rows(arguments.tables))
    if search.once == "collection":
        rows = with_one_scale(rows)
    write_rows(arguments.output, rows)
    print(without_scale(rows) or f"all {len(rows)} photographs have a scale")


if __name__ == "__main__":
    run(main)
