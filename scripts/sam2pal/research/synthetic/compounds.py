"""Things that are no animals: random plates and rods, some clad in photographs.

They teach to follow a part by its looks and its place among the others, whatever it is.
"""

from dataclasses import replace

from sam2pal.research.synthetic.anatomy import Block, Limb, Plate, Species, limb, plate, species_of
from sam2pal.research.synthetic.appendages import ABOVE, BELOW
from sam2pal.research.synthetic.colours import near, sample_surface
from sam2pal.research.synthetic.genes import Genes
from sam2pal.research.synthetic.noise import PHOTOGRAPHS


def build_compound(genes: Genes) -> Species:
    """A main plate, two to five others on or beside it, and some rods."""
    u = genes.between
    shared = sample_surface(genes.under("surface.shared"), 0.4)
    alike = genes.chance("surface alike", 0.4)
    plates: list[Plate] = []
    hinged: list[Block] = []
    limbs: list[Limb] = []
    for number in range(genes.whole("plates", 2, 6)):
        own = genes.under(f"plate {number}")
        skin = own.under("surface")
        surface = sample_surface(skin, 0.5)
        if alike:
            surface = replace(shared, colour=near(skin, shared.colour, 0.5))
        surface = replace(surface, photograph=None)
        if skin.chance("clad", 0.4):
            surface = replace(
                surface,
                photograph=skin.whole("photograph", 0, len(PHOTOGRAPHS) - 1),
                colour=tuple(max(value, 0.5) for value in surface.colour),
            )
        length = own.between("length", 0.15, 0.5) if number else u("main", 0.5, 0.9)
        wide = length * own.between("wide", 0.15, 0.55)
        start = own.between("start", -0.2, 0.8) if number else 0.0
        points = tuple((k / 3, wide * own.between(f"w{k}", 0.35, 1.0)) for k in range(4))
        block = 0
        if number and own.chance("hinged", 0.6):
            hinged.append(Block(0, start, own.between("yaw", 0.0, 0.35), 0.0))
            block = len(hinged)
        plates.append(
            plate(
                (f"plate {number + 1}", block, own.whole("layer", 2, 7)),
                (start, start + length),
                points,
                surface,
                caps=(own.between("cap", 0.05, 0.5), own.between("rear cap", 0.05, 0.5)),
                cap_power=own.between("cap power", 1.2, 4.0),
                bows=(own.between("bow", -0.2, 0.2), own.between("rear bow", -0.2, 0.2)),
                flatness=own.between("flat", 1.2, 6.0),
                dome=own.between("dome", 1.5, 8.0),
                suture=own.unit("suture") if own.chance("sutured", 0.3) else 0.0,
                seams=(own.between("seam", 0.2, 0.8),) if own.chance("seamed", 0.4) else (),
                rim=own.unit("rim") if own.chance("rimmed", 0.4) else 0.0,
                offset=own.between("aside", -0.3, 0.3) if number else 0.0,
                angle=own.between("angle", -2.5, 2.5) if number else 0.0,
                paired=bool(number) and own.chance("paired", 0.35),
                edge=own.between("edge", 0.0, 0.5),
            )
        )
    for number in range(genes.whole("rods", 0, 3)):
        own = genes.under(f"rod {number}")
        surface = sample_surface(own.under("surface"), 0.0)
        thick = own.scaled("thick", 0.004, 0.03)
        length = own.between("length", 0.1, 0.45)
        limbs.append(
            limb(
                (f"rod {number + 1}", 0, BELOW if own.chance("below", 0.6) else ABOVE),
                (own.between("x", 0.0, 0.15), own.between("y", 0.0, 0.8)),
                ((length, thick, thick * own.between("swell", 0.7, 1.6), thick * 0.8),),
                ((own.between("out", 0.0, 3.1),), (0.3,)),
                surface,
                beads=own.whole("beads", 0, 9),
                bead_length=length * own.between("bead", 0.05, 0.2),
                bead_width=(thick, thick * own.between("end", 0.4, 1.4)),
                bead_neck=own.between("neck", 0.4, 1.0),
                curl=own.between("curl", -2.0, 2.0),
                bands=own.unit("bands"),
                paired=own.chance("paired", 0.7),
            )
        )
    parts = [*plates, *limbs]
    structures = [part.structure for part in parts]
    variation = u("variation", 0.5, 1.5)
    return species_of("compound", genes, hinged, parts, structures, variation=variation)
