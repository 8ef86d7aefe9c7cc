"""A picture in the making: light, and which structure every pixel shows."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from sam2pal.synthetic.anatomy import Plate, Surface
from sam2pal.synthetic.noise import TILE, pits, slopes, tile
from sam2pal.synthetic.shading import Array, look_up

STEPS = 160
FINE = 2  # limbs are drawn this many times larger


@dataclass(frozen=True)
class Pose:
    """Body coordinates to pixels: turned by `angle`, times `scale`, moved to (x, y)."""

    angle: float
    x: float
    y: float
    scale: float

    def point(self, x: float, y: float) -> tuple[float, float]:
        """The pixel place of a body place."""
        c, s = np.cos(self.angle) * self.scale, np.sin(self.angle) * self.scale
        return float(self.x + c * x - s * y), float(self.y + s * x + c * y)

    def hinged(self, x: float, y: float, turn: float, gap: float = 0.0) -> "Pose":
        """This pose turned by `turn` about the body place (x, y), which moves `gap` forwards."""
        px, py = self.point(x, y - gap)
        angle = self.angle + turn
        c, s = np.cos(angle) * self.scale, np.sin(angle) * self.scale
        return Pose(angle, float(px - c * x + s * y), float(py - s * x - c * y), self.scale)


@dataclass(frozen=True)
class Look:
    """A surface under this photograph's light."""

    surface: Surface
    diffuse: Array
    shine: Array


@dataclass
class Canvas:
    """Pixels in linear 0..~1, and the label of what is visible (0: no structure)."""

    pixels: Array
    labels: NDArray[np.uint8]
    solid: Array = field(init=False)

    def __post_init__(self) -> None:
        self.solid = np.zeros(self.labels.shape, np.float32)

    @property
    def height(self) -> int:
        return self.labels.shape[0]

    @property
    def width(self) -> int:
        return self.labels.shape[1]

    def paint(
        self, box: tuple[int, int, int, int], alpha: Array, colour: Array, label: int | None
    ) -> None:
        """Lay `colour` [h, w, 3] over the box (top, left, bottom, right) with `alpha` [h, w].

        Pixels at least half covered show `label` from now on; None leaves labels alone.
        """
        top, left, bottom, right = box
        region = self.pixels[top:bottom, left:right]
        region += alpha[..., None] * (colour - region)
        if label is not None:
            self.labels[top:bottom, left:right][alpha >= 0.5] = label
            np.maximum(
                self.solid[top:bottom, left:right], alpha, out=self.solid[top:bottom, left:right]
            )

    def shade(self, shape: Array, dx: float, dy: float, blur: float, depth: float) -> None:
        """Darken everything by a blurred, moved `shape` [H, W] (0..1): a shadow."""
        small = Image.fromarray((shape * 255).astype(np.uint8)).reduce(2)
        small = small.transform(
            small.size, Image.Transform.AFFINE, (1, 0, -dx / 2, 0, 1, -dy / 2)
        ).filter(ImageFilter.GaussianBlur(max(blur / 2, 0.3)))
        full = small.resize((self.width, self.height), Image.Resampling.BILINEAR)
        self.pixels *= 1 - np.asarray(full, np.float32)[..., None] * np.float32(depth / 255)


def outline(plate: Plate) -> Array:
    """Half widths of a plate at STEPS places along it, as fractions of the body's length."""
    places = np.array([place for place, _ in plate.widths], np.float64)
    widths = np.array([width for _, width in plate.widths], np.float64)
    t = np.linspace(0, 1, STEPS)
    smooth = _smooth(places, widths, t)
    front, rear = plate.caps
    power = plate.cap_power
    for cap, distance in ((front, t), (rear, 1 - t)):
        if cap > 0:
            beyond = np.clip(1 - distance / cap, 0, 1)
            smooth = smooth * (1 - beyond**power) ** (1 / power)
    return smooth.astype(np.float32)


def _smooth(places: Array, widths: Array, t: Array) -> Array:
    """Catmull-Rom through the given widths, never below a tenth of the smallest."""
    if len(places) == 1:
        return np.full_like(t, widths[0])
    slope = np.gradient(widths, places)
    k = np.clip(np.searchsorted(places, t, side="right") - 1, 0, len(places) - 2)
    step = places[k + 1] - places[k]
    u = np.clip((t - places[k]) / step, 0, 1)
    a, b = widths[k], widths[k + 1]
    value = (
        (2 * u**3 - 3 * u**2 + 1) * a
        + (u**3 - 2 * u**2 + u) * step * slope[k]
        + (-2 * u**3 + 3 * u**2) * b
        + (u**3 - u**2) * step * slope[k + 1]
    )
    return np.maximum(value, widths.min() * 0.1)


