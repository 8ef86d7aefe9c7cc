"""The files of a genus' outlines and landmarks."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sam2pal.config.outlines import OutlineOptions
from sam2pal.io import tables
from sam2pal.io.files import atomic
from sam2pal.morphometrics.shapes import files
from sam2pal.morphometrics.shapes.files import LandmarkConfiguration
from sam2pal.morphometrics.shapes.frame import asymmetry
from sam2pal.morphometrics.shapes.genus import SpecimenShapes, Statuses
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
            _configuration(one, one.outlines[structure].semilandmarks)
            for one in every
            if structure in one.outlines
        ]
        if of:
            files.write_tps(folder / f"outline_{structure}.tps", of, 1)
            files.write_morphoj(folder / f"outline_{structure}_morphoj.txt", of)
            rows = [which | files.row(one) for one in of]
            _save(folder / f"outline_{structure}.csv", rows, files.columns(options.points))
    marks = {one.specimen: _marked(one) for one in every}
    names = list(dict.fromkeys(name for of in marks.values() for name in of))
    if names:
        known = [one for one in every if marks[one.specimen]]
        sure = [_placed(one, names, marks, options.landmark_confidence) for one in known]
        files.write_tps(folder / "landmarks.tps", sure, len(names))
        files.write_morphoj(folder / "landmarks_morphoj.txt", sure)
        of = [_placed(one, names, marks) for one in known]
        found = [which | row for one in of for row in _landmark_rows(one, names, marks)]
        _save(folder / "landmarks.csv", found, LANDMARKS)
    found = _outline_rows(every, which, states, options)
    _save(folder / "outlines.csv", found, _outline_columns(options))
    _save(folder / "symmetry.csv", _symmetry_rows(every, which), SYMMETRY)
    triples = dict.fromkeys(("before", "slide", "after"), int)
    _save(folder / "sliders.csv", files.sliders(options.points), triples)
    with atomic(folder / "columns.tsv") as temporary:
        temporary.write_bytes(MEANINGS.read_bytes())


def _configuration(one: SpecimenShapes, points: np.ndarray) -> LandmarkConfiguration:
    if one.mirrored:  # as its templates lie, so that shapes can be compared
        points = points * (-1, 1) + (one.width, 0)
    return LandmarkConfiguration(one.specimen, one.image, points, one.height, one.pixels_per_mm)


def _marked(one: SpecimenShapes) -> dict[str, dict[str, Any]]:
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


def _placed(
    one: SpecimenShapes,
    names: Sequence[str],
    marks: Mapping[str, Mapping[str, dict[str, Any]]],
    least: float = 0.0,
) -> LandmarkConfiguration:
    """The landmarks of a specimen; those that it lacks, or of less confidence, are missing."""
    own = (marks[one.specimen].get(name, {}) for name in names)
    nowhere = np.full(2, np.nan)
    points = [of["point"] if of and of.get("confidence", 1.0) >= least else nowhere for of in own]
    return _configuration(one, np.stack(points))


def _landmark_rows(
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


def _outline_columns(options: OutlineOptions) -> dict[str, type]:
    known = FIRST | {
        "status": str,
        "state": str,
        "area_px2": float,
        "area_mm2": float,
        "solidity": float,
    }
    numbers = range(1, options.harmonics + 1)
    return known | {f"{letter}{n}": float for n in numbers for letter in "abcd"}


def _outline_rows(
    every: Iterable[SpecimenShapes],
    which: dict[str, Any],
    states: Statuses,
    options: OutlineOptions,
) -> Iterable[dict[str, Any]]:
    names = list(_outline_columns(options))[-4 * options.harmonics :]
    for one in every:
        for structure, status in one.status.items():
            row = which | {"specimen": one.specimen, "structure": structure, "status": status}
            row["state"] = states.get((one.specimen, structure), "")
            if structure in one.outlines:
                outline = one.outlines[structure]
                values = outline.fourier.ravel()
                row |= dict(zip(names, map(rounded, values.tolist()), strict=True))
                row |= _areas({"area": outline.area}, one.pixels_per_mm)
                row["solidity"] = rounded(outline.solidity)
            yield row


def _symmetry_rows(
    every: Iterable[SpecimenShapes], which: dict[str, Any]
) -> Iterable[dict[str, Any]]:
    for one in every:
        for structure, (left, right) in one.sides.items():
            row = which | {"specimen": one.specimen, "structure": structure}
            row |= _areas({"area_left": left, "area_right": right}, one.pixels_per_mm)
            yield row | {"asymmetry": rounded(asymmetry(left, right))}


def _areas(values: Mapping[str, float], scale: float | None) -> dict[str, float | None]:
    found = {f"{name}_px2": rounded(value) for name, value in values.items()}
    if scale:
        found |= {f"{name}_mm2": rounded(value / scale**2) for name, value in values.items()}
    return found


def _save(path: Path, rows: Iterable[dict[str, Any]], columns: dict[str, type]) -> None:
    tables.write(tables.table(rows, columns), path)
