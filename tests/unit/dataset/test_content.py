"""A file that is saved again without a change is the same template."""

import json
import os

from running import outline, photographs

from sam2pal.config.tables import AnnotationSet
from sam2pal.dataset.content import content_state

STRUCTURES = ["head", "eye"]


def state(folder):
    path = folder / "drawn.json"
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
