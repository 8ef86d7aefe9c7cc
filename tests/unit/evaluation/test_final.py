"""Which round is the result, and why."""

import pytest
import scipy.stats

from sam2pal.config.evaluation import EvaluationOptions
from sam2pal.evaluation.final import Score, final_rounds, final_run, read_scores
from sam2pal.evaluation.left_out import MEASURE, LeftOut, compare, read_left_out, rows_of
from sam2pal.evaluation.notices import worse_rounds
from sam2pal.evaluation.summary import COMPARISON
from sam2pal.io import tables
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


def test_a_later_round_that_truth_cannot_judge_is_told():
    found = final_rounds(FOUND[:2], None, None, {("A", "one"): Score(0.7, 9)})["A"]
    assert found.round == "one" and "as 'two' cannot be compared" in found.warning
    assert not final_rounds(FOUND[:2], None, None, {("A", "two"): Score(0.7, 9)})["A"].warning
    assert not final_rounds(FOUND[:2], None, None, WORSE)["A"].warning


def test_a_chosen_round_that_is_worse_is_warned_of():
    found = final_rounds(FOUND, "two", None, WORSE)
    assert {genus: of.round for genus, of in found.items()} == {"A": "two", "B": "two", "C": "one"}
    assert "'one' is better against truth: mean IoU 0.700" in found["A"].warning
    assert not found["B"].warning
    assert not final_rounds(FOUND, "one", None, WORSE)["A"].warning
    with pytest.raises(InputError, match="no genus has a round 'three'"):
        final_rounds(FOUND, "three", None, {})


def test_a_chosen_round_that_a_genus_lacks_is_not_its_final_one(tmp_path):
    # it failed everywhere, or has no templates of this genus
    assert rounds(FOUND, "three", ["one", "two", "three"], {}) == {
        "A": "two",
        "B": "two",
        "C": "one",
    }
    scores = dict.fromkeys(("genus", "round", "specimen", "structure"), str) | {"iou": float}
    tables.write(tables.table([], scores), tmp_path / "one/evaluation.csv")
    folder, final = final_run("C", [tmp_path / "one"], "two", ["one", "two"])
    assert (folder, final.why) == (tmp_path / "one", "the only one")


def test_rounds_are_compared_by_the_masks_that_all_of_them_score(tmp_path):
    path = tmp_path / "evaluation.csv"
    path.write_text(
        "genus,round,specimen,structure,iou\n"
        "A,one,1,head,0.6\nA,one,2,head,0.1\nA,two,1,head,0.5\nA,two,2,head,\nB,one,1,head,\n"
    )
    assert read_scores([path]) == {("A", "one"): Score(0.6, 1), ("A", "two"): Score(0.5, 1)}
    assert read_scores(None) == {}


def left_out(values, trained_on=(), begun_from=()):
    """A round in which each of the specimens a, b, c ... has a head of an IoU."""
    return LeftOut(
        {name: {"head": iou} for name, iou in zip("abcdefgh", values, strict=False)},
        frozenset(trained_on),
        frozenset((name, "head") for name in begun_from),
    )


ROUNDS = [("A", "one"), ("A", "two"), ("A", "three")]
GOOD, BAD = [0.80, 0.82, 0.79, 0.81], [0.70, 0.73, 0.68, 0.70]


def without_truth(chosen=None, **rounds):
    found = {("A", name): of for name, of in rounds.items()}
    return final_rounds(ROUNDS, chosen, None, {}, found)["A"]


def test_without_truth_an_earlier_round_is_taken_if_it_is_clearly_better_on_what_is_left_out():
    found = without_truth(one=left_out(BAD), two=left_out(GOOD), three=left_out(BAD))
    assert found.round == "two"
    why = "better by leave-one-out than 'three' (mean IoU 0.805 against 0.703 over 4 specimens; p 0.00"
    assert why in found.why
    # the last one where it is better, where the difference is noise, or too few specimens say something
    assert without_truth(two=left_out(BAD), three=left_out(GOOD)).round == "three"
    noise = without_truth(two=left_out([0.9, 0.6, 0.8, 0.7]), three=left_out(BAD))
    assert (
        noise.round == "three"
        and "no other is clearly better by leave-one-out ('two': mean" in noise.why
    )
    small = without_truth(two=left_out(GOOD), three=left_out([iou - 0.005 for iou in GOOD]))
    assert small.round == "three"
    few = without_truth(two=left_out(GOOD[:2]), three=left_out(BAD[:2]))
    assert few.round == "three" and "with few outlined specimens" in few.why
    assert without_truth().round == "three"


