"""Darwin Core rows, the publication's table, and measures that change by more than their interval."""

import csv
import json
import mimetypes
import sys

import numpy as np
import pytest
import yaml

import export_darwin_core
from sam2pal.config.measurement import MeasurementOptions
from sam2pal.dataset.dataset import Dataset
from sam2pal.dataset.files import categories, write
from sam2pal.dataset.recalibration import Labelled, Recalibration
from sam2pal.dataset.rle import encode_mask, fingerprint
from sam2pal.io import tables
from sam2pal.io.errors import InputError
from sam2pal.morphometrics.tables.changed import changed
from sam2pal.morphometrics.tables.columns import COLUMNS
from sam2pal.morphometrics.tables.darwin_core import measurement, media
from sam2pal.morphometrics.tables.publication import publication
from sam2pal.morphometrics.tables.summary import Summary

# https://rs.gbif.org/extension/dwc/measurements_or_facts_2025-07-10.xml
DARWIN_CORE = {
    *("measurementID", "parentMeasurementID", "measurementType", "verbatimMeasurementType"),
    *("measurementValue", "measurementAccuracy", "measurementUnit", "measurementDeterminedBy"),
    *("measurementDeterminedDate", "measurementMethod", "measurementRemarks", "occurrenceID"),
}
# Audiovisual Core term list, http://rs.tdwg.org/ac/doc/termlist/: those of photographs and regions
AUDIOVISUAL_CORE = {
    *("dcterms:identifier", "dcterms:type", "dc:type", "dcterms:title", "dcterms:description"),
    *("dc:format", "dcterms:format", "ac:subtype", "ac:subtypeLiteral", "ac:providerManagedID"),
    *("ac:accessURI", "ac:associatedSpecimenReference", "ac:isROIOf", "ac:hasROI"),
    *("ac:xFrac", "ac:yFrac", "ac:widthFrac", "ac:heightFrac", "ac:radius", "ac:subjectPart"),
    *("ac:subjectPartLiteral", "exif:PixelXDimension", "exif:PixelYDimension"),
}


def row(specimen, value, unit="mm", status="measured", **more):
    known = {"genus": "Formica", "round": "last", "specimen": specimen, "structure": "head"}
    known |= {"measure": "length", "value": value, "unit": unit, "status": status}
    known["state"] = status if status in ("absent", "outside") else "found"
    return known | {"source": "predicted", "confidence": 0.9, "scale_source": "genus"} | more


