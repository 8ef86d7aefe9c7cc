"""Figures of the evaluation of all genera.

    python scripts/plot_evaluation.py --tables results/tables --output plots/reliability.svg

Figures are chosen by the names of the files to be written.
"""

import argparse
from pathlib import Path

from sam2pal.cli import program, run
from sam2pal.evaluation import plots
from sam2pal.evaluation.summary import COMPARISON, RELIABILITY, SUMMARY
from sam2pal.io import tables
from sam2pal.io.figures import check_names, save

NEEDS = {
    "iou_by_structure": ("evaluation_summary", SUMMARY),
    "iou_by_genus": ("evaluation_summary", SUMMARY),
    "change_between_rounds": ("evaluation_rounds", COMPARISON),
    "reliability": ("evaluation_reliability", RELIABILITY),
}


def parse() -> argparse.Namespace:
    parser = program(__doc__)
    add = parser.add_argument
    add("--tables", type=Path, required=True, help="the output folder of aggregate.py")
    add(
        "--output",
        type=Path,
        nargs="+",
        required=True,
        help=f"figures (.svg, .png or .pdf) named {', '.join(NEEDS)}",
    )
    add("--options", type=Path, help="not read; its change draws the figures again")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    check_names(arguments.output, NEEDS)
    for path in arguments.output:
        name, columns = NEEDS[path.stem]
        table = tables.to_pandas(tables.read(arguments.tables / f"{name}.csv", columns))
        save(plots.FIGURES[path.stem](table), path)


if __name__ == "__main__":
    run(main)
