"""Body plans of bees, wasps, flies, bugs and spiders."""

from dataclasses import replace

from sam2pal.research.synthetic.anatomy import Block, Plate, Species, plate, species_of
from sam2pal.research.synthetic.appendages import antennae, legs, mandibles, palps
from sam2pal.research.synthetic.colours import clear, cuticle, near, related
from sam2pal.research.synthetic.genes import Genes
from sam2pal.research.synthetic.insects import head_with_eyes, skin_of

FLY = ["head", "thorax", "abdomen", "wings", "legs", "antennae", "eyes"]
BUG = ["head", "pronotum", "scutellum", "wings", "abdomen", "legs", "antennae", "eyes"]
SPIDER = ["cephalothorax", "abdomen", "legs", "palps", "mandibles"]


def _wings(genes: Genes, block: int, x: float, y: float, length: float, pairs: int) -> list[Plate]:
    """Clear or smoky wings that point outwards and back."""
    u = genes.between
    surface = clear(genes, cuticle(genes.under("surface"), 0.15))
    wings = []
    for number in range(pairs):
        own = length * (1 if number == 0 else u("hind", 0.5, 0.9))
        wide = own * u(f"wide {number}", 0.12, 0.3)
        wings.append(
            plate(
                ("wings", block, 7 if genes.chance("wings above", 0.6) else 2),
                (y + 0.06 * number, y + 0.06 * number + own),
                ((0, wide * 0.3), (0.6, wide), (1, wide * 0.6)),
                surface,
                caps=(0.2, 0.4),
                offset=x,
                angle=-(u("spread", 0.1, 1.6) + 0.25 * (1 - number)),
                paired=True,
                opacity=u("opacity", 0.25, 0.75),
                veins=genes.whole("veins", 2, 5),
                flatness=6,
                dome=8,
                edge=0.0,
            )
        )
    return wings


def build_fly(genes: Genes) -> Species:
    """A bee, wasp or fly: head, thorax, abdomen and wings."""
    u = genes.between
    skin = skin_of(genes, 0.7)
    head = u("head", 0.12, 0.22)
    thorax = u("thorax", 0.26, 0.38)
    abdomen = 1 - head - thorax
    thorax_wide = thorax * u("thorax wide", 0.35, 0.55)
    head_wide = thorax_wide * u("head wide", 0.65, 1.05)
    abdomen_wide = thorax_wide * u("abdomen wide", 0.55, 1.15)
    stalk = u("stalk", 0.12, 0.75)
    fuzzy = genes.chance("surface fuzzy", 0.3)
    chest = skin["body"]
    if fuzzy:
        chest = replace(chest, roughness=0.6, gloss=0.05, mottle=0.2)
    rings = tuple(0.12 + 0.16 * k for k in range(6))
    plates = [
        plate(
            ("thorax", 0, 5),
            (0.0, thorax),
            (
                (0, thorax_wide * 0.6),
                (u("thorax full", 0.3, 0.6), thorax_wide),
                (1, thorax_wide * 0.5),
            ),
            chest,
            caps=(0.35, 0.35),
            seams=(u("scutellum", 0.6, 0.8),),
            flatness=u("thorax flat", 1.2, 2.4),
            dome=u("thorax dome", 1.6, 3.5),
        ),
        plate(
            ("abdomen", 1, 4),
            (thorax - 0.02, thorax + abdomen),
            (
                (0, abdomen_wide * stalk),
                (u("abdomen full", 0.3, 0.6), abdomen_wide),
                (1, abdomen_wide * u("tail", 0.2, 0.6)),
            ),
            skin["rear"],
            caps=(0.1, 0.4),
            seams=rings,
            seam_depth=u("rings", 0.1, 0.8),
            flatness=u("abdomen flat", 1.3, 2.5),
            dome=u("abdomen dome", 2, 4),
            contact=(0.3, 0.0),
        ),
        *head_with_eyes(genes, skin, 2, 0.01, (head, head_wide)),
        *_wings(genes.under("wings"), 0, thorax_wide * 0.7, thorax * 0.3, u("wing", 0.5, 1.0), 2),
    ]
    places = [
        (0, thorax_wide * 0.5, thorax * 0.2),
        (0, thorax_wide * 0.5, thorax * 0.5),
        (0, thorax_wide * 0.4, thorax * 0.8),
    ]
    limbs = [
        *legs(genes, skin, places, u("leg", 0.14, 0.26)),
        antennae(genes, skin, 2, head_wide * 0.25, -head * 0.85, u("antenna", 0.06, 0.45)),
    ]
    hinged = [
        Block(0, thorax, u("tail yaw", 0.03, 0.2), -0.005),
        Block(0, 0.0, u("head yaw", 0.03, 0.2), 0.005),
    ]
    return species_of("fly", genes, hinged, [*plates, *limbs], FLY, pinned_on="thorax")


