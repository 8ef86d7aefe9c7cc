"""How often bars and rulers are found and how well they are measured, drawn over real specimens.

python tests/bench/scale.py bars --count 400 --output bars.csv
"""

import io
import math
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from sam2pal.research.synthetic.scales import STYLES, Overlay, draw_bar

DATA = Path(__file__).resolve().parents[3] / "shared/data"
TEXTS = ("1 mm", "0.5 mm", "2 mm", "500 um", "")
COLOURS = ((0, 0, 0), (255, 255, 255), (20, 20, 25), (235, 225, 60), (200, 30, 30), (90, 90, 90))


def backgrounds(odd: bool) -> list[Path]:
    """Real photographs: beetles whose number is odd or even, and ants without bars."""
    beetles = sorted(DATA.glob("carabidae/*/images/*.png"))
    return [path for path in beetles if int(path.stem) % 2 == odd]


@dataclass
class Drawn:
    """A picture with a bar of known length."""

    picture: np.ndarray
    length: float
    style: str
    legible: bool
    said: str
    line: tuple


def drawn_bar(seed: int) -> Drawn:
    """A bar over a real specimen: all angles, 10 to 2000 pixels, blur, glare, JPEG."""
    random = np.random.default_rng(seed)
    paths = backgrounds(bool(seed % 2))
    base = Image.open(paths[random.integers(len(paths))]).convert("RGB")
    length = float(10 ** random.uniform(1, math.log10(2000)))
    side = int(np.clip(length * random.uniform(1.8, 6), 300, 3600))
    factor = side / max(base.size)
    if factor > 1:
        base = base.resize([round(n * factor) for n in base.size], Image.Resampling.BICUBIC)
    picture = np.asarray(base)
    picture = np.pad(
        picture, ((0, 0), (0, max(0, int(length * 1.2) - picture.shape[1])), (0, 0)), "edge"
    )
    picture = np.pad(
        picture, ((0, max(0, int(length * 1.2) - picture.shape[0])), (0, 0), (0, 0)), "edge"
    )
    high, wide = picture.shape[:2]
    style = STYLES[seed // 2 % len(STYLES)]
    thickness = float(np.clip(length * random.uniform(0.01, 0.08), 1.5, 60))
    if style in ("box", "alternating"):
        thickness = float(np.clip(length * random.uniform(0.04, 0.12), 6, 60))
    angle = float(random.choice([0.0, math.pi / 2, random.uniform(0, math.pi)], p=[0.4, 0.1, 0.5]))
    text = TEXTS[random.integers(len(TEXTS))]
    colour = COLOURS[random.integers(len(COLOURS))]
    other = (255, 255, 255) if np.mean(colour) < 128 else (0, 0, 0)
    grey = np.asarray(Image.fromarray(picture).convert("L"), np.float32)
    best = None
    for _ in range(12):  # where a user would put it: where it is seen
        reach = length / 2 + 3
        rx = abs(math.cos(angle)) * reach + abs(math.sin(angle)) * thickness * 3 + 3
        ry = abs(math.sin(angle)) * reach + abs(math.cos(angle)) * thickness * 3 + 3
        centre = (
            random.uniform(min(rx, wide / 2), max(wide - rx, wide / 2)),
            random.uniform(min(ry, high / 2), max(high - ry, high / 2)),
        )
        seen = visible(grey, centre, angle, length, thickness, colour)
        if best is None or seen > best[0]:
            best = seen, centre
    seen, centre = best
    if style == "panel":
        seen = 255.0
    picture = draw_bar(
        picture, Overlay(centre, angle), length, thickness, style, colour, other, text
    )
    said = ""
    blur = 0.0
    if random.random() < 0.4:
        blur = float(random.uniform(0.4, 1.6))
        picture = np.stack([ndimage.gaussian_filter(picture[..., i], blur) for i in range(3)], -1)
        said += f"blur {blur:.1f} "
    glare = random.random() < 0.2
    if glare:
        y, x = np.mgrid[:high, :wide]
        gx, gy = (
            centre[0] + random.uniform(-1, 1) * length / 2,
            centre[1] + random.uniform(-1, 1) * length / 4,
        )
        spot = np.exp(
            -((x - gx) ** 2 + (y - gy) ** 2) / (2 * (length * random.uniform(0.2, 0.6)) ** 2)
        )
        strength = random.uniform(0.2, 0.5)
        picture = np.round(picture + (255 - picture) * (spot * strength)[..., None]).astype(
            np.uint8
        )
        said += f"glare {strength:.1f} "
        seen *= 1 - strength
    if random.random() < 0.6:
        quality = int(random.integers(60, 96))
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
        picture = np.asarray(Image.open(buffer))
        said += f"jpeg {quality} "
    legible = seen > 40 and thickness > 1.5 * blur
    return Drawn(picture, length, style, legible, said, (centre, angle, thickness, colour, text))


def visible(grey, centre, angle, length, thickness, colour) -> float:
    """How much a bar there would differ from what is around it at its worst tenth, of 255."""
    s = np.linspace(-length / 2 - 4, length / 2 + 4, 60)
    v = np.array([-6, -4, -2, 2, 4, 6]) * max(thickness, 2.0) / 2
    x = centre[0] + s[None] * math.cos(angle) - v[:, None] * math.sin(angle)
    y = centre[1] + s[None] * math.sin(angle) + v[:, None] * math.cos(angle)
    around = ndimage.map_coordinates(grey, [y, x], order=1, mode="nearest")
    ink = float(np.dot(colour, [0.299, 0.587, 0.114]))
    difference = around - ink
    worst = max(np.percentile(difference, 5), -np.percentile(difference, 95))
    return float(worst)


if __name__ == "__main__":
    sys.exit()