def save(path, rows, **columns):
    tables.write(tables.table(rows, COLUMNS | columns), path)
    return path


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_rows_are_in_the_standard_terms_and_say_what_was_measured(tmp_path, monkeypatch):
    folder = tmp_path / "Formica/last"
    (folder / "shards").mkdir(parents=True)
    index = {"structure": "specimen", "measure": "ratio", "unit": "1"}
    rows = [
        row("a", 2.5, low_by_threshold=2.4, high_by_threshold=2.75, occurrenceID="urn:x:1"),
        row(
            "a",
            2.4,
            measure="width",
            low_by_threshold=2.3,
            high_by_threshold=2.5,
            low_90=2.2,
            high_90=2.6,
        ),
        row("a", 100.0, "px", occurrenceID="urn:x:1"),
        row("a", 6.25, "mm2", measure="area", occurrenceID="urn:x:1"),
        row("a", 1.3, occurrenceID="urn:x:1", **index) | index,
        row("a", 3.0, "1", measure="holes", occurrenceID="urn:x:1"),
        row("a", 41.5, "CIELAB", measure="lab_l", occurrenceID="urn:x:1"),
        row("a", None, structure="wing", status="absent", verdict="absent"),
        row("a", 2.2, structure="leg", status="outside"),
        row("a", 2.2, structure="eye", status="low_confidence"),
        row("b", 2.7, status="low_confidence"),
        row("b", None, structure="wing", status="absent"),
    ]
    save(folder / "morphometrics.parquet", rows, occurrenceID=str)
    scores = dict.fromkeys(("genus", "round", "specimen", "structure"), str) | {"iou": float}
    tables.write(tables.table([], scores), folder / "evaluation.csv")
    mask = np.zeros((50, 100), bool)
    mask[10:20, 40:90] = True
    images = [
        {"id": i, "file_name": f"{name}.JPG", "specimen": name, "width": 100, "height": 50}
        | {"path": f"photographs/{name}.JPG", "status": "ok"}
        for i, name in enumerate(("a", "b"), 1)
    ]
    head = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": encode_mask(mask)}
    head |= {"area": 500, "source": "predicted", "score": 0.91, "iscrowd": 0}
    head |= {"confidence": {"unadapted": 0.91}}
    unsure = head | {"id": 2, "image_id": 2, "score": 0.2, "confidence": {"unadapted": 0.2}}
    coco = {"info": {}, "images": images, "categories": categories(["head"])}
    write(folder / "shards/0001.json", coco | {"annotations": [head, unsure]})
    options = tmp_path / "options.yaml"
    expression = "head.length / head.width"
    options.write_text(yaml.safe_dump({"measurement": {"indices": {"ratio": expression}}}))
    words = ["--genus", "Formica", "--runs", folder, "--output", tmp_path / "out"]
    words += ["--options", options]
    monkeypatch.setattr(sys, "argv", ["export_darwin_core.py", *map(str, words)])
    export_darwin_core.main()

    found = read(tmp_path / "out/measurement_or_fact.csv")
    # of b nothing was measured, so that it may show something else
    states = [one for one in found if one["measurementType"].endswith(" state")]
    assert [(one["measurementID"], one["measurementValue"]) for one in states] == [
        ("Formica:a:head:state", "found"),
        ("Formica:a:wing:state", "absent"),
        ("Formica:a:leg:state", "outside"),
    ]
    said = [one["measurementRemarks"] for one in states]
    assert said == ["said by the model; nobody confirmed it", "said by a person", said[0]]
    found = found[:-3]
    assert set(found[0]) <= DARWIN_CORE
    assert [one["measurementType"] for one in found] == [
        *("head length", "head width", "head area", "ratio", "head mean of CIELAB L*")
    ]
    first, width, area, ratio, _ = found
    assert (first["measurementValue"], first["measurementUnit"]) == ("2.5", "mm")
    assert first["occurrenceID"] == "urn:x:1"
    assert first["measurementAccuracy"] == "2.4 to 2.75 (range by threshold)"
    assert width["measurementAccuracy"] == "2.2 to 2.6 (90 % interval)"
    assert "scale from genus" in first["measurementMethod"]
    assert area["measurementUnit"] == "mm²" and ratio["measurementUnit"] == ""
    assert expression in ratio["measurementMethod"]
    assert len({one["measurementID"] for one in found}) == 5

    pictures = read(tmp_path / "out/audiovisual.csv")
    assert set(pictures[0]) <= AUDIOVISUAL_CORE
    photograph, region, other = (
        pictures  # of b there is a mask of low confidence, which is left out
    )
    assert photograph["ac:providerManagedID"] == "a.JPG"
    assert photograph["dc:format"] == "image/jpeg" and photograph["exif:PixelXDimension"] == "100"
    assert region["ac:isROIOf"] == photograph["dcterms:identifier"] == "Formica/a.JPG"
    box = [float(region[f"ac:{name}Frac"]) for name in ("x", "y", "width", "height")]
    assert box == [0.4, 0.2, 0.5, 0.2] and region["ac:subjectPartLiteral"] == "head"
    assert region["dcterms:description"].endswith("predicted mask, state found, confidence 0.91")
    assert other["ac:associatedSpecimenReference"] == "Formica:b"

    # what was judged moves confidences here as in all other tables
    judged = fingerprint(head["segmentation"])
    verdict = {"specimen": "b", "structure": "head", "round": "last", "judged": judged}
    verdict |= {"verdict": "rejected", "source": "predicted"}
    known = {"images": [], "annotations": [], "categories": coco["categories"]}
    (tmp_path / "said.json").write_text(json.dumps(known | {"verdicts": [verdict]}))
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--corrections", str(tmp_path / "said.json")])
    export_darwin_core.main()
    moved = Recalibration.learn([Labelled("head", 0.2, False)])("head", 0.91)
    said = read(tmp_path / "out/audiovisual.csv")[1]["dcterms:description"]
    assert said.endswith(f"state found, confidence {moved:g}") and moved < 0.9


def test_the_method_of_a_length_says_along_what_it_was_measured():
    options = MeasurementOptions(curved=["leg"])
    empty = dict.fromkeys(COLUMNS)

    def method(structure, measure):
        one = empty | row("a", 2.0, structure=structure, measure=measure)
        said = measurement(one, options)
        return said["measurementMethod"].partition(";")[0]

    assert method("head", "length") == method("specimen", "length") == "extent along the body axis"
    assert method("head", "width") == "extent across the body axis"
    assert method("leg", "length").startswith("length along the middle of the longest part")
    assert method("leg", "width") == "largest width of the longest part"


@pytest.mark.parametrize("source", ["drawn", "corrected"])
def test_a_box_of_a_mask_made_by_hand_has_no_confidence(monkeypatch, source):
    # where a machine has no list of types
    monkeypatch.setattr(mimetypes, "guess_type", mimetypes.MimeTypes().guess_type)
    mask = np.zeros((5, 10), bool)
    mask[1:3, 2:7] = True
    image = {"id": 1, "file_name": "a.webp", "width": 10, "height": 5, "specimen": "a"}
    head = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": encode_mask(mask)}
    head |= {"area": 10, "source": source, "score": 1.0}
    data = {"images": [image], "annotations": [head], "categories": categories(["head"])}
    (one,) = Dataset(data, where="masks").specimens
    photograph, region = media("Formica", one, "Formica:a", {"head"})
    assert photograph["dc:format"] == "image/webp"
    assert region["dcterms:description"] == f"bounding box of a {source} mask, state found"


