"""What lies behind and before a specimen: paper, labels, slats, pins."""

import numpy as np
from PIL import Image

from sam2pal.research.synthetic.canvas import OTHER, Canvas
from sam2pal.research.synthetic.labels import lay_label
from sam2pal.research.synthetic.limbs import LimbLayer
from sam2pal.research.synthetic.mounts import blurred_backdrop
from sam2pal.research.synthetic.noise import clouds, grain, texture
from sam2pal.research.synthetic.shading import Array, Look, look_up


def lattice(rng: np.random.Generator, height: int, width: int, unit: float) -> Array:
    """Wooden slats with gaps behind them; `unit` is the specimen's length in pixels."""
    behind = rng.uniform(0.45, 0.85) * np.array([1, rng.uniform(0.92, 1), rng.uniform(0.75, 0.95)])
    pixels = np.empty((3, height, width), np.float32)
    uneven = clouds(rng, height, width, unit) * np.float32(0.05)
    for plane, level in zip(pixels, behind, strict=True):
        np.add(uneven, np.float32(level), out=plane)
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
        tone, cover = _slats(rng, side, period, share, 1 if number else 99)
        c, s = np.cos(turn), np.sin(turn)
        x, y = side / 2 - (c * width + s * height) / 2, side / 2 + (s * width - c * height) / 2
        affine = ((width, height), Image.Transform.AFFINE, (c, s, x, -s, c, y))
        light = np.asarray(tone.transform(*affine, Image.Resampling.BILINEAR), np.float32)
        light *= np.float32(1 / 200)
        opaque = np.asarray(cover.transform(*affine, Image.Resampling.BILINEAR), np.float32)
        opaque *= np.float32(1 / 255)
        for plane, level in zip(pixels, wood, strict=True):
            plane += opaque * (light * np.float32(level) - plane)
    return pixels


def _slats(
    rng: np.random.Generator, side: int, period: float, share: float, most: int
) -> tuple[Image.Image, Image.Image]:
    """Upright slats with their shadows: how light (200: as the wood), how far they cover.

    Both are L images [side, side]; there are at most `most` slats.
    """
    position = (np.arange(side) + rng.uniform(0, side if most == 1 else period)) / period
    number = np.floor(position)
    u = (position - number) / share
    bevel = 1 - 0.28 * np.clip(u * 8 - 6.8, 0, 1) - 0.15 * np.clip(1 - u * 9, 0, 1)
    shadow = np.clip(1 - (u - 1) / (0.35 * rng.uniform(0.3, 1.5)), 0, 1)
    slat = u < 1
    kept = np.abs(number - np.floor(position[side // 2])) < most
    streak = Image.fromarray(grain(rng, side // 24 + 2, side, 0.6).copy())
    tone = np.asarray(streak.resize((side, side), Image.Resampling.BILINEAR))
    contrast = rng.uniform(0.005, 0.045)
    level = (bevel * slat * 200).astype(np.float32)
    tone = tone * (level * np.float32(contrast)) + level
    cover = np.where(kept, np.where(slat, 255, 90 * shadow), 0).astype(np.uint8)
    light = Image.fromarray(np.clip(tone, 0, 255, out=tone).astype(np.uint8))
    return light, Image.fromarray(np.ascontiguousarray(np.broadcast_to(cover, (side, side))))


def background(rng: np.random.Generator, kind: str, height: int, width: int, unit: float) -> Array:
    """Light [3, height, width] of an empty photograph of this kind."""
    if kind == "lattice":
        return lattice(rng, height, width, unit)
    if kind == "mount":
        return blurred_backdrop(rng, height, width)
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
            size = unit * rng.uniform(0.5, 1.5), unit * rng.uniform(0.35, 1.0)
            x, y = rng.uniform(0.1, 0.9) * width, rng.uniform(0.1, 0.9) * height
            upright = rng.choice([0, np.pi / 2, -np.pi / 2, np.pi], p=[0.2, 0.4, 0.3, 0.1])
            lay_label(pixels, rng, x, y, size, upright + rng.normal(0, 0.12))
    return np.clip(pixels, 0, 1, out=pixels)


def pin(
    canvas: Canvas,
    rng: np.random.Generator,
    at: tuple[float, float],
    unit: float,
    head: Look,
    shaft: Look,
) -> None:
    """Stick a pin into (x, y); its head and shaft hide what is below."""
    x, y = at
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
        code = layer.code(OTHER, shaft)
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
    canvas.paint(where, shape.take(where), colour, OTHER)
