"""training: what changes and what does not, killed and resumed, and what is published."""

import copy
import dataclasses
import io
import logging
import math
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from filelock import FileLock
from PIL import Image
from remembering import remembered

from sam2pal.config.checking import validated
from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.config.training import TrainingOptions
from sam2pal.dataset.dataset import AnnotatedSpecimen, drawn_annotations
from sam2pal.images.reading import read_photograph
from sam2pal.io.errors import InputError
from sam2pal.model import adapters
from sam2pal.model.ensemble import alterations
from sam2pal.model.loading import square_image
from sam2pal.model.masks import at_size_of, hard_iou
from sam2pal.model.templates import TemplateSet
from sam2pal.model.tracker import Features, Tracker
from sam2pal.training import data as data_of_training
from sam2pal.training.augmentation import augment
from sam2pal.training.data import Data, prepare
from sam2pal.training.palindrome import AnnotatedViews, direct, palindrome
from sam2pal.training.schedule import schedule
from sam2pal.training.step_loss import StepLoss
from sam2pal.training.teacher import PseudoLabels, Teacher
from sam2pal.training.trainer import Trainer, TrainingState
from sam2pal.training.unlabelled import COPIES
from sam2pal.training.validation import validate

STRUCTURES = ["head", "body", "tail"]
# few layers, as the tests train again and again
OPTIONS = TrainingOptions(
    steps=3,
    views=2,
    validate_every=2,
    warmup=2,
    self_pair=0.0,
    distillation=0.0,
    rank=2,
    alpha=2.0,
    checkpoint_minutes=0.0,
    targets=("memory_attention", "memory_encoder"),
    controls=0,
    learning_rate=2e-4,
    interpolation=1.0,  # so that what is published is what was trained
)
FEW = dataclasses.replace(OPTIONS, steps=5, pairs=1, direct=0.0, targets=("memory_attention",))
CPU = torch.device("cpu")


def judged(followed):
    """IoU of every followed object at the size of its drawn mask."""
    return hard_iou(at_size_of(followed.tracked.logits, followed.target), followed.target)


def step_loss(tracker, data, weights, options, rng):
    """The loss of a step that is held whole, and its numbers."""
    (part,) = StepLoss(tracker, data, options).parts(rng, weights)
    return part.loss, part.numbers


class Killed(BaseException):
    """What no handler catches."""


