"""The low-rank matrices that training adds to a SAM 2: put them in, save them, load them again.

On disk they are a standard PEFT folder (`adapter_config.json`, `adapter_model.safetensors`).
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file, save_file
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor, nn

from sam2pal.config.training import AdapterOptions
from sam2pal.io.errors import DamagedError, InputError
from sam2pal.io.files import atomic, write_text
from sam2pal.model.build import model_hash
from sam2pal.model.checkpoints import check_values
from sam2pal.model.encoder import Frozen, StagedEncoder

# where the linear layers to adapt are; the score heads stay as they are
BEHIND_ENCODER = {
    "memory_attention": "memory_attention.",
    "memory_encoder": "memory_encoder.fuser.",
    "mask_decoder": "sam_mask_decoder.transformer.",
}
# parts of the image encoder, the last first, and what is frozen when nothing before them is trained
ENCODER = {
    "neck": Frozen.TRUNK,
    "encoder_late": Frozen.EARLY_STAGES,
    "encoder_early": Frozen.NOTHING,
}
_TRUNK = "image_encoder.trunk."
_NECK = ("image_encoder.neck.", "sam_mask_decoder.conv_s0", "sam_mask_decoder.conv_s1")
_OTHER_FORMS = (
    *("use_dora", "use_rslora", "rank_pattern", "alpha_pattern", "modules_to_save"),
    *("layers_to_transform", "layer_replication", "fan_in_fan_out", "lora_bias"),
)
_PREFIX = "base_model.model."  # what peft itself puts before every name when it loads a folder


def frozen_by(targets: Sequence[str]) -> Frozen:
    """How much of the image encoder is not trained."""
    return min((ENCODER[name] for name in targets if name in ENCODER), default=Frozen.ENCODER)


def target_modules(model: nn.Module, targets: tuple[str, ...]) -> list[str]:
    """Names of the layers that get an adapter, sorted: linear ones, in the encoder pointwise convolutions."""
    behind = tuple(BEHIND_ENCODER[target] for target in targets if target in BEHIND_ENCODER)
    late = _late_blocks(model, targets)
    return sorted(
        name
        for name, module in model.named_modules()
        if (name.startswith(behind) and isinstance(module, nn.Linear))
        or (_part_of_encoder(name, late) in targets and _adaptable(name, module))
    )


def _adaptable(name: str, module: nn.Module) -> bool:
    """Of the image encoder: queries, keys, values and the MLP of Hiera, pointwise convolutions elsewhere."""
    if isinstance(module, nn.Linear):
        return ".attn.qkv" in name or ".mlp." in name
    return isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1) and module.groups == 1


def _late_blocks(model: nn.Module, targets: tuple[str, ...]) -> tuple[str, ...]:
    """How the names of the trunk's last two stages begin; () if no target is in the trunk."""
    if not {"encoder_late", "encoder_early"} & set(targets):
        return ()
    return tuple(f"{name}." for name in StagedEncoder(model).late_blocks())


def _part_of_encoder(name: str, late: tuple[str, ...]) -> str | None:
    """The target that a layer or weight belongs to; None behind the image encoder."""
    if name.startswith(_NECK):
        return "neck"
    if not name.startswith(_TRUNK):
        return None
    return "encoder_late" if name.startswith(late) else "encoder_early"


def inject(model: SAM2Base, options: AdapterOptions) -> LoraConfig:
    """Put fresh adapters (which change nothing yet) into the model; only they have gradients."""
    config = LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,
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


def _check_form(config: LoraConfig, folder: Path) -> None:
    """Refuse a configuration that asks for more than this program puts into the model."""
    sound = (
        isinstance(config, LoraConfig)
        and isinstance(config.r, int)
        and not isinstance(config.r, bool)
        and 1 <= config.r <= 4096
        and isinstance(config.lora_alpha, int | float)
        and math.isfinite(config.lora_alpha)
        and config.lora_alpha > 0
        and isinstance(config.target_modules, set | list)
        and all(isinstance(name, str) for name in config.target_modules)
        and config.bias == "none"
        and not any(getattr(config, key, None) for key in _OTHER_FORMS)
    )
    if not sound:
        raise InputError(
            f"{folder / 'adapter_config.json'}: not an adapter of this program: it takes a rank, an alpha "
            "and a list of layers, and no other form of LoRA; train the adapter again"
        )


