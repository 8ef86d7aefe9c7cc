"""Whether a second specimen is seen once the first is painted out; the model's answers are made up."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sam2pal.images.reading import Photograph
from sam2pal.segmentation import second
from sam2pal.segmentation.bank import _compact, _joined
from sam2pal.segmentation.second import painted_out, second_specimen
from sam2pal.segmentation.tracking import Outcome

SIDE, CELLS = 64, 16
HEAD, TRUNK, LEGS = range(3)


@dataclass(frozen=True)
class Templates:
    """Of a bank what is asked for."""

    joined: bool = True
    compact: tuple[bool, ...] = (True, True, False)
    followed: torch.Tensor = torch.arange(3)
    ways: tuple[None, ...] = (None, None)


def masks(**places: tuple[slice, slice]) -> np.ndarray:
    """Logits [3, 16, 16] of structures by name."""
    found = np.full((3, CELLS, CELLS), -5.0, np.float32)
    for name, place in places.items():
        found[(HEAD, TRUNK, LEGS)[("head", "trunk", "legs").index(name)]][place] = 5.0
    return found


LEFT = {"head": np.s_[2:4, 2:5], "trunk": np.s_[4:12, 2:5]}  # 6 and 24 cells
RIGHT = {"head": np.s_[3:4, 12:14], "trunk": np.s_[4:10, 12:14]}  # 2 and 12 cells


@pytest.fixture
def look(monkeypatch):
    """What is said of a specimen, from what the model says first and again."""

    def look(first, again=None, bank=None):
        seen = []

        def answered(tracker, of, images, refine, lie):
            assert len(of.ways) == 1 and not refine and lie == [outcome]
            seen.append(images[0])
            return [SimpleNamespace(cells=again)]

        monkeypatch.setattr(second, "track_images", answered)
        tracker = SimpleNamespace(image_size=SIDE, device=torch.device("cpu"))
        pixels = np.full((SIDE, SIDE, 3), 200, np.uint8)
        outcome = Outcome(SIDE, first, np.ones(3), np.ones(3), view_scores=np.array([np.nan]))
        photograph = Photograph(pixels, 1, SIDE, SIDE)
        return second_specimen(tracker, bank or Templates(), "a.png", photograph, outcome), seen

    return look


def test_a_second_specimen_is_found_beside_the_first(look):
    # of the other one a bit of its trunk was found at first
    first = masks(head=LEFT["head"], trunk=LEFT["trunk"])
    first[TRUNK, 8:10, 12:14] = 5.0
    found, seen = look(first, masks(**RIGHT))
    assert found == pytest.approx((2 + 12) / (6 + 24)) and len(seen) == 1
    # what is outlined again where it was painted out does not count
    assert look(first, masks(**LEFT))[0] == 0
    both = masks(head=RIGHT["head"], trunk=LEFT["trunk"])
    assert look(first, both)[0] == pytest.approx(2 / (6 + 24))


def test_structures_that_lay_beside_the_first_at_first_do_not_count(look):
    # a head that was found apart from its trunk is found there again
    apart = masks(head=np.s_[3:5, 12:14], trunk=LEFT["trunk"])
    assert look(apart, masks(head=np.s_[3:5, 12:14]))[0] == 0
    # limbs are in pieces on templates too
    assert look(apart, masks(legs=np.s_[2:14, 10:15]))[0] == 0


def test_nobody_asks_where_the_body_lies_together_or_where_that_of_templates_does_not(look):
    assert look(masks(**LEFT)) == (0, [])
    limbs = masks(**LEFT, legs=np.s_[2:14, 10:15])
    assert look(limbs) == (0, [])
    # one cell between two parts is no gap
    assert look(masks(head=LEFT["head"], trunk=np.s_[5:12, 2:5])) == (0, [])
    apart = masks(head=np.s_[3:5, 12:14], trunk=LEFT["trunk"])
    assert look(apart, bank=Templates(joined=False)) == (0, [])
    assert look(masks()) == (0, [])


def test_bodies_of_templates_are_compact_and_lie_together():
    both = (masks(**LEFT, legs=np.s_[2:14, 6:7]) > 0)[None]
    both[0, HEAD] = both[0, TRUNK].T  # thick enough
    assert _compact(both) == (True, True, False)
    halves = both.copy()
    halves[0, TRUNK, 7:9] = False
    assert _compact(halves) == (True, False, False)
    assert _compact(np.r_[both, halves]) == (True, False, False)
    unseen = both.copy()
    unseen[0, TRUNK] = False
    assert _compact(unseen) == (True, False, False)
    assert _compact(np.r_[both, unseen]) == (True, True, False)

    wings = (masks(head=LEFT["trunk"], trunk=RIGHT["trunk"]) > 0)[None]
    assert not _joined(wings, (True, True, False)) and _joined(wings, (True, False, False))
    assert _joined((masks(**LEFT) > 0)[None], (True, True, False))


def test_what_is_painted_out_has_the_colours_around_it():
    cells = torch.zeros(CELLS, CELLS, dtype=torch.bool)
    cells[5:9, 6:10] = True
    there = cells.repeat_interleave(4, 0).repeat_interleave(4, 1)
    image = torch.full((3, SIDE, SIDE), 0.5)
    image[:, there] = -2.0
    image[:, :, 60:] = 0.0  # no photograph
    found = painted_out(image, cells)
    assert torch.allclose(found[:, there], torch.tensor(0.5)) and (found[:, :, 60:] == 0).all()
    slope = torch.linspace(-1, 1, SIDE).expand(3, SIDE, SIDE).clone()
    slope[:, there] = 9.0
    found = painted_out(slope, cells)
    assert torch.equal(found[:, ~there], slope[:, ~there])
    assert found[:, there].min() > slope[0, 0, 16] and found[:, there].max() < slope[0, 0, 48]
    assert (found[:, 28, 26] < found[:, 28, 37]).all()  # darker to the left, as beside it
    # all is painted: nothing is known
    assert painted_out(image, torch.ones_like(cells)).isfinite().all()
