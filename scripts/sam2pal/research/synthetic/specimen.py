"""Draw a specimen of a species with the mask of every structure."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sam2pal.research.synthetic.anatomy import Plate, Species, Surface
from sam2pal.research.synthetic.canvas import OTHER, Canvas, Pose
from sam2pal.research.synthetic.hairs import paint_hairs
from sam2pal.research.synthetic.labels import lay_label
from sam2pal.research.synthetic.lateral import FAR
from sam2pal.research.synthetic.limbs import LimbLayer
from sam2pal.research.synthetic.mounts import add_glue, add_mount, add_scale_bar
from sam2pal.research.synthetic.photograph import Style, develop, sample_style, soften
from sam2pal.research.synthetic.plates import paint_plate
from sam2pal.research.synthetic.scenery import background, pin
from sam2pal.research.synthetic.shading import Lighting
from sam2pal.research.synthetic.skeleton import Skeleton, individual

FILL = (124, 116, 104)  # what a letterbox's margin looks like before normalisation
FRAMES = ("square", "fit", "letterbox")


@dataclass(frozen=True)
class DrawnPhotograph:
    """A drawn photograph: pixels uint8 [H, W, 3] and a bool mask [H, W] for every structure.

    A structure the specimen lacks, or that is hidden or outside the frame, has an empty mask.
    `scale` is how many pixels the body is long.
    """

    pixels: NDArray[np.uint8]
    masks: dict[str, NDArray[np.bool_]]
    scale: float


class PictureFrame(NamedTuple):
    """A kind of `FRAMES`, its size in pixels, and the share of the body that may lie outside of it."""

    kind: str
    height: int
    width: int
    partial: float


def draw_specimen(  # each keyword is a choice of its own, and most calls make one or two
    species: Species,
    rng: np.random.Generator,
    size: int | tuple[int, int] = 320,
    *,
    style: Style | None = None,
    frame: str = "square",
    orientation: tuple[float, float] | None = None,
    mirrored: bool = False,
    missing: tuple[str, ...] | None = None,
    partial: float = 0.0,
    supple: float = 1.0,
) -> DrawnPhotograph:
    """Draw one specimen.

    Args:
        size: the longer side in pixels, or (height, width) of a `square` frame.
        frame: `square` (the whole canvas is photograph), `fit` (the photograph is as narrow as
            the specimen needs), or `letterbox` (as `fit`, then padded to a square).
        orientation: range of the head's direction in degrees clockwise from the top; None
            follows the style (upright, or any).
        missing: structures this specimen lacks; None leaves it to chance.
        partial: the share (0..1) of the body that may lie outside the frame.
        supple: how far the joints bend at random, as a multiple of the species' own.

    Raises:
        ValueError: `frame` is none of the three, or `missing` has what no specimen lacks.
    """
    if frame not in FRAMES:
        raise ValueError(f"frame: expected one of {', '.join(FRAMES)}, found {frame}")
    if missing and species.essential in missing:
        raise ValueError(f"missing: a {species.kind} without {species.essential} cannot be drawn")
    style = sample_style(rng) if style is None else style
    if orientation is None:
        spread = 12.0 if style.upright else 180.0
        turn = np.radians(rng.normal(0, spread) if style.upright else rng.uniform(-spread, spread))
        turn += np.radians(species.heading)
    else:
        turn = np.radians(rng.uniform(*orientation))
    person = individual(species, rng)
    lost = sample_missing(species, rng) if missing is None else missing
    skeleton = Skeleton(person, rng, lost, supple)
    asked = PictureFrame(frame, *((size, size) if isinstance(size, int) else size), partial)
    pose, height, width = place(skeleton, rng, style, float(turn), asked)
    unit = pose.scale
    if style.scene:
        behind = style.scene.light(height, width)
    else:
        behind = background(rng, style.backdrop, height, width, unit)
    names = {name: k + 1 for k, name in enumerate(all_names(person))}
    canvas = Canvas(behind, np.zeros((height, width), np.uint8), names)
    if style.backdrop == "mount":
        add_mount(canvas, pose, rng)
    if rng.random() < style.crowd:
        add_strangers(canvas, person, rng, style, pose)
    canvas.solid[:] = 0
    looks = Lighting(style.lights, style.ambient, style.sky)
    draw_animal(canvas, skeleton, pose, looks, rng, style.depth)
    cast = style.shadow
    if cast > 0.05:
        far = unit * rng.uniform(0.01, 0.07)
        canvas.shade(
            canvas.solid,
            float(np.cos(style.shadow_angle) * far),
            float(np.sin(style.shadow_angle) * far),
            unit * rng.uniform(0.008, 0.04),
            cast,
            True,
        )
    if rng.random() < style.pin and person.pinned_on:
        add_pin(canvas, skeleton, pose, looks, rng)
    if rng.random() < style.scrap:
        add_scrap(canvas, rng, unit)
    if style.glue and rng.random() < style.glue:
        add_glue(canvas, pose, rng)
    if style.bar and rng.random() < style.bar:
        add_scale_bar(canvas, rng)
    pixels = develop(rng, canvas.pixels, style)
    masks = masks_of(canvas.labels, person, names)
    if mirrored:
        pixels = np.ascontiguousarray(pixels[:, ::-1])
        masks = {name: np.ascontiguousarray(mask[:, ::-1]) for name, mask in masks.items()}
    if frame == "letterbox":
        return letterbox(DrawnPhotograph(pixels, masks, unit))
    return DrawnPhotograph(pixels, masks, unit)


def letterbox(drawing: DrawnPhotograph) -> DrawnPhotograph:
    """Pad a drawing to a square, centred, with the colour that normalises to zero."""
    height, width = drawing.pixels.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    pixels = np.array(Image.new("RGB", (side, side), FILL))
    pixels[top : top + height, left : left + width] = drawing.pixels
    masks = {}
    for name, mask in drawing.masks.items():
        masks[name] = np.zeros((side, side), bool)
        masks[name][top : top + height, left : left + width] = mask
    return DrawnPhotograph(pixels, masks, drawing.scale)


def all_names(species: Species) -> tuple[str, ...]:
    """Every structure a pixel may show: the annotated ones and their children."""
    names = dict.fromkeys(species.structures)
    names.update(dict.fromkeys(child for child, _ in species.parents))
    names.update(
        dict.fromkeys(p.structure for p in (*species.plates, *species.limbs) if p.structure)
    )
    return tuple(names)


def masks_of(
    labels: NDArray[np.uint8], species: Species, names: dict[str, int]
) -> dict[str, NDArray[np.bool_]]:
    """The mask of each annotated structure; a child's pixels are its parent's too."""
    masks = {}
    for name in species.structures:
        mask = labels == names[name]
        for child, parent in species.parents:
            if parent == name and child in names:
                mask |= labels == names[child]
        masks[name] = mask
    return masks


def sample_missing(species: Species, rng: np.random.Generator) -> tuple[str, ...]:
    """Structures a museum specimen has lost, by chance: mostly none."""
    lost = []
    for name, chance in (("antennae", 0.06), ("legs", 0.04), ("head", 0.03), ("wings", 0.05)):
        known = name in species.structures and name != species.essential
        if known and rng.random() < chance:
            lost.append(name)
    return tuple(lost)


def place(
    skeleton: Skeleton, rng: np.random.Generator, style: Style, turn: float, frame: PictureFrame
) -> tuple[Pose, int, int]:
    """Where the animal lies in the frame, and the frame's height and width."""
    kind, height, width, partial = frame
    root = Pose(turn, 0.0, 0.0, 1.0)
    body = skeleton.points(root, False)
    whole = skeleton.points(root, True)
    low = whole.min(0) + (body.min(0) - whole.min(0)) * style.tightness * rng.uniform(0, 1, 2)
    high = whole.max(0) + (body.max(0) - whole.max(0)) * style.tightness * rng.uniform(0, 1, 2)
    margin = (
        rng.uniform(0.0, 0.04, 4)
        if kind != "square" or rng.random() < 0.6
        else rng.uniform(0, 0.35, 4)
    )
    low, high = low - margin[:2], high + margin[2:]
    extent = high - low
    if partial > 0:
        cut = rng.uniform(0, partial, 2) * extent
        sign = rng.random(2) < 0.5
        low, high = low + cut * sign, high - cut * ~sign
        extent = high - low
    if kind == "square":
        scale = float(min(width / extent[0], height / extent[1]))
        room = np.array([width, height]) / scale - extent
        origin = low - room * rng.uniform(0.2, 0.8, 2)
    else:
        scale = float(max(height, width) / extent.max())
        width = max(16, int(round(extent[0] * scale)))
        height = max(16, int(round(extent[1] * scale)))
        origin = low
    return Pose(turn, float(-origin[0] * scale), float(-origin[1] * scale), scale), height, width


