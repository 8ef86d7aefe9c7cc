"""Heads seen from the front: mandibles or mouth to the top, the animal's right to the right."""

from dataclasses import replace

from sam2pal.research.synthetic.anatomy import (
    Block,
    Limb,
    Plate,
    Species,
    Surface,
    limb,
    plate,
    species_of,
)
from sam2pal.research.synthetic.appendages import ABOVE
from sam2pal.research.synthetic.genes import Genes
from sam2pal.research.synthetic.insects import skin_of
from sam2pal.research.synthetic.lateral import FAR
from sam2pal.research.synthetic.lateral_ants import ant_skin, setae


def build_ant_face(genes: Genes) -> Species:
    """An ant's head in full-face view: heart-shaped, square or long, with scapes and mandibles."""
    u = genes.between
    skin = ant_skin(genes)
    wide = u("wide", 0.32, 0.56)
    front = wide * u("front", 0.5, 0.95)
    head = plate(
        ("head", 0, 5),
        (0.0, 1.0),
        (
            (0.0, front),
            (u("eyes at", 0.4, 0.6), wide * u("middle", 0.85, 1.0)),
            (u("fullest", 0.65, 0.8), wide),
            (1.0, wide * u("nape", 0.65, 0.95)),
        ),
        skin["head"],
        caps=(u("front cap", 0.03, 0.15), u("rear cap", 0.1, 0.4)),
        cap_power=u("cap power", 1.8, 3.0),
        bows=(u("front bow", -0.1, 0.25), u("heart", -0.05, 0.35)),
        flatness=u("flat", 1.8, 4.0),
        dome=u("dome", 2.5, 6.0),
        furrow=u("furrow", 0.0, 0.6),
        edge=u("edge", 0.1, 0.5),
    )
    mouth = front * u("clypeus wide", 0.35, 0.75)
    clypeus = plate(
        ("clypeus", 0, 6),
        (-u("lip", 0.0, 0.06), u("clypeus", 0.12, 0.28)),
        ((0.0, mouth), (0.4, mouth * 0.9), (1.0, mouth * u("clypeus end", 0.1, 0.5))),
        skin["body"],
        caps=(0.2, 0.3),
        bows=(u("lip bow", 0.0, 0.3), 0.0),
        contact=(0.0, 0.5),
    )
    jaw = u("jaw", 0.25, 0.6)
    # from the corners of the mouth forwards, and inwards until they cross
    jaws = plate(
        ("mandibles", 0, 4),
        (0.03, 0.03 + jaw),
        ((0.0, jaw * 0.16), (0.5, jaw * u("jaw wide", 0.12, 0.3)), (1.0, jaw * 0.05)),
        skin["legs"],
        caps=(0.1, 0.2),
        offset=front * u("jaw x", 0.6, 0.9),
        angle=3.14 - u("closed", -0.1, 0.9),
        paired=True,
    )
    size = u("eye", 0.02, 0.14)
    at = u("eye place", 0.35, 0.65)
    eyes = plate(
        ("eyes", 0, 7),
        (at - size, at + size),
        ((0.0, size * u("eye wide", 0.35, 0.8)), (1.0, size * 0.6)),
        skin["eyes"],
        caps=(0.5, 0.5),
        offset=wide * u("eye out", 0.6, 0.98),
        paired=True,
        edge=0.3,
    )
    antennae = _antennae(genes.under("antennae"), skin["antennae"], front)
    parts = [*_behind(genes.under("behind"), skin, wide), head, clypeus, jaws, eyes, antennae]
    return _face(
        "ant face", genes, parts, ("head", "clypeus", "mandibles", "antennae", "eyes"), "clypeus"
    )


def _face(
    kind: str, genes: Genes, parts: list[Plate | Limb], structures: tuple[str, ...], middle: str
) -> Species:
    """A head that fills the drawing; its eyes and what lies in its middle are parts of it."""
    return species_of(
        kind,
        genes,
        [Block(0, 1.0, 0.2, 0.0)],
        parts,
        structures,
        parents=(("eyes", "head"), (middle, "head")),
        heading=180.0,
        essential="head",
        hairs=setae(genes),
    )


