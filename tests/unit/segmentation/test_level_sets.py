"""Masks found from the roots of interpolated logits are those of every pixel's own probability."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from sam2pal.dataset.rle import decode_mask
from sam2pal.dataset.runs import Runs
from sam2pal.images.letterbox import Letterbox
from sam2pal.segmentation.level_sets import Likelihood, LogitSurface

# photographs larger and smaller than the grid of 16 x 16, wide, high, a single row
SHAPES = [(64, 48), (97, 130), (300, 41), (1, 50), (50, 1), (12, 9), (16, 16)]


def logits(seed, count=3, rough=1.5):
    noise = np.random.default_rng(seed).normal(size=(count, 16, 16))
    return (12 * gaussian_filter(noise, (0, rough, rough))).astype(np.float32)


def probability(values, box):
    """[..., H, W], pixel by pixel."""
    return 1 / (1 + np.exp(-box.square_to_native(values).astype(np.float64)))


def alike(found: Runs, expected: np.ndarray, p: np.ndarray, level: float) -> bool:
    """Equal but for pixels on the very edge, which rounding decides."""
    different = decode_mask(found.rle()) != expected
    return bool((np.abs(p - level)[different] < 1e-5).all())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(4))
def test_above_a_level(shape, seed):
    box = Letterbox(*shape, 64)
    values = logits(seed, 1, rough=(0.0, 0.7, 1.5, 4.0)[seed])
    p = probability(values, box)[0]
    likelihood = Likelihood(LogitSurface.over(values[0], box))
    for level in (0.05, 0.25, 0.5, 0.75, 0.95):
        assert alike(likelihood.above(level), p > level, p, level)
    mask = likelihood.above(0.5)
    if mask:
        assert likelihood.mean(mask) == pytest.approx(p[p > 0.5].mean(), abs=2e-4)
        assert likelihood.mean(mask, most=50) == pytest.approx(p[p > 0.5].mean(), abs=0.15)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_larger_of_rivals_wins(shape):
    box = Letterbox(*shape, 64)
    values = logits(7)
    p = probability(values, box)
    surfaces = [LogitSurface.over(value, box) for value in values]
    drawn = np.random.default_rng(1).random(shape) < 0.3
    for i in range(3):
        others = [j for j in range(3) if j != i]
        level = {"ahead": (0.0, 0.0)}
        likelihood = Likelihood(surfaces[i], tuple(surfaces[j] for j in others), **level)
        best = p[others].max(0)
        found = decode_mask(likelihood.above(0.3).rle())
        expected = (p[i] > 0.3) & ((p[i] > best) | (best < 0.5))
        unsure = np.abs([p[i] - best, p[i] - 0.3, best - 0.5]).min(0) < 1e-5
        assert (found == expected)[~unsure].all()
        taken = (Runs.of(drawn, *shape),)
        made_room = Likelihood(surfaces[i], likelihood.rivals, taken=taken, **level).above(0.3)
        assert np.array_equal(decode_mask(made_room.rle()), found & ~drawn)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_rival_that_is_ahead_wins_where_it_is_likely(shape):
    box = Letterbox(*shape, 64)
    values = logits(7)
    p = probability(values, box)
    own, rival = (LogitSurface.over(value, box) for value in values[:2])
    logit = np.log(p / (1 - p))
    for ahead in (1.5, -1.5):
        found = decode_mask(Likelihood(own, (rival,), ahead=(ahead,)).above(0.5).rle())
        lost = (logit[1] > 0) & (logit[1] + ahead > logit[0])
        unsure = np.abs(logit[:2]).min(0) < 1e-3
        unsure |= np.abs(logit[1] + ahead - logit[0]) < 1e-3
        assert (found == ((logit[0] > 0) & ~lost))[~unsure].all()


def test_nothing_and_everything():
    box = Letterbox(30, 20, 64)
    everywhere = Likelihood(LogitSurface.over(np.full((16, 16), 9.0, np.float32), box))
    assert everywhere.above(0.5).area == 600
    nowhere = Likelihood(LogitSurface.over(np.full((16, 16), -1024.0, np.float32), box))
    assert not nowhere.above(0.25) and nowhere.above(0.0).area == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_of_equal_rivals_the_first_wins(shape):
    box = Letterbox(*shape, 64)
    values = logits(3, 2)
    values[1] = values[0]
    values[1, 8:] += 1  # the second wins below
    one, two = (LogitSurface.over(value, box) for value in values)
    first = Likelihood(one, (two,), 0, ahead=(0.0,)).above(0.5)
    second = Likelihood(two, (one,), 1, ahead=(0.0,)).above(0.5)
    both = decode_mask(first.rle()), decode_mask(second.rle())
    assert not (both[0] & both[1]).any()
    p = probability(values, box)
    assert ((both[0] | both[1]) == (p.max(0) > 0.5))[np.abs(p.max(0) - 0.5) > 1e-5].all()
    assert both[0].any() or min(shape) == 1
