"""Outlines of masks as polygons."""

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import LineString
from skimage.measure import find_contours

from sam2pal.images.reduction import sums_of
from sam2pal.images.window import Window

Polygon = NDArray[np.float64]


def outlines(mask: np.ndarray, coarse: int = 1, tolerance: float = 0.0) -> list[Polygon]:
    """Closed polygons around every piece and every hole of a mask.

    Args:
        mask: bool `[H, W]`.
        coarse: trace the mask reduced by this whole factor, by area; the larger, the faster.
            A mask too thin to survive this is traced where it has any pixel, so that it shows.
        tolerance: how far, in pixels of `mask`, a polygon may stray from the traced line.

    Returns:
        `[n, 2]` points (x, y) in pixels of `mask`, `(0, 0)` its upper left corner; the last point
        of a polygon is the first one again.
    """
    window = Window.holding(mask)
    if not window.side:
        return []
    top, left = window.top // coarse * coarse, window.left // coarse * coarse
    piece = mask[top : window.top + window.height, left : window.left + window.width]
    # beyond the edges there are no pixels
    share = sums_of(sums_of(piece, coarse, 0), coarse, 1) / coarse**2
    found = find_contours(np.pad(share, 1), 0.5) if share.max() > 0.5 else []
    if not found:
        found = find_contours(np.pad((share > 0).astype(np.float32), 1), 0.5)
    polygons = []
    for line in found:
        # contours count from the centres of pixels, and the padding shifts them by one
        points = (line[:, ::-1] - 0.5) * coarse + (left, top)
        polygons.append(simplify(points, tolerance) if tolerance > 0 else points)
    return polygons


def svg_path(polygons: Sequence[Polygon], scale: tuple[float, float]) -> str:
    """The `d` of an SVG path in whole units: points times `scale` (x, y), rounded.

    Polygons that shrink to a point become a short stroke, so that they still show.
    """
    parts = []
    for polygon in polygons:
        points = np.rint(polygon[:-1] * scale).astype(int)
        moves = np.diff(points, axis=0)
        moves = moves[moves.any(1)]
        if not len(moves):
            moves = np.array([[1, 0]])
        text = " ".join(f"{x} {y}" for x, y in moves.tolist()).replace(" -", "-")
        parts.append(f"M{points[0, 0]} {points[0, 1]}l{text}z")
    return "".join(parts)


def simplify(points: Polygon, tolerance: float) -> Polygon:
    """Leave out points of a closed line that lie within `tolerance` of what remains.

    Douglas and Peucker's rule, from two points far apart.
    """
    far = int(((points - points[0]) ** 2).sum(1).argmax())
    halves = (LineString(half) for half in (points[: far + 1], points[far:]))
    there, back = (
        shapely.get_coordinates(half.simplify(tolerance, preserve_topology=False))
        for half in halves
    )
    return np.concatenate([there, back[1:]]) if len(there) + len(back) > 4 else points
