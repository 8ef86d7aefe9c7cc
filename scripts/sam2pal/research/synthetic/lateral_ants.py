"""Body plans of ants in profile."""

from dataclasses import replace

from sam2pal.research.synthetic import lateral
from sam2pal.research.synthetic.anatomy import (
    Block,
    Hairs,
    Limb,
    Plate,
    Species,
    Surface,
    limb,
    species_of,
)
from sam2pal.research.synthetic.appendages import BELOW
from sam2pal.research.synthetic.colours import cuticle, from_hsv, near, related
from sam2pal.research.synthetic.genes import Genes
from sam2pal.research.synthetic.insects import skin_of
from sam2pal.research.synthetic.lateral import FAR, NEAREST, both_sides, moved

STRUCTURES = ("head", "mesosoma", "petiole", "gaster", "legs", "antennae", "eyes", "mandibles")


def ant_skin(genes: Genes) -> dict[str, Surface]:
    """Surfaces of an ant: more of them pale or sculptured than other insects'."""
    skin = skin_of(genes, 0.35, pale=0.45)
    own = genes.under("surface.ant")
    if own.chance("brown", 0.75):
        base = from_hsv(
            own.between("hue", 0.02, 0.115),
            own.between("saturation", 0.35, 0.92),
            own.scaled("value", 0.03, 0.8),
        )
        for part, spread in (("body", 0.1), ("head", 0.4), ("rear", 0.8), ("legs", 0.7)):
            colour = near(own.under(part), base, spread)
            skin[part] = replace(skin[part], colour=colour, metallic=0.0)
        skin["antennae"] = related(own.under("antennae"), skin["legs"], 0.5)
    if own.chance("sculptured", 0.45):
        rough, coarse = own.between("rough", 0.05, 0.5), own.scaled("coarse", 0.5, 2.0)
        pits = own.pick("pits", {0: 0.6, 12: 0.2, 24: 0.2})
        for part in ("body", "head"):
            skin[part] = replace(
                skin[part],
                roughness=rough,
                rough_scale=coarse,
                pits=pits,
                pit_depth=own.between("pit depth", 0.2, 0.9),
            )
    return skin


def setae(genes: Genes) -> Hairs | None:
    """Hairs that stand off the plates; half of the species are bald."""
    own = genes.under("surface.hairs")
    if own.chance("bald", 0.4):
        return None
    dark = own.chance("dark", 0.3)
    colour = cuticle(own, 0.0) if dark else (0.95, own.between("g", 0.75, 0.95), 0.6)
    return Hairs(
        own.whole("number", 20, 160),
        own.scaled("length", 0.012, 0.07),
        colour,
        own.between("lean", 0.0, 1.0),
    )


def build_lateral_ant(genes: Genes) -> Species:
    """A worker ant in profile: its legs cross its body, its head and gaster hang down."""
    u = genes.between
    skin = ant_skin(genes)
    head = u("head", 0.23, 0.36)
    gaster = u("gaster", 0.26, 0.42)
    middle = 1 - head - gaster
    nodes = genes.pick("nodes", {1: 0.5, 2: 0.5})
    waist = middle * (u("waist", 0.12, 0.28) if nodes == 1 else u("long waist", 0.26, 0.42))
    meso = middle - waist
    deep = meso * u("deep", 0.27, 0.45)
    step = waist / nodes
    low = -deep * u("waist low", 0.1, 0.5)
    plates, hinged = [_mesosoma(genes, skin["body"], meso, deep)], []
    for number in range(nodes):
        own = genes.under(f"node {number}")
        hinge = meso + number * step
        hinged.append(Block(number, hinge, 0.1, -0.004, low, own.between("turn", -0.2, 0.5)))
        plates.append(moved(_node(own, skin["body"], number + 1, step, deep), low, hinge))
    rear, front = nodes + 1, nodes + 2
    hinged.append(
        Block(
            nodes,
            meso + waist,
            u("gaster yaw", 0.1, 0.3),
            -0.004,
            low,
            u("gaster turn", 0.1, 1.8) - u("gaster lift", 0.0, 0.5),
        )
    )
    plates.append(
        moved(
            lateral.abdomen(genes.under("gaster"), "gaster", skin["rear"], rear, gaster),
            low,
            meso + waist,
        )
    )
    neck = deep * u("neck", -0.2, 0.4)
    hinged.append(
        Block(
            0,
            0.0,
            u("head yaw", 0.1, 0.25),
            0.01,
            neck,
            -(u("head turn", 0.35, 1.2) + u("head droop", 0.0, 0.7)),
        )
    )
    tall = head * u("head tall", 0.29, 0.5)
    eye = (0.01, 0.03) if genes.chance("tiny eyes", 0.2) else (0.05, 0.15)
    plates += [
        moved(plate, neck, 0.0) for plate in lateral.head(genes, skin, front, head, tall, eye)
    ]
    feelers = [
        *_scapes(genes.under("antennae"), skin["antennae"], front, head, tall),
        *lateral.mandibles(
            genes,
            skin,
            front,
            -tall * u("jaw x", 0.0, 0.3),
            -head * 0.78,
            head * u("mandible", 0.2, 0.55),
        ),
    ]
    places = [
        (0, -deep * u("fore x", 0.5, 0.75), meso * u("fore y", 0.1, 0.25)),
        (0, -deep * u("mid x", 0.6, 0.85), meso * u("mid y", 0.45, 0.6)),
        (0, -deep * u("hind x", 0.5, 0.8), meso * u("hind y", 0.72, 0.9)),
    ]
    limbs = [
        *lateral.legs(genes, skin, places, genes.scaled("leg", 0.14, 0.27)),
        *(moved(one, neck, 0.0) for one in feelers),
    ]
    if genes.chance("spined", 0.35):
        limbs += _spines(genes.under("spines"), skin["body"], meso, deep)
    return species_of(
        "ant in profile",
        genes,
        hinged,
        [*plates, *limbs],
        STRUCTURES,
        heading=-90.0,
        hairs=setae(genes),
    )


