"""Which outlined specimens rounds are compared by, and what is known of them."""

import json
from collections import Counter

import pytest

from sam2pal.dataset.corrections import Judgement, write_templates
from sam2pal.dataset.photographs import PhotographFile
from sam2pal.evaluation.left_out import MOST, begun_from, drawn, trained_on
from sam2pal.io.errors import InputError


def test_specimens_that_are_templates_of_the_fewest_rounds_are_asked_first():
    names = [f"s{number}" for number in range(2 * MOST)]
    few = names[1::3]
    rounds = Counter(dict.fromkeys(names, 2) | dict.fromkeys(few, 1))
    asked = drawn(rounds)
    assert len(asked) == MOST
    assert set(asked[: len(few)]) == set(few)
    assert drawn(Counter(dict(reversed(rounds.items())))) == asked
    assert asked != sorted(asked)  # neither the first by name nor in their order


def test_what_an_adapter_was_trained_on_is_told_by_the_records_of_the_chain(tmp_path):
    records = {
        "second": {"published": "trained", "templates": ["a", "b"]},
        "first": {"published": "trained", "templates": ["d"]},
        "none": {"published": "init", "templates": ["e"]},
    }
    for name, record in records.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "training.json").write_text(json.dumps(record))
    assert trained_on(tmp_path / name for name in records) == {"a", "b", "d"}


def test_outlines_that_were_begun_from_masks_of_a_round_are_known(tmp_path):
    said = [("a", "corrected", "one"), ("b", "corrected", "two"), ("d", "accepted", "one")]
    square = [[1, 1, 9, 1, 9, 9]]
    judgements = [
        Judgement(
            "", PhotographFile(f"{name}.png", "", name), "head", verdict, round_, "", square, ""
        )
        for name, verdict, round_ in said
    ]
    write_templates(tmp_path / "one.json", judgements[:2])
    write_templates(tmp_path / "two.json", judgements[1:])
    files = [tmp_path / "one.json", tmp_path / "two.json"]
    assert begun_from(files, "one") == {("a", "head"), ("d", "head")}
    assert begun_from([], "one") == set()


def test_a_damaged_record_of_an_adapter_is_named(tmp_path):
    (tmp_path / "training.json").write_text("{")
    with pytest.raises(InputError, match=r"training\.json: damaged; delete"):
        trained_on([tmp_path])