def animal(rng: np.random.Generator) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """A photograph [80, 64, 3] of three bright discs, and their masks."""
    y, x = np.mgrid[:80, :64]
    pixels = rng.uniform(60, 100, (80, 64, 3))
    masks = {}
    for name, top, radius, colour in (
        ("head", 15, 9, (220, 40, 40)),
        ("body", 38, 14, (40, 220, 40)),
        ("tail", 66, 10, (40, 40, 220)),
    ):
        left = 32 + rng.uniform(-6, 6)
        masks[name] = (x - left) ** 2 + (y - top - rng.uniform(-2, 2)) ** 2 < radius**2
        pixels[masks[name]] = colour
    return pixels.astype(np.uint8), masks


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Two templates, of which the second was not annotated for its tail, and a pool of four."""
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    templates, pool = [], []
    for number in range(6):
        pixels, masks = animal(rng)
        path = folder / f"{number}.png"
        Image.fromarray(pixels).save(path)
        if number < 2:
            templates.append(
                AnnotatedSpecimen(str(number), str(path), 64, 80, drawn_annotations(masks))
            )
        else:
            pool.append(str(path))
    del templates[1].annotations["tail"]
    return templates, pool


@pytest.fixture(scope="module")
def data(small_model, photographs):
    return prepared(small_model, *photographs)


def prepared(model, templates, pool, options=OPTIONS, seed=1, names=STRUCTURES):
    aligned = len(options.turns) > 1
    templates = TemplateSet.read(templates, names, model.image_size, aligned=aligned)
    return whole(prepare(Tracker(model), templates, pool, options, seed))


def whole(data: Data) -> Data:
    """With all that is encoded when a step asks for it."""
    views, unseen = (replace_features(view) for view in (data.views, data.unseen))
    labels = None if data.pseudo_labels is None else data.pseudo_labels[:]
    return dataclasses.replace(
        data, pool=data.pool[:], views=views, unseen=unseen, pseudo_labels=labels
    )


def replace_features(views: AnnotatedViews) -> AnnotatedViews:
    return dataclasses.replace(views, features=views.features[:])


def fresh(model, options=OPTIONS, seed=1):
    """A copy of the model with the adapter that a training starts from."""
    model = copy.deepcopy(model)
    torch.manual_seed(seed)
    adapters.inject(model, options.adapter)
    return model


def trainer_of(model, data, folder, options=OPTIONS, seed=1) -> Trainer:
    return Trainer(model, data, options, torch.ones(len(STRUCTURES)), seed, folder)


def run(model, data, folder, options=OPTIONS, seed=1, **more) -> TrainingState:
    return trainer_of(model, data, folder, options, seed).train(**more)


def publish(model, data, state) -> bool:
    """What a training that has come to a state publishes."""
    trainer = trainer_of(model, data, Path("not used"))
    trainer.state = state
    return trainer.publish()


@pytest.fixture(scope="module")
def undisturbed(small_model, data, tmp_path_factory):
    """Model and progress of trainings that ran to their ends."""
    runs = {}
    for options in (OPTIONS, FEW):
        model = fresh(small_model, options)
        runs[options] = model, run(model, data, tmp_path_factory.mktemp("state"), options)
    return runs


def assert_same_training(model, progress, expected_model, expected):
    found, wanted = adapters.adapter_state(model), adapters.adapter_state(expected_model)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert torch.equal(found[name], value), name
    for name in ("step", "best_step", "best", "untrained", "history"):
        assert getattr(progress, name) == getattr(expected, name), name
    assert progress.best_state.keys() == expected.best_state.keys()
    for name, value in expected.best_state.items():
        assert torch.equal(progress.best_state[name], value), name


# ------------------------------------------------------------------ what changes


def test_only_adapter_weights_change(small_model, undisturbed):
    model, _ = undisturbed[OPTIONS]
    before = small_model.state_dict()
    after = {
        name.replace(".base_layer", ""): value
        for name, value in model.state_dict().items()
        if "lora_" not in name
    }
    assert after.keys() == before.keys()
    for name, value in before.items():
        assert torch.equal(after[name], value), name
    started = adapters.adapter_state(fresh(small_model))
    for name, value in adapters.adapter_state(model).items():
        assert not torch.equal(value, started[name]), name
    assert not any(module.training for module in model.modules())


def test_numbers_of_every_step(undisturbed):
    _, progress = undisturbed[OPTIONS]
    assert [line["step"] for line in progress.history] == [1, 2, 3]
    # every second step, and the last
    assert [line["step"] for line in progress.history if "validation" in line] == [2, 3]
    for line in progress.history:
        assert {"loss", "norm", "palindrome", "palindrome_iou", "direct", "scores"} <= line.keys()
        assert all(math.isfinite(value) for value in line.values())
        assert line["loss"] == pytest.approx(
            line["palindrome"] + line["direct"] + 0.1 * line["scores"], abs=1e-4
        )
    validations = {line["step"]: line["validation"] for line in progress.history[1:]}
    assert progress.best == pytest.approx(max(validations.values()), abs=1e-6)
    assert validations[progress.best_step] == pytest.approx(progress.best, abs=1e-6)


def test_same_seed_same_bits_another_seed_another_training(
    small_model, data, undisturbed, tmp_path
):
    model, progress = undisturbed[FEW]
    again = fresh(small_model, FEW)
    torch.manual_seed(99)  # whatever was random before
    assert_same_training(again, run(again, data, tmp_path / "a", FEW), model, progress)
    short = dataclasses.replace(FEW, steps=1)
    other = run(fresh(small_model, FEW), data, tmp_path / "b", short, seed=2)
    assert other.history[0]["loss"] != progress.history[0]["loss"]


# ------------------------------------------------------------------ killed and resumed


@pytest.mark.parametrize("moments", [[5], [1, 3, 4]])
def test_killed_and_resumed_is_undisturbed(small_model, data, undisturbed, tmp_path, moments):
    options = FEW
    expected_model, expected = undisturbed[options]
    for moment in moments:

        def die(step, numbers, moment=moment):
            if step == moment:
                raise Killed

        with pytest.raises(Killed):
            run(fresh(small_model, options), data, tmp_path, options, on_step=die)
    model = fresh(small_model, options)
    torch.manual_seed(moments[0])  # another process, another state
    steps = []
    progress = run(model, data, tmp_path, options, on_step=lambda step, _: steps.append(step))
    assert_same_training(model, progress, expected_model, expected)
    # it went on; it did not start again. What was not yet checkpointed is done again
    assert steps == list(range(moments[-1], options.steps + 1))
    # and once more: nothing is left to do
    model = fresh(small_model, options)
    progress = run(model, data, tmp_path, options, on_step=lambda *_: pytest.fail("a step"))
    assert_same_training(model, progress, expected_model, expected)


def test_what_was_left_out_of_the_pool_is_kept_when_training_goes_on(small_model, data, tmp_path):
    def die(step, numbers):
        if step == 3:
            raise Killed

    first = dataclasses.replace(data, left_out=["a.png: damaged", "b.png: damaged"])
    with pytest.raises(Killed):
        run(fresh(small_model, FEW), first, tmp_path, FEW, on_step=die)
    second = dataclasses.replace(data, left_out=["b.png: damaged", "c.png: damaged"])
    state = run(fresh(small_model, FEW), second, tmp_path, FEW)
    assert state.left_out == [f"{name}.png: damaged" for name in "abc"]


def test_controls_are_resumed(small_model, data, tmp_path):
    options = dataclasses.replace(FEW, steps=3, validate_every=2, controls=2)
    model = fresh(small_model, options)
    expected = run(model, data, tmp_path / "whole", options)

    def die(step, numbers):
        if step == 3:
            raise Killed

    with pytest.raises(Killed):
        run(fresh(small_model, options), data, tmp_path / "cut", options, on_step=die)
    again = fresh(small_model, options)
    progress = run(again, data, tmp_path / "cut", options)
    assert_same_training(again, progress, model, expected)
    names = {f"control_{name}" for name in ("true", "blank", "structure", "specimen")}
    assert progress.controls == expected.controls and progress.controls.keys() == names
    lines = [names <= line.keys() for line in progress.history]
    assert lines == [False, True, True]


@pytest.mark.slow
def test_killed_at_twenty_random_moments(small_model, data, tmp_path, monkeypatch):
    """In the middle of a forward or backward pass, of a step, of a validation, of writing a checkpoint."""
    options = dataclasses.replace(FEW, steps=12, validate_every=3)
    expected_model = fresh(small_model, options)
    expected = run(expected_model, data, tmp_path / "whole", options)
    rng, killed = np.random.default_rng(6), []

    def mortal(where, function):
        def call(*arguments, **more):
            if where == doomed[0]:
                doomed[1] -= 1
                if doomed[1] == 0:
                    if where == "torch.save":
                        arguments[1].write_bytes(b"half of a checkpoint")
                    raise Killed
            return function(*arguments, **more)

        return call

    places = {
        "sam2pal.training.step_loss.palindrome": palindrome,
        "torch.Tensor.backward": torch.Tensor.backward,
        "torch.optim.AdamW.step": torch.optim.AdamW.step,
        "sam2pal.training.trainer.validate": validate,
        "torch.save": torch.save,
    }
    doomed = [None, 0]
    for where, function in places.items():
        monkeypatch.setattr(where, mortal(where, function))
    for number in range(20):
        # rarely so late that nothing would be left to kill
        doomed[:] = list(places)[number % len(places)], int(rng.integers(1, 3))
        try:
            run(fresh(small_model, options), data, tmp_path / "cut", options)
        except Killed:
            killed.append(doomed[0])
        torch.manual_seed(number)
    doomed[0] = None
    model = fresh(small_model, options)
    progress = run(model, data, tmp_path / "cut", options)
    assert_same_training(model, progress, expected_model, expected)
    assert len(set(killed)) == len(places), killed


def test_killed_before_the_first_checkpoint(small_model, data, undisturbed, tmp_path):
    expected_model, expected = undisturbed[FEW]
    options = dataclasses.replace(FEW, checkpoint_minutes=60.0)

    def die(step, numbers):
        if step == 2:
            raise Killed

    with pytest.raises(Killed):
        run(fresh(small_model, options), data, tmp_path, options, on_step=die)
    assert not (tmp_path / "checkpoint.pt").exists()
    model = fresh(small_model, options)
    assert_same_training(model, run(model, data, tmp_path, options), expected_model, expected)


def test_time_limit_keeps_a_checkpoint_and_goes_on(small_model, data, undisturbed, tmp_path):
    expected_model, expected = undisturbed[FEW]
    for step in range(1, 5):
        with pytest.raises(InputError, match=f"time limit came at step {step} of 5.*goes on"):
            run(fresh(small_model, FEW), data, tmp_path, FEW, deadline=-math.inf)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.pt", "lock"]
    model = fresh(small_model, FEW)
    progress = run(model, data, tmp_path, FEW, deadline=-math.inf)  # the last step ends it
    assert_same_training(model, progress, expected_model, expected)


def test_a_damaged_checkpoint_is_set_aside_and_training_begins_anew(
    small_model, data, tmp_path, caplog
):
    path, aside = tmp_path / "checkpoint.pt", tmp_path / "checkpoint.pt.damaged"
    with pytest.raises(InputError, match="time limit came at step 1 of 5"):
        run(fresh(small_model, FEW), data, tmp_path, FEW, deadline=-math.inf)
    whole = path.read_bytes()

    def changed(change):
        content = torch.load(io.BytesIO(whole), weights_only=True)
        change(content)
        buffer = io.BytesIO()
        torch.save(content, buffer)
        return buffer.getvalue()

    def no_numbers(content):
        next(iter(content["adapter"].values())).fill_(math.nan)

    for content in (
        b"",
        whole[: len(whole) // 2],
        b"<html>log in</html>",
        changed(lambda content: content["state"].update(step=10**9)),
        changed(lambda content: content["state"].update(step=-5)),
        changed(lambda content: content["state"].pop("best_state")),
        changed(no_numbers),
        changed(lambda content: content.update(history="[")),
    ):
        path.write_bytes(content)
        model = fresh(small_model, FEW)
        trainer = trainer_of(model, data, tmp_path, FEW)
        trainer._resume()
        assert trainer.state.step == 0 and not path.exists()
        assert aside.read_bytes() == content and "training begins anew" in caplog.text
        caplog.clear()


def test_stops_before_a_step_that_would_not_end_in_time(small_model, data, tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("sam2pal.training.trainer.time.monotonic", lambda: clock[0])

    def tick(step, numbers):
        clock[0] += 10.0

    with pytest.raises(InputError, match="came at step 2 of 5"):
        run(fresh(small_model, FEW), data, tmp_path, FEW, deadline=25.0, on_step=tick)


def test_a_second_process_waits_for_the_first(small_model, data, tmp_path, monkeypatch):
    options = dataclasses.replace(OPTIONS, steps=1, direct=0.0)
    taken, told, said = threading.Event(), threading.Event(), []

    def first() -> None:
        with FileLock(tmp_path / "lock"):
            taken.set()
            told.wait()

    def info(message: str, *values: object) -> None:
        said.append(message % values)
        told.set()

    other = threading.Thread(target=first)
    other.start()
    taken.wait()
    monkeypatch.setattr("sam2pal.training.checkpoints.log.info", info)
    assert run(fresh(small_model), data, tmp_path, options).step == 1
    other.join()
    assert "another process is running this training; waiting for it to end" in said[0]


def test_a_second_process_does_not_wait_beyond_its_time(small_model, data, tmp_path):
    model = fresh(small_model)
    before = adapters.adapter_state(model)
    with (
        FileLock(tmp_path / "lock"),
        pytest.raises(InputError, match="another process is running this training") as caught,
    ):
        run(model, data, tmp_path, deadline=-math.inf, on_step=lambda *_: pytest.fail("a step"))
    assert str(tmp_path) in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]
    for name, value in adapters.adapter_state(model).items():
        assert torch.equal(before[name], value)
    # the file that a killed process leaves behind locks nobody out
    assert run(model, data, tmp_path, dataclasses.replace(OPTIONS, steps=1, direct=0.0)).step == 1


def test_divergence_is_said(small_model, data, tmp_path):
    options = dataclasses.replace(OPTIONS, direct=0.0, learning_rate=1e30, warmup=0, restores=0)
    with pytest.raises(
        InputError, match="diverged at step [23] .*lower `learning_rate` .now 1e.30"
    ):
        run(fresh(small_model), data, tmp_path, options)


def test_a_validation_that_falls_goes_back_to_the_best(
    small_model, data, tmp_path, monkeypatch, caplog
):
    options = dataclasses.replace(FEW, restores=1, validate_every=1, steps=4)
    monkeypatch.setattr("sam2pal.training.trainer.validate", lambda *_: next(values))
    states = []

    def keep(step, numbers):
        states.append(adapters.adapter_state(model))

    values = iter([0.6, 0.7, 0.3, 0.36, 0.1])  # the last step has nothing to go on to
    model = fresh(small_model, options)
    progress = run(model, data, tmp_path / "a", options, on_step=keep)
    assert (progress.step, progress.restored, progress.best_step) == (4, 1, 1)
    assert [line.get("restored") for line in progress.history] == [None, 1, None, None]
    assert (
        "step 2: validation IoU fell to 0.300; going back to the adapter of step 1" in caplog.text
    )
    for name, best in states[0].items():
        assert torch.equal(states[1][name], best)
    assert any(not torch.equal(states[2][name], best) for name, best in states[0].items())
    values = iter([0.6, 0.7, 0.3, 0.3])
    with pytest.raises(InputError, match="diverged at step 3 .validation IoU fell to 0.300, for"):
        run(fresh(small_model, options), data, tmp_path / "b", options)
    # of little there is little to lose
    values = iter([0.15, 0.07, 0.06, 0.05, 0.07])
    assert run(fresh(small_model, options), data, tmp_path / "c", options).restored == 0


def test_divergence_goes_back_to_the_best(small_model, data, tmp_path, monkeypatch, caplog):
    """Two steps whose loss is not finite, and a kill between them."""
    options = dataclasses.replace(FEW, restores=2, validate_every=1, targets=("memory_encoder",))

    parts = StepLoss.parts

    def broken(*arguments):
        (part,) = parts(*arguments)
        # the generator of a step is its own, so the same steps break after a kill
        yield dataclasses.replace(part, loss=part.loss * math.nan) if broken_steps.pop(0) else part

    monkeypatch.setattr(StepLoss, "parts", broken)
    values = iter([0.1, 0.3, 0.2, 0.25, 0.2, 0.2] * 2)  # before training, and after every step
    monkeypatch.setattr("sam2pal.training.trainer.validate", lambda *_: next(values))
    states = []

    def keep(step, numbers):
        states.append(adapters.adapter_state(model))

    broken_steps = [False, False, True, False, True]
    model = fresh(small_model, options)
    progress = run(model, data, tmp_path / "a", options, on_step=keep)
    assert (progress.step, progress.restored, progress.best_step) == (5, 2, 1)
    assert [line.get("restored") for line in progress.history] == [None, None, 1, None, 2]
    assert "going back to the adapter of step 1" in caplog.text
    for name, best in states[0].items():
        assert torch.equal(states[2][name], best) and torch.equal(states[4][name], best)
    assert any(not torch.equal(states[1][name], best) for name, best in states[0].items())
    # killed after it went back, it ends the same
    values = iter([0.1, 0.3, 0.2, 0.25, 0.2, 0.2])
    broken_steps[:] = [False, False, True]

    def die(step, numbers):
        if step == 4:
            raise Killed

    broken_steps.append(False)
    with pytest.raises(Killed):
        run(fresh(small_model, options), data, tmp_path / "b", options, on_step=die)
    values, broken_steps[:] = iter([0.2, 0.2]), [False, True]
    again = fresh(small_model, options)
    assert_same_training(again, run(again, data, tmp_path / "b", options), model, progress)
    # a third time is too often
    values, broken_steps[:] = iter([0.1] * 9), [True] * 3
    with pytest.raises(InputError, match="diverged at step 3 .*for the 3. time.*learning_rate"):
        run(fresh(small_model, options), data, tmp_path / "c", options)


# ------------------------------------------------------------------ what is published


def test_best_is_published_not_last(data, undisturbed):
    model, progress = undisturbed[OPTIONS]
    model = copy.deepcopy(model)
    best = {name: value + 1 for name, value in adapters.adapter_state(model).items()}
    won = dataclasses.replace(progress, best=0.8, untrained=0.7, best_state=best)
    assert publish(model, data, won) is True
    for name, value in adapters.adapter_state(model).items():
        assert torch.equal(value, best[name])


def test_the_best_adapter_is_kept_while_training_goes_on(small_model, data, tmp_path, monkeypatch):
    values = iter([0.1, 0.5, 0.9, 0.3])  # before training, and after steps 1, 2 and 3
    monkeypatch.setattr("sam2pal.training.trainer.validate", lambda *_: next(values))
    options = dataclasses.replace(FEW, steps=3, validate_every=1)
    model = fresh(small_model, options)
    states = []
    progress = run(
        model,
        data,
        tmp_path,
        options,
        on_step=lambda *_: states.append(copy.deepcopy(adapters.adapter_state(model))),
    )
    assert (progress.best, progress.best_step) == (0.9, 2)
    assert publish(model, data, progress) is True
    for name, value in adapters.adapter_state(model).items():
        assert torch.equal(value, states[1][name])
        assert not torch.equal(value, states[2][name])


def test_nothing_better_publishes_the_untrained_model(small_model, data, tmp_path, caplog):
    # with so small a rate no validation can be better
    options = dataclasses.replace(FEW, learning_rate=1e-30, steps=2, validate_every=1)
    model = fresh(small_model, options)
    progress = run(model, data, tmp_path, options)
    assert progress.best == progress.untrained
    randomise = torch.Generator().manual_seed(0)
    with torch.no_grad():  # as if training had made it worse
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.normal_(generator=randomise)
    with caplog.at_level(logging.INFO):
        assert publish(model, data, progress) is False
    assert "published as it was" in caplog.text
    masks = [
        direct(Tracker(m), data.drawn, data.unseen).tracked.logits for m in (model, small_model)
    ]
    assert torch.equal(*masks)


def test_nothing_better_than_init_publishes_init(small_model, data, tmp_path):
    options = dataclasses.replace(FEW, learning_rate=1e-30, steps=1)
    model = fresh(small_model, options)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.fill_(0.01)
    init = adapters.adapter_state(model)
    assert publish(model, data, run(model, data, tmp_path, options)) is False
    for name, value in adapters.adapter_state(model).items():
        assert torch.equal(value, init[name])


def test_early_stopping(small_model, data, tmp_path):
    options = dataclasses.replace(FEW, learning_rate=1e-30, steps=20, validate_every=1, patience=2)
    progress = run(fresh(small_model, options), data, tmp_path, options)
    assert (progress.best_step, progress.step) == (1, 3)
    # resumed at its end it stays there
    again = run(
        fresh(small_model, options),
        data,
        tmp_path,
        options,
        on_step=lambda *_: pytest.fail("a step"),
    )
    assert again.history == progress.history


# ------------------------------------------------------------------ validation


def only(data, templates: list[int]):
    """The data of some of the templates."""
    index = torch.tensor(templates)
    views = torch.cat([index * OPTIONS.views + view for view in range(OPTIONS.views)]).sort().values
    return dataclasses.replace(
        data, drawn=data.drawn[index], views=data.views[views], unseen=data.unseen[index]
    )


def test_validation_of_one_template_is_on_its_unseen_view(small_model, data):
    tracker = Tracker(small_model)
    one = only(data, [0])
    followed = direct(tracker, one.drawn, one.unseen)
    expected = judged(followed).mean().item()
    assert len(followed.target) == 3
    assert validate(tracker, one, 32, 4) == pytest.approx(expected, rel=1e-6)


def test_validation_of_several_templates_is_on_the_others(small_model, data):
    tracker = Tracker(small_model)
    three = only(data, [0, 1, 0])
    scores = []
    for start in range(3):
        for goal in range(3):
            if goal != start:
                followed = direct(tracker, three.drawn[[start]], three.unseen[[goal]])
                scores += judged(followed).tolist()
    assert len(scores) == 2 * 2 + 2 * 2 + 3 * 2  # tails between the two copies of the first only
    assert validate(tracker, three, 32, 4) == pytest.approx(np.mean(scores), rel=1e-5)


def test_validation_ends_after_enough_pairs(small_model, data, monkeypatch):
    tracker = Tracker(small_model)
    five = only(data, [0, 1, 0, 1, 0])
    judged = []

    def follow(tracker, source, goal):
        judged.append(len(source.masks))
        return direct(tracker, source, goal)

    monkeypatch.setattr("sam2pal.training.validation.direct", follow)
    whole = validate(tracker, five, pairs=100, batch=4)
    assert sum(judged) == 20
    judged.clear()
    assert validate(tracker, five, pairs=20, batch=1) == pytest.approx(whole, rel=1e-5)
    assert judged == [1] * 20
    for pairs, expected in ((7, 7), (5, 5), (2, 2), (1, 1)):
        judged.clear()
        assert 0 < validate(tracker, five, pairs=pairs, batch=4) < 1
        assert sum(judged) == expected


def without(view, known):
    return dataclasses.replace(view, known=torch.tensor(known))


def test_validation_of_templates_that_share_nothing_is_on_their_own_views(small_model, data):
    tracker = Tracker(small_model)
    known = [[True, False, False], [False, True, False]]
    apart = dataclasses.replace(
        data, drawn=without(data.drawn, known), unseen=without(data.unseen, known)
    )
    followed = direct(tracker, apart.drawn, apart.unseen)
    expected = judged(followed).mean().item()
    assert validate(tracker, apart, 32, 4) == pytest.approx(expected, rel=1e-5)


# ------------------------------------------------------------------ nothing to train on


def test_nothing_to_follow_is_said_before_the_first_step(small_model, data, tmp_path):
    nothing = [[False] * 3] * 2
    empty = dataclasses.replace(data, drawn=without(data.drawn, nothing))
    with pytest.raises(InputError, match="no template shows any structure to follow"):
        run(fresh(small_model), empty, tmp_path)
    unseen = dataclasses.replace(data, unseen=without(data.unseen, nothing))
    with pytest.raises(InputError, match="kept for validation"):
        run(fresh(small_model), unseen, tmp_path)
    alone = dataclasses.replace(OPTIONS, palindrome=0.0)
    with pytest.raises(InputError, match="only `direct` has a weight above zero"):
        run(fresh(small_model), only(data, [0]), tmp_path, alone)


def test_steps_whose_pairs_share_nothing_are_no_end(small_model, data, tmp_path):
    # of three templates two share a head; a pair of any other two has nothing to follow
    options = dataclasses.replace(OPTIONS, palindrome=0.0, pairs=1, steps=8, validate_every=8)
    known = [[True, False, False], [True, False, False], [False, False, True]]
    three = only(data, [0, 1, 0])
    views = [row for row in known for _ in range(OPTIONS.views)]
    three = dataclasses.replace(
        three,
        drawn=without(three.drawn, known),
        views=without(three.views, views),
        unseen=without(three.unseen, known),
    )
    progress = run(fresh(small_model, options), three, tmp_path, options)
    losses = ["loss" in line for line in progress.history]
    assert len(losses) == 8 and any(losses) and not all(losses)


# ------------------------------------------------------------------ one step


@pytest.mark.parametrize(
    ("weights", "parts"),
    [
        ({"direct": 0.0}, {"palindrome"}),
        ({"palindrome": 0.0}, {"direct"}),
        ({"palindrome": 0.0, "direct": 0.0, "self_pair": 1.0}, {"self_pair"}),
        ({"self_pair": 2.0}, {"palindrome", "direct", "self_pair"}),
    ],
)
def test_weights_switch_losses_on_and_off(small_model, data, weights, parts):
    options = dataclasses.replace(OPTIONS, scores=0.0, **weights)
    tracker = Tracker(small_model, gated=False)
    with torch.no_grad():
        total, numbers = step_loss(tracker, data, torch.ones(3), options, np.random.default_rng(1))
    assert numbers.keys() == parts | {f"{part}_iou" for part in parts}
    expected = sum(getattr(options, part) * numbers[part] for part in parts)
    assert total.item() == pytest.approx(expected, rel=1e-5)


def test_structures_count_by_their_weights(small_model, data):
    options = dataclasses.replace(OPTIONS, scores=0.0, direct=0.0)
    tracker = Tracker(small_model, gated=False)

    def loss(*weights):
        rng = np.random.default_rng(3)
        with torch.no_grad():
            total, _ = step_loss(tracker, only(data, [0]), torch.tensor(weights), options, rng)
        return total.item()

    each = [loss(*row) for row in ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))]
    assert loss(1.0, 1.0, 1.0) == pytest.approx(np.mean(each), rel=1e-4)
    assert loss(1.0, 3.0, 0.0) == pytest.approx((each[0] + 3 * each[1]) / 4, rel=1e-4)


def test_the_rate_rises_and_falls_to_zero():
    def rate(step):
        return schedule(step, steps=110, warmup=10)

    assert [rate(step) for step in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])
    assert rate(10) == pytest.approx(1.0)
    assert rate(60) == pytest.approx(0.5)
    assert rate(35) == pytest.approx((1 + math.sqrt(0.5)) / 2)
    assert rate(109) < 5e-4
    assert schedule(0, steps=110, warmup=0) == 1.0


def test_the_rate_rises_stays_and_falls_to_a_hundredth():
    def rates(steps):
        return [schedule(step, steps, 10, cooldown=30, floor=0.01) for step in range(101)]

    found = rates(100)
    assert found[0] == pytest.approx(0.1) and found[9:71] == [1.0] * 62
    assert found[100] == pytest.approx(0.01)
    assert found[70:] == sorted(found[70:], reverse=True) and found[85] == pytest.approx(0.505)
    # more steps, decided later, change no rate before the fall
    assert rates(150)[:70] == found[:70]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"steps": 0}, "steps: must be at least 1, found 0"),
        (
            dict.fromkeys(("palindrome", "direct", "self_pair", "distillation"), 0),
            "must have a weight above zero",
        ),
        ({"turns": [45]}, "turns.0: 45 is not one of 0, 90, 180, 270"),
        ({"loss_size": "full"}, "unknown key 'loss_size'"),
        ({"rank": 0}, "rank: must be at least 1, found 0"),
        ({"learning_rate": "1e-4"}, "expected a number, found '1e-4' (text; write 1.0e-4)"),
        ({"targets": ["decoder"]}, "targets.0: 'decoder' is not one of memory_attention,"),
        ({"learn_rate": 1}, "did you mean 'learning_rate'?"),
    ],
)
def test_options_that_are_refused(values, expected):
    with pytest.raises(InputError) as caught:
        validated(TrainingOptions, values, "training")
    assert expected in str(caught.value) and str(caught.value).startswith("training")


# ------------------------------------------------------------------ data


def test_prepared_data(small_model, photographs, data):
    templates, pool = photographs
    assert len(data.pool) == len(pool) and not data.left_out
    assert data.drawn.masks.shape == data.unseen.masks.shape == (2, 3, 64, 64)
    assert data.views.masks.shape == (4, 3, 64, 64)
    assert data.drawn.known.tolist() == [[True, True, True], [True, True, False]]
    assert data.views.known.tolist() == [[True] * 3] * 2 + [[True, True, False]] * 2
    # area is kept: 80 pixels of the photograph are 64 of the square
    for row, template in enumerate(templates):
        for name, mask in template.masks.items():
            found = data.drawn.masks[row, STRUCTURES.index(name)].sum().item()
            assert found == pytest.approx(mask.sum() * (64 / 80) ** 2, rel=0.02)
    # every view is another one
    views = torch.cat([data.drawn.masks, data.views.masks, data.unseen.masks])[:, 1]
    distance = torch.cdist(views.flatten(1), views.flatten(1))
    assert (distance + torch.eye(len(views)) > 0.5).all()
    again = prepared(small_model, *photographs)
    assert torch.equal(again.views.features.low, data.views.features.low)
    assert torch.equal(again.unseen.masks, data.unseen.masks)
    other = prepared(small_model, *photographs, seed=2)
    assert not torch.equal(other.unseen.masks, data.unseen.masks)
    assert isinstance(other.pool, Features)


def test_training_at_full_size(small_model, photographs, tmp_path):
    options = dataclasses.replace(OPTIONS, steps=1, views=1)
    full = prepared(small_model, *photographs, options)
    model = fresh(small_model, options)
    tracker = Tracker(model, gated=False)
    rng = np.random.default_rng([1, 4, 0])
    alone = dataclasses.replace(options, direct=0.0, scores=0.0)
    with torch.no_grad():
        loss, _ = step_loss(tracker, full, torch.ones(3), alone, rng)
    progress = run(model, full, tmp_path, options)
    (line,) = progress.history
    assert line["palindrome"] == pytest.approx(loss.item(), abs=1e-5)
    assert line["validation"] == pytest.approx(validate(Tracker(model), full, 32, 4), abs=1e-5)
    followed = direct(Tracker(model), full.drawn[[0]], full.unseen[[1]])
    assert followed.target.shape[-1] == 64 and len(followed.iou()) == 2


def test_training_remembers_what_segmenting_remembers(small_model, photographs, data):
    tracker, templates = Tracker(small_model), photographs[0]
    options = SegmentationOptions(window="photograph", turns=(0,))
    bank = remembered(tracker, templates[:1], STRUCTURES, options)
    expected = tracker.track(data.unseen.features[[0]], [bank.memories[64]]).logits
    found = direct(tracker, data.drawn[[0]], data.unseen[[0]]).tracked.logits
    assert torch.allclose(found, expected, atol=1e-4)


def test_templates_and_pool_are_turned_alike(small_model, photographs, tmp_path):
    template = photographs[0][0]
    # a square, which is turned without a rest
    pixels = np.pad(np.asarray(Image.open(template.path)), ((0, 0), (8, 8), (0, 0)))
    masks = {name: np.pad(mask, ((0, 0), (8, 8))) for name, mask in template.masks.items()}
    templates, pool = (
        [AnnotatedSpecimen("0", str(tmp_path / "0.png"), 80, 80, drawn_annotations(masks))],
        [],
    )
    for quarter in range(4):
        path = tmp_path / f"{quarter}.png"
        Image.fromarray(np.rot90(pixels, quarter)).save(path)
        pool.append(str(path))
    masks = {name: np.rot90(mask, 3) for name, mask in masks.items()}
    templates.append(AnnotatedSpecimen("turned", pool[3], 80, 80, drawn_annotations(masks)))
    options = dataclasses.replace(OPTIONS, views=1)
    turned = prepared(small_model, templates, pool, options)
    first = turned.drawn.features.low[0]

    def distance(found):
        return ((found - first).norm() / first.norm()).item()

    # but for the rounding of turned photographs
    for found in (*turned.pool.low, turned.drawn.features.low[1]):
        assert distance(found) < 0.02
    assert torch.allclose(turned.drawn.masks[0], turned.drawn.masks[1], atol=1e-5)
    options = dataclasses.replace(options, turns=(0,))
    as_they_are = prepared(small_model, templates, pool, options)
    assert torch.equal(as_they_are.drawn.features.low[0], first)
    assert distance(as_they_are.pool.low[0]) < 1e-5 < 0.1 < distance(as_they_are.pool.low[1])
    assert not torch.equal(as_they_are.drawn.masks[0], as_they_are.drawn.masks[1])


def test_structures_named_for_a_side_are_not_mirrored(small_model, photographs, caplog):
    template, pool = photographs[0][0], photographs[1][:1]
    masks = dict(zip(("left eye", "body", "tail"), template.masks.values(), strict=True))
    sided = dataclasses.replace(template, annotations=drawn_annotations(masks))
    options = dataclasses.replace(OPTIONS, views=4, turns=(0,))

    def views(template, options):
        names = list(template.masks)
        return prepared(small_model, [template], pool, options, names=names).views.masks

    mirrored = views(template, options)
    assert caplog.text == ""
    never = views(template, dataclasses.replace(options, mirror=False))
    with caplog.at_level(logging.INFO):
        assert torch.equal(views(sided, options), never)
    assert "not mirrored: left eye would become the other side's" in caplog.text
    same = [torch.allclose(a, b) for a, b in zip(mirrored, never, strict=True)]
    flipped = [torch.allclose(a.flip(-1), b) for a, b in zip(mirrored, never, strict=True)]
    assert sum(same) + sum(flipped) == 4 and any(flipped)


def test_unreadable_photographs_of_the_pool_are_named(small_model, photographs, tmp_path, caplog):
    templates, pool = photographs
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n")
    options = dataclasses.replace(OPTIONS, views=1)
    some = prepared(small_model, templates[:1], [pool[0], str(broken)], options)
    assert torch.equal(some.pool.low[0], some.pool.low[1])  # the next one stands in for it
    assert len(some.left_out) == 1 and str(broken) in some.left_out[0]
    assert str(broken) in caplog.text
    for left in ([str(broken)], []):
        with pytest.raises(InputError, match="no photograph of the training pool can be read"):
            prepared(small_model, templates[:1], left, options)
    with pytest.raises(InputError, match="at least one template"):
        prepared(small_model, [], pool, options)


def test_a_structure_too_small_to_follow_is_named(small_model, photographs, caplog):
    (template, _), pool = photographs
    speck = np.zeros((80, 64), bool)
    speck[41, 31] = True  # lies on the edge of two pixels of the square
    template = dataclasses.replace(
        template, annotations=drawn_annotations({**template.masks, "tail": speck})
    )
    options = dataclasses.replace(OPTIONS, views=1)
    prepared(small_model, [template], pool[:1], options)
    assert "template 0: 'tail' is too small to be trained on at 64 pixels" in caplog.text
    assert "'head'" not in caplog.text


def test_a_view_moves_image_and_masks_alike():
    y, x = torch.meshgrid(torch.arange(96), torch.arange(96), indexing="ij")
    masks = torch.stack(
        [(x - 60) ** 2 + (y - 30) ** 2 < 300, ((x - 30).abs() < 9) & ((y - 60).abs() < 20)]
    ).float()
    image = masks.amax(0).expand(3, -1, -1) * 4 - 2
    seen = []
    for seed in range(6):
        view, moved = augment(image, masks, np.random.default_rng(seed), bend=0.05)
        assert view.shape == image.shape and moved.shape == masks.shape
        assert moved.min() >= 0 and moved.max() <= 1
        light, inside = view.mean(0), moved.amax(0) > 0.5
        # the padding is 0, brighter than the dark ground: compare where the photograph is
        half = (light[moved.amax(0) > 0.99].mean() + light[moved.amax(0) < 0.01].min()) / 2
        assert ((light > half) & inside).sum() / inside.sum() > 0.99
        assert not torch.equal(moved, masks)
        again = augment(image, masks, np.random.default_rng(seed), bend=0.05)
        assert torch.equal(again[0], view) and torch.equal(again[1], moved)
        seen.append(moved)
    assert len({tuple(mask.flatten().tolist()) for mask in seen}) == 6


def test_a_view_is_bent():
    slope = torch.arange(64.0).expand(3, 64, 64)

    def curvature(bend):
        """Of an even slope, which has none wherever it is moved, turned or sheared to."""
        views = [
            augment(slope, slope[:1], np.random.default_rng(seed), bend=bend)[1]
            for seed in range(4)
        ]
        return [float(view[0, 20:44, 20:44].diff(n=2).abs().mean()) for view in views]

    assert max(curvature(0.0)) < 1e-5 < 5e-4 < min(curvature(0.05))


# ------------------------------------------------------------------ a share of what was learned


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_published_weights_lie_between_those_before_and_after(
    small_model, data, tmp_path, share, monkeypatch
):
    scores = iter([0.1, 0.2])
    monkeypatch.setattr("sam2pal.training.trainer.validate", lambda *_: next(scores))
    options = dataclasses.replace(FEW, interpolation=share, steps=2, validate_every=2)
    model = fresh(small_model, options)
    before, after = adapters.adapter_state(model), {}
    trainer = trainer_of(model, data, tmp_path, options)
    trainer.train(on_step=lambda *_: after.update(adapters.adapter_state(model)))
    assert trainer.publish()
    published = adapters.adapter_state(model)
    assert any(not torch.equal(before[name], value) for name, value in after.items())
    for name, value in published.items():
        first = ".lora_A." in name  # of the product that is added to a weight; the other was zero
        expected = after[name] if first else share * after[name]
        assert torch.allclose(value, expected, atol=1e-7), name


def test_what_is_published_lies_near_the_line_from_the_adapter_that_training_went_on_from(
    small_model, data, tmp_path
):
    def weights(state):
        """What an adapter adds to each weight."""
        return {
            name: torch.einsum("or..., ri... -> oi", value, state[name.replace("lora_B", "lora_A")])
            for name, value in state.items()
            if ".lora_B." in name
        }

    model = fresh(small_model, FEW)
    trainer = trainer_of(model, data, tmp_path, dataclasses.replace(FEW, interpolation=0.25))
    generator = torch.Generator().manual_seed(2)
    before, after = (
        {
            name: size * torch.randn(value.shape, generator=generator)
            for name, value in adapters.adapter_state(model).items()
        }
        for size in (1.0, 0.2)
    )
    after = {name: before[name] + moved for name, moved in after.items()}
    trainer.state.before = before
    published = weights(trainer._interpolated(after))
    before, after = weights(before), weights(after)
    for name, value in published.items():
        away = value - torch.lerp(before[name], after[name], 0.25)
        assert away.norm() < 0.06 * (after[name] - before[name]).norm(), name


# ---------------------------------------------------------------- what the model before training finds

TAUGHT = dataclasses.replace(OPTIONS, distillation=2.0, ways=3, turns=(0,))


@pytest.fixture(scope="module")
def taught(small_model, photographs):
    return prepared(small_model, *photographs, TAUGHT)


def test_a_pool_is_kept_as_it_is_and_altered_with_what_is_found_on_it(taught, data, photographs):
    pool = photographs[1]
    assert (taught.copies, taught.specimens) == (COPIES, len(pool))
    assert len(taught.pool) == COPIES * len(pool) == len(taught.pseudo_labels.masks)
    plain = taught.pool[torch.arange(len(pool)) * COPIES]
    # read with more pixels, and reduced
    assert F.cosine_similarity(plain.low.flatten(1), data.pool.low.flatten(1)).min() > 0.95
    masks = taught.pseudo_labels.masks.float()
    assert masks.shape[1] == len(STRUCTURES) and masks.min() >= 0 and masks.max() <= 1
    # what was found on a specimen follows it when it is altered
    assert not torch.equal(masks[0], masks[1])
    assert torch.equal(taught.pseudo_labels.trusted[0], taught.pseudo_labels.trusted[COPIES - 1])


@pytest.mark.parametrize(("share", "held"), [(0.0, False), (1.9, False), (20.0, True)])
def test_encoded_images_take_at_most_half_of_the_device(
    small_model, photographs, monkeypatch, share, held
):
    templates, pool = photographs
    known = TemplateSet.read(templates, STRUCTURES, small_model.image_size, aligned=False)

    def kept() -> int:
        """Bytes of the encoded pool in memory."""
        return prepare(Tracker(small_model), known, pool, OPTIONS, 1).pool.nbytes

    needed = kept()
    assert needed > 0
    monkeypatch.setattr(data_of_training, "device_bytes", lambda device: int(share * needed))
    assert kept() == (needed if held else 0)


def test_what_is_taught_is_found_when_it_is_asked_for_by_the_model_before_training(
    small_model, photographs, taught, monkeypatch
):
    templates, pool = photographs
    known = TemplateSet.read(templates, STRUCTURES, small_model.image_size, aligned=False)
    model, asked = fresh(small_model, TAUGHT), []
    call = Teacher.__call__
    monkeypatch.setattr(Teacher, "__call__", lambda *a: asked.append(1) or call(*a))
    data = prepare(Tracker(model), known, pool, TAUGHT, 1)
    # what it will take is known before
    assert data.pseudo_labels.nbytes == taught.pseudo_labels.nbytes
    assert data.pool.nbytes == sum(level.nbytes for level in taught.pool.maps)
    assert not asked
    with torch.no_grad():  # as after some steps
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.normal_(std=0.1)
    trained = adapters.adapter_state(model)
    some = torch.tensor([len(pool) * COPIES - 1, 0])
    found, features = data.pseudo_labels[some], data.pool[some]
    assert len(asked) == 2
    assert torch.equal(found.masks, taught.pseudo_labels.masks[some])
    assert torch.equal(features.low, taught.pool.low[some])
    data.pseudo_labels[some], data.pool[some]
    assert len(asked) == 2
    # training goes on where it was
    for name, value in adapters.adapter_state(model).items():
        assert torch.equal(value, trained[name]), name


def test_adapters_that_are_put_in_later_teach_nothing(small_model, photographs, taught):
    templates, pool = photographs
    known = TemplateSet.read(templates, STRUCTURES, small_model.image_size, aligned=False)
    model = copy.deepcopy(small_model)
    data = prepare(Tracker(model), known, pool, TAUGHT, 1)
    adapters.inject(model, TAUGHT.adapter)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.normal_(std=0.1)
    found = data.pseudo_labels[:1].masks
    torch.testing.assert_close(found, taught.pseudo_labels.masks[:1], atol=1e-3, rtol=0)


def test_training_on_demand_gives_the_same_bits(small_model, photographs, taught, tmp_path):
    templates, pool = photographs
    known = TemplateSet.read(templates, STRUCTURES, small_model.image_size, aligned=False)
    options = dataclasses.replace(TAUGHT, steps=2, validate_every=1)

    def trained(name, data_of):
        model = fresh(small_model, options)
        data = data_of(prepare(Tracker(model), known, pool, options, 1))
        trainer_of(model, data, tmp_path / name, options).train()
        return adapters.adapter_state(model)

    at_once, on_demand = trained("whole", whole), trained("demand", lambda data: data)
    for name, value in at_once.items():
        assert torch.equal(on_demand[name], value), name


def test_a_specimen_of_a_palindrome_is_compared_with_what_was_found_on_it(small_model, taught):
    tracker, trusted = (
        Tracker(small_model, gated=False),
        torch.ones_like(taught.pseudo_labels.trusted),
    )
    options = dataclasses.replace(TAUGHT, scores=0.0, direct=0.0)

    def loss(lesson: PseudoLabels) -> tuple[float, dict[str, float]]:
        own, rng = dataclasses.replace(taught, pseudo_labels=lesson), np.random.default_rng(2)
        with torch.no_grad():
            total, numbers = step_loss(tracker, own, torch.ones(3), options, rng)
        return total.item(), numbers

    total, numbers = loss(PseudoLabels(taught.pseudo_labels.masks, trusted))
    assert numbers["distillation"] > 0
    assert total == pytest.approx(numbers["palindrome"] + 2 * numbers["distillation"], rel=1e-5)
    _, other = loss(PseudoLabels(1 - taught.pseudo_labels.masks, trusted))
    assert other["distillation"] != pytest.approx(numbers["distillation"], rel=1e-3)
    assert other["palindrome"] == pytest.approx(numbers["palindrome"], rel=1e-5)
    _, nothing = loss(PseudoLabels(taught.pseudo_labels.masks, ~trusted))
    assert nothing["distillation"] == 0


def test_the_parts_of_a_step_teach_what_the_whole_does(small_model, taught):
    tracker, options = Tracker(small_model, gated=False), dataclasses.replace(TAUGHT, scores=0.0)
    lesson = PseudoLabels(taught.pseudo_labels.masks, torch.ones_like(taught.pseudo_labels.trusted))
    own = dataclasses.replace(taught, pseudo_labels=lesson)

    def total(at_once: int | None) -> float:
        parts = StepLoss(tracker, own, options).parts(
            np.random.default_rng(2), torch.ones(3), at_once
        )
        with torch.no_grad():
            return sum(part.loss.item() for part in parts)

    assert total(2) == pytest.approx(total(None), rel=1e-4)


@pytest.mark.parametrize(("templates", "direct"), [([0, 1], 0.0), ([0], 1.0)])
def test_specimens_are_learned_from_without_a_palindrome(
    small_model, taught, tmp_path, templates, direct
):
    options = dataclasses.replace(TAUGHT, palindrome=0.0, direct=direct, steps=2)
    lesson = PseudoLabels(taught.pseudo_labels.masks, torch.ones_like(taught.pseudo_labels.trusted))
    own = dataclasses.replace(only(taught, templates), pseudo_labels=lesson)
    state = run(fresh(small_model, options), own, tmp_path, options)
    assert state.step == 2 and all(line["distillation"] > 0 for line in state.history)
    assert "scores" not in state.history[0]


def test_nothing_is_taught_of_a_structure_that_no_template_shows(small_model, photographs):
    templates, pool = photographs
    known = TemplateSet.read(templates[1:], STRUCTURES, small_model.image_size, aligned=False)
    teacher = Teacher(Tracker(small_model), known, alterations(2, STRUCTURES))
    image = square_image(read_photograph(pool[0], 96), 96)
    assert not teacher(image).trusted[0, STRUCTURES.index("tail")]
