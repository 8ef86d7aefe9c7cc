"""Training an adapter for a genus.

data = prepare(Tracker(model), templates, pool, structures, options, seed, device)
adapters.inject(model, options.adapter)
progress = train(model, data, weights, options, seed, state)
publish(model, progress)
"""

from sam2pal.training.data import Data, prepare
from sam2pal.training.judging import guess, validate
from sam2pal.training.loop import Progress, learning_rate, publish, step_loss, train
from sam2pal.training.options import TrainingOptions

__all__ = [
    "Data",
    "Progress",
    "TrainingOptions",
    "guess",
    "learning_rate",
    "prepare",
    "publish",
    "step_loss",
    "train",
    "validate",
]
