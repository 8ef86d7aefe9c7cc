"""Rank the specimens of a genus and round that are worth correcting, and write their outlines to start from.

    python scripts/choose_next.py --predictions results/G/R/shards/*.json --output results/G/R/next.csv \\
        --outlines results/G/R/next
"""

from pathlib import Path

from sam2pal.cli import add_options, program, run
from sam2pal.config.stages import read_options
from sam2pal.dataset.export import export
from sam2pal.dataset.judged import Corrections
from sam2pal.io import tables
from sam2pal.io.errors import InputError
from sam2pal.review.folders import refuse_foreign, temporary_folder
from sam2pal.review.next import COLUMNS, rank

README = "README.txt"
TEXT = (
    "Predicted outlines of the specimens in next.csv, to be corrected: a folder an annotation tool."
)


def main() -> None:
    parser = program(__doc__)
    add = parser.add_argument
    add("--predictions", nargs="+", required=True, help="COCO files, such as the shards of a genus")
    add("--corrections", type=Corrections, help="what convert_corrections wrote")
    add("--genus", default="")
    add("--round", default="")
    add("--output", required=True, help="next.csv")
    add("--outlines", type=Path, help="folder to write: predicted outlines, a folder per format")
    add_options(parser, "next")
    arguments = parser.parse_args()
    if not arguments.output.endswith(".csv"):
        raise InputError(f"--output {arguments.output}: expected a name ending in .csv")
    options = read_options(arguments.options).next
    rows, specimens = rank(
        arguments.predictions,
        options.count,
        arguments.corrections,
        arguments.genus,
        arguments.round,
    )
    if arguments.outlines:
        wanted = [row["specimen"] for row in rows]
        refuse_foreign(arguments.outlines, README, TEXT)
        with temporary_folder(arguments.outlines) as build:
            (build / README).write_text(f"{TEXT}\n", encoding="utf-8")
            for tool in options.formats if wanted else ():
                export(
                    arguments.predictions,
                    tool,
                    build / tool,
                    wanted,
                    corrections=arguments.corrections,
                )
    tables.write(tables.table(rows, COLUMNS), arguments.output)
    print(f"{arguments.output}: {len(rows)} of {specimens} specimens to be corrected")
    for row in rows[:20]:
        print(f"  {row['rank']}. {row['specimen']}: {row['reason']}")


if __name__ == "__main__":
    run(main)
