"""Rows, statuses and messages of evaluation, on small COCO files made here."""

import csv
import json
import sys

import numpy as np
import pandas as pd
import pytest
from pycocotools import mask as coco_mask

import evaluate
from sam2pal.config.evaluation import EvaluationOptions
from sam2pal.dataset.dataset import Dataset
from sam2pal.dataset.matching import match
from sam2pal.dataset.rle import encode_mask
from sam2pal.evaluation.columns import COLUMNS
from sam2pal.evaluation.evaluation import Evaluation, Scope
from sam2pal.evaluation.pair import evaluate_pair
from sam2pal.io.errors import InputError

# pycocotools' own call of numpy
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

HEIGHT, WIDTH = 48, 64
STRUCTURES = ("head", "legs")


def box(top, left, height=12, width=16):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[top : top + height, left : left + width] = True
    return mask


EMPTY = np.zeros((HEIGHT, WIDTH), bool)
TRUTH = {
    "a": {"head": box(5, 5), "legs": box(20, 20)},
    "b": {"head": box(6, 8), "legs": EMPTY},
    "c": {"head": box(9, 9)},  # legs are not annotated
    "d": {"head": EMPTY, "legs": box(2, 2)},
    "t": {"head": box(1, 1), "legs": box(30, 30)},
    "unseen": {"head": box(1, 1)},
}
PREDICTED = {
    "a": {"head": box(5, 7), "legs": box(20, 20)},
    "b": {"head": EMPTY, "legs": EMPTY},
    "c": {"head": box(9, 9), "legs": box(3, 3)},
    "d": {"head": box(2, 2), "legs": box(2, 2)},
    "t": {"head": box(1, 1), "legs": box(30, 30)},
    "new": {"head": box(1, 1), "legs": EMPTY},
}


def write(path, masks, structures=STRUCTURES, suffix=".jpg", drawn=(), extra=(), **annotation):
    """A COCO file; specimens in `drawn` have drawn masks, `extra` are further images."""
    images, annotations = [], []
    for specimen, of_specimen in masks.items():
        image = {"id": len(images) + 1, "file_name": specimen + suffix}
        images.append(image | {"height": HEIGHT, "width": WIDTH, "specimen": specimen})
        for name, mask in of_specimen.items():
            entry = {"id": len(annotations) + 1, "image_id": image["id"]}
            entry |= {"category_id": structures.index(name) + 1}
            entry |= {"segmentation": encode_mask(mask), "area": int(mask.sum())}
            if specimen in drawn:
                entry["source"] = "drawn"
            annotations.append(entry | annotation)
    images += [{"id": len(images) + 1 + i, **image} for i, image in enumerate(extra)]
    categories = [{"id": i, "name": name} for i, name in enumerate(structures, start=1)]
    data = {"images": images, "annotations": annotations, "categories": categories}
    data["info"] = {"genus": "Formica", "round": "trained"}
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


@pytest.fixture
def files(tmp_path):
    confidence = {"predicted_iou": 0.8, "object_score": -2.5, "steadiness": None}
    truth = write(tmp_path / "truth.json", TRUTH)
    first = {name: PREDICTED[name] for name in ("a", "b", "c")}
    second = {name: PREDICTED[name] for name in ("d", "t", "new")}
    signals = {"score": 0.75, "confidence": confidence, "flags": ["border", "specks"]}
    broken = [
        {"file_name": "x.jpg", "status": "unreadable", "reason": "truncated"},
        {"file_name": "y.jpg", "status": "no_specimen", "reason": "no specimen found"},
        {"file_name": "a.png", "status": "duplicate", "reason": "a.jpg is kept"},
    ]
    shards = [
        write(tmp_path / "0000.json", first, **signals),
        write(tmp_path / "0001.json", second, drawn=("t",), extra=broken, **signals),
    ]
    return truth, shards


def rows_of(evaluation):
    return {(row["specimen"], row["structure"]): row for row in evaluation.rows()}


