"""Scale bars, rulers and cards drawn over a picture, of exactly known length."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from skimage.draw import polygon

Colour = tuple[int, int, int]
Polygon = Sequence[tuple[float, float]]
STYLES = ("plain", "ticks", "one-sided ticks", "box", "alternating", "panel")


def rectangle(left: float, top: float, right: float, bottom: float) -> Polygon:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


@dataclass(frozen=True)
class Overlay:
    """Something flat that lies in a picture: its own x runs along it, from its middle.

    Attributes:
        centre: (x, y) in the picture, pixels.
        angle: of its x axis, radians, y down.
        vanish: perspective: by how much lengths shrink from one end of a pixel of x to the next.
    """

    centre: tuple[float, float]
    angle: float = 0.0
    vanish: float = 0.0

    def place(self, x: float, y: float) -> tuple[float, float]:
        c, s, w = math.cos(self.angle), math.sin(self.angle), 1 + self.vanish * x
        x, y = x / w, y / w
        return self.centre[0] + x * c - y * s, self.centre[1] + x * s + y * c

    def paint(self, picture: np.ndarray, shapes: Sequence[Polygon], colour: Colour) -> np.ndarray:
        """The picture with polygons filled, their edges as soft as pixels make them."""
        placed = [[self.place(*point) for point in shape] for shape in shapes]
        x, y = (np.array([p[i] for shape in placed for p in shape]) for i in (0, 1))
        high, wide = picture.shape[:2]
        left, top = max(0, int(x.min()) - 1), max(0, int(y.min()) - 1)
        right, bottom = min(wide, int(x.max()) + 2), min(high, int(y.max()) + 2)
        if right <= left or bottom <= top:
            return picture
        size = max(right - left, bottom - top)
        fine = 8 if size < 300 else 4 if size < 1000 else 2
        mask = np.zeros(((bottom - top) * fine, (right - left) * fine), np.uint8)
        for corners in placed:
            across, down = (np.array(numbers) for numbers in zip(*corners, strict=True))
            inside = polygon(
                (down - top) * fine - 0.5, (across - left) * fine - 0.5, mask.shape
            )  # of pixels' middles
            mask[inside] = 255
        soft = np.asarray(Image.fromarray(mask).reduce(fine))
        return _blend(picture, soft, (left, top), colour)

    def write(
        self, picture: np.ndarray, text: str, at: tuple[float, float], size: float, colour: Colour
    ):
        """The picture with a text whose middle is at (x, y) of the overlay, `size` pixels high."""
        font = ImageFont.load_default(64)
        box = font.getbbox(text)
        mask = Image.new("L", (box[2] + 8, box[3] + 8))
        ImageDraw.Draw(mask).text((4, 4), text, fill=255, font=font)
        factor = size / 48
        side = int(math.hypot(*mask.size) * factor) + 4
        cx, cy = self.place(*at)
        left, top = round(cx - side / 2), round(cy - side / 2)
        c, s = math.cos(self.angle) / factor, math.sin(self.angle) / factor
        ox, oy = left - cx, top - cy
        of = (c, s, c * ox + s * oy + mask.width / 2, -s, c, -s * ox + c * oy + mask.height / 2)
        if factor < 1:
            mask = Image.fromarray(ndimage.gaussian_filter(np.asarray(mask), 0.4 / factor))
        turned = mask.transform((side, side), Image.Transform.AFFINE, of, Image.Resampling.BILINEAR)
        return _blend(picture, np.asarray(turned), (left, top), colour)


def _blend(
    picture: np.ndarray, mask: np.ndarray, corner: tuple[int, int], colour: Colour
) -> np.ndarray:
    left, top = corner
    high, wide = picture.shape[:2]
    a, b = max(0, left), max(0, top)
    c, d = min(wide, left + mask.shape[1]), min(high, top + mask.shape[0])
    if c <= a or d <= b:
        return picture
    share = mask[b - top : d - top, a - left : c - left, None] / 255.0
    picture = picture.copy()
    part = picture[b:d, a:c]
    picture[b:d, a:c] = np.round(part * (1 - share) + np.array(colour) * share).astype(np.uint8)
    return picture


def draw_bar(
    picture: np.ndarray,
    overlay: Overlay,
    length: float,
    thickness: float,
    style: str = "plain",
    colour: Colour = (0, 0, 0),
    other: Colour = (255, 255, 255),
    text: str = "",
) -> np.ndarray:
    """A picture with a bar.

    Args:
        picture: uint8 [h, w, 3].
        length: pixels; with ticks from middle to middle of the outer ones, else from edge to edge.
        thickness: of the line (of boxes: of their height).
        style: one of `STYLES`.
        other: of the light parts, or of the panel.
        text: written beside it.
    """
    half, t = length / 2, thickness / 2
    size = min(max(8.0, 3.0 * thickness), max(8.0, length / 3))
    gap = t + size * 0.9
    if style == "panel":
        tall = gap + size if text else 3 * thickness + 4
        wide = half + max(4.0, 2 * thickness)
        picture = overlay.paint(picture, [rectangle(-wide, -tall, wide, 3 * t + 4)], other)
    if style in ("plain", "panel"):
        picture = overlay.paint(picture, [rectangle(-half, -t, half, t)], colour)
    elif style in ("ticks", "one-sided ticks"):
        tick = max(3.0, 2.5 * thickness)
        low = 0.0 if style == "one-sided ticks" else tick
        shapes = [rectangle(-half - t, -t, half + t, t)]
        shapes += [rectangle(x - t, -tick - t, x + t, low + t) for x in (-half, half)]
        picture = overlay.paint(picture, shapes, colour)
    elif style == "box":
        stroke = max(1.0, thickness / 5)
        if sum(colour) < 384:  # a light frame has nothing in it
            picture = overlay.paint(picture, [rectangle(-half, -t, half, t)], other)
        sides = [rectangle(-half, y, half, y + stroke) for y in (-t, t - stroke)]
        ends = [rectangle(x, -t, x + stroke, t) for x in (-half, half - stroke)]
        picture = overlay.paint(picture, sides + ends, colour)
    elif style == "alternating":
        stroke, step = max(1.0, thickness / 6), length / 5
        picture = overlay.paint(picture, [rectangle(-half, -t, half, t)], colour)
        light = [
            rectangle(-half + i * step, -t + stroke, -half + (i + 1) * step, t - stroke)
            for i in (1, 3)
        ]
        picture = overlay.paint(picture, light, other)
    else:
        raise ValueError(f"{style}: not one of {', '.join(STYLES)}")
    if text:
        tall = {"ticks": 3.0 * thickness + 4, "one-sided ticks": 3.0 * thickness + 4}.get(
            style, 0.0
        )
        picture = overlay.write(picture, text, (0, -gap - tall), size, colour)
    return picture


def draw_ruler(
    picture: np.ndarray,
    overlay: Overlay,
    period: float,
    ticks: int,
    every: Sequence[int] = (5, 10),
    colour: Colour = (20, 20, 20),
    ground: Colour | None = (235, 230, 215),
    width: float = 0.2,
) -> np.ndarray:
    """A picture with a ruler whose ticks are `period` pixels apart.

    Args:
        every: which ticks are longer, and again longer.
        ground: colour of the ruler; None draws only its ticks.
        width: of a tick, as a share of the period.
    """
    long, tall = period * (ticks - 1), max(6.0, 4 * period)
    if ground is not None:
        body = rectangle(-long / 2 - 2 * period, -3, long / 2 + 2 * period, tall * 2.5)
        picture = overlay.paint(picture, [body], ground)
    shapes = []
    for i in range(ticks):
        x, high = i * period - long / 2, tall * (0.5 + 0.3 * sum(i % n == 0 for n in every))
        shapes.append(rectangle(x - width * period / 2, 0, x + width * period / 2, high))
    return overlay.paint(picture, shapes, colour)
