"""Scale bars, rulers and cards drawn over real specimens, and whether a person could measure them there."""

import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scale_overlays import STYLES, Overlay, draw_bar, draw_ruler, rectangle
from scipy import ndimage

from sam2pal.morphometrics.scales.strip import Line, grey, sample, spaced

DATA = Path(__file__).resolve().parents[3] / "shared/data"
TEXTS = ("1 mm", "0.5 mm", "2 mm", "500 um", "")
COLOURS = ((0, 0, 0), (255, 255, 255), (20, 20, 25), (235, 225, 60), (200, 30, 30), (90, 90, 90))
CARD = 85.6, 54.0
LENGTH, THICKNESS, CONTRAST, NOISE = 30.0, 2.0, 30.0, 4.0
"""What is legible: see `legible`."""


@dataclass
class Drawn:
    """A picture with something of known length in it.

    Attributes:
        kind: what was drawn.
        length: pixels: of a bar, of a ruler's period, of a card's longer side.
        unread: why a person could not measure it to 1 %; empty if one could.
        angle: degrees from the nearest edge of the picture.
        blur, glare, quality: what was done to the picture; 0 is nothing.
        ground: `plain` or `specimen`, what is around it.
        unit: of a ruler.
        refused: it is seen at an angle, and must not be measured.
    """

    picture: np.ndarray
    kind: str
    length: float
    unread: str
    angle: float
    blur: float
    glare: float
    quality: int
    ground: str = ""
    contrast: float = 0.0
    unit: str = "mm"
    refused: bool = False

    def write(self, folder: Path, name: str) -> Path:
        """A file of the picture; of the JPEG, if it is one."""
        path = folder / (f"{name}.jpg" if self.quality else f"{name}.bmp")
        if self.quality:
            Image.fromarray(self.picture).save(path, quality=self.quality)
        else:
            Image.fromarray(self.picture).save(path)
        return path


def backgrounds(odd: bool) -> list[Path]:
    """Real photographs of beetles whose number is odd or even; they have neither bar nor ruler."""
    return [
        path for path in sorted(DATA.glob("carabidae/*/images/*.png")) if int(path.stem) % 2 == odd
    ]


def ground(random: np.random.Generator, odd: bool, side: int, wide: int, high: int) -> np.ndarray:
    """A photograph enlarged to a side of about `side`, with its edge continued to a size."""
    paths = backgrounds(odd)
    base = Image.open(paths[random.integers(len(paths))]).convert("RGB")
    if random.random() < 0.5:
        base = base.transpose(Image.Transpose.ROTATE_90)
    factor = side / max(base.size)
    if factor > 1:
        base = base.resize([round(n * factor) for n in base.size], Image.Resampling.BICUBIC)
    picture = np.asarray(base)
    more = [(0, max(0, n - m)) for n, m in zip((high, wide), picture.shape, strict=False)]
    return np.pad(picture, (*more, (0, 0)), "symmetric")


