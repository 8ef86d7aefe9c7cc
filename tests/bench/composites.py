"""Photographs as museums take them: a real specimen, small and off centre, among labels and other clutter."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from sam2pal.dataset.dataset import AnnotatedSpecimen, drawn_annotations
from sam2pal.images.reading import read_photograph
from sam2pal.research.synthetic.labels import fonts, lay_label
from sam2pal.research.synthetic.noise import clouds, grain
from sam2pal.research.synthetic.scenery import lattice

Pixels = NDArray[np.uint8]
SHARES = 0.15, 0.4  # of the photograph's width that the specimen's longer side fills
LEAST_WIDTH = 1500  # smaller photographs are enlarged with their specimen


@dataclass(frozen=True)
class Composite:
    """A photograph and the masks of its specimen.

    Attributes:
        pixels: uint8 [H, W, 3].
        masks: bool [H, W] each.
        enlarged: how many times the specimen was enlarged; 1 is its native size.
        share: its longer side over the photograph's width.
    """

    pixels: Pixels
    masks: dict[str, NDArray[np.bool_]]
    enlarged: float
    share: float


def compose(specimen: AnnotatedSpecimen, rng: np.random.Generator, slats: bool) -> Composite:
    """Paste a specimen, with what lies close around it, into a photograph of 1500 to 4000 pixels.

    Args:
        specimen: its photograph is cut to it.
        slats: lay it on a wooden lattice, else on paper and mostly on a label.
    """
    crop = read_photograph(specimen.path).pixels
    masks = {name: specimen.masks[name] for name in specimen.masks}
    share = float(rng.uniform(*SHARES))
    longer = max(crop.shape[:2])
    enlarged = max(1.0, LEAST_WIDTH * share / longer)
    share = max(share, enlarged * longer / 4000)
    if enlarged > 1:
        crop, masks = _resized(crop, masks, enlarged)
    high, wide = crop.shape[:2]
    longer = max(high, wide)
    width = round(longer / share)
    height = max(round(width * float(rng.choice([0.667, 0.75, 1.0]))), round(1.2 * longer))
    free = np.array([height - high, width - wide])
    top, left = (free * rng.uniform(0.04, 0.96, 2)).astype(int).tolist()
    behind = _background(rng, (height, width), _edge_colour(crop), slats, longer)
    box = (left, top, left + wide, top + high)
    if not slats and rng.random() < 0.7:
        size = wide * rng.uniform(0.9, 2.0), high * rng.uniform(0.6, 1.5)
        place = left + wide / 2, top + high / 2
        lay_label(behind, rng, *place, size, _upright(rng))
    _clutter(behind, rng, box, longer)
    alpha = matte(masks, crop.shape[:2])[None]
    here = behind[:, top : top + high, left : left + wide]
    here += alpha * (np.moveaxis(crop, 2, 0).astype(np.float32) / 255 - here)
    pixels = (np.clip(np.moveaxis(behind, 0, 2), 0, 1) * 255).round().astype(np.uint8)
    placed = {}
    for name, mask in masks.items():
        placed[name] = np.zeros((height, width), bool)
        placed[name][top : top + high, left : left + wide] = mask
    return Composite(pixels, placed, enlarged, longer / width)


def compose_all(
    specimens: list[AnnotatedSpecimen], folder: Path, slats: bool, seed: int = 1
) -> Iterator[AnnotatedSpecimen]:
    """Composites of specimens with the same ids, written as JPEG into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for specimen in specimens:
        made = compose(specimen, np.random.default_rng([seed, int(specimen.specimen)]), slats)
        path = folder / f"{specimen.specimen}.jpg"
        Image.fromarray(made.pixels).save(path, quality=93)
        height, width = made.pixels.shape[:2]
        yield AnnotatedSpecimen(
            specimen.specimen, str(path), width, height, drawn_annotations(made.masks)
        )


def _resized(crop: Pixels, masks: Mapping, factor: float) -> tuple[Pixels, dict]:
    size = round(crop.shape[1] * factor), round(crop.shape[0] * factor)
    resized = {
        name: np.asarray(Image.fromarray(mask).convert("L").resize(size, Image.Resampling.BILINEAR))
        > 127
        for name, mask in masks.items()
    }
    return np.asarray(Image.fromarray(crop).resize(size, Image.Resampling.BICUBIC)), resized


def _edge_colour(crop: Pixels) -> NDArray[np.float32]:
    """The brighter half of the border's pixels: what the specimen lies on."""
    border = np.concatenate([crop[0], crop[-1], crop[:, 0], crop[:, -1]]).astype(np.float32) / 255
    bright = border.sum(1)
    return np.median(border[bright >= np.median(bright)], 0)


def matte(masks: Mapping[str, NDArray[np.bool_]], shape: tuple[int, int]) -> NDArray[np.float32]:
    """How far the crop covers what is behind: the specimen and what is close to it, with a soft edge."""
    union = np.zeros(shape, bool)
    for mask in masks.values():
        union |= mask
    near = max(2, round(max(shape) * 0.02))
    image = Image.fromarray(union.astype(np.uint8) * 255)
    for _ in range(near):
        image = image.filter(ImageFilter.MaxFilter(3))
    soft = image.filter(ImageFilter.GaussianBlur(near / 2))
    return np.asarray(soft, np.float32) / 255


