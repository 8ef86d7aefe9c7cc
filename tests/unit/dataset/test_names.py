"""A name is the same name however its letters are composed: macOS decomposes them."""

import json
import unicodedata

import numpy as np
import pytest
from PIL import Image

from sam2pal.dataset.convert import convert
from sam2pal.dataset.manifest import build_manifest
from sam2pal.dataset.photographs import Photographs

NAME, STRUCTURE = "K\u00e4fer \u00d8", "Fl\u00fcgeldecke"


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("in_file", ["NFC", "NFD"])
def test_a_name_is_the_same_name(tmp_path, on_disk, in_file):
    folder = tmp_path / "photographs"
    folder.mkdir()
    path = folder / f"{unicodedata.normalize(on_disk, NAME)}.png"
    Image.new("RGB", (20, 12)).save(path)
    listed = build_manifest(folder, None, 10).specimens
    assert [(one.specimen, one.path, one.status) for one in listed] == [(NAME, str(path), "ok")]
    again = build_manifest(folder, listed, 10)
    assert again.specimens == listed and not again.removed and not again.notes

    name, structure = (unicodedata.normalize(in_file, text) for text in (NAME, STRUCTURE))
    shape = {"label": structure, "points": [[1, 1], [9, 1], [9, 9]], "shape_type": "polygon"}
    (tmp_path / "a.json").write_text(json.dumps({"shapes": [shape], "imagePath": f"{name}.png"}))
    (tmp_path / "masks").mkdir()
    mask = np.zeros((12, 20), np.uint8)
    mask[2:5, 3:9] = 255
    Image.fromarray(mask).save(tmp_path / f"masks/{name}_{structure}.png")
    for source in ("a.json", "masks"):
        for photographs in (folder, Photographs.of_specimens(listed, "the list")):
            found = convert(tmp_path / source, photographs, [STRUCTURE])
            assert [image["specimen"] for image in found["images"]] == [NAME]
            assert found["annotations"][0]["area"] > 0 and not found["info"]["notes"]
