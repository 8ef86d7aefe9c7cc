"""Body plans of wasps, flies, beetles and bugs in profile."""

from dataclasses import dataclass, replace

from sam2pal.research.synthetic import lateral
from sam2pal.research.synthetic.anatomy import (
    Block,
    Limb,
    Plate,
    Skin,
    Species,
    Surface,
    limb,
    species_of,
)
from sam2pal.research.synthetic.appendages import antennae
from sam2pal.research.synthetic.beetles import surfaces
from sam2pal.research.synthetic.colours import clear, cuticle
from sam2pal.research.synthetic.genes import Genes
from sam2pal.research.synthetic.insects import skin_of
from sam2pal.research.synthetic.lateral import FAR, NEAREST, Contour, both_sides, moved
from sam2pal.research.synthetic.lateral_ants import setae

BEETLE = ("head", "pronotum", "elytra", "abdomen", "legs", "antennae", "eyes", "mandibles")
BUG = (
    *("head", "pronotum", "scutellum", "wings", "abdomen"),
    *("legs", "antennae", "rostrum", "eyes"),
)


@dataclass(frozen=True)
class Form:
    """What tells a fly from a wasp: pairs of wings, and the eye in head lengths, from and to."""

    kind: str
    structures: tuple[str, ...]
    wings: int
    eye: tuple[float, float]


FLY = Form(
    "fly in profile",
    ("head", "thorax", "abdomen", "wings", "legs", "antennae", "eyes"),
    1,
    (0.28, 0.45),
)
WASP = Form(
    "wasp in profile",
    ("head", "mesosoma", "metasoma", "wings", "legs", "antennae", "eyes"),
    2,
    (0.18, 0.36),
)


@dataclass(frozen=True)
class Sizes:
    """Length and half height of head and thorax, where the abdomen hinges, the length of a wing."""

    head: float
    tall: float
    thorax: float
    deep: float
    low: float
    wing: float


def build_lateral_fly(genes: Genes) -> Species:
    """A fly in profile: large eyes, a humped thorax, one pair of wings."""
    u = genes.between
    skin = skin_of(genes, 0.7)
    head, thorax = u("head", 0.12, 0.2), u("thorax", 0.3, 0.42)
    abdomen = 1 - head - thorax
    deep = thorax * u("deep", 0.32, 0.5)
    tall = min(head * u("head tall", 0.55, 0.8), deep)
    low = deep * u("tail", -0.3, 0.3)
    chest = _thorax(genes.under("thorax"), "thorax", skin["body"], thorax, deep)
    belly = lateral.abdomen(genes.under("abdomen"), "abdomen", skin["rear"], 1, abdomen, (0.2, 0.4))
    wing = thorax * u("wing", 1.6, 2.8)
    sizes = Sizes(head, tall, thorax, deep, low, wing)
    return _flier(genes, FLY, skin, [chest, moved(belly, low, thorax)], sizes)


def build_lateral_wasp(genes: Genes) -> Species:
    """A wasp or bee in profile: two pairs of wings, a waist, an abdomen that hangs or is curled."""
    u = genes.between
    skin = skin_of(genes, 0.7)
    head, meso = u("head", 0.13, 0.22), u("meso", 0.28, 0.4)
    rest = 1 - head - meso
    waist = rest * (u("waist", 0.15, 0.45) if genes.chance("stalked", 0.5) else 0.03)
    deep = meso * u("deep", 0.28, 0.46)
    tall = min(head * u("head tall", 0.5, 0.85), deep)
    low = -deep * u("tail", 0.0, 0.5)
    thin = deep * u("stalk", 0.1, 0.22)
    stalk: Contour = (
        (0.0, thin, -thin),
        (0.6, thin * u("swell", 0.8, 2.0), -thin),
        (1.0, thin, -thin),
    )
    metasoma = lateral.abdomen(
        genes.under("metasoma"), "metasoma", skin["rear"], 1, rest - waist, (0.2, 0.38)
    )
    plates = [
        _thorax(genes.under("meso"), "mesosoma", skin["body"], meso, deep),
        moved(
            lateral.plate(("metasoma", 1, 4), (-0.01, waist + 0.03), stalk, skin["body"]), low, meso
        ),
        moved(metasoma, low, meso + waist),
    ]
    sizes = Sizes(head, tall, meso, deep, low, meso * u("wing", 1.4, 2.6))
    return _flier(genes, WASP, skin, plates, sizes)


