"""Which specimens are ranked first, why, and what is said to have changed between rounds."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam2pal.dataset.recalibration import Labelled, Recalibration
from sam2pal.dataset.rle import encode_mask, fingerprint
from sam2pal.io import tables
from sam2pal.review.changes import changes
from sam2pal.review.next import rank, standardised

STRUCTURES = ("elytra", "legs")
SIDE = 10


def square(side: int) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[:side, :side] = True
    return mask


def shard(
    path: Path, specimens: dict[str, tuple[float, float]], sides: dict[str, int] | None = None
) -> Path:
    """Write predictions: confidences of elytra and legs by specimen, the side of its square masks."""
    images: list[dict[str, Any]] = []
    annotations = []
    for number, (name, scores) in enumerate(specimens.items(), 1):
        likeness = 0.1 if name == "odd" else 0.8 + number / 100
        images.append(
            {"id": number, "file_name": f"{name}.png", "specimen": name, "path": f"p/{name}.png",
             "width": SIDE, "height": SIDE, "status": "ok", "view_score": likeness}
        )  # fmt: skip
        for category, score in enumerate(scores, 1):
            rle = encode_mask(square((sides or {}).get(name, 4)))
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, "category_id": category,
                 "segmentation": rle, "score": score, "source": "predicted"}
            )  # fmt: skip
    categories = [{"id": i, "name": name} for i, name in enumerate(STRUCTURES, 1)]
    path.parent.mkdir(parents=True, exist_ok=True)
    data = {"info": {"round": "r1"}, "images": images, "categories": categories}
    path.write_text(json.dumps(data | {"annotations": annotations}))
    return path


def said(path: Path, verdicts: list[dict[str, str]]) -> Any:
    from sam2pal.dataset.judged import Corrections

    categories = [{"id": i, "name": name} for i, name in enumerate(STRUCTURES, 1)]
    data = {"images": [], "categories": categories, "annotations": []}
    data["verdicts"] = [{"source": "predicted"} | one for one in verdicts]
    path.write_text(json.dumps(data))
    return Corrections(path)


SCORES = {
    "good": (0.9, 0.5), "fine": (0.92, 0.48), "odd": (0.91, 0.49), "poor elytra": (0.6, 0.5),
    "poor legs": (0.9, 0.3),
}  # fmt: skip


def test_low_confidence_is_low_for_its_structure(tmp_path: Path) -> None:
    found, specimens = rank([shard(tmp_path / "0001.json", SCORES)], 3)
    assert specimens == 5 and [row["rank"] for row in found] == [1, 2, 3]
    # by the plain mean 0.55 comes before 0.6 too, but 0.695, 0.7 and 0.7 say nothing
    assert {row["specimen"] for row in found[:2]} == {"poor elytra", "poor legs"}
    rows = {row["specimen"]: row for row in rank([tmp_path / "0001.json"], 9)[0]}
    assert rows["poor elytra"]["structure"] == "elytra" and rows["poor elytra"]["confidence"] == 0.6
    assert "low confidence for its structure: elytra 0.60" in rows["poor elytra"]["reason"]
    assert "unlike the templates: likeness 0.10" in rows["odd"]["reason"]
    # the squares lie in the corner of the photograph
    assert {row["state"] for row in rows.values()} == {"outside"}
    # that nothing is confirmed yet is said of none, as it is true of all
    assert rows["fine"]["reason"] == "lowest confidence of the others: legs 0.48"
    accepted = {"verdict": "accepted", "round": "r1", "judged": fingerprint(encode_mask(square(4)))}
    said_of = {"specimen": "odd", "structure": "legs"} | accepted
    corrections = said(tmp_path / "said.json", [said_of])
    (fine,) = [
        row
        for row in rank([tmp_path / "0001.json"], 9, corrections)[0]
        if row["specimen"] == "fine"
    ]
    assert fine["reason"].endswith("; no mask accepted or corrected yet of elytra")


def test_what_is_absent_has_no_confidence(tmp_path: Path) -> None:
    scores = SCORES | {"legless": (0.9, 0.0)}
    path = shard(tmp_path / "0001.json", scores)
    data = json.loads(path.read_text())
    data["annotations"][-1] |= {"segmentation": encode_mask(square(0)), "state": "absent"}
    path.write_text(json.dumps(data))
    first = rank([path], 1)[0][0]
    assert (first["specimen"], first["structure"], first["state"]) == ("legless", "legs", "absent")
    assert first["confidence"] is None
    assert first["reason"] == "low confidence for its structure: legs absent"


def test_what_a_person_said_comes_first_and_what_is_settled_not_at_all(tmp_path: Path) -> None:
    judged = fingerprint(encode_mask(square(4)))
    verdict = {"round": "r1", "judged": judged}
    corrections = said(
        tmp_path / "said.json",
        [
            {"specimen": "good", "structure": "legs", "verdict": "needs_correction"} | verdict,
            {"specimen": "poor legs", "structure": "legs", "verdict": "wrong_specimen"} | verdict,
            *({"specimen": "poor elytra", "structure": name, "verdict": "accepted"} | verdict
              for name in STRUCTURES),
        ],
    )  # fmt: skip
    found, _ = rank([shard(tmp_path / "0001.json", SCORES)], 9, corrections)
    assert [row["specimen"] for row in found][:1] == ["good"]
    assert {row["specimen"] for row in found} == {"good", "fine", "odd"}
    assert found[0]["structure"] == "legs"
    assert found[0]["reason"].startswith("legs: needs correction, as a person said")


def test_scores_are_standardised_by_structure() -> None:
    scores = np.array([[0.9, 0.2], [0.7, 0.2], [np.nan, 0.2]])
    found = standardised(scores)
    assert found[:2, 0] == pytest.approx([1, -1]) and np.isnan(found[2, 0])
    assert found[:, 1] == pytest.approx(0)


def test_what_changed_between_rounds_stands_first(tmp_path: Path) -> None:
    folders = tmp_path / "first", tmp_path / "second"
    sides = ({}, {"good": 2})
    for folder, of in zip(folders, sides, strict=True):
        shard(folder / "shards/0001.json", SCORES, of)
        with (folder / "evaluation.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("specimen", "structure", "iou"))
            rows.writerow(("good", "legs", 0.25 if of else 0.5))
            rows.writerow(("fine", "legs", ""))
        side = float(of.get("good", 4))
        measured = [
            ("length", side, "px", 1.9, 4.1, None, None),
            ("area", side**2, "px2", 12, 20, 13, 19),
        ]
        measured.append(("area", side**2 / 9, "mm2", None, None, None, None))
        ends = ("low_90", "high_90", "low_by_threshold", "high_by_threshold")
        keys = ("measure", "value", "unit", *ends)
        rows = [
            {"specimen": name, "structure": "legs", "verdict": verdict}
            | dict(zip(keys, row, strict=True))
            for name, verdict in (("good", ""), ("fine", "accepted"))
            for row in measured
        ]
        columns = dict.fromkeys(("specimen", "structure", "measure", "unit", "verdict"), str)
        table = tables.table(rows, columns | dict.fromkeys(("value", *ends), float))
        tables.write(table, folder / "morphometrics.parquet")
    shards = [sorted(folder.glob("shards/*.json")) for folder in folders]
    rows_ = changes("Aus", *shards, folders)
    assert [row["specimen"] for row in rows_[:2]] == ["good", "good"] and len(rows_) == 10
    legs = next(row for row in rows_ if row["structure"] == "legs")
    assert legs["overlap"] == 0.25 and (legs["iou_before"], legs["iou_after"]) == (0.5, 0.25)
    assert (legs["area_before_px"], legs["area_after_px"]) == (16, 4)
    assert (legs["measure"], legs["unit"], legs["ratio"]) == ("area", "px2", 0.25)
    assert legs["beyond_interval"] == "area"
    assert legs["state_before"] == legs["state_after"] == "outside"
    assert rows_[2]["overlap"] == 1 and rows_[2].get("measure") is None
    (fine,) = (row for row in rows_ if (row["specimen"], row["structure"]) == ("fine", "legs"))
    assert "measure" not in fine  # a person accepted another mask, which is measured


def test_shards_whose_photographs_are_all_gone_are_not_compared(
    tmp_path: Path, by_hand: Callable
) -> None:
    keys = ("genus", "round", "specimen", "structure", "measure", "unit", "verdict")
    keys = dict.fromkeys(keys, str)
    ends = ("low_90", "high_90", "low_by_threshold", "high_by_threshold")
    empty = tables.table([], keys | dict.fromkeys(("iou", "value", *ends), float))
    for name in ("first", "second"):
        shard(tmp_path / name / "shards/0001.json", SCORES)
        for table in ("evaluation.csv", "morphometrics.parquet"):
            tables.write(empty, tmp_path / name / table)
    shard(tmp_path / "first/shards/0002.json", {"gone": (0.5, 0.5)})  # from before they went
    words = ["--genus", "Aus", "--before", tmp_path / "first", "--after", tmp_path / "second"]
    words += ["--output", tmp_path / "changes.csv"]
    assert "do not have the same shards" in by_hand("compare_masks", *words).err
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/0001.tsv").touch()
    assert by_hand("compare_masks", *words).code == 0
    with (tmp_path / "changes.csv").open(encoding="utf-8", newline="") as file:
        assert {row["specimen"] for row in csv.DictReader(file)} == set(SCORES)


def test_confidences_of_both_rounds_are_moved_by_what_was_judged_of_each(tmp_path: Path) -> None:
    folders = tmp_path / "first", tmp_path / "second"
    for folder, given in zip(folders, (0.5, 0.9), strict=True):
        path = shard(folder / "shards/0001.json", SCORES)
        data = json.loads(path.read_text())
        for annotation in data["annotations"]:
            annotation |= {"confidence": {"unadapted": given}}
        path.write_text(json.dumps(data))
        keys = dict.fromkeys(("specimen", "structure", "measure", "unit", "verdict"), str)
        ends = ("low_90", "high_90", "low_by_threshold", "high_by_threshold")
        empty = tables.table([], keys | dict.fromkeys(("iou", "value", *ends), float))
        for name in ("evaluation.csv", "morphometrics.parquet"):
            tables.write(empty, folder / name)
    judged = {"round": "r1", "judged": fingerprint(encode_mask(square(4))), "verdict": "rejected"}
    corrections = said(tmp_path / "said.json", [{"specimen": "good", "structure": "legs"} | judged])
    shards = [sorted(folder.glob("shards/*.json")) for folder in folders]
    rows = changes("Aus", *shards, folders, corrections)
    assert len(rows) == 10
    for row in rows:
        for when, given in (("before", 0.5), ("after", 0.9)):
            moved = Recalibration.learn([Labelled("legs", given, False)])(row["structure"], given)
            assert row[f"confidence_{when}"] == pytest.approx(moved) and moved < given
