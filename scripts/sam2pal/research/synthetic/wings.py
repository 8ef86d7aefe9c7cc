"""A single wing, laid flat: its veins, and the cells between them.

The base is at the top, the front margin to the right.
"""

from dataclasses import replace

import numpy as np

from sam2pal.research.synthetic import lateral
from sam2pal.research.synthetic.anatomy import Plate, Species, Surface, species_of
from sam2pal.research.synthetic.colours import cuticle, near
from sam2pal.research.synthetic.genes import Genes

CELLS = ("costal cell", "radial cell", "medial cell", "cubital cell", "anal cell")
STATIONS = 7
ALONG = np.linspace(0.0, 1.0, STATIONS)


def build_wing(genes: Genes) -> Species:
    """An insect's wing with five rows of cells, veins, and in some a dark spot at the margin."""
    u = genes.between
    skin = genes.under("surface")
    tint = cuticle(skin, 0.1)
    pale = skin.between("pale", 0.5, 0.9)
    clear = tuple(pale + (1 - pale) * value for value in tint)
    membrane = Surface(clear, tint, gloss=skin.between("gloss", 0.0, 0.5), shininess=20)
    opacity = u("opacity", 0.3, 0.9)
    wide = u("wide", 0.13, 0.24)
    front = (
        np.array([0.25, 0.55, 0.85, u("front", 0.85, 1.0), 0.95, 0.75, u("tip", 0.3, 0.6)]) * wide
    )
    rear = -np.array([0.1, 0.5, 0.9, u("rear", 0.9, 1.3), 1.1, 0.8, u("rear tip", 0.3, 0.6)]) * wide
    outline = tuple(zip(ALONG.tolist(), front.tolist(), rear.tolist(), strict=True))
    wing = lateral.plate(
        ("wing", 0, 2),
        (0.0, 1.0),
        outline,
        membrane,
        caps=(0.02, u("round", 0.12, 0.3)),
        flatness=8,
        dome=8,
        edge=u("edge", 0.0, 0.4),
        opacity=opacity,
    )
    lines = _vein_lines(genes, front, rear)
    veins = replace(membrane, colour=near(skin.under("veins"), tint, 0.5), gloss=0.2)
    plates = [wing]
    for row, name in enumerate(CELLS):
        own = genes.under(name)
        begin = own.between("begin", 0.12, 0.4)
        end = own.between("end", begin + 0.2, 0.9)
        shade = replace(membrane, colour=near(skin.under(name), clear, 0.5))
        cell = _between(name, lines[row], lines[row + 1], (begin, end), shade, 3)
        plates.append(replace(cell, opacity=own.between("opacity", 0.15, 0.6), caps=(0.04, 0.06)))
        plates += _cross_veins(own, lines[row], lines[row + 1], (begin, end), veins)
    thick = u("thick", 0.0045, 0.009)
    for number, line in enumerate([*lines, rear + thick * 0.5]):
        margin = number in (0, len(lines))
        last = 0.9 if margin else u(f"vein {number}", 0.75, 0.95)
        plates.append(_between("veins", line + thick, line - thick, (0.0, last), veins, 6))
    structures = ["wing", *CELLS, "veins"]
    if genes.chance("spotted", 0.5):
        at = u("spot", 0.5, 0.75)
        dark = replace(veins, colour=near(skin.under("spot"), tint, 0.3))
        deep = lines[0] - wide * u("spot deep", 0.12, 0.25)
        plates.append(_between("stigma", lines[0] + 0.004, deep, (at, at + 0.12), dark, 7))
        structures.append("stigma")
    return species_of(
        "wing",
        genes,
        [],
        plates,
        structures,
        parents=tuple((name, "wing") for name in structures[1:]),
        variation=0.3,
        heading=-90.0,
        essential="wing",
    )


def _vein_lines(genes: Genes, front: np.ndarray, rear: np.ndarray) -> list[np.ndarray]:
    """Where six veins run, from the front margin on: x at STATIONS places along."""
    fan = np.linspace(0.25, 1.0, STATIONS) ** genes.between("fan", 0.5, 1.2)
    lines = [front]
    for number in range(1, len(CELLS) + 1):
        share = (number + genes.between(f"share {number}", -0.25, 0.25)) / (len(CELLS) + 0.6)
        gathered = 0.3 + (share - 0.3) * fan
        lines.append(front + (rear - front) * np.clip(gathered, 0.02, 0.97))
    return lines


def _between(
    structure: str,
    upper: np.ndarray,
    lower: np.ndarray,
    ends: tuple[float, float],
    surface: Surface,
    layer: int,
) -> Plate:
    """The part between two lines, from one place along the wing to another."""
    there = ends[0] + ALONG * (ends[1] - ends[0])
    high, low = (np.interp(there, ALONG, line) for line in (upper, lower))
    contour = tuple(zip(ALONG.tolist(), high.tolist(), low.tolist(), strict=True))
    plate = lateral.plate((structure, 0, layer), ends, contour, surface)
    return replace(plate, caps=(0.0, 0.0), flatness=8, dome=8, edge=0.0)


def _cross_veins(
    genes: Genes, upper: np.ndarray, lower: np.ndarray, ends: tuple[float, float], surface: Surface
) -> list[Plate]:
    """The veins that close a cell at both ends."""
    thick = genes.between("cross", 0.004, 0.007)
    return [
        _between("veins", upper, lower, (place - thick, place + thick), surface, 6)
        for place in ends
    ]
