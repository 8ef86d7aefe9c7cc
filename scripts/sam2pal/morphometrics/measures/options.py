"""The options of measuring, the section `measurement` of the configuration."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from sam2pal.io.errors import InputError, nearest
from sam2pal.morphometrics.measures.dictionary import NAMES, SPECIMEN
from sam2pal.morphometrics.measures.indices import Index, parse_index

SCALES = ("specimen_table", "genus", "exif")
BODY_AXES = ("inertia", "ends")


@dataclass(frozen=True)
class MeasurementOptions:
    """What is measured, and how.

    Attributes:
        leave_out: measures that are not computed.
        indices: name -> expression over measures, see `indices.parse_index`.
        body: structures whose union is the specimen, for the body axis; none: all.
        body_axis: `inertia`, the main axis of inertia of that union; or `ends`, the line from the
            centroid of the first to that of the last structure of `body` that is there.
        curved: structures whose `length` and `width` are taken along and across their own medial
            axis (antennae, legs); those of all others along and across the body axis.
        min_part: pieces of a structure smaller than this share of it are specks: measured in
            nothing, and flagged.
        colour: whether colours are measured, for which photographs are read.
        colour_erosion: pixels from the edge of a mask that are left out of its colour.
        scale: sources of pixels per millimetre, the first that has one is taken: `specimen_table`,
            `genus`, `exif` (the resolution in the photograph; only if it is known to be that of
            the specimen and not of a printer).
        low_confidence: a predicted mask below this confidence has the status low confidence.
        template_range: a structure is outside the templates' range if its share of the specimen's
            area or its elongation is this many times larger or smaller than in any template.
    """

    leave_out: list[str] = field(default_factory=list)
    indices: dict[str, str] = field(default_factory=dict)
    body: list[str] = field(default_factory=list)
    body_axis: str = "inertia"
    curved: list[str] = field(default_factory=list)
    min_part: float = 0.01
    colour: bool = True
    colour_erosion: float = 2.0
    scale: list[str] = field(default_factory=lambda: ["specimen_table", "genus"])
    low_confidence: float = 0.5
    template_range: float = 2.0

    def __post_init__(self) -> None:
        for name in ("leave_out", "body", "curved", "scale"):
            value = getattr(self, name)
            if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
                raise ValueError(f"{name} is {value!r}; give a list of names")
            for entry in value:
                if list(value).count(entry) > 1:
                    raise ValueError(f"{name} names '{entry}' twice")
        if not isinstance(self.indices, Mapping):
            raise ValueError(f"indices is {self.indices!r}; give names with expressions")
        for name in ("min_part", "colour_erosion", "low_confidence", "template_range"):
            _number(name, getattr(self, name))
        for entry in self.leave_out:
            if entry not in NAMES:
                raise ValueError(f"leave_out: unknown measure '{entry}'{nearest(entry, NAMES)}")
        for entry in self.scale:
            if entry not in SCALES:
                raise ValueError(
                    f"scale: unknown source '{entry}'{nearest(entry, SCALES)}; known: "
                    f"{', '.join(SCALES)}"
                )
        if self.body_axis not in BODY_AXES:
            raise ValueError(f"body_axis is {self.body_axis!r}; give {' or '.join(BODY_AXES)}")
        if self.body_axis == "ends" and len(self.body) < 2:
            raise ValueError("body_axis 'ends' needs two or more structures in body, front to rear")
        if not isinstance(self.colour, bool):
            raise ValueError(f"colour is {self.colour!r}; give true or false")
        if not 0 <= self.min_part < 0.5:
            raise ValueError(f"min_part is {self.min_part}; it is a share, from 0 to below 0.5")
        if not 0 <= self.colour_erosion <= 100:
            raise ValueError(f"colour_erosion is {self.colour_erosion}; give 0 to 100 pixels")
        if not 0 <= self.low_confidence <= 1:
            raise ValueError(f"low_confidence is {self.low_confidence}; it lies between 0 and 1")
        if self.template_range <= 1:
            raise ValueError(f"template_range is {self.template_range}; it is a factor above 1")


def _number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}; give a number")


def check_structures(options: MeasurementOptions, structures: Collection[str]) -> list[Index]:
    """Check every name in the options against the structures; return the parsed indices.

    Raises:
        InputError: an unknown structure, with the nearest right one; an index that is not
            understood or that uses a measure that is left out.
    """
    if SPECIMEN in structures:
        raise InputError(
            f"a structure is named '{SPECIMEN}', which stands for the whole specimen in the "
            "results; rename it"
        )
    for key in ("body", "curved"):
        for name in getattr(options, key):
            if name not in structures:
                raise InputError(
                    f"measurement: {key}: unknown structure '{name}'{nearest(name, structures)}; "
                    f"known: {', '.join(structures)}"
                )
    parsed = []
    for name, expression in options.indices.items():
        if not str(name).strip() or name in NAMES:
            raise InputError(
                f"measurement: indices: '{name}' cannot be the name of an index"
                + (", as a measure has it; choose another" if name in NAMES else "")
            )
        index = parse_index(name, expression, structures)
        for structure, measure in index.names:
            if measure in options.leave_out or (measure.startswith("lab_") and not options.colour):
                raise InputError(
                    f"index '{name}' uses {structure}.{measure}, which is left out of measuring"
                )
        parsed.append(index)
    return parsed
