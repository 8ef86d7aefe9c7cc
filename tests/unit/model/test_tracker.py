"""`tracker` against SAM 2's own `track_step`, and against itself: batches, patterns, gates, gradients."""

import copy

import pytest
import torch
from sam2.modeling.sam2_base import SAM2Base

from sam2pal.config.model import ModelOptions
from sam2pal.model import tracker as tracker_module
from sam2pal.model.build import build_model
from sam2pal.model.tracker import Features, Memory, Tracker, drawn_logits


@pytest.fixture(params=["bundled", "sam2.1_hiera_tiny", "sam2_hiera_tiny"])
def model(request, small_model) -> SAM2Base:
    if request.param == "bundled":
        return small_model
    return request.getfixturevalue("hiera")[request.param]


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
def test_same_masks_pointers_and_memories_as_track_step(model, structures, templates, monkeypatch):
    side = model.image_size
    images = torch.randn(templates + 1, 3, side, side, generator=torch.Generator().manual_seed(1))
    drawn = [blobs(structures, side).roll(9 * i, dims=-1) for i in range(templates)]
    expected = official(model, images, drawn)

    tracker = Tracker(model)
    features = tracker.encode(images)
    memories = [tracker.memorize(features[[i]], drawn_logits(drawn[i])) for i in range(templates)]
    # the distances a video of these frames gives its pointers, as shares of the longest
    distances = torch.tensor([(templates - i) / templates for i in range(templates)])
    with monkeypatch.context() as patch:
        sine = tracker_module.get_1d_sine_pe
        patch.setattr(tracker_module, "get_1d_sine_pe", lambda _, dim: sine(distances, dim))
        tracked = tracker.track(features[[templates]], memories)

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
    torch.testing.assert_close(again.spatial, last["maskmem_features"], atol=1e-3, rtol=1e-3)
    assert (tracked.object_score > 0).all() and tracked.logits.std() > 0.05


@torch.no_grad()
def test_half_precision_finds_nearly_the_same(model):
    side = model.image_size
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    tracker, drawn = Tracker(model), drawn_logits(blobs(2, side))
    found = {}
    for half in (True, False):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            features = tracker.encode(images)
            memory = tracker.memorize(features[[0]], drawn)
            found[half] = tracker.track(features[[1]], [memory]).logits
    assert not torch.equal(found[True], found[False])
    alike = torch.corrcoef(torch.stack([found[half].flatten() for half in (True, False)]))[0, 1]
    assert alike > 0.9  # weights that were made to depend much on what is remembered


