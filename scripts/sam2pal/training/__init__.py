"""Training an adapter for a genus.

data = prepare(Tracker(model), templates, pool, structures, options, seed, device)
adapters.inject(model, options.adapter)
progress = train(model, data, weights, options, seed, state)
publish(model, progress)
"""
