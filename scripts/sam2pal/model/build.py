"""From a name to a `SAM2Base` with its weights."""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml
from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from sam2.build_sam import build_sam2
from sam2.modeling.sam2_base import SAM2Base

from sam2pal.io.errors import InputError, nearest
from sam2pal.model.checkpoints import load_weights, verify

log = logging.getLogger(__name__)

BUNDLED = Path(__file__).with_name("bundled")

_RELEASES = {  # facebookresearch/sam2, README "Download Checkpoints"
    "sam2": "https://dl.fbaipublicfiles.com/segment_anything_2/072824/",
    "sam2.1": "https://dl.fbaipublicfiles.com/segment_anything_2/092824/",
}
_SIZES = {"tiny": "t", "small": "s", "base_plus": "b+", "large": "l"}
# name: (configuration inside the package sam2, address of the checkpoint)
OFFICIAL = {
    f"{release}_hiera_{size}": (
        f"configs/{release}/{release}_hiera_{letter}.yaml",
        f"{folder}{release}_hiera_{size}.pt",
    )
    for release, folder in _RELEASES.items()
    for size, letter in _SIZES.items()
}


@dataclass(frozen=True)
class ModelOptions:
    """Which model.

    Attributes:
        name: `bundled`, an official name such as `sam2.1_hiera_large`, or any name for a checkpoint of your
            own, with `checkpoint` and `config`.
        image_size: side of the model's square in pixels; None keeps the configuration's.
        checkpoint: path of the weights (.pt as SAM 2 writes it, or .safetensors).
        config: path of a SAM 2 model configuration (YAML), for a checkpoint of your own.
        sha256: what the checkpoint's SHA-256 must be.
        url: where to download an official checkpoint from, if not from its publisher.
    """

    name: str = "bundled"
    image_size: int | None = None
    checkpoint: str | None = None
    config: str | None = None
    sha256: str | None = None
    url: str | None = None

    def __post_init__(self) -> None:
        if self.config is None and self.name != "bundled" and self.name not in OFFICIAL:
            raise InputError(
                f"model: unknown name '{self.name}'{nearest(self.name, ['bundled', *OFFICIAL])}; known are "
                f"bundled, {', '.join(OFFICIAL)}; a model of your own needs `config` and `checkpoint`"
            )
        if self.config is not None and self.checkpoint is None:
            raise InputError(f"model: '{self.name}' has a `config` but no `checkpoint`")
        if self.image_size is not None and (self.image_size < 64 or self.image_size % 32):
            raise InputError(
                f"model: image_size is {self.image_size}; it must be a multiple of 32, at least 64"
            )


def build_model(
    options: ModelOptions,
    checkpoint: str | Path | None = None,
    device: str | torch.device = "cpu",
    random_weights: bool = False,
) -> SAM2Base:
    """Build the model, load its weights strictly, and put it in `eval()` with gradients off.

    Args:
        checkpoint: path of the weights, before `options.checkpoint`; the bundled model has its own, and while
            it has none its weights are random, with a warning.
        random_weights: leave the weights untrained (for measuring cost, never for masks).

    Raises:
        InputError: a file is missing, is not the one of `options.sha256`, or holds the weights of another
            model.
    """
    own = checkpoint or options.checkpoint
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
        config = OmegaConf.load(path)
        if not isinstance(config, DictConfig) or not isinstance(config.get("model"), DictConfig):
            raise InputError(f"{path}: not a SAM 2 model configuration (no mapping `model`)")
        if image_size is not None:
            config.model.image_size = image_size
        OmegaConf.resolve(config)
        model = instantiate(config.model, _recursive_=True)
    except (yaml.YAMLError, OmegaConfBaseException, HydraException, OSError, UnicodeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: no model can be built from it ({reason})") from error
    if not isinstance(model, SAM2Base):
        raise InputError(f"{path}: builds a {type(model).__name__}, not a SAM2Base")
    return model


def model_hash(model: SAM2Base) -> str:
    """A SHA-256 over the names and values of all weights, for provenance."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