def test_statuses_and_measures(files):
    truth, shards = files
    evaluation = Evaluation(shards, Dataset(truth))
    rows = rows_of(evaluation)
    assert {key: row["status"] for key, row in rows.items()} == {
        ("a", "head"): "scored",
        ("a", "legs"): "scored",
        ("b", "head"): "missed",
        ("b", "legs"): "absent_both",
        ("c", "head"): "scored",
        ("c", "legs"): "unannotated",
        ("d", "head"): "false_positive",
        ("d", "legs"): "scored",
        ("t", "head"): "template",
        ("t", "legs"): "template",
        ("new", "head"): "no_truth",
        ("new", "legs"): "no_truth",
        ("x", "head"): "unreadable",
        ("x", "legs"): "unreadable",
        ("y", "head"): "no_specimen",
        ("y", "legs"): "no_specimen",
        ("unseen", "head"): "no_prediction",
        ("unseen", "legs"): "no_prediction",
    }
    row = rows["a", "head"]
    expected = evaluate_pair(PREDICTED["a"]["head"], TRUTH["a"]["head"], 0.008)
    assert {key: row[key] for key in expected} == expected
    assert row["iou"] == pytest.approx(14 / 18)
    assert (row["genus"], row["round"], row["source"]) == ("Formica", "trained", "predicted")
    assert (row["confidence"], row["predicted_iou"], row["object_score"]) == (0.75, 0.8, -2.5)
    assert row["steadiness"] is None and row["flags"] == "border;specks"
    assert rows["b", "head"]["iou"] == 0 and np.isnan(rows["b", "head"]["precision"])
    assert np.isnan(rows["d", "head"]["iou"]) and rows["d", "head"]["predicted_area_px"] == 192
    assert rows["c", "legs"]["predicted_area_px"] == 192 and "iou" not in rows["c", "legs"]
    assert rows["t", "head"]["source"] == "drawn" and "iou" not in rows["t", "head"]
    assert rows["x", "head"]["reason"] == "truncated"
    notes = "\n".join(evaluation.notes)
    assert "without truth: 3 (new, x, y)" in notes
    assert "without a prediction: 1 (unseen)" in notes
    assert "duplicates, without rows: 1 (a)" in notes


def test_unannotated_may_mean_absent(files):
    truth, shards = files
    options = EvaluationOptions(unannotated="absent")
    rows = rows_of(Evaluation(shards, Dataset(truth), options=options))
    assert rows["c", "legs"]["status"] == "false_positive"


def test_a_templates_file_keeps_its_specimens_from_being_scored(files, tmp_path):
    truth, shards = files
    # a template that lacks a structure is not scored for that structure either
    templates = write(tmp_path / "templates.json", {"a": {"head": TRUTH["a"]["head"]}, "q": {}})
    evaluation = Evaluation(shards, Dataset(truth), Dataset(templates))
    rows = rows_of(evaluation)
    assert rows["a", "head"]["status"] == rows["a", "legs"]["status"] == "template"
    assert "templates that are not among the specimens: 1 (q)" in evaluation.notes
    assert "templates, not scored: 1 (a)" in evaluation.notes


def test_several_pieces_and_polygons_are_united(tmp_path):
    truth = write(tmp_path / "truth.json", {"a": {"head": box(2, 2, 40, 50)}})
    predicted = write(tmp_path / "predicted.json", {"a": {"head": box(2, 2, 40, 20)}})
    data = json.loads(predicted.read_text())
    second = data["annotations"][0] | {"id": 2}
    second["segmentation"] = [[22, 2, 52, 2, 52, 42, 22, 42], [0, 0, 2, 0, 2, 2, 0, 2]]
    data["annotations"].append(second)
    predicted.write_text(json.dumps(data))
    polygons = coco_mask.decode(
        coco_mask.merge(coco_mask.frPyObjects(second["segmentation"], HEIGHT, WIDTH))
    )
    united = box(2, 2, 40, 20) | polygons.astype(bool)
    rows = rows_of(Evaluation([predicted], Dataset(truth)))
    row = rows["a", "head"]
    assert row["predicted_area_px"] == united.sum()
    assert row["iou"] == pytest.approx((united & box(2, 2, 40, 50)).sum() / united.sum())
    # uncompressed counts, column by column
    data["annotations"][1]["segmentation"] = {
        "size": [HEIGHT, WIDTH],
        "counts": [HEIGHT * 22, HEIGHT * 30, HEIGHT * 12],
    }
    predicted.write_text(json.dumps(data))
    columns = box(2, 2, 40, 20) | box(0, 22, HEIGHT, 30)
    assert (
        rows_of(Evaluation([predicted], Dataset(truth)))["a", "head"]["predicted_area_px"]
        == columns.sum()
    )


def test_coco_results_without_images(files, tmp_path):
    truth, _ = files
    data = json.loads(truth.read_text())
    results = [
        {"image_id": 1, "category_id": 1, "score": s, "segmentation": encode_mask(m)}
        for s, m in ((0.4, box(5, 5, 12, 8)), (0.9, box(5, 13, 12, 8)))
    ]
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results))
    rows = rows_of(Evaluation([path], Dataset(truth)))
    assert rows["a", "head"]["iou"] == 1 and rows["a", "head"]["confidence"] == 0.9
    assert rows["c", "head"]["status"] == "missed"
    assert len(rows) == len(data["images"]) * 2


