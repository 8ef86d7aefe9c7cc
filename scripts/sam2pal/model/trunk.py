"""EfficientNet-Lite0 as the trunk of a small SAM 2, in the place of Hiera.

EdgeTAM and EfficientTAM replace Hiera by a light trunk in the same way. The layers and the names of their
weights are those of timm's `tf_efficientnet_lite0`; importing timm costs six seconds of processor a job.
"""

import math
from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam2pal.images.letterbox import IMAGENET_MEAN, IMAGENET_STD

STEM = 32  # channels
# of each stage: blocks, side of the kernel, stride, channels
STAGES = (
    (1, 3, 1, 16),
    (2, 3, 2, 24),
    (2, 5, 2, 40),
    (3, 3, 2, 80),
    (3, 5, 1, 112),
    (4, 5, 2, 192),
    (1, 3, 1, 320),
)
EXPANSION = 6
TAKEN = (1, 2, 4, 6)  # the stages whose maps are taken


class Convolution(nn.Conv2d):
    """A convolution padded as TensorFlow does: where an odd number is missing, one more at the end."""

    def __init__(self, inputs: int, outputs: int, side: int, stride: int, groups: int = 1):
        padding = side // 2 if stride == 1 else 0
        super().__init__(inputs, outputs, side, stride, padding, groups=groups, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        if self.stride[0] > 1:
            missing = [
                max((-(-length // step) - 1) * step + side - length, 0)
                for length, side, step in zip(
                    maps.shape[:-3:-1], self.kernel_size, self.stride, strict=True
                )
            ]
            maps = F.pad(maps, [p for m in missing for p in (m // 2, m - m // 2)])
        return super().forward(maps)


def pointwise(inputs: int, outputs: int) -> nn.Conv2d:
    """A convolution of single pixels; of torch's own class, which `lora` adapts."""
    layer = nn.Conv2d(inputs, outputs, 1, bias=False)
    nn.init.normal_(layer.weight, std=math.sqrt(2 / outputs))
    return layer


class Normalisation(nn.BatchNorm2d):
    """Batch normalisation with TensorFlow's epsilon, then ReLU6 if `active`."""

    def __init__(self, channels: int, active: bool = True) -> None:
        super().__init__(channels, eps=1e-3)
        self.active = active

    def forward(self, maps: Tensor) -> Tensor:
        maps = super().forward(maps)
        return F.relu6(maps, inplace=True) if self.active else maps


class InvertedResidual(nn.Sequential):
    """An inverted residual: expand (but in the first stage), filter each channel, project."""

    def __init__(self, inputs: int, outputs: int, side: int, stride: int, expanded: bool) -> None:
        width = EXPANSION * inputs if expanded else inputs
        layers = [
            ("conv_pw", pointwise(inputs, width)) if expanded else None,
            ("bn1", Normalisation(width)) if expanded else None,
            ("conv_dw", Convolution(width, width, side, stride, groups=width)),
            ("bn2" if expanded else "bn1", Normalisation(width)),
            ("conv_pwl" if expanded else "conv_pw", pointwise(width, outputs)),
            ("bn3" if expanded else "bn2", Normalisation(outputs, active=False)),
        ]
        super().__init__(OrderedDict(layer for layer in layers if layer is not None))
        self.skips = stride == 1 and inputs == outputs

    def forward(self, maps: Tensor) -> Tensor:
        found = super().forward(maps)
        return found + maps if self.skips else found


class ConvolutionalStages(nn.Module):
    """The convolutions: [B, 3, S, S] to the maps of the stages in `TAKEN`."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = Convolution(3, STEM, 3, 2)
        self.bn1 = Normalisation(STEM)
        stages, inputs = [], STEM
        for number, (blocks, side, stride, outputs) in enumerate(STAGES):
            stage = []
            for place in range(blocks):
                step = stride if place == 0 else 1
                stage.append(InvertedResidual(inputs, outputs, side, step, expanded=number > 0))
                inputs = outputs
            stages.append(nn.Sequential(*stage))
        self.blocks = nn.Sequential(*stages)
        for module in self.modules():
            if isinstance(module, Convolution):
                fan_out = module.weight[0, 0].numel() * module.out_channels // module.groups
                nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))

    def forward(self, images: Tensor) -> list[Tensor]:
        maps = self.bn1(self.conv_stem(images))
        taken = []
        for number, stage in enumerate(self.blocks):
            maps = stage(maps)
            if number in TAKEN:
                taken.append(maps)
        return taken


class EfficientNetLite(nn.Module):
    """Features at strides 4, 8, 16 and 32, finest first, as `sam2`'s `ImageEncoder` expects of a trunk.

    Batch normalisation stays frozen in every mode: its statistics are ImageNet's, and a batch of specimens of
    one genus is no sample to estimate new ones from.
    """

    name = "tf_efficientnet_lite0"  # as timm calls it

    def __init__(self) -> None:
        super().__init__()
        self.body = ConvolutionalStages()
        # sam2's neck wants the coarsest first
        self.channel_list = [STAGES[stage][3] for stage in reversed(TAKEN)]
        # the workflow normalises as SAM 2 does; these weights were trained on (x - 0.5) / 0.5
        mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
        self.register_buffer("gain", (2 * std)[None, :, None, None], persistent=False)
        self.register_buffer("shift", (2 * mean - 1)[None, :, None, None], persistent=False)
        self.train(False)

    def train(self, mode: bool = True) -> "EfficientNetLite":
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def forward(self, images: Tensor) -> list[Tensor]:
        """[B, 3, S, S] to four maps [B, c, S/4, S/4] ... [B, c, S/32, S/32]."""
        return self.body(images * self.gain + self.shift)

    def stem(self, images: Tensor) -> Tensor:
        """What the first block gets."""
        return self.body.bn1(self.body.conv_stem(images * self.gain + self.shift))
