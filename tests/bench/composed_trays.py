"""Photographs of trays: real specimens at their native size, among labels, pins, rulers and cell walls."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

import numpy as np
from composites import matte, thing
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from sam2pal.dataset.dataset import AnnotatedSpecimen
from sam2pal.images.reading import read_photograph
from sam2pal.images.window import Window
from sam2pal.research.synthetic.labels import lay_label
from sam2pal.research.synthetic.noise import tile

Box = tuple[int, int, int, int]  # left, top, width, height
GROUNDS = "plain", "linen", "paper"
CLUTTER = "none", "labels", "cells", "all"


@dataclass(frozen=True)
class Tray:
    """A photograph of many specimens.

    Attributes:
        pixels: uint8 [H, W, 3].
        boxes: of the specimens, (left, top, width, height), in reading order.
        rows: how many specimens each row has.
        touching: whether each specimen's mask touches another's.
        places: of each specimen, which it is, how it was turned and where its photograph lies (left, top).
    """

    pixels: NDArray[np.uint8]
    boxes: list[Box]
    rows: list[int]
    touching: list[bool]
    places: list[tuple[str, int, int, int]]


def compose_tray(
    specimens: Sequence[AnnotatedSpecimen],
    count: int,
    gap: float,
    clutter: str,
    rng: np.random.Generator,
    turns: Sequence[int] = (0,),
) -> Tray:
    """Lay specimens in rows.

    Args:
        specimens: their photographs are cut to them; taken again and again until there are enough.
        gap: between the boxes of neighbours, in median lengths; below 0 they overlap.
        clutter: of `CLUTTER`.
        turns: quarter turns that a specimen may be laid in.
    """
    order = [
        one for _ in range(-(-count // len(specimens))) for one in rng.permutation(len(specimens))
    ]
    laid = []
    for number in order[:count]:
        turn = int(rng.choice(turns))
        laid.append(
            (
                specimens[number].specimen,
                turn,
                *(np.rot90(part, turn) for part in _cut(specimens[number])),
            )
        )
    length = float(np.median([Window.holding(one[3]).side for one in laid]))
    columns = round((count * 1.6) ** 0.5)
    gaps = gap * length
    beside = clutter in ("labels", "all")  # a label below each row's specimens
    places, rows, top, right = [], [], length * 0.6, 0.0
    for first in range(0, count, columns):
        row = laid[first : first + columns]
        if clutter in ("cells", "all") and rng.random() < 0.5:
            row = row[:-1] + [None, row[-1]]  # an empty cell
        high = max(Window.holding(one[3]).height for one in row if one)
        left = length * 0.6
        for one in row:
            wide = Window.holding(one[3]).width if one else length * 0.6
            if one:
                x, y, _, own = Window.holding(one[3]).bbox
                down = rng.uniform(0, 1) * (high - own) * 0.5 + (high - own) * 0.25
                places.append((one, round(left) - x, round(top + down) - y))
            left += wide + gaps * (rng.uniform(0.7, 1.3) if gap > 0 else 1)
        rows.append(sum(one is not None for one in row))
        right = max(right, left)
        top += high + gaps + (length * 0.45 if beside else 0)
    extra = length * (1.1 if clutter in ("labels", "all") else 0.3)
    size = round(top + extra), round(right + length * 0.4)
    pixels = _ground(rng, size)
    boxes = [_moved(Window.holding(one[3]).bbox, left, top) for one, left, top in places]
    if clutter in ("cells", "all"):
        _cells(pixels, rng, boxes, rows, length)
    if clutter in ("labels", "all"):
        _labels(pixels, rng, boxes, rows, length)
    owner = np.zeros((size[0] // 4 + 1, size[1] // 4 + 1), np.int32)
    touching = [False] * count
    for number, ((_, _, crop, mask, cover), left, top) in enumerate(places):
        ends = slice(max(top, 0), top + mask.shape[0]), slice(max(left, 0), left + mask.shape[1])
        here = pixels[ends].astype(np.float32)
        inner = (
            slice(max(-top, 0), max(-top, 0) + here.shape[0]),
            slice(max(-left, 0), max(-left, 0) + here.shape[1]),
        )
        here += cover[inner][..., None] * (crop[inner] - here)
        pixels[ends] = here.round().astype(np.uint8)
        y, x = np.nonzero(mask[inner])
        rows_, columns_ = np.unique(
            np.stack([(y + ends[0].start) // 4, (x + ends[1].start) // 4]), axis=1
        )
        near = set()
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                at = (
                    np.clip(rows_ + dy, 0, owner.shape[0] - 1),
                    np.clip(columns_ + dx, 0, owner.shape[1] - 1),
                )
                near |= set(np.unique(owner[at]).tolist())
        for other in near - {0, number + 1}:
            touching[number] = touching[other - 1] = True
        owner[rows_, columns_] = number + 1
    if clutter != "none":
        _pins(pixels, rng, boxes, length)
    found = [(one[0], one[1], left, top) for one, left, top in places]
    return Tray(pixels, boxes, rows, touching, found)


@cache
def _cut(specimen: AnnotatedSpecimen) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Photograph, mask of all structures, and how far the photograph covers what is behind."""
    union = np.any([specimen.masks[name] for name in specimen.masks], 0)
    near = matte({"all": union}, union.shape)
    return read_photograph(specimen.path).pixels, union, near


