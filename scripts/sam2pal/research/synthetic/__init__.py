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
