"""Body plans of beetles."""

from dataclasses import replace

from sam2pal.research.synthetic.anatomy import Block, Species, Surface, borne, plate, species_of
from sam2pal.research.synthetic.appendages import antennae, legs, mandibles, palps
from sam2pal.research.synthetic.colours import cuticle, near, related, sample_surface
from sam2pal.research.synthetic.genes import Genes

STRUCTURES = ("head", "pronotum", "elytra", "legs", "antennae", "eyes", "mandibles")


def surfaces(genes: Genes, sober: bool) -> dict[str, Surface]:
    """The surfaces of head, pronotum, elytra, limbs and what shows between them."""
    skin = genes.under("surface")
    base = sample_surface(skin.under("base"), sober=sober)
    same = skin.chance("same", 0.85 if sober else 0.75)
    detail = sample_surface(skin.under("elytra"), 0.03 if sober else 0.18, sober)
    elytra = replace(
        base,
        second=detail.second,
        pattern=detail.pattern,
        pattern_seed=detail.pattern_seed,
        gloss=base.gloss * skin.between("elytra gloss", 0.5, 1.2),
        striae=skin.whole("striae", 6, 11)
        if skin.chance("striated", 0.92 if sober else 0.8)
        else 0,
        stria_depth=skin.between("stria depth", 0.2, 1.0),
        stria_dots=skin.unit("stria dots") if skin.chance("dotted", 0.35) else 0.0,
        pits=skin.pick("elytra pits", {0: 2.0 if sober else 0.84, 12: 0.08, 24: 0.08}),
        pit_depth=detail.pit_depth,
    )
    if not same:
        elytra = replace(elytra, colour=near(skin.under("elytra shift"), base.colour, 1.2))
    pronotum = related(skin.under("pronotum"), base, 0.15 if same else 1.0)
    head = related(skin.under("head"), pronotum, 0.2 if skin.chance("same head", 0.85) else 1.0)
    if skin.chance("legs as body", 0.5):
        paler = skin.between("paler", 0.7, 1.9)
        limb = near(skin.under("legs"), tuple(value * paler for value in base.colour), 0.3)
    elif skin.chance("red legs", 0.6):
        red, ratio = skin.between("leg red", 0.08, 0.5), skin.between("leg ratio", 0.3, 0.6)
        limb = (red, red * ratio, red * ratio * skin.between("leg blue", 0.2, 0.6))
    else:
        limb = cuticle(skin.under("legs"), 0.04)
    leg = replace(
        base,
        colour=limb,
        second=near(skin.under("leg second"), limb, 1.0),
        pattern="plain",
        metallic=0.0,
        gloss=base.gloss * 0.7,
    )
    feelers = tuple(min(1.5 * value + 0.02, 0.9) for value in limb)
    dark = tuple(0.6 * value for value in base.colour)
    return {
        "elytra": elytra,
        "pronotum": pronotum,
        "head": head,
        "legs": leg,
        "antennae": related(skin.under("antennae"), replace(leg, colour=feelers), 0.6),
        "eyes": replace(
            head,
            colour=near(skin.under("eyes"), (0.05, 0.045, 0.04), 0.9),
            gloss=skin.between("eye gloss", 0.3, 1.1),
            pits=0,
            pattern="plain",
            metallic=0.0,
        ),
        "inside": replace(
            base,
            colour=near(skin.under("inside"), dark, 0.4),
            pattern="plain",
            gloss=base.gloss * 0.5,
            metallic=0.0,
        ),
    }


def build_ground_beetle(genes: Genes) -> Species:
    """A beetle that runs: dark, glossy, striate, its pronotum nearly as wide as its elytra."""
    return replace(build_beetle(genes, sober=True), kind="ground beetle")


