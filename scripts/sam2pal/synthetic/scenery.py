"""What lies behind and before a specimen: paper, labels, slats, pins."""

import string

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from sam2pal.synthetic.canvas import Canvas
from sam2pal.synthetic.limbs import LimbLayer
from sam2pal.synthetic.noise import clouds, grain, texture
from sam2pal.synthetic.shading import Array, Look, look_up

PLACES = "USA CALIFORNIA ALASKA COLORADO TEXAS VIRGINIA MUSEUM Coll. leg. det. N37 W119 Ridge"
PLACES += " Creek Station Forest trap pitfall Env Res Ctr Lab No. Mus. Prov. Rio Monte Lago 3 Jun"
PLACES += " 12-VII-1987 2019 Holotype Bot. Garden Mtn Lake alt. 1200m 43.22 -103.9 ex Malaise NEON"
WORDS = PLACES.split()


def _font(size: int) -> ImageFont.FreeTypeFont:
    if size not in _FONTS:
        # the basic layout is always there, and quicker
        font = ImageFont.load_default(size)
        _FONTS[size] = font.font_variant(layout_engine=ImageFont.Layout.BASIC)
    return _FONTS[size]


_FONTS: dict[int, ImageFont.FreeTypeFont] = {}


def label_image(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """A printed collection label, RGB."""
    warm = rng.uniform(0, 0.12)
    white = rng.uniform(0.72, 1.0)
    paper = tuple(int(255 * white * (1 - warm * k)) for k in (0, 0.5, 1.3))
    if rng.random() < 0.1:
        paper = tuple(int(v) for v in rng.uniform(120, 255, 3))
    image = Image.new("RGB", (width, height), paper)
    draw = ImageDraw.Draw(image)
    ink = tuple(int(v) for v in np.full(3, rng.uniform(0, 90)) + rng.uniform(0, 15, 3))
    size = int(np.clip(height / rng.uniform(2.2, 8), 6, 120))
    font = _font(size)
    stroke = int(size > 14 and rng.random() < 0.35)
    y = rng.uniform(-0.4, 0.3) * size
    gap = size * rng.uniform(1.0, 1.35)
    while y < height:
        words = []
        for _ in range(int(rng.integers(2, 6))):
            if rng.random() < 0.75:
                words.append(WORDS[int(rng.integers(len(WORDS)))])
            else:
                letters = rng.integers(0, 36, int(rng.integers(2, 9)))
                words.append("".join((string.ascii_uppercase + string.digits)[i] for i in letters))
        x = rng.uniform(-1.5, 1) * size
        draw.text((x, y), " ".join(words), fill=ink, font=font, stroke_width=stroke)
        y += gap
    if rng.random() < 0.2:
        draw.rectangle((1, 1, width - 2, height - 2), outline=ink)
    return image


def place_image(
    pixels: Array, image: Image.Image, x: float, y: float, angle: float, shade: float
) -> tuple[slice, slice, NDArray[np.bool_]] | None:
    """Lay a turned RGB picture with its soft shadow into `pixels`, its centre at (x, y).

    Returns the window it was laid into and which of the window's pixels it covers, or None if
    it lies outside.
    """
    _, height, width = pixels.shape
    c, s = float(np.cos(angle)), float(np.sin(angle))
    w, h = image.size
    reach_x = (abs(c) * w + abs(s) * h) / 2 + 4
    reach_y = (abs(s) * w + abs(c) * h) / 2 + 4
    left, right = max(0, int(x - reach_x)), min(width, int(x + reach_x) + 1)
    top, bottom = max(0, int(y - reach_y)), min(height, int(y + reach_y) + 1)
    if left >= right or top >= bottom:
        return None
    x, y = x - left, y - top
    matrix = (c, s, w / 2 - c * x - s * y, -s, c, h / 2 + s * x - c * y)
    size = (right - left, bottom - top)
    drawn = image.convert("RGBA").transform(
        size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
    )
    values = np.asarray(drawn)
    shown = values[..., 3] > 127
    window = pixels[:, top:bottom, left:right]
    if shade > 0:
        soft = drawn.getchannel("A").filter(ImageFilter.BoxBlur(2))
        soft = np.asarray(ImageChops.offset(soft, 2, 2), np.float32)
        window *= 1 - soft * np.float32(shade / 255)
    for channel in range(3):
        np.copyto(window[channel], values[..., channel] * np.float32(1 / 255), where=shown)
    return slice(top, bottom), slice(left, right), shown


def lattice(rng: np.random.Generator, height: int, width: int, unit: float) -> Array:
    """Wooden slats with gaps behind them; `unit` is the specimen's length in pixels."""
    behind = rng.uniform(0.45, 0.85) * np.array([1, rng.uniform(0.92, 1), rng.uniform(0.75, 0.95)])
    pixels = np.empty((3, height, width), np.float32)
    pixels[:] = behind[:, None, None]
    pixels += clouds(rng, height, width, unit) * np.float32(0.05)
    yellow = rng.uniform(0.55, 0.9)
    wood = rng.uniform(0.75, 1.0) * np.array([1, 0.5 + 0.42 * yellow, 0.15 + 0.65 * yellow])
    angle = rng.choice([0, np.pi / 2]) + rng.normal(0, 0.04)
    if rng.random() < 0.25:
        angle = rng.uniform(0, np.pi)
    turns = [angle] if rng.random() < 0.7 else [angle, angle + np.pi / 2]
    for number, turn in enumerate(turns):
        period = max(unit * rng.uniform(0.3, 0.75), 6.0)
        share = rng.uniform(0.35, 0.65)
        side = int(np.hypot(height, width)) + 2
        slats = _slats(rng, side, period, share, wood, 1 if number else 99)
        x, y = side / 2, side / 2
        c, s = np.cos(turn), np.sin(turn)
        matrix = (
            c,
            s,
            x - c * width / 2 - s * height / 2,
            -s,
            c,
            y + s * width / 2 - c * height / 2,
        )
        turned = slats.transform(
            (width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
        )
        values = np.asarray(turned).transpose(2, 0, 1).astype(np.float32)
        values *= np.float32(1 / 255)
        pixels += values[3] * (values[:3] - pixels)
    return pixels


def _slats(
    rng: np.random.Generator,
    side: int,
    period: float,
    share: float,
    wood: NDArray[np.float64],
    most: int,
) -> Image.Image:
    """Upright slats with their shadows, RGBA [side, side]; at most `most` of them."""
    position = (np.arange(side) + rng.uniform(0, side if most == 1 else period)) / period
    number = np.floor(position)
    u = (position - number) / share
    bevel = 1 - 0.28 * np.clip(u * 8 - 6.8, 0, 1) - 0.15 * np.clip(1 - u * 9, 0, 1)
    shadow = np.clip(1 - (u - 1) / (0.35 * rng.uniform(0.3, 1.5)), 0, 1)
    slat = u < 1
    kept = np.abs(number - np.floor(position[side // 2])) < most
    streak = Image.fromarray(grain(rng, side // 24 + 2, side, 0.6))
    mark = np.asarray(streak.resize((side, side), Image.Resampling.BICUBIC))
    contrast = np.float32(rng.uniform(0.005, 0.045))
    tone = (1 + contrast * mark) * bevel.astype(np.float32)
    values = np.zeros((side, side, 4), np.uint8)
    for channel in range(3):
        values[..., channel] = np.clip(tone * (wood[channel] * 255), 0, 255) * slat
    values[..., 3] = np.where(kept, np.where(slat, 255, 90 * shadow), 0)
    return Image.fromarray(values)


def background(rng: np.random.Generator, kind: str, height: int, width: int, unit: float) -> Array:
    """Light [3, height, width] of an empty photograph of this kind."""
    if kind == "lattice":
        return lattice(rng, height, width, unit)
    if kind == "texture":
        share, base = rng.uniform(0.4, 1.0), rng.uniform(0, 0.35)
        return texture(rng, height, width) * np.float32(share) + np.float32(base)
    if kind == "dark":
        base = rng.uniform(0.0, 0.3) + rng.uniform(-0.04, 0.04, 3)
    elif kind == "colour":
        base = rng.uniform(0.2, 0.95, 3)
    else:
        base = rng.uniform(0.6, 0.97) - np.array([0, 0.5, 1.2]) * rng.uniform(-0.05, 0.12)
    pixels = np.empty((3, height, width), np.float32)
    uneven = clouds(rng, height, width, max(height, width) * rng.uniform(0.3, 1))
    uneven = uneven * np.float32(rng.uniform(0, 0.08))
    uneven += grain(rng, height, width, 1.5) * np.float32(rng.uniform(0, 0.025))
    for plane, level in zip(pixels, base, strict=True):
        np.add(uneven, np.float32(level), out=plane)
    if kind == "labels":
        for _ in range(int(rng.integers(1, 4))):
            w = int(unit * rng.uniform(0.5, 1.5))
            h = int(unit * rng.uniform(0.35, 1.0))
            upright = rng.choice([0, np.pi / 2, -np.pi / 2, np.pi], p=[0.2, 0.4, 0.3, 0.1])
            place_image(
                pixels,
                label_image(rng, max(w, 8), max(h, 8)),
                rng.uniform(0.1, 0.9) * width,
                rng.uniform(0.1, 0.9) * height,
                upright + rng.normal(0, 0.12),
                rng.uniform(0, 0.4),
            )
    return np.clip(pixels, 0, 1, out=pixels)


def pin(
    canvas: Canvas,
    rng: np.random.Generator,
    x: float,
    y: float,
    unit: float,
    head: Look,
    shaft: Look,
    occluder: int,
) -> None:
    """Stick a pin into (x, y); its head and shaft hide what is below (label `occluder`)."""
    radius = unit * rng.uniform(0.02, 0.075)
    reach = unit * abs(rng.normal(0, 0.13)) if rng.random() < 0.8 else 0.0
    turn = rng.uniform(0, 2 * np.pi)
    hx, hy = x + reach * np.cos(turn), y + reach * np.sin(turn)
    yy = np.arange(canvas.height, dtype=np.float32)[:, None] + np.float32(0.5 - hy)
    xx = np.arange(canvas.width, dtype=np.float32)[None, :] + np.float32(0.5 - hx)
    shape = np.clip(np.float32(radius + 0.5) - np.sqrt(xx * xx + yy * yy), 0, 1)
    dx, dy = rng.normal(0, 0.05, 2) * unit
    canvas.shade(shape, dx, dy, unit * 0.02, 0.4, False)
    if reach > radius * 0.5:
        layer = LimbLayer()
        thin = max(radius * rng.uniform(0.15, 0.4), 0.6)
        code = layer.code(occluder, shaft)
        widths = np.array([[thin, thin, thin * 1.4]])
        layer.add(np.array([[x, y, hx, hy]]), widths, np.array([0.5]), code)
        layer.paint(canvas)
    where = np.flatnonzero(shape)
    if not len(where):
        return
    rows, columns = np.divmod(where, canvas.width)
    index = look_up(xx[0, columns] / np.float32(radius), yy[rows, 0] / np.float32(radius))
    light = head.diffuse.take(index)
    colour = [
        light * np.float32(first) + shine.take(index)
        for first, shine in zip(head.surface.colour, head.shine, strict=True)
    ]
    canvas.paint(where, shape.take(where), colour, occluder)
