"""The screen that a call ends with, and what it tells of runs that did not fail."""

import dataclasses
import json

import pyarrow as pa
import pytest

from sam2pal.dataset.files import write
from sam2pal.dataset.manifest import Specimen, write_list
from sam2pal.evaluation.ending import ERRORS, UNTRUSTED, screen
from sam2pal.evaluation.final import Final, Score
from sam2pal.evaluation.notices import (
    doubt,
    doubtful,
    of_duplicates,
    of_run,
    of_scales,
    of_specimen_table,
    worse_rounds,
)
from sam2pal.morphometrics.tables.collecting import cells_of
from sam2pal.morphometrics.tables.counts import Counts


def row(genus="Aus", round_="trained", stage="morphometrics", status="ok", reason="", **counts):
    return {
        "genus": genus,
        "round": round_,
        "stage": stage,
        "status": status,
        "reason": reason,
    } | counts


def test_the_screen_says_what_there_is_and_ends_with_what_failed(tmp_path):
    status = [
        row(specimens=12, measured=30, low_confidence=2, doubtful=1, outside=4, hidden=5, absent=3,
            unreadable=1, no_specimen=2, status="partial", reason="1 photograph could not be read: '0007'"),
        row(stage="training", status="unchanged", reason="training changed nothing: ..."),
        row(genus="Bus", status="failed", reason="measure failed: no masks"),
    ]  # fmt: skip
    final = {"Aus": Final("trained", "the best against truth", "final_round is forced")}
    text = screen(status, final, {("Aus", "trained"): Score(0.7123, 30)}, tmp_path)
    lines = text.splitlines()
    assert lines[1].split()[:9] == [
        "genus",
        "round",
        "specimens",
        "measured",
        "low",
        "doubtful",
        "outside",
        "hidden",
        "absent",
    ]
    numbers = ["12", "30", "2", "1", "4", "5", "3", "1", "2", "0.712"]
    assert lines[2].split() == ["Aus", "trained", "*", *numbers]
    assert lines[3].split() == ["Bus", "trained", *["-"] * 10]
    assert "  Aus: trained, the best against truth" in lines
    assert "  Aus: final_round is forced" in lines
    assert "  Aus/trained: training changed nothing: ..." in lines
    assert f"Next: open {tmp_path}/index.html and look at the first masks of each page" in lines
    assert lines[-3:] == [
        ERRORS,
        "  Aus/trained partial: 1 photograph could not be read: '0007'",
        "  Bus/trained failed: measure failed: no masks",
    ]
    noted = screen(status, final, {}, tmp_path, "note").splitlines()
    assert noted[-2:] == [ERRORS, "  Bus/trained failed: measure failed: no masks"]
    assert "  Aus/trained morphometrics: 1 photograph could not be read: '0007'" in noted
    doubted = list(doubtful(row(genus="Cus", specimens=9, specimens_doubtful=9)))
    first, second, *_ = screen([*status, *doubted], final, {}, tmp_path).splitlines()
    assert first == UNTRUSTED and second.startswith("  Cus/trained: 9 of 9 specimens are doubtful")


def test_a_training_that_changed_nothing_says_why(tmp_path):
    record = {"published": "trained", "steps": 60, "init": None}
    record |= {"validation_untrained": 0.712, "validation_best": 0.7}
    path = tmp_path / "adapter/training.json"
    path.parent.mkdir()
    path.write_text(json.dumps(record))
    assert not list(of_run("Aus", "trained", tmp_path))
    path.write_text(json.dumps(record | {"published": "untrained"}))
    (found,) = of_run("Aus", "trained", tmp_path)
    assert found["status"] == "unchanged"
    assert "none of 60 steps was better than the model before them" in found["reason"]
    assert "(validation IoU 0.712; best 0.700)" in found["reason"]


def test_what_was_left_out_of_templates_is_told(tmp_path):
    shared = "'eye' is drawn within 'head', but masks share no pixel"
    notes = ["'legs' is drawn on no photograph", "read as stored", "a.json: left out 2 of 'antena'"]
    notes.append(shared)
    content = {"info": {"canonical": True, "notes": notes}, "images": []}
    write(tmp_path / "templates.json", content)
    (found,) = of_run("Aus", "one", tmp_path)
    assert found["stage"] == "templates"
    assert found["reason"] == "; ".join([notes[0], notes[2], shared])


