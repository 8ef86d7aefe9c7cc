"""Species of every kind, and their relatives."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sam2pal.research.synthetic.anatomy import Species
from sam2pal.research.synthetic.ants import build_ant
from sam2pal.research.synthetic.beetles import build_beetle, build_ground_beetle
from sam2pal.research.synthetic.compounds import build_compound
from sam2pal.research.synthetic.faces import build_ant_face, build_fly_face
from sam2pal.research.synthetic.flies import build_bug, build_fly, build_spider
from sam2pal.research.synthetic.genes import Genes
from sam2pal.research.synthetic.lateral_ants import build_lateral_ant
from sam2pal.research.synthetic.lateral_insects import (
    build_lateral_beetle,
    build_lateral_bug,
    build_lateral_fly,
    build_lateral_wasp,
)
from sam2pal.research.synthetic.wings import build_wing

# how to build each kind, and its share among drawn species; a kind is a body plan from one side
KINDS: dict[str, tuple[Callable[[Genes], Species], float]] = {
    "ground beetle": (build_ground_beetle, 0.34),
    "beetle": (build_beetle, 0.3),
    "ant": (build_ant, 0.12),
    "fly": (build_fly, 0.09),
    "bug": (build_bug, 0.1),
    "spider": (build_spider, 0.05),
    "compound": (build_compound, 0.06),
    "ant in profile": (build_lateral_ant, 0.2),
    "beetle in profile": (build_lateral_beetle, 0.07),
    "fly in profile": (build_lateral_fly, 0.06),
    "wasp in profile": (build_lateral_wasp, 0.06),
    "bug in profile": (build_lateral_bug, 0.06),
    "ant face": (build_ant_face, 0.08),
    "fly face": (build_fly_face, 0.05),
    "wing": (build_wing, 0.06),
}

# never drawn in training, so that what is learned can be judged on plans that were not seen
JUDGING_PLANS = ("bug", "spider", "wasp in profile", "bug in profile", "fly face")
TRAINING_PLANS = tuple(kind for kind in KINDS if kind not in JUDGING_PLANS)


def sample_species(rng: np.random.Generator, kind: str | None = None) -> Species:
    """Draw a species, of any of `TRAINING_PLANS` unless `kind` says which; most are beetles.

    Raises:
        ValueError: `kind` is not one of `KINDS`.
    """
    if kind is None:
        shares = np.array([KINDS[plan][1] for plan in TRAINING_PLANS])
        kind = str(rng.choice(TRAINING_PLANS, p=shares / shares.sum()))
    if kind not in KINDS:
        raise ValueError(f"kind: expected one of {', '.join(KINDS)}, found {kind}")
    return KINDS[kind][0](Genes(((int(rng.integers(1 << 40)), 1.0, 1.0),)))


def sample_relative(
    species: Species, rng: np.random.Generator, shape: float = 0.35, surface: float = 0.6
) -> Species:
    """Another species of the genus, whose `shape` and `surface` differ by a share (0..1) of their numbers."""
    build = KINDS[species.kind][0]
    relative = build(species.genes.mutated(int(rng.integers(1 << 40)), shape, surface))
    return replace(relative, structures=species.structures)
