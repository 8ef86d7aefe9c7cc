"""Boxes of specimens in trays: found, drawn, numbered, written and cut."""

import json
import runpy
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import zxingcpp
from PIL import Image, ImageDraw

from sam2pal.dataset.convert import convert
from sam2pal.dataset.corrections import read_corrections, templates_of, write_templates
from sam2pal.dataset.dataset import Dataset
from sam2pal.dataset.export import WHOLE, export
from sam2pal.dataset.files import write as write_coco
from sam2pal.dataset.manifest import build_manifest, write_list
from sam2pal.dataset.matching import find_templates
from sam2pal.dataset.photographs import Photographs
from sam2pal.dataset.rle import decode_mask, encode_mask
from sam2pal.dataset.trays import Boxed, Tray, as_coco, find, named, read_boxes, windows_of
from sam2pal.images.address import address_of, content_hash
from sam2pal.images.orientation import stored
from sam2pal.images.reading import Photograph
from sam2pal.images.trays import TraySpecimen
from sam2pal.images.window import Window
from sam2pal.io.errors import InputError

PLACES = [(60 + 150 * column, 50 + 120 * row) for row in range(2) for column in range(3)]


def draw(path: Path, places: list[tuple[int, int]], size: tuple[int, int], **saved: object) -> None:
    """Dark ellipses of 40 x 80 pixels on grainy paper."""
    image = Image.new("RGB", size, (225, 220, 210))
    pen = ImageDraw.Draw(image)
    for left, top in places:
        pen.ellipse((left, top, left + 40, top + 80), (50, 40, 35))
    grain = np.random.default_rng(1).normal(0, 2, (size[1], size[0], 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path, **saved)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    draw(tmp_path / "trays/TRAY_1.png", PLACES, (500, 320))
    draw(tmp_path / "single/one.png", [(30, 20)], (100, 120))
    outline = [[30 + 20 + 20 * np.cos(t), 20 + 40 + 40 * np.sin(t)] for t in np.arange(0, 6.2, 0.1)]
    shape = {"label": "body", "shape_type": "polygon", "points": outline}
    label = {"version": "5", "shapes": [shape], "imagePath": "one.png"}
    label |= {"imageWidth": 100, "imageHeight": 120, "imageData": None, "flags": {}}
    (tmp_path / "one.json").write_text(json.dumps(label))
    return tmp_path


def search(folder: Path, monkeypatch: pytest.MonkeyPatch, *more: object) -> dict:
    words = ["--photographs", folder / "trays", "--annotations", folder / "one.json"]
    words += ["--annotated-photographs", folder / "single", "--page", folder / "out/page"]
    words += ["--output", folder / "out/specimens.json", *more]
    monkeypatch.setattr(sys, "argv", ["find_specimens.py", *map(str, words)])
    script = Path(__file__).parents[3] / "scripts/find_specimens.py"
    runpy.run_path(str(script), run_name="script")["main"]()
    return json.loads((folder / "out/specimens.json").read_text())


def boxes(folder: Path, *drawn: dict) -> str:
    data = {
        "images": [{"id": 1, "file_name": "TRAY_1.png"}],
        "categories": [{"id": 1, "name": "specimen"}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": 1} | one for n, one in enumerate(drawn, 1)
        ],
    }
    (folder / "boxes.json").write_text(json.dumps(data))
    return str(folder / "boxes.json")


def test_a_tray_becomes_boxes_a_sheet_and_photographs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = search(folder, monkeypatch, "--cut", folder / "out/photographs")
    names = [one["name"] for one in written["annotations"]]
    assert names == [f"TRAY_1#0{row}0{column}" for row in (1, 2) for column in (1, 2, 3)]
    for one, (left, top) in zip(written["annotations"], PLACES, strict=True):
        assert np.abs(np.subtract(one["bbox"], (left, top, 41, 81))).max() <= 3
        x, y, width, height = one["window"]
        assert x < left and y < top and x + width > left + 41 and y + height > top + 81
        cut = np.asarray(Image.open(folder / f"out/photographs/{one['name']}.png"))
        tray = np.asarray(Image.open(folder / "trays/TRAY_1.png"))
        assert (cut == tray[y : y + height, x : x + width]).all()
    assert Image.open(folder / "out/page/pictures/TRAY_1.jpg").size == (500, 320)


def test_a_damaged_tray_leaves_the_others_their_specimens(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    sound = (folder / "trays/TRAY_1.png").read_bytes()
    (folder / "trays/TRAY_0.png").write_bytes(sound[: len(sound) // 2])
    written = search(folder, monkeypatch)
    assert [one["file_name"] for one in written["images"]] == ["TRAY_1.png"]
    assert len(written["annotations"]) == 6
    said = capsys.readouterr().err
    assert "TRAY_0.png" in said and "no specimen was looked for in it" in said


@pytest.mark.parametrize(("length", "sides"), [(99, [2048, 3072]), (101, [2048])])
def test_a_tray_of_small_specimens_is_searched_larger(
    length: int, sides: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def specimens_in(pixels: np.ndarray, known: list) -> list[TraySpecimen]:
        seen.append(max(pixels.shape))
        return [TraySpecimen((10, 20, length, 30), 0.7, False)] * 3

    monkeypatch.setattr("sam2pal.dataset.trays.specimens_in", specimens_in)
    found = find(Photograph(np.zeros((1024, 4096, 3), np.uint8), 1, 4096, 1024), [])
    scale = 4096 / sides[-1]
    assert seen == sides
    assert found[0].box == tuple(round(edge * scale, 1) for edge in (20, 10, 30, length))


def test_drawn_boxes_replace_what_is_found_and_what_was_cut(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search(folder, monkeypatch, "--cut", folder / "out/photographs")
    drawn = boxes(
        folder,
        {"bbox": [360, 170, 40, 80]},
        {"bbox": [60, 50, 40, 80], "name": "TRAY_1#0101"},
        {"bbox": [5, 52, 40, 80]},  # to the left of one that keeps its number
    )
    written = search(folder, monkeypatch, "--cut", folder / "out/photographs", "--boxes", drawn)
    assert [one["name"][-4:] for one in written["annotations"]] == ["0102", "0101", "0201"]
    assert {one["source"] for one in written["annotations"]} == {"drawn"}
    left = sorted(path.name for path in (folder / "out/photographs").iterdir())
    assert left == ["TRAY_1#0101.png", "TRAY_1#0102.png", "TRAY_1#0201.png"]


def test_boxes_are_of_the_upright_photograph(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side
    turned = Image.open(folder / "trays/TRAY_1.png").transpose(Image.Transpose.ROTATE_90)
    turned.save(folder / "trays/TRAY_1.jpg", exif=exif, quality=95)
    (folder / "trays/TRAY_1.png").unlink()
    written = search(folder, monkeypatch)
    assert (written["images"][0]["width"], written["images"][0]["height"]) == (500, 320)
    found = [one["bbox"][:2] for one in written["annotations"]]
    assert np.abs(np.subtract(found, PLACES)).max() <= 4


def test_what_is_written_is_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = search(folder, monkeypatch)
    again = search(folder, monkeypatch, "--boxes", str(folder / "out/specimens.json"))
    same = ("name", "bbox", "window")
    of = [[[one[key] for key in same] for one in data["annotations"]] for data in (written, again)]
    assert of[0] == of[1]


def test_two_specimens_on_one_template_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(folder / "single/one.png", [(30, 20), (130, 20)], (200, 120))
    label = json.loads((folder / "one.json").read_text()) | {"imageWidth": 200}
    (shape,) = label["shapes"]
    head = [[40, 30], [60, 30], [60, 40], [40, 40]]
    label["shapes"].append(shape | {"label": "head", "points": head})
    for one in list(label["shapes"]):
        moved = [[x + 100, y] for x, y in one["points"]]
        label["shapes"].append(one | {"points": moved})
    (folder / "one.json").write_text(json.dumps(label))
    with pytest.raises(InputError, match="one.png: more than one specimen is outlined"):
        search(folder, monkeypatch)
    label["shapes"] = label["shapes"][:2]
    (folder / "one.json").write_text(json.dumps(label))
    assert len(search(folder, monkeypatch)["annotations"]) == 6


def test_codes_beside_specimens_name_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tray = Image.open(folder / "trays/TRAY_1.png")
    texts = "https://museum.org/object/NHM 101", "NHM102", "NHM102", "NHM104"
    for text, place in zip(texts, ((105, 55), (253, 60), (405, 60), (440, 200)), strict=True):
        code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode)
        picture = Image.fromarray(np.array(zxingcpp.write_barcode_to_image(code, scale=2)))
        tray.paste(picture.convert("RGB"), place)
    tray.save(folder / "trays/TRAY_1.png")
    drawn = [{"bbox": [x, y, 41, 81]} for x, y in PLACES]
    drawn[5]["name"] = "TRAY_1#0203"
    written = search(folder, monkeypatch, "--codes", "--boxes", boxes(folder, *drawn))
    names = [one["name"].partition("#")[2] for one in written["annotations"]]
    # one code is there twice, one lies beside a specimen that has a name
    assert names == ["NHM-101", "0102", "0103", "0201", "0202", "0203"]

    monkeypatch.setitem(sys.modules, "zxingcpp", None)
    with pytest.raises(InputError, match="uv pip install zxing-cpp"):
        search(folder, monkeypatch, "--codes")


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ({"bbox": [1, 2, 3]}, "its bbox is"),
        ({"bbox": [1, 2, 30, 0.5]}, "1 or more"),
        ({"bbox": [float("nan"), 2, 30, 30]}, "its bbox is"),
        ({"bbox": [600, 2, 30, 30]}, "outside of the photograph, which has 500 x 320"),
        ({"bbox": [6, 2, 30, 30], "name": "a/b"}, "part of a file's name"),
    ],
)
def test_a_wrong_box_is_named(folder: Path, box: dict, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        read_boxes([boxes(folder, box)], Photographs.of_folder(folder / "trays"))
    assert "boxes.json: annotation 1 of TRAY_1.png" in str(error.value)


def test_boxes_drawn_on_a_picture_of_another_size_are_refused(folder: Path) -> None:
    photographs = Photographs.of_folder(folder / "trays")
    path = Path(boxes(folder, {"bbox": [60, 50, 41, 81]}))
    data = json.loads(path.read_text())
    for width, height, refused in ((500, 320, False), (250, 160, True), (320, 500, True)):
        data["images"][0] |= {"width": width, "height": height}
        path.write_text(json.dumps(data))
        if refused:
            with pytest.raises(InputError, match=f"on {width} x {height} .* has 500 x 320"):
                read_boxes([path], photographs)
        else:
            assert len(read_boxes([path], photographs)) == 1


def test_a_tray_whose_name_macos_decomposed_has_its_specimens(folder: Path) -> None:
    draw(folder / "umlaut" / unicodedata.normalize("NFD", "Käfer.png"), PLACES, (500, 320))
    (file,) = Photographs.of_folder(folder / "umlaut").photographs
    tray = Tray(file, 500, 320, (Boxed("0101", (60, 50, 41, 81)),))
    write_coco(folder / "found.json", as_coco([tray]))
    windows = windows_of(folder / "found.json")
    (row,) = build_manifest(folder / "umlaut", None, 4, windows=windows).specimens
    assert (row.specimen, row.status) == ("Käfer#0101", "ok")


def test_wrong_names_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Boxed("0101", (0, 0, 9, 9))
    with pytest.raises(InputError, match="two boxes are named '0101'"):
        named([one, one], "TRAY_1.png")
    photographs = Photographs.of_folder(folder / "trays")
    with pytest.raises(InputError, match="are also in"):
        read_boxes([boxes(folder), boxes(folder)], photographs)
    draw(folder / "trays/TRAY_1.tif", PLACES, (500, 320))
    with pytest.raises(InputError, match="the same name but for its extension"):
        search(folder, monkeypatch)


def test_each_specimen_is_listed_with_its_window(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = search(folder, monkeypatch)
    windows = windows_of(folder / "out/specimens.json")
    draw(folder / "trays/empty.png", [], (200, 100))
    draw(folder / "trays/new.png", [], (210, 100))
    listed = build_manifest(folder / "trays", None, 4, windows=windows | {"empty.png": []})
    *found, empty, new = sorted(
        listed.specimens, key=lambda one: (one.status == "unreadable", one.status != "ok")
    )
    assert (empty.status, new.status) == ("no_specimen", "unreadable")
    assert "draw boxes" in empty.reason and "run the workflow again" in new.reason
    assert [one.specimen for one in found] == [one["name"] for one in written["annotations"]]
    assert [one.name for one in found][0] == "TRAY_1#0101.png"
    assert {one.shard for one in found} == {"0001", "0002"}
    for one, annotation in zip(found, written["annotations"], strict=True):
        x, y, width, height = annotation["window"]
        assert one.path == f"{folder}/trays/TRAY_1.png#xywh={x},{y},{width},{height}"
        assert (one.width, one.height) == (width, height)
    again = build_manifest(folder / "trays", listed.specimens, 4, windows=windows)
    assert [(one.specimen, one.shard) for one in again.specimens if one.status == "ok"] == [
        (one.specimen, one.shard) for one in found
    ]


@pytest.mark.parametrize("orientation", [1, 6])
def test_masks_are_put_back_on_the_photograph(tmp_path: Path, orientation: int) -> None:
    upright = np.zeros((90, 120), bool)
    upright[20:35, 60:90] = True
    upright[30:40, 70:75] = True
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = Image.fromarray(stored(upright, orientation).astype(np.uint8) * 255)
    picture.save(tmp_path / "T.png", exif=exif)
    window = Window(10, 50, 50, 60)
    mask = upright[10:60, 50:110]
    image = {"id": 1, "file_name": "T#0101.png", "specimen": "T#0101", "width": 60, "height": 50}
    image |= {"path": address_of(str(tmp_path / "T.png"), window), "status": "ok"}
    one = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": encode_mask(mask)}
    data = {"images": [image], "annotations": [one], "categories": [{"id": 1, "name": "head"}]}
    write_coco(tmp_path / "0001.json", data)
    assert export([tmp_path / "0001.json"], WHOLE, tmp_path / "out") == 1
    found = json.loads((tmp_path / "out/annotations.json").read_text())
    assert found["images"][0]["file_name"] == "T.png"
    assert found["annotations"][0]["specimen"] == "T#0101"
    whole = decode_mask(found["annotations"][0]["segmentation"])
    assert (whole == stored(upright, orientation)).all()
    positions = (tmp_path / "out/positions.csv").read_text().splitlines()
    y, x = (np.mean(of) + 0.5 for of in np.nonzero(upright))
    row = positions[1].split(",")
    assert positions[0].startswith("file_name,specimen,structure,centroid_x,centroid_y,left,top")
    assert row[:3] == ["T.png", "T#0101", "head"] and row[5:] == ["60", "20", "30", "20"]
    assert [float(cell) for cell in row[3:5]] == pytest.approx([x, y])


def test_a_tray_without_a_specimen_is_an_image_without_a_box() -> None:
    assert as_coco([])["images"] == [] and named([], "TRAY_1.png") == ()


def test_what_was_corrected_in_a_tray_is_a_template(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search(folder, monkeypatch)
    windows = windows_of(folder / "out/specimens.json")
    listed = build_manifest(folder / "trays", None, 100, windows=windows).specimens
    write_list(folder / "manifest.tsv", listed)
    photographs = Photographs.of_place(folder / "manifest.tsv")
    one = listed[4]
    mask = np.zeros((one.height, one.width), bool)
    mask[10:60, 12:40] = True
    image = {"id": 1, "file_name": one.name, "specimen": one.specimen, "genus": "Aus"}
    image |= {"width": one.width, "height": one.height, "sha256": content_hash(one.path)}
    said = {"id": 1, "image_id": 1, "category_id": 1, "verdict": "corrected", "iscrowd": 0}
    said |= {"segmentation": encode_mask(mask), "source": "corrected"}
    data = {"images": [image], "annotations": [said], "categories": [{"id": 1, "name": "body"}]}
    (folder / "corrections.json").write_text(json.dumps(data))
    found, _ = read_corrections([folder / "corrections.json"], "Aus", photographs, ["body"])
    write_templates(folder / "templates.json", templates_of(found))
    drawn = Dataset(convert(folder / "templates.json", folder / "manifest.tsv", ["body"]))
    (template,) = drawn.specimens
    assert (template.specimen, template.path) == ("TRAY_1#0202", one.path)
    assert (template.masks["body"] == mask).all()
    # of six windows of one file that one is the template
    assert list(find_templates(listed, [template])) == ["TRAY_1#0202"]

    moved = {"bbox": [200, 160, 60, 90], "name": "TRAY_1#0202"}
    search(folder, monkeypatch, "--boxes", boxes(folder, moved))
    windows = windows_of(folder / "out/specimens.json")
    listed = build_manifest(folder / "trays", None, 100, windows=windows).specimens
    photographs = Photographs.of_specimens(listed, "the list")
    with pytest.raises(InputError, match="TRAY_1#0202': .* its box is another"):
        read_corrections([folder / "corrections.json"], "Aus", photographs, ["body"])


def test_photographs_of_one_specimen_stay_whole_beside_trays(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(folder / "trays/filled.png", [(30, 20)], (100, 120))
    draw(folder / "trays/small.png", [(300, 90)], (500, 320))
    draw(folder / "trays/empty.png", [], (200, 100))
    written = search(folder, monkeypatch, "--auto")
    assert [one["name"][:6] for one in written["annotations"]] == ["TRAY_1"] * 6
    windows = windows_of(folder / "out/specimens.json")
    listed = build_manifest(folder / "trays", None, 100, windows=windows).specimens
    whole = {one.specimen: one.path for one in listed if "#" not in one.specimen}
    assert set(whole) == {"empty", "filled", "small"} and len(listed) == 9
    assert all(path.endswith(".png") for path in whole.values())
    assert {one.status for one in listed} == {"ok"}
    # what was found is read again, and a person may say so of a tray
    data = json.loads((folder / "out/specimens.json").read_text())
    tray = next(image for image in data["images"] if image["file_name"] == "TRAY_1.png")
    data["annotations"] = []
    tray["whole"] = True
    (folder / "boxes.json").write_text(json.dumps(data))
    again = search(folder, monkeypatch, "--boxes", str(folder / "boxes.json"))
    assert all(image["whole"] for image in again["images"]) and again["annotations"] == []
