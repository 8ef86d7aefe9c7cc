"""Body plans of ants."""

from sam2pal.research.synthetic.anatomy import Block, Species, limb, plate, species_of
from sam2pal.research.synthetic.appendages import ABOVE, legs, mandibles
from sam2pal.research.synthetic.genes import Genes
from sam2pal.research.synthetic.insects import head_with_eyes, skin_of

STRUCTURES = ["head", "mesosoma", "petiole", "gaster", "legs", "antennae", "eyes", "mandibles"]


def build_ant(genes: Genes) -> Species:
    """A worker ant: head, mesosoma, petiole, gaster, elbowed antennae with a long scape."""
    u = genes.between
    skin = skin_of(genes, 0.3)
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
        plate(
            ("mesosoma", 0, 5),
            (0.0, meso),
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
        )
    ]
    step = waist / nodes
    for number in range(nodes):
        size = step * u(f"node {number}", 0.45, 0.75)
        plates.append(
            plate(
                ("petiole", 1, 4),
                (meso + number * step - step * 0.05, meso + (number + 1) * step + step * 0.05),
                ((0, size * 0.4), (0.55, size), (1, size * 0.5)),
                skin["body"],
                caps=(0.2, 0.2),
                flatness=1.5,
                dome=2.0,
            )
        )
    rings = tuple(
        place for place in (u("ring 1", 0.25, 0.42), 0.6, 0.76, 0.88) if genes.chance("rings", 0.8)
    )
    plates.append(
        plate(
            ("gaster", 2, 5),
            (meso + waist, meso + waist + gaster),
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
        )
    )
    plates += head_with_eyes(genes, skin, 3, 0.01, (head, head_wide), 0.19)
    size = u("leg", 0.2, 0.34)
    scape = head * u("scape", 0.7, 1.3)
    thin = u("antenna thin", 0.005, 0.009)
    x, y = head_wide * u("scape x", 0.2, 0.45), -head * u("scape y", 0.72, 0.85)
    out, elbow = u("scape out", 1.0, 2.3), u("elbow", -2.0, -0.8)
    flagellum = scape * u("flagellum", 0.9, 1.5)
    clubbed = genes.chance("clubbed", 0.5)
    scapes = limb(
        ("antennae", 3, ABOVE),
        (x, y),
        ((scape, thin * 0.8, thin, thin * 1.15),),
        ((out,), (0.25,)),
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
        lose=0.03,
    )
    places = [
        (0, meso_wide * 0.55, meso * u("fore leg", 0.12, 0.3)),
        (0, meso_wide * 0.5, meso * u("mid leg", 0.45, 0.6)),
        (0, meso_wide * 0.4, meso * u("hind leg", 0.7, 0.9)),
    ]
    limbs = [
        *legs(genes, skin, places, size),
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
    hinged = [
        Block(0, meso, u("waist yaw", 0.05, 0.2), -0.005),
        Block(1, meso + waist, u("gaster yaw", 0.05, 0.3), -0.005),
        Block(0, 0.0, u("head yaw", 0.05, 0.25), 0.005),
    ]
    pinned_on = "mesosoma" if genes.chance("pinned", 0.3) else ""
    return species_of("ant", genes, hinged, [*plates, *limbs], STRUCTURES, pinned_on=pinned_on)
