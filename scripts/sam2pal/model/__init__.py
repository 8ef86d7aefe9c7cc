"""SAM 2 models by name: the official ones, any checkpoint with its configuration, and the bundled one."""

from sam2pal.model.build import BUNDLED, OFFICIAL, ModelOptions, build_model, model_hash
from sam2pal.model.checkpoints import fetch, load_weights
from sam2pal.model.device import autocast, choose_device, out_of_memory, seed_everything

__all__ = [
    "BUNDLED",
    "OFFICIAL",
    "ModelOptions",
    "autocast",
    "build_model",
    "choose_device",
    "fetch",
    "load_weights",
    "model_hash",
    "out_of_memory",
    "seed_everything",
]
