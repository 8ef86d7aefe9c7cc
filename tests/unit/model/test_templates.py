import numpy as np
import pytest
import torch
from PIL import Image

from sam2pal.dataset.dataset import AnnotatedSpecimen, drawn_annotations
from sam2pal.model.templates import TemplateSet

NAMES = ["body", "horn"]
SIDE = 64


@pytest.fixture
def templates(tmp_path):
    """An L on the first photograph; on the second, turned by a quarter, and without horn."""
    body = np.zeros((64, 64), bool)
    body[8:56, 20:32] = body[44:56, 20:48] = True
    horn = np.zeros((64, 64), bool)
    horn[2:8, 22:28] = True
    found = []
    for name, masks in (
        ("a", {"body": body, "horn": horn}),
        ("b", {"body": np.rot90(body), "horn": np.zeros_like(horn)}),
    ):
        path = tmp_path / f"{name}.png"
        Image.fromarray(np.where(masks["body"], 40, 220).astype(np.uint8)).save(path)
        found.append(AnnotatedSpecimen(name, str(path), 64, 64, drawn_annotations(masks)))
    return found


def test_templates_lie_alike(templates):
    read = TemplateSet.read(templates, NAMES, SIDE, aligned=True)
    assert [view.turn for view in read.turns] == [0, 270]
    assert torch.equal(read.masks[0, 0], read.masks[1, 0])
    assert torch.equal(read.images[0], read.images[1])
    assert read.near_duplicates() == [("a", "b")]


def test_unaligned_templates_stay_as_photographed(templates):
    read = TemplateSet.read(templates, NAMES, SIDE, aligned=False)
    assert [view.turn for view in read.turns] == [0, 0]
    assert torch.equal(read.masks[1, 0], torch.rot90(read.masks[0, 0]))


def test_an_absent_structure_is_annotated_and_not_shown(templates):
    read = TemplateSet.read(templates, NAMES, SIDE, aligned=True)
    assert read.annotated.tolist() == [[True, True], [True, True]]
    assert read.shown.tolist() == [[True, True], [True, False]]
    del templates[1].annotations["horn"]
    read = TemplateSet.read(templates, NAMES, SIDE, aligned=True)
    assert read.annotated.tolist() == [[True, True], [True, False]]
