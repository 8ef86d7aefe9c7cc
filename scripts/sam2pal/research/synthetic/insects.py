"""What body plans other than the beetles' share: skins, and a head with eyes."""

from dataclasses import replace

from sam2pal.research.synthetic.anatomy import Plate, Skin, plate
from sam2pal.research.synthetic.colours import cuticle, near, related, sample_surface
from sam2pal.research.synthetic.genes import Genes


def skin_of(genes: Genes, patterned: float, pale: float = 0.08) -> Skin:
    """Surfaces of body, rear, head, legs, antennae and eyes; the rear is `patterned` so often.

    `pale` is the weight of pale colours among those of the cuticle.
    """
    skin = genes.under("surface")
    base = sample_surface(skin.under("base"), pale=pale)
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


def head_with_eyes(
    genes: Genes,
    skin: Skin,
    block: int,
    rear: float,
    size: tuple[float, float],
    largest: float = 0.32,
) -> list[Plate]:
    """A head of `size` (length, half width) that ends at `rear`; eyes are at most `largest` of its length."""
    length, wide = size
    genes = genes.under("head")
    u = genes.between
    front = rear - length
    eye = length * u("eye", 0.08, largest)
    place = front + length * u("eye place", 0.3, 0.65)
    head = plate(
        ("head", block, 6),
        (front, rear),
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
    )
    eyes = plate(
        ("eyes", block, 7),
        (place - eye, place + eye),
        ((0, eye * u("eye wide", 0.4, 0.8)), (1, eye * 0.6)),
        skin["eyes"],
        caps=(0.5, 0.5),
        offset=wide * u("eye out", 0.6, 0.92),
        paired=True,
        edge=0.2,
    )
    return [head, eyes]
