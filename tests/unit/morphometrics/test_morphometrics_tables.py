"""From COCO files to tables: statuses, flags, scales, intervals, specimen tables, summaries, figures."""

import dataclasses
import json
import math
import re
import sys
import tracemalloc

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from morphometric_shapes import annotated, ellipse
from PIL import Image

import measure
import plot_morphometrics
import summarize_morphometrics
from sam2pal.config.measurement import MeasurementOptions
from sam2pal.dataset.files import categories as coco_categories
from sam2pal.dataset.files import write
from sam2pal.dataset.manifest import Specimen, write_list
from sam2pal.dataset.rle import encode_mask
from sam2pal.io import tables
from sam2pal.io.errors import InputError
from sam2pal.morphometrics.geometry.shape import Shape
from sam2pal.morphometrics.measures.calibrated import TRAINED, UNTRAINED, calibrated
from sam2pal.morphometrics.measures.dictionary import FLAGS, MEASURES
from sam2pal.morphometrics.measures.indices import parse_index
from sam2pal.morphometrics.measures.intervals import intervals
from sam2pal.morphometrics.measures.scale import Scale
from sam2pal.morphometrics.measures.specimen import Measuring, SpecimenMasks
from sam2pal.morphometrics.tables import genus, plots
from sam2pal.morphometrics.tables.columns import COLUMNS
from sam2pal.morphometrics.tables.concordance import PAIR_COLUMNS
from sam2pal.morphometrics.tables.genus import GenusShards
from sam2pal.morphometrics.tables.summary import Summary, confirmed_only

STRUCTURES = ("head", "trunk", "antennae")
SIZE = (150, 200)  # height, width


def put(mask, centre):
    """A mask in the middle of a photograph."""
    whole = np.zeros(SIZE, bool)
    top, left = centre[1] - mask.shape[0] // 2, centre[0] - mask.shape[1] // 2
    rows, columns = (
        slice(max(top, 0), top + mask.shape[0]),
        slice(max(left, 0), left + mask.shape[1]),
    )
    part = whole[rows, columns]
    part |= mask[max(-top, 0) :, max(-left, 0) :][: part.shape[0], : part.shape[1]]
    return whole


def beetle(scale=1.0):
    """An animal that lies along the rows: head 40 x 20 pixels across it, trunk 100 x 50 along it."""
    head = put(ellipse(40 * scale, math.pi / 2)[0], (35, 75))
    trunk = put(ellipse(100 * scale)[0], (105, 75))
    antennae = np.zeros(SIZE, bool)
    antennae[30:34, 10:50] = antennae[116:120, 10:50] = True
    return {"head": head, "trunk": trunk & ~head, "antennae": antennae}


def entry(specimen, masks, folder=None, **keys):
    """An image and its annotations, ids left out."""
    image = {"file_name": f"{specimen}.png", "specimen": specimen, "status": "ok", "reason": ""}
    image |= {"width": SIZE[1], "height": SIZE[0], "path": f"{folder}/{specimen}.png"}
    annotations = []
    for name, mask in masks.items():
        rle = encode_mask(mask)
        area = int(mask.sum())
        annotations.append(
            {"category_id": STRUCTURES.index(name) + 1, "segmentation": rle, "iscrowd": 0}
            | {"area": area, "source": "predicted", "score": 0.9, "flags": [], **keys}
            | {"confidence": {"predicted_iou": 0.8, "object_score": 0.95, "steadiness": None}}
            | {"areas": {"0.25": area + 60, "0.5": area, "0.75": area - 30}}
        )
    return image, annotations


def shard(path, entries, genus="Formica", round_="trained"):
    images, annotations = [], []
    for number, (image, of) in enumerate(entries, 1):
        images.append({"id": number, **image})
        for annotation in of:
            annotations.append({"id": len(annotations) + 1, "image_id": number, **annotation})
    write(
        path,
        {
            "info": {"genus": genus, "round": round_, "description": "drawn for a test"},
            "images": images,
            "annotations": annotations,
            "categories": coco_categories(STRUCTURES),
        },
    )
    return str(path)


