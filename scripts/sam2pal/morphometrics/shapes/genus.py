"""The shapes of all specimens of a genus and round."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from sam2pal.config.outlines import OutlineOptions
from sam2pal.dataset.landmarks import Points
from sam2pal.dataset.matching import differ
from sam2pal.dataset.runs import rle_size
from sam2pal.images.address import file_of
from sam2pal.images.orientation import mirrors
from sam2pal.images.reading import inspect
from sam2pal.io import tables
from sam2pal.morphometrics.geometry.shape import Shape, measure_together
from sam2pal.morphometrics.measures.dictionary import IMPLAUSIBLE, MEASURED
from sam2pal.morphometrics.measures.scale import Scale
from sam2pal.morphometrics.measures.specimen import SpecimenMasks
from sam2pal.morphometrics.shapes.frame import BodyFrame
from sam2pal.morphometrics.shapes.landmarks import Landmarks, landmarks
from sam2pal.morphometrics.shapes.outlines import Described, OrientedOutline, in_one_piece
from sam2pal.morphometrics.shapes.transfer import OutlinedBody, Template, Transferred, transfer
from sam2pal.morphometrics.tables.columns import COLUMNS
from sam2pal.morphometrics.tables.genus import GenusShards

NO_AXIS, IN_PIECES = "no_axis", "in_pieces"
"""Why a measured structure has no outline: front or rear structure not measured, several pieces."""
Statuses = Mapping[tuple[str, str], str]


@dataclass(frozen=True)
class SpecimenShapes:
    """What is known of the shape of one specimen.

    Attributes:
        image: file name of its photograph.
        width, height: of the photograph as stored, pixels.
        pixels_per_mm: None if not known.
        mirrored: its pixels as stored show the mirror image of its templates.
        status: by structure, `measured` if it has an outline, else why not.
        outlines: of these structures.
        landmarks: (x, y) on the photograph by name.
        drawn: landmarks that a person drew, (x, y) by name.
        transferred: landmarks of the templates.
        sides: pixels left and right by structure in several pieces, and by the names of a pair.
    """

    specimen: str
    image: str
    width: int
    height: int
    pixels_per_mm: float | None
    mirrored: bool
    status: Mapping[str, str]
    outlines: Mapping[str, Described] = field(default_factory=dict)
    landmarks: Landmarks = field(default_factory=dict)
    sides: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    drawn: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    transferred: Mapping[str, Transferred] = field(default_factory=dict)


def read_statuses(
    path: str | Path,
) -> tuple[dict[tuple[str, str], str], dict[tuple[str, str], str], set[str]]:
    """The status and the state of each specimen and structure in a table of measurements, and the specimens
    whose scale is not trusted.

    Raises:
        InputError: it cannot be read.
    """
    names = ("specimen", "structure", "unit", "status", "state", "flags")
    columns = {name: COLUMNS[name] for name in names}
    found: dict[tuple[str, str], str] = {}
    states: dict[tuple[str, str], str] = {}
    refused = set()
    for piece in tables.read_chunks(path, columns, others=False):
        for name, structure, unit, status, state, flags in zip(
            *(piece[of].to_pylist() for of in names), strict=True
        ):
            if not unit.startswith("mm"):  # which may be doubtful for their scale
                found[name, structure], states[name, structure] = status, state
            if {"scale_refused", IMPLAUSIBLE} & {*(flags or "").split(";")}:
                refused.add(name)
    return found, states, refused


def shapes(
    genus: GenusShards,
    statuses: Statuses,
    outlines: OutlineOptions,
    drawn: Mapping[str, Points] | None = None,
    progress: Callable[[], None] = lambda: None,
) -> Iterator[SpecimenShapes]:
    """The shapes of the specimens of a genus, in their order.

    Only masks that were measured with confidence have any (see `statuses`).

    Args:
        drawn: landmarks of templates by specimen.
    """
    drawn = drawn or {}
    templates = _templates(genus, outlines, drawn)
    for case in genus.cases():
        if isinstance(case, SpecimenMasks):
            one, body = _specimen(case, genus, statuses, outlines)
            name = one.specimen
            if name in drawn and not differ(case.photograph or "", genus.templates[name].path):
                one = replace(one, drawn=drawn[name])
            elif body is not None and templates:
                sure = [case.drawn[name].score for name in body.outlines]
                lowest = min((of for of in sure if of is not None), default=1.0)
                one = replace(one, transferred=transfer(templates, body, lowest))
            yield one
        progress()


def _templates(
    genus: GenusShards, outlines: OutlineOptions, drawn: Mapping[str, Points]
) -> list[Template]:
    """The templates with landmarks and outlines."""
    found = []
    for name, points in drawn.items():
        template = genus.templates[name]
        case = SpecimenMasks(name, template.annotations, Scale(), Path(template.path))
        there = {(name, of): MEASURED for of, one in template.annotations.items() if one.area}
        _, body = _specimen(case, genus, there, outlines)
        if body is not None:
            found.append(Template(body.frame, body.outlines, body.defined, points))
    return found


def _specimen(
    case: SpecimenMasks, genus: GenusShards, statuses: Statuses, outlines: OutlineOptions
) -> tuple[SpecimenShapes, OutlinedBody | None]:
    """The shapes of a specimen, and its outlines, which take a hundred times the memory."""
    structures = list(genus.structures or ())
    status = {name: statuses.get((case.specimen, name), "") for name in structures}
    crops = {n: case.crops[n] for n, of in status.items() if of == MEASURED and n in case.crops}
    known = {name: Shape.of(*crops[name], min_part=genus.options.min_part) for name in crops}
    wanted = outlines.outlined(structures, genus.options.curved)
    sizes = (rle_size(case.drawn[name].rle) for name in case.crops)
    height, width = next(sizes, (0, 0))
    image = case.photograph.name if case.photograph else case.specimen
    scale = case.scale.pixels_per_mm
    mirrored = case.mirrored != _stored_mirrored(case.photograph)
    common = (case.specimen, image, width, height, scale, mirrored)
    front, rear = outlines.ends(genus.options.body)
    if front not in known or rear not in known:
        lost = {name: NO_AXIS if name in known else status[name] for name in wanted}
        return SpecimenShapes(*common, lost), None
    body, axis = genus.measuring.axis(crops, known)
    frame = BodyFrame.of(body, axis, known[front].moments, known[rear].moments, mirrored)
    whole = {name: in_one_piece(of.parts) for name, of in known.items()}
    found = {name: OrientedOutline(of.parts[0], frame) for name, of in known.items() if whole[name]}
    slender = {name: known[name] for name in genus.options.curved if name in known}
    measure_together(list(slender.values()))
    order = list(genus.options.body) or structures
    sides = {name: frame.sides(of.parts) for name, of in known.items() if not whole[name]}
    for left, right in outlines.pairs:
        if left in known and right in known:
            sides[f"{left}, {right}"] = known[left].area, known[right].area
    outlined = {name: of for name, of in found.items() if name in wanted}
    result = SpecimenShapes(
        *common,
        {name: IN_PIECES if name in known and not whole[name] else status[name] for name in wanted},
        {n: of.described(outlines.points, outlines.harmonics) for n, of in outlined.items()},
        landmarks({n: of for n, of in found.items() if n not in slender}, slender, order, frame),
        sides,
    )
    return result, OutlinedBody(frame, outlined, result.landmarks)


def _stored_mirrored(photograph: Path | None) -> bool:
    """Whether a photograph is stored as the mirror image of what viewers show (EXIF)."""
    if photograph is None or not Path(file_of(photograph)).is_file():
        return False
    return mirrors(inspect(photograph).orientation)
