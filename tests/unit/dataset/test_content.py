"""A file that is saved again without a change is the same template."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from running import outline, photographs

from sam2pal.config.tables import AnnotationSet
from sam2pal.dataset.content import content_state
from sam2pal.io.files import files_state

STRUCTURES = ["head", "eye"]


def state(folder, name="drawn.json"):
    path = folder / name
    return content_state(AnnotationSet("Aus", "first", str(path), str(folder / "Aus")), STRUCTURES)


def test_what_a_template_says_counts_and_not_how_it_is_written(tmp_path):
    photographs(tmp_path / "Aus", range(3))
    outline(tmp_path / "drawn.json", [0, 1])
    before, path = state(tmp_path), tmp_path / "drawn.json"
    data = json.loads(path.read_text())
    data["images"].reverse()
    path.write_text(json.dumps(data | {"info": {"date_created": "today"}}, indent=1))
    os.utime(path, (1, 1))
    assert state(tmp_path) == before
    data["annotations"][0]["segmentation"][0][0] += 1
    path.write_text(json.dumps(data))
    moved = state(tmp_path)
    data["categories"][0]["name"] = "skull"
    path.write_text(json.dumps(data))
    named = state(tmp_path)
    os.utime(tmp_path / "Aus/0001.png", (1, 1))
    replaced = state(tmp_path)
    path.write_text("{")
    assert len({before, moved, named, replaced, state(tmp_path)}) == 5


def test_why_a_template_does_not_show_a_structure_counts(tmp_path):
    photographs(tmp_path / "Aus", range(1))
    outline(tmp_path / "drawn.json", [0])
    path, seen = tmp_path / "drawn.json", set()
    data = json.loads(path.read_text())
    data["annotations"][1] |= {"segmentation": [], "area": 0}
    for why in ("absent", "hidden", "outside"):
        data["annotations"][1]["state"] = why
        path.write_text(json.dumps(data))
        seen.add(state(tmp_path))
    assert len(seen) == 3


def test_what_cannot_be_drawn_is_told_by_its_file(tmp_path):
    photographs(tmp_path / "Aus", range(1))
    value = {"points": [[1, 1], [50, 1], [50, 50]], "polygonlabels": ["head"]}
    region = {"type": "polygonlabels", "value": value, "original_width": "a", "original_height": 9}
    task = {"data": {"image": "0000.png"}, "annotations": [{"result": [region]}]}
    (tmp_path / "drawn.json").write_text(json.dumps([task]))
    assert state(tmp_path) == files_state(tmp_path / "drawn.json")


def replaced(path):
    os.utime(path, (2, 2))


def test_an_annotated_photograph_counts_alone(tmp_path):
    photographs(tmp_path / "Aus", range(3))
    outline(tmp_path / "drawn.json", [1])
    before = state(tmp_path)
    replaced(tmp_path / "Aus/0002.png")
    photographs(tmp_path / "Aus", [3])
    assert state(tmp_path) == before
    replaced(tmp_path / "Aus/0001.png")
    assert state(tmp_path) != before


@pytest.mark.parametrize("kind", ["masks", "yolo"])
def test_of_a_folder(tmp_path, kind):
    photographs(tmp_path / "Aus", range(3))
    with Image.open(tmp_path / "Aus/0001.png") as image:
        width, height = image.size

    def draw(specimen, size):
        if kind == "yolo":  # says no size: outlines are drawn at that of the photograph
            (tmp_path / "drawn/data.yaml").write_text("names: [head, eye]\n")
            ring = f"0 0.1 0.1 {size / 10} 0.1 0.5 0.9\n"
            (tmp_path / f"drawn/{specimen}.txt").write_text(ring)
            return
        mask = np.zeros((height, width), np.uint8)
        mask[2 : 2 + size, 2:9] = 255
        Image.fromarray(mask).save(tmp_path / f"drawn/{specimen}_head.png")

    (tmp_path / "drawn").mkdir()
    draw("0001", 4)
    seen = {state(tmp_path, "drawn")}
    replaced(tmp_path / "Aus/0002.png")
    draw("0001", 4)
    assert state(tmp_path, "drawn") in seen
    replaced(tmp_path / "Aus/0001.png")
    seen.add(state(tmp_path, "drawn"))
    draw("0001", 6)
    seen.add(state(tmp_path, "drawn"))
    draw("0002", 4)
    seen.add(state(tmp_path, "drawn"))
    assert len(seen) == 4


def test_of_a_file_with_photographs_in_it_takes_no_time(tmp_path):
    """LabelMe saves the photograph in base64."""
    photographs(tmp_path / "Aus", range(2))
    shape = '{"label": "head", "shape_type": "polygon", "points": [[1, 1], [9, 1], [9, 9]]}'
    text = '{"imageData": "' + "aB3/" * 500_000 + '", "imagePath": "..\\\\Aus\\/0001.png", '
    Path(tmp_path, "drawn.json").write_text(f'{text}"shapes": [{shape}]}}')
    began = time.thread_time()
    before = state(tmp_path)
    assert time.thread_time() - began < 2
    replaced(tmp_path / "Aus/0001.png")
    assert state(tmp_path) != before