@pytest.fixture
def project(tmp_path):
    """Two shards of five specimens, their photographs and a specimen table."""
    for name, grey in (("a", 60), ("b", 200), ("c", 120)):
        pixels = np.full((*SIZE, 3), 20, np.uint8)
        pixels[beetle()["trunk"]] = (grey, grey // 2, 30)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    missing = beetle() | {"antennae": np.zeros(SIZE, bool)}
    low = entry("b", beetle(), tmp_path)
    low[1][0]["score"] = 0.2
    unreadable = ({"file_name": "d.png", "specimen": "d", "status": "unreadable"}, [])
    unreadable[0].update(reason="cut off", width=0, height=0)
    copy = ({**unreadable[0], "file_name": "a.jpg", "specimen": "a", "status": "duplicate"}, [])
    one = shard(tmp_path / "0000.json", [entry("a", beetle(), tmp_path), low])
    two = shard(tmp_path / "0001.json", [entry("c", missing, tmp_path), unreadable, copy])
    (tmp_path / "specimens.csv").write_text(
        "genus,specimen,species,ac:scaleConversionFactor\n"
        "Formica,a,rufa,100\nFormica,b,rufa,\nFormica,z,rufa,50\nLasius,a,niger,5\n"
    )
    return tmp_path, [one, two]


def options_file(folder, **sections):
    """A file for --options."""
    path = folder / "options.json"
    path.write_text(json.dumps(sections))
    return path


def run(script, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", [script.__name__, *map(str, arguments)])
    script.main()


OPTIONS = {
    "curved": ["antennae"],
    "body": ["head", "trunk"],
    "indices": {
        "cephalic_index": "100 * head.width / head.length",
        "size": "sqrt(head.length * head.width)",
        "antennal_index": "antennae.length / head.width",
    },
}


def test_measure_writes_every_row(project, monkeypatch, capsys):
    folder, shards = project
    run(
        measure, monkeypatch, "--predictions", *shards, "--options",
        options_file(folder, measurement=OPTIONS),
        "--specimen-table", folder / "specimens.csv", "--output", folder / "m.csv",
        folder / "m.parquet", "--wide", folder / "w.csv", folder / "w.parquet",
        "--dictionary", folder / "measures.tsv",
    )  # fmt: skip
    table = tables.to_pandas(tables.read(folder / "m.csv", COLUMNS))
    assert list(table.columns) == [*COLUMNS, "species", "ac:scaleConversionFactor"]
    pd.testing.assert_frame_equal(
        table, pd.read_parquet(folder / "m.parquet"), check_dtype=False, check_column_type=False
    )
    assert (table["genus"] == "Formica").all() and (table["round"] == "trained").all()
    assert list(dict.fromkeys(table["specimen"])) == ["a", "b", "c", "d"]
    counts = table.groupby("specimen").size()
    assert counts.nunique() == 1  # every specimen has all rows
    rows = table.set_index(["specimen", "structure", "measure", "unit"])
    assert rows.index.is_unique

    def value(*key):
        return rows.loc[key, "value"]

    # 10 pixels per millimetre, from 100 pixels per centimetre
    assert value("a", "head", "length", "px") == pytest.approx(20, rel=0.03)
    assert value("a", "head", "length", "mm") == pytest.approx(2, rel=0.03)
    assert value("a", "head", "width", "mm") == pytest.approx(4, rel=0.02)
    assert value("a", "trunk", "area", "mm2") == value("a", "trunk", "area", "px2") / 100
    assert value("a", "antennae", "length", "px") == pytest.approx(40, rel=0.03)
    assert value("a", "antennae", "medial_length_total", "px") == pytest.approx(80, rel=0.03)
    assert value("a", "antennae", "width", "px") == pytest.approx(4, abs=0.3)
    assert value("a", "specimen", "length", "px") == pytest.approx(130, rel=0.01)
    assert value("a", "specimen", "width", "px") == pytest.approx(50, rel=0.01)
    assert abs(value("a", "specimen", "orientation", "degree")) < 1
    assert value("a", "head", "angle_to_body", "degree") == pytest.approx(90, abs=1)
    head = rows.loc["a"].loc["head"]["value"]
    assert value("a", "specimen", "cephalic_index", "1") == pytest.approx(
        100 * head.loc["width", "px"] / head.loc["length", "px"]
    )
    size = math.sqrt(head.loc["width", "px"] * head.loc["length", "px"])
    assert value("a", "specimen", "size", "px") == pytest.approx(size)
    assert value("a", "specimen", "size", "mm") == pytest.approx(size / 10)

    # no scale, no millimetres
    of_b = table[table["specimen"] == "b"]
    assert of_b.loc[of_b["unit"].str.startswith("mm"), "value"].isna().all()
    assert of_b.loc[of_b["unit"] == "px", "value"].notna().all()
    # statuses
    states = table.drop_duplicates(["specimen", "structure"]).set_index(["specimen", "structure"])
    assert states.loc[("b", "head"), "status"] == "low_confidence"
    assert states.loc[("b", "head"), "flags"] == "low_confidence"
    assert rows.loc[("b", "head", "length", "px"), "value"] > 0
    assert states.loc[("b", "trunk"), "status"] == "measured"
    assert states.loc[("c", "antennae"), "status"] == "absent"
    assert (states.loc["d"]["status"] == "unreadable").all()
    assert rows.loc["d"]["value"].isna().all() and (rows.loc["d"]["reason"] == "cut off").all()
    index = rows.loc[("c", "specimen", "antennal_index", "1")]
    assert np.isnan(index["value"]) and index["status"] == "absent"
    assert rows.loc[("b", "specimen", "cephalic_index", "1"), "status"] == "low_confidence"
    signals = rows.loc[("a", "head", "length", "px")]
    assert [signals[s] for s in ("confidence", "predicted_iou", "object_score")] == [0.9, 0.8, 0.95]
    # colour: the trunk of a is (60, 30, 30)
    from skimage.color import rgb2lab

    lab = rgb2lab(np.array([[[60, 30, 30]]], np.uint8))[0, 0]
    found = [value("a", "trunk", f"lab_{axis}", "CIELAB") for axis in "lab"]
    assert found == pytest.approx(lab, abs=0.02)
    assert value("a", "trunk", "lab_l_sd", "CIELAB") == pytest.approx(0, abs=1e-3)
    # the specimen table
    assert (table.loc[table["specimen"] == "a", "species"] == "rufa").all()
    assert (table.loc[table["specimen"] == "c", "species"] == "").all()

    said = capsys.readouterr().out
    assert "4 specimens" in said
    assert "antennae: 1 absent, 2 measured, 1 unreadable" in said
    assert "1 unreadable photographs:\n  d: cut off" in said
    assert "1 duplicates, not measured:" in said
    assert "2 specimens without a row in" in said and "\n  c\n  d" in said
    assert "1 rows of" in said and said.rstrip().endswith("z")

    wide = pd.read_csv(folder / "w.csv", keep_default_na=False, na_values={"a": [""]})
    assert list(wide["specimen"]) == ["a", "b", "c", "d"]
    assert float(wide["head.length_px"][0]) == value("a", "head", "length", "px")
    assert wide["antennae.status"][2] == "absent" and wide["antennae.length_px"][2] == ""
    assert float(wide["size_mm"][0]) == value("a", "specimen", "size", "mm")
    assert wide.columns[-1] == "ac:scaleConversionFactor"
    parquet = pd.read_parquet(folder / "w.parquet")
    assert list(parquet.columns) == list(wide.columns)
    assert parquet["head.length_px"].dtype == float and parquet["head.length_px"].isna().sum() == 1

    dictionary = pd.read_csv(folder / "measures.tsv", sep="\t", keep_default_na=False)
    known = set(zip(dictionary["name"], dictionary["unit"], strict=True))
    for kind, names in (("column", COLUMNS), ("flag", FLAGS)):
        assert list(dictionary["name"][dictionary["kind"] == kind]) == list(names)
    assert set(table["status"]) <= set(dictionary["name"][dictionary["kind"] == "status"])
    pairs = table[["measure", "unit"]].drop_duplicates().itertuples(index=False, name=None)
    assert set(pairs) <= known
    assert (dictionary["definition"].str.len() > 0).all()
    lengths = dictionary[(dictionary["name"] == "length") & (dictionary["unit"] == "px")]
    assert "medial_length of antennae" in lengths["definition"].iloc[0]
    assert "body_length of head, trunk" in lengths["definition"].iloc[0]


def test_the_same_bytes_again(project, monkeypatch):
    folder, shards = project
    for name in ("one", "two"):
        run(
            measure, monkeypatch, "--predictions", *shards, "--output", folder / f"{name}.csv",
            folder / f"{name}.parquet", "--wide", folder / f"{name}-wide.csv",
            "--dictionary", folder / f"{name}.tsv", "--pixels-per-mm", 25,
        )  # fmt: skip
    for ending in (".csv", ".parquet", "-wide.csv", ".tsv"):
        assert (folder / f"one{ending}").read_bytes() == (folder / f"two{ending}").read_bytes()
    table = tables.to_pandas(tables.read(folder / "one.csv", COLUMNS))
    scales = table[table["specimen"] == "b"]
    assert (scales["pixels_per_mm"] == 25).all() and (scales["scale_source"] == "genus").all()


def test_templates_are_measured_as_drawn_and_set_the_range(project, monkeypatch):
    folder, shards = project
    bigger = beetle(1.1)
    image, annotations = entry("a", {"head": bigger["head"], "trunk": bigger["trunk"]}, folder)
    for annotation in annotations:
        for key in ("score", "confidence", "areas", "flags"):
            del annotation[key]
        annotation["source"] = "drawn"
    templates = shard(folder / "templates.json", [(image, annotations)])
    torn = beetle()
    torn["trunk"][:, 104:107] = False  # in two pieces
    torn["head"][70:] = False  # half a head
    more = shard(folder / "0002.json", [entry("e", torn, folder)])
    options = OPTIONS | {"colour": False}
    run(
        measure, monkeypatch, "--predictions", *shards, more, "--templates", templates,
        "--output", folder / "m.csv", "--options",
        options_file(folder, measurement=options),
    )  # fmt: skip
    rows = tables.to_pandas(tables.read(folder / "m.csv", COLUMNS)).set_index(
        ["specimen", "structure", "measure", "unit"]
    )
    head = rows.loc[("a", "head", "width", "px")]
    assert head["source"] == "drawn"
    assert head["value"] == pytest.approx(44, rel=0.02)
    assert math.isnan(head["low_by_threshold"]) and math.isnan(head["confidence"])
    assert rows.loc[("a", "antennae", "length", "px"), "source"] == "predicted"
    assert rows.loc[("c", "head", "width", "px"), "flags"] == ""
    assert rows.loc[("e", "head", "width", "px"), "flags"] == "unlike_templates"
    assert "fragments" in rows.loc[("e", "trunk", "width", "px"), "flags"]
    assert rows.loc[("a", "specimen", "length", "px"), "source"] == "drawn"
    assert not any(name.startswith("lab_") for name in rows.index.get_level_values("measure"))


def test_a_template_of_another_folder_is_not_the_specimen_of_its_name(project, monkeypatch):
    folder, shards = project
    (folder / "others").mkdir()
    Image.new("RGB", SIZE[::-1], "white").save(folder / "others/a.png")  # as large
    image, annotations = entry("a", beetle(1.1), folder / "others", source="drawn")
    templates = shard(folder / "templates.json", [(image, annotations)])

    def sources():
        run(
            measure, monkeypatch, "--predictions", *shards, "--templates", templates,
            "--output", folder / "m.csv", "--options", options_file(folder),
        )  # fmt: skip
        rows = tables.to_pandas(tables.read(folder / "m.csv", COLUMNS))
        return set(rows["source"][(rows["specimen"] == "a") & (rows["structure"] == "head")])

    assert sources() == {"predicted"}
    (folder / "others/a.png").write_bytes((folder / "a.png").read_bytes())
    assert sources() == {"drawn"}
    (folder / "others/a.png").unlink()  # the name alone can tell
    assert sources() == {"drawn"}


def one(masks, options=None, **keys):
    """Measure one specimen that is made of masks."""
    options = options or MeasurementOptions(colour=False)
    drawn = {name: annotated(mask, **keys) for name, mask in masks.items()}
    measuring = Measuring(STRUCTURES, options)
    return measuring.measure([SpecimenMasks("a", drawn, Scale())])[0].structures


def test_flags():
    masks = beetle()
    masks["trunk"][:, -2:] |= masks["trunk"][:, 100:102]
    masks["head"][5, 5] = True
    found = one(masks)
    assert found["trunk"].flags == ["touches_border"]
    assert found["head"].flags == ["specks"]
    assert found["head"].values["parts"] == 1
    assert found["antennae"].flags == []
    assert found["specimen"].flags == ["touches_border"]
    # what may be cut off keeps its values, and says so
    assert found["trunk"].status == found["specimen"].status == "outside"
    assert found["trunk"].values["length"] > 0 and found["trunk"].state == "outside"
    assert found["head"].status == "measured" and found["head"].state == "found"


def test_a_speck_neither_counts_nor_turns_the_body_axis():
    y, x = np.mgrid[:400, :400]
    body = ((x - 150) / 100) ** 2 + ((y - 150) / 33) ** 2 <= 1
    body[150, 100] = False  # a hole stays one
    dusty = body | ((x - 380) ** 2 + (y - 380) ** 2 <= 25)
    clean, found = one({"head": body}), one({"head": dusty})
    assert "specks" in found["head"].flags
    for name in ("head", "specimen"):
        assert found[name].values == clean[name].values
    assert found["specimen"].values["area"] == body.sum()


def test_what_a_person_said_of_a_structure_without_a_mask():
    nothing = np.zeros((40, 40), bool)
    for why in ("hidden", "outside", "absent"):
        found = one({"head": nothing}, source="corrected", verdict=why, why=why)["head"]
        assert (found.status, found.state, found.verdict) == (why, why, why)


def test_a_value_that_lacks_a_mask_is_of_who_said_so():
    masks = beetle()
    empty = np.zeros_like(masks["head"])
    options = MeasurementOptions(colour=False, body=["head", "trunk"])
    index = parse_index("relative", "head.width / trunk.width", STRUCTURES)
    for head, source in (
        (annotated(empty, "corrected", verdict="hidden", why="hidden"), "corrected"),
        (annotated(empty), "predicted"),
        (annotated(masks["head"], "corrected", verdict="corrected"), "predicted"),  # of the trunk
    ):
        drawn = {name: annotated(mask) for name, mask in masks.items()} | {"head": head}
        measuring = Measuring(STRUCTURES, options, [index])
        (found,) = measuring.measure([SpecimenMasks("a", drawn, Scale())])
        assert found.structures["specimen"].source == found.indices["relative"].source == source
    # of a template on which nobody looked for the head
    found = one({"trunk": masks["trunk"]}, options, source="drawn")["specimen"]
    assert (found.status, found.source) == ("not_annotated", "drawn")


def test_an_incomplete_body_has_no_length():
    masks = beetle()
    masks["trunk"][:] = False
    configured = one(masks, MeasurementOptions(colour=False, body=["head", "trunk"]))
    assert configured["specimen"].status == "absent"
    assert configured["specimen"].values == {}
    assert "body_incomplete" in configured["head"].flags
    # the same beetle would be shorter without its antennae
    assert one(masks)["specimen"].status == "absent" and one(masks)["specimen"].values == {}
    del masks["trunk"]
    assert (
        one(masks, MeasurementOptions(colour=False, body=["head", "trunk"]))["specimen"].status
        == "not_annotated"
    )
    anyway = one(masks)
    assert anyway["specimen"].status == "measured"
    assert anyway["specimen"].flags == ["body_incomplete"]
    assert anyway["trunk"].status == "not_annotated"
    nothing = one({})
    assert {result.status for result in nothing.values()} == {"not_annotated"}


def test_the_body_axis_from_end_to_end():
    masks = beetle()
    masks["trunk"] = put(ellipse(60, math.pi / 2)[0], (105, 75))  # wider than long
    inertia = one(masks, MeasurementOptions(colour=False, body=["trunk"]))
    assert abs(inertia["specimen"].values["orientation"]) == pytest.approx(90, abs=1)
    ends = MeasurementOptions(colour=False, body=["head", "trunk"], body_axis="ends")
    assert abs(one(masks, ends)["specimen"].values["orientation"]) < 1
    assert one(masks, ends)["trunk"].values["length"] == pytest.approx(30, rel=0.03)
    masks["head"][:] = False
    assert "body_axis_from_inertia" in one(masks, ends)["trunk"].flags


def test_a_structure_without_template_is_not_absent():
    empty = {"antennae": np.zeros(SIZE, bool)}
    found = one(empty, flags=["no_template"], score=0.0)
    assert found["antennae"].status == "not_annotated"
    assert found["antennae"].flags == ["no_template"]
    absent = one(empty, flags=["absent"], score=0.1)["antennae"]
    assert (absent.status, absent.state, absent.confidence) == ("absent", "absent", None)


def test_intervals_move_the_outline():
    """A disc whose soft mask is a disc one pixel larger and two smaller at other thresholds."""
    y, x = np.mgrid[:140, :140] + 0.5 - 70
    away = np.hypot(x, y)
    areas = {k: int((away < r).sum()) for k, r in (("0.25", 51), ("0.5", 50), ("0.75", 48))}
    shape = Shape.of(away < 50)
    values = shape.measures(0.0)
    found = intervals(shape, values, areas)
    assert found["area"] == (areas["0.75"], areas["0.25"])
    for name, low, high in (
        ("feret_max", 96, 102),
        ("feret_min", 96, 102),
        ("medial_length", 96, 102),
        ("medial_width_max", 96, 102),
        ("body_length", 96, 102),
        ("perimeter", 2 * math.pi * 48, 2 * math.pi * 51),
    ):
        assert found[name] == pytest.approx((low, high), rel=0.01), name
    assert found["convex_area"] == pytest.approx((math.pi * 48**2, math.pi * 51**2), rel=0.02)
    assert set(found) <= {measure.name for measure in MEASURES if measure.growth}
    assert intervals(shape, values, {}) == {}
    assert intervals(shape, values, {"0.25": 9, "0.5": None, "0.75": 3}) == {}
    ring = Shape.of((away < 50) & (away >= 25))
    around = intervals(ring, ring.measures(0.0), {"0.25": 9000, "0.5": 5890, "0.75": 5000})
    assert around["medial_length"][0] == around["medial_length"][1]  # it has no ends
    assert around["perimeter"][0] == around["perimeter"][1]  # grows outside, shrinks inside


def test_intervals_of_the_whole_specimen():
    """Its ends move with the outlines of the structures that are there, drawn ones stay."""
    masks = beetle()
    measuring = Measuring(STRUCTURES, MeasurementOptions(colour=False, body=["head", "trunk"]))
    scale = Scale(None, "", "")

    def found(sources, change):
        drawn = {}
        for name, mask in masks.items():
            area, edge = int(mask.sum()), Shape.of(mask).perimeter
            areas = {"0.25": area + round(2 * edge), "0.5": area, "0.75": area - round(edge)}
            source = sources.get(name, "predicted")
            drawn[name] = annotated(mask, source, score=0.9, areas=areas if change else {})
        return measuring.measure([SpecimenMasks("a", drawn, scale)])[0].structures["specimen"]

    both = found({}, True)
    length, width, area = (both.values[name] for name in ("length", "width", "area"))
    assert both.intervals["length"] == pytest.approx((length - 2, length + 4), abs=0.05)
    assert both.intervals["width"] == pytest.approx((width - 2, width + 4), abs=0.05)
    edges = sum(Shape.of(masks[name]).perimeter for name in ("head", "trunk"))
    assert both.intervals["area"] == pytest.approx((area - edges, area + 2 * edges), abs=2)
    one = found({"trunk": "corrected"}, True)  # the head is in front, the trunk behind
    assert one.intervals["length"] == pytest.approx((length - 1, length + 2), abs=0.05)
    assert one.intervals["width"] == pytest.approx((width, width), abs=0.05)  # the trunk's
    assert found({"head": "drawn", "trunk": "drawn"}, True).intervals == {}
    assert found({}, False).intervals == {}


def test_a_mask_made_by_hand_has_no_confidence():
    """Templates have a score of 1 in the files of masks, which no table takes for an estimate."""
    measuring = Measuring(STRUCTURES, MeasurementOptions(colour=False))
    masks = beetle()
    drawn = {name: annotated(mask, "drawn", score=1.0) for name, mask in masks.items()}
    drawn["head"] = annotated(masks["head"], "predicted", score=0.9)
    (found,) = measuring.measure([SpecimenMasks("a", drawn, Scale(None, "", ""))])
    known = {name: found.structures[name].confidence for name in masks}
    assert known == {name: 0.9 if name == "head" else None for name in masks}


def test_intervals_in_both_units(project, monkeypatch):
    folder, shards = project
    run(
        measure, monkeypatch, "--predictions", *shards, "--pixels-per-mm", 20,
        "--output", folder / "m.csv", "--options",
        options_file(folder, measurement={"colour": False}),
    )  # fmt: skip
    rows = tables.to_pandas(tables.read(folder / "m.csv", COLUMNS)).set_index(
        ["specimen", "structure", "measure", "unit"]
    )
    pixels, mm = rows.loc[("a", "trunk", "area", "px2")], rows.loc[("a", "trunk", "area", "mm2")]
    assert pixels["low_by_threshold"] == pixels["value"] - 30
    assert pixels["high_by_threshold"] == pixels["value"] + 60
    assert mm["high_by_threshold"] == pytest.approx(pixels["high_by_threshold"] / 400)
    length = rows.loc[("a", "trunk", "length", "px")]
    assert length["low_by_threshold"] < length["value"] < length["high_by_threshold"]
    assert np.isnan(rows.loc[("a", "trunk", "solidity", "1"), "low_by_threshold"])


@pytest.mark.parametrize(
    ("model", "trained"), [("bundled", False), ("bundled", True), ("own", False)]
)
def test_only_masks_of_the_bundled_model_have_calibrated_intervals(
    project, monkeypatch, model, trained
):
    folder, (path, _) = project
    content = json.loads((folder / "0000.json").read_text())
    content["info"] |= {"model": "bundled", "bundled": model == "bundled", "trained": trained}
    for annotation in content["annotations"]:
        annotation["confidence"]["mean_probability"] = 0.9
    (folder / "0000.json").write_text(json.dumps(content))
    run(
        measure, monkeypatch, "--predictions", path, "--output", folder / "m.csv", "--options",
        options_file(folder, measurement={"colour": False}),
    )  # fmt: skip
    rows = tables.to_pandas(tables.read(folder / "m.csv", COLUMNS))
    of = ["specimen", "structure", "measure", "unit"]
    (area,) = rows[rows[of].eq(["a", "trunk", "area", "px2"]).all(axis=1)].itertuples()
    if model == "own":
        assert np.isnan(area.low_90)
        return
    signals = {"predicted_iou": 0.8, "object_score": 0.95, "mean_probability": 0.9}
    ends = {"area": (area.low_by_threshold, area.high_by_threshold)}
    found = calibrated(signals, {"area": area.value}, ends, round=TRAINED if trained else UNTRAINED)
    assert (area.low_90, area.high_90) == pytest.approx(found["area"], rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"measurement": {"indices": {"i": "haed.width / head.length"}}}, "did you mean 'head'?"),
        ({"measurement": {"curvd": []}}, "unknown key 'curvd' (did you mean 'curved'?)"),
        (["--pixels-per-mm", "0.001"], "implausible"),
        (["--pixels-per-mm", "many"], "not a number"),
        ({"structures": {"head": None}}, "has the structure 'trunk'"),
        ({"structures": "head"}, "structures: expected keys and values, found 'head'"),
        (["--wide", "w.xlsx"], "ending in .csv or .parquet"),
    ],
)
def test_measure_refuses(project, monkeypatch, arguments, said):
    folder, shards = project
    if isinstance(arguments, dict):
        arguments = ["--options", options_file(folder, **arguments)]
    with pytest.raises(InputError) as error:
        run(
            measure, monkeypatch, "--predictions", *shards, "--output", folder / "m.csv", *arguments
        )
    assert said in str(error.value)
    assert not (folder / "m.csv").exists()


