"""Edges of masks fitted to the picture."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sam2pal.segmentation.refining import fit_edges

SIDE, CELL = 256, 4


def picture() -> tuple[torch.Tensor, torch.Tensor]:
    """A dark body with a leg of three pixels on bright ground, in the upper 200 rows; and its mask."""
    mask = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    mask[60:140, 60:120] = True
    mask[98:101, 120:200] = True
    grain = torch.from_numpy(np.random.default_rng(1).normal(0, 0.1, (3, SIDE, SIDE))).float()
    image = torch.where(mask, -1.5, 1.5) + grain
    image[:, 200:] = 0
    return image, mask


def overlap(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_a_thin_leg_is_found_again_in_blurred_logits() -> None:
    image, mask = picture()
    share = F.avg_pool2d(mask[None, None].float(), 3 * CELL, CELL, CELL)
    logits = (share * 12 - 3)[0]
    coarse = F.interpolate(logits[None], size=(SIDE, SIDE), mode="bilinear")[0, 0] > 0
    fine = fit_edges(logits, image, SIDE // CELL)
    assert fine.shape == (1, SIDE, SIDE)
    assert overlap(coarse, mask) < 0.85 and overlap(fine[0] > 0, mask) > 0.93
    # what is no photograph has no part in it
    other = torch.cat([image[:, :200], torch.zeros(3, 56, SIDE)], 1)
    assert torch.equal(fit_edges(logits, other, SIDE // CELL), fine)


def test_a_picture_of_one_colour_changes_nothing() -> None:
    _, mask = picture()
    logits = F.avg_pool2d(mask[None, None].float() * 12 - 6, CELL)[0]
    fine = fit_edges(logits, torch.full((3, SIDE, SIDE), 0.4), SIDE // CELL)
    plain = F.interpolate(logits[None], size=(SIDE, SIDE), mode="bilinear")[0]
    assert torch.allclose(fine, plain, atol=0.2)
    assert bool(((fine > 0) == (plain > 0)).all())


def test_logits_finer_than_the_grid_move_half_as_far() -> None:
    image, mask = picture()
    for finer, furthest in ((1, 2.4), (2, 1.2)):
        logits = F.avg_pool2d(mask[None, None].float() * 12 - 6, CELL // finer)[0]
        plain = F.interpolate(logits[None], size=(SIDE, SIDE), mode="bilinear")[0]
        moved = (fit_edges(logits, image, SIDE // CELL) - plain).abs().max()
        assert float(moved) == pytest.approx(furthest, abs=1e-4)
