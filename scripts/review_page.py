"""Make the page that shows the masks of a genus and round, the least trusted first.

    python scripts/review_page.py --predictions results/G/R/shards/*.json \\
        --templates results/G/R/templates.json --output results/G/R/review.html

Beside review.html it makes the folder review/ (pictures, masks, specimens.tsv).
"""

import argparse
from pathlib import Path

from sam2pal.cli import add_options, add_progress, program, run
from sam2pal.config.stages import read_options
from sam2pal.dataset.judged import Corrections
from sam2pal.review.page import PageLocation
from sam2pal.review.survey import Sources
from sam2pal.review.tables import Tables
from sam2pal.review.writing import write_review


def parse() -> argparse.Namespace:
    parser = program(__doc__)
    add = parser.add_argument
    add("--predictions", nargs="+", required=True, help="COCO files, such as the shards of a genus")
    add("--pictures", nargs="+", default=[], help="of each of these the ZIP of small pictures")
    add("--templates", help="canonical COCO of the round's templates")
    add("--evaluation", help="evaluation.csv: shows the IoU beside the score")
    add("--measurements", help="morphometrics.csv or .parquet: shows what is doubtful, and why")
    add("--next", help="next.csv: shows what to correct next, and why")
    add("--changes", help="changes.csv: shows what changed since an earlier round")
    add("--corrections", type=Corrections, help="what people said, from convert_corrections.py")
    add("--genus", default="", help="name of the genus (default: what the files say)")
    add("--round", default="", help="name of the round (default: what the files say)")
    add_options(parser, "review")
    add_progress(parser)
    add("--home", type=Path, help="the page of all genera and rounds, to link to")
    add("--sheet", help="PNG: a contact sheet, for a report")
    add("--output", required=True, help="the page (.html)")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    result = write_review(
        PageLocation(Path(arguments.output), arguments.home),
        Sources(
            arguments.predictions,
            arguments.templates,
            Tables(arguments.evaluation, arguments.measurements, arguments.next, arguments.changes),
            arguments.genus,
            arguments.round,
            arguments.corrections,
            arguments.pictures,
        ),
        read_options(arguments.options).review,
        arguments.sheet,
        arguments.progress,
    )
    print(f"{arguments.output}: {result.specimens} specimens")
    for group, count in sorted(result.groups.items()):
        print(f"  {group.name.lower()}: {count}")
    if result.shown < result.specimens:
        print(f"  without a picture (option show): {result.specimens - result.shown}")
    for problem in result.problems:
        print(f"  {problem}")


if __name__ == "__main__":
    run(main)
