"""Training an adapter for a genus.

data = prepare(Tracker(model), templates, pool, structures, options, seed, device)
adapters.inject(model, options.adapter)
progress = train(model, data, weights, options, seed, state)
publish(model, progress)
"""

# Raise the number of a stage with what it computes: its results are then computed again, as they are when an
# option changes. Snakemake does not see that a script or the library changed.
METHODS = {"train_palindrome": 8}
