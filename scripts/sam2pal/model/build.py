"""From a name to a `SAM2Base` with its weights."""

import hashlib
import logging
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from sam2.build_sam import build_sam2
from sam2.modeling.sam2_base import SAM2Base

from sam2pal.config.model import OFFICIAL, ModelOptions
from sam2pal.config.text_files import read_yaml
from sam2pal.io.errors import InputError
from sam2pal.model.checkpoints import load_weights, verify

log = logging.getLogger(__name__)

BUNDLED = Path(__file__).with_name("bundled")
CLASSES = frozenset(
    {
        "sam2.modeling.backbones.hieradet.Hiera",
        "sam2.modeling.backbones.image_encoder.FpnNeck",
        "sam2.modeling.backbones.image_encoder.ImageEncoder",
        "sam2.modeling.memory_attention.MemoryAttention",
        "sam2.modeling.memory_attention.MemoryAttentionLayer",
        "sam2.modeling.memory_encoder.CXBlock",
        "sam2.modeling.memory_encoder.Fuser",
        "sam2.modeling.memory_encoder.MaskDownSampler",
        "sam2.modeling.memory_encoder.MemoryEncoder",
        "sam2.modeling.position_encoding.PositionEmbeddingRandom",
        "sam2.modeling.position_encoding.PositionEmbeddingSine",
        "sam2.modeling.sam.transformer.RoPEAttention",
        "sam2.modeling.sam2_base.SAM2Base",
        "sam2pal.model.trunk.EfficientNetLite",
    }
)
"""What a model's configuration may name; any other `_target_` would run what it names."""


def build_model(
    options: ModelOptions, device: str | torch.device = "cpu", random_weights: bool = False
) -> SAM2Base:
    """Build the model, load its weights strictly, and put it in `eval()` with gradients off.

    Args:
        options: the bundled model has weights of its own, and while it has none they are random, with a
            warning.
        random_weights: leave the weights untrained (for measuring cost, never for masks).

    Raises:
        InputError: a file is missing, is not the one of `options.sha256`, or holds the weights of another
            model.
    """
    own = options.checkpoint
    official = options.name in OFFICIAL and options.config is None
    if official and not own and not random_weights:
        raise InputError(
            f"model: '{options.name}' needs its checkpoint; fetch it with scripts/fetch_checkpoint.py "
            "or name the file in `model: checkpoint`"
        )
    weights = Path(own) if own else BUNDLED / "weights.safetensors"
    if not random_weights:
        if not own and not weights.is_file():
            log.warning(
                "WARNING: the bundled model has no weights (%s does not exist). It runs with RANDOM weights: "
                "every mask and every number made with them is meaningless",
                weights,
            )
            random_weights = True
        else:
            verify(weights, options.sha256)
    if official:
        size = [] if options.image_size is None else [f"++model.image_size={options.image_size}"]
        model = build_sam2(
            OFFICIAL[options.name][0],
            device="cpu",
            hydra_overrides_extra=size,
            apply_postprocessing=False,  # it refines clicks; masks come from memories here
        )
    else:
        config = Path(options.config) if options.config else BUNDLED / "config.yaml"
        model = _from_config(config, options.image_size)
    if not random_weights:
        load_weights(model, weights, options.name)
    return model.to(device).eval().requires_grad_(False)


def _from_config(path: Path, image_size: int | None) -> SAM2Base:
    if not path.is_file():
        raise InputError(f"model: the configuration {path} does not exist")
    try:
        config = OmegaConf.create(read_yaml(path))
        if not isinstance(config, DictConfig) or not isinstance(config.get("model"), DictConfig):
            raise InputError(f"{path}: not a SAM 2 model configuration (no mapping `model`)")
        if image_size is not None:
            config.model.image_size = image_size
        OmegaConf.resolve(config)
        _check_classes(path, OmegaConf.to_container(config.model), "model")
        model = instantiate(config.model, _recursive_=True)
    except InputError:
        raise
    except Exception as error:  # whatever a configuration makes hydra, omegaconf or sam2 raise
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: no model can be built from it ({reason})") from error
    if not isinstance(model, SAM2Base):
        raise InputError(f"{path}: builds a {type(model).__name__}, not a SAM2Base")
    return model


def _check_classes(path: Path, node: Any, where: str) -> None:
    """Refuse what is not in `CLASSES` wherever it is named, before anything is built."""
    if isinstance(node, list):
        node = dict(enumerate(node))
    if not isinstance(node, dict):
        return
    target = node.get("_target_")
    if "_target_" in node and str(target) not in CLASSES:
        known = "\n  ".join(sorted(CLASSES))
        raise InputError(
            f"{path}: {where}: '{target}' is not a class that a model is built of; known are\n  {known}"
        )
    if node.get("weights_path") is not None:
        raise InputError(
            f"{path}: {where}.weights_path: weights are named in `model: checkpoint` alone; remove it"
        )
    for key, value in node.items():
        _check_classes(path, value, f"{where}.{key}")


def model_hash(model: SAM2Base) -> str:
    """A SHA-256 over the names and values of all weights, for provenance."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
