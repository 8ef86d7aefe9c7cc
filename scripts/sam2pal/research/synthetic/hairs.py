"""Setae: fine lines on the plates, which belong to no structure."""

import numpy as np
from PIL import Image, ImageDraw

from sam2pal.research.synthetic.anatomy import Hairs, Plate
from sam2pal.research.synthetic.canvas import Canvas, Pose
from sam2pal.research.synthetic.plates import STEPS, axis_of, outline
from sam2pal.research.synthetic.shading import Array

FINE = 3


def paint_hairs(
    canvas: Canvas, plates: list[tuple[Plate, Pose]], hairs: Hairs, rng: np.random.Generator
) -> None:
    """Draw hairs over the canvas, most of them where the plates end; labels stay as they are."""
    lines = [roots_and_tips(plate, pose, hairs, rng) for plate, pose in plates]
    if not lines:
        return
    ends = np.concatenate(lines)
    low = np.maximum(np.floor(ends.min((0, 1))), 0).astype(int)
    high = np.minimum(np.ceil(ends.max((0, 1))), (canvas.width, canvas.height)).astype(int)
    if (low >= high).any():
        return
    drawn = Image.new("L", tuple(((high - low) * FINE).tolist()), 0)
    pen = ImageDraw.Draw(drawn)
    for line in ((ends - low) * FINE).reshape(-1, 4).tolist():
        pen.line(line, fill=255)
    cover = np.asarray(drawn.reduce(FINE), np.float32) * np.float32(1 / 255)
    window = canvas.pixels[:, low[1] : high[1], low[0] : high[0]]
    for plane, level in zip(window, hairs.colour, strict=True):
        plane += cover * (np.float32(level) - plane)


def roots_and_tips(plate: Plate, pose: Pose, hairs: Hairs, rng: np.random.Generator) -> Array:
    """Where the hairs of a plate begin and end, in pixels [N, 2, 2]."""
    length = plate.end - plate.start
    count = max(2, int(hairs.number * length * rng.uniform(0.6, 1.4)))
    step = rng.integers(0, STEPS, count)
    side = rng.choice((-1.0, 1.0), count)
    across = np.where(rng.random(count) < 0.65, 1.0, rng.uniform(0, 1, count)) * side
    middle = axis_of(plate)[step] if plate.axis else 0.0
    x = plate.offset + middle + across * outline(plate)[step]
    y = plate.start + step / (STEPS - 1) * length
    lean = hairs.lean + rng.normal(0, 0.3, count)
    reach = hairs.length * rng.uniform(0.5, 1.2, count)
    tips = np.stack([x + np.cos(lean) * side * reach, y + np.sin(lean) * reach], 1)
    return pose.points(np.stack([np.stack([x, y], 1), tips], 1))
