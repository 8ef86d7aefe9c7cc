"""segmentation: area and place that templates allow a structure."""

import numpy as np
import pytest
import torch

from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.config.structures import read_structures
from sam2pal.dataset.runs import Runs
from sam2pal.images.letterbox import Letterbox
from sam2pal.images.reading import Photograph
from sam2pal.segmentation.annotations import Annotator
from sam2pal.segmentation.limits import Limit, check_mask, learn_limits, lies_beyond
from sam2pal.segmentation.tracking import Outcome

BOX = Letterbox(80, 40, 64)  # scale 0.8; 64 x 32 in the square, 16 from its left edge
LIMIT = Limit(0.02, 0.08, (0.25, 0.375, 0.5, 0.625))  # 16 to 32 and 24 to 40 in the square


def mask(top, left, height, width):
    found = np.zeros((80, 40), bool)
    found[top : top + height, left : left + width] = True
    return found


def test_limits_are_those_of_the_templates():
    masks = torch.zeros(2, 1, 3, 16, 16)
    masks[0, 0, 0, 4:8, 6:10] = 1  # 16 cells of 256
    masks[1, 0, 0, 2:4, 6:8] = 1  # 4
    masks[1, 0, 1, 0:8, 0:8] = 1
    shown = torch.tensor([[[True, False, False]], [[True, False, False]]])
    options = SegmentationOptions(area_range=2, place_margin=0.125)
    first, second, third = learn_limits(masks, shown, options)[0]
    assert second is None and third is None
    assert (first.smallest, first.largest) == (2 / 256, 32 / 256)
    assert first.box == (0.0, 0.25, 0.625, 0.75)


@pytest.mark.parametrize(
    ("found", "flags"),
    [
        # a pixel is 0.64 of the 4096 of the square; rows 20 to 40 and columns 10 to 30 are the box
        (mask(25, 12, 15, 15), []),
        (mask(25, 12, 10, 10), ["outside_template_area"]),
        (mask(20, 5, 25, 25), ["outside_template_area"]),
        (mask(60, 12, 15, 15), ["outside_template_place"]),
        (mask(34, 12, 15, 15), ["outside_template_place"]),
        (mask(30, 12, 15, 15), []),
        (mask(0, 0, 80, 40), ["outside_template_area"]),
        (mask(41, 0, 39, 40), ["outside_template_area", "outside_template_place"]),
    ],
)
def test_flags(found, flags):
    assert check_mask(Runs.of(found, *found.shape), LIMIT, BOX) == flags


@pytest.mark.parametrize("turn", [1, 1j, -1, np.exp(0.3j)])
def test_what_the_templates_place_beyond_the_photograph(turn):
    def limit(middle):
        return Limit(
            0, 1, (middle.imag - 0.1, middle.real - 0.1, middle.imag + 0.1, middle.real + 0.1)
        )

    body = {"head": 0.5 + 0.2j, "trunk": 0.5 + 0.5j, "tail": 0.5 + 0.8j}
    shift = 50 + 40j - 100 * turn * body["trunk"]  # the trunk lies in the middle, the head 30 away

    def box(name):
        place = 100 * turn * body[name] + shift
        return (round(place.imag) - 4, round(place.real) - 4, 8, 8)

    found = [(limit(body[name]), box(name)) for name in ("trunk", "tail")]
    head = 100 * turn * body["head"] + shift
    for size in ((80, 100), (65, 100), (80, 75)):
        expected = not (0 <= head.real <= size[1] and 0 <= head.imag <= size[0])
        assert lies_beyond(limit(body["head"]), found, size) == expected, (size, head)
    assert lies_beyond(limit(0.5 + 0.05j), found, (80, 100)) == (abs((turn * -45j).imag) > 40)
    assert not lies_beyond(
        limit(body["head"]), found[:1], (1, 1)
    )  # one place says nothing of size or turn


def test_flagged():
    logits = np.full((1, 16, 16), -9.0, np.float32)
    logits[0, 2:14, 4:12] = 4.0
    photograph = Photograph(np.zeros((80, 40, 3), np.uint8), 1, 40, 80)
    outcome = Outcome(64, logits, np.array([0.9]), np.array([5.0]))
    annotator = Annotator(read_structures({"head": {}}), ["head"], SegmentationOptions())
    for limit, flags in ((LIMIT, ["outside_template_area"]), (None, [])):
        (found,) = annotator.annotate(photograph, outcome, {}, [limit])
        assert found["flags"] == flags
