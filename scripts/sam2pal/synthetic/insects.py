"""Body plans of ants, wasps, bees, flies, bugs and spiders."""

from dataclasses import replace

from sam2pal.synthetic.anatomy import Block, Limb, Plate, Species, Surface
from sam2pal.synthetic.appendages import ABOVE, BELOW, antennae, legs, mandibles, palps
from sam2pal.synthetic.colours import cuticle, near, related, sample_surface
from sam2pal.synthetic.genes import Genes


def _skin(genes: Genes, patterned: float) -> dict[str, Surface]:
    skin = genes.under("surface")
    base = sample_surface(skin.under("base"))
    same = skin.chance("same", 0.55)
    rear = related(skin.under("rear"), base, 0.3 if same else 1.2)
    if not same and skin.chance("other rear", 0.5):
        rear = sample_surface(skin.under("rear"), patterned)
    head = related(skin.under("head"), base, 0.2 if skin.chance("same head", 0.7) else 1.0)
    limb = near(skin.under("limb"), base.colour, 0.5)
    if skin.chance("other limbs", 0.4):
        limb = cuticle(skin.under("limb"), 0.05)
    leg = replace(base, colour=limb, second=near(skin.under("leg"), limb, 1.0), pattern="plain")
    dark = near(skin.under("eyes"), (0.06, 0.05, 0.05), 1.0)
    if skin.chance("red eyes", 0.2):
        dark = near(skin.under("eyes"), (0.35, 0.08, 0.04), 1.0)
    eyes = replace(head, colour=dark, gloss=skin.between("eye gloss", 0.1, 1.0), pattern="plain")
    return {
        "body": base,
        "rear": rear,
        "head": head,
        "legs": leg,
        "antennae": related(skin.under("antennae"), leg, 0.6),
        "eyes": replace(eyes, pits=0, roughness=0.0, metallic=0.0),
    }


def _head(
    genes: Genes, skin: dict[str, Surface], block: int, rear: float, length: float, wide: float
) -> list[Plate]:
    """A head that ends at `rear`, with eyes at its sides."""
    u = genes.between
    front = rear - length
    eye = length * u("eye", 0.08, 0.32)
    place = front + length * u("eye place", 0.3, 0.65)
    head = Plate(
        "head",
        block,
        front,
        rear,
        (
            (0, wide * u("face", 0.4, 0.85)),
            (u("fullest", 0.35, 0.75), wide),
            (1, wide * u("nape", 0.6, 0.95)),
        ),
        skin["head"],
        caps=(u("front cap", 0.1, 0.5), u("rear cap", 0.1, 0.4)),
        bows=(0.0, u("bow", -0.3, 0.1)),
        flatness=u("flat", 1.4, 3.0),
        dome=u("dome", 1.8, 4.0),
        seams=(u("clypeus", 0.12, 0.3),) if genes.chance("has clypeus", 0.6) else (),
        furrow=u("furrow", 0, 0.5),
        edge=u("edge", 0.1, 0.5),
        layer=6,
    )
    eyes = Plate(
        "eyes",
        block,
        place - eye,
        place + eye,
        ((0, eye * u("eye wide", 0.4, 0.8)), (1, eye * 0.6)),
        skin["eyes"],
        caps=(0.5, 0.5),
        offset=wide * u("eye out", 0.6, 0.92),
        paired=True,
        edge=0.2,
        layer=7,
    )
    return [head, eyes]


