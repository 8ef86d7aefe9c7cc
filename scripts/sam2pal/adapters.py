"""LoRA through peft: put adapters into a SAM 2, save them as a standard PEFT folder, load them again."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file, save_file
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor, nn

from sam2pal.errors import InputError
from sam2pal.files import atomic
from sam2pal.models import model_hash

# where the linear layers to adapt are; the score heads stay as they are
TARGETS = {
    "memory_attention": "memory_attention.",
    "memory_encoder": "memory_encoder.fuser.",
    "mask_decoder": "sam_mask_decoder.transformer.",
}
_PREFIX = "base_model.model."  # what peft itself puts before every name when it loads a folder


@dataclass(frozen=True)
class AdapterOptions:
    """What is trained.

    Attributes:
        rank: of the low-rank matrices.
        alpha: their scale is alpha / rank.
        dropout: on the adapter's input, the only randomness inside the model.
        targets: which rooms of SAM 2 get adapters, of `memory_attention`, `memory_encoder`, `mask_decoder`.
    """

    rank: int = 16
    alpha: float = 16.0
    dropout: float = 0.0
    targets: tuple[str, ...] = tuple(TARGETS)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.targets) - set(TARGETS))
        if unknown or not self.targets:
            raise ValueError(
                f"targets must be some of {', '.join(TARGETS)}; found {unknown or 'none'}"
            )
        if self.rank < 1:
            raise ValueError(f"rank must be at least 1; found {self.rank}")


def target_modules(model: nn.Module, targets: tuple[str, ...]) -> list[str]:
    """Names of the linear layers that get an adapter, sorted."""
    places = tuple(TARGETS[target] for target in targets)
    return sorted(
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name.startswith(places)
    )


def inject(model: SAM2Base, options: AdapterOptions) -> LoraConfig:
    """Put fresh adapters (which change nothing yet) into the model; only they have gradients."""
    config = LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,
        lora_dropout=options.dropout,
        target_modules=target_modules(model, options.targets),
        bias="none",
    )
    _inject(config, model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("lora_" in name)
    return config


def _inject(config: LoraConfig, model: SAM2Base) -> None:
    names = sorted(config.target_modules)
    inject_adapter_in_model(config, model)
    # peft shortens a long list to endings that fit this model only; on disk the layers are named
    config.target_modules = names


def _expect(config: LoraConfig, options: AdapterOptions, model: SAM2Base, folder: Path) -> None:
    """Refuse to go on with an adapter of another form than the options say."""
    wanted = set(target_modules(model, options.targets))
    for what, found, expected in (
        ("rank", config.r, options.rank),
        ("alpha", config.lora_alpha, options.alpha),
        ("number of adapted layers", len(config.target_modules), len(wanted)),
    ):
        if found != expected:
            raise InputError(
                f"{folder}: training cannot go on from this adapter: its {what} is {found}, this round's "
                f"{expected}; give both rounds the same rank, alpha and targets, or remove `init`"
            )
    if set(config.target_modules) != wanted:
        raise InputError(
            f"{folder}: training cannot go on from this adapter: it adapts other layers than this "
            "round's `targets`; give both rounds the same, or remove `init`"
        )


def _expect_weights(model: SAM2Base, folder: Path) -> None:
    """Refuse an adapter whose training says that it belongs to other weights of the same form."""
    record = folder / "training.json"
    if not record.is_file():
        return  # a PEFT folder from elsewhere
    try:
        trained_on = json.loads(record.read_text(encoding="utf-8")).get("model_sha256")
    except (ValueError, AttributeError) as error:
        raise InputError(f"{record}: not readable ({error}); train the adapter again") from error
    if trained_on is not None and trained_on != model_hash(model):
        raise InputError(
            f"{folder}: the adapter was trained on other weights than this model has; train it again, or use "
            "the model it was trained on"
        )


def set_dropout(model: SAM2Base, active: bool) -> None:
    """Switch the adapters' dropout, which `eval()` turns off, on or off; nothing else becomes random."""
    for module in model.modules():
        if isinstance(module, LoraLayer):
            module.lora_dropout.train(active)


def adapter_state(model: SAM2Base) -> dict[str, Tensor]:
    """A copy of the adapter's weights by their names inside the model, on the CPU."""
    state = get_peft_model_state_dict(model)
    kept = torch.contiguous_format
    return {
        # a copy: training goes on changing the weights in place
        name: value.detach().to("cpu", copy=True, memory_format=kept)
        for name, value in sorted(state.items())
    }


def save(model: SAM2Base, config: LoraConfig, folder: Path) -> None:
    """Write `adapter_config.json` and `adapter_model.safetensors`, the same bytes for the same weights."""
    content = config.to_dict()
    # peft keeps sets, whose order changes from run to run
    content = {k: sorted(v) if isinstance(v, set) else v for k, v in content.items()}
    content["inference_mode"] = True
    content["peft_type"] = "LORA"
    with atomic(folder / "adapter_config.json") as temporary:
        temporary.write_text(json.dumps(content, indent=2, sort_keys=True, default=str) + "\n")
    with atomic(folder / "adapter_model.safetensors") as temporary:
        save_file({_PREFIX + k: v for k, v in adapter_state(model).items()}, temporary)


def load(
    model: SAM2Base,
    folder: str | Path,
    trainable: bool = False,
    options: AdapterOptions | None = None,
) -> LoraConfig:
    """Put a saved adapter into the model.

    Args:
        trainable: keep the low-rank matrices apart, with gradient; otherwise they are merged into the
            model's weights, which costs nothing at run time.
        options: what the adapter must be like, for training that goes on from it; its dropout is used.

    Raises:
        InputError: the folder holds no adapter, one for another model, or one of another rank, alpha or
            targets than `options`.
    """
    folder = Path(folder)
    weights = folder / "adapter_model.safetensors"
    if not weights.is_file() or not (folder / "adapter_config.json").is_file():
        raise InputError(
            f"{folder}: not an adapter (no adapter_config.json and adapter_model.safetensors)"
        )
    try:
        config = LoraConfig.from_pretrained(folder)
        state = {k.removeprefix(_PREFIX): v for k, v in load_file(weights).items()}
    except Exception as error:  # whatever damaged files make peft or safetensors raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{folder}: not a readable adapter ({reason}); train it again") from error
    _expect_weights(model, folder)
    names = {name for name, _ in model.named_modules()}
    missing = sorted(set(config.target_modules) - names)
    if missing:
        raise InputError(
            f"{folder}: the adapter belongs to another model (this one has no layer {missing[0]})"
        )
    if options is not None:
        _expect(config, options, model, folder)
        config.lora_dropout = options.dropout
    _inject(config, model)
    expected = adapter_state(model)
    if state.keys() != expected.keys() or any(
        v.shape != expected[k].shape for k, v in state.items()
    ):
        raise InputError(
            f"{folder}: the adapter's weights do not fit this model or its own configuration"
        )
    set_peft_model_state_dict(model, state)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(trainable and "lora_" in name)
    if not trainable:
        with torch.no_grad():
            for module in model.modules():
                if isinstance(module, LoraLayer):
                    module.merge()
    return config