def build_bug(genes: Genes) -> Species:
    """A true bug or cockroach: small head, broad pronotum, scutellum, wing covers, abdomen."""
    u = genes.between
    skin = skin_of(genes, 0.5)
    head, pronotum = u("head", 0.08, 0.16), u("pronotum", 0.14, 0.26)
    rest = 1 - head - pronotum
    wide = rest * u("wide", 0.22, 0.48)
    pronotum_wide = wide * u("pronotum wide", 0.75, 1.15)
    head_wide = pronotum_wide * u("head wide", 0.3, 0.65)
    scutellum = rest * u("scutellum", 0.2, 0.65)
    membrane = replace(
        skin["rear"], colour=near(genes.under("surface.membrane"), skin["rear"].colour, 1.2)
    )
    plates = [
        plate(
            ("abdomen", 0, 3),
            (0.0, rest),
            ((0, wide * 0.8), (0.5, wide * u("belly", 0.9, 1.15)), (1, wide * 0.5)),
            skin["rear"],
            caps=(0.05, 0.5),
            seams=(0.3, 0.45, 0.6, 0.75, 0.88),
        ),
        plate(
            ("wings", 0, 4),
            (0.0, rest * u("wing", 0.75, 1.05)),
            ((0, wide * 0.85), (0.4, wide * 0.9), (1, wide * 0.4)),
            membrane,
            caps=(0.05, 0.4),
            flatness=u("wing flat", 2, 5),
            dome=u("wing dome", 3, 7),
            suture=u("suture", 0.0, 0.8),
            seams=(u("membrane", 0.55, 0.75),),
        ),
        plate(
            ("scutellum", 0, 5),
            (-0.01, scutellum),
            ((0, wide * u("scutellum wide", 0.35, 0.6)), (0.5, wide * 0.3), (1, wide * 0.06)),
            related(genes.under("surface.scutellum"), skin["body"], 0.6),
            caps=(0.0, 0.15),
        ),
        plate(
            ("pronotum", 1, 6),
            (-pronotum, 0.01),
            (
                (0, pronotum_wide * u("collar", 0.35, 0.8)),
                (0.7, pronotum_wide),
                (1, pronotum_wide * 0.85),
            ),
            skin["body"],
            caps=(u("pronotum cap", 0.05, 0.4), 0.08),
            bows=(u("bow", -0.2, 0.1), u("rear bow", -0.3, 0.1)),
            seams=(u("pronotum seam", 0.25, 0.5),),
            seam_depth=u("seam depth", 0.0, 0.6),
            rim=u("rim", 0, 0.8),
            contact=(0.0, 0.3),
        ),
        *(
            replace(plate, layer=4)
            for plate in head_with_eyes(genes, skin, 2, -pronotum + 0.02, (head, head_wide))
        ),
    ]
    places = [
        (1, pronotum_wide * 0.5, -pronotum * 0.5),
        (0, wide * 0.6, rest * 0.06),
        (0, wide * 0.5, rest * 0.25),
    ]
    limbs = [
        *legs(genes, skin, places, u("leg", 0.13, 0.28)),
        antennae(genes, skin, 2, head_wide * 0.6, -pronotum - head * 0.5, u("antenna", 0.25, 0.8)),
    ]
    hinged = [Block(0, 0.0, 0.03, 0.005), Block(1, -pronotum, 0.08, 0.005)]
    return species_of("bug", genes, hinged, [*plates, *limbs], BUG, pinned_on="scutellum")


def build_spider(genes: Genes) -> Species:
    """A spider: cephalothorax, abdomen, eight legs, palps and jaws."""
    u = genes.between
    skin = skin_of(genes, 0.6)
    front = u("front", 0.35, 0.5)
    rear = 1 - front
    front_wide = front * u("front wide", 0.35, 0.5)
    rear_wide = rear * u("rear wide", 0.3, 0.52)
    plates = [
        plate(
            ("cephalothorax", 0, 5),
            (0.0, front),
            ((0, front_wide * u("face", 0.4, 0.7)), (0.6, front_wide), (1, front_wide * 0.6)),
            skin["body"],
            caps=(0.2, 0.3),
            furrow=u("furrow", 0, 0.6),
        ),
        plate(
            ("abdomen", 1, 5),
            (front, 1.0),
            ((0, rear_wide * 0.6), (u("fullest", 0.4, 0.7), rear_wide), (1, rear_wide * 0.5)),
            skin["rear"],
            caps=(0.35, 0.4),
            flatness=u("flat", 1.3, 2.2),
            dome=u("dome", 1.6, 3.5),
        ),
    ]
    places = [(0, front_wide * 0.75, front * value) for value in (0.25, 0.42, 0.58, 0.72)]
    limbs = [
        *legs(genes, skin, places, u("leg", 0.25, 0.5)),
        palps(genes.under("palps"), skin["legs"], 0, front_wide * 0.4, 0.03, u("palp", 0.15, 0.35)),
        mandibles(
            genes.under("jaws"), skin["legs"], 0, front_wide * 0.2, 0.02, u("jaw", 0.08, 0.2)
        ),
    ]
    return species_of("spider", genes, [Block(0, front, 0.1, -0.005)], [*plates, *limbs], SPIDER)
