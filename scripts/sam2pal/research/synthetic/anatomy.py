"""What a species is made of: plates, limbs and the joints between them.

Lengths are fractions of the body's length; y runs from the head (negative) to the tail, x to
the right; angles are radians, 0 pointing to the head, positive towards the animal's right.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sam2pal.research.synthetic.crops import Crop
from sam2pal.research.synthetic.genes import Genes

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Surface:
    """How a plate or limb looks.

    Colours are 0..1. `striae` is the number of grooves on each half, `pits` the number of pits
    across a tile (0: none), `metallic` how far highlights take the surface's own colour,
    `photograph` the number of one that clads it, or a piece of another.
    """

    colour: Colour
    second: Colour
    pattern: str = "plain"
    pattern_seed: int = 0
    gloss: float = 0.5
    shininess: float = 30.0
    metallic: float = 0.0
    iridescence: float = 0.0
    striae: int = 0
    stria_depth: float = 0.0
    stria_dots: float = 0.0
    pits: int = 0
    pit_depth: float = 0.0
    roughness: float = 0.0
    rough_scale: float = 1.0
    mottle: float = 0.0
    photograph: int | Crop | None = None


Part = tuple[str, int, int]
"""A structure, the block it is of, and the layer in which it is drawn."""
Skin = dict[str, Surface]
"""The surfaces of an animal, by its part."""


@dataclass(frozen=True)
class Plate:
    """A body part, symmetric about its own axis.

    `widths` are (place along the plate 0..1, half width), `axis` (place along, how far the axis lies
    to the right there), straight if empty; `caps` how far the front and the
    rear end are rounded (fraction of the length) and `cap_power` how square that rounding is;
    `bows` move the front and rear margin's sides backwards (positive) or forwards.
    `seams` are places of transverse grooves; `dents` pairs of hollows (across 0..1, along 0..1,
    radius in half widths, depth); `contact` how dark the front and rear are from what touches
    them; `split` how far the halves gape at the rear.
    """

    structure: str
    block: int
    start: float
    end: float
    widths: tuple[tuple[float, float], ...]
    surface: Surface
    caps: tuple[float, float] = (0.3, 0.3)
    cap_power: float = 2.0
    bows: tuple[float, float] = (0.0, 0.0)
    flatness: float = 2.0
    dome: float = 3.0
    suture: float = 0.0
    furrow: float = 0.0
    rim: float = 0.0
    split: float = 0.0
    seams: tuple[float, ...] = ()
    seam_depth: float = 0.5
    dents: tuple[tuple[float, float, float, float], ...] = ()
    contact: tuple[float, float] = (0.0, 0.0)
    edge: float = 0.4
    offset: float = 0.0
    angle: float = 0.0
    paired: bool = False
    opacity: float = 1.0
    veins: int = 0
    layer: int = 5
    axis: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Limb:
    """A pair of jointed limbs.

    `segments`: (length, width at the start, in the middle, at the end); `angles`: the direction
    of the first segment, then each segment's turn; `wobble`: their standard deviations.
    `curl` bends a run of `beads` (the antenna's flagellum, the tarsus) evenly.
    """

    structure: str
    block: int
    x: float
    y: float
    segments: tuple[tuple[float, float, float, float], ...]
    angles: tuple[float, ...]
    wobble: tuple[float, ...]
    surface: Surface
    beads: int = 0
    bead_length: float = 0.0
    bead_width: tuple[float, float] = (0.0, 0.0)
    bead_neck: float = 0.8
    bead_angle: float = 0.0
    club: int = 0
    club_width: float = 0.0
    curl: float = 0.0
    curl_wobble: float = 0.3
    bands: float = 0.0
    spines: float = 0.0
    tip: str = ""
    layer: int = 1
    paired: bool = True
    tuck: float = 0.0
    lose: float = 0.05


def plate(
    part: Part,
    ends: tuple[float, float],
    widths: tuple[tuple[float, float], ...],
    surface: Surface,
    **more: Any,
) -> Plate:
    """A plate from one place to another; `more` are further attributes."""
    structure, block, layer = part
    return Plate(structure, block, *ends, widths, surface, layer=layer, **more)


def limb(
    part: Part,
    place: tuple[float, float],
    segments: tuple[tuple[float, float, float, float], ...],
    angles: tuple[tuple[float, ...], tuple[float, ...]],
    surface: Surface,
    **more: Any,
) -> Limb:
    """A limb that begins at a place; `angles` with their deviations, `more` are further attributes."""
    structure, block, layer = part
    return Limb(structure, block, *place, segments, *angles, surface, layer=layer, **more)


@dataclass(frozen=True)
class Block:
    """Plates and limbs that move together, hinged to `parent` at (`side`, `joint`).

    They are turned by `turn` and, from specimen to specimen, by a deviation of `yaw`.
    """

    parent: int
    joint: float
    yaw: float = 0.05
    gap: float = 0.01
    side: float = 0.0
    turn: float = 0.0


@dataclass(frozen=True)
class Hairs:
    """Setae on the plates: how many, their length, their colour 0..1, how far they lean back."""

    number: int
    length: float
    colour: Colour
    lean: float = 0.5


@dataclass(frozen=True)
class Species:
    """A body plan with all its proportions; a specimen is a draw from it.

    `parents` says which structures lie within another (eyes within the head): such pixels
    belong to both masks. `variation` scales how much individuals differ. `heading` is where the
    head points in an upright photograph, degrees clockwise from the top. No specimen lacks what is
    `essential`.
    """

    kind: str
    blocks: tuple[Block, ...]
    plates: tuple[Plate, ...]
    limbs: tuple[Limb, ...]
    structures: tuple[str, ...]
    genes: Genes
    parents: tuple[tuple[str, str], ...] = ()
    variation: float = 1.0
    pinned_on: str = ""
    heading: float = 0.0
    hairs: Hairs | None = None
    essential: str = ""


def species_of(
    kind: str,
    genes: Genes,
    hinged: Iterable[Block],
    parts: Iterable[Plate | Limb],
    structures: Iterable[str],
    **more: Any,
) -> Species:
    """A species; its eyes and mandibles lie within its head if nothing else is said."""
    parts, names = list(parts), tuple(structures)
    within = [part for part in ("eyes", "mandibles") if "head" in names and part in names]
    return Species(
        kind,
        (Block(-1, 0.0, 0.0, 0.0), *hinged),
        tuple(part for part in parts if isinstance(part, Plate)),
        tuple(part for part in parts if isinstance(part, Limb)),
        names,
        genes,
        **{
            "parents": tuple((part, "head") for part in within),
            "variation": genes.between("variation", 0.6, 1.4),
            **more,
        },
    )


def borne(names: Iterable[str], parts: Iterable[Plate | Limb]) -> tuple[str, ...]:
    """Those of the structures that some plate or limb shows."""
    present = {part.structure for part in parts}
    return tuple(name for name in names if name in present)
