"""Several specimens that belong together, as the drawers of a collection hold them."""

import numpy as np

from sam2pal.research.synthetic.photograph import (
    sample_mounted_style,
    sample_museum_style,
    sample_style,
    vary_style,
)
from sam2pal.research.synthetic.species import sample_relative, sample_species
from sam2pal.research.synthetic.specimen import Drawing, draw_specimen


def draw_collection(
    rng: np.random.Generator,
    specimens: int,
    size: int,
    kind: str | None = None,
    *,
    lacking: float = 0.0,
) -> list[Drawing]:
    """Draw specimens of one genus, each letterboxed to (or filling) a square of `size` pixels.

    Half of the genera are one species; the specimens of the others are of several, more or less
    alike, as when a template of one species has to serve its relatives. Mostly all share a
    photographic set-up that varies a little. All drawings have the same structures.

    Args:
        kind: as for `sample_species`.
        lacking: the share (0..1) of the specimens that lack a structure, any one, besides those that
            lost theirs as museum specimens do.
    """
    base = sample_species(rng, kind)
    members = [base]
    if rng.random() < 0.5:
        unlike = float(rng.uniform(0.05, 0.7))
        colourful = float(rng.uniform(0.1, 1.0))
        members += [
            sample_relative(base, rng, unlike, colourful) for _ in range(int(rng.integers(1, 4)))
        ]
    documented = rng.random() < (0.7 if base.kind == "ground beetle" else 0.2)
    draw_style = sample_museum_style if documented else sample_style
    if base.heading:
        draw_style = sample_mounted_style
    style = draw_style(rng)
    shared = rng.random() < 0.75
    sway = float(rng.uniform(0.1, 1.0))
    any_way = rng.random() < 0.3
    square = rng.random() < 0.2
    drawings = []
    for number in range(specimens):
        if number:
            style = vary_style(style, rng, sway) if shared else draw_style(rng)
        missing = None
        if lacking and rng.random() < lacking:
            missing = (str(rng.choice(base.structures)),)
        drawings.append(
            draw_specimen(
                members[int(rng.integers(len(members)))],
                rng,
                size,
                style=style,
                frame="square" if square else "letterbox",
                orientation=(-180, 180) if any_way else None,
                mirrored=bool(rng.random() < 0.2),
                missing=missing,
                partial=float(rng.uniform(0, 0.35)) if rng.random() < 0.12 else 0.0,
            )
        )
    return drawings
