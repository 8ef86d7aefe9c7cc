"""Landmarks that masks define: extremes along the body's axis, where structures meet, and tips."""

from collections.abc import Mapping, Sequence

import numpy as np
import shapely

from sam2pal.morphometrics.geometry.corners import Points
from sam2pal.morphometrics.geometry.shape import Shape
from sam2pal.morphometrics.shapes.frame import BodyFrame
from sam2pal.morphometrics.shapes.outlines import OrientedOutline

GAP = 0.01  # of the body's length: structures this near to each other meet
SEAM = 0.2  # of the narrower structure's width: a shorter contact is none

Landmarks = dict[str, Points]


def landmarks(
    outlines: Mapping[str, OrientedOutline],
    slender: Mapping[str, Shape],
    body: Sequence[str],
    frame: BodyFrame,
) -> Landmarks:
    """Every landmark of a specimen that its masks define, (x, y) on the photograph by name.

    Args:
        outlines: of structures that are in one piece.
        slender: structures with an axis from base to tip (antennae), of whatever pieces.
        body: structures from front to rear; neighbours may meet.
    """
    found: Landmarks = {}
    for name, outline in outlines.items():
        found |= {f"{name}.{place}": point for place, point in outline.extremes.items()}
    there = [name for name in body if name in outlines]
    if there:
        every = np.concatenate([outlines[name].points for name in there])
        gap = max(2.0, GAP * float(np.ptp(every @ frame.forward)))
        for one, other in zip(there, there[1:], strict=False):
            seam = _seam(outlines[one], outlines[other], frame, gap)
            found |= {f"{one}-{other}.{place}": point for place, point in seam.items()}
        trunk = shapely.MultiLineString([outlines[name].points for name in there])
        for name, shape in slender.items():
            found |= {f"{name}.{end}": point for end, point in _tips(shape, trunk, frame).items()}
    return found


def _seam(one: OrientedOutline, other: OrientedOutline, frame: BodyFrame, gap: float) -> Landmarks:
    """The ends and the middle of the line along which two structures meet, if they do."""
    ring = shapely.LinearRing(other.points)
    points = shapely.points(one.points)
    near = shapely.distance(points, ring) <= gap
    if not near.any():
        return {}
    opposite = shapely.line_interpolate_point(ring, shapely.line_locate_point(ring, points[near]))
    middle = (one.points[near] + shapely.get_coordinates(opposite)) / 2
    across = frame.local(middle)[:, 0]
    order = np.argsort(across, kind="stable")
    middle, across = middle[order], across[order]
    width = min(np.ptp(of.local[:, 0]) for of in (one, other))
    if across[-1] - across[0] < SEAM * width:
        return {}
    half = (across[0] + across[-1]) / 2
    centre = np.array([np.interp(half, across, middle[:, i]) for i in (0, 1)])
    return {"left": middle[0], "middle": centre, "right": middle[-1]}


def _tips(shape: Shape, trunk: shapely.MultiLineString, frame: BodyFrame) -> Landmarks:
    """Base and tip of the one piece on each side; a side with none or several has neither."""
    sides: dict[str, list[Points]] = {"left": [], "right": []}
    for part, axis in zip(shape.parts, shape.axes, strict=True):
        if not axis.closed and not axis.straight:
            side = frame.local(part.outer.points)[:, 0].mean()
            sides["right" if side > 0 else "left"].append(axis.points)
    found = {}
    for side, lines in sides.items():
        if len(lines) == 1:
            ends = lines[0][[0, -1]]
            base, tip = ends[np.argsort(shapely.distance(shapely.points(ends), trunk))]
            found |= {f"base_{side}": base, f"tip_{side}": tip}
    return found
