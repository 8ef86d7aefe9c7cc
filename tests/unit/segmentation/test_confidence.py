"""From logits to signals, from signals to a probability, and what templates say of one another."""

import json

import numpy as np
import pytest
import torch

from sam2pal.config.model import BUNDLED_WEIGHTS
from sam2pal.dataset.signals import SIGNALS, UNLIKE_TEMPLATES
from sam2pal.io.files import sha256
from sam2pal.model.views import View
from sam2pal.segmentation.alikeness import (
    Alikeness,
    alikeness_signals,
    flag_unlike,
    shipped_alikeness,
)
from sam2pal.segmentation.confidence import SHIPPED, Feature, Logistic, shipped_confidence
from sam2pal.segmentation.signals import contrasts, in_cells, mask_signals, separation, shape_of


def logits_of(mask, sure=4.0):
    return np.where(mask, sure, -sure).astype(np.float32)


def disc(radius, row=32.0, column=32.0, side=64, stretch=1.0):
    y, x = np.mgrid[:side, :side] + 0.5
    return np.hypot(y - row, (x - column) / stretch) < radius


# ------------------------------------------------------------------ signals


def test_expected_iou_is_that_of_pixels_that_are_drawn_by_their_probability():
    """Masks drawn pixel by pixel have, in the mean, nearly the IoU that is expected."""
    rng = np.random.default_rng(1)
    logits = (logits_of(disc(12), 1.5) + rng.normal(0, 0.5, (64, 64))).astype(np.float32)
    probability, mask = 1 / (1 + np.exp(-logits)), logits > 0
    drawn = rng.random((200, 64, 64)) < probability
    iou = (drawn & mask).sum((1, 2)) / (drawn | mask).sum((1, 2))
    assert mask_signals(logits, [], [])["expected_iou"] == pytest.approx(iou.mean(), abs=0.005)


def test_thickness_is_in_cells():
    bar = np.zeros((64, 64), bool)
    bar[10:60, 20:24] = True
    assert mask_signals(logits_of(bar), [], [])["thickness"] == pytest.approx(2 * 200 / 108)
    assert mask_signals(logits_of(disc(20)), [], [])["thickness"] > 10


def test_what_rivals_take_is_contested():
    mask, rival = np.zeros((16, 16), bool), np.zeros((16, 16), bool)
    mask[:, :8], rival[:, 6:] = True, True
    found = mask_signals(logits_of(mask, 2), [logits_of(rival, 3)], [])
    assert found["contested"] == pytest.approx(0.25)
    assert mask_signals(logits_of(mask, 2), [logits_of(mask, 3)], [])["expected_iou"] is None


def test_two_specimens_lie_apart_and_the_parts_of_one_do_not():
    left, right = disc(10, column=14), disc(8, column=44)
    body = disc(4, column=28)  # touches neither
    assert separation(np.array([left | right]), [True]) == pytest.approx((8 / 10) ** 2, abs=0.03)
    # one specimen of which what joins two structures was not found
    assert separation(np.array([left, right]), [True, True]) == 0
    # one of which a mask strays where the whole is found
    assert separation(np.array([left | body, disc(16, column=22)]), [True, True]) < 0.05
    # legs are in pieces on the templates too
    assert separation(np.array([left | right]), [False]) == 0
    assert separation(np.zeros((2, 64, 64), bool), [True, True]) == 0


@pytest.mark.parametrize("scale, row, column", [(1, 32, 32), (0.5, 20, 44), (1.5, 28, 30)])
def test_shapes_are_compared_wherever_and_however_large(scale, row, column):
    known = shape_of(disc(12, stretch=1.6).astype(np.float32))
    other = shape_of(disc(12, stretch=0.5).astype(np.float32))
    logits = logits_of(disc(12 * scale, row, column, stretch=1.6))
    assert mask_signals(logits, [], [other])["shape_likeness"] < 0.6
    assert mask_signals(logits, [], [other, known])["shape_likeness"] > 0.85


@pytest.mark.parametrize("view", [View(90), View(180), View(270), View(0, True), View(90, True)])
def test_a_turned_mask_has_the_turned_shape(view):
    mask = torch.from_numpy(disc(9, 20, 25, stretch=1.8) | disc(4, 45, 40)).float()
    turned = torch.from_numpy(shape_of(view.apply(mask).numpy()))
    assert (view.apply(torch.from_numpy(shape_of(mask.numpy()))) != turned).float().mean() < 0.04


def test_contrast_is_with_what_surrounds_a_mask_and_is_no_structure():
    masks = np.zeros((3, 32, 32), bool)
    masks[0, 4:12, 4:12], masks[1, 12:20, 4:12] = True, True
    colours = np.full((3, 32, 32), 1.0, np.float32)
    colours[:, masks[0]] = -1.0
    colours[:, masks[1]] = 9.0  # another structure surrounds nothing
    colours[:, 20:, 20:] = 5.0  # nor does what lies far away
    found = contrasts(colours, masks)
    assert found[:2] == [pytest.approx(2 * 3**0.5), pytest.approx(8 * 3**0.5)]
    assert found[2] is None
    assert contrasts(colours, np.ones((1, 32, 32), bool)) == [None]
    # nor does the padding round the photograph, which is 0
    colours[:, :, :4] = 0
    assert contrasts(colours, masks)[:2] == found[:2]


