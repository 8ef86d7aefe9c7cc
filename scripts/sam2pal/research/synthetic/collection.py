"""Several specimens that belong together, as the drawers of a collection hold them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from sam2pal.research.synthetic.anatomy import Species
from sam2pal.research.synthetic.crops import cut_cuticle, cut_scene, photographs_in
from sam2pal.research.synthetic.photograph import (
    Style,
    sample_mounted_style,
    sample_museum_style,
    sample_style,
    vary_style,
)
from sam2pal.research.synthetic.species import sample_relative, sample_species
from sam2pal.research.synthetic.specimen import DrawnPhotograph, draw_specimen

SEVERAL = 0.25  # share of the collections with specimens of several genera
FLAT = 0.75  # height over width of a stereo microscope's photographs


def draw_collection(
    rng: np.random.Generator,
    specimens: int,
    size: int,
    kind: str | None = None,
    *,
    lacking: float = 0.0,
    supple: float = 0.35,
    bend: float = 2.5,
    photographs: Path | None = None,
) -> list[DrawnPhotograph]:
    """Draw specimens of one plan, each letterboxed to (or filling) a square of `size` pixels.

    The specimens are of one species, of several of a genus, more or less alike, as when a template of
    one species has to serve its relatives, or of several genera. Mostly all share a photographic set-up
    that varies a little. All drawings have the same structures.

    Args:
        kind: as for `sample_species`.
        lacking: the share (0..1) of the specimens that lack a structure, any one, besides those that
            lost theirs as museum specimens do.
        supple: the share (0..1) of the collections whose limbs lie more differently than the species' own
            joints say.
        bend: how many times as far, at most, the joints of these bend.
        photographs: a folder of specimens' photographs; cuticle and backgrounds of some collections are
            cut from them.

    Raises:
        InputError: `photographs` holds none that can be read.
    """
    if photographs is not None:
        photographs_in(photographs)
    base = sample_species(rng, kind)
    members = sample_members(base, rng)
    draw_style = style_of(base, rng)
    style = draw_style(rng)
    shared = rng.random() < 0.75
    sway = float(rng.uniform(0.1, 1.0))
    any_way = rng.random() < 0.3
    square = rng.random() < 0.2
    # as photographs that were stored squeezed to a square
    squeezed = bool(base.heading) and rng.random() < 0.3
    looser = float(rng.uniform(1.0, bend)) if rng.random() < supple else 1.0
    scenery = photographs is not None and rng.random() < 0.3
    if photographs is not None and rng.random() < 0.35:
        members = [clad(member, rng, photographs) for member in members]
    drawings = []
    for number in range(specimens):
        if number:
            style = vary_style(style, rng, sway) if shared else draw_style(rng)
        if scenery:
            style = replace(style, scene=cut_scene(rng, photographs))
        missing = None
        if lacking and rng.random() < lacking:
            missing = (str(rng.choice([s for s in base.structures if s != base.essential])),)
        drawing = draw_specimen(
            members[int(rng.integers(len(members)))],
            rng,
            (int(FLAT * size), size) if squeezed else size,
            style=style,
            frame="square" if square or squeezed else "letterbox",
            orientation=(-180, 180) if any_way else None,
            mirrored=bool(rng.random() < 0.2),
            missing=missing,
            partial=float(rng.uniform(0, 0.35)) if rng.random() < 0.12 else 0.0,
            supple=looser,
        )
        drawings.append(stretched(drawing, size) if squeezed else drawing)
    return drawings


def sample_members(base: Species, rng: np.random.Generator) -> list[Species]:
    """The species of a collection, all with the structures of `base`."""
    # compounds have no structures in common but by name
    if rng.random() < SEVERAL and base.kind != "compound":
        others = [sample_species(rng, base.kind) for _ in range(int(rng.integers(1, 4)))]
        return [base, *(replace(other, structures=base.structures) for other in others)]
    if rng.random() < 0.5:
        return [base]
    unlike = float(rng.uniform(0.05, 0.7))
    colourful = float(rng.uniform(0.1, 1.0))
    number = int(rng.integers(1, 4))
    return [base, *(sample_relative(base, rng, unlike, colourful) for _ in range(number))]


def style_of(base: Species, rng: np.random.Generator) -> Callable[[np.random.Generator], Style]:
    """The function that draws a set-up as this kind is photographed."""
    if base.heading:
        return sample_mounted_style
    documented = rng.random() < (0.7 if base.kind == "ground beetle" else 0.2)
    return sample_museum_style if documented else sample_style


def clad(species: Species, rng: np.random.Generator, photographs: Path) -> Species:
    """The species with real cuticle: its plates are clad in a few pieces of photographs."""
    pieces = [cut_cuticle(rng, photographs) for _ in range(int(rng.integers(1, 4)))]
    structures = dict.fromkeys(plate.structure for plate in species.plates)
    chosen = {name: pieces[int(rng.integers(len(pieces)))] for name in structures}
    plates = []
    for plate in species.plates:
        surface = plate.surface
        if plate.structure != "eyes":
            bright = (1.2, 1.2, 1.2)
            surface = replace(
                surface, colour=bright, metallic=0.0, photograph=chosen[plate.structure]
            )
        plates.append(replace(plate, surface=surface))
    return replace(species, plates=tuple(plates))


def stretched(drawing: DrawnPhotograph, size: int) -> DrawnPhotograph:
    """The drawing resized to a square, whatever its shape."""
    pixels = Image.fromarray(drawing.pixels).resize((size, size), Image.Resampling.BILINEAR)
    masks = {
        name: np.array(Image.fromarray(mask).resize((size, size), Image.Resampling.NEAREST))
        for name, mask in drawing.masks.items()
    }
    height = drawing.pixels.shape[0]
    return DrawnPhotograph(np.array(pixels), masks, drawing.scale * size / height)
