"""training: the same gradient in parts as at once, what fits a device, and where encoded images are kept."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from test_palindrome import adapted, in_precision

from sam2pal.config.training import TrainingOptions
from sam2pal.io.errors import InputError
from sam2pal.model import adapters
from sam2pal.model.tracker import Features, Tracker
from sam2pal.training import step_memory as budget
from sam2pal.training.data import Data
from sam2pal.training.feature_cache import FeatureCache, FeaturesOnDisk, OnDemand
from sam2pal.training.palindrome import AnnotatedViews, object_losses, palindrome
from sam2pal.training.step_loss import StepLoss
from sam2pal.training.step_memory import StepMemory, fit_to_memory, peak_bytes
from sam2pal.training.trainer import Trainer

STRUCTURES = 3
OPTIONS = TrainingOptions(
    steps=1,
    views=1,
    rank=2,
    self_pair=0.5,
    targets=("memory_attention", "mask_decoder"),
    controls=0,
)


def blobs(count: int, seed: int) -> torch.Tensor:
    """Smooth random masks [count, 3, 16, 16]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, STRUCTURES, 5, 5, generator=generator)
    return (torch.nn.functional.interpolate(coarse, (16, 16), mode="bicubic") > 0.3).float()


@pytest.fixture(scope="module")
def data(small_model):
    """Two templates, of which the second lacks a structure, and a pool of two."""
    images = torch.randn(8, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features = Tracker(small_model).encode(images)
    known = torch.tensor([[True, True, True], [True, False, True]])

    def view(place: int) -> AnnotatedViews:
        return AnnotatedViews(features[place : place + 2], blobs(2, place), known)

    return Data(view(0), view(2), view(4), features[6:8])


@pytest.fixture(scope="module")
def model(small_model):
    return adapted(small_model, targets=OPTIONS.targets)


def double(data: Data) -> Data:
    views = {
        name: dataclasses.replace(
            view, features=in_precision(view.features, torch.float64), masks=view.masks.double()
        )
        for name, view in (("drawn", data.drawn), ("views", data.views), ("unseen", data.unseen))
    }
    return dataclasses.replace(data, pool=in_precision(data.pool, torch.float64), **views)


def gradient(model, data, options, at_once=None, checkpointed=False):
    """Of a step, with its numbers, and in how many parts."""
    tracker = Tracker(model, gated=False, checkpoint_attention=checkpointed)
    weights = torch.tensor([1.0, 2.0, 0.5], dtype=data.drawn.masks.dtype)
    model.zero_grad()
    numbers, parts = {}, 0
    rng = np.random.default_rng(1)  # both templates are drawn
    for part in StepLoss(tracker, data, options).parts(rng, weights, at_once):
        part.loss.backward()
        parts += 1
        for name, value in {"loss": part.loss.item(), **part.numbers}.items():
            numbers[name] = numbers.get(name, 0.0) + value
    found = {n: p.grad.clone() for n, p in model.named_parameters() if p.requires_grad}
    model.zero_grad()
    return found, numbers, parts


# ------------------------------------------------------------------ parts


def test_parts_have_the_gradient_of_the_whole(model, data, in_double):
    model, data = copy.deepcopy(model).double(), double(data)
    whole, numbers, one = gradient(model, data, OPTIONS)
    largest = max(value.abs().max() for value in whole.values())
    assert one == 1 and largest > 1e-3
    # all at once, an image at once, less than the structures of an image
    for at_once, checkpointed, least in ((100, True, 1), (6, False, 4), (2, True, 10)):
        found, same, parts = gradient(model, data, OPTIONS, at_once, checkpointed)
        assert parts >= least and (parts == 1) == (least == 1)
        # an IoU jumps when a pixel changes sides by rounding
        assert same == pytest.approx(numbers, abs=0.01)
        for name in ("palindrome", "self_pair", "direct"):
            assert same[name] == pytest.approx(numbers[name], rel=1e-5)
        for name, value in whole.items():
            torch.testing.assert_close(found[name], value, atol=1e-7 * largest, rtol=1e-5, msg=name)


def test_a_training_in_parts(small_model, data, tmp_path, monkeypatch):
    """Out of memory, again and again, until one structure at a time fits."""
    options = dataclasses.replace(OPTIONS, warmup=0)
    tried = []

    parts = StepLoss.parts

    def small(loss, rng, weights, at_once):
        tried.append((at_once, loss.tracker.checkpoint_attention))
        for number, part in enumerate(parts(loss, rng, weights, at_once)):
            if number == 1 and not loss.tracker.checkpoint_attention:
                raise torch.OutOfMemoryError("CUDA out of memory")
            if at_once is None:
                raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
            yield part

    def run(name):
        model = copy.deepcopy(small_model)
        torch.manual_seed(1)
        adapters.inject(model, options.adapter)
        trainer = Trainer(model, data, options, torch.ones(STRUCTURES), 1, tmp_path / name)
        (line,) = trainer.train().history
        return line

    expected = run("whole")
    monkeypatch.setattr(StepLoss, "parts", small)
    found = run("parts")
    assert tried == [(None, False), (12, False), (6, False), (3, False), (2, False), (2, True)]
    for name in ("palindrome", "self_pair", "norm"):
        assert found[name] == pytest.approx(expected[name], rel=1e-3), name
    # and if not even that fits, it says what to do
    monkeypatch.setattr(
        StepLoss,
        "parts",
        lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError("CUDA out of memory")),
    )
    with pytest.raises(InputError, match="too small for one structure; use a smaller"):
        run("never")


