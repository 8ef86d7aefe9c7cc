"""The dictionary of measures, indices, columns, statuses and flags."""

from collections.abc import Sequence
from pathlib import Path

from sam2pal.config.measurement import MeasurementOptions
from sam2pal.io.files import write_text
from sam2pal.morphometrics.measures.dictionary import MEANINGS, SPECIMEN, Measure, chosen
from sam2pal.morphometrics.measures.indices import Index

COLUMNS = (
    "kind", "name", "of", "unit", "definition", "formula", "landmarks", "range_by_threshold",
)  # fmt: skip
"""Columns of measures.tsv; kind is measure, index, column, status or flag."""


def write_dictionary(
    path: str | Path,
    structures: Sequence[str],
    options: MeasurementOptions,
    indices: Sequence[Index],
) -> None:
    """Write the column dictionary of one configuration as TSV."""
    rows = [COLUMNS, *_measures(structures, options), _whole(structures, options)]
    for index in indices:
        same = (
            "index of the configuration",
            index.expression,
            "as the measures in the formula",
            "",
        )
        rows += [("index", index.name, SPECIMEN, unit, *same) for unit in index.units]
    for kind, meanings in MEANINGS.items():
        rows += [(kind, name, "", "", meaning, "", "", "") for name, meaning in meanings.items()]
    text = "".join("\t".join(row) + "\n" for row in rows)
    write_text(path, text)


def _measures(structures: Sequence[str], options: MeasurementOptions) -> list[tuple[str, ...]]:
    straight = [name for name in structures if name not in options.curved]
    definitions = {
        "length": _either("medial_length", options.curved, "body_length", straight),
        "width": _either("medial_width_max", options.curved, "body_width", straight),
    }
    rows = []
    for measure in chosen(options):
        of = f"structures, {SPECIMEN}" if measure.specimen else "structures"
        definition = definitions.get(measure.name, measure.definition)
        for unit in measure.units:
            rows.append(
                ("measure", measure.name, of, unit, definition, _formula(measure, unit),
                 measure.landmarks, _range(measure))
            )  # fmt: skip
    return rows


def _either(bent: str, curved: Sequence[str], plain: str, straight: Sequence[str]) -> str:
    said = [f"{bent} of {', '.join(curved)} (curved structures)"] if curved else []
    return "; ".join([*said, *([f"{plain} of {', '.join(straight)}"] if straight else [])])


def _formula(measure: Measure, unit: str) -> str:
    if not unit.startswith("mm"):
        return measure.formula
    power = "" if measure.exponent == 1 else f"^{measure.exponent}"
    return f"value in pixels / pixels_per_mm{power}; empty without a scale"


def _range(measure: Measure) -> str:
    if not measure.growth:
        return ""
    return (
        f"the outline moves by d on average when the threshold of probability does (from 0.5 to 0.25 "
        f"outwards, to 0.75 inwards: change of area / perimeter), and the value by {measure.growth} "
        "times d"
    )


def _whole(structures: Sequence[str], options: MeasurementOptions) -> tuple[str, ...]:
    whole = ", ".join(options.body or structures)
    axis = (
        "main axis of inertia of"
        if options.body_axis == "inertia"
        else "line from the centroid of the first to that of the last of"
    )
    return (
        "measure",
        "orientation, length, width, area, centroid_x, centroid_y",
        SPECIMEN,
        "as above",
        f"of the specimen, the union of {whole}; length and width are the extents along and across "
        "the body axis, orientation is that axis'; flag body_incomplete where one of them is "
        "missing, and then no value, unless `body` is not configured and nothing is known of it",
        f"body axis: {axis} {whole}",
        f"all pixels of {whole} but specks",
        "area: the changes of all structures together; length and width: the extents while the "
        "outline of each structure moves by its own d, as above",
    )