def drawn_bar(seed: int) -> Drawn:
    """A bar: all angles and kinds, 10 to 2000 pixels, where it is seen best of forty places."""
    random = np.random.default_rng(seed)
    longest = 2000 if random.random() < 0.25 else 500
    length = float(10 ** random.uniform(1, math.log10(longest)))
    style = STYLES[seed // 2 % len(STYLES)]
    if length < 100 and style in ("box", "alternating"):  # their strokes would be too thin
        style = "plain"
    thickness = float(np.clip(length * random.uniform(0.01, 0.08), 1.5, 60))
    if style in ("box", "alternating"):
        thickness = float(np.clip(length * random.uniform(0.05, 0.12), 9, 60))
    angle = float(random.choice([0.0, math.pi / 2, random.uniform(0, math.pi)], p=[0.4, 0.1, 0.5]))
    reach = length / 2 + 3
    rx = abs(math.cos(angle)) * reach + abs(math.sin(angle)) * thickness * 3 + 6
    ry = abs(math.sin(angle)) * reach + abs(math.cos(angle)) * thickness * 3 + 6
    side = int(np.clip(length * random.uniform(1.3, 6), 250, 800))
    picture = ground(random, bool(seed % 2), side, int(2 * rx) + 2, int(2 * ry) + 2)
    high, wide = picture.shape[:2]
    text = TEXTS[random.integers(len(TEXTS))]
    colour = COLOURS[random.integers(len(COLOURS))]
    other = (255, 255, 255) if np.mean(colour) < 128 else (0, 0, 0)
    before = grey(picture)
    ink = float(grey(np.array(colour, np.uint8)[None, None])[0, 0])
    best = -1e9, (0.0, 0.0)
    for _ in range(40):  # where a user would put it
        centre = random.uniform(rx, max(wide - rx, rx)), random.uniform(ry, max(high - ry, ry))
        around = beside(before, as_line(centre, angle, length, thickness), thickness)
        seen = float(np.abs(np.percentile(around - ink, 5 if ink < around.mean() else 95)))
        best = max(best, (seen, centre))
    centre = best[1]
    around = beside(before, as_line(centre, angle, length, thickness), thickness)
    overlay = Overlay(centre, angle)
    picture = draw_bar(picture, overlay, length, thickness, style, colour, other, text)
    picture, blur, bright, quality = spoiled(random, picture, centre, length)
    stroke = {"box": 5.0, "alternating": 6.0}.get(style, 0.0)
    stroke = max(1.0, thickness / stroke) if stroke else thickness
    line = as_line(centre, angle, length, thickness)
    contrast, unread = legible(grey(picture), line, stroke, blur, style.endswith("ticks"))
    degrees = math.degrees(angle) % 90
    what = "panel" if style == "panel" else "specimen" if around.std() > 15 else "plain"
    return Drawn(
        picture, style, length, unread, min(degrees, 90 - degrees), blur, bright, quality, what,
        contrast,
    )  # fmt: skip


def as_line(centre: tuple[float, float], angle: float, length: float, width: float) -> Line:
    return Line(centre, (math.cos(angle), math.sin(angle)), length, width)


def beside(picture: np.ndarray, line: Line, thickness: float) -> np.ndarray:
    """Grey values [2, s] a few pixels beside a line, from end to end."""
    s = spaced(-line.length / 2 - 4, line.length / 2 + 4, max(1.0, line.length / 200))
    near = spaced(thickness / 2 + 2, thickness / 2 + 5, 1.0)
    return np.stack([np.median(sample(picture, line, s, v)[0], axis=0) for v in (-near, near)])


def legible(
    picture: np.ndarray, line: Line, stroke: float, blur: float, ticks: bool
) -> tuple[float, str]:
    """The contrast of a bar on the finished picture, and why it cannot be measured to 1 %; or nothing.

    - It is 30 pixels long: an end is seen to about 0.15 pixels, so the length to 0.2, which is 1 % of 20.
    - Its strokes are at least 2 pixels, and twice the blur's standard deviation, thick.
    - Over 95 % of its length, and beyond both ends, it differs by 30 of 255, and by four standard deviations
      of the noise, from both of its sides, always in the same sense.

    Args:
        picture: grey [h, w], as a program sees it.
        line: where the bar is; its width is the whole bar's.
        stroke: thickness of its thinnest part.
        ticks: it ends in ticks.
    """
    half, inside = line.width / 2, min(1.0, stroke / 4)
    s = spaced(-line.length / 2 + 1, line.length / 2 - 1, max(0.5, line.length / 300))
    ink, _ = sample(picture, line, s, spaced(-half + inside, half - inside))
    sides = beside(picture, line.between(s[0] + 5, s[-1] - 5, line.width), line.width)
    sides = np.stack([np.interp(s, np.linspace(s[0], s[-1], sides.shape[1]), of) for of in sides])
    dark = float(np.median(sides)) > float(np.median(ink[[0, -1]]))
    sign = 1 if dark else -1
    core = (sign * ink).min(0)
    apart = (sign * sides).min(0) - core
    beyond = spaced(line.length / 2 + 2.5, line.length / 2 + 5)
    beyond = beyond + (half if ticks else 0)
    ends = []
    for t in (-beyond, beyond):
        values, known = sample(picture, line, t, spaced(-half, half))
        level = core[:10] if t[0] < 0 else core[-10:]
        ends.append(float(np.median(sign * values) - np.median(level)) if known.all() else 0.0)
    contrast = min(float(np.percentile(apart, 5)), *ends)
    noise = float(np.median(np.abs(np.diff(sides, axis=1)))) / 0.954
    if line.length < LENGTH:
        return contrast, "short"
    if stroke < max(THICKNESS, 2 * blur):
        return contrast, "thin"
    if contrast < max(CONTRAST, NOISE * noise):
        return contrast, "faint"
    return contrast, ""


def spoiled(
    random: np.random.Generator, picture: np.ndarray, centre: tuple[float, float], length: float
) -> tuple[np.ndarray, float, float, int]:
    """A picture with glare, out of focus and compressed, each some of the time: blur, glare, quality."""
    blur = bright = 0.0
    quality = 0
    if random.random() < 0.2:
        y, x = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
        x -= centre[0] + random.uniform(-1, 1) * length / 2
        y -= centre[1] + random.uniform(-1, 1) * length / 4
        spot = np.exp(-(x**2 + y**2) / (2 * (length * random.uniform(0.2, 0.6)) ** 2))
        bright = float(random.uniform(0.2, 0.5))
        picture = np.round(picture + (255 - picture) * (spot * bright)[..., None]).astype(np.uint8)
    if random.random() < 0.4:
        blur = float(random.uniform(0.4, 1.6))
        picture = np.round(ndimage.gaussian_filter(picture.astype(np.float32), (blur, blur, 0)))
        picture = picture.astype(np.uint8)
    if random.random() < 0.6:
        quality = int(random.integers(60, 96))
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
        picture = np.asarray(Image.open(buffer))
    return picture, blur, bright, quality


def drawn_ruler(seed: int) -> Drawn:
    """A ruler: any angle, mm or sixteenths of an inch; one of five is seen at an angle."""
    random = np.random.default_rng([seed, 1])
    period = float(10 ** random.uniform(math.log10(5), math.log10(40)))
    ticks = int(random.integers(15, 60))
    side = int(np.clip(period * ticks * 1.3, 400, 1400))
    ticks = min(ticks, int(side / 1.3 / period))
    picture = ground(random, bool(seed % 2), side, side, side)
    unit = ("mm", "1/16 in")[int(random.random() < 0.3)]
    angle = float(random.choice([0.0, math.pi / 2, random.uniform(0, math.pi)], p=[0.3, 0.2, 0.5]))
    tilted = random.random() < 0.2
    shrink = 0.1 + 0.2 * random.random() if tilted else 0.0  # from one end to the other
    bare = random.random() < 0.2
    colour = (20, 20, 20) if random.random() < 0.8 else (250, 250, 250)
    body = None if bare else (235, 230, 215) if colour[0] < 128 else (60, 60, 65)
    middle = picture.shape[1] / 2, picture.shape[0] / 2
    overlay = Overlay(middle, angle, shrink / (period * ticks) / 2)
    width = float(random.uniform(0.15, 0.4))
    every = (5, 10) if unit == "mm" else (2, 4, 8, 16)
    before = grey(picture)
    picture = draw_ruler(picture, overlay, period, ticks, every, colour, body, width)
    picture, blur, bright, quality = spoiled(random, picture, middle, period * ticks)
    row = as_line(middle, angle, period * (ticks - 1), 1.0)
    v = spaced(1, max(6.0, 4 * period) * 0.4, 1.0)
    around = sample(before, row, spaced(-row.length / 2, row.length / 2, 1.0), v)[0]
    apart = np.abs(around - float(grey(np.array(colour, np.uint8)[None, None])[0, 0]))
    contrast = float(np.percentile(apart, 10)) if bare else 150.0
    contrast *= (1 - bright) * math.erf(width * period / 2.83 / blur) if blur else 1 - bright
    unread = "thin" if width * period < max(1.5, 2 * blur) else ""
    unread = unread or ("faint" if contrast < CONTRAST else "") or ("few" if ticks < 10 else "")
    degrees = math.degrees(angle) % 90
    return Drawn(
        picture, f"ruler, {unit}{', tilted' if tilted else ''}", period, unread,
        min(degrees, 90 - degrees), blur, bright, quality, "specimen" if bare else "ruler",
        contrast, unit, tilted,
    )  # fmt: skip


def drawn_card(seed: int) -> Drawn:
    """A colour card of 24 patches beside a specimen; one of five is seen at an angle."""
    random = np.random.default_rng([seed, 2])
    length = float(10 ** random.uniform(math.log10(60), math.log10(700)))
    side = int(np.clip(length * random.uniform(1.5, 4), 300, 1100))
    picture = ground(random, bool(seed % 2), side, int(1.3 * length), int(1.3 * length))
    high, wide = picture.shape[:2]
    angle = float(random.choice([0.0, math.pi / 2, random.uniform(0, math.pi)], p=[0.3, 0.2, 0.5]))
    tilted = random.random() < 0.2
    per_mm = length / CARD[0]
    reach = math.hypot(*CARD) * per_mm / 2 + 4
    centre = (
        random.uniform(min(reach, wide / 2), max(wide - reach, wide / 2)),
        random.uniform(min(reach, high / 2), max(high - reach, high / 2)),
    )
    shrink = (0.1 + 0.1 * random.random()) * (1 if random.random() < 0.5 else -1)
    overlay = Overlay(centre, angle, shrink / length if tilted else 0.0)
    body = ((25, 25, 28), (245, 245, 240), (20, 20, 20))[random.integers(3)]
    before = grey(picture)
    w, h = length / 2, CARD[1] * per_mm / 2
    picture = overlay.paint(picture, [rectangle(-w, -h, w, h)], body)
    cell = w / 3.4
    for i in range(6):
        for j in range(4):
            x, y = (i - 3) * cell + 0.1 * cell, (j - 2) * cell * 0.98 + 0.1 * cell
            of = tuple(int(n) for n in random.integers(0, 256, 3))
            shape = [rectangle(x, y, x + cell * 0.8, y + cell * 0.78)]
            picture = overlay.paint(picture, shape, of)
    picture, blur, bright, quality = spoiled(random, picture, centre, length)
    rims = []
    for a, b in ((0, h + 3), (w + 3, 0)):
        for sign in (-1, 1):
            t = np.linspace(-1, 1, 60)
            xs = sign * a + t * (w if a == 0 else 0)
            ys = sign * b + t * (h if b == 0 else 0)
            points = np.array([overlay.place(x, y) for x, y in zip(xs, ys, strict=True)])
            rims.append(
                ndimage.map_coordinates(before, points.T[::-1] - 0.5, order=1, mode="nearest")
            )
    ink = float(grey(np.array(body, np.uint8)[None, None])[0, 0])
    contrast = float(min(np.percentile(np.abs(rim - ink), 20) for rim in rims)) * (1 - bright)
    unread = "faint" if contrast < CONTRAST else ""
    degrees = math.degrees(angle) % 90
    return Drawn(
        picture, f"card{', tilted' if tilted else ''}", length, unread, min(degrees, 90 - degrees),
        blur, bright, quality, "specimen", contrast, refused=tilted,
    )  # fmt: skip
