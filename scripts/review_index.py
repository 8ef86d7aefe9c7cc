"""Make the page that opens all results: genera, rounds, failures, tables, figures, and a search.

python scripts/review_index.py --runs Carabus/first Carabus/final --output results/index.html
"""

import argparse

from sam2pal.cli import program, run
from sam2pal.review.index import write_index


def parse() -> argparse.Namespace:
    parser = program(__doc__)
    add = parser.add_argument
    add("--runs", nargs="+", required=True, help="GENUS/ROUND; their pages lie beside the output")
    add("--output", required=True, help="the page, in the folder of all results")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    number = write_index(arguments.output, arguments.runs)
    print(f"{arguments.output}: {number} of {len(arguments.runs)} runs have a review page")


if __name__ == "__main__":
    run(main)
