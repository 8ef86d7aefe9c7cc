"""What every annotation format is read into, before it is matched to photographs."""

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import shapely
from PIL import Image
from pycocotools import mask as coco_mask
from shapely import STRtree, make_valid
from shapely.geometry import Point, Polygon
from shapely.geometry.base import BaseGeometry

from sam2pal.dataset.dataset import State
from sam2pal.dataset.rle import decode_mask, encode_mask
from sam2pal.images.header import MAX_PIXELS
from sam2pal.io.errors import InputError

LONGEST = 10_000_000
"""Pixels of an outline of one ring; what it takes to fill one grows with its length."""
_MERGED = 32
_DOUBTFUL = 0.005  # share of an outline's area that a slip of the hand may go round twice
_TANGLED = 20_000  # crossings of an outline's lines, beyond which they are not looked at


@dataclass(frozen=True)
class Outline:
    """One drawn piece of one structure.

    Attributes:
        draw: makes the mask, bool `[height, width]`, from height and width.
        size: `(width, height)` that the piece itself has, if it has one (RLE, PNG).
        empty: the annotation says that the specimen does not show the structure.
        why: of an empty one: `absent`, `hidden` or `outside` (of the photograph).
        area, box: pixels, and `(left, top, width, height)`, that the annotation gives beside the
            outline; what they contradict is settled or told.
        rings: of a polygon, each `[x1, y1, x2, y2, ...]`.
        fault: why it cannot be drawn; its structure is then unknown.
    """

    label: str
    where: str
    draw: Callable[[int, int], np.ndarray]
    size: tuple[int, int] | None = None
    bounds: tuple[float, float, float, float] | None = None
    empty: bool = False
    why: str = State.ABSENT
    area: float | None = None
    box: tuple[float, float, float, float] | None = None
    rings: Sequence[Sequence[float]] = ()
    fault: InputError | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Drawing:
    """All outlines of one photograph in one annotation file.

    Attributes:
        displayed: whether the program that drew showed the photograph upright (EXIF obeyed);
            None if that is not known.
        bytes, sha256: of the photograph's file according to the annotation, if it says.
    """

    photograph: str
    where: str
    outlines: list[Outline]
    size: tuple[int, int] | None = None
    displayed: bool | None = None
    bytes: int | None = None
    sha256: str = ""

    def add(self, label: str, where: str, read: Callable[..., Outline | None], *more: Any) -> None:
        """Add what `read(*more)` gives, if anything; one that cannot be drawn where that is damaged."""
        try:
            outline = read(*more)
        except InputError as error:
            outline = faulty_outline(label, where, error)
        except (
            ArithmeticError,
            AttributeError,
            LookupError,
            OSError,
            TypeError,
            ValueError,
        ) as error:
            what = f"{type(error).__name__}: {str(error)[:100]}"
            fault = InputError(f"{where}: it is damaged ({what}); redraw it")
            outline = faulty_outline(label, where, fault)
        if outline is not None:
            self.outlines.append(outline)


@dataclass
class Source:
    """The content of one annotation file or folder."""

    drawings: list[Drawing] = field(default_factory=list)
    ignored: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    faults: list[InputError] = field(default_factory=list)

    def ignore(self, kind: str) -> None:
        """Count one entry that is passed over."""
        self.ignored[kind] = self.ignored.get(kind, 0) + 1


def faulty_outline(label: str, where: str, error: InputError) -> Outline:
    """An outline that cannot be drawn, which whoever draws it looks at first."""
    return Outline(label, where, nothing, fault=error)


def nothing(height: int, width: int) -> np.ndarray:
    """A mask without a pixel."""
    return np.zeros((height, width), bool)


