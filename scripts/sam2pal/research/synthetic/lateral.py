"""Parts of an animal seen from its side: the head to the top, the back to the right.

What it has on both sides is drawn twice: the far one behind the body, the near one before it.
"""

from dataclasses import replace
from typing import Any

from sam2pal.research.synthetic import anatomy
from sam2pal.research.synthetic.anatomy import Limb, Part, Plate, Skin, Surface, limb
from sam2pal.research.synthetic.appendages import BELOW, along
from sam2pal.research.synthetic.genes import Genes

FAR, NEAR, NEAREST = 0, 9, 10
# place along 0..1, where the back and where the belly is
Contour = tuple[tuple[float, float, float], ...]

# directions of femora and tibiae of a fore, a middle and a hind leg, from and to; -1.57: downwards
POSES = {
    "hanging": (((-1.5, -1.9, -2.4), (-0.7, -1.2, -1.6)), ((-2.2, -2.1, -2.3), (-1.2, -1.3, -1.3))),
    "gathered": (
        ((-1.3, -2.1, -2.9), (-0.2, -0.8, -1.9)),
        ((-3.3, -2.6, -1.7), (-2.0, -1.2, -0.5)),
    ),
    "spread": (((-0.8, -2.9, -3.6), (0.4, -0.4, -2.6)), ((-1.9, -2.0, -2.2), (-0.9, -1.1, -1.2))),
}


def plate(
    part: Part, ends: tuple[float, float], contour: Contour, surface: Surface, **more: Any
) -> Plate:
    """A plate between the lines of back and belly."""
    widths = tuple((place, (back - belly) / 2) for place, back, belly in contour)
    axis = tuple((place, (back + belly) / 2) for place, back, belly in contour)
    return anatomy.plate(part, ends, widths, surface, axis=axis, **more)


def moved(part: Plate | Limb, x: float, y: float) -> Plate | Limb:
    """The part `x` farther to the back and `y` farther to the tail."""
    if isinstance(part, Limb):
        return replace(part, x=part.x + x, y=part.y + y)
    return replace(part, start=part.start + y, end=part.end + y, offset=part.offset + x)


def both_sides(one: Limb, near: int = NEAR) -> list[Limb]:
    """The limb of the far and that of the near side."""
    return [replace(one, layer=layer, paired=False) for layer in (FAR, near)]


def legs(
    genes: Genes, skin: Skin, places: list[tuple[int, float, float]], size: float
) -> list[Limb]:
    """Legs at (block, x, y), from the front to the rear, of both sides; `size`: of a femur."""
    genes = genes.under("legs")
    u = genes.between
    femur = u("femur", 0.8, 1.25) * size
    tibia = femur * u("tibia", 0.7, 1.1)
    tarsus = femur * u("tarsus", 0.45, 0.9)
    coxa = femur * u("coxa", 0.2, 0.42)
    thick = femur * u("thick", 0.06, 0.125)
    thin = thick * u("thin", 0.4, 0.75)
    growth = u("growth", 0.95, 1.3)
    spines = u("spines", 0.2, 0.8) if genes.chance("spiny", 0.25) else 0.0
    bands = u("bands", 0.2, 0.9) if genes.chance("banded", 0.12) else 0.0
    out, shin = POSES[genes.pick("pose", {"hanging": 0.45, "gathered": 0.4, "spread": 0.15})]
    limbs = []
    for k, (block, x, y) in enumerate(places):
        share = k / max(len(places) - 1, 1)
        factor = 1 + (growth - 1) * share
        own = genes.under(f"pair {k}")
        first = own.between("out", *along(share, out))
        second = own.between("shin", *along(share, shin))
        base = own.between("base", -2.0, -1.2)
        hip = coxa * own.between("hip", 0.7, 1.0 if k else 1.5)
        wide = thick * own.between("hip wide", 1.1, 1.9)
        swell = thick * own.between("swell", 1.0, 1.5)
        one = limb(
            ("legs", block, BELOW),
            (x, y),
            (
                (hip, wide, wide, thick * 0.7),
                (femur * factor, thick * 0.6, swell, thick * 0.6),
                (tibia * factor, thin * 0.7, thin, thin * 1.1),
            ),
            ((base, first - base, second - first), (0.2, 0.35, 0.4)),
            skin["legs"],
            beads=5,
            bead_length=tarsus * factor / 5,
            bead_width=(thin * 0.75, thin * 0.5),
            bead_neck=genes.between("neck", 0.5, 0.9),
            bead_angle=own.between("ankle", -0.4, 0.4),
            curl=own.between("curl", -0.6, 0.6),
            curl_wobble=0.7,
            bands=bands,
            spines=spines,
            tip="claws",
            lose=0.07,
        )
        limbs += both_sides(one)
    return limbs