def build_beetle(genes: Genes, sober: bool = False) -> Species:
    """A beetle of drawn proportions; snouts, long horns and broad bodies occur too.

    A `sober` one has none of these, and few colours.
    """
    form = genes.pick("form", {"ground": 0.5, "round": 0.18, "long": 0.18, "weevil": 0.14})
    form = "ground" if sober else form
    u = genes.between
    elytra_length = u("elytra", 0.53, 0.7)
    pronotum_length = (1 - elytra_length) * u("pronotum", 0.5, 0.7)
    head_length = 1 - elytra_length - pronotum_length
    low, high = {
        "ground": (0.26, 0.41),
        "round": (0.42, 0.58),
        "long": (0.18, 0.28),
        "weevil": (0.3, 0.48),
    }[form]
    wide = elytra_length * u("wide", low, high)
    pronotum_wide = wide * u("pronotum wide", 0.66, 1.04)
    pronotum_wide = min(
        pronotum_wide, pronotum_length * u("pronotum cap", 0.6, 0.9 if form == "ground" else 1.15)
    )
    head_wide = min(pronotum_wide * u("head wide", 0.45, 0.88), head_length * u("cap", 0.58, 0.95))
    head_wide = max(head_wide, 0.045)
    skin = surfaces(genes, sober)

    shoulder = u("shoulder", 0.72, 0.98)
    contact = u("contact", 0.0, 0.6)
    elytra = plate(
        ("elytra", 0, 5),
        (0.0, elytra_length),
        (
            (0, wide * shoulder),
            (0.12, wide * (0.6 * shoulder + 0.39)),
            (u("fullest", 0.4, 0.7), wide),
            (1, wide * (u("rear", 0.8, 1.0) if form == "ground" else u("rear", 0.6, 0.95))),
        ),
        skin["elytra"],
        caps=(u("elytra front cap", 0.02, 0.12), u("elytra rear cap", 0.28, 0.55)),
        cap_power=u("elytra cap power", 1.8, 2.6),
        bows=(u("elytra bow", -0.05, 0.2), 0.0),
        flatness=u("elytra flat", 1.3, 3.2),
        dome=u("elytra dome", 1.8, 5.5),
        suture=u("suture", 0.4, 1.0),
        rim=u("elytra rim", 0, 1.0),
        split=u("split", 0.02, 0.3) if genes.chance("splits", 0.25) else 0.0,
        contact=(contact, 0.0),
        edge=u("edge", 0.1, 0.5),
    )
    dents = ()
    if genes.chance("foveae", 0.4):
        dents = ((u("fovea x", 0.3, 0.65), 0.84, u("fovea r", 0.15, 0.35), u("fovea d", 0.3, 0.9)),)
    pronotum = plate(
        ("pronotum", 1, 6),
        (-pronotum_length, 0.0),
        (
            (0, pronotum_wide * u("pronotum front", 0.6, 0.95)),
            (u("pronotum fullest", 0.3, 0.7), pronotum_wide),
            (1, pronotum_wide * u("pronotum rear", 0.6, 1.0)),
        ),
        skin["pronotum"],
        caps=(u("pronotum front cap", 0.03, 0.25), u("pronotum rear cap", 0.02, 0.2)),
        cap_power=u("pronotum cap power", 1.8, 3.0),
        bows=(u("pronotum bow", -0.18, 0.06), u("pronotum rear bow", -0.16, 0.1)),
        flatness=u("pronotum flat", 1.3, 3.2),
        dome=u("pronotum dome", 1.6, 5.0),
        furrow=u("furrow", 0.15, 0.9) if genes.chance("furrowed", 0.7) else 0.0,
        rim=u("pronotum rim", 0, 1.0),
        dents=dents,
        contact=(0.2 * contact, 0.6 * contact),
        edge=u("edge", 0.1, 0.5),
    )
    tuck = head_length * u("tuck", 0.1, 0.4)
    snout = u("snout", 0.2, 0.4) if form == "weevil" else u("muzzle", 0.45, 0.85)
    front = -pronotum_length - head_length
    head = plate(
        ("head", 2, 4),
        (front, -pronotum_length + tuck),
        (
            (0, head_wide * snout),
            (0.3, head_wide * (0.5 + 0.4 * snout)),
            (0.55, head_wide),
            (1, head_wide * u("nape", 0.65, 0.98)),
        ),
        skin["head"],
        caps=(u("head cap", 0.08, 0.35), 0.1),
        cap_power=u("head cap power", 1.8, 3.0),
        flatness=u("head flat", 1.5, 3.0),
        dome=u("head dome", 2.0, 5.0),
        seams=(u("clypeus", 0.14, 0.3),) if genes.chance("has clypeus", 0.6) else (),
        seam_depth=u("clypeus depth", 0.2, 0.8),
        dents=((0.45, 0.33, 0.3, u("frons", 0.2, 0.8)),) if genes.chance("fronted", 0.5) else (),
        contact=(0.0, contact),
        edge=u("edge", 0.1, 0.5),
    )
    eye = head_wide * u("eye", 0.15, 0.34)
    eye_y = front + (head_length + tuck) * u("eye place", 0.42, 0.62)
    eyes = plate(
        ("eyes", 2, 4),
        (eye_y - eye, eye_y + eye),
        ((0, eye * 0.75), (1, eye * 0.75)),
        skin["eyes"],
        caps=(0.5, 0.5),
        offset=head_wide * u("eye out", 0.72, 0.95),
        paired=True,
        edge=0.2,
    )
    beyond = u("abdomen", 0, 0.13) if genes.chance("abdomen shows", 0.4) else -0.03
    abdomen = plate(
        ("", 0, 3),
        (elytra_length * 0.3, elytra_length * (1 + beyond)),
        ((0, wide * 0.7), (0.7, wide * 0.75), (1, wide * 0.5)),
        skin["inside"],
        caps=(0.2, 0.4),
        seams=(0.84, 0.92),
    )
    neck = plate(
        ("", 0, 3),
        (-0.04, elytra_length * 0.15),
        ((0, wide * u("neck", 0.4, 0.65)), (1, wide * 0.7)),
        skin["inside"],
        caps=(0.1, 0.1),
    )
    plates = [abdomen, neck, head, eyes, elytra, pronotum]
    if genes.chance("scutellum", 0.5):
        size = wide * u("scutellum size", 0.1, 0.2)
        shape = ((0, size), (1, size * 0.1))
        plates.append(
            plate(("", 0, 5), (-0.01, size * 1.5), shape, skin["elytra"], caps=(0.0, 0.5))
        )
    places = [
        (1, pronotum_wide * 0.5, -pronotum_length * u("fore leg", 0.2, 0.5)),
        (0, wide * 0.55, elytra_length * u("mid leg", 0.02, 0.12)),
        (0, wide * 0.5, elytra_length * u("hind leg", 0.22, 0.38)),
    ]
    limbs = [
        *legs(genes, skin, places, u("leg", 0.125, 0.235) * (1.15 if form == "long" else 1.0)),
        antennae(
            genes,
            skin,
            2,
            head_wide * u("antenna x", 0.5, 0.8),
            front + head_length * u("antenna y", 0.2, 0.5),
            u("antenna", 0.25, 0.55) * (u("horn", 1.0, 2.0) if form == "long" else 1.0),
        ),
    ]
    mouth = (2, head_wide * snout * 0.55, front + head_length * 0.08)
    if genes.chance("has mandibles", 0.75):
        size = head_length * u("mandible", 0.12, 0.5)
        limbs.append(mandibles(genes.under("mandibles"), skin["head"], *mouth, size))
    if genes.chance("has palps", 0.7):
        size = head_length * u("palp", 0.3, 0.6)
        limbs.append(palps(genes.under("palps"), skin["antennae"], *mouth, size))
    hinged = [
        Block(0, 0.0, u("neck yaw", 0.02, 0.1), u("neck gap", -0.015, 0.012)),
        Block(1, -pronotum_length, u("head yaw", 0.03, 0.15), u("head gap", -0.01, 0.02)),
    ]
    parts = [*plates, *limbs]
    return species_of(
        "beetle",
        genes,
        hinged,
        parts,
        borne(STRUCTURES, parts),
        parents=(("eyes", "head"), ("mandibles", "head"), ("palps", "head")),
        variation=u("variation", 0.6, 1.5),
        pinned_on="elytra",
    )