def test_a_publication_gets_the_final_round_in_millimetres():
    rows = [row(name, value) for name, value in zip("abcd", (2.0, 2.2, 2.4, 2.6), strict=True)]
    rows += [row(name, 99.0, "px") for name in "abcd"]
    rows += [row("a", 0.5, round="first"), row("e", 9.0, status="doubtful")]
    rows += [row("a", 1.2345, "1", measure="ratio", structure="specimen")]
    summary = Summary()
    summary.add(tables.table(rows, COLUMNS))
    length, ratio = publication(summary.rows(), {"Formica": "last"})
    assert (length["n"], length["mean"], length["sd"], length["cv_percent"]) == (
        4,
        2.3,
        0.258,
        11.2,
    )
    assert length["text"] == "2.30 ± 0.26 (2.00 to 2.60)" and length["unit"] == "mm"
    assert ratio["text"] == "1.23 (1.23 to 1.23)" and ratio["sd"] is None
    assert (length["state_found"], length["state_absent"]) == (5, 0)


def test_a_publication_prints_small_spreads_and_no_variation_of_what_may_be_negative():
    values = {"length": (12.31, 12.34, 12.35), "width": (2.0, 2.0 + 1e-15, 2.0)}
    rows = [
        row(name, value, measure=measure)
        for measure, of in values.items()
        for name, value in zip("abc", of, strict=True)
    ]
    whole = {"unit": "1", "measure": "shape", "structure": "specimen"}
    rows += [row(name, x, **whole) for name, x in zip("abc", (-0.2, 0.1, 0.5), strict=True)]
    summary = Summary()
    summary.add(tables.table(rows, COLUMNS))
    length, width, shape = publication(summary.rows(), {"Formica": "last"})
    assert length["text"] == "12.33 ± 0.02 (12.31 to 12.35)"
    assert (length["mean"], length["min"], length["cv_percent"]) == (12.33, 12.31, 0.169)
    assert width["text"].startswith("2.0") and len(width["text"]) < 50
    assert shape["mean"] == pytest.approx(0.133) and shape["cv_percent"] is None


def test_a_publication_says_what_was_measured_on_no_specimen():
    rows = [row("a", 2.0), row("a", None, structure="wing", status="absent")]
    rows += [
        row("b", None, structure="wing", status="absent"),
        row("c", 2.0, structure="wing", status="outside"),
    ]
    unscaled = [one | {"genus": "Lasius", "value": None} for one in rows]
    summary = Summary()
    summary.add(tables.table([*rows, *unscaled], COLUMNS))
    head, wing = publication(summary.rows(), {"Formica": "last", "Lasius": "last"})
    assert (head["structure"], head["n"], head["state_found"]) == ("head", 1, 1)
    assert (wing["structure"], wing["n"], wing["text"]) == ("wing", 0, "not measured")
    states = ("found", "outside", "hidden", "absent")
    assert [wing[f"state_{name}"] for name in states] == [0, 1, 0, 2]


def test_measures_that_change_by_more_than_their_interval_are_counted(tmp_path):
    def table(name, values, **more):
        known = {"low_by_threshold": 98.0, "high_by_threshold": 103.0, "round": name}
        rows = [row(f"s{i:02}", v, "mm", **known | more) for i, v in enumerate(values)]
        rows += [row(f"s{i:02}", 99.0, "px", **known | more) for i in range(len(values))]
        rows += [row("unscaled", 99.0, "px", **known | more)]
        rows.sort(key=lambda one: one["specimen"])
        return save(tmp_path / f"{name}.csv", rows)

    before = table("first", [100.0] * 12)
    found, unscaled = changed(before, table("last", [100.0, 102.5, 110.0, 104.0] * 3))
    assert (found["n"], found["beyond_interval"], found["unit"]) == (12, 6, "mm")
    assert (unscaled["n"], unscaled["unit"]) == (1, "px")
    assert found["change_percent"] == pytest.approx(4.125)
    assert 0 < found["p_of_change"] < 0.01
    wide = changed(table("wide", [100.0] * 12, low_90=95.0, high_90=107.0), tmp_path / "last.csv")[
        0
    ]
    assert wide["beyond_interval"] == 3
    narrow = changed(
        table("narrow", [100.0] * 12, low_90=100.0, high_90=100.0), tmp_path / "last.csv"
    )
    assert narrow[0]["beyond_interval"] == 6
    same = changed(before, table("same", [100.0] * 12))[0]
    assert same["beyond_interval"] == 0 and "p_of_change" not in same
    assert changed(before, table("drawn", [120.0] * 12, source="corrected")) == []
    assert changed(before, table("accepted", [100.0] * 12, verdict="accepted")) == []
    with pytest.raises(InputError, match="goes on with s11"):
        changed(before, table("short", [100.0] * 11))