def test_a_specimen_in_two_shards_is_refused(project, monkeypatch):
    folder, shards = project
    with pytest.raises(InputError, match="'a' is also in"):
        run(
            measure, monkeypatch, "--predictions", shards[0], shards[0],
            "--output", folder / "m.csv", "--options",
        options_file(folder, measurement={"colour": False}),
        )  # fmt: skip


def test_without_photographs_there_is_no_colour(project, monkeypatch, capsys):
    folder, shards = project
    (folder / "b.png").unlink()
    Image.new("RGB", (30, 20)).save(folder / "c.png")
    run(measure, monkeypatch, "--predictions", *shards, "--output", folder / "m.csv")
    table = tables.to_pandas(tables.read(folder / "m.csv", COLUMNS))
    colours = table[table["measure"] == "lab_l"].set_index(["specimen", "structure"])
    assert colours.loc[("a", "head"), "value"] > 0
    assert np.isnan(colours.loc[("b", "head"), "value"])
    assert "no_colour" in colours.loc[("b", "head"), "flags"]
    said = capsys.readouterr().out
    assert "2 without colours:" in said
    assert "30 x 20 pixels, its masks 200 x 150" in said


def measured(folder, monkeypatch, project, genus, factor, round_="trained"):
    """A tidy table of three specimens of another genus and size."""
    entries = [entry(f"s{i}", beetle(factor * (1 + 0.05 * i))) for i in range(4)]
    path = shard(folder / f"{genus}-{round_}.json", entries, genus, round_)
    out = folder / f"{genus}-{round_}.csv"
    run(
        measure, monkeypatch, "--predictions", path, "--output", out,
        "--options", options_file(folder, measurement=OPTIONS | {"colour": False}), "--pixels-per-mm", 10,
    )  # fmt: skip
    return out


