"""pretraining: what a step sees, what the losses leave out, and that an interruption changes nothing."""

import json
from copy import deepcopy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from sam2pal.dataset.files import write
from sam2pal.dataset.rle import encode_mask
from sam2pal.model.tracker import Tracked
from sam2pal.research.pretraining import (
    SLIVER,
    PretrainingOptions,
    _losses,
    _presence,
    _turn,
    draw_batch,
    learning_rate,
    pretrain,
)
from sam2pal.research.real import evaluate_real, worst_real
from sam2pal.research.synthetic import draw_collection

TINY = PretrainingOptions(
    steps=4,
    species=1,
    specimens=3,
    structures=2,
    image_size=64,
    warmup=1,
    workers=0,
    evaluate_every=2,
    checkpoint_minutes=0,
    soft_memory=0.5,
)


def test_a_batch_depends_on_its_number_alone_and_has_sharp_masks():
    one, again, other = (draw_batch(np.random.default_rng([5, i]), TINY) for i in (0, 0, 1))
    assert one.images.shape == (3, 3, 64, 64) and one.masks.shape == (3, 2, 64, 64)
    assert torch.equal(one.images, again.images) and torch.equal(one.masks, again.masks)
    assert not torch.equal(one.images, other.images)
    assert set(one.masks.unique().tolist()) == {0.0, 1.0}


def test_turning_moves_image_and_masks_alike():
    seen = set()
    rng = np.random.default_rng(0)
    mask = torch.zeros(2, 8, 8)
    mask[0, 1, 2:5], mask[1, 6, 0] = 1, 1
    image = torch.cat([mask, mask[:1]])
    for _ in range(60):
        turned, moved = _turn(rng, image, mask)
        assert torch.equal(turned[:2], moved)
        seen.add(tuple(moved.flatten().tolist()))
    assert len(seen) == 8  # four turns, each also mirrored


def test_every_specimen_can_lack_a_structure():
    names = []
    for seed in range(6):
        drawings = draw_collection(np.random.default_rng(seed), 2, 48, "ant", lacking=1.0)
        for drawing in drawings:
            names += [name for name, mask in drawing.masks.items() if not mask.any()]
    assert len(set(names)) > 3


def test_a_sliver_is_neither_present_nor_absent():
    target = torch.zeros(3, 1, 16, 16)
    target[1].view(-1)[: SLIVER - 1] = 1
    target[2].view(-1)[:SLIVER] = 1
    present, clear = _presence(target)
    assert present.tolist() == [False, False, True]
    assert clear.tolist() == [True, False, True]


def test_an_absent_structure_teaches_the_score_and_no_mask():
    logits = torch.zeros(3, 1, 4, 4, requires_grad=True)
    score = torch.zeros(3, requires_grad=True)
    estimate = torch.full((3,), 0.5, requires_grad=True)
    tracked = Tracked(logits, estimate, score, torch.zeros(3), logits, estimate[:, None])
    target = torch.zeros(3, 1, 16, 16)
    target[0, :, :8] = 1
    target[2] = 1
    present = torch.tensor([True, False, True])
    known = torch.tensor([True, True, False])  # the third was not on its templates
    _losses(tracked, target, present, known, TINY)[0].backward()
    touched = [logits.grad.flatten(1).abs().sum(1) > 0, estimate.grad != 0, score.grad != 0]
    assert [t.tolist() for t in touched] == [
        [True, False, False],
        [True, False, False],
        [True, True, False],
    ]
    assert score.grad[0] < 0 < score.grad[1]


def test_the_rate_rises_and_falls_to_a_hundredth():
    options = PretrainingOptions(steps=100, warmup=10, learning_rate=1.0)
    rates = [learning_rate(step, options) for step in range(101)]
    assert rates[0] == pytest.approx(0.1) and rates[9] == 1.0 == max(rates)
    assert rates[100] == pytest.approx(0.01)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_an_interrupted_pretraining_ends_as_an_uninterrupted_one(small_model, tmp_path):
    def run(folder, stop=None):
        model = deepcopy(small_model)

        def evaluate(tracker, step):
            return {"scored": step}

        def on_step(step, numbers):
            if step == stop:
                raise KeyboardInterrupt

        pretrain(model, TINY, tmp_path / folder, 7, evaluate, on_step)
        return model.state_dict()

    whole = run("whole")
    with pytest.raises(KeyboardInterrupt):
        run("broken", stop=2)  # step 2 is in the log, and not in the checkpoint
    resumed = run("broken")
    for name, value in whole.items():
        assert torch.equal(value, resumed[name]), name
    changed = [n for n, v in small_model.state_dict().items() if not torch.equal(v, whole[n])]
    assert changed and not any(name.startswith("image_encoder.trunk") for name in changed)
    for folder in ("whole", "broken"):
        lines = (tmp_path / folder / "training.jsonl").read_text().splitlines()
        assert [json.loads(line)["step"] for line in lines] == [0, 1, 2, 3]
        scored = (tmp_path / folder / "evaluation.jsonl").read_text().splitlines()
        assert [json.loads(line)["scored"] for line in scored] == [2, 4]


# ------------------------------------------------------------------ real collections


class Oracle:
    """A tracker that finds red as the first structure, blue as the second, and says when there is none."""

    model = SimpleNamespace(image_size=32)

    def encode(self, images):
        return images

    def memorize(self, features, logits, valid):
        return SimpleNamespace(repeat=lambda images: None)

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
    panels = worst_real(Oracle(), [tmp_path], 1).axes
    titles = [panel.get_title() for panel in panels if panel.get_title()]
    assert titles == [f"{tmp_path.name} 3: 0.60", f"{tmp_path.name} 5: 1.00"]  # 0.2 and 1; 1
    assert [len(panel.collections) for panel in panels[:2]] == [4, 2]  # drawn and found, of what is there
    alone = evaluate_real(Oracle(), tmp_path, 1, leave_out=frozenset({"3"}))
    assert alone["a"] == 1.0 and "b" not in alone  # no specimen has it
