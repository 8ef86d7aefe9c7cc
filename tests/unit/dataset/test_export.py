"""Predictions written for each tool come back as they were; the tool's own library reads them too."""

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import shapely
from PIL import Image
from pycocotools.coco import COCO
from scipy import ndimage

from sam2pal.dataset.convert import convert
from sam2pal.dataset.dataset import Dataset, State
from sam2pal.dataset.drawing import fill
from sam2pal.dataset.export import WRITERS, export
from sam2pal.dataset.files import write as write_coco
from sam2pal.dataset.photographs import Photographs
from sam2pal.dataset.rle import encode_mask
from sam2pal.dataset.tracing import bridged, pieces
from sam2pal.io.errors import InputError

WIDTH, HEIGHT = 61, 43
NAMES = ["head", "body", "eye left", "leg", "tail"]  # an eye is absent, a leg and a tail unknown
PHOTOGRAPHS = {"a.png": 1, "drawer 1/Käfer.2.jpg": 6, "drawer 2/Käfer.2.jpg": 3, "b.jpg": 8}


def blob(seed):
    """Pieces with holes, and pieces in the holes, that touch the edge and each other's corners."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).random((HEIGHT, WIDTH)), 1.5)
    mask = noise > np.quantile(noise, 0.6)
    mask[5:20, 5:25], mask[8:17, 8:22], mask[11:14, 11:19] = True, False, True
    return mask


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photographs"
    for name, orientation in PHOTOGRAPHS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.new("RGB", (WIDTH, HEIGHT), "white").save(folder / name, exif=exif)
    return folder


@pytest.fixture
def predictions(tmp_path, photographs):
    images, annotations = [], []
    for number, name in enumerate(PHOTOGRAPHS, 1):
        path = photographs / name
        stem = name.rsplit(".", 1)[0]
        image = {"id": number, "file_name": path.name, "path": str(path), "specimen": stem}
        images.append({**image, "width": WIDTH, "height": HEIGHT, "status": "ok", "reason": ""})
        for category, mask, flags in (
            (1, blob(number), []),
            (2, blob(number + 50), ["touches_edge"]),
            (3, np.zeros((HEIGHT, WIDTH), bool), ["absent"]),
            (4, np.zeros((HEIGHT, WIDTH), bool), ["no_template"]),
        ):
            entry = {"image_id": number, "category_id": category, "flags": flags, "score": 0.5}
            entry |= {"id": len(annotations) + 1, "segmentation": encode_mask(mask)}
            entry |= {"area": int(mask.sum()), "source": "predicted"}
            hidden = category == 3 and number % 2
            annotations.append(entry | ({"state": "hidden"} if hidden else {}))
    lost = {"id": 9, "file_name": "lost.jpg", "specimen": "lost", "status": "unreadable"}
    categories = [{"id": number, "name": name} for number, name in enumerate(NAMES, 1)]
    write_coco(
        tmp_path / "0001.json",
        {"images": [*images, lost], "annotations": annotations, "categories": categories},
    )
    return tmp_path / "0001.json"


@pytest.mark.parametrize("tool", WRITERS)
def test_what_is_exported_comes_back(tmp_path, predictions, photographs, tool):
    assert export([predictions], tool, tmp_path / "out") == len(PHOTOGRAPHS)
    back = Dataset(convert(tmp_path / "out", photographs, NAMES)).by_specimen()
    before = Dataset(predictions).by_specimen()
    assert set(back) == set(before) - {"lost"}
    for name, specimen in back.items():
        eye = before[name].state("eye left")
        known = eye == "absent" or tool in ("coco", "labelme", "cvat", "labelstudio")
        assert specimen.state("eye left") == (eye if known else State.UNKNOWN)
        assert set(specimen.annotations) == {"head", "body"} | ({"eye left"} if known else set())
        for structure, mask in specimen.masks.items():
            assert np.array_equal(mask, before[name].masks[structure]), (name, structure)
        assert not known or not specimen.masks["eye left"].any()
    assert {one.state("eye left") for one in before.values() if one.annotations} == {
        "absent",
        "hidden",
    }


def test_labelme_opens_the_pixels_of_a_specimen_of_a_tray(tmp_path):
    tray = np.random.default_rng(1).integers(0, 255, (90, 120, 3), np.uint8)
    Image.fromarray(tray).save(tmp_path / "T1.png")
    path = f"{tmp_path}/T1.png#xywh=30,20,{WIDTH},{HEIGHT}"
    mask = blob(1)
    image = {"id": 1, "file_name": "T1#0101.png", "path": path, "specimen": "T1#0101"}
    entry = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": encode_mask(mask)}
    image |= {"width": WIDTH, "height": HEIGHT, "status": "ok", "reason": ""}
    entry |= {"area": int(mask.sum()), "source": "predicted"}
    data = {"images": [image], "annotations": [entry], "categories": [{"id": 1, "name": "head"}]}
    write_coco(tmp_path / "0001.json", data)
    export([tmp_path / "0001.json"], "labelme", tmp_path / "out")
    said = json.loads((tmp_path / "out/T1#0101.json").read_text())
    shown = np.asarray(Image.open(tmp_path / "out" / said["imagePath"]))
    assert np.array_equal(shown, tray[20 : 20 + HEIGHT, 30 : 30 + WIDTH])
    known = Photographs.of_specimens(Dataset(tmp_path / "0001.json").specimens, "manifest")
    (back,) = Dataset(convert(tmp_path / "out", known, ["head"])).specimens
    assert back.specimen == "T1#0101" and np.array_equal(back.masks["head"], mask)


def test_predictions_themselves_come_back(predictions, photographs):
    back = convert(predictions, photographs, NAMES)
    assert {entry["category_id"] for entry in back["annotations"]} == {1, 2, 3}
    assert any("4 structures that no template shows" in note for note in back["info"]["notes"])


def test_other_libraries_see_the_same_masks(tmp_path, predictions, photographs):
    export([predictions], "coco", tmp_path / "coco")
    export([predictions], "geojson", tmp_path / "geojson")
    export([predictions], "masks", tmp_path / "masks")
    coco = COCO(tmp_path / "coco/annotations.json")
    for entry in coco.anns.values():
        image = coco.imgs[entry["image_id"]]
        stem, structure = image["specimen"], coco.cats[entry["category_id"]]["name"]
        mask = coco.annToMask(entry) > 0
        picture = tmp_path / f"masks/{stem}_{structure}.png"
        assert picture.exists() == (entry.get("state") != "hidden")
        assert not picture.exists() or np.array_equal(np.asarray(Image.open(picture)) > 0, mask)
        features = json.loads((tmp_path / f"geojson/{stem}.geojson").read_text())["features"]
        shapes = [f for f in features if f["properties"]["classification"]["name"] == structure]
        assert len(shapes) == mask.any()
        for feature in shapes:
            shape = shapely.geometry.shape(feature["geometry"])
            assert shape.is_valid
            x, y = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
            assert np.array_equal(shapely.contains_xy(shape, x, y), mask)


def test_only_wanted_specimens(tmp_path, predictions, by_hand):
    table = tmp_path / "next.csv"
    decomposed = unicodedata.normalize("NFD", "drawer 1/Käfer.2")
    table.write_text(f"specimen,why\nb,low\n{decomposed},low\n", encoding="utf-8")
    given = ("--predictions", predictions, "--to", "labelme", "--list", table)
    assert by_hand("export", *given, "--output", tmp_path / "out").code == 0
    written = sorted(p.relative_to(tmp_path / "out") for p in (tmp_path / "out").rglob("*.json"))
    assert written == [Path("b.json"), Path("drawer 1/Käfer.2.json")]
    said = json.loads((tmp_path / "out/b.json").read_text())
    assert (tmp_path / "out" / said["imagePath"]).is_file()
    assert (said["imageWidth"], said["imageHeight"]) == (HEIGHT, WIDTH)
    assert said["flags"]["eye left absent"] and not said["flags"]["leg absent"]
    with pytest.raises(InputError, match="something in it already"):
        export([predictions], "labelme", tmp_path / "out")
    with pytest.raises(InputError, match="no specimen 'c'"):
        export([predictions], "labelme", tmp_path / "other", ["c"])
    assert not (tmp_path / "other").exists()


def test_export_says_that_corrected_masks_are_left_out(tmp_path, predictions, by_hand):
    shards, made = tmp_path / "Aus/first/shards", tmp_path / "Aus/corrections.json"
    shards.mkdir(parents=True)
    predictions.rename(shards / "0001.json")
    given = ("--predictions", shards, "--to", "coco", "--output")
    assert "--corrections" not in by_hand("export", *given, tmp_path / "1").out
    categories = [{"id": number, "name": name} for number, name in enumerate(NAMES, 1)]
    write_coco(made, {"images": [], "annotations": [], "categories": categories})
    assert f"--corrections {made} puts in" in by_hand("export", *given, tmp_path / "2").out
    given = ("--corrections", made, *given, tmp_path / "3")
    assert "--corrections" not in by_hand("export", *given).out


def test_outlines_stray_no_further_than_allowed():
    rows, columns = np.mgrid[:300, :400]
    mask = (rows - 150) ** 2 / 120**2 + (columns - 200) ** 2 / 180**2 < 1
    exact, loose = (pieces(mask, tolerance)[0][0] for tolerance in (0, 2))
    assert np.array_equal(fill([exact], *mask.shape), mask)
    assert len(loose) < len(exact) / 4
    changed = fill([loose], *mask.shape) != mask
    assert changed.any() and ndimage.distance_transform_edt(changed).max() <= 3


def test_noise_and_single_pixels_are_kept():
    for seed in range(3):
        mask = np.random.default_rng(seed).random((29, 37)) > 0.5
        filled = np.zeros_like(mask)
        for piece in pieces(mask):
            filled |= fill([bridged(piece)], *mask.shape)
        assert np.array_equal(filled, mask)
    assert pieces(np.zeros((4, 4), bool)) == []
