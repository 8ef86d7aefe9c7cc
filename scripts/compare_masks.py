"""Compare the masks of a round with those of the round before: what changed most. No truth is needed.

    python scripts/compare_masks.py --genus G --before results/G/untrained --after results/G/trained \\
        --output results/G/trained/changes.csv
"""

from pathlib import Path

from sam2pal.cli import add_progress, program, run
from sam2pal.dataset.judged import Corrections
from sam2pal.dataset.manifest import shards_of_run
from sam2pal.io import tables
from sam2pal.io.progress import Progress
from sam2pal.morphometrics.tables.changed import COLUMNS as MEASURES
from sam2pal.morphometrics.tables.changed import changed
from sam2pal.review.changes import COLUMNS, changes


def main() -> None:
    parser = program(__doc__)
    add = parser.add_argument
    add("--genus", required=True)
    add("--before", type=Path, required=True, help="folder of the earlier round, with its shards/")
    add("--after", type=Path, required=True, help="folder of the later round")
    add("--corrections", type=Corrections, help="what convert_corrections wrote")
    add("--options", type=Path, help="not read; its change computes the table again")
    add("--output", nargs="+", required=True, help="changes.csv, and .parquet if wanted")
    add("--measures", nargs="+", default=[], help="changed_measures.csv: changes beyond intervals")
    add_progress(parser)
    arguments = parser.parse_args()
    folders = arguments.before, arguments.after
    before, after = map(shards_of_run, folders)
    with Progress(arguments.progress, "shard", len(after)) as bar:
        rows = changes(arguments.genus, before, after, folders, arguments.corrections, bar.update)
    tables.write(tables.table(rows, COLUMNS), *arguments.output)
    if arguments.measures:
        of_measures = changed(*(folder / "morphometrics.parquet" for folder in folders))
        tables.write(tables.table(of_measures, MEASURES), *arguments.measures)
    print(f"{len(rows)} masks of {arguments.before} and {arguments.after} compared")
    for row in rows[:20]:
        print(f"  {row['specimen']}, {row['structure']}: overlap {row['overlap']:.2f}")


if __name__ == "__main__":
    run(main)
