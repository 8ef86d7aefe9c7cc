"""Landmarks of COCO, LabelMe and TPS, on photographs of any orientation."""

import json

import numpy as np
import pytest
import yaml
from PIL import Image
from pycocotools.coco import COCO

from sam2pal.dataset.dataset import read_templates
from sam2pal.dataset.files import read_json, write
from sam2pal.dataset.landmarks import read_landmarks
from sam2pal.dataset.photographs import Photographs
from sam2pal.images.orientation import stored
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
    assert read_landmarks(hidden, photographs).points == {"a": {"tip": (10.5, 4.0)}}
    unnamed = coco(tmp_path / "c.json", [10.5, 4, 2, 30, 20, 1], names=())
    assert read_landmarks(unnamed, photographs).points == {
        "a": {"1": (10.5, 4.0), "2": (30.0, 20.0)}
    }
    own = {"id": 9, "image_id": "a", "category_id": -1, "keypoints": [10.5, 4, 2, 0, 0, 0]}
    descriptron = {
        "images": [{"id": "a", "file_name": "a.jpg", "height": 30, "width": 40}],
        "annotations": [own | {"point_order": [1, 2], "keypoints_clicked": [10.5, 4, 2, 3, 3, 0]}],
        "categories": [],
    }
    (tmp_path / "a_keypoints.json").write_text(json.dumps(descriptron))
    found = read_landmarks(tmp_path / "a_keypoints.json", photographs)
    assert found.points == {"a": {"1": (10.5, 4.0)}}
    found = read_landmarks(labelme(tmp_path / "a.json", wanted, "a.jpg", (40, 30)), photographs)
    assert found.points == {"a": wanted} and found.notes == []
    tps = tmp_path / "a.tps"
    tps.write_text(
        "LM=3\n10.5 26\n-1 -1\n30 10\nIMAGE=a.jpg\nID=0\nSCALE=0.1\n\nLM=1\n1 1\nIMAGE=z.jpg\n"
    )
    found = read_landmarks(tps, photographs)
    assert found.points == {"a": {"1": (10.5, 4.0), "3": (30.0, 20.0)}}
    assert "landmarks on 1 photograph not among the templates" in found.notes[0]


def test_points_drawn_upright_lie_on_the_photograph_as_stored(tmp_path, photographs):
    # displayed (x, y) = (height - y, x) of the stored ones: the upper left corner comes to the upper right
    drawn = {"corner": (30.0, 0.0), "tip": (25.0, 8.0)}
    path = labelme(tmp_path / "b.json", drawn, "b.jpg", (30, 40))
    assert read_landmarks(path, photographs).points == {
        "b": {"corner": (0.0, 0.0), "tip": (8.0, 5.0)}
    }
    same = {"file_name": "b.jpg", "width": 40, "height": 30}
    path = coco(tmp_path / "stored.json", [8, 5, 2, 1, 1, 2], **same)
    assert read_landmarks(path, photographs).points["b"]["tip"] == (8.0, 5.0)


def dotted(folder, orientation):
    """A photograph with a dot at displayed (25, 8) of 30 x 40 or 40 x 30 pixels; where it is stored."""
    size = (30, 40) if orientation > 4 else (40, 30)
    shown = np.zeros(size[::-1], np.uint8)
    shown[8, 25] = 255
    pixels = stored(shown, orientation)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(folder / "c.png", exif=exif)
    (row,), (column,) = np.nonzero(pixels)
    return size, (column + 0.5, row + 0.5)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_point_lies_on_its_pixel_whichever_way_the_photograph_is_turned_or_mirrored(
    tmp_path, orientation
):
    folder = tmp_path / "photographs"
    folder.mkdir()
    size, wanted = dotted(folder, orientation)
    photographs = Photographs.of_folder(folder)
    path = labelme(tmp_path / "c.json", {"dot": (25.5, 8.5)}, "c.png", size)
    assert read_landmarks(path, photographs).points == {"c": {"dot": wanted}}
    image = {"file_name": "c.png", "width": size[0], "height": size[1]}
    path = coco(tmp_path / "d.json", [25.5, 8.5, 2], names=("dot",), **image)
    content = json.loads(path.read_text()) | {"info": {"orientation": "displayed"}}
    path.write_text(json.dumps(content))
    assert read_landmarks(path, photographs).points == {"c": {"dot": wanted}}


