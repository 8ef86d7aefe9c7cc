"""All measures of one specimen, from its masks and, for colours, its photograph."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import scipy
from numpy.typing import NDArray

from sam2pal.config.measurement import MeasurementOptions
from sam2pal.dataset.corrections import REFUSED
from sam2pal.dataset.dataset import BY_HAND, Annotation, State
from sam2pal.dataset.runs import rle_size
from sam2pal.dataset.signals import UNLIKE_TEMPLATES
from sam2pal.images.reading import Photograph, colour_profile, read_part
from sam2pal.images.window import Window, enclosing
from sam2pal.io.errors import InputError
from sam2pal.morphometrics.geometry.moments import Moments, pixel_moments
from sam2pal.morphometrics.geometry.outline import outlines
from sam2pal.morphometrics.geometry.shape import Shape, measure_together, upward
from sam2pal.morphometrics.measures.body_lengths import BodyLengths
from sam2pal.morphometrics.measures.calibrated import calibrated
from sam2pal.morphometrics.measures.colour import colour, inner_pixels, to_srgb
from sam2pal.morphometrics.measures.dictionary import (
    ABSENT,
    DOUBTFUL,
    HIDDEN,
    IMPLAUSIBLE,
    LOW,
    MEASURED,
    OUTSIDE,
    SPECIMEN,
    UNKNOWN,
    chosen,
)
from sam2pal.morphometrics.measures.indices import Index
from sam2pal.morphometrics.measures.intervals import area_change, body_intervals, intervals
from sam2pal.morphometrics.measures.plausibility import ORDER, Plausibility
from sam2pal.morphometrics.measures.results import (
    Measured,
    MeasureResult,
    combined,
    in_order,
    worst,
)
from sam2pal.morphometrics.measures.scale import TYPED, Scale

Mask = NDArray[np.bool_]
Crop = tuple[Mask, tuple[int, int]]
"""The part of a mask that holds its pixels, and the (x, y) of its first pixel."""

COLOURED = 100_000  # pixels of a structure whose colours are taken; of twice as many every 2nd


@dataclass(frozen=True)
class SpecimenMasks:
    """A specimen to be measured.

    Attributes:
        drawn: by structure, all of one size; a structure that is not there is unknown.
        photograph: for colours; None leaves them empty.
        predicted: as they were predicted, of a specimen on which a person accepted or corrected
            any.
        mirrored: it was matched with the mirror image of its templates.
        calibrated: `UNTRAINED` or `TRAINED` round of a model of which intervals are known; empty of others.
    """

    specimen: str
    drawn: Mapping[str, Annotation]
    scale: Scale
    photograph: Path | None = None
    predicted: Mapping[str, Annotation] = field(default_factory=dict)
    mirrored: bool = False
    calibrated: str = ""

    @cached_property
    def crops(self) -> dict[str, Crop]:
        """The masks that were not refused, by structure: an empty array if there are no pixels."""
        parts = {name: of.part() for name, of in self.drawn.items() if of.verdict not in REFUSED}
        return {name: (part, box[:2]) for name, (part, box, _) in parts.items()}


class Measuring:
    """Measures specimens with one set of options."""

    def __init__(
        self,
        structures: Sequence[str],
        options: MeasurementOptions,
        indices: Sequence[Index] = (),
        templates: Sequence[Mapping[str, Shape]] = (),
    ) -> None:
        self.structures = list(structures)
        self.options = options
        self.indices = list(indices)
        self._pieces: dict[str, int] = {}  # the most that any template has
        for name, shape in (item for of in templates for item in of.items()):
            self._pieces[name] = max(len(shape.parts), self._pieces.get(name, 0))
        self.body = list(options.body) or self.structures
        self.plausibility = Plausibility(self.structures, self.body, templates)
        self.body_lengths = BodyLengths()
        self._names = [measure.name for measure in chosen(options)]
        self._colours = any(name.startswith("lab_") for name in self._names)

    def _kept(self, values: Mapping[str, float]) -> dict[str, float]:
        return {name: values[name] for name in self._names if name in values}

    def nothing(self, specimen: str, status: str, reason: str, scale: Scale) -> Measured:
        """A specimen without masks: every result is empty and has `status`."""
        return Measured(
            specimen,
            scale,
            {name: MeasureResult(status) for name in (*self.structures, SPECIMEN)},
            {index.name: MeasureResult(status) for index in self.indices},
            reason,
        )

    def measure(self, cases: Sequence[SpecimenMasks]) -> list[Measured]:
        """Measure several specimens: the outlines and axes of all at once, which takes less time."""
        results = self._together(cases)
        checked = [number for number, case in enumerate(cases) if case.predicted]
        before = [
            replace(cases[number], drawn=cases[number].predicted, predicted={})
            for number in checked
        ]
        for number, as_predicted in zip(checked, self._together(before), strict=True):
            results[number].as_predicted = as_predicted
            self._compare(results[number], as_predicted)
        return results

    def _compare(self, checked: Measured, predicted: Measured) -> None:
        """Keep the values before correction beside those after, where the mask would have counted."""
        looked_at = {
            name
            for name in self.structures
            if checked.structures[name].verdict in ("accepted", "corrected")
            and predicted.structures[name].source == "predicted"
        }

        def keep(result: MeasureResult, before: MeasureResult, structures: Iterable[str]) -> None:
            counted = looked_at.issuperset(structures) and before.status == MEASURED
            result.predicted = before.values if counted else {}

        for name in self.structures:
            keep(checked.structures[name], predicted.structures[name], [name])
        keep(checked.structures[SPECIMEN], predicted.structures[SPECIMEN], self.body)
        for index in self.indices:
            of = [name for name, _ in index.names]
            keep(checked.indices[index.name], predicted.indices[index.name], of)

    def _together(self, cases: Sequence[SpecimenMasks]) -> list[Measured]:
        found = [self._present(case) for case in cases]
        crops = [crop for there in found for crop in there.values()]
        loops = iter(outlines([mask for mask, _ in crops], [xy for _, xy in crops]))
        shapes = [
            {name: Shape(next(loops), self.options.min_part) for name in there} for there in found
        ]
        measure_together([shape for of in shapes for shape in of.values()], self.options.leave_out)
        return [
            self._measure(case, there, of)
            for case, there, of in zip(cases, found, shapes, strict=True)
        ]

    def _present(self, case: SpecimenMasks) -> dict[str, Crop]:
        """The structures that are there."""
        crops = {name: case.crops[name] for name in self.structures if name in case.crops}
        return {name: cut for name, cut in crops.items() if cut[0].size}

    def _measure(
        self, case: SpecimenMasks, there: Mapping[str, Crop], shapes: Mapping[str, Shape]
    ) -> Measured:
        whole, angle = self.axis(there, shapes)
        results = {}
        for name in self.structures:
            results[name] = self._state(case.drawn.get(name), name in shapes)
            if name in shapes:
                self._fill(results[name], name, case.drawn[name], shapes[name], angle)
        body = self._body(case.drawn, results, shapes, whole, angle)
        if case.calibrated:
            for result in results.values():
                known = result.signals, result.values, result.intervals
                result.calibrated = calibrated(*known, round=case.calibrated)
            signals = worst([results[name].signals for name in self.body if name in shapes])
            known = signals, body.values, body.intervals
            body.calibrated = calibrated(*known, SPECIMEN, case.calibrated)
        for flag in ("body_incomplete", "body_axis_from_inertia"):
            if flag in body.flags:
                for name in shapes:
                    results[name].flags.append(flag)
        reason = self._add_colours(case, results, there)
        results[SPECIMEN] = body
        if case.scale.reason:
            reason = reason or case.scale.reason
            for result in results.values():
                result.flags.append("scale_refused")
        indices = {index.name: self._index(index, results) for index in self.indices}
        for result in (*results.values(), *indices.values()):
            result.flags = in_order(result.flags)
        plausible = self.plausibility
        quantities, disordered = plausible.quantities(shapes), plausible.out_of_order(shapes)
        return Measured(case.specimen, case.scale, results, indices, reason, quantities, disordered)

    def learn(self, measured: Measured) -> None:
        """Take a specimen: what it looks like, and how long it is."""
        if measured.quantities is not None:
            self.plausibility.add(measured.quantities)
        body, scale = measured.structures[SPECIMEN], measured.scale.pixels_per_mm
        if body.status == MEASURED and scale and body.values.get("length"):
            self.body_lengths.add(body.values["length"], scale)

    def doubt(self, measured: Measured) -> None:
        """Mark what does not look like what was learned, and all made of it.

        A scale that does not fit is flagged, and one that nobody typed is left out
        (see `Measured.scale_doubtful` of the others).
        """
        if measured.quantities is None:
            return
        self._doubt_masks(measured)
        if measured.as_predicted is not None:
            self._doubt_masks(measured.as_predicted)
            self._compare(measured, measured.as_predicted)
        body, scale = measured.structures[SPECIMEN], measured.scale
        if body.status != MEASURED or not scale.pixels_per_mm or not body.values.get("length"):
            return
        why = self.body_lengths.doubt(body.values["length"], scale.pixels_per_mm)
        if not why:
            return
        measured.reason = measured.reason or why
        typed = scale.source in TYPED
        if not typed:
            measured.scale = Scale(reason=why)
        for result in (*measured.structures.values(), *measured.indices.values()):
            flags = [IMPLAUSIBLE, *([] if typed else ["scale_refused"])]
            result.flags = in_order([*result.flags, *flags])

    def _doubt_masks(self, measured: Measured) -> None:
        assert measured.quantities is not None
        found = self.plausibility.flags(measured.quantities)
        for name in measured.disordered:
            found.setdefault(name, []).append(ORDER)
        for name, result in measured.structures.items():
            if UNLIKE_TEMPLATES in result.flags:  # the whole photograph, as segmentation says
                found.setdefault(name, [])
        doubtful = set()
        for name, flags in found.items():
            result = measured.structures[name]
            seen = result.source in BY_HAND or result.verdict == "accepted"
            if not seen and result.status in (MEASURED, LOW, OUTSIDE):
                result.flags = in_order([*result.flags, *flags])
                if result.status == MEASURED:
                    result.status = DOUBTFUL
                    doubtful.add(name)
        whole = measured.structures[SPECIMEN]
        if whole.status == MEASURED and doubtful.intersection(self.body):
            whole.status = DOUBTFUL
            doubtful.add(SPECIMEN)
        for index in self.indices:
            result = measured.indices[index.name]
            if result.status == MEASURED and doubtful.intersection(name for name, _ in index.names):
                result.status = DOUBTFUL

    def _state(self, entry: Annotation | None, present: bool) -> MeasureResult:
        """Status, source and confidence of one structure."""
        if entry is None:
            return MeasureResult(UNKNOWN, UNKNOWN)
        flags = [flag for flag in entry.flags if flag != "absent"]
        if entry.verdict in REFUSED:
            status = entry.verdict
        elif "no_template" in flags:
            status = UNKNOWN
        elif not present:
            status = entry.state if entry.state in (HIDDEN, OUTSIDE) else ABSENT
        else:
            status = MEASURED
        state = "" if status in REFUSED else str(State.FOUND if status == MEASURED else status)
        source = entry.source if status != UNKNOWN else ""
        # of no mask there is none, and of a drawn one it is not estimated
        known = status in (MEASURED, *REFUSED) and not entry.by_hand
        confidence = entry.score if known else None
        low = entry.score is not None and entry.score < self.options.low_confidence
        looked_at = entry.by_hand or entry.verdict == "accepted"
        if low and not looked_at and status == MEASURED:
            status = LOW
            flags.append("low_confidence")
        return MeasureResult(
            status, state, source, entry.verdict, confidence, entry.confidence, flags
        )

    def _fill(
        self, result: MeasureResult, name: str, entry: Annotation, shape: Shape, angle: float
    ) -> None:
        """Measures, intervals and flags of a structure that is there."""
        values = shape.measures(angle, self.options.leave_out)
        found = {} if entry.by_hand else intervals(shape, values, entry.areas)
        bent = name in self.options.curved
        for of in (values, found):
            if (length := "medial_length" if bent else "body_length") in of:
                of["length"] = of[length]
            if (width := "medial_width_max" if bent else "body_width") in of:
                of["width"] = of[width]
        result.values, result.intervals = self._kept(values), found
        height, width = rle_size(entry.rle)
        if shape.touches(width, height):
            result.flags.append("touches_border")
            result.state = OUTSIDE
            result.status = OUTSIDE if result.status == MEASURED else result.status
        if shape.specks:
            result.flags.append("specks")
        if len(shape.parts) > self._pieces.get(name, len(shape.parts)):
            result.flags.append("fragments")

    def axis(
        self, crops: Mapping[str, Crop], shapes: Mapping[str, Shape]
    ) -> tuple[Moments | None, float]:
        """Moments of the specimen and the direction of its body axis (radians, y down)."""
        # of whatever there is if the body is not, so that the structures keep a direction
        there = [name for name in self.body if name in shapes] or list(shapes)
        if not there:
            return None, 0.0
        measured = [_without_specks(crops[name], shapes[name]) for name in there]
        moments = pixel_moments(*united(measured))
        if self.options.body_axis == "ends":
            ends = [shapes[name].moments.centre for name in self.body if name in shapes]
            if len(ends) > 1 and ends[0] != ends[-1]:
                (x, y), (to_x, to_y) = ends[0], ends[-1]
                return moments, math.atan2(to_y - y, to_x - x)
        return moments, moments.angle

    def _body(
        self,
        entries: Mapping[str, Annotation],
        results: Mapping[str, MeasureResult],
        shapes: Mapping[str, Shape],
        whole: Moments | None,
        angle: float,
    ) -> MeasureResult:
        """The whole specimen."""
        there = [name for name in self.body if name in shapes]
        if not there or whole is None:
            status = ABSENT
            if self.body and all(results[name].status == UNKNOWN for name in self.body):
                status = UNKNOWN
            refused = [r for name in self.body if (r := results[name]).status in REFUSED]
            return combined(refused) if refused else MeasureResult(status)
        result = combined([results[name] for name in there])
        hull = np.concatenate([shapes[name].hull for name in there])
        along = np.array([math.cos(angle), math.sin(angle)])
        result.values = {
            "area": whole.area,
            "orientation": upward(angle),
            "centroid_x": whole.centre[0],
            "centroid_y": whole.centre[1],
            "length": float(np.ptp(hull @ along)),
            "width": float(np.ptp(hull @ np.array([-along[1], along[0]]))),
        }
        if any(not entries[name].by_hand for name in there):
            changes = [
                (0.0, 0.0) if entries[name].by_hand else area_change(entries[name].areas)
                for name in there
            ]
            known = [change for change in changes if change is not None]
            if len(known) == len(there):
                parts = [shapes[name] for name in there]
                result.intervals = body_intervals(result.values, parts, known, angle)
        result.values = self._kept(result.values)
        kept = ("low_confidence", "touches_border")
        result.flags = [flag for flag in result.flags if flag in kept]
        if len(there) < len(self.body):
            result.flags.append("body_incomplete")
        if self.options.body_axis == "ends" and len(there) < 2:
            result.flags.append("body_axis_from_inertia")
        missing = [results[name] for name in self.body if name not in shapes]
        if not self.options.body:  # of all structures those are the body that the templates show
            missing = [of for of in missing if of.status != UNKNOWN]
        if missing:
            # without its head a beetle has no body length
            lacking = combined(missing)
            result.status, result.state, result.values = lacking.status, lacking.state, {}
            result.source = lacking.source or result.source
            result.intervals = {}
        return result

    def _add_colours(
        self, case: SpecimenMasks, results: Mapping[str, MeasureResult], crops: Mapping[str, Crop]
    ) -> str:
        """Colours of all structures that are there; the reason if they cannot be had."""
        if not self._colours or not crops:
            return ""
        reason, photograph, profile = "no photograph is named", None, None
        path = case.photograph
        if path is not None:
            try:
                profile = colour_profile(path)
                photograph = read_part(path, _around(crops.values()))
                size = rle_size(case.drawn[next(iter(crops))].rle)
                if (photograph.height, photograph.width) != size:
                    reason = (
                        f"{path}: the photograph has {photograph.width} x {photograph.height} "
                        f"pixels, its masks {size[1]} x {size[0]}; segment it again"
                    )
                    photograph = None
            except InputError as error:
                reason = str(error)
        for name, cut in crops.items():
            found = {}
            if photograph is not None:
                found = self._colour(cut, case.drawn[name], photograph, profile)
            if not found:
                results[name].flags.append("no_colour")
            results[name].values |= self._kept(found)
        return reason if photograph is None else ""

    def _colour(
        self, cut: Crop, entry: Annotation, photograph: Photograph, profile: bytes | None
    ) -> dict[str, float]:
        part, (x, y) = cut
        if photograph.orientation != 1:
            mask = photograph.to_upright(entry.mask())
            window = Window.holding(mask)
            part, (x, y) = mask[window.slices], (window.left, window.top)
        rows, columns = inner_pixels(part, self.options.colour_erosion, COLOURED)
        rows, columns = rows + y - photograph.shown.top, columns + x - photograph.shown.left
        return colour(to_srgb(np.ascontiguousarray(photograph.pixels[rows, columns].T), profile))

    def _index(self, index: Index, results: Mapping[str, MeasureResult]) -> MeasureResult:
        names = dict.fromkeys(structure for structure, _ in index.names)
        parts = [results[name] for name in names]
        result = combined(parts)
        value = index.value({key: results[key[0]].values.get(key[1]) for key in index.names})
        if value is not None:
            result.values = {index.name: value}
            return result
        if result.status in (MEASURED, LOW):
            result.status = ABSENT
        if lacking := [of for of in parts if not of.values]:
            result.source = combined(lacking).source or result.source
        return result


def _around(crops: Collection[Crop]) -> tuple[int, int, int, int]:
    """(left, top, width, height) of all."""
    return enclosing([(*place, part.shape[1], part.shape[0]) for part, place in crops])


def _without_specks(crop: Crop, shape: Shape) -> Crop:
    """The pieces of a mask that are measured: a speck far from a round body would turn its axis."""
    if not shape.specks:
        return crop
    mask, (left, top) = crop
    pieces, _ = scipy.ndimage.label(mask, np.ones((3, 3)))
    inside = np.array([part.outer.beside for part in shape.parts]) - (left, top)
    columns, rows = np.floor(inside).astype(int).T
    return np.isin(pieces, pieces[rows, columns]), (left, top)


def united(crops: Sequence[Crop]) -> Crop:
    """Of masks of one photograph."""
    if len(crops) == 1:
        return crops[0]
    left, top, width, height = _around(crops)
    union = np.zeros((height, width), bool)
    for part, (x, y) in crops:
        union[y - top : y - top + part.shape[0], x - left : x - left + part.shape[1]] |= part
    return union, (left, top)
