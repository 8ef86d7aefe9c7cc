"""Training an adapter for a genus.

data = prepare(Tracker(model), templates, pool, structures, options, seed, device)
adapters.inject(model, options.adapter)
progress = train(model, data, weights, options, seed, state)
publish(model, progress)
"""

from sam2pal.training.cleaning import remove_old_checkpoints
from sam2pal.training.data import Data, held_out, prepare
from sam2pal.training.judging import controls, guess, validate
from sam2pal.training.loop import Progress, learning_rate, publish, structure_weights, train
from sam2pal.training.options import MACHINE, TrainingOptions
from sam2pal.training.step import step_losses

__all__ = [
    "MACHINE",
    "Data",
    "Progress",
    "TrainingOptions",
    "controls",
    "guess",
    "held_out",
    "learning_rate",
    "prepare",
    "publish",
    "remove_old_checkpoints",
    "step_losses",
    "structure_weights",
    "train",
    "validate",
]