def _flier(genes: Genes, form: Form, skin: Skin, plates: list[Plate], sizes: Sizes) -> Species:
    """A fly or wasp whose thorax and abdomen are these plates."""
    u = genes.between
    head, tall, thorax, deep = sizes.head, sizes.tall, sizes.thorax, sizes.deep
    neck = deep * u("neck", -0.2, 0.5)
    place = (tall * 0.3, -head * u("antenna y", 0.5, 0.7))
    feelers = replace(antennae(genes, skin, 2, *place, u("antenna", 0.06, 0.4)), lose=0.05)
    front = [*lateral.head(genes, skin, 2, head, tall, form.eye), *both_sides(feelers, NEAREST)]
    wing_x = deep * u("wing x", 0.3, 0.8)
    hinged = [
        Block(0, thorax, u("tail yaw", 0.08, 0.25), 0.0, sizes.low, u("tail turn", -0.2, 0.9)),
        Block(0, 0.0, u("head yaw", 0.08, 0.2), 0.008, neck, -u("head turn", 0.6, 1.7)),
    ]
    parts = [
        *plates,
        *(moved(part, neck, 0.0) for part in front),
        *_wings(genes.under("wings"), wing_x, thorax, sizes.wing, form.wings),
        *_six_legs(genes, skin, 0, thorax, deep, u("leg", 0.15, 0.3)),
    ]
    return species_of(
        form.kind, genes, hinged, parts, form.structures, heading=-90.0, hairs=setae(genes)
    )


def _thorax(genes: Genes, structure: str, surface: Surface, length: float, deep: float) -> Plate:
    u = genes.between
    contour = (
        (0.0, deep * u("collar", 0.2, 0.7), -deep * u("throat", 0.2, 0.7)),
        (u("fullest", 0.25, 0.5), deep, -deep * u("breast", 0.7, 1.0)),
        (u("scutellum", 0.7, 0.82), deep * u("rear", 0.5, 0.95), -deep * u("belly", 0.6, 1.0)),
        (1.0, deep * u("end", 0.0, 0.5), -deep * u("under", 0.3, 0.7)),
    )
    return lateral.plate(
        (structure, 0, 5),
        (0.0, length),
        contour,
        surface,
        caps=(u("front cap", 0.1, 0.3), u("rear cap", 0.05, 0.25)),
        seams=(u("seam 1", 0.2, 0.4), u("seam 2", 0.6, 0.8)),
        seam_depth=u("seam depth", 0.1, 0.8),
        flatness=u("flat", 1.6, 4.0),
        dome=u("dome", 2.0, 6.0),
        edge=u("edge", 0.1, 0.5),
    )


def _six_legs(
    genes: Genes, skin: Skin, block: int, length: float, deep: float, size: float
) -> list[Limb]:
    """Legs under a thorax of this length and half height."""
    u = genes.between
    places = [
        (block, -deep * u("fore x", 0.5, 0.8), length * u("fore y", 0.1, 0.25)),
        (block, -deep * u("mid x", 0.6, 0.9), length * u("mid y", 0.4, 0.6)),
        (block, -deep * u("hind x", 0.5, 0.85), length * u("hind y", 0.7, 0.9)),
    ]
    return lateral.legs(genes, skin, places, size)


def _wings(genes: Genes, x: float, thorax: float, length: float, pairs: int) -> list[Plate]:
    """Clear wings on the back of the thorax, the near ones before the body."""
    u = genes.between
    surface = clear(genes, cuticle(genes.under("surface"), 0.15))
    raised = -u("raised", 0.0, 1.5) if genes.chance("is raised", 0.5) else u("lowered", -0.2, 0.35)
    wings = []
    for number in range(pairs):
        own = length * (1 if number == 0 else u("hind", 0.55, 0.85))
        wide = own * u(f"wide {number}", 0.12, 0.24)
        y = thorax * (u("root", 0.25, 0.5) + 0.15 * number)
        contour = (
            (0.0, wide * 0.3, 0.0),
            (0.55, wide, -wide * 0.8),
            (1.0, wide * 0.6, -wide * 0.3),
        )
        near = lateral.plate(
            ("wings", 0, 8),
            (y, y + own),
            contour,
            surface,
            caps=(0.15, 0.4),
            offset=x,
            angle=raised + u(f"apart {number}", -0.1, 0.3) * number,
            opacity=u("opacity", 0.25, 0.75),
            veins=genes.whole("veins", 2, 5),
            flatness=6,
            dome=8,
            edge=0.0,
        )
        far = replace(near, layer=FAR, angle=near.angle - u("behind", -0.05, 0.35))
        wings += [far, near]
    return wings