def draw_animal(
    canvas: Canvas,
    skeleton: Skeleton,
    root: Pose,
    looks: Lighting,
    rng: np.random.Generator,
    depth: float = 0.0,
) -> None:
    """Paint limbs and plates from the lowest layer to the highest; '' plates show no structure.

    `depth` is how far, in pixels, what lies behind the body is out of focus.
    """
    poses = skeleton.poses(root)
    layers = sorted({limb.layer for limb, _ in skeleton.limbs} | {p.layer for p in skeleton.plates})
    for number in layers:
        limbs = [pair for pair in skeleton.limbs if pair[0].layer == number]
        if limbs:
            layer = LimbLayer()
            for limb, pieces in limbs:
                pose = poses[limb.block]
                code = layer.code(canvas.names.get(limb.structure, OTHER), looks.look(limb.surface))
                ends = pose.points(pieces[:, :4].reshape(-1, 2)).reshape(-1, 4)
                layer.add(ends, pieces[:, 4:7] * pose.scale, pieces[:, 7], code)
            layer.paint(canvas)
        for plate in skeleton.plates:
            if plate.layer == number:
                draw_plate(canvas, plate, poses[plate.block], looks, skeleton.roll)
        if number == FAR and depth > 0:
            soften(canvas.pixels, depth)
    hairs = skeleton.species.hairs
    if hairs:
        coated = [p for p in skeleton.plates if p.structure and p.structure != "eyes"]
        paint_hairs(canvas, [(plate, poses[plate.block]) for plate in coated], hairs, rng)


