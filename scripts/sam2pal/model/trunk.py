"""EfficientNet-Lite as the trunk of a small SAM 2, in the place of Hiera."""

import timm
import torch
from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class EfficientNetLite(nn.Module):
    """Features at strides 4, 8, 16 and 32, finest first, as `sam2`'s `ImageEncoder` expects of a trunk.

    EdgeTAM and EfficientTAM replace Hiera by a light trunk in the same way. Batch normalisation stays
    frozen in every mode: its statistics are ImageNet's, and a batch of specimens of one genus is no
    sample to estimate new ones from.

    Args:
        name: a model of timm, for example `tf_efficientnet_lite0`.
    """

    def __init__(self, name: str = "tf_efficientnet_lite0") -> None:
        super().__init__()
        self.name = name
        self.body = timm.create_model(
            name, pretrained=False, features_only=True, out_indices=(1, 2, 3, 4)
        )
        # sam2's neck wants the coarsest first
        self.channel_list = self.body.feature_info.channels()[::-1]
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