@pytest.mark.parametrize(
    ("names", "others", "expected"),
    [
        (["a", "b"], ["b", "c"], {"b": "b"}),
        (["0040"], ["ants/0040"], {"0040": "ants/0040"}),
        (["ants/0040"], ["0040"], {"ants/0040": "0040"}),
        (["ants/0040"], ["bees/0040"], {}),
        (["10040"], ["0040"], {}),
        (["0040", "ants/0040"], ["0040"], {"0040": "0040"}),
        (["K\u00e4fer", "a/O\u0308"], ["Ka\u0308fer", "\u00d6"],
         {"K\u00e4fer": "Ka\u0308fer", "a/O\u0308": "\u00d6"}),
    ],
)  # fmt: skip
def test_match(names, others, expected):
    assert match(names, others, "files") == expected


@pytest.mark.parametrize(("names", "others"), [(["1"], ["a/1", "b/1"]), (["a/1", "b/1"], ["1"])])
def test_ambiguous_names_are_refused(names, others):
    with pytest.raises(InputError, match="could be .*same names, with their folders"):
        match(names, others, "A.json and B.json")


def test_names_of_specimens(tmp_path):
    data = {"categories": [], "annotations": []}
    data["images"] = [{"id": 1, "file_name": "pinned\\A 1.v2.JPG"}, {"id": 2, "file_name": "./b"}]
    path = tmp_path / "x.json"
    path.write_text(json.dumps(data))
    assert list(Dataset(path).by_specimen()) == ["pinned/A 1.v2", "b"]


def change(path, edit):
    data = json.loads(path.read_text())
    edit(data)
    path.write_text(json.dumps(data))


def transpose(data):
    data["images"][0] |= {"height": WIDTH, "width": HEIGHT}


def resize(data):
    for image in data["images"]:
        del image["height"], image["width"]
    data["annotations"][0]["segmentation"] = encode_mask(np.ones((10, 10), bool))


def damage(data):
    data["annotations"][0]["segmentation"]["counts"] = "zz"


def drop_segmentation(data):
    data["annotations"][0]["segmentation"] = None


def odd_polygon(data):
    data["annotations"][0]["segmentation"] = [[1, 2, 3, 4, 5]]


def repeat_specimen(data):
    data["images"][1]["specimen"] = "a"


def rename_structures(data):
    for category in data["categories"]:
        category["name"] = category["name"].upper()


@pytest.mark.parametrize(
    ("which", "edit", "message"),
    [
        ("truth", transpose, r"specimen 'a'.*48 x 64.*EXIF orientation"),
        ("truth", resize, r"specimen 'a'.*64 x 48 pixels.*10 x 10"),
        ("prediction", damage, r"0000.json: specimen 'a', structure 'head': damaged mask"),
        (
            "truth",
            drop_segmentation,
            r"truth.json: specimen 'a', structure 'head'.*no segmentation",
        ),
        ("truth", odd_polygon, r"specimen 'a', structure 'head': .*a polygon of 5 numbers"),
        ("truth", repeat_specimen, r"truth.json: images 1 and 2 are both the specimen 'a'"),
        ("truth", rename_structures, r"no structure in common: head, legs against HEAD, LEGS"),
    ],
)
def test_bad_files_name_the_specimen(files, which, edit, message):
    truth, shards = files
    change(truth if which == "truth" else shards[0], edit)
    with pytest.raises(InputError, match=message):
        rows_of(Evaluation(shards, Dataset(truth)))


def test_a_specimen_in_two_files_is_refused(files):
    truth, shards = files
    with pytest.raises(InputError, match="'a' is in both"):
        Evaluation([*shards, shards[0]], Dataset(truth))


def test_structures_and_categories_can_be_chosen(files, tmp_path):
    truth, shards = files
    rows = rows_of(Evaluation(shards, Dataset(truth), scope=Scope(["legs"])))
    assert {structure for _, structure in rows} == {"legs"}
    with pytest.raises(InputError, match="no structure 'scape'; it has head, legs"):
        Evaluation(shards, Dataset(truth), scope=Scope(["scape"]))
    with pytest.raises(InputError, match=r"no category 7; it has 1 \(head\), 2 \(legs\)"):
        Evaluation(shards, Dataset(truth), scope=Scope(category_ids=[7]))
    change(truth, rename_structures)
    evaluation = Evaluation(shards, Dataset(truth), scope=Scope(category_ids=[1]))
    assert rows_of(evaluation)["a", "HEAD"]["iou"] == pytest.approx(14 / 18)
    assert any("'HEAD' in the truth and 'head' in the predictions" in n for n in evaluation.notes)