def draw_plate(canvas: Canvas, plate: Plate, pose: Pose, looks: Lighting, roll: float) -> None:
    """Paint a plate, or both of a pair."""
    label = canvas.names.get(plate.structure, OTHER)
    look = looks.look(plate.surface)
    paint_plate(canvas, plate, pose, look, roll, label)
    if plate.paired:
        mirrored = tuple((place, -shift) for place, shift in plate.axis)
        twin = replace(plate, offset=-plate.offset, angle=-plate.angle, axis=mirrored)
        paint_plate(canvas, twin, pose, look, roll, label)


def add_strangers(
    canvas: Canvas, species: Species, rng: np.random.Generator, style: Style, pose: Pose
) -> None:
    """Other specimens near the edge of the frame, which nobody annotated."""
    looks = Lighting(style.lights, style.ambient, style.sky)
    for _ in range(int(rng.integers(1, 3))):
        angle = rng.uniform(0, 2 * np.pi)
        far = rng.uniform(1.4, 1.9)
        centre = np.array([canvas.width, canvas.height]) / 2
        x, y = centre + np.array([np.cos(angle), np.sin(angle)]) * far * 0.7 * centre.max()
        other = Skeleton(individual(species, rng), rng, ())
        there = Pose(float(rng.uniform(0, 2 * np.pi)), float(x), float(y), pose.scale)
        draw_animal(canvas, other, there, looks, rng)
    canvas.labels[:] = 0


def add_pin(
    canvas: Canvas, skeleton: Skeleton, root: Pose, looks: Lighting, rng: np.random.Generator
) -> None:
    """Pin the animal through the plate its kind is pinned through."""
    poses = skeleton.poses(root)
    for plate in skeleton.plates:
        if plate.structure == skeleton.species.pinned_on:
            along = rng.uniform(0.1, 0.5)
            wide = max(width for _, width in plate.widths)
            y = plate.start + along * (plate.end - plate.start)
            at = poses[plate.block].point(float(rng.normal(0.4, 0.25)) * wide, y)
            tone = rng.uniform(0.5, 0.85)
            head = Surface((tone, tone * 0.88, tone * 0.68), (1, 1, 1), gloss=0.5, shininess=12)
            grey = float(rng.uniform(0.02, 0.35))
            shaft = Surface((grey, grey, grey), (0, 0, 0), gloss=0.6, shininess=20)
            pin(canvas, rng, at, root.scale, looks.look(head), looks.look(shaft))
            return


def add_scrap(canvas: Canvas, rng: np.random.Generator, unit: float) -> None:
    """A small label that lies over the animal."""
    size = tuple(max(6.0, unit * value) for value in rng.uniform(0.1, 0.45, 2).tolist())
    x, y = rng.uniform(0, canvas.width), rng.uniform(0, canvas.height)
    laid = lay_label(canvas.pixels, rng, x, y, size, rng.uniform(0, np.pi))
    if laid:
        rows, columns, shown = laid
        canvas.labels[rows, columns][shown] = OTHER
