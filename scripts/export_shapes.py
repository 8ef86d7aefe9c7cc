"""Write outlines and landmarks of a genus for programs of geometric morphometrics.

    python scripts/export_shapes.py --genus G --runs results/G/untrained results/G/trained \\
        --options options.yaml --output results/G/shapes

A run is the folder of a round, with its shards/, templates.json, morphometrics.parquet and evaluation.csv;
the final one is written. docs/shape.md says what the files hold.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from sam2pal.cli import add_options, add_progress, program, run
from sam2pal.config.stages import read_options
from sam2pal.dataset.files import read_json
from sam2pal.dataset.files import write as write_coco
from sam2pal.dataset.judged import Corrections
from sam2pal.dataset.landmarks import Points, read_landmarks
from sam2pal.dataset.manifest import shards_of_run
from sam2pal.dataset.photographs import Photographs
from sam2pal.evaluation.final import final_run
from sam2pal.io.errors import InputError
from sam2pal.io.progress import Progress
from sam2pal.morphometrics.shapes.genus import read_statuses, shapes
from sam2pal.morphometrics.shapes.writing import write
from sam2pal.morphometrics.tables.genus import GenusShards


def parse() -> argparse.Namespace:
    parser = program(__doc__)
    add = parser.add_argument
    add("--genus", required=True)
    add("--runs", type=Path, nargs="+", required=True, help="folders of its rounds")
    add("--corrections", type=Corrections, help="what convert_corrections wrote")
    add("--pixels-per-mm", type=float, help="scale of the genus")
    add("--specimen-table", help="CSV or TSV joined by genus and specimen; may have scales")
    add("--scales", help="scale.csv of find_scale.py: scales found in the photographs")
    add("--landmarks", type=Path, help="file or folder of landmarks drawn on templates")
    add("--output", type=Path, required=True, help="folder to write")
    add_options(parser, "outlines", "measurement", "structures", "rounds", "final_round")
    add_progress(parser)
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    stage = read_options(arguments.options)
    if stage.outlines.axis is None and len(stage.measurement.body) < 2:
        raise InputError("--options: give `outlines: {axis: [FRONT, REAR]}`, or measurement.body")
    folder, final = final_run(arguments.genus, arguments.runs, stage.final_round, stage.rounds)
    genus = GenusShards(
        shards_of_run(folder),
        stage.measurement,
        folder / "templates.json",
        list(stage.structures) or None,
        genus=arguments.genus,
        round=final.round,
        pixels_per_mm=arguments.pixels_per_mm,
        specimen_table=arguments.specimen_table,
        corrections=arguments.corrections,
        found_scales=arguments.scales,
    )
    statuses, states, refused = read_statuses(folder / "morphometrics.parquet")
    drawn: dict[str, Points] = {}
    marked: dict[str, Any] | None = None
    if arguments.landmarks:
        known = Photographs.of_specimens(genus.templates.values(), folder / "templates.json")
        landmarks = read_landmarks(arguments.landmarks, known)
        print("\n".join(landmarks.notes))
        drawn = landmarks.points
        marked = landmarks.on(read_json(folder / "templates.json"))
    with Progress(arguments.progress, "specimen", genus.count) as bar:
        every = list(shapes(genus, statuses, stage.outlines, drawn, bar.update))
    every = [replace(one, pixels_per_mm=None) if one.specimen in refused else one for one in every]
    write(arguments.output, genus, every, states, stage.outlines)
    templates = arguments.output / "templates.json"
    templates.unlink(missing_ok=True)
    if marked:
        write_coco(templates, marked)
    print(f"{arguments.genus}: round {final.round}, {final.why}; {len(every)} specimens")
    for structure in every[0].status if every else ():
        counts: dict[str, int] = {}
        for one in every:
            counts[one.status[structure]] = counts.get(one.status[structure], 0) + 1
        said = ", ".join(f"{count} {status}" for status, count in counts.items())
        print(f"  outlines of {structure}: {said}")


if __name__ == "__main__":
    run(main)
