"""Printed collection labels."""

import string
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from sam2pal.research.synthetic.shading import Array

PLACES = "USA CALIFORNIA ALASKA COLORADO TEXAS VIRGINIA MUSEUM Coll. leg. det. N37 W119 Ridge"
PLACES += " Creek Station Forest trap pitfall Env Res Ctr Lab No. Mus. Prov. Rio Monte Lago 3 Jun"
PLACES += " 12-VII-1987 2019 Holotype Bot. Garden Mtn Lake alt. 1200m 43.22 -103.9 ex Malaise NEON"
WORDS = PLACES.split()
SHEETS = 96
SHEET_WIDTH, SHEET_HEIGHT = 384, 256
BEYOND = 255  # what lies beyond a label's edge


@lru_cache(maxsize=128)
def fonts(size: int) -> ImageFont.FreeTypeFont:
    """The font of this height in pixels."""
    # the basic layout is always there, and quicker
    return ImageFont.load_default(size).font_variant(layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=SHEETS * 3)
def sheet(number: int, halvings: int) -> Image.Image:
    """A sheet of print, how far each pixel is inked (0..254), made smaller by halves."""
    if halvings:
        return sheet(number, halvings - 1).reduce(2)
    rng = np.random.default_rng([41, number])
    image = Image.new("L", (SHEET_WIDTH, SHEET_HEIGHT), 0)
    draw = ImageDraw.Draw(image)
    size = int(np.clip(SHEET_HEIGHT / rng.uniform(2.2, 9), 24, 128)) // 4 * 4
    font = fonts(size)
    stroke = int(rng.integers(0, 1 + size // 14)) if rng.random() < 0.5 else 0
    y = rng.uniform(-0.4, 0.3) * size
    gap = size * rng.uniform(1.0, 1.35)
    while y < SHEET_HEIGHT:
        words = []
        for _ in range(int(rng.integers(2, 6))):
            if rng.random() < 0.75:
                words.append(WORDS[int(rng.integers(len(WORDS)))])
            else:
                letters = rng.integers(0, 36, int(rng.integers(2, 9)))
                words.append("".join((string.ascii_uppercase + string.digits)[i] for i in letters))
        draw.text((rng.uniform(-1.5, 1) * size, y), " ".join(words), 254, font, stroke_width=stroke)
        y += gap
    if rng.random() < 0.2:
        draw.rectangle((2, 2, SHEET_WIDTH - 3, SHEET_HEIGHT - 3), outline=254, width=2)
    return image


def lay_label(
    pixels: Array,
    rng: np.random.Generator,
    x: float,
    y: float,
    size: tuple[float, float],
    angle: float,
) -> tuple[slice, slice, NDArray[np.bool_]] | None:
    """Lay a label of `size` (width, height) with its shadow into `pixels`, its centre at (x, y).

    Returns the window it was laid into and which of the window's pixels it covers, or None if
    it lies outside.
    """
    warm, white = rng.uniform(0, 0.12), rng.uniform(0.72, 1.0)
    paper = white * (1 - warm * np.array([0, 0.5, 1.3]))
    if rng.random() < 0.1:
        paper = rng.uniform(0.5, 1.0, 3)
    ink = rng.uniform(0, 0.35) + rng.uniform(0, 0.06, 3)
    shade = rng.uniform(0, 0.4)
    number = int(rng.integers(SHEETS))

    _, height, width = pixels.shape
    c, s = float(np.cos(angle)), float(np.sin(angle))
    w, h = size
    reach_x = (abs(c) * w + abs(s) * h) / 2 + 4
    reach_y = (abs(s) * w + abs(c) * h) / 2 + 4
    left, right = max(0, int(x - reach_x)), min(width, int(x + reach_x) + 1)
    top, bottom = max(0, int(y - reach_y)), min(height, int(y + reach_y) + 1)
    if left >= right or top >= bottom:
        return None
    shrink = min(SHEET_WIDTH / w, SHEET_HEIGHT / h)
    print_ = sheet(number, 0 if shrink < 1.5 else 1 if shrink < 3 else 2)
    x, y = x - left, y - top
    across, down = print_.width / w, print_.height / h
    matrix = (
        c * across,
        s * across,
        print_.width / 2 - (c * x + s * y) * across,
        -s * down,
        c * down,
        print_.height / 2 + (s * x - c * y) * down,
    )
    drawn = print_.transform(
        (right - left, bottom - top),
        Image.Transform.AFFINE,
        matrix,
        Image.Resampling.BILINEAR,
        fillcolor=BEYOND,
    )
    values = np.asarray(drawn)
    shown = values != BEYOND
    window = pixels[:, top:bottom, left:right]
    if shade > 0.03:
        cover = Image.fromarray(shown.astype(np.uint8) * 255).filter(ImageFilter.BoxBlur(2))
        soft = np.asarray(ImageChops.offset(cover, 2, 2), np.float32)
        window *= 1 - soft * np.float32(shade / 255)
    inked = values * np.float32(1 / 254)
    for plane, light, dark in zip(window, paper, ink, strict=True):
        np.copyto(plane, np.float32(light) + inked * np.float32(dark - light), where=shown)
    return slice(top, bottom), slice(left, right), shown
