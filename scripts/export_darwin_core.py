"""Write measurements as Darwin Core MeasurementOrFact, photographs and masks as Audiovisual (Audubon) Core.

    python scripts/export_darwin_core.py --genus G --runs results/G/untrained results/G/trained \\
        --output results/G/darwin_core

A run is the folder of a round, with its shards/, morphometrics.parquet and evaluation.csv; the final one is
written.
"""

from pathlib import Path
from typing import Any

from sam2pal.cli import add_options, program, run
from sam2pal.config.stages import read_options
from sam2pal.dataset.dataset import Dataset
from sam2pal.dataset.judged import Corrections
from sam2pal.dataset.manifest import shards_of_run
from sam2pal.evaluation.final import final_run
from sam2pal.io import tables
from sam2pal.morphometrics.measures.dictionary import MEASURED, OUTSIDE
from sam2pal.morphometrics.tables.columns import COLUMNS
from sam2pal.morphometrics.tables.darwin_core import (
    MEASUREMENTS,
    MEDIA,
    measurement,
    media,
    occurrence,
    state_fact,
)


def main() -> None:
    parser = program(__doc__)
    add = parser.add_argument
    add("--genus", required=True)
    add("--runs", type=Path, nargs="+", required=True, help="folders of its rounds")
    add("--corrections", type=Corrections, help="what convert_corrections wrote")
    add("--output", type=Path, required=True, help="folder to write")
    add_options(parser, "measurement", "rounds", "final_round")
    arguments = parser.parse_args()
    stage = read_options(arguments.options)
    folder, final = final_run(arguments.genus, arguments.runs, stage.final_round, stage.rounds)
    known: dict[str, str] = {}
    trusted: dict[str, set[str]] = {}
    states: dict[str, dict[str, dict[str, Any]]] = {}
    measured: set[str] = set()
    arguments.output.mkdir(parents=True, exist_ok=True)
    path = arguments.output / "measurement_or_fact.csv"
    with tables.Writer([path], MEASUREMENTS) as writer:
        for piece in tables.read_chunks(folder / "morphometrics.parquet", COLUMNS):
            rows = piece.to_pylist()
            known |= {row["specimen"]: occurrence(row) for row in rows}
            for row in rows:
                if row["status"] in (MEASURED, OUTSIDE):
                    trusted.setdefault(row["specimen"], set()).add(row["structure"])
                if row["status"] == MEASURED:
                    measured.add(row["specimen"])
                of = states.setdefault(row["specimen"], {})
                if row["structure"] not in of and (fact := state_fact(row)):
                    of[row["structure"]] = fact
            found = (measurement(row, stage.measurement) for row in rows)
            writer.write(tables.table([row for row in found if row], MEASUREMENTS))
        count = writer.rows
        # if nothing was measured, the photograph may show something else
        facts = [fact for name in states if name in measured for fact in states[name].values()]
        writer.write(tables.table(facts, MEASUREMENTS))
    shards = shards_of_run(folder)
    if arguments.corrections:
        arguments.corrections.learn(shards)
    with tables.Writer([arguments.output / "audiovisual.csv"], MEDIA) as writer:
        for shard in shards:
            dataset = Dataset(shard)
            if arguments.corrections:
                arguments.corrections.apply(dataset)
            rows = [
                row
                for one in dataset.by_specimen().values()
                if one.status == "ok" and one.width
                for row in media(
                    arguments.genus, one, known.get(one.specimen, ""), trusted.get(one.specimen, ())
                )
            ]
            writer.write(tables.table(rows, MEDIA))
        print(
            f"{arguments.genus}: round {final.round}, {final.why}; {count} measurements, "
            f"{writer.rows} photographs and masks"
        )
    if not count:
        print("no measurement has millimetres or no unit: is pixels_per_mm given?")


if __name__ == "__main__":
    run(main)