def build_ant(genes: Genes) -> Species:
    """A worker ant: head, mesosoma, petiole, gaster, elbowed antennae with a long scape."""
    u = genes.between
    skin = _skin(genes, 0.3)
    head = u("head", 0.2, 0.3)
    gaster = u("gaster", 0.28, 0.42)
    middle = 1 - head - gaster
    waist = middle * u("waist", 0.12, 0.3)
    meso = middle - waist
    head_wide = head * u("head wide", 0.36, 0.56)
    meso_wide = min(head_wide * u("meso wide", 0.45, 0.8), meso * 0.4)
    gaster_wide = gaster * u("gaster wide", 0.28, 0.46)
    # the mesosoma runs from 0 to `meso`, the head before it, petiole and gaster behind
    nodes = genes.pick("nodes", {1: 0.6, 2: 0.4})
    plates = [
        Plate(
            "mesosoma",
            0,
            0.0,
            meso,
            (
                (0, meso_wide * u("collar", 0.4, 0.7)),
                (u("fullest", 0.2, 0.35), meso_wide),
                (u("pinch place", 0.5, 0.65), meso_wide * u("pinch", 0.5, 0.85)),
                (1, meso_wide * u("propodeum", 0.4, 0.7)),
            ),
            skin["body"],
            caps=(u("meso cap", 0.1, 0.3), 0.15),
            seams=(u("seam 1", 0.3, 0.42), u("seam 2", 0.55, 0.68)),
            seam_depth=u("seam depth", 0.2, 0.9),
            flatness=u("meso flat", 1.3, 2.5),
            dome=u("meso dome", 2, 5),
            edge=u("edge", 0.1, 0.5),
            layer=5,
        )
    ]
    step = waist / nodes
    for number in range(nodes):
        size = step * u(f"node {number}", 0.45, 0.75)
        plates.append(
            Plate(
                "petiole",
                1,
                meso + number * step - step * 0.05,
                meso + (number + 1) * step + step * 0.05,
                ((0, size * 0.4), (0.55, size), (1, size * 0.5)),
                skin["body"],
                caps=(0.2, 0.2),
                flatness=1.5,
                dome=2.0,
                layer=4,
            )
        )
    rings = tuple(
        place for place in (u("ring 1", 0.25, 0.42), 0.6, 0.76, 0.88) if genes.chance("rings", 0.8)
    )
    plates.append(
        Plate(
            "gaster",
            2,
            meso + waist,
            meso + waist + gaster,
            (
                (0, gaster_wide * 0.6),
                (u("gaster fullest", 0.3, 0.5), gaster_wide),
                (0.8, gaster_wide * 0.7),
                (1, gaster_wide * 0.3),
            ),
            skin["rear"],
            caps=(0.3, 0.4),
            seams=rings,
            seam_depth=u("ring depth", 0.2, 0.9),
            flatness=u("gaster flat", 1.3, 2.2),
            dome=u("gaster dome", 1.6, 3.5),
            contact=(0.3, 0.0),
            edge=u("edge", 0.1, 0.5),
            layer=5,
        )
    )
    plates += _head(genes.under("head"), skin, 3, 0.01, head, head_wide)
    size = u("leg", 0.2, 0.34)
    scape = head * u("scape", 0.7, 1.3)
    thin = u("antenna thin", 0.005, 0.009)
    x, y = head_wide * u("scape x", 0.2, 0.45), -head * u("scape y", 0.72, 0.85)
    out, elbow = u("scape out", 1.0, 2.3), u("elbow", -2.0, -0.8)
    flagellum = scape * u("flagellum", 0.9, 1.5)
    clubbed = genes.chance("clubbed", 0.5)
    scapes = Limb(
        "antennae",
        3,
        x,
        y,
        ((scape, thin * 0.8, thin, thin * 1.15),),
        (out,),
        (0.25,),
        skin["antennae"],
        beads=10,
        bead_length=flagellum / 10,
        bead_width=(thin * 0.85, thin * 1.1),
        bead_neck=u("bead neck", 0.6, 1.0),
        bead_angle=elbow,
        club=3 if clubbed else 0,
        club_width=thin * u("club", 1.4, 2.2),
        curl=u("curl", -0.6, 0.8),
        curl_wobble=0.4,
        layer=ABOVE,
        lose=0.03,
    )
    limbs = [
        *legs(
            genes.under("legs"),
            skin["legs"],
            [
                (0, meso_wide * 0.55, meso * u("fore leg", 0.12, 0.3)),
                (0, meso_wide * 0.5, meso * u("mid leg", 0.45, 0.6)),
                (0, meso_wide * 0.4, meso * u("hind leg", 0.7, 0.9)),
            ],
            size,
        ),
        scapes,
        mandibles(
            genes.under("mandibles"),
            skin["head"],
            3,
            head_wide * 0.35,
            -head * 0.95,
            head * u("mandible", 0.25, 0.6),
        ),
    ]
    return Species(
        kind="ant",
        blocks=(
            Block(-1, 0.0, 0.0, 0.0),
            Block(0, meso, u("waist yaw", 0.05, 0.2), -0.005),
            Block(1, meso + waist, u("gaster yaw", 0.05, 0.3), -0.005),
            Block(0, 0.0, u("head yaw", 0.05, 0.25), 0.005),
        ),
        plates=tuple(plates),
        limbs=tuple(limbs),
        structures=(
            "head",
            "mesosoma",
            "petiole",
            "gaster",
            "legs",
            "antennae",
            "eyes",
            "mandibles",
        ),
        genes=genes,
        parents=(("eyes", "head"), ("mandibles", "head")),
        variation=u("variation", 0.6, 1.4),
        pinned_on="mesosoma" if genes.chance("pinned", 0.3) else "",
    )