def build_lateral_beetle(genes: Genes) -> Species:
    """A beetle in profile: domed elytra over the abdomen, pronotum, a head that points down."""
    u = genes.between
    skin = surfaces(genes, sober=False)
    elytra, pronotum = u("elytra", 0.52, 0.66), u("pronotum", 0.17, 0.26)
    head = max(1 - elytra - pronotum, 0.12)
    high = elytra * u("high", 0.16, 0.45)
    under = high * u("under", 0.35, 1.0)
    deep = (high + under) / 2
    front_high = high * u("front high", 0.7, 1.05)
    tall = min(head * u("head tall", 0.35, 0.6), deep * 0.95)
    edge = high * u("edge line", -0.15, 0.25)
    plates = [
        lateral.plate(
            ("elytra", 0, 6),
            (0.0, elytra),
            (
                (0.0, high * u("shoulder", 0.75, 0.98), edge * u("front edge", 0.3, 1.2)),
                (u("fullest", 0.3, 0.6), high, edge),
                (0.85, high * u("slope", 0.45, 0.75), edge * 0.8),
                (1.0, edge * 0.5 + high * u("apex", 0.0, 0.3), edge * 0.5 - 0.01),
            ),
            skin["elytra"],
            caps=(u("front cap", 0.01, 0.1), u("rear cap", 0.08, 0.25)),
            flatness=u("flat", 1.6, 4.0),
            dome=u("dome", 2.0, 6.0),
            rim=u("rim", 0.0, 1.0),
            contact=(0.3, 0.0),
            edge=u("edge", 0.1, 0.5),
        ),
        lateral.plate(
            ("abdomen", 0, 4),
            (0.0, elytra * u("abdomen", 0.88, 1.02)),
            (
                (0.0, edge + high * 0.3, -under * u("breast", 0.7, 1.0)),
                (0.45, edge + high * 0.3, -under),
                (1.0, edge + high * 0.1, edge - under * u("tip", 0.0, 0.3)),
            ),
            skin["inside"],
            caps=(0.05, 0.15),
            seams=(0.35, 0.52, 0.64, 0.76, 0.87),
            seam_depth=u("ring depth", 0.2, 0.9),
            dome=8,
        ),
        lateral.plate(
            ("pronotum", 1, 5),
            (-pronotum, 0.01),
            (
                (0.0, front_high * u("collar", 0.6, 0.95), -under * u("throat", 0.3, 0.8)),
                (u("pronotum fullest", 0.4, 0.7), front_high, -under * u("chest", 0.6, 1.0)),
                (1.0, front_high * u("base", 0.75, 1.0), -under * 0.8),
            ),
            skin["pronotum"],
            caps=(u("pronotum cap", 0.05, 0.3), 0.06),
            bows=(u("pronotum bow", -0.25, 0.15), 0.0),
            flatness=u("pronotum flat", 1.6, 4.0),
            dome=u("pronotum dome", 2.5, 6.0),
            contact=(0.0, 0.4),
            edge=u("edge", 0.1, 0.5),
        ),
    ]
    size = u("antenna", 0.2, 0.6)
    front = [
        *lateral.head(genes, skin, 2, head * 1.15, tall, (0.1, 0.24)),
        *both_sides(antennae(genes, skin, 2, tall * 0.2, -head * 0.65, size), NEAREST),
        *lateral.mandibles(genes, skin, 2, 0.0, -head * 0.9, head * u("jaw", 0.2, 0.5)),
    ]
    legs = [
        (1, -under * 0.8, -pronotum * u("fore leg", 0.2, 0.6)),
        (0, -under * 0.85, elytra * u("mid leg", 0.06, 0.18)),
        (0, -under * 0.85, elytra * u("hind leg", 0.28, 0.42)),
    ]
    hinged = [
        Block(0, 0.0, u("neck yaw", 0.03, 0.12), 0.0, 0.0, -u("neck turn", -0.05, 0.3)),
        Block(1, -pronotum, u("head yaw", 0.05, 0.2), 0.0, 0.0, -u("head turn", 0.0, 1.2)),
    ]
    parts = [
        *plates,
        *(moved(part, 0.0, -pronotum) for part in front),
        *lateral.legs(genes, skin, legs, u("leg", 0.12, 0.22)),
    ]
    hairs = setae(genes) if genes.chance("hairy", 0.4) else None
    return species_of("beetle in profile", genes, hinged, parts, BEETLE, heading=-90.0, hairs=hairs)