def test_rows_of_the_specimen_table_that_joined_nothing(tmp_path):
    one = Specimen("0001", "0001.png", 1, 1, 1, 1, "0001", "ok", "")
    write_list(tmp_path / "manifest.tsv", [one])
    assert not list(of_duplicates("Aus", tmp_path / "manifest.tsv"))
    table = tmp_path / "specimens.csv"
    table.write_text("genus,specimen,sex\nAus,0001,f\nAus,331.png,m\nBus,9,m\n")
    (found,) = of_specimen_table(table, "Aus", tmp_path / "manifest.tsv")
    assert (
        found["status"] == "unmatched" and "match no specimen of Aus: '331.png'" in found["reason"]
    )
    twin = dataclasses.replace(one, path="0001.jpg", status="duplicate")
    write_list(tmp_path / "manifest.tsv", [one, twin])
    (found,) = of_duplicates("Aus", tmp_path / "manifest.tsv")
    assert found["status"] == "note" and "1 photograph left out, because" in found["reason"]


def test_specimens_of_trays_without_a_scale_are_called_specimens(tmp_path):
    path = tmp_path / "scale.csv"
    path.write_text("specimen,status\nT1#0101,found\nT1#0102,doubtful\nT1#0103,none\n")
    (found,) = of_scales("Aus", path)
    assert found["reason"] == (
        "2 of 3 specimens have no scale of their own, 1 of them a doubtful one: "
        f"'T1#0102', 'T1#0103'; see {path}"
    )


@pytest.mark.parametrize(
    "change, noise, told", [(-0.05, "yes", 1), (-0.05, "no", 0), (0.05, "yes", 0)]
)
def test_a_round_that_got_worse(change, noise, told):
    rows = [{"genus": "Aus", "round_before": "one", "round_after": "two", "structure": "(all)",
             "measure": "iou", "change": change, "more_than_noise": noise, "n": 9}]  # fmt: skip
    assert len(list(worse_rounds(pa.Table.from_pylist(rows), ["one", "two"]))) == told
    assert not list(worse_rounds(pa.Table.from_pylist(rows), ["one", "between", "two"]))


@pytest.mark.parametrize("count, told", [(0, 0), (4, 0), (5, 1), (12, 1)])
def test_a_genus_of_which_more_than_a_third_is_doubtful(count, told):
    found = list(doubtful(row(specimens=12, specimens_doubtful=count)))
    assert len(found) == told
    for one in found:
        assert one["reason"].startswith(f"{count} of 12 specimens are doubtful")
        assert "outline more templates" in one["reason"]
    assert not list(doubtful(row(status="missing")))


def test_a_genus_unlike_its_templates_is_told_so():
    said = [doubt(9, 9, unlike) for unlike in (3, 4)]
    assert "same kind of animal" not in said[0]
    assert "The photographs of 4 do not seem to show what the templates show" in said[1]


def test_specimens_without_a_trusted_mask_are_counted_across_pieces():
    mask, unlike, nothing = (1.0, "specks"), (1.0, "specks;unlike_templates"), (None, "")
    specimens = [
        [("low_confidence", *mask), ("low_confidence", *mask)],
        [("measured", *mask), ("low_confidence", *unlike)],
        [("unreadable", *nothing), ("unreadable", *nothing)],
        [("outside", *unlike), ("low_confidence", *unlike)],
        [("outside", *mask), ("low_confidence", *mask)],
        [("outside", *nothing), ("absent", *nothing)],  # the first beyond the photograph
    ]
    rows = [
        {"specimen": f"s{number}", "structure": name, "measure": "area", "unit": "px2",
         "status": status, "value": value, "flags": flags}
        for number, of in enumerate(specimens)
        for name, (status, value, flags) in zip(("head", "legs"), of, strict=True)
    ]  # fmt: skip
    for cut in range(1, len(rows)):
        counts = Counts()
        counts.add(pa.Table.from_pylist(rows[:cut]))
        counts.add(pa.Table.from_pylist(rows[cut:]))
        cells = cells_of(counts)
        assert (cells["specimens_doubtful"], cells["specimens_unlike"]) == (3, 1)