def _wings(genes: Genes, block: int, x: float, y: float, length: float, pairs: int) -> list[Plate]:
    """Clear or smoky wings that point outwards and back."""
    u = genes.between
    tint = cuticle(genes.under("surface"), 0.15)
    pale = u("surface pale", 0.3, 0.8)
    colour = tuple(pale + (1 - pale) * value * 0.5 for value in tint)
    surface = Surface(colour, tint, gloss=u("surface gloss", 0.0, 0.4), shininess=20)
    wings = []
    for number in range(pairs):
        own = length * (1 if number == 0 else u("hind", 0.5, 0.9))
        wide = own * u(f"wide {number}", 0.12, 0.3)
        wings.append(
            Plate(
                "wings",
                block,
                y + 0.06 * number,
                y + 0.06 * number + own,
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
                layer=7 if genes.chance("wings above", 0.6) else 2,
            )
        )
    return wings


def build_fly(genes: Genes) -> Species:
    """A bee, wasp or fly: head, thorax, abdomen and wings."""
    u = genes.between
    skin = _skin(genes, 0.7)
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
        Plate(
            "thorax",
            0,
            0.0,
            thorax,
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
            layer=5,
        ),
        Plate(
            "abdomen",
            1,
            thorax - 0.02,
            thorax + abdomen,
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
            layer=4,
        ),
        *_head(genes.under("head"), skin, 2, 0.01, head, head_wide),
        *_wings(genes.under("wings"), 0, thorax_wide * 0.7, thorax * 0.3, u("wing", 0.5, 1.0), 2),
    ]
    limbs = [
        *legs(
            genes.under("legs"),
            skin["legs"],
            [
                (0, thorax_wide * 0.5, thorax * 0.2),
                (0, thorax_wide * 0.5, thorax * 0.5),
                (0, thorax_wide * 0.4, thorax * 0.8),
            ],
            u("leg", 0.14, 0.26),
        ),
        antennae(
            genes.under("antennae"),
            skin["antennae"],
            2,
            head_wide * 0.25,
            -head * 0.85,
            u("antenna", 0.06, 0.45),
        ),
    ]
    return Species(
        kind="fly",
        blocks=(
            Block(-1, 0.0, 0.0, 0.0),
            Block(0, thorax, u("tail yaw", 0.03, 0.2), -0.005),
            Block(0, 0.0, u("head yaw", 0.03, 0.2), 0.005),
        ),
        plates=tuple(plates),
        limbs=tuple(limbs),
        structures=("head", "thorax", "abdomen", "wings", "legs", "antennae", "eyes"),
        genes=genes,
        parents=(("eyes", "head"),),
        variation=u("variation", 0.6, 1.4),
        pinned_on="thorax",
    )


