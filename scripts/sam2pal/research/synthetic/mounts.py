"""Specimens on the point of a card, photographed from the side through a microscope.

All that lies behind them is out of focus: pins, cards, light. Scale bars are added afterwards.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from sam2pal.research.synthetic.canvas import OTHER, Canvas, Pose
from sam2pal.research.synthetic.labels import fonts
from sam2pal.research.synthetic.noise import clouds, grain
from sam2pal.research.synthetic.shading import Array

COARSE = 2  # blurred things are drawn at half the size
SCALES = ("0.1 mm", "0.2 mm", "0.5 mm", "1 mm", "2 mm", "5 mm", "0.25 mm")
Polygon = list[tuple[float, float]]


def blurred_backdrop(rng: np.random.Generator, height: int, width: int) -> Array:
    """Light [3, height, width]: a grey that runs from dark to bright, mostly with a glow."""
    level = rng.triangular(0.25, 0.6, 0.95)
    cell = max(height, width) * rng.uniform(0.35, 1.2)
    tone = clouds(rng, height, width, cell) * np.float32(rng.uniform(0.02, 0.25))
    if rng.random() < 0.6:
        y = (np.arange(height, dtype=np.float32) / height - rng.uniform(0.3, 1.0))[:, None]
        x = (np.arange(width, dtype=np.float32) / width - rng.uniform(0.2, 0.8))[None, :]
        spread = np.float32(rng.uniform(0.03, 0.3))
        tone = tone + np.exp(-(x * x + y * y) / spread) * np.float32(rng.uniform(0.1, 0.7))
    tone = tone + grain(rng, height, width, 1.5) * np.float32(rng.uniform(0, 0.012))
    hue = np.array([0, 0.3, 1.0]) * rng.uniform(-0.06, 0.1) + rng.normal(0, 0.012, 3)
    pixels = np.empty((3, height, width), np.float32)
    for plane, shift in zip(pixels, hue.tolist(), strict=True):
        np.add(tone, np.float32(level - shift), out=plane)
    return np.clip(pixels, 0.02, 1.05, out=pixels)


def add_mount(canvas: Canvas, pose: Pose, rng: np.random.Generator) -> None:
    """Put a pin, a card or the point of one behind the animal, as `pose` has it."""
    if rng.random() < 0.45:
        _lay(canvas, rng, _stripe(canvas, pose, rng), _metal(rng), rng.uniform(0.4, 4))
    kind = str(
        rng.choice(["point", "strip", "card", "glue", "none"], p=[0.28, 0.2, 0.17, 0.2, 0.15])
    )
    paper = rng.uniform(0.6, 1.0) * (1 - np.array([0, 0.4, 1.0]) * rng.uniform(0, 0.35))
    sharp = rng.uniform(0.2, 3.0)
    if kind == "card":
        _lay(canvas, rng, _below(canvas, pose, rng), paper, sharp, rng.uniform(0.02, 0.12))
    elif kind == "strip":
        _lay(canvas, rng, _stripe(canvas, pose, rng, flat=True), paper, sharp, rng.uniform(0, 0.08))
    elif kind == "point":
        _lay(canvas, rng, _wedge(pose, rng), paper, sharp, rng.uniform(0, 0.08))
    elif kind == "glue":
        _lay(canvas, rng, _blob(pose, rng, 0.2), paper, sharp, rng.uniform(0.05, 0.3))


def add_glue(canvas: Canvas, pose: Pose, rng: np.random.Generator) -> None:
    """A drop of glue or the end of the card before the animal's legs."""
    paper = rng.uniform(0.6, 1.0) * (1 - np.array([0, 0.4, 1.0]) * rng.uniform(0, 0.3))
    cover = _lay(canvas, rng, _blob(pose, rng, 0.08), paper, 0.5, rng.uniform(0.05, 0.3))
    canvas.labels[cover > 0.5] = OTHER


def add_scale_bar(canvas: Canvas, rng: np.random.Generator) -> None:
    """A bar with its length in print, near a lower corner."""
    side = min(canvas.height, canvas.width)
    bar = int(side * rng.uniform(0.08, 0.22))
    thick = max(1, int(side * rng.uniform(0.003, 0.012)))
    size = int(np.clip(side * rng.uniform(0.03, 0.055), 8, 128))
    text = str(rng.choice(SCALES))
    font = fonts(size)
    left, top, right, bottom = font.getbbox(text)
    width, high = max(bar, int(right - left)) + 2, int(bottom - top) + thick + 4
    if width >= canvas.width or high >= canvas.height:
        return
    print_ = Image.new("L", (width, high), 0)
    pen = ImageDraw.Draw(print_)
    below = rng.random() < 0.7
    bar_top, text_top = (0, thick + 2) if below else (high - thick, 0)
    x = (width - bar) // 2
    pen.rectangle((x, bar_top, x + bar, bar_top + thick - 1), fill=255)
    pen.text(((width - (right - left)) / 2 - left, text_top - top), text, 255, font)
    ink = np.asarray(print_, np.float32) * np.float32(1 / 255)
    margin = int(side * rng.uniform(0.01, 0.06))
    x = canvas.width - width - margin if rng.random() < 0.85 else margin
    rows = slice(max(canvas.height - high - margin, 0), max(canvas.height - margin, high))
    columns = slice(max(x, 0), max(x, 0) + width)
    level = np.float32(0.0 if rng.random() < 0.9 else 1.0)
    window = canvas.pixels[:, rows, columns]
    window += ink * (level - window)
    canvas.labels[rows, columns][ink > 0.4] = OTHER