def _moved(box: Box, left: int, top: int) -> Box:
    return box[0] + left, box[1] + top, box[2], box[3]


def _ground(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Paper, foam or linen, unevenly lit, uint8 [H, W, 3]."""
    kind = str(rng.choice(GROUNDS))
    tone = rng.uniform(0.6, 0.97) - np.array([0, 0.5, 1.2]) * rng.uniform(-0.05, 0.12)
    high, wide = size[0] // 16 + 2, size[1] // 16 + 2
    slope = np.linspace(-1, 1, wide) * rng.uniform(-1, 1) + np.linspace(-1, 1, high)[
        :, None
    ] * rng.uniform(-1, 1)
    light = tone + slope[..., None] * rng.uniform(0, 0.04)
    small = Image.fromarray((np.clip(light, 0, 1) * 255).astype(np.uint8))
    pixels = np.array(small.resize(size[::-1], Image.Resampling.BILINEAR))
    grain = tile(1.5) * {"plain": 1.5, "linen": 5, "paper": 3}[kind]
    if kind == "linen":  # threads that cross
        threads = np.sin(np.arange(256) * 2 * np.pi / 8) * 6
        grain = grain + threads + threads[:, None]
    for top in range(0, size[0], 256):
        for left in range(0, size[1], 256):
            here = pixels[top : top + 256, left : left + 256]
            here[:] = np.clip(here + grain[: here.shape[0], : here.shape[1], None], 0, 255)
    return pixels


def _by_row(boxes: Sequence[Box], rows: Sequence[int]) -> list[Sequence[Box]]:
    """The boxes of each row, which has so many."""
    ends = list(accumulate(rows))
    return [boxes[end - count : end] for end, count in zip(ends, rows, strict=True)]


def _ends(row: Sequence[Box]) -> tuple[int, int]:
    """Top and bottom of a row."""
    return min(box[1] for box in row), max(box[1] + box[3] for box in row)


def _cells(
    pixels: NDArray[np.uint8],
    rng: np.random.Generator,
    boxes: Sequence[Box],
    rows: Sequence[int],
    length: float,
) -> None:
    """Walls or lines between all neighbours, dark or light."""
    image = Image.fromarray(pixels)
    pen = ImageDraw.Draw(image)
    tone = tuple(
        int(v) for v in rng.choice([[30, 30, 30], [150, 120, 80], [235, 235, 235], [60, 80, 160]])
    )
    wide = max(2, round(length * rng.uniform(0.01, 0.05)))
    laid = _by_row(boxes, rows)
    ends = [_ends(row) for row in laid]
    edges = [ends[0][0] - length * 0.1]
    edges += [(one[1] + other[0]) / 2 for one, other in zip(ends, ends[1:], strict=False)]
    edges += [ends[-1][1] + length * 0.1]
    for edge in edges:
        pen.line((length * 0.2, edge, pixels.shape[1] - length * 0.2, edge), tone, wide)
    for number, row in enumerate(laid):
        walls = [row[0][0] - length * 0.1, row[-1][0] + row[-1][2] + length * 0.1]
        walls += [(a[0] + a[2] + b[0]) / 2 for a, b in zip(row, row[1:], strict=False)]
        for wall in walls:
            pen.line((wall, edges[number], wall, edges[number + 1]), tone, wide)
    pixels[:] = np.asarray(image)


def _labels(
    pixels: NDArray[np.uint8],
    rng: np.random.Generator,
    boxes: Sequence[Box],
    rows: Sequence[int],
    length: float,
) -> None:
    """A label below most specimens; a ruler, a colour card and a code below all."""
    bottoms = [_ends(row)[1] for row in _by_row(boxes, rows) for _ in row]
    for box, bottom in zip(boxes, bottoms, strict=True):
        if rng.random() < 0.8:
            size = min(box[2], length * 0.8), length * rng.uniform(0.2, 0.32)
            middle = box[0] + box[2] / 2, bottom + length * 0.24
            _lay(pixels, rng, middle, size)
    left, top = length * 0.3, max(bottoms) + length * 0.6
    for kind, size in (
        ("ruler", (length * 2.5, length * 0.25)),
        ("card", (length * 1.5, length * 0.45)),
        ("code", (length * 0.4, length * 0.4)),
    ):
        drawing, cover = thing(kind, rng, round(size[0]), round(size[1]))
        here = pixels[
            round(top) : round(top) + round(size[1]), round(left) : round(left) + round(size[0])
        ]
        high, wide = here.shape[:2]
        new = np.moveaxis(drawing, 0, 2)[:high, :wide] * 255
        here[:] = here + cover[:high, :wide, None] * (new - here)
        left += size[0] + length * 0.4


def _lay(pixels: NDArray[np.uint8], rng: np.random.Generator, middle: tuple, size: tuple) -> None:
    pad = round(max(size))
    left, top = max(round(middle[0]) - pad, 0), max(round(middle[1]) - pad, 0)
    here = pixels[top : top + 2 * pad, left : left + 2 * pad]
    light = np.ascontiguousarray(np.moveaxis(here, 2, 0).astype(np.float32) / 255)
    lay_label(light, rng, middle[0] - left, middle[1] - top, size, float(rng.normal(0, 0.03)))
    here[:] = (np.clip(np.moveaxis(light, 0, 2), 0, 1) * 255).round()


def _pins(
    pixels: NDArray[np.uint8], rng: np.random.Generator, boxes: Sequence[Box], length: float
) -> None:
    """A pin's shaft and head on some specimens, reaching beyond them; some lie alone."""
    image = Image.fromarray(pixels)
    pen = ImageDraw.Draw(image)
    for box in boxes:
        if rng.random() < 0.5:
            continue
        x, y = box[0] + box[2] * rng.uniform(0.35, 0.65), box[1] + box[3] * rng.uniform(0.4, 0.7)
        turn, reach = rng.uniform(0, 2 * np.pi), length * rng.uniform(0.1, 0.3)
        ends = x + np.cos(turn) * reach, y + np.sin(turn) * reach
        tone = int(rng.uniform(60, 160))
        pen.line((x, y, *ends), (tone,) * 3, max(2, round(length * 0.01)))
        radius = length * 0.03
        pen.ellipse(
            (ends[0] - radius, ends[1] - radius, ends[0] + radius, ends[1] + radius),
            fill=(tone + 60, tone + 60, tone + 30),
        )
    pixels[:] = np.asarray(image)
