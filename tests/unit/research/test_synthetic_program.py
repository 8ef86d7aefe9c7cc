"""scripts/research/draw_specimens.py: what it writes fits together and is the same again."""

import csv
import json
import sys
from pathlib import Path

import draw_specimens
import numpy as np
import pytest

from sam2pal.dataset.files import check, read_json
from sam2pal.dataset.rle import decode_mask
from sam2pal.images.reading import read_photograph
from sam2pal.io.errors import InputError


def run(folder: Path, *more: str) -> None:
    arguments = ["--genus", "Testus", "--specimens", "9", "--size", "120", "--output", str(folder)]
    arguments += ["--structures", "head,pronotum,elytra,legs,antennae", *more]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["draw_specimens.py", *arguments])
        draw_specimens.main()


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    run(folder, "--templates", "2", "--broken", "1")
    return folder


def test_files_fit_together(drawn):
    truth = check(read_json(drawn / "truth.json"), "the file")
    templates = check(read_json(drawn / "templates.json"), "the file")
    assert len(truth["images"]) == 9 and len(templates["images"]) == 2
    per_image = {image["id"]: [] for image in truth["images"]}
    for annotation in truth["annotations"]:
        per_image[annotation["image_id"]].append(annotation)
    names = {category["id"]: category["name"] for category in truth["categories"]}
    missing = set()
    for image in truth["images"]:
        photograph = read_photograph(drawn / "photographs" / image["file_name"])
        assert (photograph.width, photograph.height) == (image["width"], image["height"])
        assert len(per_image[image["id"]]) == len(names)
        for annotation in per_image[image["id"]]:
            mask = decode_mask(annotation["segmentation"])
            assert mask.sum() == annotation["area"]
            if not annotation["area"]:
                missing.add((image["id"], names[annotation["category_id"]]))
            if names[annotation["category_id"]] == "elytra":
                # dark or bright, the elytra differ from what surrounds the whole animal
                assert annotation["area"] > 300
    assert {(7, "head"), (8, "antennae")} <= missing
    assert not {image for image, _ in missing} & {1, 2, 3, 4, 5, 6, 9}


def test_photographs_are_varied(drawn):
    suffixes = {path.suffix for path in (drawn / "photographs").iterdir()}
    assert suffixes == {".jpg", ".png", ".tif"}
    turned = [
        read_photograph(path).orientation
        for path in sorted((drawn / "photographs").glob("TES-0*.jpg"))
    ]
    assert turned.count(6) == 1 and turned.count(1) == len(turned) - 1
    with pytest.raises(InputError):
        read_photograph(drawn / "photographs" / "TES-broken1.jpg")


def test_table(drawn):
    with (drawn / "specimens.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert len(rows) == 9 and {row["genus"] for row in rows} == {"Testus"}
    stems = {path.stem for path in (drawn / "photographs").iterdir()}
    assert {row["specimen"] for row in rows} < stems
    scales = np.array([float(row["pixels_per_mm"]) for row in rows])
    assert (scales > 2).all() and (scales < 20).all()


def test_same_again(drawn, tmp_path):
    run(tmp_path, "--templates", "2", "--broken", "1")
    files = sorted(path.relative_to(drawn) for path in drawn.rglob("*") if path.is_file())
    assert files == sorted(
        path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()
    )
    for file in files:
        assert (drawn / file).read_bytes() == (tmp_path / file).read_bytes(), file


def test_unknown_structure_is_named(tmp_path):
    with pytest.raises(InputError, match="'elitra' .did you mean 'elytra'"):
        run(tmp_path, "--structures", "head,elitra")


def test_chosen_structures(tmp_path):
    run(tmp_path, "--kind", "ant", "--structures", "gaster,head", "--specimens", "2")
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert [category["name"] for category in truth["categories"]] == ["gaster", "head"]