# ------------------------------------------------------------------ what fits


def test_peak_bytes_of_a_chain():
    """Ten matrices are kept for the backward pass; at its start there are two gradients beside them."""
    matrix = torch.randn(100, 100, requires_grad=True)

    def chain() -> None:
        value = matrix
        for _ in range(10):
            value = value.exp()
        value.sum().backward()

    assert peak_bytes(chain) == pytest.approx(12 * 40_000, rel=0.01)
    with torch.no_grad():
        assert peak_bytes(lambda: matrix.exp().exp()) == 2 * 40_000


def test_memory_grows_with_structures_and_shrinks_with_checkpointing(model, data):
    def taken(structures, checkpointed):
        tracker = Tracker(model, gated=False, checkpoint_attention=checkpointed)
        view = data.drawn[[0]].of_structures(structures)
        return budget.palindrome_bytes(tracker, view, data.pool[[0]], view)

    one, three = taken([0], False), taken([0, 1, 2], False)
    assert 2 * one < three < 3.1 * one
    assert taken([0, 1, 2], True) < 0.95 * three


@pytest.mark.parametrize("checkpointed", [False, True])
def test_what_is_left_uncomputed_takes_as_much(model, data, checkpointed):
    tracker = Tracker(model, gated=False, checkpoint_attention=checkpointed)
    view = data.drawn[[0]].of_structures([0, 1])
    parameters = [p for p in model.parameters() if p.requires_grad]

    def step() -> None:
        followed = palindrome(tracker, view, data.pool[[0]], view)
        torch.autograd.grad(object_losses(followed).sum(), parameters, allow_unused=True)

    computed, counted = budget.peak_bytes(step), budget.peak_bytes(step, compute=False)
    assert counted == pytest.approx(computed, rel=0.02)


def test_what_fits(model, data, monkeypatch):
    tracker = Tracker(model, gated=False)
    whole = 4 * 2 * STRUCTURES  # a palindrome, a self-pair, direct; pairs; structures
    monkeypatch.setattr(budget, "taken", lambda *a: pytest.fail("nothing needs to be measured"))
    assert fit_to_memory(tracker, data, OPTIONS, 2**40) == StepMemory(whole, whole, False)
    chosen = dataclasses.replace(OPTIONS, micro_batch=2, checkpoint_attention=True)
    assert fit_to_memory(tracker, data, chosen, 0) == StepMemory(whole, 4, True)

    def found(limit):
        return fit_to_memory(tracker, data, OPTIONS, int(1.3 * limit) + 1)

    monkeypatch.setattr(budget, "taken", lambda *a: (1000 if a[-1] else 5000, 0))
    assert found(5000 * 12).at_once is None
    assert found(5000 * 3) == StepMemory(whole, 6, False)
    assert found(5000) == StepMemory(whole, 2, False)
    assert found(4999) == StepMemory(whole, 8, True)
    assert found(1000) == StepMemory(whole, 2, True)
    assert found(999) == StepMemory(whole, 2, True)  # it is tried, with a warning
    # the image encoder takes 1200 of an image, of one at a time where a step is in parts
    reaching = dataclasses.replace(OPTIONS, targets=("mask_decoder", "encoder_late"))
    monkeypatch.setattr(budget, "taken", lambda *a: (1000, 1200))
    for limit, frames in ((1000, 2), (2000, 2), (9200, 4), (19199, whole - 2), (19200, whole)):
        memory = fit_to_memory(tracker, data, reaching, int(1.3 * limit) + 1)
        assert memory.frames == frames, limit
        assert memory.checkpointed == (limit == 1000)  # an image of the encoder does not fit


