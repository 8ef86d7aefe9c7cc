"""Which round is the result, and why."""

import pytest

from sam2pal.evaluation.final import Score, final_rounds, read_scores
from sam2pal.io.errors import InputError

FOUND = [("A", "one"), ("A", "two"), ("B", "one"), ("B", "two"), ("C", "one")]
WORSE = {("A", "one"): Score(0.7, 9), ("A", "two"): Score(0.6, 9)}


def rounds(*arguments):
    return {genus: final.round for genus, final in final_rounds(*arguments).items()}


def test_the_best_against_truth_or_the_last():
    assert rounds(FOUND, None, None, {}) == {"A": "two", "B": "two", "C": "one"}
    assert rounds(FOUND, None, ["two", "one"], {})["A"] == "one"
    assert rounds(FOUND, None, None, WORSE) == {"A": "one", "B": "two", "C": "one"}
    alike = {("A", "one"): Score(0.7, 9), ("A", "two"): Score(0.7, 9)}
    assert rounds(FOUND, None, None, alike)["A"] == "two"


def test_a_chosen_round_that_is_worse_is_warned_of():
    found = final_rounds(FOUND, "two", None, WORSE)
    assert {genus: of.round for genus, of in found.items()} == {"A": "two", "B": "two", "C": "one"}
    assert "'one' is better against truth: mean IoU 0.700" in found["A"].warning
    assert not found["B"].warning
    assert not final_rounds(FOUND, "one", None, WORSE)["A"].warning
    with pytest.raises(InputError, match="no genus has a round 'three'"):
        final_rounds(FOUND, "three", None, {})


def test_rounds_are_compared_by_the_masks_that_all_of_them_score(tmp_path):
    path = tmp_path / "evaluation.csv"
    path.write_text(
        "genus,round,specimen,structure,iou\n"
        "A,one,1,head,0.6\nA,one,2,head,0.1\nA,two,1,head,0.5\nA,two,2,head,\nB,one,1,head,\n"
    )
    assert read_scores([path]) == {("A", "one"): Score(0.6, 1), ("A", "two"): Score(0.5, 1)}
    assert read_scores(None) == {}
