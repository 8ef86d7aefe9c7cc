"""Strongly different views of one picture: warped, in other light, less sharp, with their masks."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sam2pal.images.letterbox import IMAGENET_MEAN, IMAGENET_STD

_MEAN = torch.tensor(IMAGENET_MEAN)[:, None, None]
_STD = torch.tensor(IMAGENET_STD)[:, None, None]
_GREY = torch.tensor([0.299, 0.587, 0.114])[:, None, None]


@dataclass(frozen=True)
class Strength:
    """How much a view differs.

    Attributes:
        turn: largest rotation, degrees.
        any_way: share of the views that are turned by any angle.
        zoom: largest factor of enlargement, and of reduction.
        stretch: largest factor between height and width.
        shear: largest shear, as a share of the side.
        bend: largest standard deviation of the elastic displacement, as a share of the side.
        light: 0..1, how much brightness, contrast, gamma and colour differ.
    """

    turn: float = 30.0
    any_way: float = 0.4
    zoom: float = 1.5
    stretch: float = 1.3
    shear: float = 0.2
    bend: float = 0.02
    light: float = 1.0


STRONG = Strength()
MILD = Strength(turn=20, any_way=0.2, zoom=1.25, stretch=1.15, shear=0.1, bend=0.01, light=0.6)


def view(
    picture: Tensor, masks: Tensor, rng: np.random.Generator, strength: Strength
) -> tuple[Tensor, Tensor]:
    """A random view of a picture.

    Args:
        picture: [3, S, S], colours in 0..1; NaN where there is no picture (a letterbox's margin).
        masks: [K, S, S], 0 or 1.

    Returns:
        A normalised image [3, S, S], zero outside of the picture, and masks [K, S, S] of 0 and 1.
    """
    inside = (~picture[:1].isnan()).float()
    grid = _grid(rng, picture.shape[-1], strength)
    # what is beside the picture is a margin, or goes on as its border does
    margin = "border" if rng.random() < 0.4 else "zeros"
    colours = _sample(torch.where(inside > 0, picture, _MEAN), grid, "border")
    inside = _sample(inside, grid, margin) > 0.5
    masks = (_sample(masks, grid, "zeros") > 0.5).float() * inside
    image = (_light(colours, rng, strength.light) - _MEAN) / _STD
    return image * inside, masks


def denormalised(image: Tensor) -> Tensor:
    """The colours in 0..1 of a normalised image [3, S, S]; NaN in the rows and columns of its margin."""
    blank = (image.abs() < 0.02).all(0)  # a letterbox's margin, also one rounded to 8 bits
    margin = blank.all(0)[None, :] | blank.all(1)[:, None]
    return torch.where(margin, torch.nan, (image * _STD + _MEAN).clamp(0, 1))


def normalised(picture: Tensor) -> Tensor:
    """The image [3, S, S] of colours in 0..1, NaN outside of the picture, as a model sees it."""
    return ((picture - _MEAN) / _STD).nan_to_num(0.0)


def _grid(rng: np.random.Generator, side: int, strength: Strength) -> Tensor:
    """Where each pixel of the view comes from, [1, S, S, 2] in -1..1."""
    turn = 180.0 if rng.random() < strength.any_way else strength.turn
    angle = np.deg2rad(rng.uniform(-turn, turn))
    zoom = np.exp(rng.uniform(-1, 1) * np.log(strength.zoom))
    stretch = np.exp(0.5 * rng.uniform(-1, 1) * np.log(strength.stretch))
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shear = np.array([[1.0, rng.uniform(-strength.shear, strength.shear)], [0.0, 1.0]])
    matrix = rotation @ shear @ np.diag([stretch * mirror, 1 / stretch]) / zoom
    place = rng.uniform(-0.15, 0.15, (2, 1))
    theta = torch.from_numpy(np.hstack([matrix, place])).float()[None]
    grid = F.affine_grid(theta, [1, 1, side, side], align_corners=False)
    knots = int(rng.integers(3, 9))
    bend = rng.normal(0, 2 * rng.uniform(0, strength.bend), (1, 2, knots, knots))
    bend = F.interpolate(
        torch.from_numpy(bend).float(), (side, side), mode="bicubic", align_corners=False
    )
    return grid + bend.permute(0, 2, 3, 1)


def _sample(values: Tensor, grid: Tensor, margin: str) -> Tensor:
    return F.grid_sample(values[None], grid, "bilinear", margin, align_corners=False)[0]


def _light(colours: Tensor, rng: np.random.Generator, amount: float) -> Tensor:
    """Colours [3, S, S] in 0..1 as another camera, lamp and resolution would give them."""

    def factor(most: float) -> float:
        return float(np.exp(amount * rng.uniform(-1, 1) * np.log(most)))

    colours = colours.clamp(1e-4, 1) ** factor(1.7)
    grey = (colours * _GREY).sum(0, keepdim=True)
    saturation = 0.0 if rng.random() < 0.1 * amount else factor(1.6)
    colours = grey + saturation * (colours - grey)
    cast = torch.tensor([factor(1.2) for _ in range(3)])[:, None, None]
    middle = float(grey.mean())
    colours = (middle + factor(1.5) * (colours - middle)) * cast * factor(1.4)
    if rng.random() < 0.35 * amount:
        colours = _blur(colours, float(rng.uniform(0.4, 1.5)))
    if rng.random() < 0.35 * amount:
        sigma = float(rng.uniform(0.01, 0.05))
        noise = rng.standard_normal(colours.shape, np.float32) * sigma
        colours = colours + torch.from_numpy(noise)
    return colours.clamp(0, 1)


def _blur(colours: Tensor, sigma: float) -> Tensor:
    radius = int(np.ceil(2.5 * sigma))
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2)
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    padded = F.pad(colours[:, None], (radius,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, kernel), kernel.transpose(2, 3))[:, 0]
