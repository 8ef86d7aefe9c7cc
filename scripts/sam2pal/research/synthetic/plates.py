"""Head, pronotum, elytra ...: domed plates, shaded through tables along and across them."""

import numpy as np

from sam2pal.research.synthetic.anatomy import Plate, Surface
from sam2pal.research.synthetic.canvas import Canvas, Pose
from sam2pal.research.synthetic.noise import TILE, cloth, pits, slopes, tile
from sam2pal.research.synthetic.shading import Array, Look, look_up

STEPS = 160
ACROSS = 768
_PLACES = np.linspace(0, 1, STEPS, dtype=np.float32)
_SIDES = np.linspace(-1, 1, ACROSS, dtype=np.float32)


def outline(plate: Plate) -> Array:
    """Half widths of a plate at STEPS places along it, as fractions of the body's length."""
    places = np.array([place for place, _ in plate.widths], np.float64)
    widths = np.array([width for _, width in plate.widths], np.float64)
    t = _PLACES
    smooth = _smooth(places, widths, t)
    power = plate.cap_power
    for cap, distance in zip(plate.caps, (t, 1 - t), strict=True):
        if cap > 0:
            beyond = np.clip(1 - distance / cap, 0, 1)
            smooth = smooth * (1 - beyond**power) ** (1 / power)
    return smooth.astype(np.float32)


def axis_of(plate: Plate) -> Array:
    """How far the axis lies to the right at STEPS places, as fractions of the body's length."""
    places = np.array([place for place, _ in plate.axis], np.float64)
    shifts = np.array([shift for _, shift in plate.axis], np.float64)
    return _curve(places, shifts, _PLACES).astype(np.float32)


def _smooth(places: Array, widths: Array, t: Array) -> Array:
    """A smooth curve through the given widths, never below a tenth of the smallest."""
    if len(places) == 1:
        return np.full_like(t, widths[0])
    return np.maximum(_curve(places, widths, t), widths.min() * 0.1)


def _curve(places: Array, widths: Array, t: Array) -> Array:
    """A smooth curve through the given values, two or more."""
    rises = np.diff(widths) / np.diff(places)
    slope = np.concatenate([rises[:1], (rises[1:] + rises[:-1]) / 2, rises[-1:]])
    k = np.clip(np.searchsorted(places, t, side="right") - 1, 0, len(places) - 2)
    step = places[k + 1] - places[k]
    u = np.clip((t - places[k]) / step, 0, 1)
    a, b = widths[k], widths[k + 1]
    return (
        (2 * u**3 - 3 * u**2 + 1) * a
        + (u**3 - 2 * u**2 + u) * step * slope[k]
        + (-2 * u**3 + 3 * u**2) * b
        + (u**3 - u**2) * step * slope[k + 1]
    )


def _hill(x: Array) -> Array:
    """A smooth bump: 1 at 0, 0 from distance 1 on."""
    rest = np.clip(1 - x * x, 0, 1)
    return rest * rest


def _across(plate: Plate, surface: Surface, widest: float) -> tuple[Array, ...]:
    """Tables over -1..1 across: slopes of dome and relief, how dark striae and suture are."""
    f = _SIDES
    side = np.sign(f)
    dome = side * np.abs(f) ** np.float32(plate.flatness)
    slope = np.zeros_like(f)
    grooves, lines = np.zeros_like(f), np.zeros_like(f)
    if surface.striae and surface.stria_depth > 0:
        spacing = widest / surface.striae
        depth = surface.stria_depth * float(np.clip((spacing - 1.0) / 2.5, 0, 1))
        q = np.abs(f) * surface.striae
        saw = (q - np.floor(q)) * 2 - 1
        slope += side * saw * np.float32(depth * 0.5)
        grooves = np.float32(min(depth, 1) * 0.55) * saw**4
    if plate.suture + plate.furrow > 0:
        line = min(plate.suture + plate.furrow, 1.0)
        thick = np.float32(max(0.9 / widest, 0.02))
        lines = np.float32(0.75 * line) * _hill(f / (1.6 * thick))
        slope -= side * np.float32(0.3 * line) * _hill((np.abs(f) - 2 * thick) / (2.2 * thick))
    return dome, slope, grooves, lines