def paint_plate(
    canvas: Canvas, plate: Plate, pose: Pose, look: Look, roll: float, label: int | None
) -> None:
    """Draw one plate; `roll` (-0.5..0.5) turns its midline to one side."""
    scale = pose.scale
    length = max((plate.end - plate.start) * scale, 1.0)
    table = outline(plate) * np.float32(scale)
    widest = float(table.max())
    if widest < 0.3:
        return
    ox, oy = pose.point(plate.offset, plate.start)
    angle = pose.angle + plate.angle
    c, s = float(np.cos(angle)), float(np.sin(angle))
    reach = widest * 0.5 + 3
    corners = [
        (ox + c * a - s * b, oy + s * a + c * b)
        for a in (-widest - 2, widest + 2)
        for b in (-reach, length + reach)
    ]
    left = max(0, int(min(p[0] for p in corners)))
    right = min(canvas.width, int(max(p[0] for p in corners)) + 2)
    top = max(0, int(min(p[1] for p in corners)))
    bottom = min(canvas.height, int(max(p[1] for p in corners)) + 2)
    if left >= right or top >= bottom:
        return
    dx = (np.arange(left, right, dtype=np.float32) + np.float32(0.5 - ox))[None, :]
    dy = (np.arange(top, bottom, dtype=np.float32) + np.float32(0.5 - oy))[:, None]
    lx = dx * np.float32(c) + dy * np.float32(s)
    ly = dy * np.float32(c) - dx * np.float32(s)
    bow_front, bow_rear = (bow * widest / length for bow in plate.bows)
    t = ly * np.float32(1 / length)
    if bow_front or bow_rear:
        side = (lx * np.float32(1 / widest)) ** 2
        t -= side * (np.float32(bow_front) * (1 - t) + np.float32(bow_rear) * t)
    step = np.clip(t * np.float32(STEPS - 1), 0, STEPS - 1).astype(np.int32)
    slope_table = np.clip(np.gradient(table) / (length / (STEPS - 1)), -4, 4).astype(np.float32)
    norm_table = 1 / np.sqrt(1 + slope_table**2)
    w = table[step]
    lean = norm_table[step]
    inside = np.minimum((w - np.abs(lx)) * lean, np.minimum(t, 1 - t) * np.float32(length))
    f = lx / np.maximum(w, 0.5)
    np.clip(f, -1, 1, out=f)
    f_abs = np.abs(f)
    # the animal's own across-coordinate, turned by the roll
    own = f - np.float32(roll) * (1 - f * f) if roll else f
    if plate.split > 0:
        wedge = np.float32(plate.split * widest) * np.clip((t - 0.35) / 0.65, 0, 1) ** 1.5
        inside = np.minimum(inside, np.abs(own) * w - wedge)
    alpha = np.clip(inside + 0.5, 0, 1)
    if plate.opacity < 1:
        alpha *= np.float32(plate.opacity)
    steep = f_abs ** np.float32(plate.flatness)
    along = 2 * t - 1
    nx = np.sign(f) * steep * lean
    ny = -slope_table[step] * steep * lean
    ny += np.sign(along) * np.clip(np.abs(along), 0, 1) ** np.float32(plate.dome) * np.float32(0.85)
    surface = look.surface
    dim = np.float32(1.0)
    own_side = np.sign(own)
    own_abs = np.abs(own)
    pixel = np.float32(1 / max(widest, 1.0))
    if surface.striae and surface.stria_depth > 0:
        spacing = widest / surface.striae
        depth = surface.stria_depth * float(np.clip((spacing - 1.2) / 2.5, 0, 1))
        if depth > 0:
            q = own_abs * surface.striae
            saw = (q - np.floor(q)) * 2 - 1
            groove = saw**4
            if surface.stria_dots > 0:
                wave = np.sin(ly * np.float32(2.2 / max(spacing * 0.5, 1.4)))
                groove = groove * (1 + np.float32(surface.stria_dots) * wave)
            nx = nx + own_side * saw * np.float32(depth * 0.55)
            dim = dim - np.float32(min(depth, 1) * 0.55) * np.clip(groove, 0, 1.3)
    line = plate.suture + plate.furrow
    if line > 0:
        far = own_abs * w
        if plate.furrow > 0:
            far = far + np.clip(np.abs(along) - 0.7, 0, 1) * np.float32(widest)
        thick = max(0.55, 0.012 * widest)
        valley = np.exp(-((far / np.float32(thick)) ** 2))
        dim = dim * (1 - np.float32(min(line, 1) * 0.7) * valley)
        bank = np.exp(-(((far - np.float32(2 * thick)) / np.float32(1.6 * thick)) ** 2))
        nx = nx - own_side * bank * np.float32(0.3 * line)
    if plate.rim > 0:
        thick = max(0.8, plate.rim * 0.06 * widest)
        ridge = np.exp(-(((inside - np.float32(2.2 * thick)) / np.float32(thick)) ** 2))
        nx = nx - np.sign(f) * ridge * np.float32(0.8)
        dim = dim * (1 - np.float32(0.4) * ridge)
    if surface.roughness > 0 or surface.pits or surface.mottle > 0:
        frequency = np.float32(surface.rough_scale * 300 / max(scale, 1))
        iu = (lx * frequency).astype(np.int32) % TILE
        iv = (ly * frequency).astype(np.int32) % TILE
        if surface.roughness > 0:
            along_x, along_y = slopes(1.5)
            nx = nx + along_x[iv, iu] * np.float32(surface.roughness)
            ny = ny + along_y[iv, iu] * np.float32(surface.roughness)
        if surface.pits:
            depth_tile, pit_x, pit_y = pits(surface.pits)
            nx = nx + pit_x[iv, iu] * np.float32(surface.pit_depth)
            ny = ny + pit_y[iv, iu] * np.float32(surface.pit_depth)
            dim = dim * (1 - depth_tile[iv, iu] * np.float32(0.35 * min(surface.pit_depth, 1)))
        if surface.mottle > 0:
            dim = dim * (1 + tile(6.0)[iv, iu] * np.float32(surface.mottle))
    normal = look_up(
        nx * np.float32(c) - ny * np.float32(s), nx * np.float32(s) + ny * np.float32(c)
    )
    base = np.array(surface.colour, np.float32)
    if surface.pattern == "plain":
        colour = look.diffuse.reshape(-1, 1)[normal] * base
    else:
        share = pattern(surface, t, own)[..., None]
        colour = base + share * (np.array(surface.second, np.float32) - base)
        colour *= look.diffuse.reshape(-1, 1)[normal]
    colour += look.shine.reshape(-1, 3)[normal]
    if plate.veins:
        vein = np.abs(np.sin(own * plate.veins + t * 5)) < 1.6 * plate.veins * pixel
        vein |= np.abs(np.sin(t * plate.veins * 2 + own * 2)) < 1.6 * plate.veins * 2 / length
        vein |= inside < 1.6
        alpha = np.where(vein & (alpha > 0), np.maximum(alpha, 0.7), alpha)
        dim = dim * np.where(vein, np.float32(0.35), np.float32(1))
    if plate.opacity == 1:
        edge = np.exp(-np.clip(inside, 0, None) / np.float32(0.9 + 0.012 * scale))
        dim = dim * (1 - np.float32(0.55) * edge)
    colour *= dim[..., None] if isinstance(dim, np.ndarray) else dim
    canvas.paint((top, left, bottom, right), alpha, np.clip(colour, 0, 1.5), label)


