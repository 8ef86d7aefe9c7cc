"""What every annotation format is read into, before it is matched to photographs."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from pycocotools import mask as coco_mask

from sam2pal.dataset.rle import decode_mask, encode_mask
from sam2pal.images.header import MAX_PIXELS
from sam2pal.io.errors import InputError


@dataclass(frozen=True)
class Outline:
    """One drawn piece of one structure.

    Attributes:
        label: the structure as the annotation calls it.
        where: what messages call this piece, beginning with the file.
        draw: makes the mask, bool `[height, width]`, from height and width.
        size: `(width, height)` that the piece itself has, if it has one (RLE, PNG).
        bounds: `(left, top, right, bottom)` of a polygon, in pixels.
        empty: the annotation says that the specimen lacks the structure.
    """

    label: str
    where: str
    draw: Callable[[int, int], np.ndarray]
    size: tuple[int, int] | None = None
    bounds: tuple[float, float, float, float] | None = None
    empty: bool = False


@dataclass(frozen=True)
class Drawing:
    """All outlines of one photograph in one annotation file.

    Attributes:
        photograph: its file name, as the annotation writes it.
        where: what messages call this entry, beginning with the file.
        size: `(width, height)` of the photograph according to the annotation, if it says.
        displayed: whether the program that drew showed the photograph upright (EXIF obeyed);
            None if that is not known.
    """

    photograph: str
    where: str
    outlines: list[Outline]
    size: tuple[int, int] | None = None
    displayed: bool | None = None


@dataclass
class Source:
    """The content of one annotation file or folder.

    Attributes:
        ignored: how many entries of a kind that is no outline were passed over.
    """

    drawings: list[Drawing] = field(default_factory=list)
    ignored: dict[str, int] = field(default_factory=dict)

    def ignore(self, kind: str) -> None:
        """Count one entry that is passed over."""
        self.ignored[kind] = self.ignored.get(kind, 0) + 1


def polygons(label: str, where: str, rings: Sequence[Sequence[float]]) -> Outline:
    """An outline of one or several polygons, united.

    Args:
        rings: each `[x1, y1, x2, y2, ...]` in pixels; `(0, 0)` is the corner of the photograph,
            not the centre of its first pixel.

    Raises:
        InputError: a coordinate is missing or not a number, or a ring has fewer than 3 points.
    """
    for ring in rings:
        if not all(isinstance(v, int | float) and math.isfinite(v) for v in ring):
            raise InputError(f"{where}: a coordinate of the outline is not a number")
        if len(ring) % 2:
            raise InputError(f"{where}: an outline has an x without its y ({len(ring)} numbers)")
        if len(ring) < 6:
            raise InputError(
                f"{where}: an outline needs at least 3 points, found {len(ring) // 2}; redraw or"
                " delete it"
            )

    def draw(height: int, width: int) -> np.ndarray:
        pieces = coco_mask.frPyObjects([[float(v) for v in ring] for ring in rings], height, width)
        return decode_mask(coco_mask.merge(pieces))

    xs = [x for ring in rings for x in ring[0::2]]
    ys = [y for ring in rings for y in ring[1::2]]
    return Outline(label, where, draw, bounds=(min(xs), min(ys), max(xs), max(ys)))


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


def absent(label: str, where: str) -> Outline:
    """An annotation that says that the specimen lacks the structure."""
    return Outline(label, where, lambda height, width: np.zeros((height, width), bool), empty=True)


def drawn(label: str, where: str, mask: np.ndarray) -> Outline:
    """An outline of a mask `[height, width]`; absent if no pixel is set."""
    size = (mask.shape[1], mask.shape[0])
    rle = encode_mask(mask)  # a folder of masks would not fit into memory otherwise
    return Outline(label, where, lambda *_: decode_mask(rle), size, empty=not mask.any())


def positive_size(width: object, height: object, where: str) -> tuple[int, int] | None:
    """`(width, height)`, or None where the annotation leaves them out (or writes 0)."""
    if not width and not height:
        return None
    numbers = all(
        isinstance(value, int | float) and not isinstance(value, bool) and value >= 1
        for value in (width, height)
    )
    if not numbers or width * height > MAX_PIXELS:  # type: ignore[operator]
        raise InputError(f"{where}: width {width!r} and height {height!r} are not a size")
    return int(width), int(height)  # type: ignore[call-overload]
