"""The tracker against SAM 2's own video predictor: a template and a specimen are a video of two frames."""

import numpy as np
import pytest
import torch
from PIL import Image
from sam2.build_sam import build_sam2_video_predictor

from sam2pal.config.model import OFFICIAL, ModelOptions
from sam2pal.images.reading import read_photograph
from sam2pal.model.build import build_model
from sam2pal.model.loading import square_image
from sam2pal.model.masks import hard_iou
from sam2pal.model.tracker import Memory, Tracker, drawn_logits

NAME, SIDE = "sam2.1_hiera_tiny", 256


@pytest.fixture(scope="module")
def predictor(awake):
    """Random weights under which every structure gives another mask, neither empty nor full."""
    torch.manual_seed(4)
    predictor = build_sam2_video_predictor(
        OFFICIAL[NAME][0],
        device="cpu",
        hydra_overrides_extra=[f"++model.image_size={SIDE}"],
        apply_postprocessing=False,
    )
    return awake(predictor)


@pytest.fixture(scope="module")
def model(predictor):
    """The same weights in the model as the workflow builds it."""
    model = build_model(ModelOptions(NAME, image_size=SIDE), random_weights=True)
    model.load_state_dict(predictor.state_dict())
    return model


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """A folder of two square photographs of the same few discs, moved."""
    folder = tmp_path_factory.mktemp("frames")
    y, x = np.mgrid[:SIDE, :SIDE]
    noise = np.random.default_rng(0)
    for number in range(2):
        rng = np.random.default_rng(5)
        pixels = np.zeros((SIDE, SIDE, 3))
        for _ in range(12):
            left, top, radius = rng.uniform(40, 216), rng.uniform(40, 216), rng.uniform(8, 40)
            inside = (x - left - 12 * number) ** 2 + (y - top) ** 2 < radius**2
            pixels[inside] = rng.uniform(0, 255, 3)
        pixels += noise.normal(0, 8, pixels.shape)
        image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        image.save(folder / f"{number:05d}.jpg", quality=95)
    return folder


def drawn_masks() -> torch.Tensor:
    """Three structures [3, 1, S, S]."""
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    discs = [(90, 100, 40), (160, 150, 25), (60, 190, 15)]
    masks = [(x - left) ** 2 + (y - top) ** 2 < radius**2 for left, top, radius in discs]
    return torch.stack(masks)[:, None].float()


@torch.no_grad()
def test_same_masks_as_the_video_predictor(predictor, model, frames):
    drawn = drawn_masks()
    state = predictor.init_state(str(frames))
    for number, mask in enumerate(drawn):
        predictor.add_new_mask(state, 0, number, mask[0].bool())
    expected = dict(
        (index, masks.clone()) for index, _, masks in predictor.propagate_in_video(state)
    )[1]

    tracker = Tracker(model)
    photographs = [read_photograph(frames / f"{number:05d}.jpg") for number in range(2)]
    images = torch.stack([square_image(photograph, SIDE) for photograph in photographs])
    # the predictor normalises in another order
    torch.testing.assert_close(images, state["images"], atol=1e-5, rtol=1e-5)
    features = tracker.encode(images)
    # what it keeps of a drawn mask: a pointer of the mask itself, a memory of the mask that went to S/4 and
    # back, in bfloat16
    quarter = torch.nn.functional.interpolate(
        drawn_logits(drawn), scale_factor=0.25, mode="bilinear", antialias=True
    )
    itself = tracker.memorize(features[[0]], drawn_logits(drawn))
    travelled = tracker.memorize(features[[0]], quarter)
    memory = Memory(
        travelled.spatial.bfloat16().float(), itself.position, itself.pointer, itself.valid
    )

    def on_photograph(memory: Memory) -> torch.Tensor:
        logits = tracker.track(features[[1]], [memory]).logits
        return torch.nn.functional.interpolate(logits, (SIDE, SIDE), mode="bilinear")

    found = on_photograph(memory)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)
    target = (expected > 0).float()
    iou = hard_iou(found, target)
    assert (iou >= 0.999).all(), iou

    # and the masks are such that this says something
    area = target.mean(dim=(1, 2, 3))
    assert (area > 0.05).all() and (area < 0.95).all(), area
    of_another = hard_iou(on_photograph(memory[[1, 2, 0]]), target)
    assert (of_another < 0.95).all(), of_another
    # nor would it be the same without the trip that was emulated
    assert (hard_iou(on_photograph(itself), target) < 0.999).all()
