"""Masks, their encoding, and COCO files."""

import json

import numpy as np
import pytest
from pycocotools import mask as reference

from sam2pal.dataset.dataset import Annotation, read_templates
from sam2pal.dataset.files import check, read_json, write
from sam2pal.dataset.rle import decode_box, decode_mask, encode_mask, rle_area
from sam2pal.images.letterbox import Letterbox
from sam2pal.io.errors import InputError

# pycocotools' own call of numpy
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def ring(height=60, width=80):
    y, x = np.mgrid[:height, :width]
    distance = np.hypot(y - 30, x - 41)
    return (distance < 25) & (distance > 11)


def masks():
    noise = np.random.default_rng(0).random((37, 53)) < 0.4
    first = np.zeros((5, 7), bool)
    first[0, 0] = True
    return [ring(), noise, ~noise, first, np.zeros((5, 7), bool), np.ones((5, 7), bool)]


@pytest.mark.parametrize("mask", masks())
def test_masks_survive_and_agree_with_pycocotools(mask):
    rle = encode_mask(mask)
    assert isinstance(rle["counts"], str) and rle["size"] == list(mask.shape)
    assert np.array_equal(reference.decode(rle).astype(bool), mask)
    decoded = decode_mask(rle)
    assert decoded.dtype == bool and decoded.flags.c_contiguous and np.array_equal(decoded, mask)
    assert rle_area(rle) == mask.sum()
    assert np.array_equal(decode_mask({**rle, "counts": rle["counts"].encode()}), mask)
    part, (left, top, wide, high) = decode_box(rle)
    assert part.shape == (high, wide) and part.sum() == mask.sum()
    assert np.array_equal(part, mask[top : top + high, left : left + wide])


def test_long_runs_and_uncompressed_counts():
    mask = np.zeros((3000, 2000), bool)
    mask[17, 3] = mask[:, 1500] = True
    assert np.array_equal(decode_mask(encode_mask(mask)), mask)
    rle = {"size": [2, 3], "counts": [1, 2, 3]}
    assert decode_mask(rle).tolist() == [[False, True, False], [True, False, False]]


@pytest.mark.parametrize(
    ("rle", "message"),
    [
        ({"size": [2, 3], "counts": [1, 2]}, "cover 3 pixels.*has 6"),
        ({"size": [2, 3], "counts": [1, -2, 7]}, "negative"),
        ({"size": [2, 3], "counts": [1.5, 4.5]}, "whole numbers"),
        ({"size": [2, 0], "counts": []}, "height, width"),
        ({"size": [2, 3], "counts": ""}, "no counts"),
        ({"size": [2, 3], "counts": "\x01\x02"}, "not COCO's"),
        ({"size": [2, 3], "counts": "~~~~"}, "not COCO's"),
        ({**encode_mask(ring()), "size": [61, 80]}, "4800 pixels"),
    ],
)
def test_a_damaged_rle_is_refused(rle, message):
    with pytest.raises(ValueError, match=message):
        decode_mask(rle)


def canonical():
    head, body = np.zeros((60, 80), bool), ring()
    return {
        "info": {"description": "templates", "genus": "Aus", "round": "first"},
        "images": [
            {"id": 1, "file_name": "a.png", "path": "photos/a.png", "width": 80, "height": 60,
             "specimen": "a"},
            {"id": 2, "file_name": "b.png", "path": "photos/b.png", "width": 80, "height": 60,
             "specimen": "b"},
        ],
        "categories": [
            {"id": 1, "name": "body", "supercategory": ""},
            {"id": 2, "name": "head", "supercategory": "body"},
        ],
        "annotations": [
            annotation(1, 1, 2, head), annotation(2, 1, 1, body), annotation(3, 2, 1, body)
        ],
    }  # fmt: skip


def annotation(identifier, image, category, mask):
    rle = encode_mask(mask)
    return {
        "id": identifier, "image_id": image, "category_id": category, "iscrowd": 0,
        "area": int(mask.sum()), "bbox": [0, 0, 0, 0], "segmentation": rle, "source": "drawn",
    }  # fmt: skip


def test_templates_know_absent_from_unknown(tmp_path):
    write(tmp_path / "t.json", canonical())
    first, second = read_templates(tmp_path / "t.json")
    assert (first.specimen, first.path, first.width, first.height) == ("a", "photos/a.png", 80, 60)
    assert list(first.masks) == ["body", "head"]
    assert np.array_equal(first.masks["body"], ring())
    assert not first.masks["head"].any()
    assert list(second.masks) == ["body"]