def pattern(surface: Surface, t: Array, own: Array) -> Array:
    """How much of the surface's second colour shows at these places, 0..1."""
    name = surface.pattern
    if name == "margin":
        value = (np.abs(own) - 0.82) * 12
    elif name == "apex":
        value = (t - 0.72) * 8 - np.abs(own) * 0.5
    elif name == "base":
        value = (0.25 - t) * 9
    elif name == "bands":
        value = np.sin(t * (8 + surface.pattern_seed % 9) + np.cos(own * 3) * 0.7) * 4
    elif name == "stripe":
        value = (0.2 - np.abs(own)) * 14
    elif name == "vitta":
        value = (0.13 - np.abs(np.abs(own) - 0.5)) * 18
    elif name == "fade":
        value = t
    elif name == "centre":
        value = (0.3 - np.maximum(np.abs(own), np.abs(t - 0.5) * 1.4)) * 6
    else:
        generator = np.random.default_rng(surface.pattern_seed)
        value = np.full(t.shape, -1.0, np.float32)
        for _ in range(int(generator.integers(1, 5))):
            across, place, radius = generator.uniform((0.1, 0.1, 0.08), (0.8, 0.9, 0.25))
            far = (np.abs(own) - across) ** 2 + ((t - place) * 1.8) ** 2
            value = np.maximum(value, 6 * (1 - far / radius**2))
    return np.clip(value, 0, 1).astype(np.float32)


