"""Masks as polygons that, filled again, are the same masks."""

from collections.abc import Iterator, Sequence

import numpy as np
import scipy
import shapely
import skimage
from shapely.geometry import Polygon

from sam2pal.dataset.drawing import fill
from sam2pal.images.window import Window

Ring = list[float]
_LOOSE = (0.45, 0.35, 0.2, 0.0)
"""Tolerances in pixels, of which the first is taken that leaves the mask as it is."""
_MANY = 1000
"""Rings of a mask that is noise, which is not worth the time to simplify."""


def pieces(mask: np.ndarray, tolerance: float = 0.0) -> list[list[Ring]]:
    """Polygons of a mask bool `[height, width]`: of each piece its edge, then its holes.

    Args:
        tolerance: how far, in pixels, an outline may stray from the mask's; 0 for as few points
            as leave every pixel as it is.

    Returns:
        Rings `[x1, y1, x2, y2, ...]` in pixels, not closed; `(0, 0)` is the photograph's corner.
    """
    place = Window.holding(mask)
    if not place.side:
        return []
    window = mask[place.slices]
    polygons = list(_traced(window))
    rings = sum(1 + len(polygon.interiors) for polygon in polygons)
    for slack in (tolerance,) if tolerance > 0 else _LOOSE if rings < _MANY else ():
        simple = [polygon.simplify(slack) for polygon in polygons]
        if tolerance > 0 or np.array_equal(_filled(simple, window.shape), window):
            polygons = simple
            break
    return [_rings(polygon, place.left, place.top) for polygon in polygons]


def bridged(piece: list[Ring]) -> Ring:
    """The edge of a piece joined to its holes by lines there and back, for tools without holes."""
    edge, *holes = (np.reshape(ring, (-1, 2)) for ring in piece)
    tree = scipy.spatial.cKDTree(edge)
    joined: dict[int, list[np.ndarray]] = {}  # by the point of the edge that a hole is nearest to
    for hole in holes:
        distance, nearest = tree.query(hole)
        start = int(distance.argmin())
        around = np.roll(hole, -start, axis=0)
        at = int(nearest[start])
        joined.setdefault(at, []).append(np.concatenate([around, around[:1], edge[at : at + 1]]))
    points = [np.concatenate([edge[i : i + 1], *joined.get(i, [])]) for i in range(len(edge))]
    return np.concatenate(points).ravel().tolist()


def _filled(polygons: Sequence[Polygon], shape: tuple[int, ...]) -> np.ndarray:
    """The mask of polygons that do not overlap, pieces in holes of others among them."""
    rings = [ring for polygon in polygons for ring in _rings(polygon)]
    there = [ring + ring[:2] for ring in rings]
    back = [ring[:2] for ring in reversed(rings)]
    return fill([[value for ring in (*there, *back) for value in ring]], *shape)


def _traced(mask: np.ndarray) -> Iterator[Polygon]:
    """Lines between pixels that are in the mask and those that are not, without simplification."""
    # contours count from the centres of pixels, and the padding shifts them by one
    lines = skimage.measure.find_contours(np.pad(mask, 1).astype(np.uint8), 0.5)
    rings = [line[:, ::-1] - 0.5 for line in lines]
    lines = [shapely.linearrings(ring) for ring in rings]
    shapes, around_pixels = shapely.polygons(lines), shapely.is_ccw(lines)
    edges, holes = np.flatnonzero(around_pixels), np.flatnonzero(~around_pixels)
    inside: dict[int, list[np.ndarray]] = {int(edge): [] for edge in edges}
    if len(holes):
        tree = shapely.STRtree(shapes[edges])
        starts = shapely.points([rings[hole][0] for hole in holes])
        around: dict[int, list[int]] = {}
        for hole, edge in tree.query(starts, predicate="within").T:
            around.setdefault(int(hole), []).append(int(edges[edge]))
        for hole, several in around.items():
            smallest = min(several, key=lambda edge: shapes[edge].area)
            inside[smallest].append(rings[holes[hole]])
    for edge, within in inside.items():
        yield Polygon(rings[edge], within)


def _rings(polygon: Polygon, left: int = 0, top: int = 0) -> list[Ring]:
    lines = (polygon.exterior, *polygon.interiors)
    return [(np.asarray(line.coords)[:-1] + (left, top)).ravel().tolist() for line in lines]
