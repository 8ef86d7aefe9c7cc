"""Specimens that are seen in several ways."""

import pytest
import torch

from sam2pal.dataset.trial import PIXELS
from sam2pal.model.combining import Decision
from sam2pal.model.ensemble import ALTERATIONS, Alteration, alterations, ensemble

SIDE = 64


def disc(left: float, top: float, radius: float) -> torch.Tensor:
    """A soft disc [1, 1, SIDE, SIDE]."""
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    distance = ((x - left) ** 2 + (y - top) ** 2).float().sqrt()
    return (radius - distance).sigmoid()[None, None]


@pytest.mark.parametrize("way", ALTERATIONS)
def test_what_is_altered_comes_back_to_its_place(way):
    image = disc(24, 40, 9)
    seen = way.apply(image)
    back = way.undo(seen)
    assert ((back > 0.5) == (image > 0.5)).float().mean() > 0.995
    if way != Alteration():
        assert ((seen > 0.5) != (image > 0.5)).float().mean() > 0.003


def test_a_specimen_is_larger_mirrored_and_turned_as_said():
    right = disc(48, 31.5, 6)
    assert (Alteration(mirrored=True).apply(right) > 0.5).nonzero()[:, 3].float().mean() < 20
    larger = (Alteration(scale=1.1).apply(disc(31.5, 31.5, 12)) > 0.5).sum()
    assert larger / (disc(31.5, 31.5, 12) > 0.5).sum() == pytest.approx(1.21, rel=0.05)
    turned = (Alteration(turn=8).apply(right) > 0.5).nonzero().float().mean(0)
    assert abs(turned[2] - 31.5) == pytest.approx(16.5 * 0.139, abs=0.3)


@pytest.mark.parametrize("way", [Alteration(scale=0.9), Alteration(turn=8)])
def test_half_precision_moves_no_pixel(way):
    image = torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        seen = way.apply(image)
    assert torch.equal(seen, way.apply(image))


def test_no_way_mirrors_where_a_structure_is_named_for_a_side():
    assert alterations(3, ["head", "legs"]) == list(ALTERATIONS[:3])
    ways = alterations(8, ["left_antenna", "right_antenna"])
    assert len(ways) == len(set(ways)) == 8 and not any(way.mirrored for way in ways)


def decided(images: torch.Tensor) -> Decision:
    """Two structures an image: what is bright, and what is dark."""
    logits = torch.stack([images[:, :1] - 0.5, 0.5 - images[:, :1]], 1).flatten(0, 1) * 10
    count = len(logits)
    return Decision(logits, torch.full((count,), 0.8), torch.ones(count), torch.ones(count, 1))


def test_masks_that_agree_are_their_mean():
    images = torch.cat([disc(24, 40, 9), disc(40, 30, 12)])
    once, often = decided(images), ensemble(decided, images, alterations(4, ["head"]), SIDE)
    assert ((once.logits > 0) == (often.logits > 0)).float().mean() > 0.995
    assert bool((often.steadiness > 0.9).all())
    torch.testing.assert_close(often.predicted_iou, once.predicted_iou)
    assert ensemble(decided, images, alterations(1, []), SIDE).steadiness is None


def test_a_mask_that_is_found_only_once_is_outvoted():
    image, calls = disc(32, 32, 9), []

    def sometimes(images: torch.Tensor) -> Decision:
        calls.append(len(calls))
        return decided(images if len(calls) == 2 else torch.zeros_like(images))

    found = ensemble(sometimes, image, alterations(3, ["head"]), SIDE)
    assert not bool((found.logits[0] > 0).any())
    assert found.steadiness[0] < 0.7


def test_the_time_of_a_run_is_estimated_with_the_pixels_of_these_ways():
    assert tuple(way.pixels**2 for way in ALTERATIONS) == PIXELS
