"""Landmarks of templates on specimens: the templates' outlines are bent onto the specimen's.

Every outline has the same number of semilandmarks from the same start, so those of template and specimen
correspond. A thin-plate spline through them takes any point of the template's with it. How far this can be
trusted stands in docs/shape.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator

from sam2pal.morphometrics.geometry.corners import Points
from sam2pal.morphometrics.shapes.frame import BodyFrame
from sam2pal.morphometrics.shapes.outlines import OrientedOutline

POINTS = 64  # of an outline
BESIDE = 0.03  # of the body's length: a landmark farther from all outlines belongs to none
SMOOTHING = 0.03  # of the spline, in squares of the body's length


@dataclass(frozen=True)
class Template:
    """A template with landmarks.

    Attributes:
        landmarks: (x, y) on its photograph by name.
    """

    frame: BodyFrame
    outlines: Mapping[str, OrientedOutline]
    landmarks: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Transferred:
    """A landmark on a specimen.

    Attributes:
        point: (x, y) on its photograph.
        spread: pixels between the places that several templates say, farthest from their mean; None of one.
    """

    point: Points
    spread: float | None


def transfer(
    templates: Sequence[Template], frame: BodyFrame, outlines: Mapping[str, OrientedOutline]
) -> dict[str, Transferred]:
    """The templates' landmarks on a specimen, by name.

    A landmark belongs to the structure that it lies in or nearest to; of structures without an outline on the
    specimen none are transferred, nor are those beside all outlines, such as the tips of antennae.
    """
    found: dict[str, list[Points]] = {}
    for template in templates:
        for name, place in _from(template, frame, outlines):
            found.setdefault(name, []).append(place)
    result = {}
    for name, places in found.items():
        local = np.stack(places)
        mean = local.mean(axis=0)
        spread = float(np.hypot(*(local - mean).T).max()) if len(local) > 1 else None
        result[name] = Transferred(frame.photograph(mean), spread)
    return result


def _from(
    template: Template, frame: BodyFrame, outlines: Mapping[str, OrientedOutline]
) -> list[tuple[str, Points]]:
    common = [name for name in template.outlines if name in outlines]
    if not common:
        return []
    start = _semilandmarks(template.frame, template.outlines, common)
    end = _semilandmarks(frame, outlines, common)
    start_length, end_length = (float(np.ptp(of[:, 1])) for of in (start, end))
    names, points = [], []
    areas = {name: shapely.Polygon(of.points) for name, of in template.outlines.items()}
    for name, xy in template.landmarks.items():
        apart = {of: float(area.distance(shapely.Point(xy))) for of, area in areas.items()}
        nearest = min(apart, key=apart.__getitem__)
        if nearest in common and apart[nearest] <= BESIDE * start_length:
            names.append(name)
            points.append(xy)
    if not names:
        return []
    bend = RBFInterpolator(
        start / start_length,
        end / end_length,
        kernel="thin_plate_spline",
        smoothing=SMOOTHING,
    )
    placed = bend(template.frame.local(np.array(points)) / start_length)
    return list(zip(names, placed * end_length, strict=True))


def _semilandmarks(
    frame: BodyFrame, outlines: Mapping[str, OrientedOutline], names: Sequence[str]
) -> NDArray[np.float64]:
    return np.concatenate([frame.local(outlines[name].semilandmarks(POINTS)) for name in names])