def build_bug(genes: Genes) -> Species:
    """A true bug or cockroach: small head, broad pronotum, scutellum, wing covers, abdomen."""
    u = genes.between
    skin = _skin(genes, 0.5)
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
        Plate(
            "abdomen",
            0,
            0.0,
            rest,
            ((0, wide * 0.8), (0.5, wide * u("belly", 0.9, 1.15)), (1, wide * 0.5)),
            skin["rear"],
            caps=(0.05, 0.5),
            seams=(0.3, 0.45, 0.6, 0.75, 0.88),
            layer=3,
        ),
        Plate(
            "wings",
            0,
            0.0,
            rest * u("wing", 0.75, 1.05),
            ((0, wide * 0.85), (0.4, wide * 0.9), (1, wide * 0.4)),
            membrane,
            caps=(0.05, 0.4),
            flatness=u("wing flat", 2, 5),
            dome=u("wing dome", 3, 7),
            suture=u("suture", 0.0, 0.8),
            seams=(u("membrane", 0.55, 0.75),),
            layer=4,
        ),
        Plate(
            "scutellum",
            0,
            -0.01,
            scutellum,
            ((0, wide * u("scutellum wide", 0.35, 0.6)), (0.5, wide * 0.3), (1, wide * 0.06)),
            related(genes.under("surface.scutellum"), skin["body"], 0.6),
            caps=(0.0, 0.15),
            layer=5,
        ),
        Plate(
            "pronotum",
            1,
            -pronotum,
            0.01,
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
            layer=6,
        ),
        *(
            replace(plate, layer=4)
            for plate in _head(genes.under("head"), skin, 2, -pronotum + 0.02, head, head_wide)
        ),
    ]
    limbs = [
        *legs(
            genes.under("legs"),
            skin["legs"],
            [
                (1, pronotum_wide * 0.5, -pronotum * 0.5),
                (0, wide * 0.6, rest * 0.06),
                (0, wide * 0.5, rest * 0.25),
            ],
            u("leg", 0.13, 0.28),
        ),
        antennae(
            genes.under("antennae"),
            skin["antennae"],
            2,
            head_wide * 0.6,
            -pronotum - head * 0.5,
            u("antenna", 0.25, 0.8),
        ),
    ]
    return Species(
        kind="bug",
        blocks=(
            Block(-1, 0.0, 0.0, 0.0),
            Block(0, 0.0, 0.03, 0.005),
            Block(1, -pronotum, 0.08, 0.005),
        ),
        plates=tuple(plates),
        limbs=tuple(limbs),
        structures=(
            "head",
            "pronotum",
            "scutellum",
            "wings",
            "abdomen",
            "legs",
            "antennae",
            "eyes",
        ),
        genes=genes,
        parents=(("eyes", "head"),),
        variation=u("variation", 0.6, 1.4),
        pinned_on="scutellum",
    )


def build_spider(genes: Genes) -> Species:
    """A spider: cephalothorax, abdomen, eight legs, palps and jaws."""
    u = genes.between
    skin = _skin(genes, 0.6)
    front = u("front", 0.35, 0.5)
    rear = 1 - front
    front_wide = front * u("front wide", 0.35, 0.5)
    rear_wide = rear * u("rear wide", 0.3, 0.52)
    plates = [
        Plate(
            "cephalothorax",
            0,
            0.0,
            front,
            ((0, front_wide * u("face", 0.4, 0.7)), (0.6, front_wide), (1, front_wide * 0.6)),
            skin["body"],
            caps=(0.2, 0.3),
            furrow=u("furrow", 0, 0.6),
            layer=5,
        ),
        Plate(
            "abdomen",
            1,
            front,
            1.0,
            ((0, rear_wide * 0.6), (u("fullest", 0.4, 0.7), rear_wide), (1, rear_wide * 0.5)),
            skin["rear"],
            caps=(0.35, 0.4),
            flatness=u("flat", 1.3, 2.2),
            dome=u("dome", 1.6, 3.5),
            layer=5,
        ),
    ]
    places = [(0, front_wide * 0.75, front * value) for value in (0.25, 0.42, 0.58, 0.72)]
    limbs = [
        *legs(genes.under("legs"), skin["legs"], places, u("leg", 0.25, 0.5)),
        replace(
            palps(
                genes.under("palps"), skin["legs"], 0, front_wide * 0.4, 0.03, u("palp", 0.15, 0.35)
            ),
            layer=BELOW,
        ),
        mandibles(
            genes.under("jaws"), skin["legs"], 0, front_wide * 0.2, 0.02, u("jaw", 0.08, 0.2)
        ),
    ]
    return Species(
        kind="spider",
        blocks=(Block(-1, 0.0, 0.0, 0.0), Block(0, front, 0.1, -0.005)),
        plates=tuple(plates),
        limbs=tuple(limbs),
        structures=("cephalothorax", "abdomen", "legs", "palps", "mandibles"),
        genes=genes,
        variation=u("variation", 0.6, 1.4),
    )