class LimbLayer:
    """Limbs of one depth, drawn `FINE` times larger: normals, tone and label at once."""

    def __init__(self, canvas: Canvas) -> None:
        size = (canvas.width * FINE, canvas.height * FINE)
        self.normals = Image.new("RGB", size, (128, 128, 0))
        self.labels = Image.new("L", size, 0)
        self._paint = ImageDraw.Draw(self.normals)
        self._name = ImageDraw.Draw(self.labels)
        self.used = False

    def segment(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        widths: tuple[float, float, float],
        tone: int,
        label: int,
    ) -> None:
        """A tapered piece between two pixel places; half widths in pixels at three places."""
        x0, y0, x1, y1 = (value * FINE for value in (*start, *end))
        dx, dy = x1 - x0, y1 - y0
        length = max((dx * dx + dy * dy) ** 0.5, 1e-3)
        ux, uy = dx / length, dy / length
        a, m, b = (max(value * FINE, 0.45) for value in widths)
        thick = max(a, m, b)
        round_end = min(0.3 * thick, length * 0.2)
        stations = (
            (-round_end, a * 0.5),
            (length * 0.08, a),
            (length * 0.3, 0.4 * a + 0.6 * m),
            (length * 0.5, m),
            (length * 0.75, 0.45 * m + 0.55 * b),
            (length * 0.94, b),
            (length + round_end, b * 0.55),
        )
        if thick < 1.6:
            stations = (stations[0], stations[3], stations[6])
        strips = (-1.0, 1.0) if thick < 1.2 else (-1.0, 0.0, 1.0) if thick < 2.2 else STRIPS
        for low, high in zip(strips[:-1], strips[1:], strict=True):
            middle = (low + high) / 2
            nx, ny = -uy * middle, ux * middle
            points = [(x0 + ux * d - uy * w * low, y0 + uy * d + ux * w * low) for d, w in stations]
            points += [
                (x0 + ux * d - uy * w * high, y0 + uy * d + ux * w * high)
                for d, w in reversed(stations)
            ]
            self._paint.polygon(points, fill=(int(128 + 127 * nx), int(128 + 127 * ny), tone))
        points = [(x0 + ux * d - uy * w, y0 + uy * d + ux * w) for d, w in stations]
        points += [(x0 + ux * d + uy * w, y0 + uy * d - ux * w) for d, w in reversed(stations)]
        self._name.polygon(points, fill=label, outline=label)
        self.used = True

    def paint(self, canvas: Canvas, looks: dict[int, Look], colours: bool = True) -> None:
        """Lay the finished limbs over the canvas; `looks` by label."""
        if not self.used:
            return
        fine = np.asarray(self.labels)
        quarters = [fine[i::FINE, j::FINE] for i in range(FINE) for j in range(FINE)]
        top_label = np.maximum.reduce(quarters)
        rows, columns = np.nonzero(top_label)
        cover = sum((quarter[rows, columns] > 0).astype(np.uint8) for quarter in quarters)
        alpha = cover.astype(np.float32) / FINE**2
        normals = np.asarray(self.normals.reduce(FINE))[rows, columns].astype(np.float32)
        share = np.maximum(alpha, 0.25)
        nx = (normals[:, 0] - 128) / 128
        ny = (normals[:, 1] - 128) / 128
        tone = np.clip(normals[:, 2] / share / 255, 0, 1)
        label = top_label[rows, columns]
        index = look_up(nx, ny)
        colour = np.zeros((len(rows), 3), np.float32)
        for number, look in looks.items():
            own = label == number
            if not own.any():
                continue
            first = np.array(look.surface.colour, np.float32)
            second = np.array(look.surface.second, np.float32)
            mixed = first + tone[own, None] * (second - first)
            at = index[own]
            colour[own] = look.diffuse.reshape(-1, 1)[at] * mixed + look.shine.reshape(-1, 3)[at]
        here = canvas.pixels[rows, columns]
        canvas.pixels[rows, columns] = here + alpha[:, None] * (colour - here)
        shown = alpha >= 0.5
        canvas.labels[rows[shown], columns[shown]] = label[shown]
        canvas.solid[rows, columns] = np.maximum(canvas.solid[rows, columns], alpha)


STRIPS = (-1.0, -0.6, -0.2, 0.2, 0.6, 1.0)
