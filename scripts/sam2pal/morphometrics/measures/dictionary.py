"""Every measure: its name, kind, unit and definition. The column dictionary is written from here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sam2pal.morphometrics.measures.glossary import COLUMNS, FLAGS, STATUSES

SPECIMEN = "specimen"
"""Name under which the whole specimen and its indices stand in the column `structure`."""


@dataclass(frozen=True)
class Measure:
    """One measure of a structure.

    Attributes:
        name: value of the column `measure`.
        exponent: 1 for a length, 2 for an area, 0 for what has no length in it.
        unit: of a measure without length in it, or pixels of a position.
        definition: what it is.
        formula: how it is computed.
        landmarks: the points or curve on the specimen it is taken from.
        offset: by how many times d it grows if the outline moves outwards by d everywhere, as text;
            empty if it has no interval.
        specimen: it is also given for the whole specimen.
    """

    name: str
    exponent: int
    unit: str
    definition: str
    formula: str
    landmarks: str
    offset: str = ""
    specimen: bool = False


def _length(name: str, definition: str, formula: str, landmarks: str, offset: str) -> Measure:
    return Measure(name, 1, "px", definition, formula, landmarks, offset)


_OUTLINE = "smooth outline between the pixels of the mask (morphometrics.outline)"
_MEDIAL = (
    "chordal axis: midpoints of the inner edges of the Delaunay triangulation of the outline, "
    "longest shortest path, continued to the outline at both tips"
)

MEASURES: tuple[Measure, ...] = (
    Measure(
        "area",
        2,
        "px2",
        "area of the structure, holes not counted",
        "number of pixels",
        "all pixels of the mask but specks",
        "perimeter",
        specimen=True,
    ),
    _length(
        "perimeter",
        "length of all outlines, those of holes included",
        "sum of the lengths of the closed outlines",
        _OUTLINE,
        "2 pi (parts - holes)",
    ),
    Measure(
        "convex_area",
        2,
        "px2",
        "area of the smallest convex figure that contains the structure",
        "area of the convex hull",
        "convex hull of the outline of all parts",
        "perimeter of hull",
    ),
    Measure(
        "solidity",
        0,
        "1",
        "how much of its convex hull the structure fills",
        "area / convex_area, at most 1",
        "as area and convex_area",
    ),
    Measure(
        "circularity",
        0,
        "1",
        "1 for a disc, less for anything else",
        "4 pi area / perimeter^2, at most 1",
        "as area and perimeter",
    ),
    Measure(
        "eccentricity",
        0,
        "1",
        "0 for a disc, towards 1 for a line",
        "sqrt(1 - (minor_axis / major_axis)^2)",
        "ellipse of equal second moments of area",
    ),
    _length(
        "major_axis",
        "long axis of the ellipse of equal second moments of area",
        "4 sqrt(larger eigenvalue of the covariance of the pixel areas)",
        "all pixels",
        "",
    ),
    _length(
        "minor_axis",
        "short axis of the ellipse of equal second moments of area",
        "4 sqrt(smaller eigenvalue of the covariance of the pixel areas)",
        "all pixels",
        "",
    ),
    Measure(
        "orientation",
        0,
        "degree",
        "direction of the main axis of inertia on the photograph as stored: 0 along the rows, "
        "counter-clockwise, above -90 to 90",
        "angle of the larger eigenvector of the covariance",
        "all pixels",
        specimen=True,
    ),
    _length(
        "feret_max",
        "largest distance between two points of the outline",
        "largest distance between two corners of the convex hull",
        "convex hull of the outline of all parts",
        "2",
    ),
    _length(
        "feret_min",
        "smallest distance between two parallel lines with the structure between them",
        "smallest width of the convex hull over the directions of its edges",
        "convex hull of the outline of all parts",
        "2",
    ),
    Measure(
        "feret_angle",
        0,
        "degree",
        "direction of feret_max, as orientation",
        "angle of the line between the two points",
        "as feret_max",
    ),
    Measure(
        "centroid_x",
        1,
        "px",
        "centre of area, from the left edge of the photograph as stored",
        "mean of x over the pixel areas",
        "all pixels; the first pixel's centre is at 0.5",
        specimen=True,
    ),
    Measure(
        "centroid_y",
        1,
        "px",
        "centre of area, from the top edge of the photograph as stored",
        "mean of y over the pixel areas",
        "all pixels; the first pixel's centre is at 0.5",
        specimen=True,
    ),
    Measure(
        "parts",
        0,
        "1",
        "number of separate pieces, specks not counted",
        "8-connected components",
        "all pixels",
    ),
    Measure(
        "holes",
        0,
        "1",
        "number of holes",
        "4-connected components of the background inside",
        "all pixels",
    ),
    _length(
        "medial_length",
        "length along the middle of the longest part, from tip to tip, round bends; once round for "
        "a ring; the extent along the main axis of inertia if the part is less than twice as long "
        "as wide",
        "length of the medial axis",
        _MEDIAL,
        "2",
    ),
    _length(
        "medial_length_total",
        "the same, summed over all parts",
        "sum of the lengths",
        _MEDIAL,
        "2 parts",
    ),
    _length(
        "medial_width_mean",
        "mean width across the medial axis of the longest part",
        "area of the part (holes narrower than the part is thick filled) / medial_length",
        "as medial_length",
        "2",
    ),
    _length(
        "medial_width_max",
        "largest width of the longest part",
        "diameter of the largest circle inside it (over holes narrower than the part is thick)",
        _OUTLINE,
        "2",
    ),
    _length(
        "body_length",
        "extent along the body axis",
        "distance between the outermost points, projected on the axis",
        "body axis: see 'specimen.orientation'; convex hull of the outline of all parts",
        "2",
    ),
    _length(
        "body_width",
        "extent across the body axis",
        "distance between the outermost points, projected on the normal of the axis",
        "body axis: see 'specimen.orientation'; convex hull of the outline of all parts",
        "2",
    ),
    Measure(
        "angle_to_body",
        0,
        "degree",
        "angle between the main axis of inertia and the body axis",
        "smaller angle between the two lines, 0 to 90",
        "as orientation, and the body axis",
    ),
    Measure(
        "length",
        1,
        "px",
        "{length}",
        "as the measure named in the definition",
        "as the measure named in the definition",
        "2",
        specimen=True,
    ),
    Measure(
        "width",
        1,
        "px",
        "{width}",
        "as the measure named in the definition",
        "as the measure named in the definition",
        "2",
        specimen=True,
    ),
    *(
        Measure(
            f"lab_{axis}{suffix}",
            0,
            "CIELAB",
            f"{what} of {colour}",
            f"{what} over the pixels, from sRGB with white point D65 (2 degrees)",
            "pixels of the mask at least `colour_erosion` pixels inside its edge",
        )
        for suffix, what in (("", "mean"), ("_sd", "standard deviation"))
        for axis, colour in (
            ("l", "lightness L* (0 black, 100 white)"),
            ("a", "a* (negative green, positive red)"),
            ("b", "b* (negative blue, positive yellow)"),
        )
    ),
)

NAMES = tuple(measure.name for measure in MEASURES)
BY_NAME = {measure.name: measure for measure in MEASURES}
COLOURS = tuple(name for name in NAMES if name.startswith("lab_"))
POSITIONS = ("centroid_x", "centroid_y")
"""Lengths from the corner of the photograph: in pixels only."""


def units(measure: Measure) -> tuple[str, ...]:
    """The units in which a measure is given."""
    if measure.exponent == 0 or measure.name in POSITIONS:
        return (measure.unit,)
    return length_units(measure.exponent)


def length_units(exponent: float) -> tuple[str, str]:
    """Units of a quantity of this power of a length: pixels, millimetres."""
    power = "" if exponent == 1 else f"{exponent:g}"
    return f"px{power}", f"mm{power}"


DICTIONARY_COLUMNS = (
    "kind", "name", "of", "unit", "definition", "formula", "landmarks", "range_by_threshold",
)  # fmt: skip
"""Columns of the column dictionary; kind is measure, index, column, status or flag."""


def dictionary(
    structures: Sequence[str],
    body: Iterable[str],
    body_axis: str,
    curved: Iterable[str],
    indices: Mapping[str, tuple[str, Sequence[str]]],
    leave_out: Iterable[str] = (),
) -> list[dict[str, str]]:
    """The rows of the column dictionary for one configuration.

    Args:
        indices: name -> (expression, units).
        body, body_axis, curved, leave_out: as in `MeasurementOptions`.
    """
    curved, left_out = list(curved), set(leave_out)
    straight = [name for name in structures if name not in curved]
    alias = {
        "length": _alias("medial_length", curved, "body_length", straight),
        "width": _alias("medial_width_max", curved, "body_width", straight),
    }
    axis = (
        "main axis of inertia of"
        if body_axis == "inertia"
        else "line from the centroid of the first to that of the last of"
    )
    rows = []
    for measure in MEASURES:
        if measure.name in left_out:
            continue
        for unit in units(measure):
            of = "structures" + (f", {SPECIMEN}" if measure.specimen else "")
            definition = alias.get(measure.name, measure.definition)
            rows.append(_row(measure, of, unit, definition))
    whole = ", ".join(body)
    rows.append(
        {
            "kind": "measure",
            "name": "orientation, length, width, area, centroid_x, centroid_y",
            "of": SPECIMEN,
            "unit": "as above",
            "definition": f"of the specimen, the union of {whole}; length and width are the extents "
            "along and across the body axis, orientation is that axis'; flag body_incomplete where "
            "one of them is missing, and then no value if `body` is configured",
            "formula": f"body axis: {axis} {whole}",
            "landmarks": f"all pixels of {whole}",
            "range_by_threshold": "area: the changes of all structures together; length and width: "
            "the extents while the outline of each structure moves by its own d, as above",
        }
    )
    for name, (expression, index_units) in indices.items():
        for unit in index_units:
            rows.append(
                {
                    "kind": "index",
                    "name": name,
                    "of": SPECIMEN,
                    "unit": unit,
                    "definition": "index of the configuration",
                    "formula": expression,
                    "landmarks": "as the measures in the formula",
                    "range_by_threshold": "",
                }
            )
    nothing = dict.fromkeys(DICTIONARY_COLUMNS, "")
    for kind, entries in (("column", COLUMNS), ("status", STATUSES), ("flag", FLAGS)):
        rows += [
            nothing | {"kind": kind, "name": name, "definition": definition}
            for name, definition in entries.items()
        ]
    return rows


def _alias(bent: str, curved: Sequence[str], plain: str, straight: Sequence[str]) -> str:
    said = []
    if curved:
        said.append(f"{bent} of {', '.join(curved)} (curved structures)")
    if straight:
        said.append(f"{plain} of {', '.join(straight)}")
    return "; ".join(said)


def _row(measure: Measure, of: str, unit: str, definition: str) -> dict[str, str]:
    formula = measure.formula
    if unit.startswith("mm"):
        power = "" if measure.exponent == 1 else f"^{measure.exponent}"
        formula = f"value in pixels / pixels_per_mm{power}; empty without a scale"
    return {
        "kind": "measure",
        "name": measure.name,
        "of": of,
        "unit": unit,
        "definition": definition,
        "formula": formula,
        "landmarks": measure.landmarks,
        "range_by_threshold": _interval(measure),
    }


def _interval(measure: Measure) -> str:
    """How low_by_threshold and high_by_threshold are had, in words."""
    if not measure.offset:
        return ""
    return (
        f"the outline moves by d on average when the threshold of probability does (from 0.5 to 0.25 "
        f"outwards, to 0.75 inwards: change of area / perimeter), and the value by {measure.offset} "
        "times d"
    )