def _lay(
    canvas: Canvas,
    rng: np.random.Generator,
    polygon: Polygon,
    colour: NDArray[np.float64],
    blur: float,
    uneven: float = 0.0,
) -> Array:
    """Lay a blurred, shaded polygon over the light; how far it covers each pixel, [H, W]."""
    height, width = canvas.height, canvas.width
    small = Image.new("L", (-(-width // COARSE), -(-height // COARSE)), 0)
    corners = [(x / COARSE, y / COARSE) for x, y in polygon]
    ImageDraw.Draw(small).polygon(corners, fill=255)
    radius = max(0.7, blur * max(height, width) / (128 * COARSE))
    small = small.filter(ImageFilter.GaussianBlur(radius))
    full = small.resize((width, height), Image.Resampling.BICUBIC)
    cover = np.asarray(full, np.float32) * np.float32(1 / 255)
    tone = 1 + clouds(rng, height, width, max(height, width) * 0.3) * np.float32(0.12)
    if uneven:
        tone = tone + grain(rng, height, width, float(rng.choice([1.5, 6.0]))) * np.float32(uneven)
    for plane, level in zip(canvas.pixels, colour.tolist(), strict=True):
        plane += cover * (tone * np.float32(level) - plane)
    return cover


def _metal(rng: np.random.Generator) -> NDArray[np.float64]:
    return rng.uniform(0.02, 0.5) * (1 + rng.normal(0, 0.04, 3))


def _stripe(canvas: Canvas, pose: Pose, rng: np.random.Generator, flat: bool = False) -> Polygon:
    """A pin across the whole photograph, or a flat card that begins under the body."""
    x, y = pose.point(-rng.uniform(0.08, 0.25) if flat else 0.1, rng.uniform(0.0, 0.5))
    angle = rng.normal(0, 0.25) + (rng.choice([0, np.pi]) if flat else np.pi / 2)
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]]) * pose.scale
    across *= rng.uniform(0.03, 0.12) if flat else rng.uniform(0.006, 0.05)
    far = canvas.height + canvas.width
    middle = np.array([x, y])
    begin = middle - along * (pose.scale * rng.uniform(0, 0.4) if flat else far)
    end = middle + along * far
    return [tuple(p.tolist()) for p in (begin + across, end + across, end - across, begin - across)]


def _below(canvas: Canvas, pose: Pose, rng: np.random.Generator) -> Polygon:
    """A card on which the animal stands: all that is lower than its feet."""
    _, y = pose.point(-rng.uniform(0.15, 0.4), 0.3)
    left, right = y + rng.normal(0, 0.08, 2) * pose.scale
    width, height = canvas.width, canvas.height
    return [(0.0, left), (float(width), right), (float(width), height * 2.0), (0.0, height * 2.0)]


def _wedge(pose: Pose, rng: np.random.Generator) -> Polygon:
    """The point of a triangular card; its tip touches the animal's breast."""
    tip = np.array(pose.point(-rng.uniform(0.05, 0.15), rng.uniform(0.05, 0.3)))
    angle, opening = rng.normal(np.pi / 2, 0.7), rng.uniform(0.1, 0.5)
    ends = [
        tip + 3 * pose.scale * np.array([np.cos(angle + turn), np.sin(angle + turn)])
        for turn in (opening, -opening)
    ]
    blunt = rng.normal(0, 0.03, 2) * pose.scale
    return [tuple(point.tolist()) for point in (tip - blunt, tip + blunt, *ends)]


def _blob(pose: Pose, rng: np.random.Generator, most: float) -> Polygon:
    """A roundish drop at the animal's breast."""
    x, y = pose.point(-rng.uniform(0.1, 0.25), rng.uniform(0.05, 0.3))
    turns = np.linspace(0, 2 * np.pi, 9)[:-1]
    radius = pose.scale * most * rng.uniform(0.4, 1.0) * rng.uniform(0.6, 1.2, 8)
    around = np.stack([x + np.cos(turns) * radius, y + np.sin(turns) * radius], 1)
    return [tuple(point) for point in around.tolist()]
