"""Drawing a species of any kind."""

import numpy as np

from sam2pal.synthetic.anatomy import Species
from sam2pal.synthetic.beetles import sample_beetle

KINDS = {"beetle": (sample_beetle, 1.0)}


def sample_species(rng: np.random.Generator, kind: str | None = None) -> Species:
    """Draw a species; more than half of them are beetles unless `kind` says otherwise.

    Raises:
        ValueError: `kind` is not one of `KINDS`.
    """
    if kind is None:
        shares = np.array([share for _, share in KINDS.values()])
        kind = str(rng.choice(list(KINDS), p=shares / shares.sum()))
    if kind not in KINDS:
        raise ValueError(f"kind: expected one of {', '.join(KINDS)}, found {kind}")
    return KINDS[kind][0](rng)
