"""Edges of masks fitted to the picture."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sam2pal.segmentation.refining import NOISE, PAIRS, _explained, fit_edges

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
    plain = F.interpolate(logits[None], size=(SIDE, SIDE), mode="bilinear")[0]
    assert torch.equal(fine[:, 200:], plain[:, 200:])


def test_colours_are_explained_by_a_normal_distribution() -> None:
    rng = np.random.default_rng(2)
    mean = torch.tensor([20.0, -5.0, 3.0])
    mixing = torch.from_numpy(rng.normal(0, 5, (3, 3))).float()
    covariance = mixing @ mixing.T
    products = covariance + mean[:, None] * mean
    sums = torch.cat([torch.ones(1), mean, torch.stack([products[pair] for pair in PAIRS])])
    colours = torch.from_numpy(rng.normal(0, 20, (3, 9))).float()
    found = _explained(colours, 0.7 * sums[:, None, None].expand(-1, 4, 4), torch.zeros(1, 1, 9, 2))
    known = torch.distributions.MultivariateNormal(mean, covariance + NOISE**2 * torch.eye(3))
    expected = known.log_prob(colours.T) + 1.5 * np.log(2 * np.pi)
    assert torch.allclose(found, expected, rtol=1e-3)


def test_half_precision_fits_the_same() -> None:
    image, mask = picture()
    logits = F.avg_pool2d(mask[None].float(), CELL) * 12 - 6
    with torch.autocast("cpu", torch.bfloat16):
        found = fit_edges(logits, image, SIDE // CELL)
    assert torch.equal(found, fit_edges(logits, image, SIDE // CELL))


def test_masks_far_from_any_edge_stay_as_they_are() -> None:
    image, _ = picture()
    logits = torch.full((2, SIDE, SIDE), -20.0)
    assert torch.equal(fit_edges(logits, image, SIDE // CELL), logits)


def test_a_picture_of_one_colour_changes_nothing() -> None:
    _, mask = picture()
    logits = F.avg_pool2d(mask[None, None].float() * 12 - 6, CELL)[0]
    fine = fit_edges(logits, torch.full((3, SIDE, SIDE), 0.4), SIDE // CELL)
    plain = F.interpolate(logits[None], size=(SIDE, SIDE), mode="bilinear")[0]
    assert torch.allclose(fine, plain, atol=0.2)
    assert bool(((fine > 0) == (plain > 0)).all())


def test_logits_finer_than_the_grid_move_half_as_far() -> None:
    image, mask = picture()
    for finer, furthest in ((1, 10.8), (2, 5.4)):
        logits = F.avg_pool2d(mask[None, None].float() * 12 - 6, CELL // finer)[0]
        plain = F.interpolate(logits[None], size=(SIDE, SIDE), mode="bilinear")[0]
        moved = (fit_edges(logits, image, SIDE // CELL) - plain).abs().max()
        assert float(moved) == pytest.approx(furthest, abs=1e-4)


def test_glossy_spots_make_no_holes_and_labels_no_pieces() -> None:
    image, mask = picture()
    gloss, mark = np.s_[98:102, 88:92], np.s_[28:32, 198:202]
    image[:, *gloss], image[:, *mark] = 1.5, -1.5
    logits = mask[None] * 6.0 - 3
    logits[0, 92:108, 82:98], logits[0, 22:38, 192:208] = 0.1, -0.1  # the model is not sure
    fitted = fit_edges(logits, image, SIDE // CELL)[0]
    assert torch.equal(fitted[gloss], logits[0][gloss])
    assert torch.equal(fitted[mark], logits[0][mark])
    # at an edge the same colour counts
    notch = np.s_[60:64, 88:92]
    image[:, *notch], logits[0, 60:72, 82:98] = 1.5, 0.1
    assert bool((fit_edges(logits, image, SIDE // CELL)[0][notch] < 0).all())