def test_summaries_wide_tables_and_figures(tmp_path, monkeypatch, project, capsys):
    first = measured(tmp_path, monkeypatch, project, "Formica", 0.8)
    better = measured(tmp_path, monkeypatch, project, "Formica", 0.9, "refined")
    other = measured(tmp_path, monkeypatch, project, "Lasius", 0.7)
    out = tmp_path / "tables"
    run(
        summarize_morphometrics, monkeypatch, "--tables", first, better, other,
        "--options", options_file(tmp_path, rounds=["trained", "refined"]), "--output-folder", out,
    )  # fmt: skip
    assert "Formica: final round refined" in capsys.readouterr().out
    summary = pd.read_csv(out / "morphometrics_summary.csv")
    values = tables.to_pandas(tables.read(first, COLUMNS))
    values = values[(values["structure"] == "head") & (values["measure"] == "width")]
    values = values[values["unit"] == "px"]["value"]
    key = {"genus": "Formica", "round": "trained", "structure": "head", "measure": "width"}
    row = summary.loc[
        (summary[list(key)] == pd.Series(key)).all(axis=1) & (summary["unit"] == "px")
    ]
    (row,) = row.to_dict("records")
    assert row["n"] == 4 and row["n_absent"] == row["n_other"] == 0
    assert row["mean"] == pytest.approx(values.mean())
    assert row["sd"] == pytest.approx(values.std())
    assert row["cv"] == pytest.approx(values.std() / values.mean())
    assert (row["min"], row["max"]) == (values.min(), values.max())
    assert "orientation" not in set(summary["measure"])
    pd.testing.assert_frame_equal(
        summary, pd.read_parquet(out / "morphometrics_summary.parquet"), check_dtype=False
    )
    wide = pd.read_parquet(out / "morphometrics_wide.parquet")
    assert list(zip(wide["genus"], wide["round"], strict=True)) == (
        [("Formica", "refined")] * 4 + [("Lasius", "trained")] * 4
    )
    assert wide["cephalic_index"].notna().all()
    assert set(wide["cephalic_index.status"]) == {"measured"}
    assert set(wide["cephalic_index.state"]) == {"found"}
    figures = tmp_path / "plots"
    names = [figures / f"morphometrics_{n}" for n in ("distributions.svg", "allometry.svg")]
    for _ in range(2):
        run(
            plot_morphometrics, monkeypatch, "--tables", first, better, other, "--output", *names,
            figures / "morphometrics_allometry.csv", "--options",
            options_file(tmp_path, rounds=["trained", "refined"]),
        )  # fmt: skip
        content = [name.read_bytes() for name in names]
        assert content == [name.read_bytes() for name in names]
    slopes = pd.read_csv(figures / "morphometrics_allometry.csv")
    for _, pair in slopes.groupby("y"):
        assert list(pair["genus"]) == ["Formica", "Lasius"]
        assert list(pair["unit_x"]) == ["mm", "mm"]
    assert (slopes["slope_low"] < slopes["slope"]).all()