def test_structures_only_one_file_has_are_named(files):
    truth, shards = files
    change(truth, lambda data: data["categories"].append({"id": 3, "name": "wings"}))
    change(truth, lambda data: data["categories"][1].update(name="tarsi"))
    evaluation = Evaluation(shards, Dataset(truth))
    assert "only in the truth, not scored: 2 (tarsi, wings)" in evaluation.notes
    assert "predicted but not in the truth, not scored: 1 (legs)" in evaluation.notes
    assert rows_of(evaluation)["a", "legs"]["status"] == "unannotated"


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["evaluate.py", *map(str, arguments)])
    evaluate.main()


def test_the_table_on_disk(files, tmp_path, monkeypatch, capsys):
    truth, shards = files
    table = tmp_path / "specimens.tsv"
    table.write_text("genus\tspecimen\tcatalogue\nFormica\ta\t00123\n")
    out = [tmp_path / "evaluation.csv", tmp_path / "evaluation.parquet"]
    arguments = ["--truth", truth, "--predictions", *shards, "--specimen-table", table]
    run(monkeypatch, *arguments, "--round", "r2", "--output", *out)
    with out[0].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == (*COLUMNS, "catalogue")
    assert len(rows) == 18
    names = ["a", "b", "c", "d", "t", "new", "x", "y", "unseen"]
    assert [row["specimen"] for row in rows[::2]] == names
    assert rows[0]["iou"] == "0.777778" and rows[0]["catalogue"] == "00123"
    assert {row["round"] for row in rows} == {"r2"}
    assert rows[2]["hd95_px"] == "" and rows[2]["predicted_area_px"] == "0"
    frame = pd.read_parquet(out[1])
    assert frame["iou"].dtype == float and frame["catalogue"].tolist()[:3] == ["00123", "00123", ""]
    assert [f"{x:g}" if x == x else "" for x in frame["iou"]] == [
        f"{float(row['iou']):g}" if row["iou"] else "" for row in rows
    ]
    before = [path.read_bytes() for path in out]
    run(monkeypatch, *arguments, "--round", "r2", "--output", *out)
    assert [path.read_bytes() for path in out] == before
    text = capsys.readouterr().out
    assert "Scores of Formica round r2" in text and "wrongly found" in text


def test_both_spellings_and_no_output(files, monkeypatch, capsys):
    truth, shards = files
    texts = []
    for flag in ("--category_id", "--category-id"):
        run(monkeypatch, "--truth", truth, "--predictions", shards[0], flag, 1)
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]
    assert "head       3  0.593" in texts[0] and "legs" not in texts[0]


def test_a_mistake_has_no_traceback(files, by_hand):
    truth, shards = files
    given = ("--truth", truth, "--predictions", shards[0], "--structure", "x")
    wrong = by_hand("evaluate", *given)
    assert wrong.code == 1
    assert wrong.err == f"error: {shards[0]}: no structure 'x'; it has head, legs\n"


def test_without_truth_nothing_is_scored(files, tmp_path, monkeypatch, capsys):
    _, shards = files
    out = tmp_path / "evaluation.csv"
    run(monkeypatch, "--predictions", *shards, "--output", out)
    with out.open(newline="") as file:
        statuses = {row["status"] for row in csv.DictReader(file)}
    assert statuses == {"no_truth", "template", "unreadable", "no_specimen"}
    assert "none, there is nothing to compare with" in capsys.readouterr().out


def test_real_truth_agrees_with_itself_and_with_pycocotools(carabidae):
    truth = carabidae / "pinned" / "annotations.json"
    templates = carabidae / "pinned" / "templates_1.json"
    rows = rows_of(Evaluation([truth], Dataset(truth), Dataset(templates)))
    assert {row["status"] for row in rows.values()} == {"scored", "template", "unannotated"}
    scored = [row for row in rows.values() if row["status"] == "scored"]
    assert all(row["iou"] == row["boundary_f"] == 1 and row["hd95_px"] == 0 for row in scored)
    assert sum(row["status"] == "template" for row in rows.values()) == 5
    data = json.loads(truth.read_text())
    areas = {
        (image["file_name"][:-4], category["name"]): annotation["area"]
        for annotation in data["annotations"]
        for image in data["images"]
        for category in data["categories"]
        if (image["id"], category["id"]) == (annotation["image_id"], annotation["category_id"])
    }
    assert all(row["truth_area_px"] == areas[row["specimen"], row["structure"]] for row in scored)
