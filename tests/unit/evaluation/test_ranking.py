"""Specimens to look at first: each structure is compared with itself."""

import numpy as np

from sam2pal.evaluation.ranking import Ranking

HEADS = [0.9, 0.92, 0.88, 0.91, 0.9, 0.6]
ANTENNAE = [0.3, 0.25, 0.35, 0.28, 0.32, 0.31]


def ranking():
    return Ranking({"head": HEADS, "antennae": ANTENNAE, "wing": []}, low=0.5)


def test_a_structure_that_is_weak_everywhere_does_not_decide():
    ranked = ranking()
    specimens = [{"head": h, "antennae": a} for h, a in zip(HEADS, ANTENNAE, strict=True)]
    found = [ranked.worst(of) for of in specimens]
    first = int(np.argmin([one.deviation for one in found]))
    assert first == 5 and found[5].structure == "head" and found[5].score == 0.6
    assert ranked.weak == ("antennae",)
    assert ranked.worst({}) is None


def test_low_of_a_weak_structure_is_low_for_it():
    ranked = ranking()
    assert not any(ranked.is_low("antennae", score) for score in ANTENNAE)
    assert ranked.is_low("antennae", 0.1) and ranked.is_low("head", 0.45)
    assert not ranked.is_low("head", 0.6)


def test_alike_scores_are_not_told_apart_by_noise():
    assert Ranking({"head": [0.9] * 9}, 0.5).deviation("head", 0.89) > -0.5