def test_concordance_of_tables(tmp_path, monkeypatch, project):
    predicted = measured(tmp_path, monkeypatch, project, "Formica", 0.9)
    drawn = tables.to_pandas(tables.read(predicted, COLUMNS))
    noise = np.random.default_rng(3).normal(1.02, 0.01, len(drawn))
    drawn["value"] = drawn["value"] * noise
    drawn = drawn[~((drawn["specimen"] == "s3") & (drawn["structure"] == "head"))]
    drawn["round"], drawn["source"] = "drawn", "drawn"
    tables.write(tables.from_pandas(drawn, COLUMNS), tmp_path / "drawn.csv")
    run(
        summarize_morphometrics, monkeypatch, "--compare", predicted, "--against",
        tmp_path / "drawn.csv", "--output-folder", tmp_path,
    )  # fmt: skip
    table = pd.read_csv(tmp_path / "morphometrics_concordance.csv")
    rows = table.set_index(["structure", "measure", "unit"])
    area = rows.loc[("trunk", "area", "px2")]
    assert (area["n"], area["only_predicted"], area["round"]) == (4, 0, "trained")
    assert -4 < area["bias_percent"] < 0
    assert 0.9 < area["ccc"] < 1
    head = rows.loc[("head", "area", "px2")]
    assert (head["n"], head["only_predicted"]) == (3, 1)
    with pytest.raises(InputError, match="give both"):
        run(
            summarize_morphometrics, monkeypatch, "--compare", predicted,
            "--output-folder", tmp_path,
        )  # fmt: skip
    pairs = pd.read_csv(tmp_path / "morphometrics_pairs.csv")
    assert len(pairs[(pairs["structure"] == "head") & (pairs["measure"] == "width")]) == 4 * 2
    of = pairs[(pairs["structure"] == "trunk") & (pairs["unit"] == "px2")]
    of = of[of["measure"] == "area"]
    assert area["bias"] == pytest.approx((of["predicted"] - of["drawn"]).mean())
    assert area["limit_high"] - area["limit_low"] == pytest.approx(
        2 * 1.96 * (of["predicted"] - of["drawn"]).std(), rel=1e-5
    )
    figure = tmp_path / "morphometrics_concordance.svg"
    run(
        plot_morphometrics, monkeypatch, "--tables", predicted, "--pairs",
        tmp_path / "morphometrics_pairs.csv", "--output", figure,
    )  # fmt: skip
    text = figure.read_text()
    assert "<!-- drawn trunk area (mm²) -->" in text and "<!-- Formica -->" in text
    assert f"bias {area['bias_percent']:+.1f} %" in text.replace("\n", " ")
    distributions = tmp_path / "morphometrics_distributions.svg"
    run(
        plot_morphometrics, monkeypatch, "--tables", predicted, "--pairs",
        tmp_path / "morphometrics_pairs.csv", "--output", figure, distributions, "--options",
        options_file(tmp_path, confirmed_only=True),
    )  # fmt: skip
    assert figure.read_text() == text  # nobody confirmed a mask, and all are compared
    assert "No measure has" in distributions.read_text()


