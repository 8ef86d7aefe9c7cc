"""encoder: stopped between stages and finished it is the same; gradient reaches what lies behind."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from peft.tuners.lora import LoraLayer

from sam2pal.config.training import TrainingOptions
from sam2pal.model import adapters
from sam2pal.model.adapters import BEHIND_ENCODER
from sam2pal.model.encoder import Encoded, Frozen
from sam2pal.model.tracker import Features, Tracker
from sam2pal.training.data import Data
from sam2pal.training.feature_cache import FeatureCache, FeaturesOnDisk
from sam2pal.training.palindrome import AnnotatedViews
from sam2pal.training.step_loss import StepLoss
from sam2pal.training.trainer import Trainer

LATE = (*BEHIND_ENCODER, "neck", "encoder_late")
OPTIONS = TrainingOptions(steps=2, warmup=0, views=1, pairs=1, rank=2, turns=(0,), targets=LATE)


@pytest.fixture(scope="module", params=["bundled", "hiera"])
def model(request, small_model, hiera):
    return small_model if request.param == "bundled" else hiera["sam2.1_hiera_tiny"]


def images(model) -> torch.Tensor:
    side, generator = model.image_size, torch.Generator().manual_seed(0)
    return torch.randn(6, 3, side, side, generator=generator)


def adapted(model, options=OPTIONS):
    """With an adapter of random values."""
    model, generator = copy.deepcopy(model), torch.Generator().manual_seed(0)
    adapters.inject(model, options.adapter)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.1, generator=generator)
    return model


def data_of(model, frozen: Frozen) -> Data:
    """Two templates, their views, and a pool of one; what comes before the trained layers is there."""
    with torch.no_grad():  # one by one, as a training does
        one_by_one = [Tracker(model).begin(image[None], frozen) for image in images(model)]
    encoded = FeatureCache(1e3).keep(one_by_one)
    size = model.image_size // 4
    masks = torch.zeros(2, 2, size, size)
    masks[:, 0, : size // 2], masks[:, 1, :, size // 2 :] = 1, 1
    known = torch.ones(2, 2, dtype=torch.bool)
    views = (AnnotatedViews(encoded[some], masks, known) for some in ([0, 1], [2, 3], [4, 5]))
    return Data(*views, encoded[[5]])


def assert_same(found: Features, expected: Features) -> None:
    pairs = zip((*found.maps, found.position), (*expected.maps, expected.position), strict=True)
    assert all(torch.equal(ours, theirs) for ours, theirs in pairs)


def test_stopped_and_finished_it_is_the_image_encoder(model):
    tracker, some = Tracker(model), images(model)
    with torch.no_grad():
        expected = tracker.encode(some)
        for frozen in Frozen:
            begun = tracker.begin(some, frozen)
            assert isinstance(begun, Features if frozen == Frozen.ENCODER else Encoded)
            assert len(begun) == len(begun[[0, 1]]) + 4 == 6
            assert_same(tracker.finish(begun), expected)
            # one by one as well, but for the order of sums
            one = tracker.finish(begun[[3]])
            torch.testing.assert_close(one.low, expected.low[[3]], atol=1e-4, rtol=1e-4)


def test_gradient_reaches_the_late_encoder_alone(model):
    tracker = Tracker(adapted(model), gated=False)
    data = data_of(tracker.model, Frozen.EARLY_STAGES)
    (part,) = StepLoss(tracker, data, OPTIONS).parts(np.random.default_rng(0), torch.ones(2))
    part.loss.backward()
    reached = {name for name, p in tracker.model.named_parameters() if p.grad is not None}
    assert reached == {name for name, p in tracker.model.named_parameters() if p.requires_grad}
    late = adapters.target_modules(model, ("encoder_late",))
    for name in late:
        gradient = tracker.model.get_submodule(name).lora_B["default"].weight.grad
        assert gradient.abs().max() > 0, name
    assert not any("lora_" in name for name in reached if name.startswith("image_encoder")) or all(
        name.startswith((*late, "image_encoder.neck"))
        for name in reached
        if "image_encoder" in name
    )


@pytest.mark.parametrize("checkpointed", [False, True])
def test_where_the_cache_ends_changes_no_gradient(model, checkpointed):
    """From cached maps, or from the images through all frozen layers, at once or in parts: the same loss
    and gradient."""
    gradients = {}
    ways = [(Frozen.NOTHING, None), (Frozen.EARLY_STAGES, 2 if checkpointed else None)]
    for frozen, at_once in ways:
        tracker = Tracker(adapted(model), gated=False, checkpoint_attention=checkpointed)
        data = data_of(tracker.model, frozen)
        rng = np.random.default_rng(0)
        losses = []
        for part in StepLoss(tracker, data, OPTIONS).parts(rng, torch.ones(2), at_once):
            part.loss.backward()
            losses.append(part.loss.item())
        assert (len(losses) == 1) == (at_once is None)
        gradients[frozen] = (
            sum(losses),
            {name: p.grad for name, p in tracker.model.named_parameters() if p.grad is not None},
        )
    (expected_loss, expected), (loss, found) = gradients.values()
    # in parts the images are encoded one by one, which rounds otherwise
    error, largest = 1e-4 if checkpointed else 1e-6, max(v.abs().max() for v in expected.values())
    assert loss == pytest.approx(expected_loss, rel=error) and found.keys() == expected.keys()
    for name, value in expected.items():
        close = {"atol": error * largest, "rtol": 1e-4}
        torch.testing.assert_close(found[name], value, **close, msg=name)


def test_maps_of_frozen_layers_are_kept_on_disk(small_model):
    with torch.no_grad():
        begun = Tracker(small_model).begin(images(small_model), Frozen.EARLY_STAGES)
    one_by_one = [begun[[place]] for place in range(len(begun))]
    in_memory, on_disk = FeatureCache(1e3).keep(one_by_one), FeatureCache(0).keep(one_by_one)
    assert isinstance(in_memory, Encoded) and isinstance(on_disk, FeaturesOnDisk)
    for kept in (in_memory, on_disk):
        some = kept[torch.tensor([4, 1])]
        assert some.frozen == Frozen.EARLY_STAGES
        assert all(torch.equal(a, b[[4, 1]]) for a, b in zip(some.maps, begun.maps, strict=True))


def test_training_changes_the_late_encoder_and_nothing_before_it(small_model, tmp_path):
    options = OPTIONS
    model = copy.deepcopy(small_model)
    adapters.inject(model, options.adapter)
    before = adapters.adapter_state(model)
    data = data_of(small_model, Frozen.EARLY_STAGES)
    trainer = Trainer(model, data, options, torch.ones(2), 1, Path(tmp_path))
    trainer.train()
    changed = [n for n, v in adapters.adapter_state(model).items() if not torch.equal(v, before[n])]
    inside = [name for name in changed if name.startswith("image_encoder.trunk")]
    assert len(inside) > 10
    assert all(name.split("blocks.")[1][0] in "3456" for name in inside)
    lora = [m for m in model.modules() if isinstance(m, LoraLayer)]
    assert lora
    for name, value in small_model.state_dict().items():
        if "running_" in name or name.startswith("image_encoder.trunk.body.blocks.0"):
            same = model.state_dict().get(name, value)
            assert torch.equal(same, value), name
