"""Compare evaluations of the same specimens pair by pair: change, interval, more than noise or not.

python scripts/compare_rounds.py results/Formica/{untrained,trained}/evaluation.csv
"""

import argparse
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from sam2pal.cli import add_options, run
from sam2pal.config.stages import read_options
from sam2pal.evaluation.columns import MEASURES
from sam2pal.evaluation.report import describe_comparison, rounded
from sam2pal.evaluation.scores import ALL, COUNTED, REQUIRED, Scores
from sam2pal.evaluation.summary import COMPARED, compare_rounds
from sam2pal.io import tables
from sam2pal.io.errors import InputError


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("evaluations", nargs="+", help="evaluation.csv files, earlier ones first")
    add("--measure", action="append", choices=MEASURES, help=f"default: {', '.join(COMPARED)}")
    add("--output", nargs="+", default=[], help="also write the comparison (.csv, .parquet)")
    add_options(parser, "evaluation", "seed")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    stage = read_options(arguments.options)
    options = stage.evaluation
    if len(arguments.evaluations) < 2:
        raise InputError("give two evaluations or more; there is nothing to compare with")
    scores = Scores()
    for path, label in zip(arguments.evaluations, labels(arguments.evaluations), strict=True):
        for piece in tables.read_chunks(path, COUNTED, REQUIRED, others=False):
            if label:
                place = piece.column_names.index("round")
                piece = piece.set_column(place, "round", pa.array([label] * len(piece)))
            scores.add(piece)
    comparison = compare_rounds(scores, options, stage.seed, arguments.measure or COMPARED)
    if not len(comparison):
        raise InputError(
            f"{' and '.join(arguments.evaluations)}: no specimen and structure is scored in two of "
            "them; they are compared by genus and specimen"
        )
    tables.write(rounded(comparison), *arguments.output)
    if len(scores.genera) == 1:
        comparison = comparison.filter(pc.not_equal(comparison["genus"], ALL))
    print(describe_comparison(comparison, options))


def labels(paths: list[str]) -> list[str]:
    """What to call the round of each file; nothing where genus and round tell all files apart."""
    found, keys = [], {"genus": str, "round": str}
    for path in paths:
        pieces = tables.read_chunks(path, keys, others=False)
        first = next(
            (piece.slice(0, 1).to_pylist()[0] for piece in pieces), dict.fromkeys(keys, "")
        )
        found.append((first["genus"], first["round"]))
    if all(round_ for _, round_ in found) and len(set(found)) == len(paths):
        return [""] * len(paths)
    stems = [Path(path).stem for path in paths]
    return stems if len(set(stems)) == len(paths) else paths


if __name__ == "__main__":
    run(main)