@pytest.mark.parametrize(
    ("source", "status"),
    [("drawn", "measured"), ("corrected", "measured"), ("corrected", "hidden")],
)
def test_masks_made_by_hand_are_not_compared(
    tmp_path, monkeypatch, project, source, status, capsys
):
    predicted = measured(tmp_path, monkeypatch, project, "Formica", 0.9)
    table = tables.to_pandas(tables.read(predicted, COLUMNS))
    later = table.assign(round="later")  # in which s1 is a template
    by_hand = (table["specimen"] == "s1") & (table["structure"] != "antennae")
    later.loc[by_hand, ["source", "status"]] = source, status
    if status != "measured":
        later.loc[by_hand, "value"] = None
    tables.write(tables.from_pandas(pd.concat([table, later]), COLUMNS), tmp_path / "ours.csv")
    drawn = table.assign(specimen="photographs/" + table["specimen"], round="truth")
    tables.write(tables.from_pandas(drawn, COLUMNS), tmp_path / "theirs.csv")
    capsys.readouterr()
    run(
        summarize_morphometrics, monkeypatch, "--compare", tmp_path / "ours.csv", "--against",
        tmp_path / "theirs.csv", "--output-folder", tmp_path,
    )  # fmt: skip
    pairs = tables.to_pandas(tables.read(tmp_path / "morphometrics_pairs.csv", PAIR_COLUMNS))
    specimens = pairs.groupby(["round", "structure"])["specimen"].unique()
    assert list(specimens["trained", "head"]) == ["s0", "s1", "s2", "s3"]
    assert list(specimens["later", "head"]) == ["s0", "s2", "s3"]
    assert list(specimens["later", "antennae"]) == ["s0", "s1", "s2", "s3"]
    assert (pairs["predicted"] == pairs["drawn"]).all()
    assert "left out where a person drew or corrected them: Formica/s1" in capsys.readouterr().out


def test_no_drawn_masks_give_empty_tables_and_a_figure(tmp_path, monkeypatch, project, capsys):
    predicted = measured(tmp_path, monkeypatch, project, "Formica", 0.9)
    for against, said in (
        ([], "no genus has drawn masks"),
        ([measured(tmp_path, monkeypatch, project, "Lasius", 0.9)], "in both"),
    ):
        run(
            summarize_morphometrics, monkeypatch, "--compare", predicted, "--against", *against,
            "--output-folder", tmp_path,
        )  # fmt: skip
        assert said in capsys.readouterr().out
        table = pd.read_csv(tmp_path / "morphometrics_concordance.csv")
        assert table["n"].sum() == 0 and "ccc" in table
    pd.read_parquet(tmp_path / "morphometrics_pairs.parquet")
    run(
        plot_morphometrics, monkeypatch, "--tables", predicted, "--pairs",
        tmp_path / "morphometrics_pairs.csv", "--output", tmp_path / "morphometrics_concordance.svg",
    )  # fmt: skip
    assert "specimens have drawn masks" in (tmp_path / "morphometrics_concordance.svg").read_text()


