"""On a GPU as on the CPU: the same masks, less memory when there is less, trainings that go on.

`SAM2PAL_GPU=cpu` runs what can be run without one, to see that it runs.
"""

import copy
import logging
import os
import sys
from pathlib import Path

import pytest
import torch

from sam2pal.config.model import ModelOptions
from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.config.training import TrainingOptions
from sam2pal.dataset.rle import decode_mask
from sam2pal.model import adapters
from sam2pal.model.build import build_model
from sam2pal.model.templates import TemplateSet
from sam2pal.model.tracker import Tracker
from sam2pal.segmentation.shard import segment
from sam2pal.training.data import prepare
from sam2pal.training.trainer import Trainer

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
from segmentation import NAMES, STRUCTURES, draw  # noqa: E402

DEVICE = torch.device(os.environ.get("SAM2PAL_GPU", "cuda"))
pytestmark = pytest.mark.skipif(
    DEVICE.type == "cuda" and not torch.cuda.is_available(), reason="there is no CUDA GPU here"
)
needs_cuda = pytest.mark.skipif(DEVICE.type != "cuda", reason="only CUDA can be given less memory")
TRAINING = TrainingOptions(steps=4, views=2, validate_every=2, controls=0)
LEAST_IOU = {"float32": 0.995, "bfloat16": 0.9}
"""Of every mask with that of the CPU, which computes in float32."""


@pytest.fixture(scope="module")
def beetles(tmp_path_factory):
    """A template and four specimens."""
    return draw(tmp_path_factory.mktemp("beetles"), 1, 4)


@pytest.fixture(scope="module")
def model():
    """The bundled model with its weights, on the CPU."""
    return build_model(ModelOptions(image_size=128))


def masks(model, device, beetles, **options):
    templates, specimens = beetles
    tracker = Tracker(copy.deepcopy(model).to(device))
    given = tracker, specimens, templates, STRUCTURES, SegmentationOptions(**options)
    with torch.inference_mode():
        found = segment(*given, bundled=True)
    return [
        decode_mask(annotation["segmentation"])
        for annotation in found["annotations"]
        if annotation["source"] != "drawn"
    ]


@pytest.fixture(scope="module")
def expected(model, beetles):
    found = masks(model, torch.device("cpu"), beetles)
    assert sum(mask.any() for mask in found) > 10
    return found


def least_iou(found, expected):
    pairs = [(a, b) for a, b in zip(found, expected, strict=True) if b.sum() > 200]
    return min((a & b).sum() / (a | b).sum() for a, b in pairs)


@pytest.mark.parametrize("precision", LEAST_IOU)
def test_masks_are_those_of_the_cpu(model, beetles, expected, precision, monkeypatch):
    half = precision == "bfloat16"
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_, **__: half)
    assert least_iou(masks(model, DEVICE, beetles), expected) > LEAST_IOU[precision]


def limited(share: float):
    """Leave so much of the memory of the GPU."""
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(share)


def taken(call) -> float:
    """The share of the GPU's memory that a call takes."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    call()
    total = torch.cuda.get_device_properties(DEVICE).total_memory
    return torch.cuda.max_memory_reserved() / total


@needs_cuda
def test_segmentation_halves_its_batch(model, beetles, expected, caplog):
    one = taken(lambda: masks(model, DEVICE, beetles, batch_size=1))
    whole = taken(lambda: masks(model, DEVICE, beetles, batch_size=4))
    assert whole > one
    try:
        limited((one + whole) / 2)
        with caplog.at_level(logging.WARNING):
            found = masks(model, DEVICE, beetles, batch_size=4)
    finally:
        limited(1.0)
    assert "out of memory with 4 specimens per batch" in caplog.text
    assert least_iou(found, expected) > LEAST_IOU["bfloat16"]


def trained(model, beetles, folder, **more):
    """The losses of a training on the device."""
    templates, specimens = beetles
    options = TrainingOptions(**{**vars(TRAINING), **more})
    model = copy.deepcopy(model).to(DEVICE)
    known = TemplateSet.read(templates, NAMES, model.image_size, aligned=True)
    paths = [specimen.path for specimen in specimens[:2]]
    data = prepare(Tracker(model), known, paths, options, 1)
    torch.manual_seed(1)
    adapters.inject(model, options.adapter)
    weights = torch.ones(len(NAMES), device=DEVICE)
    trainer = Trainer(model, data, options, weights, 1, folder)
    steps = []
    state = trainer.train(on_step=lambda step, numbers: steps.append(step))
    return trainer, [line["loss"] for line in state.history], steps


@pytest.fixture(scope="module")
def whole(model, beetles, tmp_path_factory):
    return trained(model, beetles, tmp_path_factory.mktemp("whole"))[1]


def test_a_training_in_parts_has_the_same_losses(model, beetles, whole, tmp_path):
    trainer, losses, _ = trained(model, beetles, tmp_path, micro_batch=1)
    assert trainer.memory.at_once == 2
    assert losses == pytest.approx(whole, rel=0.02)


def test_a_training_goes_on_from_its_checkpoint(model, beetles, whole, tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    optimise, count = Trainer._optimise, []

    def dies(self):
        count.append(1)
        if len(count) == 3:
            raise Killed
        return optimise(self)

    monkeypatch.setattr(Trainer, "_optimise", dies)
    with pytest.raises(Killed):
        trained(model, beetles, tmp_path, checkpoint_minutes=0.0)
    monkeypatch.undo()
    _, losses, steps = trained(model, beetles, tmp_path, checkpoint_minutes=0.0)
    assert steps == [3, 4]
    assert losses == pytest.approx(whole, rel=0.02)


@needs_cuda
def test_a_training_takes_less_at_once_when_memory_runs_out(
    model, beetles, whole, tmp_path, caplog
):
    least = taken(lambda: trained(model, beetles, tmp_path / "least", micro_batch=1))
    most = taken(lambda: trained(model, beetles, tmp_path / "most", micro_batch=100))
    try:
        limited((least + most) / 2)
        with caplog.at_level(logging.WARNING):
            trainer, losses, _ = trained(model, beetles, tmp_path / "limited", micro_batch=100)
    finally:
        limited(1.0)
    assert "out of memory, going on with" in caplog.text
    assert trainer.memory.at_once is not None
    assert losses == pytest.approx(whole, rel=0.02)
