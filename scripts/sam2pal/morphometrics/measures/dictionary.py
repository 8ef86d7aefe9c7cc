"""Every measure, and what columns, statuses and flags mean, as dictionary.tsv defines them."""

import csv
from dataclasses import dataclass
from pathlib import Path

from sam2pal.config.measurement import MeasurementOptions

SPECIMEN = "specimen"
"""Name under which the whole specimen and its indices stand in the column `structure`."""
MEASURED, DOUBTFUL, ABSENT, LOW = "measured", "doubtful", "absent", "low_confidence"
OUTSIDE, HIDDEN = "outside", "hidden"
UNKNOWN = "not_annotated"
"""Values of the column `status`; those of photographs stand in `dataset.states`."""
IMPLAUSIBLE = "implausible_scale"
"""Flag of a scale that does not fit the body lengths of the genus."""


@dataclass(frozen=True)
class Measure:
    """One measure of a structure.

    Attributes:
        exponent: 1 for a length, 2 for an area, 0 for what has no length in it.
        unit: of a measure without length in it, or pixels of a position.
        specimen: it is also given for the whole specimen.
        landmarks: the points or curve on the specimen it is taken from.
        growth: by how many times d it grows if the outline moves outwards by d everywhere, as text;
            empty if it has no interval.
    """

    name: str
    exponent: int
    unit: str
    specimen: bool
    definition: str
    formula: str
    landmarks: str
    growth: str

    @property
    def units(self) -> tuple[str, ...]:
        """The units in which it is given; positions in pixels only."""
        if self.exponent == 0 or self.name.startswith("centroid_"):
            return (self.unit,)
        return length_units(self.exponent)


def length_units(exponent: float) -> tuple[str, str]:
    """Units of a quantity of this power of a length: pixels, millimetres."""
    power = "" if exponent == 1 else f"{exponent:g}"
    return f"px{power}", f"mm{power}"


with Path(__file__).with_name("dictionary.tsv").open(encoding="utf-8", newline="") as _file:
    _ROWS = list(csv.DictReader(_file, delimiter="\t", quoting=csv.QUOTE_NONE))

MEASURES = tuple(
    Measure(
        exponent=int(row["exponent"]),
        specimen=row["specimen"] == "yes",
        **{
            key: row[key]
            for key in ("name", "unit", "definition", "formula", "landmarks", "growth")
        },
    )
    for row in _ROWS
    if row["kind"] == "measure"
)
BY_NAME = {measure.name: measure for measure in MEASURES}
NAMES = tuple(BY_NAME)
MEANINGS = {
    kind: {row["name"]: row["definition"] for row in _ROWS if row["kind"] == kind}
    for kind in ("column", "status", "flag")
}
"""What columns, statuses and flags mean, by kind and name."""
FLAGS = tuple(MEANINGS["flag"])
"""All flags in the order in which they stand."""


def chosen(options: MeasurementOptions) -> list[Measure]:
    """The measures that are computed with these options."""
    return [
        measure
        for measure in MEASURES
        if measure.name not in options.leave_out
        and (options.colour or not measure.name.startswith("lab_"))
    ]
