"""Landmarks of templates on specimens: the templates' outlines are bent onto the specimen's.

Every outline has the same number of semilandmarks from the same start, so those of template and specimen
correspond. A thin-plate spline through them takes any point of the template's with it. How far this can be
trusted is the confidence of each, and stands in docs/shape.md.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from sam2pal.morphometrics.geometry.corners import Points
from sam2pal.morphometrics.shapes.frame import BodyFrame
from sam2pal.morphometrics.shapes.landmarks import Landmarks
from sam2pal.morphometrics.shapes.outlines import OrientedOutline

POINTS = 64  # of an outline
BESIDE = 0.03  # of the body's length: a landmark farther from all outlines belongs to none
SMOOTHING = 0.03  # of the spline, in squares of the body's length
PRIOR, OF_MASKS, OF_CHANGE, OF_MISS = -2.35, 0.87, -5.85, -1.28
"""Log odds that a landmark lies within 5 % of the body's length: a logistic regression, by
`tests/bench/landmarks.py`."""
UNKNOWN = 0.06  # of the body's length: the miss where masks define no point in common


@dataclass(frozen=True)
class OutlinedBody:
    """A specimen's outlines, and the landmarks that its masks define, by name."""

    frame: BodyFrame
    outlines: Mapping[str, OrientedOutline]
    defined: Landmarks


@dataclass(frozen=True)
class Template(OutlinedBody):
    """A template with landmarks.

    Attributes:
        landmarks: (x, y) on its photograph by name.
    """

    landmarks: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Transferred:
    """A landmark on a specimen.

    Attributes:
        point: (x, y) on its photograph.
        spread: pixels between the places that several templates say, farthest from their mean; None of one.
        confidence: probability that it lies within 5 % of the body's length.
    """

    point: Points
    spread: float | None
    confidence: float


def transfer(
    templates: Sequence[Template], body: OutlinedBody, masks: float
) -> dict[str, Transferred]:
    """The templates' landmarks on a specimen, by name.

    A landmark belongs to the structure that it lies in or nearest to; of structures without an outline on the
    specimen none are transferred, nor are those beside all outlines, such as the tips of antennae.

    Args:
        masks: the lowest confidence of the specimen's masks.
    """
    found: dict[str, list[tuple[Points, float, float]]] = {}
    for template in templates:
        for name, *of in bent(template, body):
            found.setdefault(name, []).append((of[0], of[1], of[2]))
    result = {}
    for name, every in found.items():
        places, changes, misses = zip(*every, strict=True)
        local = np.stack(places)
        mean = local.mean(axis=0)
        spread = float(np.hypot(*(local - mean).T).max()) if len(local) > 1 else None
        sure = confidence(masks, float(np.mean(changes)), float(np.mean(misses)))
        result[name] = Transferred(body.frame.photograph(mean), spread, sure)
    return result


def confidence(masks: float, change: float, miss: float) -> float:
    """The probability that a landmark lies within 5 % of the body's length.

    Args:
        masks: the lowest confidence of the specimen's masks.
        change: how much the size of a structure differs from the template's, that of the body being the same:
            the largest absolute logarithm.
        miss: how far the nearest landmark that masks define comes to lie from where the specimen's masks have
            it, as a share of the body's length.
    """
    masks = min(max(masks, 0.01), 0.995)
    odds = PRIOR + OF_MASKS * math.log(masks / (1 - masks))
    odds += OF_CHANGE * change + OF_MISS * math.log(miss + 0.005)
    return 1 / (1 + math.exp(-odds))


def bent(template: Template, body: OutlinedBody) -> Iterator[tuple[str, Points, float, float]]:
    """The name of each landmark, its place in the specimen's frame, and `change` and `miss`."""
    common = [name for name in template.outlines if name in body.outlines]
    if not common:
        return
    start = _semilandmarks(template, common)
    end = _semilandmarks(body, common)
    start_length, end_length = (float(np.ptp(of[..., 1])) for of in (start, end))
    start, end = start / start_length, end / end_length
    sizes = [np.linalg.norm(of - of.mean(1, keepdims=True), axis=(1, 2)) for of in (start, end)]
    change = float(np.abs(np.log(sizes[1] / sizes[0])).max())
    # here, as both take a second to import that no genus without landmarks needs
    from scipy.interpolate import RBFInterpolator
    from scipy.spatial.distance import cdist

    areas = {name: shapely.Polygon(of.points) for name, of in template.outlines.items()}
    names, points = [], []
    for name, xy in template.landmarks.items():
        apart = {of: float(area.distance(shapely.Point(xy))) for of, area in areas.items()}
        nearest = min(apart, key=apart.__getitem__)
        if nearest in common and apart[nearest] <= BESIDE * start_length:
            names.append(name)
            points.append(xy)
    if not names:
        return
    known = [name for name in template.defined if name in body.defined and _firm(name)]
    wanted = np.array([*points, *(template.defined[name] for name in known)])
    wanted = template.frame.local(wanted) / start_length
    ends = start.reshape(-1, 2), end.reshape(-1, 2)
    placed = RBFInterpolator(*ends, kernel="thin_plate_spline", smoothing=SMOOTHING)(wanted)
    new, old = np.split(wanted, [len(names)])
    own = np.array([body.defined[name] for name in known]).reshape(-1, 2)
    misses = np.hypot(*(placed[len(names) :] - body.frame.local(own) / end_length).T)
    misses = np.append(misses, UNKNOWN)
    apart = np.pad(cdist(new, old), ((0, 0), (0, 1)), constant_values=np.inf)
    for name, place, miss in zip(names, placed, misses[apart.argmin(1)].tolist(), strict=False):
        yield name, place * end_length, change, miss


def _firm(name: str) -> bool:
    """Whether the place of a landmark that masks define is certain: not where a round side is outermost."""
    return "-" in name or name.endswith((".front", ".rear"))


def _semilandmarks(body: OutlinedBody, names: Sequence[str]) -> NDArray[np.float64]:
    """[outlines, POINTS, 2] in the frame."""
    return np.stack([body.frame.local(body.outlines[of].semilandmarks(POINTS)) for of in names])