def test_finer_logits_say_the_same():
    bar = np.zeros((64, 64), bool)
    bar[10:60, 20:24] = True
    fine = logits_of(bar).repeat(4, 0).repeat(4, 1)
    assert (in_cells(fine[None], 64)[0] == logits_of(bar)).all()


# ------------------------------------------------------------------ the probability


def test_a_logistic_regression_by_hand():
    two = Logistic(
        0.5,
        (
            Feature("expected_iou", "log odds", 1.0, 2.0, 1.5),
            Feature("thickness", "log", 0.0, 0.5, -1.0),
        ),
    )
    odds = 0.5 + 1.5 * (np.log(0.8 / 0.2) - 1.0) / 2.0 - np.log(3.0) / 0.5
    found = two({"expected_iou": 0.8, "thickness": 3.0})
    assert found == pytest.approx(1 / (1 + np.exp(-odds)))
    assert two({"expected_iou": None, "thickness": None}) == 0.0


def test_what_is_shipped_was_fitted_to_the_bundled_weights():
    content = json.loads(SHIPPED.read_text())
    assert content["weights"] == sha256(BUNDLED_WEIGHTS), (
        "the weights changed: run `make confidence`"
    )
    names = {feature["name"] for of in content["masks"] for feature in of["features"]}
    assert names <= {*SIGNALS}


def test_nothing_speaks_for_a_mask_without_a_pixel_on_the_grid():
    """Its stability is 1, as of two empty masks."""
    signals = mask_signals(np.full((16, 16), -1.0), [], [shape_of(disc(12).astype(np.float32))])
    signals |= {"stability": 1.0, "predicted_iou": 0.9, "object_score": 0.99, "steadiness": 1.0}
    assert shipped_confidence().unadapted(signals) == 0.0


def test_the_shipped_confidence_rises_with_what_speaks_for_a_mask():
    good = {"expected_iou": 0.92, "thickness": 9.0, "contested": 0.0, "shape_likeness": 0.85}
    good |= {
        "predicted_iou": 0.9,
        "object_score": 0.999,
        "stability": 0.9,
        "mean_probability": 0.95,
    }
    weak = {"expected_iou": 0.45, "thickness": 1.2, "contested": 0.1, "shape_likeness": 0.2}
    weak |= {"predicted_iou": 0.4, "object_score": 0.9, "stability": 0.4, "mean_probability": 0.7}
    confidence = shipped_confidence().unadapted
    assert confidence(good) > 0.9 and confidence(weak) < 0.15
    # of specimens that were seen several times
    assert confidence(good | {"steadiness": 0.96}) > 0.9
    assert confidence(weak | {"steadiness": 0.6}) < 0.15


# ------------------------------------------------------------------ whole specimens


def test_all_masks_of_a_photograph_that_shows_something_else_are_flagged():
    sums = Feature("expected_iou", "plain", 0.0, 1.0, 1.0)
    pieces = Feature("apart", "plain", 0.2, 0.1, -1.0)
    alikeness = Alikeness((Logistic(0.0, (sums,)),), (0.3,), Logistic(0.0, (pieces,)))

    def entry(iou):
        return {"confidence": {"expected_iou": iou}, "area": int(bool(iou)), "flags": []}

    found = [entry(0.2), entry(0.3), entry(None), {"confidence": {}, "area": 9, "flags": []}]
    assert flag_unlike(found, {}, alikeness) < 0.3
    assert [of["flags"] for of in found] == [[UNLIKE_TEMPLATES], [UNLIKE_TEMPLATES], [], []]
    found = [entry(0.8), entry(0.6)]
    assert flag_unlike(found, {"apart": 0.0}, alikeness) > 0.5 and not any(
        of["flags"] for of in found
    )
    assert flag_unlike(found, {"apart": 0.4}, alikeness) < 0.3 and all(of["flags"] for of in found)
    assert flag_unlike([], {}, alikeness) == 1.0


def test_what_masks_hold_and_what_is_not_found_count():
    there = {"expected_iou": 0.9, "shape_likeness": 0.8, "predicted_iou": 0.9, "object_score": 0.99}
    gone = dict.fromkeys(there) | {"predicted_iou": 0.1, "object_score": 0.01}
    probability = shipped_alikeness()
    # another side of the animal: masks are as good, what they hold is not alike
    assert probability(alikeness_signals([there] * 4, {"body_likeness": 0.75}))[1]
    assert not probability(alikeness_signals([there] * 4, {"body_likeness": 0.95}))[1]
    # other models have other features
    whole, half = (
        probability(alikeness_signals(of, {}))[0] for of in ([there] * 4, [there, gone] * 2)
    )
    assert whole > half
