"""Write outlines and landmarks of a genus for programs of geometric morphometrics.

    python scripts/export_shapes.py --genus G --runs results/G/untrained results/G/trained \\
        --options options.yaml --output results/G/shapes

A run is the folder of a round, with its shards/, templates.json, morphometrics.parquet and evaluation.csv;
the final one is written. docs/shape.md says what the files hold.
"""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sam2pal.cli import add_options, add_progress, program, run
from sam2pal.config.outlines import OutlineOptions
from sam2pal.config.stages import read_options
from sam2pal.dataset.files import read_json
from sam2pal.dataset.files import write as write_coco
from sam2pal.dataset.judged import Corrections
from sam2pal.dataset.landmarks import Points, read_landmarks
from sam2pal.dataset.photographs import Photographs
from sam2pal.evaluation.final import final_run
from sam2pal.io import tables
from sam2pal.io.errors import InputError
from sam2pal.io.files import atomic
from sam2pal.io.progress import Progress
from sam2pal.morphometrics.shapes import files
from sam2pal.morphometrics.shapes.files import LandmarkConfiguration
from sam2pal.morphometrics.shapes.frame import asymmetry
from sam2pal.morphometrics.shapes.genus import SpecimenShapes, Statuses, read_statuses, shapes
from sam2pal.morphometrics.tables.columns import rounded
from sam2pal.morphometrics.tables.genus import GenusShards

FIRST = dict.fromkeys(("genus", "round", "specimen", "structure"), str)
SYMMETRY = {
    **FIRST,
    **dict.fromkeys(("area_left_px2", "area_right_px2", "area_left_mm2", "area_right_mm2"), float),
    "asymmetry": float,
}
LANDMARKS = {
    **dict.fromkeys(("genus", "round", "specimen", "landmark", "by"), str),
    **dict.fromkeys(("x_px", "y_px", "x_mm", "y_mm", "spread_px", "confidence"), float),
}
BY_MASK, DRAWN, TRANSFERRED = "mask", "drawn", "transferred"
MEANINGS = Path(files.__file__).with_name("columns.tsv")


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
        sorted(folder.glob("shards/*.json")),
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


