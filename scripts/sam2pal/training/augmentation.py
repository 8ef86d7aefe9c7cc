"""Other views of a template: turned, moved, scaled, bent, mirrored, in other light, with its masks."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.v2 import functional as transform

from sam2pal.images.letterbox import IMAGENET_MEAN, IMAGENET_STD


def augment(
    image: Tensor, masks: Tensor, rng: np.random.Generator, mirror: bool = True, bend: float = 0.0
) -> tuple[Tensor, Tensor]:
    """A random view of a normalised image [3, S, S] with masks [K, S, S].

    Args:
        bend: largest standard deviation of the shifts by which it is bent, as a share of S.
    """
    side = image.shape[-1]
    place = {
        "angle": float(rng.uniform(-25, 25)),
        "translate": [int(v) for v in np.round(rng.uniform(-0.06, 0.06, 2) * side)],
        "scale": float(np.exp(rng.uniform(np.log(0.8), np.log(1.15)))),
        "shear": [float(rng.uniform(-6, 6)), 0.0],
        "interpolation": transform.InterpolationMode.BILINEAR,
    }
    mean = torch.tensor(IMAGENET_MEAN)[:, None, None]
    std = torch.tensor(IMAGENET_STD)[:, None, None]
    light = (image * std + mean).clamp(0, 1)
    light = transform.adjust_brightness(light, float(rng.uniform(0.7, 1.3)))
    light = transform.adjust_contrast(light, float(rng.uniform(0.7, 1.3)))
    light = transform.adjust_saturation(light, float(rng.uniform(0.6, 1.4)))
    light = transform.adjust_hue(light, float(rng.uniform(-0.04, 0.04)))
    image = (light - mean) / std

    image = transform.affine(image, **place, fill=[0.0] * 3)  # 0 is the padding of the letterbox
    masks = transform.affine(masks, **place, fill=[0.0] * len(masks))
    if bend > 0:
        shifts = bend * _displacement(side, rng)
        image = transform.elastic(image, shifts, fill=[0.0] * 3)
        masks = transform.elastic(masks, shifts, fill=[0.0] * len(masks))
    if rng.random() < 0.5 and mirror:
        image, masks = image.flip(-1), masks.flip(-1)
    return image, masks


def _displacement(side: int, rng: np.random.Generator) -> Tensor:
    """A smooth field [1, S, S, 2] of shifts, as parts of specimens bend, to be scaled; 2 is the side.

    A coarse grid of random shifts, smaller the finer it is, is interpolated.
    """
    cells = int(rng.integers(3, 9))
    shifts = torch.from_numpy(rng.normal(size=(1, 2, cells, cells)).astype(np.float32))
    smooth = F.interpolate(shifts, side, mode="bicubic", align_corners=True)
    return rng.uniform(0.3, 1.0) * 12 / (cells + 3) * smooth.permute(0, 2, 3, 1)
