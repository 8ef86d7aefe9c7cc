"""real: collections of real specimens are scored as they are turned, and templates never."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from real_specimens import evaluate_real

from sam2pal.config.model import ModelOptions
from sam2pal.dataset.files import write
from sam2pal.dataset.rle import encode_mask
from sam2pal.model.build import build_model
from sam2pal.model.tracker import Tracker


class Oracle:
    """A tracker that finds red as the first structure, blue as the second, and says when there is none."""

    model = SimpleNamespace(image_size=32)

    def encode(self, images):
        return images

    def memorize(self, features, logits, valid):
        return logits  # one an object, as memories are

    def track(self, images, memories):
        red, blue = images[:, 0] > images[:, 2] + 1, images[:, 2] > images[:, 0] + 1
        found = torch.stack([red, blue], 1).flatten(0, 1)[:, None]
        score = torch.where(found.flatten(1).any(1), 1.0, -1.0)
        return SimpleNamespace(logits=found * 20.0 - 10, object_score=score)


def test_real_specimens_are_scored_as_they_are_turned_and_templates_never(tmp_path):
    (tmp_path / "images").mkdir()
    data = {
        "images": [],
        "annotations": [],
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
    }
    for number in range(1, 6):
        pixels = np.full((32, 20, 3), 128, np.uint8)
        masks = np.zeros((2, 32, 20), bool)
        masks[0, 2 : 4 + number, 3:9], masks[1, 20:30, 10 : 11 + number] = True, number != 5
        pixels[masks[0]], pixels[masks[1]] = (255, 0, 0), (0, 0, 255)
        if number == 3:
            masks[0, 2:6] = False  # its truth does not agree: 3 of 5 rows + 2 * 4
        Image.fromarray(pixels).save(tmp_path / "images" / f"{number}.png")
        data["images"].append(
            {"id": number, "file_name": f"{number}.png", "width": 20, "height": 32}
        )
        for k, mask in enumerate(masks, 1):
            if mask.any():
                data["annotations"].append(
                    {
                        "id": 10 * number + k,
                        "image_id": number,
                        "category_id": k,
                        "segmentation": encode_mask(mask),
                        "bbox": [0, 0, 20, 32],
                        "area": int(mask.sum()),
                        "iscrowd": 0,
                    }
                )
    write(tmp_path / "annotations.json", data)
    first = {**data, "images": data["images"][:1]}
    first["annotations"] = [a for a in data["annotations"] if a["image_id"] == 1]
    write(tmp_path / "templates_1.json", first)
    for quarters in range(4):
        even = evaluate_real(Oracle(), tmp_path, 0, quarters=quarters)
        assert even == {"mean": 1.0, "a": 1.0, "b": 1.0, "present_missed": 0.0}
        odd = evaluate_real(Oracle(), tmp_path, 1, quarters=quarters)
        # 1 is the template; 3 is found in part, 5 has no second structure
        assert odd["a"] == pytest.approx((1 / 5 + 1) / 2) and odd["b"] == 1.0
        assert odd["absent_seen"] == 1.0 and odd["present_missed"] == 0.0
    alone = evaluate_real(Oracle(), tmp_path, 1, leave_out=frozenset({"3"}))
    assert alone["a"] == 1.0 and "b" not in alone  # no specimen has it
    two = {**data, "images": [data["images"][0], data["images"][4]]}
    two["annotations"] = [a for a in data["annotations"] if a["image_id"] in (1, 5)]
    write(tmp_path / "templates_2.json", two)  # the second does not show b
    decided = evaluate_real(Tracker(build_model(ModelOptions())), tmp_path, 0, 2)
    assert decided["a"] > 0.5 and decided["b"] > 0.2