def head(
    genes: Genes, skin: Skin, block: int, length: float, height: float, eye: tuple[float, float]
) -> list[Plate]:
    """A head hinged at (0, 0), its mouth to the top, with one eye of `eye` (from, to) lengths."""
    genes = genes.under("head")
    u = genes.between
    nape = length * u("nape", 0.05, 0.25)
    front = nape - length
    back, belly = height * u("back", 0.85, 1.15), height * u("belly", 0.7, 1.1)
    mouth = u("mouth", 0.35, 0.75)
    head = plate(
        ("head", block, 6),
        (front, nape),
        (
            (0, back * mouth * u("clypeus height", 0.4, 1.0), -belly * mouth),
            (u("frons", 0.3, 0.5), back * u("frons height", 0.75, 1.0), -belly * 0.9),
            (u("vertex", 0.6, 0.8), back, -belly * u("gula", 0.7, 1.0)),
            (1, back * u("occiput", 0.5, 0.9), -belly * u("throat", 0.2, 0.7)),
        ),
        skin["head"],
        caps=(u("front cap", 0.08, 0.4), u("rear cap", 0.15, 0.4)),
        cap_power=u("cap power", 1.7, 2.6),
        bows=(0.0, u("bow", -0.2, 0.1)),
        flatness=u("flat", 1.6, 4.0),
        dome=u("dome", 2.0, 5.0),
        seams=(u("clypeus", 0.12, 0.28),) if genes.chance("has clypeus", 0.5) else (),
        edge=u("edge", 0.1, 0.5),
    )
    radius = length * u("eye", *eye)
    place = front + length * u("eye place", 0.3, 0.62)
    eyes = anatomy.plate(
        ("eyes", block, 7),
        (place - radius, place + radius),
        ((0, radius * u("eye wide", 0.5, 0.9)), (1, radius * u("eye end", 0.5, 0.9))),
        skin["eyes"],
        caps=(0.5, 0.5),
        offset=height * u("eye up", -0.1, 0.45),
        angle=u("eye turn", -0.6, 0.6),
        edge=0.3,
    )
    return [head, eyes]


def abdomen(
    genes: Genes,
    structure: str,
    surface: Surface,
    block: int,
    length: float,
    tall: tuple[float, float] = (0.26, 0.48),
) -> Plate:
    """A ringed abdomen that begins at (0, 0); `tall`: its half height in lengths, from and to."""
    u = genes.between
    high = length * u("tall", *tall)
    rings = tuple(
        place for place in (u("ring 1", 0.3, 0.6), 0.68, 0.8, 0.9) if genes.chance("rings", 0.85)
    )
    contour = (
        (0.0, high * u("shoulder", 0.3, 0.8), -high * u("chest", 0.2, 0.7)),
        (u("fullest", 0.3, 0.5), high, -high * u("belly", 0.7, 1.1)),
        (0.8, high * u("rear", 0.5, 0.85), -high * u("under", 0.5, 0.8)),
        (1.0, high * 0.2, -high * 0.2),
    )
    return plate(
        (structure, block, 5),
        (-0.01, length),
        contour,
        surface,
        caps=(u("front cap", 0.12, 0.35), u("rear cap", 0.15, 0.45)),
        bows=(0.0, u("bow", -0.3, 0.2)),
        seams=rings,
        seam_depth=u("ring depth", 0.2, 1.0),
        flatness=u("flat", 1.4, 3.0),
        dome=u("dome", 1.8, 4.0),
        contact=(0.3, 0.0),
        edge=u("edge", 0.1, 0.5),
    )


def mandibles(
    genes: Genes, skin: Skin, block: int, x: float, y: float, length: float
) -> list[Limb]:
    """Jaws at the mouth, which point down from it."""
    genes = genes.under("mandibles")
    wide = length * genes.between("wide", 0.15, 0.4)
    jaw = limb(
        ("mandibles", block, BELOW),
        (x, y),
        (
            (length * 0.6, wide, wide * genes.between("swell", 0.8, 1.1), wide * 0.7),
            (length * 0.5, wide * 0.7, wide * 0.4, wide * 0.15),
        ),
        ((genes.between("out", -0.7, 0.2), genes.between("hook", -0.9, 0.2)), (0.15, 0.15)),
        skin["head"],
        lose=0.0,
    )
    return both_sides(jaw, BELOW)
