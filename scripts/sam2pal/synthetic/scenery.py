"""What lies behind and before a specimen: paper, labels, slats, pins."""

import string

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sam2pal.synthetic.canvas import Canvas, LimbLayer, Look
from sam2pal.synthetic.noise import clouds, grain, texture
from sam2pal.synthetic.shading import Array

PLACES = "USA CALIFORNIA ALASKA COLORADO TEXAS VIRGINIA MUSEUM Coll. leg. det. N37 W119 Ridge"
PLACES += " Creek Station Forest trap pitfall Env Res Ctr Lab No. Mus. Prov. Rio Monte Lago 3 Jun"
PLACES += " 12-VII-1987 2019 Holotype Bot. Garden Mtn Lake alt. 1200m 43.22 -103.9 ex Malaise NEON"
WORDS = PLACES.split()


def _font(size: int) -> ImageFont.FreeTypeFont:
    if size not in _FONTS:
        _FONTS[size] = ImageFont.load_default(size)
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
) -> None:
    """Lay a turned RGB picture with its soft shadow into `pixels`, its centre at (x, y)."""
    height, width = pixels.shape[:2]
    c, s = np.cos(angle), np.sin(angle)
    w, h = image.size
    matrix = (c, s, w / 2 - c * x - s * y, -s, c, h / 2 + s * x - c * y)
    cover = Image.new("L", image.size, 255)
    mask = cover.transform((width, height), Image.Transform.AFFINE, matrix)
    if shade > 0:
        moved = (c, s, matrix[2] - 2 * c - 2 * s, -s, c, matrix[5] + 2 * s - 2 * c)
        soft = cover.resize((w, h)).transform((width, height), Image.Transform.AFFINE, moved)
        soft = soft.reduce(4).resize((width, height), Image.Resampling.BILINEAR)
        pixels *= 1 - np.asarray(soft, np.float32)[..., None] * np.float32(shade / 255)
    moved_image = image.transform(
        (width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
    )
    shown = np.asarray(mask) > 127
    pixels[shown] = np.asarray(moved_image)[shown].astype(np.float32) / 255


def lattice(rng: np.random.Generator, height: int, width: int, unit: float) -> Array:
    """Wooden slats with gaps behind them; `unit` is the specimen's length in pixels."""
    behind = np.array(rng.uniform((0.5, 0.48, 0.4), (0.85, 0.83, 0.75)), np.float32)
    pixels = np.empty((height, width, 3), np.float32)
    pixels[:] = behind + clouds(rng, height, width, unit)[..., None] * 0.05
    wood = np.array(rng.uniform((0.72, 0.55, 0.32), (0.98, 0.84, 0.64)), np.float32)
    angle = rng.choice([0, np.pi / 2]) + rng.normal(0, 0.04)
    if rng.random() < 0.25:
        angle = rng.uniform(0, np.pi)
    turns = [angle] if rng.random() < 0.7 else [angle, angle + np.pi / 2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    streaks = np.asarray(
        Image.fromarray(grain(rng, 64, 256, 1.0)).resize((256, 1024), Image.Resampling.BICUBIC)
    )
    for turn in turns:
        c, s = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        across = x * c + y * s
        along = y * c - x * s
        period = unit * rng.uniform(0.3, 0.75)
        share = rng.uniform(0.35, 0.65)
        position = (across + rng.uniform(0, period)) / period
        place = position - np.floor(position)
        if len(turns) == 2 and turn is turns[1]:
            place = np.where(np.abs(position - 1) < 1.2, place, 1)
        slat = place < share
        u = place / share
        bevel = 1 - 0.28 * np.clip(u * 8 - 6.8, 0, 1) - 0.15 * np.clip(1 - u * 9, 0, 1)
        mark = streaks[(along * 1.3).astype(np.int32) % 1024, (across * 2).astype(np.int32) % 256]
        tone = (1 + 0.045 * mark) * bevel
        shadow = np.clip(1 - (u - 1) / (0.35 * rng.uniform(0.3, 1.5)), 0, 1) * (u > 1)
        pixels *= 1 - 0.35 * shadow[..., None]
        pixels[slat] = (wood * tone[..., None])[slat]
    return pixels


def background(rng: np.random.Generator, kind: str, height: int, width: int, unit: float) -> Array:
    """Pixels [height, width, 3] of an empty photograph of this kind."""
    if kind == "lattice":
        return lattice(rng, height, width, unit)
    if kind == "texture":
        pixels = texture(rng, height, width).copy()
        return pixels * rng.uniform(0.4, 1.0) + rng.uniform(0, 0.35)
    if kind == "dark":
        base = rng.uniform(0.0, 0.3) + rng.uniform(-0.04, 0.04, 3)
    elif kind == "colour":
        base = rng.uniform(0.2, 0.95, 3)
    else:
        base = rng.uniform(0.6, 0.97) - np.array([0, 0.5, 1.2]) * rng.uniform(-0.05, 0.12)
    pixels = np.empty((height, width, 3), np.float32)
    uneven = clouds(rng, height, width, max(height, width) * rng.uniform(0.3, 1)) * rng.uniform(
        0, 0.08
    )
    uneven = uneven + grain(rng, height, width, 1.5) * rng.uniform(0, 0.025)
    pixels[:] = np.asarray(base, np.float32) + uneven[..., None].astype(np.float32)
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
    return np.clip(pixels, 0, 1)


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
    radius = unit * rng.uniform(0.02, 0.065)
    reach = unit * abs(rng.normal(0, 0.13)) if rng.random() < 0.8 else 0.0
    turn = rng.uniform(0, 2 * np.pi)
    hx, hy = x + reach * np.cos(turn), y + reach * np.sin(turn)
    shape = np.zeros(canvas.labels.shape, np.float32)
    yy = np.arange(canvas.height, dtype=np.float32)[:, None] + np.float32(0.5 - hy)
    xx = np.arange(canvas.width, dtype=np.float32)[None, :] + np.float32(0.5 - hx)
    far = np.sqrt(xx * xx + yy * yy)
    np.clip(radius - far + 0.5, 0, 1, out=shape)
    canvas.shade(shape, rng.normal(0, 0.05) * unit, rng.normal(0, 0.05) * unit, unit * 0.02, 0.4)
    layer = LimbLayer(canvas)
    if reach > radius * 0.5:
        thin = max(radius * rng.uniform(0.15, 0.4), 0.6)
        layer.segment((x, y), (hx, hy), (thin, thin, thin * 1.4), 128, occluder)
        layer.paint(canvas, {occluder: shaft})
    top, left = max(0, int(hy - radius) - 1), max(0, int(hx - radius) - 1)
    bottom = min(canvas.height, int(hy + radius) + 3)
    right = min(canvas.width, int(hx + radius) + 3)
    if top >= bottom or left >= right:
        return
    from sam2pal.synthetic.shading import look_up

    ny = yy[top:bottom] / np.float32(radius) * np.ones_like(xx[:, left:right])
    nx = xx[:, left:right] / np.float32(radius) * np.ones_like(yy[top:bottom])
    index = look_up(np.clip(nx, -1, 1), np.clip(ny, -1, 1))
    colour = head.diffuse.reshape(-1, 1)[index] * np.array(head.surface.colour, np.float32)
    colour = colour + head.shine.reshape(-1, 3)[index]
    canvas.paint((top, left, bottom, right), shape[top:bottom, left:right], colour, occluder)