def write(
    folder: Path,
    genus: GenusShards,
    every: Sequence[SpecimenShapes],
    states: Statuses,
    options: OutlineOptions,
) -> None:
    """All files of a genus."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in [*folder.glob("outline_*"), *folder.glob("landmarks*")]:
        path.unlink()  # of an earlier call, which may have written other structures
    which = {"genus": genus.genus, "round": genus.round}
    for structure in every[0].status if every else ():
        of = [
            configuration(one, one.outlines[structure].semilandmarks)
            for one in every
            if structure in one.outlines
        ]
        if of:
            files.write_tps(folder / f"outline_{structure}.tps", of, 1)
            files.write_morphoj(folder / f"outline_{structure}_morphoj.txt", of)
            rows = [which | files.row(one) for one in of]
            save(folder / f"outline_{structure}.csv", rows, files.columns(options.points))
    marks = {one.specimen: marked(one) for one in every}
    names = list(dict.fromkeys(name for of in marks.values() for name in of))
    if names:
        known = [one for one in every if marks[one.specimen]]
        sure = [placed(one, names, marks, options.landmark_confidence) for one in known]
        files.write_tps(folder / "landmarks.tps", sure, len(names))
        files.write_morphoj(folder / "landmarks_morphoj.txt", sure)
        of = [placed(one, names, marks) for one in known]
        found = [which | row for one in of for row in landmark_rows(one, names, marks)]
        save(folder / "landmarks.csv", found, LANDMARKS)
    found = outline_rows(every, which, states, options)
    save(folder / "outlines.csv", found, outline_columns(options))
    save(folder / "symmetry.csv", symmetry_rows(every, which), SYMMETRY)
    triples = dict.fromkeys(("before", "slide", "after"), int)
    save(folder / "sliders.csv", files.sliders(options.points), triples)
    with atomic(folder / "columns.tsv") as temporary:
        temporary.write_bytes(MEANINGS.read_bytes())


def configuration(one: SpecimenShapes, points: np.ndarray) -> LandmarkConfiguration:
    if one.mirrored:  # as its templates lie, so that shapes can be compared
        points = points * (-1, 1) + (one.width, 0)
    return LandmarkConfiguration(one.specimen, one.image, points, one.height, one.pixels_per_mm)


def marked(one: SpecimenShapes) -> dict[str, dict[str, Any]]:
    """The landmarks of a specimen by name: `point` on its photograph, and further cells of its row."""
    found: dict[str, dict[str, Any]] = {
        name: {"point": one.landmarks[name], "by": BY_MASK} for name in sorted(one.landmarks)
    }
    for name, point in one.drawn.items():
        found[name] = {"point": np.array(point), "by": DRAWN}
    for name, of in one.transferred.items():
        found[name] = {
            "point": of.point,
            "by": TRANSFERRED,
            "spread_px": rounded(of.spread),
            "confidence": rounded(of.confidence),
        }
    return found


def placed(
    one: SpecimenShapes,
    names: Sequence[str],
    marks: Mapping[str, Mapping[str, dict[str, Any]]],
    least: float = 0.0,
) -> LandmarkConfiguration:
    """The landmarks of a specimen; those that it lacks, or of less confidence, are missing."""
    own = (marks[one.specimen].get(name, {}) for name in names)
    nowhere = np.full(2, np.nan)
    points = [of["point"] if of and of.get("confidence", 1.0) >= least else nowhere for of in own]
    return configuration(one, np.stack(points))


def landmark_rows(
    one: LandmarkConfiguration,
    names: Sequence[str],
    marks: Mapping[str, Mapping[str, dict[str, Any]]],
) -> Iterable[dict[str, Any]]:
    for name, (x, y) in zip(names, one.upwards.tolist(), strict=True):
        found = {"specimen": one.specimen, "landmark": name}
        found |= marks[one.specimen].get(name, {})
        found.pop("point", None)
        if not np.isnan(x):
            found |= {"x_px": rounded(x), "y_px": rounded(y)}
            if one.pixels_per_mm:
                scale = one.pixels_per_mm
                found |= {"x_mm": rounded(x / scale), "y_mm": rounded(y / scale)}
        yield found


def outline_columns(options: OutlineOptions) -> dict[str, type]:
    known = FIRST | {
        "status": str,
        "state": str,
        "area_px2": float,
        "area_mm2": float,
        "solidity": float,
    }
    numbers = range(1, options.harmonics + 1)
    return known | {f"{letter}{n}": float for n in numbers for letter in "abcd"}


def outline_rows(
    every: Iterable[SpecimenShapes],
    which: dict[str, Any],
    states: Statuses,
    options: OutlineOptions,
) -> Iterable[dict[str, Any]]:
    names = list(outline_columns(options))[-4 * options.harmonics :]
    for one in every:
        for structure, status in one.status.items():
            row = which | {"specimen": one.specimen, "structure": structure, "status": status}
            row["state"] = states.get((one.specimen, structure), "")
            if structure in one.outlines:
                outline = one.outlines[structure]
                values = outline.fourier.ravel()
                row |= dict(zip(names, map(rounded, values.tolist()), strict=True))
                row |= areas({"area": outline.area}, one.pixels_per_mm)
                row["solidity"] = rounded(outline.solidity)
            yield row


def symmetry_rows(
    every: Iterable[SpecimenShapes], which: dict[str, Any]
) -> Iterable[dict[str, Any]]:
    for one in every:
        for structure, (left, right) in one.sides.items():
            row = which | {"specimen": one.specimen, "structure": structure}
            row |= areas({"area_left": left, "area_right": right}, one.pixels_per_mm)
            yield row | {"asymmetry": rounded(asymmetry(left, right))}


def areas(values: Mapping[str, float], scale: float | None) -> dict[str, float | None]:
    found = {f"{name}_px2": rounded(value) for name, value in values.items()}
    if scale:
        found |= {f"{name}_mm2": rounded(value / scale**2) for name, value in values.items()}
    return found


def save(path: Path, rows: Iterable[dict[str, Any]], columns: dict[str, type]) -> None:
    tables.write(tables.table(rows, columns), path)


if __name__ == "__main__":
    run(main)