@pytest.mark.parametrize(
    ("rows", "state"),
    [
        (slice(10, 20), "found"),
        (slice(0, 9), "outside"),
        (slice(50, 60), "outside"),
        ((), "absent"),
    ],
)
def test_what_meets_the_edge_of_the_photograph_may_be_cut(rows, state):
    mask = np.zeros((60, 80), bool)
    if rows:
        mask[rows, 30:40] = True
    annotation = Annotation((encode_mask(mask),), 60, 80)
    assert annotation.state == state
    polygon = [[30, rows.start, 40, rows.start, 40, rows.stop, 30, rows.stop]] if rows else []
    if polygon:
        assert Annotation((polygon,), 60, 80).state == state


def test_the_same_data_give_the_same_bytes_and_pycocotools_loads_them(tmp_path):
    from pycocotools.coco import COCO

    write(tmp_path / "a.json", canonical())
    write(tmp_path / "b.json", dict(reversed(canonical().items())))
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert json.loads((tmp_path / "a.json").read_text()) == canonical()
    loaded = COCO(tmp_path / "a.json")
    assert np.array_equal(loaded.annToMask(loaded.anns[2]).astype(bool), ring())
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_nan_is_not_written(tmp_path):
    with pytest.raises(ValueError):
        write(tmp_path / "a.json", {"info": {"x": float("nan")}})
    assert list(tmp_path.iterdir()) == []


def change(data, where, key, value):
    for step in where:
        data = data[step]
    if value is None:
        del data[key]
    else:
        data[key] = value


@pytest.mark.parametrize(
    ("where", "key", "value", "message"),
    [
        ([], "images", None, "needs a list 'images'"),
        (["images", 1], "id", 1, "'a.png' and 'b.png'.*same id 1"),
        (["images", 1], "id", ["b"], "entry 2 of 'images'.*'b.png'.*whole number or a name"),
        (["images", 1], "id", 2.5, "2.5.*whole number"),
        (["images", 1], "file_name", None, "entry 2 of 'images' has no 'file_name'; export"),
        (["categories", 1], "id", 1, "'body' and 'head'.*same id"),
        (["annotations", 2], "image_id", 9, "annotation 3 has image_id 9"),
        (["annotations", 2], "category_id", 9, "annotation 3 has category_id 9"),
        (["images", 0], "specimen", None, "no 'specimen'.*convert"),
        (["annotations", 1], "category_id", 2, "structure 'head' is annotated twice"),
        (["annotations", 1, "segmentation"], "size", [61, 80], "'body': damaged mask.*4880"),
        (["images", 0], "width", 81, "80 x 60 pixels, the photograph 81 x 60"),
    ],
)
def test_each_mistake_has_its_own_message(tmp_path, where, key, value, message):
    data = canonical()
    change(data, where, key, value)
    (tmp_path / "t.json").write_text(json.dumps(data))
    with pytest.raises(InputError, match=message) as error:
        read_templates(tmp_path / "t.json")
    assert str(tmp_path / "t.json") in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("{", "not valid JSON"),
        ("[]", "COCO results"),
        (None, "there is no such file"),
    ],
)
def test_files_that_are_not_coco(tmp_path, text, message):
    path = tmp_path / "t.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=message):
        check(read_json(path), path)


def test_ids_that_are_whole_numbers_in_disguise_are_accepted(tmp_path):
    data = canonical()
    data["images"][0]["id"] = "1"
    data["annotations"][0]["image_id"] = 1.0
    (tmp_path / "t.json").write_text(json.dumps(data))
    assert check(read_json(tmp_path / "t.json"), "the file")["annotations"][0]["image_id"] == 1


def test_real_annotations_round_trip(carabidae):
    data = check(read_json(carabidae / "tray" / "annotations.json"), "the file")
    for entry in data["annotations"]:
        mask = decode_mask(entry["segmentation"])
        assert mask.sum() == entry["area"]
        assert encode_mask(mask)["counts"] == entry["segmentation"]["counts"]


def test_real_masks_survive_the_square(carabidae):
    data = check(read_json(carabidae / "tray" / "templates_5.json"), "the file")
    for entry in data["annotations"]:
        mask = decode_mask(entry["segmentation"])
        box = Letterbox(*mask.shape, 1024)
        back = box.square_to_native(box.mask_to_square(mask)) > 0.5
        assert (back & mask).sum() / (back | mask).sum() > 0.995
