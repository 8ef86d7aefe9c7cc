"""Landmarks of COCO, LabelMe and TPS, on photographs of any orientation."""

import json

import pytest
from PIL import Image

from sam2pal.dataset.landmarks import read_landmarks
from sam2pal.dataset.photographs import Photographs
from sam2pal.io.errors import InputError


@pytest.fixture
def photographs(tmp_path):
    """`a`, 40 x 30 pixels, and `b`, stored so but displayed turned clockwise (30 x 40)."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    Image.new("RGB", (40, 30)).save(folder / "a.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30)).save(folder / "b.jpg", exif=exif)
    return Photographs.of_folder(folder)


def coco(path, keypoints, names=("tip", "eye"), **image):
    image = {"id": 1, "file_name": "a.jpg", "width": 40, "height": 30} | image
    content = {
        "images": [image],
        "categories": [{"id": 3, "name": "beetle", "keypoints": list(names)}],
        "annotations": [{"id": 7, "image_id": 1, "category_id": 3, "keypoints": keypoints}],
    }
    path.write_text(json.dumps(content))
    return path


def labelme(path, points, photograph, size):
    shapes = [
        {"label": name, "shape_type": "point", "points": [list(xy)]} for name, xy in points.items()
    ]
    shapes.append({"label": "head", "shape_type": "polygon", "points": [[0, 0], [9, 0], [9, 9]]})
    content = {"shapes": shapes, "imagePath": photograph, "imageData": None}
    path.write_text(json.dumps(content | {"imageWidth": size[0], "imageHeight": size[1]}))
    return path


def test_every_format_gives_the_same_points(tmp_path, photographs):
    wanted = {"tip": (10.5, 4.0), "eye": (30.0, 20.0)}
    hidden = coco(tmp_path / "c.json", [10.5, 4, 2, 0, 0, 0])
    assert read_landmarks(hidden, photographs)[0] == {"a": {"tip": (10.5, 4.0)}}
    unnamed = coco(tmp_path / "c.json", [10.5, 4, 2, 30, 20, 1], names=())
    assert read_landmarks(unnamed, photographs)[0] == {"a": {"1": (10.5, 4.0), "2": (30.0, 20.0)}}
    own = {"id": 9, "image_id": "a", "category_id": -1, "keypoints": [10.5, 4, 2, 0, 0, 0]}
    descriptron = {
        "images": [{"id": "a", "file_name": "a.jpg", "height": 30, "width": 40}],
        "annotations": [own | {"point_order": [1, 2], "keypoints_clicked": [10.5, 4, 2, 3, 3, 0]}],
        "categories": [],
    }
    (tmp_path / "a_keypoints.json").write_text(json.dumps(descriptron))
    found, _ = read_landmarks(tmp_path / "a_keypoints.json", photographs)
    assert found == {"a": {"1": (10.5, 4.0)}}
    found, notes = read_landmarks(
        labelme(tmp_path / "a.json", wanted, "a.jpg", (40, 30)), photographs
    )
    assert found == {"a": wanted} and notes == []
    tps = tmp_path / "a.tps"
    tps.write_text(
        "LM=3\n10.5 26\n-1 -1\n30 10\nIMAGE=a.jpg\nID=0\nSCALE=0.1\n\nLM=1\n1 1\nIMAGE=z.jpg\n"
    )
    found, notes = read_landmarks(tps, photographs)
    assert found == {"a": {"1": (10.5, 4.0), "3": (30.0, 20.0)}}
    assert "1 photographs with landmarks are no templates" in notes[0]


def test_points_drawn_upright_lie_on_the_photograph_as_stored(tmp_path, photographs):
    # displayed (x, y) = (height - y, x) of the stored ones: the upper left corner comes to the upper right
    drawn = {"corner": (30.0, 0.0), "tip": (25.0, 8.0)}
    path = labelme(tmp_path / "b.json", drawn, "b.jpg", (30, 40))
    found, _ = read_landmarks(path, photographs)
    assert found == {"b": {"corner": (0.0, 0.0), "tip": (8.0, 5.0)}}
    same = {"file_name": "b.jpg", "width": 40, "height": 30}
    path = coco(tmp_path / "stored.json", [8, 5, 2, 1, 1, 2], **same)
    assert read_landmarks(path, photographs)[0]["b"]["tip"] == (8.0, 5.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("LM3=1\n1 1 1\nIMAGE=a.jpg\n", "line 1: 'LM3=1'; expected LM=NUMBER, in two dimensions"),
        ("LM=1\n1 x\nIMAGE=a.jpg\n", "line 2: '1 x'; expected two numbers"),
        ("LM=1\n50 1\nIMAGE=a.jpg\n", "'1' at (50, 29) is outside of the photograph"),
        ("LM=1\n5 1\nIMAGE=q.jpg\n", "no landmark on a template"),
    ],
)
def test_a_broken_tps_file_is_named(tmp_path, photographs, text, message):
    path = tmp_path / "a.tps"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_landmarks(path, photographs)
    assert str(path) in str(error.value) and message in str(error.value)


def test_keypoints_that_do_not_fit_are_named(tmp_path, photographs):
    path = coco(tmp_path / "c.json", [1, 1, 2])
    with pytest.raises(InputError, match="annotation 7: 1 keypoints, but its category names 2"):
        read_landmarks(path, photographs)
    path = coco(tmp_path / "c.json", [1, 1, 2, 3, 3, 2], width=80, height=60)
    with pytest.raises(InputError, match="drawn on 80 x 60 pixels, but the photograph has 40 x 30"):
        read_landmarks(path, photographs)
    path = labelme(tmp_path / "a.json", {}, "a.jpg", (40, 30))
    with pytest.raises(InputError, match="no landmark on a template"):
        read_landmarks(path, photographs)