def _expect_weights(model: SAM2Base, folder: Path, config: LoraConfig) -> None:
    """Refuse an adapter whose training says that it belongs to other weights of the same form."""
    record = folder / "training.json"
    if not record.is_file():
        return  # a PEFT folder from elsewhere
    try:
        said = json.loads(record.read_text(encoding="utf-8"))
        trained_on, options = said.get("model_sha256"), said.get("options", {})
        other = [
            f"{key} is {found}, the training's was {options[key]}"
            for key, found in (("rank", config.r), ("alpha", config.lora_alpha))
            if options.get(key, found) != found
        ]
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"{record}: not readable ({error}); train the adapter again") from error
    if other:
        raise InputError(
            f"{folder / 'adapter_config.json'}: it was changed since the training: its {other[0]}; put that "
            "back, or train the adapter again"
        )
    if trained_on is not None and trained_on != model_hash(model):
        raise InputError(
            f"{folder}: the adapter was trained on other weights than this model has; train it again, or use "
            "the model it was trained on"
        )


def adapter_state(model: SAM2Base) -> dict[str, Tensor]:
    """A copy of the adapters' weights by their names inside the model, on the CPU; {} without adapters."""
    if not hasattr(model, "peft_config"):
        return {}
    kept = torch.contiguous_format
    return {
        # a copy: training goes on changing the weights in place
        name: value.detach().to("cpu", copy=True, memory_format=kept)
        for name, value in sorted(get_peft_model_state_dict(model).items())
    }


def set_state(model: SAM2Base, state: dict[str, Tensor]) -> None:
    """Put back what `adapter_state` gave."""
    if state:
        set_peft_model_state_dict(model, state)


def files(folder: Path) -> list[Path]:
    """Of an adapter's folder, those that decide what it computes."""
    return sorted(folder.glob("adapter_*"))


def save(model: SAM2Base, config: LoraConfig, folder: Path) -> None:
    """Write `adapter_config.json` and `adapter_model.safetensors`; the same bytes for the same weights."""
    content = config.to_dict()
    # peft keeps sets, whose order changes from run to run
    content = {k: sorted(v) if isinstance(v, set) else v for k, v in content.items()}
    content["inference_mode"] = True
    content["peft_type"] = "LORA"
    text = json.dumps(content, indent=2, sort_keys=True, default=str)
    write_text(folder / "adapter_config.json", f"{text}\n")
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
        options: what the adapter must be like, for training that goes on from it.

    Raises:
        InputError: the folder holds no adapter, one for another model, or one of another rank, alpha
            or targets than `options`.
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
        raise DamagedError(folder, f"{folder}: not a readable adapter ({reason})") from error
    _check_form(config, folder)
    _expect_weights(model, folder, config)
    names = {name for name, _ in model.named_modules()}
    missing = sorted(set(config.target_modules) - names)
    if missing:
        raise InputError(
            f"{folder}: the adapter belongs to another model (this one has no layer {missing[0]})"
        )
    if options is not None:
        _expect(config, options, model, folder)
        config.lora_dropout = 0.0  # of an adapter that another program made
    _inject(config, model)
    expected = adapter_state(model)
    if state.keys() != expected.keys() or any(
        v.shape != expected[k].shape for k, v in state.items()
    ):
        raise InputError(
            f"{folder}: the adapter's weights do not fit this model or its own configuration"
        )
    check_values(state, expected, weights)
    set_peft_model_state_dict(model, state)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(trainable and "lora_" in name)
    if not trainable:
        with torch.no_grad():
            for module in model.modules():
                if isinstance(module, LoraLayer):
                    module.merge()
    return config