def _background(
    rng: np.random.Generator,
    size: tuple[int, int],
    colour: NDArray[np.float32],
    slats: bool,
    unit: float,
) -> NDArray[np.float32]:
    """Light [3, H, W] of the empty photograph."""
    height, width = size
    if slats:
        return lattice(rng, height, width, unit)
    # half of them as behind the specimen, the others of any paper, foam or board
    if rng.random() < 0.5:
        colour = rng.uniform(0.3, 0.97) - np.array([0, 0.5, 1.2]) * rng.uniform(-0.05, 0.15)
    uneven = clouds(rng, height, width, max(size) * 0.5) * np.float32(rng.uniform(0.01, 0.05))
    uneven += grain(rng, height, width, 1.5) * np.float32(rng.uniform(0.005, 0.02))
    return np.stack([uneven + np.float32(level) for level in colour])


def _upright(rng: np.random.Generator) -> float:
    return float(rng.choice([0, np.pi / 2, -np.pi / 2]) + rng.normal(0, 0.06))


def _clutter(
    light: NDArray[np.float32], rng: np.random.Generator, box: tuple[int, ...], unit: float
) -> None:
    """Labels, a ruler, a colour card, a code, pins and a dark edge, none over the specimen's box."""
    _, height, width = light.shape
    taken = [tuple(box)]
    if rng.random() < 0.3:  # the edge of a drawer or a copy stand
        wide = int(rng.uniform(0.02, 0.05) * width)
        tone = np.float32(rng.uniform(0.02, 0.4))
        if box[0] > wide:
            light[:, :, :wide] = tone
            taken.append((0, 0, wide, height))
    things = ["label"] * int(rng.integers(2, 5)) + ["ruler"] * int(rng.random() < 0.8)
    things += ["card"] * int(rng.random() < 0.5) + ["code"] * int(rng.random() < 0.5)
    things += ["pin"] * int(rng.integers(0, 4))
    for kind in things:
        if kind == "label":
            size = unit * rng.uniform(0.6, 1.6), unit * rng.uniform(0.3, 0.8)
        elif kind == "ruler":
            size = width * rng.uniform(0.2, 0.5), width * rng.uniform(0.02, 0.035)
        elif kind == "card":
            size = width * rng.uniform(0.15, 0.35), width * rng.uniform(0.05, 0.12)
        elif kind == "code":
            size = (unit * rng.uniform(0.2, 0.6),) * 2
        else:
            size = (unit * rng.uniform(0.06, 0.16),) * 2
        if kind != "label" and rng.random() < 0.3:
            size = size[::-1]
        place = _free_place(rng, taken, size, (width, height))
        if place is None:
            continue
        taken.append(place)
        left, top, right, bottom = place
        if kind == "label":
            middle = (left + right) / 2, (top + bottom) / 2
            lay_label(light, rng, *middle, size, float(rng.normal(0, 0.04)))
            continue
        drawing, cover = thing(kind, rng, right - left, bottom - top)
        window = light[:, top:bottom, left:right]
        window += cover * (drawing - window)


def _free_place(
    rng: np.random.Generator, taken: list, size: tuple[float, float], canvas: tuple[int, int]
) -> tuple[int, int, int, int] | None:
    wide, high = (int(value) for value in size)
    if wide >= canvas[0] or high >= canvas[1]:
        return None
    for _ in range(30):
        left, top = int(rng.uniform(0, canvas[0] - wide)), int(rng.uniform(0, canvas[1] - high))
        right, bottom = left + wide, top + high
        if all(right < x or left > r or bottom < y or top > b for x, y, r, b in taken):
            return left, top, right, bottom
    return None


def thing(
    kind: str, rng: np.random.Generator, wide: int, high: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Light [3, h, w] of a thing, and how far it covers what is behind, [h, w]."""
    image = Image.new("RGB", (wide, high), (240, 240, 236))
    pen = ImageDraw.Draw(image)
    cover = Image.new("L", (wide, high), 255)
    if kind == "ruler":
        along = max(wide, high)
        ticks = int(rng.integers(10, 40))
        for number in range(ticks):
            at = number * along / ticks
            if rng.random() < 0.03:
                continue
            long = 0.6 if number % 5 == 0 else 0.35
            if wide >= high:
                pen.rectangle(
                    (at, 0, at + max(1, along / ticks / 8), high * long), fill=(10, 10, 10)
                )
            else:
                pen.rectangle(
                    (0, at, wide * long, at + max(1, along / ticks / 8)), fill=(10, 10, 10)
                )
        size = int(np.clip(min(wide, high) * 0.4, 8, 128))
        pen.text((wide * 0.05, high - size * 1.2), "10 mm", (0, 0, 0), fonts(size))
    elif kind == "card":
        columns, rows = (6, 2) if wide >= high else (2, 6)
        for x in range(columns):
            for y in range(rows):
                colour = tuple(int(v) for v in rng.uniform(0, 255, 3))
                if y == rows - 1:
                    colour = (int(255 * x / max(1, columns - 1)),) * 3
                w, h = wide / columns, high / rows
                ends = (x + 0.08) * w, (y + 0.08) * h, (x + 0.92) * w, (y + 0.92) * h
                pen.rectangle(ends, fill=colour)
    elif kind == "code":
        cells = (rng.random((21, 21)) < 0.5).astype(np.uint8) * 255
        code = Image.fromarray(cells).resize((max(1, wide * 5 // 6), max(1, high * 5 // 6)), 0)
        image.paste(code.convert("RGB"), (wide // 12, high // 12))
    else:
        tone = int(rng.uniform(60, 230))
        cover = Image.new("L", (wide, high), 0)
        ImageDraw.Draw(cover).ellipse((0, 0, wide - 1, high - 1), fill=255)
        pen.rectangle((0, 0, wide, high), fill=(tone, tone, int(tone * rng.uniform(0.6, 1))))
        pen.ellipse((wide * 0.25, high * 0.2, wide * 0.5, high * 0.45), fill=(250, 250, 250))
    light = np.moveaxis(np.asarray(image, np.float32), 2, 0) / 255
    return light, np.asarray(cover, np.float32) / 255
