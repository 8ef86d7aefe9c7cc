"""Ranges of lengths and areas while the threshold of the soft mask moves.

Of a soft mask only its areas at three probability thresholds are kept. They say how far the outline
moves when the threshold does: from 0.5 to 0.25 outwards by d = (A(0.25) - A(0.5)) / perimeter on
average, from 0.5 to 0.75 inwards by (A(0.5) - A(0.75)) / perimeter. A length between two points
of the outline then grows by 2 d. That is exact for areas; for lengths it assumes that the outline
moves equally everywhere, so a tip that is less certain than the sides has in truth a wider interval.
It says how sharp the mask is, not how far it may be from the truth: it is not a confidence interval.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from sam2pal.morphometrics.geometry.shape import Shape

Interval = tuple[float, float]
LEVELS = ("0.25", "0.5", "0.75")


def intervals(
    shape: Shape, values: Mapping[str, float], areas: Mapping[str, int]
) -> dict[str, Interval]:
    """Lowest and highest value of the measures that move with the outline; {} where unknown.

    Args:
        values: measures of `shape`, in pixels.
        areas: pixels of the mask at each of `LEVELS`.
    """
    change = area_change(areas)
    if change is None:
        return {}
    less, more = change
    outwards, inwards = more / shape.perimeter, less / shape.perimeter
    holes = sum(len(part.holes) for part in shape.parts)
    growth = {
        "perimeter": 2 * math.pi * (len(shape.parts) - holes),
        "convex_area": shape.convex.length,
        **dict.fromkeys(
            ("feret_max", "feret_min", "body_length", "body_width", "medial_width_mean"), 2.0
        ),
        "medial_width_max": 2.0,
    }
    if "medial_length" in values:
        growth["medial_length"] = 0.0 if shape.longest.closed else 2.0
        growth["medial_length_total"] = 2.0 * sum(not axis.closed for axis in shape.axes)
    found = {
        name: _around(values[name], rate, inwards, outwards)
        for name, rate in growth.items()
        if name in values
    }
    if "area" in values:
        found["area"] = (max(values["area"] - less, 0.0), values["area"] + more)
    return found


def area_change(areas: Mapping[str, int]) -> tuple[float, float] | None:
    """By how many pixels a mask is smaller at the highest of `LEVELS`, and larger at the lowest.

    None if that is not known.
    """
    known = [areas.get(level) for level in LEVELS]
    if any(not isinstance(area, int | float) or isinstance(area, bool) for area in known):
        return None
    wide, middle, narrow = (float(area) for area in known if area is not None)
    return max(middle - narrow, 0.0), max(wide - middle, 0.0)


def body_intervals(
    values: Mapping[str, float],
    shapes: Sequence[Shape],
    changes: Sequence[tuple[float, float]],
    angle: float,
) -> dict[str, Interval]:
    """Ranges of the area, length and width of the union of several structures.

    Args:
        values: of the union, in pixels.
        changes: `area_change` of each structure; zeros where the mask was drawn.
        angle: direction of the length (radians, y down).
    """
    less, more = (sum(change) for change in zip(*changes, strict=True))
    found = {"area": (max(values["area"] - less, 0.0), values["area"] + more)}
    for name, turn in (("length", 0.0), ("width", math.pi / 2)):
        along = np.array([math.cos(angle + turn), math.sin(angle + turn)])
        places = [shape.hull @ along for shape in shapes]
        ends = []
        for sign, of in ((-1, 0), (1, 1)):
            moved = [
                sign * change[of] / shape.perimeter
                for shape, change in zip(shapes, changes, strict=True)
            ]
            first = min(place.min() - by for place, by in zip(places, moved, strict=True))
            last = max(place.max() + by for place, by in zip(places, moved, strict=True))
            ends.append(max(float(last - first), 0.0))
        found[name] = ends[0], ends[1]
    return found


def _around(value: float, rate: float, inwards: float, outwards: float) -> Interval:
    low, high = sorted((value - rate * inwards, value + rate * outwards))
    return max(low, 0.0), high