@pytest.mark.parametrize("orientation", [1, 5])
def test_one_canonical_file_holds_the_masks_and_the_landmarks_of_templates(
    tmp_path, photographs, by_hand, orientation
):
    folder = tmp_path / "photographs"
    size, dot = dotted(folder, orientation)
    head = labelme(tmp_path / "head.json", {"dot": (25.5, 8.5)}, "c.png", size)
    other = labelme(tmp_path / "other.json", {"leg 2": (3, 4), "leg 10": (6, 5)}, "a.jpg", (40, 30))
    marks = tmp_path / "marks"
    marks.mkdir()
    coco(marks / "a.json", [10.5, 4, 2, 30, 20, 1])
    (marks / "b.json").write_text(head.read_text())
    (tmp_path / "options.yaml").write_text(yaml.safe_dump({"structures": {"head": None}}))
    output = tmp_path / "templates.json"
    command = ["--genus", "Aus", "--round", "one", "--annotations", head, other]
    command += ["--photographs", folder]
    command += ["--options", tmp_path / "options.yaml", "--output", output]
    assert by_hand("convert_templates", *command).code == 0
    known = Photographs.of_specimens(read_templates(output), output)
    write(output, read_landmarks(marks, known).on(read_json(output)))

    read = COCO(output)  # as every program of COCO reads it
    (category,) = read.loadCats(read.getCatIds(catNms=["landmarks"]))
    assert category["keypoints"] == ["dot", "eye", "tip"] and category["skeleton"] == []
    of = {one["file_name"]: one["id"] for one in read.loadImgs(read.getImgIds())}
    (drawn,) = read.loadAnns(read.getAnnIds(imgIds=of["a.jpg"], catIds=category["id"]))
    assert drawn["keypoints"] == [0, 0, 0, 30, 20, 1, 10.5, 4, 2] and drawn["num_keypoints"] == 2
    (drawn,) = read.loadAnns(read.getAnnIds(imgIds=of["c.png"], catIds=category["id"]))
    assert drawn["keypoints"] == [*dot, 2, 0, 0, 0, 0, 0, 0]
    (mask,) = read.loadAnns(read.getAnnIds(imgIds=of["c.png"], catIds=1))
    assert drawn["area"] == mask["area"] > 20 and drawn["bbox"] == mask["bbox"]
    assert read.annToMask(mask).sum() == mask["area"]

    assert [list(one.annotations) for one in read_templates(output)] == [["head"], ["head"]]
    again = read_landmarks(output, photographs.of_folder(folder))
    assert again.points == {"a": {"tip": (10.5, 4), "eye": (30, 20)}, "c": {"dot": dot}}
    assert again.unseen["a"] == {"eye"} and not again.unseen["c"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "LM3=1\n1 1 1\nIMAGE=a.jpg\n",
            "line 1: 'LM3=1' is not LM= and a number of landmarks in two dimensions",
        ),
        ("LM=1\n1 x\nIMAGE=a.jpg\n", "line 2: '1 x' is not the x and y of a landmark"),
        (
            "LM=3\n5 1\n6 2\nIMAGE=a.jpg\n",
            "line 4: there are fewer landmarks than LM= says; save the file again",
        ),
        (
            "IMAGE=a.jpg\nLM=3\n5 1\n6 2\n",
            "last line: there are fewer landmarks than LM= says; save the file again",
        ),
        ("LM=1\n5 1\n6 2\nIMAGE=a.jpg\n", "line 3: there are more landmarks than LM= says"),
        ("LM=1\n50 1\nIMAGE=a.jpg\n", "'1' at (50, 29) is outside of the photograph"),
        ("LM=1\n5 1\nIMAGE=q.jpg\n", "no landmark on a template"),
        ("LM=1\n5 1\nIMAGE=a.jpg\nLM=1\n5 1\nID=b\n", "line 4: these landmarks name no photograph"),
    ],
)
def test_a_broken_tps_file_is_named(tmp_path, photographs, text, message):
    path = tmp_path / "a.tps"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_landmarks(path, photographs)
    assert str(path) in str(error.value) and message in str(error.value)


def test_landmarks_of_one_photograph_in_two_places_are_a_question(tmp_path, photographs):
    folder = tmp_path / "drawn"
    folder.mkdir()
    labelme(folder / "a.json", {"tip": (5, 5)}, "a.jpg", (40, 30))
    labelme(folder / "old a.json", {"tip": (5, 5)}, "a.jpg", (40, 30))
    assert read_landmarks(folder, photographs).points == {"a": {"tip": (5.0, 5.0)}}
    labelme(folder / "old a.json", {"tip": (9, 5)}, "a.jpg", (40, 30))
    with pytest.raises(InputError, match=r"old a\.json: 'a\.jpg' has the landmark 'tip' in two"):
        read_landmarks(folder, photographs)
    (folder / "old a.json").unlink()
    labelme(folder / "b.json", {"eye": (9, 5)}, "a.jpg", (40, 30))  # a copy of a.json drawn anew
    with pytest.raises(InputError, match=r"b\.json: its imagePath is 'a\.jpg'"):
        read_landmarks(folder, photographs)


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