def test_annotations_are_measured_under_the_names_of_the_list(
    project, monkeypatch, tmp_path, capsys
):
    folder, _ = project
    entries = [entry(f"sheet/{name}", beetle(), "elsewhere") for name in "abz"]
    truth = shard(folder / "truth.json", entries)
    listed = [
        Specimen(name, f"{folder}/{name}.png", 1, 1, SIZE[1], SIZE[0], "0001") for name in "abc"
    ]
    copy = dataclasses.replace(listed[0], path="a.jpg", status="duplicate")
    write_list(folder / "manifest.tsv", [*listed, copy])
    run(
        measure, monkeypatch, "--predictions", truth, "--genus", "Formica", "--round", "truth",
        "--specimens", folder / "manifest.tsv", "--options",
        options_file(folder, structures={"head": None, "trunk": None}),
        "--output", folder / "m.csv",
    )  # fmt: skip
    table = tables.to_pandas(tables.read(folder / "m.csv", COLUMNS))
    assert list(dict.fromkeys(table["specimen"])) == ["a", "b"]
    assert list(dict.fromkeys(table["structure"])) == ["head", "trunk", "specimen"]
    assert table.loc[table["measure"] == "lab_l", "value"].notna().any()
    said = capsys.readouterr().out
    assert "1 structures of the annotations, not measured:\n  antennae" in said
    assert "1 annotated photographs that are not specimens:\n  sheet/z" in said


def test_a_corrected_mask_needs_no_confidence():
    found = one(beetle(), source="corrected", score=0.1)
    assert found["head"].status == "measured" and found["head"].source == "corrected"
    assert found["head"].intervals == {} and found["specimen"].source == "corrected"
    masks = {name: annotated(mask, "drawn") for name, mask in beetle().items()}
    masks["head"] = annotated(beetle()["head"], "corrected")
    measuring = Measuring(STRUCTURES, MeasurementOptions(colour=False))
    both = measuring.measure([SpecimenMasks("a", masks, Scale())])[0].structures
    assert [both[name].source for name in ("head", "trunk", "specimen")] == [
        "corrected",
        "drawn",
        "corrected",
    ]


def test_summary_in_pieces_is_that_of_the_whole():
    generator = np.random.default_rng(7)
    frame = pd.DataFrame({"value": generator.normal(5, 2, 300), "status": "measured"})
    for name, cell in (("genus", "g"), ("round", "r"), ("structure", "s"), ("unit", "px")):
        frame[name] = cell
    frame["measure"], frame["source"], frame["verdict"] = "length", "predicted", ""
    frame.loc[:19, "status"] = "low_confidence"
    frame.loc[20:24, ["status", "value"]] = ["absent", np.nan]
    frame.loc[25:27, "status"] = "outside"
    frame.loc[28, ["status", "value"]] = ["hidden", np.nan]
    frame["state"] = "found"
    frame.loc[18:27, "state"] = ["outside"] * 2 + ["absent"] * 5 + ["outside"] * 3
    frame.loc[28, "state"] = "hidden"
    whole, pieces = Summary(), Summary()
    table = pa.Table.from_pandas(frame)
    whole.add(table)
    for start in range(0, 300, 37):
        pieces.add(table.slice(start, 37))
    assert whole.rows() == pieces.rows()
    (row,) = whole.rows()
    good = frame["value"][29:]
    assert (row["n"], row["n_low_confidence"], row["n_absent"], row["n_other"]) == (271, 20, 5, 0)
    assert (row["n_outside"], row["n_hidden"]) == (3, 1)
    # two of low confidence are cut by the edge too
    states = ("found", "outside", "hidden", "absent")
    assert [row[f"state_{name}"] for name in states] == [289, 5, 1, 5]
    assert row["sd"] == pytest.approx(good.std(), rel=1e-6)


def test_values_before_and_after_a_person_looked():
    masks = beetle()
    wider = masks["head"] | np.roll(masks["head"], 3, 1)
    drawn = {name: annotated(mask, verdict="accepted") for name, mask in masks.items()}
    drawn["head"] = annotated(masks["head"], "corrected", verdict="corrected")
    before = {name: annotated(mask) for name, mask in masks.items()} | {"head": annotated(wider)}
    options = MeasurementOptions(colour=False, body=["head", "trunk"])
    case = SpecimenMasks("a", drawn, Scale(), predicted=before)
    found = Measuring(STRUCTURES, options).measure([case])[0].structures
    assert found["head"].predicted["area"] == wider.sum() > found["head"].values["area"]
    assert found["trunk"].predicted["area"] == found["trunk"].values["area"]
    body = found["specimen"]
    assert body.predicted["area"] > body.values["area"]
    # what would not have counted says nothing of the means
    low = before | {"head": annotated(wider, score=0.0)}
    unsure = (
        Measuring(STRUCTURES, options)
        .measure([dataclasses.replace(case, predicted=low)])[0]
        .structures
    )
    assert unsure["head"].predicted == unsure["specimen"].predicted == {}
    assert unsure["trunk"].predicted


def test_the_bias_of_a_mean_is_estimated_from_what_was_checked():
    cells = {"genus": "g", "round": "r", "structure": "s", "unit": "px", "measure": "length"}
    said = [(10.0, 12.0, "corrected", "corrected"), (10.0, 10.0, "predicted", "accepted"),
            (10.0, 11.0, "corrected", "corrected"), (11.0, None, "predicted", ""),
            (9.0, None, "drawn", ""), (50.0, None, "predicted", "")]  # fmt: skip
    rows = [
        cells
        | {"value": value, "predicted_value": before, "source": source, "verdict": verdict}
        | {"status": "outside" if value == 50 else "measured"}
        for value, before, source, verdict in said
    ]
    summary = Summary()
    summary.add(pa.Table.from_pandas(pd.DataFrame(rows)))
    (row,) = summary.rows()
    assert (row["n"], row["n_checked"], row["bias"]) == (5, 3, 1.0)
    assert row["bias_of_mean"] == pytest.approx(1 / 5)  # one of five is an unchecked prediction
    # t of two degrees of freedom, and errors of 2, 0 and 1
    assert row["bias_high"] - 1 == pytest.approx(4.3027 / 3**0.5, rel=1e-4)
    assert row["bias_low"] == pytest.approx(2 - row["bias_high"])


