"""Confidences moved to what is known of a genus."""

import numpy as np
import pytest

from sam2pal.dataset.recalibration import (
    GENUS_SPREAD,
    STRUCTURE_SPREAD,
    Labelled,
    Recalibration,
    log_odds,
)


def known(structure, probability, good, bad):
    return [Labelled(structure, probability, True)] * good + [
        Labelled(structure, probability, False)
    ] * bad


def test_nothing_known_changes_nothing():
    assert Recalibration.learn([])("head", 0.3) == 0.3


def test_many_masks_give_their_own_share():
    learned = Recalibration.learn([*known("head", 0.3, 800, 200), *known("legs", 0.3, 100, 900)])
    assert learned.masks == 2000
    assert learned("head", 0.3) == pytest.approx(0.8, abs=0.01)
    assert learned("legs", 0.3) == pytest.approx(0.1, abs=0.01)
    # of a structure without labels that of the genus is said, which is none in sum
    assert 0.2 < learned("elytra", 0.3) < 0.45


def test_few_masks_move_little_and_the_order_stays():
    learned = Recalibration.learn(known("head", 0.5, 1, 0))
    assert 0.5 < learned("head", 0.5) < 0.8
    moved = [learned("head", p) for p in (0.1, 0.4, 0.8)]
    assert moved == sorted(moved) and all(0 < p < 1 for p in moved)


def test_the_shifts_are_the_most_probable_ones():
    """No small step away from them is more probable."""
    labels = [*known("head", 0.6, 3, 2), *known("legs", 0.2, 0, 5), *known("legs", 0.7, 2, 1)]
    learned = Recalibration.learn(labels)

    def loss(whole, head, legs):
        shift = {"head": whole + head, "legs": whole + legs}
        odds = np.array([log_odds(of.probability) + shift[of.structure] for of in labels])
        good = np.array([of.good for of in labels])
        likely = np.log1p(np.exp(np.where(good, -odds, odds))).sum()
        unlikely = (whole / GENUS_SPREAD) ** 2 + (head**2 + legs**2) / STRUCTURE_SPREAD**2
        return likely + unlikely / 2

    own = np.array([learned.other, *(learned.shifts[n] - learned.other for n in ("head", "legs"))])
    for step in np.vstack([np.eye(3), -np.eye(3)]) * 1e-3:
        assert loss(*own) < loss(*(own + step))