def build_lateral_bug(genes: Genes) -> Species:
    """A true bug in profile: a beak under the head, pronotum, scutellum, wings on the abdomen."""
    u = genes.between
    skin = skin_of(genes, 0.5)
    head, pronotum = u("head", 0.1, 0.17), u("pronotum", 0.16, 0.28)
    rest = 1 - head - pronotum
    high = rest * u("high", 0.14, 0.36)
    under = high * u("under", 0.6, 1.3)
    front_high = high * u("front", 0.5, 1.0)
    tall = min(head * u("head tall", 0.35, 0.6), (high + under) * 0.4)
    back = high * u("back", 0.3, 0.6)
    plates = [
        lateral.plate(
            ("abdomen", 0, 3),
            (0.0, rest),
            ((0.0, high * 0.5, -under * 0.8), (0.5, back, -under), (1.0, 0.0, -under * 0.2)),
            skin["rear"],
            caps=(0.05, 0.3),
            seams=(0.3, 0.45, 0.6, 0.75, 0.88),
            seam_depth=u("ring depth", 0.2, 0.9),
        ),
        lateral.plate(
            ("wings", 0, 4),
            (0.0, rest * u("wing", 0.85, 1.25)),
            (
                (0.0, high * 0.9, high * u("wing edge", 0.0, 0.3)),
                (0.45, high * u("wing back", 0.7, 1.0), high * u("wing side", -0.3, 0.2)),
                (1.0, high * 0.2, 0.0),
            ),
            skin["body"],
            caps=(0.03, 0.25),
            seams=(u("membrane", 0.55, 0.75),),
            edge=0.3,
        ),
        lateral.plate(
            ("scutellum", 0, 5),
            (-0.01, rest * u("scutellum", 0.22, 0.5)),
            ((0.0, high, high * u("scutellum edge", 0.4, 0.7)), (1.0, high * 0.9, high * 0.8)),
            skin["head"],
            caps=(0.02, 0.2),
        ),
        lateral.plate(
            ("pronotum", 1, 6),
            (-pronotum, 0.015),
            (
                (0.0, front_high * u("collar", 0.4, 0.8), -under * u("throat", 0.4, 0.8)),
                (0.7, front_high * 1.1, -under * 0.9),
                (1.0, max(front_high, high * 0.9), -under * 0.8),
            ),
            skin["body"],
            caps=(u("pronotum cap", 0.05, 0.3), 0.06),
            seams=(u("collar seam", 0.2, 0.5),),
            seam_depth=u("seam depth", 0.0, 0.6),
            contact=(0.0, 0.3),
        ),
    ]
    beak = limb(
        ("rostrum", 2, 2),
        (-tall * 0.5, -head * 0.8),
        tuple((rest * u("beak", 0.08, 0.2), 0.008, 0.007, 0.006) for _ in range(3)),
        ((u("beak out", -2.9, -2.0), -0.15, -0.1), (0.2, 0.1, 0.1)),
        skin["legs"],
        paired=False,
        lose=0.0,
    )
    front = [
        *lateral.head(genes, skin, 2, head, tall, (0.1, 0.22)),
        *both_sides(
            antennae(genes, skin, 2, tall * 0.2, -head * 0.7, u("antenna", 0.25, 0.7)), NEAREST
        ),
        beak,
    ]
    legs = [
        (1, -under * 0.8, -pronotum * u("fore leg", 0.2, 0.6)),
        (0, -under * 0.85, rest * u("mid leg", 0.02, 0.12)),
        (0, -under * 0.85, rest * u("hind leg", 0.2, 0.32)),
    ]
    hinged = [
        Block(0, 0.0, 0.05, 0.0, 0.0, -u("neck turn", 0.0, 0.2)),
        Block(1, -pronotum, u("head yaw", 0.05, 0.15), 0.0, 0.0, -u("head turn", 0.0, 0.8)),
    ]
    parts = [
        *plates,
        *(moved(part, 0.0, -pronotum) for part in front),
        *lateral.legs(genes, skin, legs, u("leg", 0.13, 0.26)),
    ]
    hairs = setae(genes) if genes.chance("hairy", 0.3) else None
    return species_of("bug in profile", genes, hinged, parts, BUG, heading=-90.0, hairs=hairs)
