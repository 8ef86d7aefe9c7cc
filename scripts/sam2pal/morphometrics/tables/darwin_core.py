"""Measurements, photographs and masks in the terms of Darwin Core and Audiovisual (Audubon) Core."""

import mimetypes
from collections.abc import Container, Iterator, Mapping
from typing import Any

import sam2pal
from sam2pal.config.measurement import MeasurementOptions
from sam2pal.dataset.dataset import BY_HAND, MISSING, AnnotatedSpecimen, State
from sam2pal.dataset.rle import rle_measures
from sam2pal.morphometrics.measures.dictionary import BY_NAME, MEASURED, SPECIMEN
from sam2pal.morphometrics.tables.columns import INTERVALS
from sam2pal.morphometrics.tables.summary import NOT_SUMMARISED

MEASUREMENTS: dict[str, type] = dict.fromkeys(
    (
        *("measurementID", "occurrenceID", "measurementType", "measurementValue"),
        *("measurementAccuracy", "measurementUnit", "measurementMethod"),
        *("measurementDeterminedBy", "measurementRemarks"),
    ),
    str,
)
"""Columns of measurement_or_fact.csv: terms of http://rs.tdwg.org/dwc/terms/."""
MEDIA: dict[str, type] = {
    **dict.fromkeys(
        (
            *("dcterms:identifier", "dc:type", "dc:format", "dcterms:title"),
            *("ac:subtypeLiteral", "ac:providerManagedID", "ac:associatedSpecimenReference"),
        ),
        str,
    ),
    **dict.fromkeys(("exif:PixelXDimension", "exif:PixelYDimension"), int),
    "ac:isROIOf": str,
    **dict.fromkeys(("ac:xFrac", "ac:yFrac", "ac:widthFrac", "ac:heightFrac"), float),
    **dict.fromkeys(("ac:subjectPartLiteral", "dcterms:description"), str),
}
"""Columns of audiovisual.csv: terms of Audiovisual Core, http://rs.tdwg.org/ac/doc/termlist/."""
OF_MASKS = ("parts", "holes")
"""Measures that are not traits of a specimen: a pin makes a hole."""
NAMES = {
    f"lab_{letter}{end}": f"{said} of CIELAB {letter.replace('l', 'L')}*"
    for letter in "lab"
    for end, said in (("", "mean"), ("_sd", "standard deviation"))
}
"""What measures are called where their own name is short."""
_SAME_AS = (
    {"length": "body_length", "width": "body_width"},
    {"length": "medial_length", "width": "medial_width_max"},
)
"""The measures that length and width are, of straight and of curved structures."""
UNITS = {"1": "", "mm2": "mm²", "mm3": "mm³", "degree": "°"}
MADE_BY = f"SAM2-PAL {sam2pal.__version__}"


def occurrence(row: Mapping[str, Any]) -> str:
    """The occurrenceID that the specimen table gives a tidy row, or genus and specimen."""
    return row.get("occurrenceID") or f"{row['genus']}:{row['specimen']}"


def measurement(row: Mapping[str, Any], options: MeasurementOptions) -> dict[str, Any] | None:
    """A tidy row as MeasurementOrFact; None of what was not measured, and of pixels, which are not a unit."""
    structure, measure, unit = row["structure"], row["measure"], row["unit"]
    if row["status"] != MEASURED or row["value"] is None or measure in NOT_SUMMARISED:
        return None
    if unit.startswith("px") or measure in OF_MASKS:
        return None
    bent = structure in options.curved
    known = BY_NAME.get(_SAME_AS[bent].get(measure, measure))
    name = NAMES.get(measure, measure.replace("_", " "))
    is_index = structure == SPECIMEN and known is None
    defined = known.definition if known else f"index {options.indices.get(measure, measure)}"
    scale = f"; scale from {row['scale_source']}" if unit.startswith("mm") else ""
    accuracy = [
        f"{row[low]:g} to {row[high]:g} ({name})"
        for name, (low, high) in INTERVALS.items()
        if None not in (row[low], row[high])
    ]
    confidence = row["confidence"]
    return {
        "measurementID": ":".join((row["genus"], row["specimen"], structure, measure, unit)),
        "occurrenceID": occurrence(row),
        "measurementType": measure if is_index else f"{structure} {name}",
        "measurementValue": f"{row['value']:.7g}",
        "measurementAccuracy": accuracy[0] if accuracy else "",
        "measurementUnit": UNITS.get(unit, unit),
        "measurementMethod": f"{defined}; from a {row['source'] or 'predicted'} mask, round "
        f"{row['round']}{scale}",
        "measurementDeterminedBy": MADE_BY,
        "measurementRemarks": ""
        if confidence is None
        else f"confidence of the mask {confidence:g}",
    }


def state_fact(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """The state of the structure of a tidy row as MeasurementOrFact; None of a mask that is not trusted, and
    where nothing was looked for.
    """
    structure, state = row["structure"], row["state"]
    if structure == SPECIMEN or row["status"] not in (MEASURED, *MISSING):
        return None
    by = (
        "a person"
        if row["source"] in BY_HAND or row["verdict"]
        else "the model; nobody confirmed it"
    )
    return {
        "measurementID": ":".join((row["genus"], row["specimen"], structure, "state")),
        "occurrenceID": occurrence(row),
        "measurementType": f"{structure} state",
        "measurementValue": state,
        "measurementMethod": "found, absent, hidden or outside (cut by the photograph's edge, or beyond"
        f" it); from a {row['source'] or 'predicted'} mask, round {row['round']}",
        "measurementDeterminedBy": MADE_BY,
        "measurementRemarks": f"said by {by}",
    }


def media(
    genus: str, specimen: AnnotatedSpecimen, occurrence_id: str, trusted: Container[str]
) -> Iterator[dict[str, Any]]:
    """The photograph of a specimen, then the bounding boxes of its masks as regions of interest.

    Boxes are fractions of the photograph as stored.
    """
    identifier = f"{genus}/{specimen.name}"
    common = {"dc:type": "StillImage", "ac:associatedSpecimenReference": occurrence_id}
    yield common | {
        "dcterms:identifier": identifier,
        "dc:format": mimetypes.guess_type(specimen.name, strict=False)[0] or "",
        "dcterms:title": f"{genus} {specimen.specimen}",
        "ac:subtypeLiteral": "Photograph",
        "ac:providerManagedID": specimen.file_name,
        "exif:PixelXDimension": specimen.width,
        "exif:PixelYDimension": specimen.height,
    }
    for structure, annotation in specimen.annotations.items():
        unknown = annotation.state == State.UNKNOWN or not annotation.area
        if unknown or structure not in trusted:
            continue
        left, top, width, height = rle_measures(annotation.rle)["bbox"]
        score = None if annotation.by_hand else annotation.score
        yield common | {
            "dcterms:identifier": f"{identifier}#{structure}",
            "dcterms:title": f"{genus} {specimen.specimen}, {structure}",
            "ac:isROIOf": identifier,
            "ac:xFrac": round(left / specimen.width, 6),
            "ac:yFrac": round(top / specimen.height, 6),
            "ac:widthFrac": round(width / specimen.width, 6),
            "ac:heightFrac": round(height / specimen.height, 6),
            "ac:subjectPartLiteral": structure,
            "dcterms:description": f"bounding box of a {annotation.source} mask, state {annotation.state}"
            + ("" if score is None else f", confidence {score:g}"),
        }