def _along(plate: Plate, length: float) -> tuple[Array, Array]:
    """Tables over 0..1 along: the dome's slope with its seams, and how dark each place is."""
    t = _PLACES
    centred = 2 * t - 1
    slope = np.sign(centred) * np.abs(centred) ** np.float32(plate.dome) * np.float32(0.85)
    dark = np.zeros_like(t)
    thick = np.float32(max(1.3 / length, 0.015))
    seams = [(place, plate.seam_depth) for place in plate.seams]
    for place, depth in seams:
        away = t - np.float32(place)
        dark += np.float32(0.7 * depth) * _hill(away / (1.5 * thick))
        slope += np.float32(0.5 * depth) * np.sign(away) * -_hill((np.abs(away) / thick - 2) / 2)
    contact = np.float32(max(3.0 / length, 0.05))
    dark += np.float32(plate.contact[0]) * _hill(t / contact)
    dark += np.float32(plate.contact[1]) * _hill((1 - t) / contact)
    return slope, np.clip(dark, 0, 0.9)


def paint_plate(
    canvas: Canvas, plate: Plate, pose: Pose, look: Look, roll: float, label: int
) -> None:
    """Draw one plate; `roll` (-0.5..0.5) turns its midline to one side."""
    scale = pose.scale
    length = max((plate.end - plate.start) * scale, 1.0)
    table = outline(plate) * np.float32(scale)
    widest = float(table.max())
    if widest < 0.3:
        return
    axis = axis_of(plate) * np.float32(scale) if plate.axis else None
    aside = widest + 1 if axis is None else widest + 1 + float(np.abs(axis).max())
    ox, oy = pose.point(plate.offset, plate.start)
    angle = pose.angle + plate.angle
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    reach = widest * max(0.0, -plate.bows[0], plate.bows[1]) + 2
    corners = [
        (ox + c * a - s * b, oy + s * a + c * b)
        for a in (-aside, aside)
        for b in (-reach, length + reach)
    ]
    left = max(0, int(min(p[0] for p in corners)))
    right = min(canvas.width, int(max(p[0] for p in corners)) + 2)
    top = max(0, int(min(p[1] for p in corners)))
    bottom = min(canvas.height, int(max(p[1] for p in corners)) + 2)
    if left >= right or top >= bottom:
        return
    dx = np.arange(left, right, dtype=np.float32) + np.float32(0.5 - ox)
    dy = np.arange(top, bottom, dtype=np.float32) + np.float32(0.5 - oy)
    lx = (dx * c)[None, :] + (dy * s)[:, None]
    t = ((dx * (-s / np.float32(length)))[None, :]) + (dy * (c / np.float32(length)))[:, None]
    if plate.bows != (0.0, 0.0):
        front, rear = (np.float32(bow * widest / length) for bow in plate.bows)
        side = lx * np.float32(1 / widest)
        side *= side
        t -= side * (front + (rear - front) * t)
    step = np.clip(t * np.float32(STEPS - 1), 0, STEPS - 1).astype(np.intp)
    slopes_out = np.clip(np.gradient(table) * ((STEPS - 1) / length), -4, 4).astype(np.float32)
    lean = 1 / np.sqrt(1 + slopes_out**2)
    if axis is not None:
        bent = np.clip(np.gradient(axis) * ((STEPS - 1) / length), -4, 4).astype(np.float32)
        lean = 1 / np.sqrt(1 + (np.abs(slopes_out) + np.abs(bent)) ** 2)
        lx -= axis.take(step)
    inside = (table * lean).take(step) - np.abs(lx) * lean.take(step)
    ends = (np.float32(0.5) - np.abs(t - np.float32(0.5))) * np.float32(length)
    np.minimum(inside, ends, out=inside)
    chosen = np.flatnonzero(inside > -0.5)
    if not len(chosen):
        return
    rows, columns = np.divmod(chosen, right - left)
    where = (rows + top) * canvas.width + columns + left
    inside, lx, t, step = (field.take(chosen) for field in (inside, lx, t, step))
    w = table.take(step)
    f = np.clip(lx / np.maximum(w, 0.5), -1, 1)
    own = f - np.float32(roll) * (1 - f * f) if roll else f
    if plate.split > 0:
        wedge = np.clip((_PLACES - 0.3) / 0.7, 0, 1) ** 1.5
        wedge = (wedge * plate.split * widest - (wedge == 0) * 9).astype(np.float32)
        inside = np.minimum(inside, np.abs(own) * w - wedge.take(step))
    alpha = np.clip(inside + np.float32(0.5), 0, 1)
    if plate.opacity < 1:
        alpha *= np.float32(plate.opacity)

    surface = look.surface
    half = np.float32((ACROSS - 1) / 2)
    i_shape = (f * half + half).astype(np.intp)
    i_own = np.clip(own * half + half, 0, ACROSS - 1).astype(np.intp) if roll else i_shape
    dome, relief, grooves, lines = _across(plate, surface, widest)
    slope_along, dark_along = _along(plate, length)
    steep = dome.take(i_shape)
    nx = steep * lean.take(step) + relief.take(i_own)
    ny = slope_along.take(step) - np.abs(steep) * (slopes_out * lean).take(step)
    if axis is not None:
        ny -= steep * (bent * lean).take(step)
    dark = lines.take(i_own)
    if surface.stria_dots > 0 and surface.striae:
        pace = np.float32(length * 2.2 / max(widest / surface.striae * 0.5, 1.4))
        beads = 1 + np.float32(surface.stria_dots) * np.sin(t * pace)
        dark = np.minimum(dark + grooves.take(i_own) * beads, 0.95)
    else:
        dark = np.minimum(dark + grooves.take(i_own), 0.95)
    dim = (1 - dark_along).take(step) * (1 - dark)
    if plate.rim > 0:
        thick = max(0.9, plate.rim * 0.06 * widest)
        ridge = _hill((inside - np.float32(2.2 * thick)) * np.float32(0.6 / thick))
        nx -= np.sign(f) * ridge * np.float32(0.8)
        dim *= 1 - np.float32(0.35) * ridge
    for across, place, radius, depth in plate.dents:
        away_x = (np.abs(own) - np.float32(across)) * np.float32(1 / radius)
        away_y = (t - np.float32(place)) * np.float32(length / (radius * widest))
        hollow = _hill(np.sqrt(away_x**2 + away_y**2)) * np.float32(depth)
        nx -= np.sign(own) * away_x * hollow
        ny -= away_y * hollow
        dim *= 1 - np.float32(0.3) * np.abs(hollow)
    cladding = None
    clad = surface.photograph is not None
    if surface.roughness > 0 or surface.pits or surface.mottle > 0 or clad:
        frequency = np.float32(surface.rough_scale * 300 / max(scale, 1))
        iu = (lx * frequency).astype(np.intp) % TILE
        iv = (t * (frequency * np.float32(length))).astype(np.intp) % TILE
        at = iv * TILE + iu
        if surface.roughness > 0:
            along_x, along_y = slopes(1.5)
            nx += along_x.take(at) * np.float32(surface.roughness)
            ny += along_y.take(at) * np.float32(surface.roughness)
        if surface.pits:
            depth_tile, pit_x, pit_y = pits(surface.pits)
            nx += pit_x.take(at) * np.float32(surface.pit_depth)
            ny += pit_y.take(at) * np.float32(surface.pit_depth)
            dim *= 1 - depth_tile.take(at) * np.float32(0.35 * min(surface.pit_depth, 1))
        if clad:
            cladding = cloth(surface.photograph)[:, at]
        if surface.mottle > 0:
            dim *= 1 + tile(6.0).take(at) * np.float32(surface.mottle)
    if plate.veins:
        vein = np.abs(np.sin(own * plate.veins + t * 5)) < 1.6 * plate.veins / widest
        vein |= np.abs(np.sin(t * plate.veins * 2 + own * 2)) < 3.2 * plate.veins / length
        vein |= inside < 1.6
        alpha = np.where(vein, np.maximum(alpha, 0.7 * np.clip(inside + 0.5, 0, 1)), alpha)
        dim = dim * np.where(vein, np.float32(0.35), np.float32(1))
    if plate.opacity == 1:
        edge = np.clip(1 - inside * np.float32(1 / (1.5 + 0.02 * scale)), 0, 1)
        dim *= 1 - np.float32(plate.edge) * edge * edge
    normal = look_up(nx * c - ny * s, nx * s + ny * c)
    light = look.diffuse.take(normal)
    share = None if surface.pattern == "plain" else pattern(surface, t, own)
    colour = []
    for channel, shine in enumerate(look.shine):
        first, second = surface.colour[channel], surface.second[channel]
        if share is None:
            value = light * np.float32(first)
        else:
            value = light * (np.float32(first) + share * np.float32(second - first))
        if cladding is not None:
            value *= cladding[channel]
        value += shine.take(normal)
        value *= dim
        colour.append(value)
    canvas.paint(where, alpha, colour, label, 0.5 * plate.opacity)


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
