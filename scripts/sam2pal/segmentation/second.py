"""Whether a photograph shows a second specimen: the first is painted out, and the model asked again."""

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import binary_dilation
from torch import Tensor

from sam2pal.images.reading import Photograph
from sam2pal.model.device import enough_memory
from sam2pal.model.loading import square_image
from sam2pal.model.tracker import Tracker
from sam2pal.segmentation.bank import Bank
from sam2pal.segmentation.signals import largest_piece
from sam2pal.segmentation.tracking import Outcome, track_images

ASKED = 0.02  # area beside the piece, as a share of it, from which on the model is asked
RIM = 2  # cells round that piece that are painted too: they have its colours
OWN = 0.3  # share of a mask that lies in that piece, and the structure is the first specimen's
MOST = 0.5  # share of a mask that lies beside it, and the structure is found again


def second_specimen(
    tracker: Tracker, bank: Bank, path: str, photograph: Photograph, outcome: Outcome
) -> float:
    """How much of a specimen is found again beside it, as a share of its area.

    Asked only where compact structures lie beside the largest piece of them all, and do not on the templates.
    Those count that lie in that piece and are found again, mostly outside of it.

    Raises:
        InputError: the device has not enough memory for one image.
    """
    masks, followed = outcome.cells > 0, bank.followed.tolist()
    compact = [number for number, k in enumerate(followed) if bank.compact[k]]
    body = masks[compact].any(0)
    piece = largest_piece(body)
    near = binary_dilation(piece, np.ones((3, 3)), RIM)
    if not bank.joined or (body & ~near).sum() < ASKED * max(piece.sum(), 1):
        return 0.0
    image = square_image(photograph, tracker.image_size)
    painted = painted_out(image, torch.from_numpy(near))[None]
    once = replace(bank, ways=bank.ways[:1])
    with enough_memory(path, tracker.device):
        (again,) = track_images(tracker, once, painted, refine=False, lie=[outcome])
    own = found = 0
    for number in compact:
        mask, other = masks[number], again.cells[number] > 0
        inside = (mask & piece).sum()
        beside = (other & ~near).sum()
        if inside and inside >= OWN * mask.sum():
            own += inside
            found += beside if beside > MOST * other.sum() else 0
    return float(found / own) if own else 0.0


def painted_out(image: Tensor, cells: Tensor) -> Tensor:
    """An image [3, S, S] in which cells [s, s] have the colours of what surrounds them."""
    step = image.shape[-1] // len(cells)
    there = (image != 0).any(0).float()
    free = F.avg_pool2d(there[None], step)[0] * ~cells
    weights = [free[None, None]]
    sums = [F.avg_pool2d(image, step)[None] * (~cells)]
    while sums[-1].shape[-1] > 1:  # each half as fine, until one cell knows the mean of all
        weights.append(F.avg_pool2d(weights[-1], 2, ceil_mode=True))
        sums.append(F.avg_pool2d(sums[-1], 2, ceil_mode=True))
    colours = sums[-1] / weights[-1].clamp(min=1e-6)
    for weight, total in zip(weights[-2::-1], sums[-2::-1], strict=True):
        coarser = F.interpolate(colours, total.shape[-2:], mode="bilinear")
        share = (weight > 0).float()
        colours = share * total / weight.clamp(min=1e-6) + (1 - share) * coarser
    fine = F.interpolate(colours, image.shape[-2:], mode="bilinear")[0]
    inside = cells.repeat_interleave(step, 0).repeat_interleave(step, 1)
    return torch.where(inside & (there > 0), fine, image)