@torch.no_grad()
def test_an_absent_structure_is_remembered_as_in_track_step(model):
    side = model.image_size
    image = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(1))
    empty = torch.zeros(1, 1, side, side)
    (expected,) = official(model, image, [empty])["cond_frame_outputs"].values()
    tracker = Tracker(model)
    memory = tracker.memorize(tracker.encode(image), drawn_logits(empty))
    torch.testing.assert_close(memory.spatial, expected["maskmem_features"], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(memory.pointer, expected["obj_ptr"])
    assert torch.equal(memory.pointer, model.no_obj_ptr)


# ------------------------------------------------------------------ the tracker against itself

IMAGES, STRUCTURES, VIEWS = 2, 3, 3


@pytest.fixture(scope="module")
def scene(small_model):
    """Features of 2 images, and 3 memories (a template each) of 3 structures."""
    generator = torch.Generator().manual_seed(2)
    side = small_model.image_size
    images = torch.randn(IMAGES + VIEWS, 3, side, side, generator=generator)
    tracker = Tracker(small_model)
    with torch.no_grad():
        features = tracker.encode(images)
        memories = [
            tracker.memorize(
                features[[IMAGES + view]],
                drawn_logits(blobs(STRUCTURES, side).roll(7 * view, dims=-1)),
            )
            for view in range(VIEWS)
        ]
    return tracker, features[:IMAGES], memories, features[IMAGES:]


def assert_same(found, expected, index=slice(None), atol=2e-5):
    for name in ("logits", "predicted_iou", "object_score", "candidates", "candidate_iou"):
        torch.testing.assert_close(
            getattr(found, name), getattr(expected, name)[index], atol=atol, rtol=2e-5
        )


@torch.no_grad()
def test_batched_equals_one_at_a_time(scene):
    tracker, features, memories, _ = scene
    whole = tracker.track(features, [memory[[*range(len(memory))] * IMAGES] for memory in memories])
    assert whole.logits.shape == (IMAGES * STRUCTURES, 1, 16, 16)
    for image in range(IMAGES):
        for structure in range(STRUCTURES):
            alone = tracker.track(features[[image]], [memory[[structure]] for memory in memories])
            assert_same(alone, whole, [image * STRUCTURES + structure])
    # otherwise equal would mean little
    rows = whole.logits.flatten(1)
    assert (torch.cdist(rows, rows) + torch.eye(len(rows)) > 1e-2).all()


@torch.no_grad()
def test_memorize_batched_equals_one_at_a_time(scene):
    tracker, features, _, _ = scene
    logits = torch.randn(IMAGES * STRUCTURES, 1, 16, 16, generator=torch.Generator().manual_seed(3))
    whole = tracker.memorize(features, 4 * logits)
    for row in range(len(logits)):
        alone = tracker.memorize(features[[row // STRUCTURES]], 4 * logits[[row]])
        torch.testing.assert_close(alone.spatial, whole.spatial[[row]], atol=2e-5, rtol=2e-5)
        torch.testing.assert_close(alone.pointer, whole.pointer[[row]], atol=2e-5, rtol=2e-5)


@torch.no_grad()
def test_encode_batched_equals_one_at_a_time_and_cat(scene):
    tracker, features, _, _ = scene
    images = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(4))
    whole = tracker.encode(images)
    parts = Features.cat([tracker.encode(image[None]) for image in images])
    assert len(whole) == len(parts) == 3
    for one, other in zip((whole.low, *whole.high), (parts.low, *parts.high), strict=True):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=2e-5)
    torch.testing.assert_close(whole.position, features.position)


@pytest.mark.parametrize("at_once", [1, 2])
@torch.no_grad()
def test_in_parts_it_is_the_whole(scene, monkeypatch, at_once):
    tracker, _, memories, _ = scene
    images = torch.randn(IMAGES, 3, 64, 64, generator=torch.Generator().manual_seed(5))
    drawn = drawn_logits(blobs(IMAGES * STRUCTURES, 64))
    memories = [memory[[*range(len(memory))] * IMAGES] for memory in memories]
    layer = type(tracker.model.memory_attention.layers[0])
    forward, calls = layer._forward_ca, []

    def counted(self, output, *more):
        calls.append(len(output))
        return forward(self, output, *more)

    def everything():
        seen = tracker.encode(images)
        return seen.low, *seen.high, tracker.memorize(seen, drawn), tracker.track(seen, memories)

    *whole, memory, tracked = everything()
    monkeypatch.setattr("sam2pal.model.tracker.AT_ONCE", at_once * 64**2)
    monkeypatch.setattr(layer, "_forward_ca", counted)
    *parts, other, found = everything()
    assert max(calls) == at_once  # of three structures: parts hold objects of two images
    for one, part in zip(whole, parts, strict=True):
        torch.testing.assert_close(part, one, atol=2e-5, rtol=2e-5)
    torch.testing.assert_close(other.spatial, memory.spatial, atol=2e-5, rtol=2e-5)
    torch.testing.assert_close(other.pointer, memory.pointer, atol=2e-5, rtol=2e-5)
    assert_same(found, tracked)


@torch.no_grad()
def test_the_order_of_templates_does_not_matter(scene):
    tracker, features, memories, _ = scene
    many = [memory[[*range(len(memory))] * IMAGES] for memory in memories]
    expected = tracker.track(features, many)
    # sums of single precision in another order
    assert_same(tracker.track(features, [many[2], many[0], many[1]]), expected, atol=1e-4)
    assert not torch.allclose(tracker.track(features, many[:2]).logits, expected.logits, atol=1e-3)


# ------------------------------------------------------------------ gates and gradients


def doubting(model: SAM2Base, score: float = -5.0) -> SAM2Base:
    """A copy that says of every structure that it is not there."""
    model = copy.deepcopy(model)
    with torch.no_grad():
        model.sam_mask_decoder.pred_obj_score_head.layers[-1].weight.mul_(0.01)
        model.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.fill_(score)
    return model


def test_gradient_passes_where_the_object_score_is_negative(small_model, scene):
    _, features, memories, _ = scene
    many = [memory[[*range(len(memory))] * IMAGES] for memory in memories]
    model = doubting(small_model)
    logits = torch.zeros(6, 1, 16, 16, requires_grad=True)

    closed = Tracker(model)
    tracked = closed.track(features, many)
    assert (tracked.object_score < 0).all()
    assert (tracked.logits == -1024).all()

    opened = Tracker(model, gated=False)
    memory = opened.memorize(features, logits - 3)  # nowhere is p > 0.5
    tracked = opened.track(features, [memory])
    assert (tracked.object_score < 0).all() and (tracked.logits > -1024).all()
    for row, mask in enumerate(tracked.logits):
        (gradient,) = torch.autograd.grad(mask.sum(), logits, retain_graph=True)
        assert gradient[row].abs().sum() > 0 and torch.isfinite(gradient).all()
        others = [i for i in range(6) if i != row]
        assert gradient[others].abs().sum() == 0  # objects do not see each other


@torch.no_grad()
def test_gates_change_nothing_where_structures_are_present(small_model, scene):
    _, features, memories, _ = scene
    model = doubting(small_model, score=5.0)
    many = [memory[[*range(len(memory))] * IMAGES] for memory in memories]
    assert_same(
        Tracker(model, gated=False).track(features, many), Tracker(model).track(features, many)
    )
    logits = drawn_logits(blobs(STRUCTURES, 64))
    closed = Tracker(model).memorize(features[[0]], logits)
    opened = Tracker(model, gated=False).memorize(features[[0]], logits)
    assert torch.equal(closed.spatial, opened.spatial)
    assert torch.equal(closed.pointer, opened.pointer)


@torch.no_grad()
def test_a_drawn_mask_is_present_whatever_the_decoder_says(small_model, scene):
    # SAM 2 would give such a pointer up; who drew a structure knows that it is there
    _, features, _, _ = scene
    logits = drawn_logits(blobs(STRUCTURES, 64))
    doubted = Tracker(doubting(small_model)).memorize(features[[0]], logits)
    believed = Tracker(small_model).memorize(features[[0]], logits)
    assert torch.equal(doubted.pointer, believed.pointer)
    assert torch.equal(doubted.spatial, believed.spatial)


def test_attention_computed_again_gives_the_same_gradient(small_model, scene):
    _, features, memories, _ = scene
    gradients = []
    for again in (False, True):
        tracker = Tracker(small_model, gated=False, checkpoint_attention=again)
        logits = torch.linspace(-4, 4, 6 * 256).view(6, 1, 16, 16).requires_grad_()
        tracked = tracker.track(features, [tracker.memorize(features, logits)])
        gradients.append(torch.autograd.grad(tracked.logits.square().mean(), logits)[0])
    assert torch.equal(*gradients)
    assert gradients[0].abs().max() > 0


def test_the_model_stays_in_eval(small_model):
    model = copy.deepcopy(small_model).train()
    assert not Tracker(model, gated=False).model.training
    assert not any(module.training for module in model.modules())


# ------------------------------------------------------------------ errors


def test_errors(scene):
    tracker, features, memories, _ = scene
    with pytest.raises(ValueError, match="a side that 32 divides"):
        tracker.encode(torch.zeros(1, 3, 64, 96))
    with pytest.raises(ValueError, match="3 objects do not divide among 2 images"):
        tracker.memorize(features, torch.zeros(3, 1, 16, 16))
    with pytest.raises(ValueError, match="at least one memory"):
        tracker.track(features, [])
    with pytest.raises(ValueError, match="3 objects do not divide among 2 images"):
        tracker.track(features, memories)
    with pytest.raises(ValueError, match=r"memories of \[3, 2\] objects"):
        tracker.track(features[[0]], [memories[0], memories[1][:2]])
    nothing = torch.tensor([True, False, True])
    lacking = [Memory(m.spatial, m.position, m.pointer, nothing) for m in memories]
    with pytest.raises(ValueError, match="a memory says nothing of a structure"):
        tracker.track(features[[0]], lacking)


def test_a_model_without_memory_is_refused(small_model):
    model = copy.deepcopy(small_model)
    model.num_maskmem = 0
    with pytest.raises(ValueError, match="no memory"):
        Tracker(model)


@torch.no_grad()
def test_squares_of_another_side_are_seen_as_by_a_model_of_that_side(model, request):
    name = request.node.callspec.params["model"]
    side = 3 * model.image_size // 2
    options = (
        ModelOptions(image_size=side) if name == "bundled" else ModelOptions(name, image_size=side)
    )
    other = build_model(options, random_weights=True)
    other.load_state_dict(model.state_dict())
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(2))
    found = []
    for tracker in (Tracker(other), Tracker(model)):
        memory = tracker.memorize(tracker.encode(images[:1]), drawn_logits(blobs(3, side)))
        found.append(tracker.track(tracker.encode(images[1:]), [memory]))
    assert found[0].logits.shape == (3, 1, side // 4, side // 4)
    assert found[0].logits.std() > 0.02
    torch.testing.assert_close(found[1].logits, found[0].logits)
    torch.testing.assert_close(found[1].predicted_iou, found[0].predicted_iou)
    with pytest.raises(ValueError, match="a side that 32 divides"):
        Tracker(model).encode(images[..., 1:, 1:])
