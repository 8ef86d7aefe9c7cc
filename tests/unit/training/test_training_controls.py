"""What the palindrome shows of the bundled model on drawn beetles: its way back needs what was seen."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from sam2pal.config.model import ModelOptions
from sam2pal.config.training import TrainingOptions
from sam2pal.dataset.dataset import AnnotatedSpecimen, drawn_annotations
from sam2pal.model.build import build_model
from sam2pal.model.masks import at_size_of
from sam2pal.model.templates import TemplateSet
from sam2pal.model.tracker import Tracker
from sam2pal.research.synthetic.photograph import sample_style
from sam2pal.research.synthetic.species import sample_species
from sam2pal.research.synthetic.specimen import draw_specimen
from sam2pal.training.data import prepare
from sam2pal.training.losses import dice_loss, focal_loss
from sam2pal.training.palindrome import palindrome
from sam2pal.training.validation import controls

NAMES = ["head", "pronotum", "elytra"]
OPTIONS = TrainingOptions(views=1, turns=(0,), distillation=0.0)


@pytest.fixture(scope="module")
def beetles(tmp_path_factory):
    """The bundled model at 192 pixels, and two templates and four other specimens of a drawn beetle."""
    folder, rng = tmp_path_factory.mktemp("beetles"), np.random.default_rng(4)
    species, style = sample_species(rng, "beetle"), sample_style(rng)
    templates, pool = [], []
    for number in range(6):
        drawing = draw_specimen(species, rng, 220, style=style, frame="fit", missing=())
        path = folder / f"{number}.png"
        Image.fromarray(drawing.pixels).save(path)
        if number < 2:
            height, width = drawing.pixels.shape[:2]
            masks = {name: drawing.masks[name] for name in NAMES}
            templates.append(
                AnnotatedSpecimen(str(number), str(path), width, height, drawn_annotations(masks))
            )
        else:
            pool.append(str(path))
    model = build_model(ModelOptions(image_size=192))
    tracker = Tracker(model, gated=False)
    templates = TemplateSet.read(templates, NAMES, 192, aligned=False)
    return tracker, prepare(tracker, templates, pool, OPTIONS, 1)


def test_the_loss_rises_on_every_control(beetles):
    tracker, data = beetles
    found = controls(tracker, data, torch.ones(3), 4)
    own = found.pop("control_true")
    assert found.keys() == {f"control_{name}" for name in ("blank", "structure", "specimen")}
    assert own < 1, own
    assert found["control_blank"] > 2 * own and found["control_structure"] > 2 * own, (own, found)
    # drawn specimens lie alike: a mask laid on another specimen is not far off
    assert found["control_specimen"] > 1.05 * own, (own, found)


def test_the_loss_of_the_way_back_is_that_of_the_palindrome(beetles):
    tracker, data = beetles
    with torch.no_grad():
        followed = palindrome(tracker, data.drawn[[0]], data.pool[[0]], data.unseen[[0]])
    target = followed.target
    logits = at_size_of(followed.tracked.logits, target)
    each = dice_loss(logits, target) + 20 * focal_loss(logits, target)
    weights = torch.tensor([1.0, 2.0, 0.5])
    expected = (weights * each).sum() / weights.sum()
    found = controls(tracker, data, weights, 1)
    assert found["control_true"] == pytest.approx(expected.item(), rel=1e-4)
    views = {name: getattr(data, name).of_structures([1]) for name in ("drawn", "views", "unseen")}
    alone = controls(tracker, dataclasses.replace(data, **views), weights[[1]], 1)
    assert "control_structure" not in alone  # there is no other