def test_distillation_without_a_palindrome_is_held_too(model, data):
    tracker = Tracker(model, gated=False)
    alone = {"palindrome": 0.0, "self_pair": 0.0, "direct": 0.0, "micro_batch": 1}
    options = dataclasses.replace(OPTIONS, **alone)
    memory = fit_to_memory(tracker, data, options, 0)
    assert memory == StepMemory(2 * STRUCTURES, 2, False) and memory.at_once == 2
    options = dataclasses.replace(options, direct=1.0, micro_batch=0)
    assert fit_to_memory(tracker, data, options, 2**40).whole == 2 * 2 * STRUCTURES


def test_what_is_kept_between_steps_is_not_there_for_them(model, data, monkeypatch):
    tracker = Tracker(model, gated=False)
    weights = sum(p.numel() for p in model.parameters())
    masks = sum(view.masks.numel() for view in (data.drawn, data.views, data.unseen))
    image = sum(level[0].numel() for level in (data.pool.low, *data.pool.high))
    kept = 4 * (weights + masks + 8 * image)  # eight images, in float32
    assert budget.kept_bytes(tracker, data) == kept
    on_disk = FeatureCache(0.0).keep([data.pool[[0]], data.pool[[1]]])
    assert isinstance(on_disk, FeaturesOnDisk)
    without = dataclasses.replace(data, pool=on_disk)
    assert budget.kept_bytes(tracker, without) == kept - 2 * 4 * image

    monkeypatch.setattr(budget, "device_bytes", lambda device: kept + int(1.3 * 5000 * 3) + 1)
    monkeypatch.setattr(budget, "taken", lambda *a: (5000, 0))
    assert fit_to_memory(tracker, data, OPTIONS).frames == 6
    assert fit_to_memory(tracker, without, OPTIONS).frames > 6


def test_measuring_leaves_no_trace(model, data):
    tracker = Tracker(model, gated=False)
    assert budget.taken(tracker, data, OPTIONS, True)[0] > 2**18
    assert not tracker.checkpoint_attention
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_cpu_has_the_memory_of_its_machine():
    assert 2**28 < budget.device_bytes(torch.device("cpu")) < 2**50


# ------------------------------------------------------------------ encoded images


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_encoded_images_on_disk_are_the_same(data, tmp_path, kind):
    pool = in_precision(data.views.features, kind)
    one = sum(t[0].numel() * t.element_size() for t in (pool.low, *pool.high)) / 2**20
    images = [pool[[i]] for i in (0, 1, 0)]
    assert isinstance(FeatureCache(3.01 * one).keep(images), Features)
    kept = FeatureCache(2.5 * one, tmp_path / "scratch").keep(images)
    assert isinstance(kept, FeaturesOnDisk) and len(kept) == 3
    assert list((tmp_path / "scratch").iterdir()) == []  # nothing to clean up
    expected = Features.cat(images)
    for index in (torch.tensor([2, 1, 1]), [0], slice(1, 3)):
        found, wanted = kept[index], expected[index]
        for ours, theirs in zip(
            (found.low, *found.high, found.position),
            (wanted.low, *wanted.high, wanted.position),
            strict=True,
        ):
            assert ours.dtype == theirs.dtype and torch.equal(ours, theirs)


def test_memory_goes_to_those_that_come_first(data):
    pool = data.pool
    one = sum(t[0].numel() * t.element_size() for t in (pool.low, *pool.high)) / 2**20
    keeper = FeatureCache(3.5 * one)
    kinds = [type(keeper.keep([pool[[0]]] * count)) for count in (2, 2, 1, 1)]
    assert kinds == [Features, FeaturesOnDisk, Features, FeaturesOnDisk]


def test_training_from_disk_gives_the_same_bits(small_model, data, tmp_path):
    def run(name, data):
        model = copy.deepcopy(small_model)
        torch.manual_seed(1)
        adapters.inject(model, OPTIONS.adapter)
        Trainer(model, data, OPTIONS, torch.ones(STRUCTURES), 1, tmp_path / name).train()
        return adapters.adapter_state(model)

    def on_disk(features):
        kept = FeatureCache(0).place(features[[0]], len(features))
        return OnDemand(lambda number: features[[number]], kept)

    moved = dataclasses.replace(
        data,
        pool=on_disk(data.pool),
        **{
            name: dataclasses.replace(view, features=on_disk(view.features))
            for name, view in (
                ("drawn", data.drawn),
                ("views", data.views),
                ("unseen", data.unseen),
            )
        },
    )
    expected, found = run("memory", data), run("disk", moved)
    for name, value in expected.items():
        assert torch.equal(found[name], value), name