def polygons(
    label: str, where: str, rings: Sequence[Sequence[float]], browser: bool = False
) -> Outline:
    """An outline of one or several polygons, united.

    A ring that lies within another is a hole. A stray ring of one or two points is left out, with
    a note, where there is another. A ring that crosses itself is noted.

    Args:
        rings: each `[x1, y1, x2, y2, ...]` in pixels; `(0, 0)` is the corner of the photograph,
            not the centre of its first pixel.
        browser: the program draws in a browser, which fills what a ring goes round twice
            (non-zero winding); COCO, Qt and ImageJ leave it out (even-odd).

    Raises:
        InputError: a coordinate is missing or not a number, a ring has fewer than 3 points, or
            goes round more than half of its area twice.
    """
    for ring in rings:
        if not all(is_number(v) for v in ring):
            raise InputError(f"{where}: a coordinate of the outline is not a number")
        if len(ring) % 2:
            raise InputError(f"{where}: an outline has an x without its y ({len(ring)} numbers)")
    whole = [[float(v) for v in ring] for ring in rings if len(ring) >= 6]
    if not whole:
        found = max((len(ring) // 2 for ring in rings), default=0)
        raise InputError(
            f"{where}: an outline needs at least 3 points, found {found}; redraw or delete it"
        )
    stray = len(rings) - len(whole)
    notes = (f"{where}: {stray} stray rings of fewer than 3 points left out",) if stray else ()
    filled: list[list[float]] = []
    for ring in whole:
        both = crossing(ring)
        if both is None:
            filled.append(ring)
            continue
        odd, whole_area = both
        if not browser and odd.area < whole_area.area / 2:
            raise InputError(
                f"{where}: its outline goes round the same area twice, so that it is not clear what"
                " lies inside; redraw it"
            )
        twice = whole_area.area > odd.area * (1 + _DOUBTFUL)
        which = f", and what it goes round twice is {'filled' if browser else 'left out'}"
        notes += (
            f"{where}: its outline crosses itself{which if twice else ''}; redraw it, unless the mask"
            " is right",
        )
        filled += _rings_of(whole_area) if browser else [ring]
    whole = filled

    def draw(height: int, width: int) -> np.ndarray:
        _check_length(whole, where)
        return fill(whole, height, width)

    xs = [x for ring in whole for x in ring[0::2]]
    ys = [y for ring in whole for y in ring[1::2]]
    bounds = (min(xs), min(ys), max(xs), max(ys))
    return Outline(label, where, draw, bounds=bounds, rings=whole, notes=notes)


def polygon_with_holes(label: str, where: str, rings: Sequence[Sequence[float]]) -> Outline:
    """An outline of an edge and its holes, which may reach beyond it; InputError as of `polygons`."""
    checked, edge = polygons(label, where, rings), polygons(label, where, rings[:1])
    holes = [ring for ring in rings[1:] if len(ring) >= 6]

    def draw(height: int, width: int) -> np.ndarray:
        _check_length(rings, where)
        mask = edge.draw(height, width)
        return mask & ~united(holes, height, width) if holes else mask

    return replace(checked, draw=draw, rings=())


def _check_length(rings: Sequence[Sequence[float]], where: str) -> None:
    length = max(np.abs(np.diff(np.reshape(ring, (-1, 2)), axis=0)).sum() for ring in rings)
    if length > LONGEST:
        raise InputError(
            f"{where}: its outline is {length:,.0f} pixels long, more than {LONGEST:,}; redraw it"
        )


def crossing(ring: Sequence[float]) -> tuple[BaseGeometry, BaseGeometry] | None:
    """What a ring encloses by the even-odd rule and by that of non-zero winding, if it crosses itself.

    None if that matters little: a ring may touch itself, or run to a hole and back. One that
    crosses itself in thousands of places is not looked at, and is the same by both.
    """
    points = np.reshape(ring, (-1, 2))
    shape = Polygon(points)
    if np.abs(points).max() > LONGEST or shape.is_valid:
        return None
    lines = shapely.linestrings(np.stack([points, np.roll(points, -1, axis=0)], axis=1))
    some = lines[:: max(1, len(lines) // 64)]
    met = STRtree(lines).query(some, predicate="intersects").shape[1] - 3 * len(some)
    if met * len(lines) > _TANGLED * len(some):
        return shape, shape
    faces = shapely.get_parts(shapely.polygonize([shapely.node(shape.exterior)]))
    turns = np.array([_turns(point, points) for point in shapely.point_on_surface(faces)], int)
    areas = shapely.area(faces)
    once = max(areas[turns == 1].sum(), areas[turns == -1].sum())
    if areas[turns != 0].sum() - once <= _DOUBTFUL * once:
        return None
    return shapely.union_all(faces[turns % 2 == 1]), shapely.union_all(faces[turns != 0])


def _turns(point: Point, ring: np.ndarray) -> int:
    """How often a ring `[n, 2]` goes round a point; below 0 the other way."""
    ends = np.roll(ring, -1, axis=0)
    over, over_end = ring[:, 1] > point.y, ends[:, 1] > point.y
    (ax, ay), (bx, by) = ring.T, ends.T
    left = (bx - ax) * (point.y - ay) > (point.x - ax) * (by - ay)
    return int((~over & over_end & left).sum() - (over & ~over_end & ~left).sum())


def _rings_of(area: BaseGeometry) -> list[list[float]]:
    """The edges and holes of an area, `[x1, y1, x2, y2, ...]`."""
    parts = [part for part in shapely.get_parts(area) if isinstance(part, Polygon)]
    lines = [line for part in parts for line in (part.exterior, *part.interiors)]
    return [np.asarray(line.coords)[:-1].ravel().tolist() for line in lines]


def fill(rings: Sequence[Sequence[float]], height: int, width: int) -> np.ndarray:
    """The mask of polygons, united but for those that are holes of others."""
    mask = None
    depths = _depths(rings)
    for depth in sorted(set(depths)):
        filled = united(
            [r for r, at in zip(rings, depths, strict=True) if at == depth], height, width
        )
        mask = filled if mask is None else mask & ~filled if depth % 2 else mask | filled
    return np.zeros((height, width), bool) if mask is None else mask


def united(rings: Sequence[Sequence[float]], height: int, width: int) -> np.ndarray:
    """The mask of polygons, all of them filled."""
    pieces = coco_mask.frPyObjects([list(ring) for ring in rings], height, width)
    while len(pieces) > 1:  # some at a time, as each step costs what there is so far
        groups = (pieces[first : first + _MERGED] for first in range(0, len(pieces), _MERGED))
        pieces = [coco_mask.merge(group) for group in groups]
    return decode_mask(pieces[0])


def holes_of(rings: Sequence[Sequence[float]]) -> list[int]:
    """Which of the rings lie within another one; a ring within a hole is none."""
    return [number for number, depth in enumerate(_depths(rings)) if depth % 2]


def _depths(rings: Sequence[Sequence[float]]) -> list[int]:
    """In how many others each ring lies."""
    if len(rings) < 2:
        return [0] * len(rings)
    shapes = [make_valid(Polygon(list(zip(r[0::2], r[1::2], strict=True)))) for r in rings]
    tree = STRtree(shapes)
    return [
        sum(
            other != number and shapes[other].area > shape.area and shapes[other].covers(shape)
            for other in tree.query(shape)
        )
        for number, shape in enumerate(shapes)
    ]


def is_number(value: object) -> bool:
    """Whether it is a finite number that is not too long for a float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < 1e300 and math.isfinite(value)


def finite(value: object) -> float:
    """A finite number; TypeError for anything else, such as a text or true."""
    if not is_number(value):
        raise TypeError(f"{str(value)[:40]!r} is not a number")
    return float(value)  # type: ignore[arg-type]


def flat(points: object, where: str, more: bool = False) -> list[float]:
    """A ring `[x1, y1, ...]` of a list of pairs of numbers.

    Args:
        more: whether points may have further numbers, such as a height.

    Raises:
        InputError: it is something else.
    """
    sound = isinstance(points, list) and all(
        isinstance(point, list | tuple)
        and (len(point) == 2 or (more and len(point) > 2))
        and all(is_number(value) for value in point)
        for point in points
    )
    if not sound:
        raise InputError(f"{where}: its points are not pairs of numbers; redraw it")
    return [float(value) for point in points for value in point[:2]]


def ellipse(cx: float, cy: float, rx: float, ry: float, turn: float = 0.0) -> list[float]:
    """A ring of 180 points; radii in pixels, `turn` in radians."""
    angles = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    x, y = rx * np.cos(angles), ry * np.sin(angles)
    ring = np.stack(
        [cx + x * np.cos(turn) - y * np.sin(turn), cy + x * np.sin(turn) + y * np.cos(turn)], axis=1
    )
    return ring.ravel().tolist()


def rectangle(left: float, top: float, right: float, bottom: float) -> list[float]:
    """A ring around a rectangle."""
    return [left, top, right, top, right, bottom, left, bottom]


def absent_outline(label: str, where: str, why: str = State.ABSENT) -> Outline:
    """An annotation that says that the specimen does not show the structure, and why."""
    return Outline(label, where, nothing, empty=True, why=why)


def outline_of_mask(label: str, where: str, mask: np.ndarray) -> Outline:
    """An outline of a mask `[height, width]`; absent if no pixel is set."""
    size = (mask.shape[1], mask.shape[0])
    rle = encode_mask(mask)  # a folder of masks would not fit into memory otherwise
    return Outline(label, where, lambda *_: decode_mask(rle), size, empty=not mask.any())


def paste_slices(
    crop: tuple[int, int], left: int, top: int, size: tuple[int, int], where: str
) -> tuple[slice, slice]:
    """Where a mask of `(width, height)` pixels is pasted into a photograph; InputError if it does not fit."""
    if min(left, top) < 0 or left + crop[0] > size[0] or top + crop[1] > size[1]:
        raise InputError(
            f"{where}: its mask of {crop[0]} x {crop[1]} pixels at ({left}, {top}) does not fit into"
            f" the photograph of {size[0]} x {size[1]}; export it again"
        )
    return slice(top, top + crop[1]), slice(left, left + crop[0])


def pasted_png(
    content: bytes, left: int, top: int, size: tuple[int, int], where: str
) -> np.ndarray:
    """A mask of a photograph of `(width, height)` from a PNG of a part of it: opaque, or not black."""
    mask = np.zeros((size[1], size[0]), bool)
    with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
        place = paste_slices(image.size, left, top, size, where)
        opaque = image.mode in ("RGBA", "LA")
        part = image.getchannel("A") if opaque else image.convert("L")
    mask[place] = np.asarray(part) > 0
    return mask


def positive_size(width: object, height: object, where: str) -> tuple[int, int] | None:
    """`(width, height)`, or None where the annotation leaves them out (or writes 0)."""
    if not width and not height:
        return None
    numbers = all(
        isinstance(value, int | float) and not isinstance(value, bool) and value >= 1
        for value in (width, height)
    )
    if not numbers or width * height > MAX_PIXELS:  # type: ignore[operator]
        raise InputError(
            f"{where}: width {width!r} and height {height!r} are not a size in pixels; export it again"
        )
    return int(width), int(height)  # type: ignore[call-overload]
