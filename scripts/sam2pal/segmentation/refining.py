"""The edges of masks fitted to the picture: near a mask, colours say what belongs to it."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import label
from torch import Tensor

from sam2pal.images.letterbox import IMAGENET_STD

REACH = 1.0  # standard deviation, in cells of the model's grid, of what is near
CELLS = 2  # per cell of the model's grid, in which means are taken
SHARPER = 4.0  # times: logits that say whose colours are whose, as few pixels are of both
WEIGHT = 1.8  # of the colours' log-odds beside logits as coarse as the grid
WEIGHT_BESIDE_FINER = 0.9
MOST = 6.0  # log-odds that colours give, before they are weighted
NOISE = 3.0  # standard deviation that every colour has at least, of 100
# weight of the neighbourhood's colours among those of the structure, and among the rest's
FEW = 0.1
# logit of the pixels that are left as they are: colours could not bring them closer to 0
DECIDED = 2.0
# of channels, the lower half of a covariance
PAIRS = ((0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2))


def fit_edges(logits: Tensor, image: Tensor, cells: int) -> Tensor:
    """Logits for each pixel of the square, to which its colour is added.

    The colours near a pixel that belong to the structure have a mean and a covariance, and those of the rest
    have others. How much better one of these two normal distributions explains the pixel's own colour than
    the other is worth some log-odds. Edges move, but no mask gets a hole or a piece that the logits alone do
    not have: glossy spots and labels have colours of their own.

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
    products = torch.stack([colours[i] * colours[j] for i, j in PAIRS])
    told = torch.cat([there, colours, products])
    step = max(1, side // (CELLS * cells))
    sigma = REACH * side / (cells * step)
    every = _near(F.avg_pool2d(told, step), sigma)
    usual = FEW * every / every[:1].clamp(min=FEW)
    weight = WEIGHT_BESIDE_FINER if logits.shape[-1] > cells else WEIGHT
    fitted = fine.clone()
    for number, own_logits in enumerate(fine):
        share = (SHARPER * own_logits).sigmoid()
        own = _near(F.avg_pool2d(told * share, step), sigma)
        near = (own_logits.abs() < weight * MOST + DECIDED) & there[0].bool()
        rows, columns = near.nonzero(as_tuple=True)
        here = colours[:, rows, columns]
        where = torch.stack([columns, rows], -1)[None, None] * 2 + 1
        likely, unlikely = (
            _explained(here, of + usual, where / side - 1) for of in (own, every - own)
        )
        fitted[number, rows, columns] += weight * (likely - unlikely).clamp(-MOST, MOST)
        alone = _alone(*(of.cpu().numpy() > 0 for of in (fitted[number], own_logits)))
        alone = torch.from_numpy(alone).to(fine.device)
        fitted[number] = torch.where(alone, own_logits, fitted[number])
    return fitted


def _alone(fitted: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Holes and pieces of a mask [S, S] that another one has nothing of."""
    alone = np.zeros_like(fitted)
    for inside, neighbours in ((True, np.ones((3, 3))), (False, None)):
        own, count = label(fitted == inside, neighbours)
        shared = np.zeros(count + 1, dtype=bool)
        shared[own[before == inside]] = True
        alone |= (own > 0) & ~shared[own]
    return alone


def _near(means: Tensor, sigma: float) -> Tensor:
    """[C, n, n], each a mean over its neighbourhood, of a normal distribution's weights."""
    place = torch.arange(means.shape[-1], device=means.device)
    kernel = torch.exp(-(place[:, None] - place).square() / (2 * sigma**2))
    kernel = kernel.masked_fill(kernel < 0.01, 0) / (sigma * math.sqrt(2 * math.pi))
    with torch.autocast(means.device.type, enabled=False):  # variances need more than three digits
        return kernel @ means @ kernel


def _explained(colours: Tensor, sums: Tensor, where: Tensor) -> Tensor:
    """Log-likelihood of the colours of P pixels, [P], but for a constant.

    Args:
        colours: [3, P].
        sums: [10, n, n], of weights, weighted colours and weighted products of `PAIRS`.
        where: [1, 1, P, 2], the pixels' places in these sums, from -1 to 1, across and down.
    """
    weight = sums[:1].clamp(min=FEW / 10)
    mean = sums[1:4] / weight
    known = torch.cat([mean, _whitening(mean, sums[4:] / weight)])[None]
    known = F.grid_sample(known, where, padding_mode="border", align_corners=False)[0, :, 0]
    red, green, blue = colours - known[:3]
    a, b, c, d, e, f = known[3:]
    away = (a * red).square() + (b * red + c * green).square()
    away += (d * red + e * green + f * blue).square()
    return (a * c * f).log() - away / 2


def _whitening(mean: Tensor, products: Tensor) -> Tensor:
    """What makes colours uncorrelated, each with a variance of 1: the inverse Cholesky factors, [6, n, n].

    Written out for three channels, as thousands of small matrices are slow.

    Args:
        mean: [3, n, n].
        products: [6, n, n], the means of the products of `PAIRS`.
    """
    least = NOISE**2
    spread = {
        (i, j): product - mean[i] * mean[j] for (i, j), product in zip(PAIRS, products, strict=True)
    }
    a = (spread[0, 0].clamp(min=0) + least).rsqrt()
    at_b, at_d = spread[1, 0] * a, spread[2, 0] * a
    # a covariance with noise leaves at least the noise of each channel
    c = (spread[1, 1] + least - at_b.square()).clamp(min=least).rsqrt()
    at_e = (spread[2, 1] - at_d * at_b) * c
    f = (spread[2, 2] + least - at_d.square() - at_e.square()).clamp(min=least).rsqrt()
    b = -at_b * a * c
    e = -at_e * c * f
    d = -(at_d * a + at_e * b) * f
    return torch.stack([a, b, c, d, e, f])
