"""`tracker` against SAM 2's own `track_step` and video predictor."""

import pytest
import torch
from sam2.modeling.sam2_base import SAM2Base

from sam2pal.models import ModelOptions, build_model
from sam2pal.tracker import Tracker, drawn_logits

MODELS = {
    "bundled": ModelOptions(),
    "sam2.1": ModelOptions("sam2.1_hiera_tiny", image_size=256),
    "sam2": ModelOptions("sam2_hiera_tiny", image_size=256),
}


@pytest.fixture(scope="module", params=MODELS)
def model(request) -> SAM2Base:
    torch.manual_seed(0)
    model = build_model(MODELS[request.param], random_weights=True)
    with torch.no_grad():
        # untrained, SAM 2's residual scales are 1e-6 and its empty embeddings tiny: make everything count
        for name, parameter in model.named_parameters():
            if name.endswith("gamma"):
                parameter.fill_(0.5)
            if "no_obj" in name or "tpos" in name:
                parameter.normal_(std=0.5)
    return model


def blobs(count: int, side: int) -> torch.Tensor:
    """Different drawn masks [count, 1, side, side]."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    masks = [
        ((x - side * (0.2 + 0.12 * i)) ** 2 + (y - side * (0.7 - 0.1 * i)) ** 2)
        < (side * (0.1 + 0.03 * i)) ** 2
        for i in range(count)
    ]
    return torch.stack(masks)[:, None].float()


def official(model: SAM2Base, images: torch.Tensor, masks: list[torch.Tensor]) -> dict:
    """The last image tracked by `track_step` after one conditioning frame a mask set: a video of its own."""
    objects = len(masks[0])
    outputs = {"cond_frame_outputs": {}, "non_cond_frame_outputs": {}}
    for index, image in enumerate(images):
        _, feats, positions, sizes = model._prepare_backbone_features(
            model.forward_image(image[None])
        )
        given = masks[index] if index < len(masks) else None
        out = model.track_step(
            frame_idx=index,
            is_init_cond_frame=given is not None,
            current_vision_feats=[f.expand(-1, objects, -1) for f in feats],
            current_vision_pos_embeds=[p.expand(-1, objects, -1) for p in positions],
            feat_sizes=sizes,
            point_inputs=None,
            mask_inputs=given,
            output_dict=outputs,
            num_frames=len(images),
        )
        kind = "cond" if given is not None else "non_cond"
        outputs[f"{kind}_frame_outputs"][index] = out
    return outputs


@pytest.mark.parametrize("structures", [1, 5])
@pytest.mark.parametrize("templates", [1, 3])
@torch.no_grad()
def test_same_masks_pointers_and_memories_as_track_step(model, structures, templates):
    side = model.image_size
    images = torch.randn(templates + 1, 3, side, side, generator=torch.Generator().manual_seed(1))
    drawn = [blobs(structures, side).roll(9 * i, dims=-1) for i in range(templates)]
    expected = official(model, images, drawn)

    tracker = Tracker(model)
    features = tracker.encode(images)
    memories = [tracker.memorize(features[[i]], drawn_logits(drawn[i])) for i in range(templates)]
    # the distances a video of these frames gives its pointers, as shares of the longest
    distance = [(templates - i) / templates for i in range(templates)]
    tracked = tracker.track(features[[templates]], memories, pointer_position=distance)

    for memory, frame in zip(memories, expected["cond_frame_outputs"].values(), strict=True):
        torch.testing.assert_close(memory.spatial, frame["maskmem_features"], atol=1e-4, rtol=1e-4)
        # a drawn mask is sigmoid(10) = 0.99995 here and 1 there
        torch.testing.assert_close(memory.pointer, frame["obj_ptr"], atol=1e-3, rtol=1e-3)
    last = expected["non_cond_frame_outputs"][templates]
    torch.testing.assert_close(tracked.logits, last["pred_masks"], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(
        tracked.object_score[:, None], last["object_score_logits"], atol=1e-3, rtol=1e-3
    )

    # and a prediction remembered: what SAM 2 keeps of the frame it just tracked
    again = tracker.memorize(features[[templates]], tracked.logits)
    if bool((tracked.object_score > 0).all()):
        torch.testing.assert_close(again.spatial, last["maskmem_features"], atol=1e-3, rtol=1e-3)
