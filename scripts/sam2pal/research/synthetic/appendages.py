"""Legs, antennae, mandibles and palps that several body plans share."""

import numpy as np

from sam2pal.research.synthetic.anatomy import Limb, Skin, Surface, limb
from sam2pal.research.synthetic.colours import related
from sam2pal.research.synthetic.genes import Genes

BELOW, ABOVE = 1, 8


def along(share: float, ends: tuple[tuple[float, ...], ...]) -> tuple[float, ...]:
    """The bounds of an angle of the legs at a place from the first pair (0) by the middle to the last (1)."""
    return tuple(float(np.interp(share, [0, 0.5, 1], bounds)) for bounds in ends)


def legs(
    genes: Genes, skin: Skin, places: list[tuple[int, float, float]], size: float
) -> list[Limb]:
    """Pairs of walking legs at (block, x, y), from the front to the rear; `size`: of a femur."""
    genes = genes.under("legs")
    femur = genes.between("femur", 0.8, 1.25) * size
    tibia = femur * genes.between("tibia", 0.75, 1.15)
    tarsus = femur * genes.between("tarsus", 0.4, 0.9)
    thick = femur * genes.between("thick", 0.08, 0.17)
    thin = thick * genes.between("thin", 0.38, 0.65)
    growth = genes.between("growth", 1.0, 1.35)
    tuck = genes.between("tuck", 0.2, 0.8) if genes.chance("tucked", 0.5) else 0.1
    bands = genes.between("bands", 0.3, 1.0) if genes.chance("banded", 0.2) else 0.0
    spines = genes.between("spines", 0.3, 1.0) if genes.chance("spiny", 0.5) else 0.0
    joints = genes.pick("joints", {4: 0.4, 5: 0.6})
    neck = genes.between("neck", 0.4, 0.85)
    # directions of femur and tibia, for a front, a middle and a hind leg: from and to
    out = ((0.5, 1.3, 1.9), (1.6, 2.3, 2.8))
    shin = ((-0.3, 1.2, 1.9), (1.8, 3.0, 3.3))
    if genes.chance("gathered", 0.65):
        # along the body, as museum specimens are dried
        out = ((0.3, 1.4, 2.0), (1.4, 2.5, 2.8))
        shin = ((-0.7, 2.5, 2.7), (0.5, 3.6, 3.7))
        if genes.chance("fore back", 0.2):
            shin = ((1.8, 2.5, 2.7), (3.2, 3.6, 3.7))
    limbs = []
    for k, (block, x, y) in enumerate(places):
        share = k / max(len(places) - 1, 1)
        factor = 1 + (growth - 1) * share
        own = genes.under(f"pair {k}")
        first = own.between("out", *along(share, out))
        second = own.between("shin", *along(share, shin))
        limbs.append(
            limb(
                ("legs", block, BELOW),
                (x, y),
                (
                    (
                        femur * factor,
                        thick * 0.75,
                        thick * factor * own.between("swell", 1.0, 1.3),
                        thick * 0.7,
                    ),
                    (tibia * factor, thin * 0.75, thin, thin * 1.3),
                ),
                ((first, second - first), (0.25, 0.4)),
                skin["legs"],
                beads=joints,
                bead_length=tarsus * factor / 5,
                bead_width=(thin * 0.8, thin * 0.55),
                bead_neck=neck,
                bead_angle=own.between("ankle", -0.3, 0.6),
                curl=own.between("curl", -0.3, 0.3),
                curl_wobble=0.6,
                bands=bands,
                spines=spines,
                tip="claws",
                tuck=tuck,
                lose=0.06,
            )
        )
    return limbs


def antennae(genes: Genes, skin: Skin, block: int, x: float, y: float, length: float) -> Limb:
    """Thread-, bead- or club-shaped antennae of `length`."""
    genes = genes.under("antennae")
    number = genes.pick("number", {11: 0.7, 10: 0.15, 9: 0.15})
    width = float(np.clip(length * genes.between("width", 0.011, 0.022), 0.0035, 0.011))
    scape = length * genes.between("scape", 0.08, 0.25)
    bent = genes.chance("bent", 0.2)
    return limb(
        ("antennae", block, BELOW if genes.chance("below", 0.4) else ABOVE),
        (x, y),
        ((scape, width, width * 1.2, width * 1.2),),
        ((genes.between("out", 0.2, 1.3),), (0.35,)),
        skin["antennae"],
        beads=number - 1,
        bead_length=(length - scape) / (number - 1),
        bead_width=(width, width * genes.between("end", 0.55, 1.1)),
        bead_neck=genes.between("neck", 0.5, 1.0),
        bead_angle=genes.between("bend", 0.8, 1.8) if bent else genes.between("lean", -0.2, 0.7),
        club=genes.whole("club", 2, 4) if genes.chance("clubbed", 0.2) else 0,
        club_width=width * genes.between("club width", 1.6, 3.5),
        curl=genes.between("curl", -0.5, 2.2),
        curl_wobble=0.8,
        bands=genes.between("bands", 0.3, 1) if genes.chance("banded", 0.15) else 0.0,
        lose=0.1,
    )


def mandibles(
    genes: Genes, surface: Surface, block: int, x: float, y: float, length: float
) -> Limb:
    """Curved jaws at the front of the head."""
    wide = length * genes.between("wide", 0.15, 0.35)
    return limb(
        ("mandibles", block, BELOW),
        (x, y),
        (
            (length * 0.6, wide, wide * 0.85, wide * 0.6),
            (length * 0.6, wide * 0.6, wide * 0.4, wide * 0.1),
        ),
        ((genes.between("out", 0.1, 0.6), genes.between("hook", -1.3, -0.4)), (0.15, 0.15)),
        related(genes.under("surface"), surface, 0.5),
        lose=0.0,
    )


def palps(genes: Genes, surface: Surface, block: int, x: float, y: float, length: float) -> Limb:
    """Short feelers at the mouth."""
    return limb(
        ("palps", block, BELOW),
        (x, y),
        ((length * 0.5, 0.004, 0.004, 0.004), (length * 0.5, 0.004, 0.005, 0.006)),
        ((genes.between("out", 0.2, 1.0), genes.between("knee", -0.7, 0.5)), (0.3, 0.4)),
        surface,
        lose=0.15,
    )