def _mesosoma(genes: Genes, surface: Surface, length: float, deep: float) -> Plate:
    u = genes.between
    groove = u("groove", 0.5, 0.68)
    hump = u("hump", 0.75, 1.15)
    behind = u("propodeum", 0.5, 1.0)
    contour = (
        (0.0, deep * u("collar", 0.1, 0.6), -deep * u("chest", 0.3, 0.7)),
        (u("pronotum", 0.2, 0.3), deep * hump, -deep * 0.8),
        (groove, deep * min(hump, behind) * u("sunk", 0.55, 1.0), -deep * u("breast", 0.8, 1.05)),
        (u("angle", 0.8, 0.88), deep * behind, -deep * 0.8),
        (1.0, deep * behind * u("declivity", 0.0, 0.7), -deep * u("rear", 0.4, 0.8)),
    )
    return lateral.plate(
        ("mesosoma", 0, 5),
        (0.0, length),
        contour,
        surface,
        caps=(u("meso cap", 0.05, 0.25), u("meso end", 0.05, 0.2)),
        seams=(u("seam 1", 0.3, 0.42), groove) if genes.chance("sutures", 0.85) else (),
        seam_depth=u("seam depth", 0.1, 0.9),
        bows=(u("meso bow", -0.2, 0.3), 0.0),
        flatness=u("meso flat", 1.6, 4.0),
        dome=u("meso dome", 3, 7),
        edge=u("edge", 0.1, 0.5),
    )


def _node(genes: Genes, surface: Surface, block: int, length: float, deep: float) -> Plate:
    u = genes.between
    high = min(deep, length) * u("high", 0.35, 1.1)
    thin = min(length * 0.3, deep * 0.25)
    peak = u("peak", 0.4, 0.75)
    contour = (
        (0.0, thin * u("stalk", 0.5, 1.0), -thin),
        (peak - 0.22, high * u("slope", 0.3, 0.9), -thin * u("keel", 0.8, 1.6)),
        (peak, high, -thin * u("below", 0.8, 1.8)),
        (1.0, thin, -thin),
    )
    return lateral.plate(
        ("petiole", block, 4),
        (-0.06 * length, 1.08 * length),
        contour,
        surface,
        caps=(0.1, 0.15),
        flatness=u("flat", 1.5, 3.0),
        dome=u("dome", 2.0, 4.0),
        edge=u("edge", 0.1, 0.5),
    )


def _scapes(genes: Genes, surface: Surface, block: int, head: float, tall: float) -> list[Limb]:
    """Elbowed antennae: the scape lies along the head or points forwards, the rest hangs."""
    u = genes.between
    scape = head * u("scape", 0.5, 1.15)
    thin = u("thin", 0.0055, 0.011)
    back = genes.chance("laid back", 0.7)
    out = u("back", 1.6, 3.0) if back else u("forwards", -0.6, 1.2)
    elbow = u("elbow", -2.9, -1.2) if back else u("bend", -1.6, 0.6)
    flagellum = scape * u("flagellum", 0.8, 1.4)
    near = limb(
        ("antennae", block, BELOW),
        (tall * u("x", 0.0, 0.55), -head * u("y", 0.55, 0.75)),
        ((scape, thin * 0.8, thin, thin * 1.15),),
        ((out,), (0.35,)),
        surface,
        beads=10,
        bead_length=flagellum / 10,
        bead_width=(thin * 0.85, thin * 1.15),
        bead_neck=u("neck", 0.6, 1.0),
        bead_angle=elbow,
        club=3 if genes.chance("clubbed", 0.45) else 0,
        club_width=thin * u("club", 1.4, 2.3),
        curl=u("curl", -0.8, 0.8),
        curl_wobble=0.5,
        lose=0.05,
    )
    return both_sides(near, NEAREST)


def _spines(genes: Genes, surface: Surface, meso: float, deep: float) -> list[Limb]:
    """A pair of spines on the propodeum; they belong to the mesosoma."""
    length = meso * genes.between("length", 0.08, 0.35)
    thick = min(length * 0.25, deep * 0.2)
    near = limb(
        ("mesosoma", 0, 6),
        (deep * genes.between("x", 0.3, 0.7), meso * 0.88),
        ((length, thick, thick * 0.6, thick * 0.1),),
        ((genes.between("out", 1.7, 2.7),), (0.08,)),
        surface,
        paired=False,
        lose=0.0,
    )
    return [replace(near, layer=FAR, x=near.x * 1.08), near]
