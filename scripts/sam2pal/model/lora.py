"""Low-rank matrices beside frozen layers (LoRA, arXiv:2106.09685), in folders that peft reads and writes.

peft itself takes eight seconds to import, longer than the jobs of small shards compute.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sam2pal.io.errors import DamagedError, InputError
from sam2pal.io.files import atomic

CONFIGURATION, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PREFIX = "base_model.model."  # what peft puts before the names of weights in a folder
_OTHER_FORMS = (
    *("use_dora", "use_rslora", "rank_pattern", "alpha_pattern", "modules_to_save"),
    *("layers_to_transform", "layer_replication", "fan_in_fan_out", "lora_bias"),
)


@dataclass(frozen=True)
class LoraConfig:
    """Which layers get matrices, and of which form.

    Attributes:
        layers: their names inside the model, sorted.
    """

    rank: int
    alpha: float
    dropout: float
    layers: tuple[str, ...]

    @classmethod
    def read(cls, folder: Path) -> "LoraConfig":
        """From `adapter_config.json`.

        Raises:
            DamagedError: it cannot be read.
            InputError: it asks for more than is done here.
        """
        path = folder / CONFIGURATION
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise DamagedError(folder, f"{folder}: not a readable adapter ({error})") from error
        if not isinstance(content, dict) or not _is_sound(content):
            raise InputError(
                f"{path}: not an adapter of this program: it takes a rank, an alpha and a list of layers, "
                "and no other form of LoRA; train the adapter again"
            )
        layers = tuple(sorted(content["target_modules"]))
        dropout = content.get("lora_dropout", 0.0)
        return cls(content["r"], content["lora_alpha"], dropout, layers)

    def write(self, folder: Path) -> None:
        """As `adapter_config.json`."""
        content = {
            "peft_type": "LORA",
            "r": self.rank,
            "lora_alpha": self.alpha,
            "lora_dropout": self.dropout,
            "target_modules": self.layers,
            "bias": "none",
            "inference_mode": True,
        }
        with atomic(folder / CONFIGURATION) as temporary:
            temporary.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")


def _is_sound(content: dict) -> bool:
    rank, alpha, layers = (content.get(key) for key in ("r", "lora_alpha", "target_modules"))
    dropout = content.get("lora_dropout", 0.0)
    return (
        content.get("peft_type") == "LORA"
        and type(rank) is int
        and 1 <= rank <= 4096
        and type(alpha) in (int, float)
        and math.isfinite(alpha)
        and alpha > 0
        and type(dropout) in (int, float)
        and 0 <= dropout < 1
        and isinstance(layers, list)
        and all(isinstance(name, str) for name in layers)
        and content.get("bias", "none") == "none"
        and not any(content.get(key) for key in _OTHER_FORMS)
    )


class LowRank(nn.Module):
    """A linear layer, or a convolution of single pixels, with two matrices beside it that change nothing yet.

    Names of weights, forward pass and first values are those of peft.
    """

    def __init__(self, layer: nn.Linear | nn.Conv2d, config: LoraConfig) -> None:
        super().__init__()
        self.base_layer, self._scale = layer, config.alpha / config.rank
        self.lora_dropout = nn.Dropout(config.dropout) if config.dropout else nn.Identity()
        if isinstance(layer, nn.Linear):
            self.lora_A = nn.Linear(layer.in_features, config.rank, bias=False)
            self.lora_B = nn.Linear(config.rank, layer.out_features, bias=False)
        else:
            stride = layer.stride
            self.lora_A = nn.Conv2d(layer.in_channels, config.rank, 1, stride, bias=False)
            self.lora_B = nn.Conv2d(config.rank, layer.out_channels, 1, bias=False)
        nn.init.kaiming_uniform_(self.lora_A.weight, a=math.sqrt(5))
        nn.init.zeros_(self.lora_B.weight)
        self.to(layer.weight).train(layer.training)

    def forward(self, value: Tensor) -> Tensor:
        alone = self.base_layer(value)
        return alone + self.lora_B(self.lora_A(self.lora_dropout(value))) * self._scale

    @torch.no_grad()
    def merged(self) -> nn.Module:
        """The layer alone, its weights changed by what the matrices are."""
        change = self.lora_B.weight.flatten(1) @ self.lora_A.weight.flatten(1) * self._scale
        self.base_layer.weight += change.view_as(self.base_layer.weight)
        return self.base_layer


def inject(model: nn.Module, config: LoraConfig) -> None:
    """Put fresh matrices beside the layers; nothing else in the model keeps its gradient."""
    model.requires_grad_(False)
    wanted = set(config.layers)
    # in the order in which peft draws their first values
    for name in [name for name, _ in model.named_modules() if name in wanted]:
        _replace(model, name, LowRank(model.get_submodule(name), config))


def merge(model: nn.Module) -> None:
    """Put all matrices into the weights of their layers, which then cost what they cost without."""
    for name, layer in [(n, m) for n, m in model.named_modules() if isinstance(m, LowRank)]:
        _replace(model, name, layer.merged())


def _replace(model: nn.Module, name: str, layer: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, layer)


def read_weights(folder: Path) -> dict[str, Tensor]:
    """By their names inside the model.

    Raises:
        DamagedError: they cannot be read.
    """
    try:
        return {k.removeprefix(_PREFIX): v for k, v in load_file(folder / WEIGHTS).items()}
    except Exception as error:  # whatever a damaged file makes safetensors raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DamagedError(folder, f"{folder}: not a readable adapter ({reason})") from error


def write_weights(state: dict[str, Tensor], folder: Path) -> None:
    """By their names inside the model."""
    with atomic(folder / WEIGHTS) as temporary:
        save_file({_PREFIX + name: value for name, value in state.items()}, temporary)