def test_a_round_chosen_against_what_is_left_out_is_warned_of():
    rounds = {"two": left_out(GOOD), "three": left_out(BAD)}
    found = without_truth("three", **rounds)
    assert found.round == "three" and "'two' is better by leave-one-out" in found.warning
    assert not without_truth("two", **rounds).warning
    # the last one, which is the best by default, is no better than the chosen one, or not clearly
    better = without_truth("two", two=left_out([0.9, 0.6, 0.8, 0.7]), three=left_out(BAD))
    worse = without_truth("two", two=left_out(BAD), three=left_out([0.9, 0.6, 0.8, 0.7]))
    assert (better.round, better.warning, worse.warning) == ("two", "", "")
    assert (
        "'three' is better" in without_truth("two", two=left_out(BAD), three=left_out(GOOD)).warning
    )


def test_specimens_that_a_round_was_trained_on_are_compared_only_if_there_are_too_few_others():
    # the later round knows a, on which it is far better
    first, second = left_out([0.1, *GOOD[1:]]), left_out([1.0, *BAD[1:]], "a")
    found = compare(first, second)
    assert (found.specimens, found.known, found.first_is_better) == (3, 0, True)
    found = compare(first, left_out([1.0, *BAD[1:]], "ab"))
    assert (found.specimens, found.known, found.first_is_better) == (4, 2, False)
    assert "one of the two was trained on 2 of these" in str(found)


def test_outlines_begun_from_a_round_do_not_speak_for_it():
    found = compare(left_out([1.0, *GOOD[1:]], begun_from="a"), left_out(BAD))
    assert found.specimens == 3 and found.first == pytest.approx(sum(GOOD[1:]) / 3)
    assert compare(left_out(GOOD, begun_from="ab"), left_out(BAD)) is None
    # for the later round they may
    assert compare(left_out(GOOD), left_out(BAD, begun_from="ab")).specimens == 4


def test_rounds_worse_on_what_is_left_out_are_told():
    found = {("A", "one"): left_out(GOOD), ("A", "two"): left_out(BAD)}
    table = tables.table(rows_of(found, ["one", "two"], EvaluationOptions()), COMPARISON)
    (row,) = table.to_pylist()
    assert (row["measure"], row["n"], row["more_than_noise"]) == (MEASURE, 4, "yes")
    assert row["change"] == pytest.approx(-0.1025) and row["lower"] < row["change"] < row["upper"]
    (said,) = worse_rounds(table, ["one", "two"])
    assert said["reason"].startswith("worse than the round 'one' by leave-one-out: mean IoU -0.10")


@pytest.mark.parametrize("level", [0.95, 0.5])
def test_intervals_and_p_of_specimens_left_out_are_those_of_the_other_rows(level):
    # worse by what a one-sided test at 0.05 sees and a two-sided one does not
    later = [0.76, 0.82, 0.75, 0.79]
    found = {("A", "one"): left_out(GOOD), ("A", "two"): left_out(later)}
    (row,) = rows_of(found, ["one", "two"], EvaluationOptions(level=level))
    test = scipy.stats.ttest_rel(later, GOOD)
    assert 0.05 < test.pvalue < 0.1
    assert row["p"] == row["p_holm"] == pytest.approx(test.pvalue)
    assert [row["lower"], row["upper"]] == pytest.approx(test.confidence_interval(level))
    assert row["more_than_noise"] == ("yes" if level == 0.5 else "no")
    assert compare(*found.values()).first_is_better
    assert not compare(*reversed(found.values())).first_is_better


def test_a_table_of_specimens_left_out_is_read(tmp_path):
    path = tmp_path / "leave_one_out.csv"
    path.write_text(
        "genus,round,specimen,structure,state,iou,trained_on,begun_from\n"
        "A,one,1,head,found,0.6,no,no\nA,one,1,eye,found,0.2,no,yes\nA,two,1,head,outside,0.5,yes,no\n"
    )
    assert read_left_out([path]) == {
        ("A", "one"): LeftOut(
            {"1": {"head": 0.6, "eye": 0.2}}, begun_from=frozenset({("1", "eye")})
        ),
        ("A", "two"): LeftOut({"1": {"head": 0.5}}, frozenset("1")),
    }