def test_a_summary_of_what_was_confirmed_counts_the_rest():
    cells = {"genus": "g", "round": "r", "structure": "s", "unit": "px", "measure": "length"}
    said = [("measured", "predicted", ""), ("measured", "predicted", "accepted"),
            ("measured", "corrected", "corrected"), ("low_confidence", "predicted", ""),
            ("measured", "predicted", "needs_correction"), ("measured", "drawn", ""),
            ("absent", "predicted", "")]  # fmt: skip
    rows = [
        cells | {"status": a, "source": b, "verdict": c, "value": None if a == "absent" else i}
        for i, (a, b, c) in enumerate(said)
    ]
    summary = Summary(confirmed_only=True)
    summary.add(pa.Table.from_pandas(pd.DataFrame(rows)))
    (row,) = summary.rows()
    assert (row["n"], row["mean"], row["n_unconfirmed"]) == (3, pytest.approx(8 / 3), 3)
    assert (row["n_absent"], row["n_low_confidence"], row["n_other"]) == (1, 0, 0)
    kept = confirmed_only(rows)
    assert [one["value"] for one in kept] == [None, 1, 2, None, None, 5, None]
    assert kept[0]["status"] == "unconfirmed"


def test_real_beetles(carabidae, tmp_path, monkeypatch):
    """Drawn masks of real beetles: values that a beetle can have."""
    source = carabidae / "pinned"
    data = json.loads((source / "annotations.json").read_text())
    chosen = [image for image in data["images"] if image["width"] < 260][:4]
    ids = {image["id"] for image in chosen}
    data["images"] = chosen
    data["annotations"] = [a for a in data["annotations"] if a["image_id"] in ids]
    (tmp_path / "some.json").write_text(json.dumps(data))
    options = {"curved": ["antennae", "legs"], "body": ["head", "pronotum", "elytra"]}
    run(
        measure, monkeypatch, "--predictions", tmp_path / "some.json", "--genus", "pinned",
        "--round", "drawn", "--photographs", source / "images", "--output", tmp_path / "m.csv",
        "--options",
        options_file(tmp_path, measurement=options),
    )  # fmt: skip
    table = tables.to_pandas(tables.read(tmp_path / "m.csv", COLUMNS))
    assert table["specimen"].nunique() == 4
    rows = table.set_index(["specimen", "structure", "measure", "unit"])["value"]
    for specimen in dict.fromkeys(table["specimen"]):
        of = rows.loc[specimen]
        body = of.loc[("specimen", "length", "px")]
        assert of.loc[("elytra", "length", "px")] < body
        assert of.loc[("elytra", "length", "px")] > of.loc[("pronotum", "length", "px")]
        assert abs(of.loc[("specimen", "orientation", "degree")]) > 70  # they stand upright
        assert 1 <= of.loc[("legs", "parts", "1")] <= 16
        assert of.loc[("antennae", "medial_width_mean", "px")] < 0.2 * body
        assert 0 < of.loc[("elytra", "lab_l", "CIELAB")] < 70
        assert 0.85 < of.loc[("elytra", "solidity", "1")] <= 1


@pytest.mark.parametrize("limit", [{"SPECIMENS": 1}, {"PIXELS": 1}, {"SPECIMENS": 2}])
def test_how_many_are_measured_together_changes_nothing(project, monkeypatch, limit):
    def rows():
        formica = GenusShards(project[1], MeasurementOptions(**OPTIONS), pixels_per_mm=10.0)
        tables_ = [formica.layout.tidy("Formica", "r", one) for one in formica.measured()]
        return tables_, formica.report(None)

    (together, said), measured = rows(), []
    whole = Measuring.measure
    for name, value in limit.items():
        monkeypatch.setattr(genus, name, value)
    monkeypatch.setattr(Measuring, "measure", lambda *of: measured.append(of[1]) or whole(*of))
    apart, also_said = rows()
    assert max(map(len, measured)) <= limit.get("SPECIMENS", 1) and said == also_said
    assert [of[0]["specimen"] for of in together] == ["a", "b", "c", "d"]
    for one, other in zip(together, apart, strict=True):
        for row, same in zip(one, other, strict=True):
            assert {k: v for k, v in row.items() if not isinstance(v, float)} == {
                k: v for k, v in same.items() if not isinstance(v, float)
            }
            for key, value in row.items():
                if isinstance(value, float):
                    assert same[key] == pytest.approx(value, rel=1e-6), (row["measure"], key)


def test_an_outline_that_crosses_itself_is_told(tmp_path):
    shape = [[30, 20, 60, 50, 60, 20, 30, 50]], [[10, 10, 20, 10, 20, 20, 10, 20]]
    images = [{"id": i, "file_name": f"{i}.png", "width": 90, "height": 80} for i in (1, 2)]
    masks = [{"image_id": i, "category_id": 1, "segmentation": s} for i, s in enumerate(shape, 1)]
    data = {"images": images, "annotations": masks, "categories": [{"id": 1, "name": "head"}]}
    (tmp_path / "masks.json").write_text(json.dumps(data | {"info": {"genus": "G", "round": "r"}}))
    of = GenusShards([tmp_path / "masks.json"], MeasurementOptions(colour=False))
    assert len(list(of.measured())) == 2
    assert re.search("1 outlines that cross themselves.*\n  1, head: redraw", of.report(None))


def test_memory_does_not_grow_with_the_number_of_specimens(tmp_path, monkeypatch):
    """A shard of a few specimens is in memory at a time, and a piece of the tables."""
    options = MeasurementOptions(colour=False)
    monkeypatch.setattr(measure, "PIECE", 3)
    monkeypatch.setattr(genus, "SPECIMENS", 3)

    def peak(shards):
        folder = tmp_path / str(shards)
        folder.mkdir()
        paths = [
            shard(
                folder / f"{number}.json",
                [entry(f"{number}_{index}", beetle()) for index in range(3)],
            )
            for number in range(shards)
        ]
        outputs = [str(folder / name) for name in ("a.csv", "a.parquet", "w.csv", "w.parquet")]
        formica = GenusShards(paths, options)
        tracemalloc.start()
        try:
            measure.write(formica, None, outputs[:2], outputs[2:])
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1)  # imports
    few, many = peak(2), peak(8)
    assert many < 1.3 * few


def test_the_spread_between_genera_does_not_raise_the_concordance_of_the_figure():
    """Within each genus predictions follow nothing; the mean of the genera differs a hundredfold."""
    drawn, predicted = np.tile([9.0, 10, 11], 2), np.tile([10.0, 11, 9], 2)
    size = np.repeat([1.0, 100.0], 3)
    table = pd.DataFrame(
        {"genus": ["Aus"] * 3 + ["Bus"] * 3, "specimen": list("abcabc")}
        | {"drawn": drawn * size, "predicted": predicted * size}
    )
    quantity = plots.Quantity("head", "length", "mm")
    title = plots.agreement({quantity: table}).axes[0].get_title()
    assert title.startswith("n = 6, concordance within genera -0.50, bias +0.0 %")
    alone = plots.agreement({quantity: table[table["genus"] == "Bus"]}).axes[0].get_title()
    assert alone.startswith("n = 3, concordance -0.50")