def _antennae(genes: Genes, surface: Surface, front: float) -> Limb:
    u = genes.between
    scape, thin = u("scape", 0.5, 1.2), u("thin", 0.015, 0.028)
    flagellum = scape * u("flagellum", 0.9, 1.5)
    return limb(
        ("antennae", 0, ABOVE),
        (front * u("x", 0.2, 0.5), u("y", 0.15, 0.32)),
        ((scape, thin * 0.8, thin, thin * 1.15),),
        ((u("out", 1.1, 2.9),), (0.25,)),
        surface,
        beads=10,
        bead_length=flagellum / 10,
        bead_width=(thin * 0.85, thin * 1.15),
        bead_neck=u("neck", 0.6, 1.0),
        bead_angle=-u("elbow", 1.0, 2.6),
        club=3 if genes.chance("clubbed", 0.45) else 0,
        club_width=thin * u("club", 1.4, 2.2),
        curl=u("curl", -0.8, 0.8),
        curl_wobble=0.5,
        lose=0.08,
    )


def _behind(genes: Genes, skin: dict[str, Surface], wide: float) -> list[Plate]:
    """What shows of the body behind the head, out of focus; it belongs to no structure."""
    u = genes.between
    if genes.chance("hidden", 0.3):
        return []
    size = wide * u("size", 0.4, 1.1)
    shape = ((0.0, size), (0.5, size), (1.0, size * 0.7))
    turned = u("angle", -0.3, 0.3)
    body = plate(
        ("", 1, FAR), (u("start", 0.6, 0.9), u("end", 1.1, 1.6)), shape, skin["body"], angle=turned
    )
    return [body]


def build_fly_face(genes: Genes) -> Species:
    """A fly's head from the front: two large eyes, the face between them, a mouth, short antennae."""
    u = genes.between
    skin = skin_of(genes, 0.3)
    wide = u("wide", 0.48, 0.8)
    head = plate(
        ("head", 0, 4),
        (0.0, 1.0),
        ((0.0, wide * u("mouth wide", 0.35, 0.7)), (0.5, wide), (1.0, wide * u("crown", 0.6, 0.9))),
        skin["head"],
        caps=(u("front cap", 0.2, 0.5), u("rear cap", 0.2, 0.5)),
        flatness=u("flat", 1.6, 3.0),
        dome=u("dome", 2.0, 4.0),
    )
    tall = u("eye", 0.28, 0.46)
    place = u("eye place", 0.48, 0.62)
    broad = wide * u("eye wide", 0.22, 0.42)
    eyes = plate(
        ("eyes", 0, 5),
        (place - tall, place + tall),
        ((0.0, broad * 0.7), (u("eye fullest", 0.4, 0.7), broad), (1.0, broad * 0.7)),
        replace(skin["eyes"], gloss=u("eye gloss", 0.2, 1.0)),
        caps=(0.45, 0.45),
        offset=wide - broad * u("eye in", 0.75, 1.05),
        angle=u("eye lean", -0.3, 0.2),
        paired=True,
        edge=0.2,
    )
    between = wide - 1.7 * broad
    face = plate(
        ("face", 0, 5),
        (0.02, place),
        (
            (0.0, max(between, 0.08)),
            (0.6, max(between * 0.7, 0.06)),
            (1.0, max(between * 0.5, 0.04)),
        ),
        skin["body"],
        caps=(0.2, 0.3),
    )
    mouth = plate(
        ("proboscis", 0, 6),
        (-u("mouth", 0.1, 0.4), u("mouth rear", 0.05, 0.15)),
        ((0.0, u("labella", 0.05, 0.16)), (0.5, 0.05), (1.0, u("base", 0.06, 0.12))),
        skin["legs"],
        caps=(0.3, 0.1),
    )
    length = u("antenna", 0.08, 0.2)
    thick = length * u("thick", 0.15, 0.35)
    horns = limb(
        ("antennae", 0, ABOVE),
        (u("antenna x", 0.03, 0.07), place + u("antenna y", -0.05, 0.1)),
        (
            (length * 0.3, thick * 0.6, thick * 0.7, thick),
            (length, thick, thick * 1.2, thick * 0.7),
        ),
        ((u("antenna out", 0.1, 1.0), u("antenna bend", -0.5, 0.3)), (0.2, 0.2)),
        skin["antennae"],
        beads=4,
        bead_length=length * 0.4,
        bead_width=(thick * 0.2, thick * 0.1),
        bead_angle=u("arista", 0.3, 1.2),
    )
    parts = [*_behind(genes.under("behind"), skin, wide), head, eyes, face, mouth, horns]
    return _face(
        "fly face", genes, parts, ("head", "eyes", "face", "proboscis", "antennae"), "face"
    )
