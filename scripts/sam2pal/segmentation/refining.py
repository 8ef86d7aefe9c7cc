"""The edges of masks fitted to the picture: near a mask, colours say what belongs to it."""

import torch
import torch.nn.functional as F
from torch import Tensor

from sam2pal.images.letterbox import IMAGENET_STD

REACH = 1.0  # standard deviation, in cells of the model's grid, of what is near
CELLS = 2  # per cell of the model's grid, in which means are taken
WEIGHT = 0.4  # of the colours' log-odds beside logits as coarse as the grid
WEIGHT_BESIDE_FINER = 0.2
MOST = 6.0  # log-odds that colours give, before they are weighted
NOISE = 3.0  # standard deviation that every colour has at least, of 100
FEW = 1e-2  # weight of the neighbourhood's colours among those of the structure, and among the rest's


def fit_edges(logits: Tensor, image: Tensor, cells: int) -> Tensor:
    """Logits for each pixel of the square, to which its colour is added.

    The colours near a pixel, weighted by the probability that they belong to the structure, have a mean and a
    variance, and those weighted by the rest have others. How much better one of these two normal
    distributions explains the pixel's own colour than the other is worth some log-odds.

    Args:
        logits: [K, s, s], of whatever size.
        image: [3, S, S], as the model sees it; where it is 0 there is no photograph.
        cells: of the model's own grid along a side; its masks are as coarse.

    Returns:
        [K, S, S].
    """
    side = image.shape[-1]
    logits, image = logits.float(), image.float()
    there = (image != 0).any(0, keepdim=True).float()
    colours = image * (100 * image.new_tensor(IMAGENET_STD))[:, None, None]
    fine = F.interpolate(logits[:, None], size=(side, side), mode="bilinear")[:, 0]
    told = torch.cat([there, colours * there, colours.square().sum(0, keepdim=True) * there])
    step = max(1, side // (CELLS * cells))
    sigma = REACH * side / (cells * step)
    inside = fine.sigmoid()[:, None]
    own = torch.stack([_near(F.avg_pool2d(told * share, step), sigma) for share in inside])
    every = _near(F.avg_pool2d(told, step), sigma)
    usual = FEW * every / every[:1].clamp(min=FEW)
    likely = _explained(colours, own + usual) - _explained(colours, every - own + usual)
    weight = WEIGHT_BESIDE_FINER if logits.shape[-1] > cells else WEIGHT
    return fine + weight * likely.clamp(-MOST, MOST)


def _near(means: Tensor, sigma: float) -> Tensor:
    """[C, n, n], each a mean over its neighbourhood, of a normal distribution's weights."""
    reach = round(3 * sigma)
    away = torch.arange(-reach, reach + 1, device=means.device)
    kernel = torch.exp(-away.square() / (2 * sigma**2))
    kernel /= kernel.sum()
    means = F.conv2d(means[:, None], kernel.view(1, 1, -1, 1), padding=(reach, 0))
    return F.conv2d(means, kernel.view(1, 1, 1, -1), padding=(0, reach))[:, 0]


def _explained(colours: Tensor, sums: Tensor) -> Tensor:
    """Log-likelihood of each pixel's colour, [K, S, S].

    Args:
        sums: [K, 5, n, n], of weights, weighted colours and weighted squares of colours.
    """
    weight = sums[:, :1].clamp(min=FEW / 10)
    mean = sums[:, 1:4] / weight
    variance = (sums[:, 4:] / weight - mean.square().sum(1, keepdim=True)).clamp(min=0) / 3
    known = torch.cat([mean, variance + NOISE**2], 1)
    known = F.interpolate(known, size=tuple(colours.shape[1:]), mode="bilinear")
    away = (colours - known[:, :3]).square().sum(1)
    return -away / (2 * known[:, 3]) - 1.5 * known[:, 3].log()
