"""Score predicted masks against true ones: a row per specimen and structure, and a readable table.

Predictions are COCO files; truth may be annotations of any known format:

    python scripts/evaluate.py --truth truth.json --predictions predicted.json
"""

import argparse
import itertools
from contextlib import ExitStack
from pathlib import Path

from sam2pal.cli import add_options, add_progress, program, run
from sam2pal.config.stages import read_options
from sam2pal.dataset.convert import read_truth
from sam2pal.dataset.dataset import Dataset
from sam2pal.dataset.judged import Corrections
from sam2pal.dataset.specimen_table import SpecimenTable
from sam2pal.evaluation.columns import COLUMNS
from sam2pal.evaluation.evaluation import Evaluation, Scope
from sam2pal.evaluation.report import describe, rounded
from sam2pal.evaluation.scores import Scores
from sam2pal.io import tables
from sam2pal.io.errors import InputError
from sam2pal.io.progress import Progress

PIECE = 5000


def parse() -> argparse.Namespace:
    parser = program(__doc__)
    add = parser.add_argument
    add("--predictions", nargs="+", required=True, help="COCO files, such as the shards of a genus")
    add("--truth", help="annotations; without them no row has a score")
    add("--templates", help="COCO file of the templates, which are not scored")
    add("--corrections", type=Corrections, help="what convert_corrections wrote")
    add("--structure", action="append", default=[], help="only this one (may be given repeatedly)")
    add(
        "--category-id",
        "--category_id",
        type=int,
        action="append",
        default=[],
        help="only the category with this id in both files (may be given repeatedly)",
    )
    add("--genus", help="value of the column genus (default: the one the predictions name)")
    add("--round", help="value of the column round (default: the one the predictions name)")
    add("--specimen-table", help="CSV or TSV whose columns are joined by genus and specimen")
    add("--output", nargs="+", default=[], help="evaluation.csv, and evaluation.parquet if wanted")
    add_options(parser, "evaluation", "seed")
    add_progress(parser)
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    stage = read_options(arguments.options)
    options = stage.evaluation
    if arguments.structure and arguments.category_id:
        raise InputError("--structure and --category-id: give one of them")
    for path in arguments.output:
        if Path(path).suffix not in (".csv", ".parquet"):
            raise InputError(f"--output {path}: expected a name ending in .csv or .parquet")
    truth, notes = None, []
    if arguments.truth and arguments.category_id:
        truth = Dataset(arguments.truth, source="drawn")  # ids are those of the file itself
    elif arguments.truth:
        truth = read_truth(arguments.truth, arguments.predictions)
        notes = [f"truth: {note}" for note in truth.notes]
    more = SpecimenTable(arguments.specimen_table, COLUMNS) if arguments.specimen_table else None
    evaluation = Evaluation(
        arguments.predictions,
        truth,
        Dataset(arguments.templates, source="drawn") if arguments.templates else None,
        Scope(arguments.structure, arguments.category_id, arguments.genus, arguments.round),
        options,
        arguments.corrections,
    )
    columns = COLUMNS | (more.columns if more else {})
    scores = Scores()
    with ExitStack() as stack:
        writer = stack.enter_context(tables.Writer(arguments.output, columns))
        bar = stack.enter_context(Progress(arguments.progress, "specimen", evaluation.count))
        rows = evaluation.rows(bar.update)
        while piece := list(itertools.islice(rows, PIECE)):
            table = rounded(tables.table(piece, COLUMNS))
            scores.add(table)
            writer.write(more.join(table) if more else table)
    notes = [*evaluation.notes, *notes, *(more.notes if more else ())]
    print(describe(scores, options, stage.seed, notes))


if __name__ == "__main__":
    run(main)
