"""How several templates decide on one mask."""

import dataclasses

import pytest
import torch

from sam2pal.model.combining import (
    decide_by_one,
    each_on_each,
    mean_of_masks,
    skill_of_templates,
    track_alone,
)
from sam2pal.model.masks import at_size_of, hard_iou
from sam2pal.model.templates import TemplateSet
from sam2pal.model.tracker import Tracked, Tracker, drawn_logits
from sam2pal.model.views import View

SIDE, STRUCTURES = 64, 2


def found(logits, predicted_iou=0.9, object_score=5.0):
    """One template's masks of as many objects as there are logits."""
    count = len(logits)
    masks = torch.tensor(logits)[:, None, None, None].expand(count, 1, 4, 4).contiguous()
    iou, score = torch.full((count,), predicted_iou), torch.full((count,), object_score)
    return Tracked(masks, iou, score, masks, iou[:, None])


def shares(*templates, valid=None, skills=None):
    every = torch.ones(1, len(templates))
    valid = every.bool() if valid is None else torch.tensor([valid])
    return mean_of_masks(templates, valid, every if skills is None else torch.tensor([skills]))


def test_equal_templates_count_alike():
    decision = shares(found([4.0]), found([-2.0]))
    torch.testing.assert_close(decision.shares, torch.tensor([[0.5, 0.5]]))
    torch.testing.assert_close(decision.logits, torch.ones(1, 1, 4, 4))


def test_a_template_with_little_skill_or_trust_does_not_pull():
    good, bad = found([4.0]), found([-9.0])
    assert shares(good, bad, skills=[0.8, 0.4]).shares[0, 1] < 0.01
    for poor in (found([-9.0], predicted_iou=0.45), found([-9.0], object_score=-1.0)):
        decision = shares(good, poor)
        assert decision.shares[0, 1] < 0.01
        assert (decision.logits > 3.5).all()


def test_a_template_that_lacks_the_structure_has_no_share():
    decision = shares(found([4.0], predicted_iou=0.1), found([-9.0]), valid=[True, False])
    assert decision.shares.tolist() == [[1.0, 0.0]]


def test_a_hidden_structure_outvotes_nobody():
    # SAM 2 writes -1024 where it sees nothing
    decision = shares(found([4.0]), found([4.0]), found([-1024.0]))
    torch.testing.assert_close(decision.logits, torch.full((1, 1, 4, 4), -2 / 3))


@pytest.fixture(scope="module")
def tracker(small_model):
    return Tracker(small_model)


@pytest.fixture(scope="module")
def templates():
    torch.manual_seed(3)
    masks = torch.zeros(3, STRUCTURES, SIDE, SIDE)
    masks[:, 0, 8:40, 8:40] = masks[:, 1, 30:60, 20:50] = 1
    annotated = torch.tensor([[True, True], [True, True], [True, False]])
    names = ("body", "horn")
    images = torch.randn(3, 3, SIDE, SIDE)
    return TemplateSet(names, ("a", "b", "c"), (View(),) * 3, images, masks, annotated)


@torch.no_grad()
def test_skill_is_the_iou_on_the_others(tracker, templates):
    features = tracker.encode(templates.images)
    memories = [
        tracker.memorize(features[[i]], drawn_logits(templates.masks[i][:, None]), row)
        for i, row in enumerate(templates.shown)
    ]
    iou = each_on_each(tracker, features, memories, templates)
    assert iou.isnan().nonzero().tolist() == [
        *([0, 0, 0], [0, 0, 1], [0, 2, 1], [1, 1, 0], [1, 1, 1], [1, 2, 1]),
        *([2, 2, 0], [2, 2, 1]),
    ]
    logits = tracker.track(features[[1]], [memories[0]]).logits
    drawn = templates.masks[1][:, None]
    expected = hard_iou(at_size_of(logits, drawn), drawn)
    torch.testing.assert_close(iou[0, 1], expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(skill_of_templates(iou)[0, 0], iou[0, 1:, 0].mean())
    # the horn is shown by two templates alone
    assert skill_of_templates(iou)[:2, 1].tolist() == [1.0, 1.0]
    assert (skill_of_templates(iou[:2, :2]) == 1).all()
    assert skill_of_templates(torch.full((1, 1, 2), torch.nan)).tolist() == [[1.0, 1.0]]


@torch.no_grad()
def test_asked_alone_as_if_there_were_no_other(tracker, templates):
    features = tracker.encode(templates.images[:2])
    memory = tracker.memorize(
        tracker.encode(templates.images[2:]), drawn_logits(templates.masks[2][:, None])
    )
    memory = memory[[*range(len(memory))] * 2]
    whole = decide_by_one(tracker, features, memory)
    some = torch.tensor([True, False, False, True])
    part = track_alone(tracker, features, dataclasses.replace(memory, valid=some))
    torch.testing.assert_close(part.logits[some], whole.logits[some], atol=1e-4, rtol=1e-4)
    assert (part.logits[~some] == 0).all()
    nothing = track_alone(tracker, features, dataclasses.replace(memory, valid=some & ~some))
    assert nothing.logits.shape == whole.logits.shape and (nothing.logits == 0).all()
