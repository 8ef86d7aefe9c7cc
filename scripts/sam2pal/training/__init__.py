"""Training an adapter for a genus.

templates = TemplateSet.read(annotated, names, model.image_size, aligned=True)
data = prepare(Tracker(model), templates, pool, options, seed)
adapters.inject(model, options.adapter)
trainer = Trainer(model, data, options, weights, seed, folder)
state = trainer.train()
trainer.publish()
"""

# Raise the number of a stage with what it computes: its results are then computed again, as they are when an
# option changes. Snakemake does not see that a script or the library changed.
METHODS = {"train_palindrome": 17}
