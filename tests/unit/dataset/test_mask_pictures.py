"""draw_masks.py: a picture of every specimen with its masks."""

import json

import numpy as np
import pytest
from PIL import Image

from sam2pal.dataset.convert import convert
from sam2pal.dataset.files import write
from sam2pal.dataset.rle import encode_mask
from sam2pal.review.colours import line_styles


@pytest.fixture
def predictions(tmp_path):
    """Two specimens, one in a folder and stored on its side, and one that could not be read."""
    rng = np.random.default_rng(0)
    (tmp_path / "photographs/drawer").mkdir(parents=True)
    exif = Image.Exif()
    exif[274] = 6
    names = ["a", "drawer/b"]
    images, annotations = [], []
    for number, name in enumerate(names, 1):
        pixels = rng.integers(0, 60, (30, 40, 3)).astype(np.uint8)
        path = tmp_path / f"photographs/{name}.png"
        Image.fromarray(pixels).save(path, **({"exif": exif} if number == 2 else {}))
        common = {"file_name": path.name, "path": str(path), "width": 40, "height": 30}
        images.append({"id": number, "specimen": name, "status": "ok", **common})
        for category, (top, left, side) in enumerate([(12, 12, 4), (10, 10, 12), (2, 30, 6)], 1):
            mask = np.zeros((30, 40), bool)
            mask[top : top + side, left : left + side] = True
            entry = {"id": len(annotations) + 1, "image_id": number, "category_id": category}
            annotations.append({**entry, "segmentation": encode_mask(mask)})
    images.append({"id": 3, "specimen": "c", "file_name": "c.png", "status": "unreadable"})
    # the eye stands before the head that it is part of
    categories = [
        {"id": 1, "name": "eye", "supercategory": "head"},
        {"id": 2, "name": "head", "supercategory": ""},
        {"id": 3, "name": "leg", "supercategory": ""},
    ]
    path = tmp_path / "0001.json"
    write(path, {"images": images, "categories": categories, "annotations": annotations})
    return path


def test_indexed_masks_can_be_read_again(predictions, by_hand, tmp_path):
    output = tmp_path / "indexed"
    arguments = ("draw_masks", "--predictions", predictions, "--kind", "indexed")
    done = by_hand(*arguments, "--output", output)
    assert done.code == 0 and "pictures of 2 specimens" in done.out
    assert sorted(p.relative_to(output).as_posix() for p in output.rglob("*.*")) == [
        "a.png",
        "drawer/b.png",
        "legend.csv",
    ]
    picture = Image.open(output / "drawer/b.png")
    assert (picture.mode, picture.size) == ("P", (40, 30))  # as stored
    values = np.asarray(picture)
    assert values[13, 13] == 1 and values[10, 10] == 2 and values[3, 31] == 3
    assert [(values == value).sum() for value in range(4)] == [1200 - 144 - 36, 16, 128, 36]
    assert (
        picture.convert("RGB").getpixel((31, 3)) == line_styles(["eye", "head", "leg"])["leg"].rgb
    )

    again = convert(output, tmp_path / "photographs", ["eye", "head", "leg"])
    areas = {(a["image_id"], a["category_id"]): a["area"] for a in again["annotations"]}
    assert areas == {(i, k): area for i in (1, 2) for k, area in ((1, 16), (2, 128), (3, 36))}

    (output / "of_before.png").write_bytes(b"")
    assert by_hand(*arguments, "--output", output).code == 0
    assert not (output / "of_before.png").exists()


def test_overlays_lie_where_the_masks_are(predictions, by_hand, tmp_path):
    output = tmp_path / "overlays"
    arguments = ("draw_masks", "--predictions", predictions, "--kind", "overlays")
    assert by_hand(*arguments, "--output", output).code == 0
    upright = np.asarray(Image.open(output / "drawer/b.jpg")).astype(int)
    assert upright.shape[1] == 30 and upright.shape[0] > 40  # a legend below
    leg = upright[30:36, 22:28].mean()  # a quarter turn clockwise
    assert leg > upright[30:36, 2:8].mean() + 20

    data = json.loads(predictions.read_text())
    data["images"][0]["width"] = 41
    write(predictions, data)
    done = by_hand(*arguments, "--output", output)
    assert done.code == 1 and "the photograph changed since its masks were made" in done.err
    assert (output / "drawer/b.jpg").exists()
