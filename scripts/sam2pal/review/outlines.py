"""Outlines of masks as polygons."""

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import LineString
from skimage.measure import find_contours

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
    share = _reduce(piece, coarse)
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


def _reduce(mask: np.ndarray, factor: int) -> NDArray[np.float32]:
    """Share of set pixels in blocks of `factor` x `factor`; beyond the edges there are none."""
    if factor == 1:
        return mask.astype(np.float32)
    if mask.strides[0] < mask.strides[1]:  # its columns are what lies together
        return _reduce(mask.T, factor).T
    height, width = (-(-n // factor) * factor for n in mask.shape)
    if (height, width) != mask.shape:
        mask = np.pad(mask, ((0, height - mask.shape[0]), (0, width - mask.shape[1])))
    # whole rows, then whole columns: several times as fast as a mean over blocks
    counts = _sum_of(mask.view(np.uint8).astype(np.min_scalar_type(factor**2), copy=False), factor)
    return _sum_of(counts.T, factor).T.astype(np.float32) / np.float32(factor**2)


def _sum_of(rows: np.ndarray, factor: int) -> np.ndarray:
    """Every `factor` rows as one."""
    total = rows[::factor].copy()
    for first in range(1, factor):
        total += rows[first::factor]
    return total


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
