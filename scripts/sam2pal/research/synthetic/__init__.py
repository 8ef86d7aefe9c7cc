"""Drawn insects with the truth of every structure: for pretraining, the demo and the tests.

    species = sample_species(rng)
    style = sample_style(rng)
    drawing = draw_specimen(species, rng, 320, style=style)
    drawing.pixels          # uint8 [320, 320, 3]
    drawing.masks["head"]   # bool [320, 320]

    draw_collection(rng, 4, 320)   # several specimens of a genus, as pretraining sees them

A kind is a body plan seen from one side. Models train on `TRAINING_PLANS`; `JUDGING_PLANS`, a third of
all, are drawn only if asked for by name, to judge what a model makes of plans that it never saw.
Nothing here needs torch; the same generator state gives the same bytes.
"""

from sam2pal.research.synthetic.anatomy import Species
from sam2pal.research.synthetic.collection import draw_collection
from sam2pal.research.synthetic.photograph import (
    Style,
    sample_museum_style,
    sample_style,
    vary_style,
)
from sam2pal.research.synthetic.species import (
    JUDGING_PLANS,
    KINDS,
    TRAINING_PLANS,
    sample_relative,
    sample_species,
)
from sam2pal.research.synthetic.specimen import Drawing, draw_specimen, letterbox

__all__ = [
    "JUDGING_PLANS",
    "KINDS",
    "TRAINING_PLANS",
    "Drawing",
    "Species",
    "Style",
    "draw_collection",
    "draw_specimen",
    "letterbox",
    "sample_museum_style",
    "sample_relative",
    "sample_species",
    "sample_style",
    "vary_style",
]
