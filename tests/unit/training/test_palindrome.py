"""palindrome: what flows where, and that it is the gradient of the loss."""

import copy
import dataclasses
import math

import pytest
import torch

from sam2pal.config.training import AdapterOptions
from sam2pal.model import adapters
from sam2pal.model.adapters import BEHIND_ENCODER
from sam2pal.model.masks import hard_iou
from sam2pal.model.tracker import Features, Tracked, Tracker, drawn_logits
from sam2pal.training.losses import dice_loss, focal_loss
from sam2pal.training.palindrome import (
    AnnotatedViews,
    Followed,
    Objects,
    direct,
    mask_loss,
    object_losses,
    palindrome,
    score_losses,
)

PAIRS, STRUCTURES = 2, 3


def smooth(*shape: int, seed: int) -> torch.Tensor:
    """Smooth random maps [*shape, 16, 16], about normal."""
    count = math.prod(shape)
    coarse = torch.randn(count, 1, 5, 5, generator=torch.Generator().manual_seed(seed))
    fine = torch.nn.functional.interpolate(coarse, (16, 16), mode="bicubic", align_corners=True)
    return fine.view(*shape, 16, 16)


@pytest.fixture(scope="module")
def scene(small_model):
    """Two templates, two specimens, two other views of the templates; every structure drawn in all."""
    tracker = Tracker(small_model, gated=False)
    images = torch.randn(6, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features = tracker.encode(images)
    known = torch.ones(PAIRS, STRUCTURES, dtype=torch.bool)

    def view(place: int) -> AnnotatedViews:
        masks = (smooth(PAIRS, STRUCTURES, seed=place) > 0.3).float()
        return AnnotatedViews(features[place : place + PAIRS], masks, known)

    return tracker, view(0), features[2:4], view(4)


def doubting(model):
    """A copy that says of every structure that it is not there."""
    model = copy.deepcopy(model)
    with torch.no_grad():
        model.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.fill_(-5)
    return model


def adapted(model, seed=0, targets=BEHIND_ENCODER):
    """A copy with adapters of random values."""
    model = copy.deepcopy(model)
    adapters.inject(model, AdapterOptions(rank=2, targets=tuple(targets)))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.1, generator=generator)
    return model


def gradients(model, loss) -> dict[str, torch.Tensor]:
    names, parameters = zip(
        *((n, p) for n, p in model.named_parameters() if p.requires_grad), strict=True
    )
    return dict(zip(names, torch.autograd.grad(loss, parameters), strict=True))


def in_precision(features, kind):
    maps = [level.to(kind) for level in features.maps]
    return dataclasses.replace(features.with_maps(maps), position=features.position.to(kind))


def double(*parts):
    """Views and features in double precision."""
    return [
        AnnotatedViews(in_precision(part.features, torch.float64), part.masks.double(), part.known)
        if isinstance(part, AnnotatedViews)
        else in_precision(part, torch.float64)
        for part in parts
    ]


# ------------------------------------------------------------------ what flows where


def test_is_the_four_frames_by_hand(scene):
    tracker, template, specimens, back = scene
    followed = palindrome(tracker, template, specimens, back)
    with torch.no_grad():
        m0 = tracker.memorize(
            template.features, drawn_logits(template.masks.flatten(0, 1)[:, None])
        )
        z1 = tracker.track(specimens, [m0]).logits
        z0 = tracker.track(back.features, [tracker.memorize(specimens, z1)]).logits
    torch.testing.assert_close(followed.middle, z1)
    torch.testing.assert_close(followed.tracked.logits, z0)
    assert torch.equal(followed.target, back.masks.flatten(0, 1)[:, None])
    assert followed.structure.tolist() == [0, 1, 2, 0, 1, 2]


def test_the_only_way_back_leads_through_the_soft_prediction(scene):
    tracker, template, specimens, back = scene
    masks = template.masks.clone().requires_grad_()
    followed = palindrome(
        tracker, AnnotatedViews(template.features, masks, template.known), specimens, back
    )
    loss = mask_loss(followed, torch.ones(STRUCTURES))
    (whole,) = torch.autograd.grad(loss, masks, retain_graph=True)
    (at_middle,) = torch.autograd.grad(loss, followed.middle, retain_graph=True)
    (through,) = torch.autograd.grad(followed.middle, masks, at_middle)
    torch.testing.assert_close(whole, through)
    assert whole.abs().max() > 0


def test_batched_is_the_mean_of_the_pairs_run_alone(small_model, scene, in_double):
    template, specimens, back = double(*scene[1:])
    model = adapted(small_model).double()
    tracker = Tracker(model, gated=False)
    weights = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)
    loss = mask_loss(palindrome(tracker, template, specimens, back), weights)
    alone = [
        mask_loss(palindrome(tracker, template[[i]], specimens[[i]], back[[i]]), weights)
        for i in range(PAIRS)
    ]
    torch.testing.assert_close(loss, torch.stack(alone).mean())
    assert (alone[0] - alone[1]).abs() > 1e-3
    found, expected = gradients(model, loss), gradients(model, sum(alone) / PAIRS)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=1e-9, rtol=1e-6)


def test_batched_is_the_weighted_mean_of_the_structures_run_alone(scene):
    tracker, template, specimens, back = scene
    weights = torch.tensor([1.0, 2.0, 0.5])

    def alone(view, k):
        return AnnotatedViews(view.features, view.masks[:, [k]], view.known[:, [k]])

    loss = mask_loss(palindrome(tracker, template, specimens, back), weights)
    losses = [
        mask_loss(palindrome(tracker, alone(template, k), specimens, alone(back, k)), torch.ones(1))
        for k in range(STRUCTURES)
    ]
    expected = (weights * torch.stack(losses)).sum() / weights.sum()
    torch.testing.assert_close(loss, expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("how", ["not annotated", "drawn as absent", "out of the other view"])
def test_a_structure_that_is_not_drawn_gives_no_loss(small_model, scene, how):
    _, template, specimens, back = scene
    model = adapted(small_model)
    tracker = Tracker(model, gated=False)
    known, masks, seen = template.known.clone(), template.masks.clone(), back.masks.clone()
    if how == "not annotated":
        known[0, 1] = False  # what stands in its mask means nothing
    elif how == "drawn as absent":
        masks[0, 1] = 0
    else:
        seen[0, 1] = 0
    changed = (
        AnnotatedViews(template.features, masks, known),
        AnnotatedViews(back.features, seen, known),
    )
    followed = palindrome(tracker, changed[0], specimens, changed[1])
    assert followed.structure.tolist() == [0, 2, 0, 1, 2]

    weights = torch.tensor([1.0, 2.0, 0.5])
    whole = palindrome(tracker, template, specimens, back)
    keep = [0, 2, 3, 4, 5]
    torch.testing.assert_close(
        followed.tracked.logits, whole.tracked.logits[keep], atol=2e-5, rtol=2e-5
    )
    each = object_losses(whole)
    expected = (each * weights.repeat(2))[keep].sum() / weights.repeat(2)[keep].sum()
    torch.testing.assert_close(mask_loss(followed, weights), expected, atol=1e-6, rtol=1e-5)


def test_nothing_drawn_is_nothing_to_follow(scene):
    tracker, template, specimens, back = scene
    nothing = AnnotatedViews(template.features, template.masks, torch.zeros_like(template.known))
    assert palindrome(tracker, nothing, specimens, back) is None
    assert direct(tracker, nothing, back) is None
    empty = AnnotatedViews(back.features, torch.zeros_like(back.masks), back.known)
    assert palindrome(tracker, template, specimens, empty) is None


def test_direct_is_one_step(scene):
    tracker, template, _, back = scene
    followed = direct(tracker, template, back)
    memory = tracker.memorize(
        template.features, drawn_logits(template.masks.flatten(0, 1)[:, None])
    )
    expected = tracker.track(back.features, [memory])
    torch.testing.assert_close(followed.tracked.logits, expected.logits)
    assert followed.middle is None


def test_objects_keep_their_image_and_structure():
    usable = torch.tensor([[True, False], [False, False], [True, True]])
    objects = Objects.of(usable)
    assert objects.images.tolist() == [0, 2, 2]
    assert objects.structure.tolist() == [0, 0, 1]
    masks = torch.arange(6.0).view(3, 2, 1, 1)
    assert objects.masks(masks).flatten().tolist() == [0, 4, 5]
    assert Objects.of(torch.ones(2, 2, dtype=torch.bool)).images is None


# ------------------------------------------------------------------ gradients


@pytest.mark.parametrize("present", [True, False], ids=["present", "score below zero"])
def test_gradient_reaches_confident_pixels(small_model, scene, present):
    """dL/dz1 at 2 < |z1| < 4 is no less than a tenth of its size at |z1| < 2, structure by structure."""
    _, _, specimens, back = scene
    tracker = Tracker(small_model if present else doubting(small_model), gated=False)
    generator = torch.Generator().manual_seed(1)
    # at the square's size, where no interpolation mixes confident pixels with others
    z1 = (torch.rand(6, 1, 64, 64, generator=generator) * 8 - 4).requires_grad_()
    target = back.masks.flatten(0, 1)[:, None]

    def shares(memory):
        tracked = tracker.track(back.features, [memory])
        assert ((tracked.object_score > 0) == present).all()
        loss = dice_loss(tracked.logits, target) + 20 * focal_loss(tracked.logits, target)
        (gradient,) = torch.autograd.grad(loss.sum(), z1)
        assert torch.isfinite(gradient).all()
        sizes, sure = gradient.abs(), z1.abs() > 2
        return torch.stack(
            [one[far].mean() / one[~far].mean() for one, far in zip(sizes, sure, strict=True)]
        )

    own = shares(tracker.memorize(specimens, z1))
    assert (own > 0.1).all(), own
    # SAM 2's way with a mask prompt: a second sigmoid
    theirs = shares(tracker.memorize(specimens, drawn_logits(z1.sigmoid())))
    assert (theirs < 0.01).all(), theirs


@pytest.mark.parametrize("present", [True, False], ids=["present", "score below zero"])
def test_gradient_reaches_every_prediction_and_every_adapter(small_model, scene, present):
    _, template, specimens, back = scene
    model = adapted(small_model if present else doubting(small_model))
    tracker = Tracker(model, gated=False)
    followed = palindrome(tracker, template, specimens, back)
    assert ((followed.tracked.object_score > 0) == present).all()
    loss = mask_loss(followed, torch.ones(STRUCTURES))
    (at_middle,) = torch.autograd.grad(loss, followed.middle, retain_graph=True)
    size = at_middle.flatten(1).norm(dim=1)
    assert torch.isfinite(size).all() and (size > 0).all()
    for name, value in gradients(model, loss).items():
        assert torch.isfinite(value).all() and value.abs().sum() > 0, name


def test_directional_derivatives_against_finite_differences(small_model, scene, in_double):
    template, specimens, back = double(*scene[1:])
    model = adapted(small_model).double()
    tracker = Tracker(model, gated=False)
    weights = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)

    def loss():
        followed = palindrome(tracker, template, specimens, back)
        assert followed.tracked.logits.dtype == torch.float64
        return mask_loss(followed, weights)

    found = gradients(model, loss())
    parameters = dict(model.named_parameters())
    generator = torch.Generator().manual_seed(2)
    for part in ("memory_attention", "memory_encoder", "sam_mask_decoder"):
        chosen = {
            name: torch.randn(value.shape, generator=generator, dtype=torch.float64)
            for name, value in found.items()
            if name.startswith(part)
        }
        assert chosen
        expected = sum((found[name] * step).sum() for name, step in chosen.items()).item()
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                for name, step in chosen.items():
                    parameters[name].add_(step, alpha=sign * 1e-9)
                values.append(loss().item())
                for name, step in chosen.items():
                    parameters[name].sub_(step, alpha=sign * 1e-9)
        difference = (values[0] - values[1]) / 2e-9
        assert difference == pytest.approx(expected, rel=1e-3), part
        assert abs(expected) > 1e-4


# ------------------------------------------------------------------ losses


def test_losses_against_their_formulas():
    logits = smooth(3, seed=7)[:, None] * 4
    target = (smooth(3, seed=8)[:, None] > 0).float()
    p = logits.sigmoid().double()
    for row in range(3):
        truth, own = target[row].double(), p[row]
        dice = 1 - (2 * (own * truth).sum() + 1) / (own.sum() + truth.sum() + 1)
        assert dice_loss(logits, target)[row].item() == pytest.approx(dice.item(), rel=1e-5)
        right = own * truth + (1 - own) * (1 - truth)
        focal = -((1 - right) ** 2 * right.log()).mean()
        assert focal_loss(logits, target)[row].item() == pytest.approx(focal.item(), rel=1e-4)
        hard = own > 0.5
        iou = (hard & (truth > 0)).sum() / (hard | (truth > 0)).sum()
        assert hard_iou(logits, target)[row].item() == pytest.approx(iou.item(), rel=1e-6)
    empty = torch.zeros(1, 1, 16, 16)
    assert dice_loss(empty - 100, empty).item() == pytest.approx(0)
    assert hard_iou(empty - 1, empty).item() == 1
    assert hard_iou(empty + 1, empty).item() == 0


def test_losses_at_the_size_of_the_drawn_masks():
    """A prediction is interpolated as it is when it is applied; drawn masks are not averaged."""
    logits = (smooth(2, seed=7)[:, None] * 4).requires_grad_()
    target = torch.zeros(2, 1, 64, 64)
    target[:, :, :, 30:32] = 1  # a limb: half of a cell of four
    tracked = Tracked(logits, *[torch.zeros(2)] * 2, logits, torch.zeros(2, 1))
    followed = Followed(tracked, target.half(), torch.zeros(2, dtype=torch.long))
    large = torch.nn.functional.interpolate(logits, (64, 64), mode="bilinear", align_corners=False)
    expected = dice_loss(large, target) + 20 * focal_loss(large, target)
    losses = object_losses(followed)
    torch.testing.assert_close(losses, expected)
    found, wanted = (torch.autograd.grad(loss.sum(), logits)[0] for loss in (losses, expected))
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(followed.iou(), hard_iou(large, target))
    weights = torch.tensor([2.0])
    torch.testing.assert_close(mask_loss(followed, weights), expected.mean())


def test_a_thin_limb_is_taught_to_be_seen_at_full_size_only():
    """Gradient descent on the logits themselves: what does each target ask for?"""
    limb = torch.zeros(1, 1, 64, 64)
    limb[..., 20:60, 33:35] = 1  # inside of one column of cells, half of each
    limb[..., 20:60, 34] = 0.6
    targets = {"full": limb, "quarter": torch.nn.functional.avg_pool2d(limb, 4)}
    highest = {}
    for size, target in targets.items():
        logits = torch.full((1, 1, 16, 16), -2.0, requires_grad=True)
        optimizer = torch.optim.Adam([logits], lr=0.1)
        for _ in range(300):
            tracked = Tracked(logits, *[torch.zeros(1)] * 2, logits, torch.zeros(1, 1))
            followed = Followed(tracked, target, torch.zeros(1, dtype=torch.long))
            if size == "quarter":
                loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target)
            else:
                loss = object_losses(followed)
            optimizer.zero_grad()
            loss.sum().backward()
            optimizer.step()
        highest[size] = logits.max().sigmoid().item()
    assert highest["quarter"] < 0.5 < highest["full"], highest


def test_score_losses_by_hand():
    target = torch.zeros(1, 1, 4, 4)
    target[..., :2] = 1
    right, half = target * 2 - 1, torch.full_like(target, 3.0)  # IoU 1 and 0.5
    tracked = Tracked(
        logits=right,
        predicted_iou=torch.tensor([0.9]),
        object_score=torch.tensor([math.log(3)]),  # p = 3/4
        candidates=torch.cat([right, half], dim=1),
        candidate_iou=torch.tensor([[0.9, 0.8]]),
    )
    followed = Followed(tracked, target, torch.zeros(1, dtype=torch.long))
    expected = (0.1 + 0.3) / 2 + 0.1 * math.log(4 / 3)
    assert score_losses(followed).tolist() == pytest.approx([expected], rel=1e-5)


def test_features_are_not_copied_when_every_structure_is_followed(scene):
    _, template, _, _ = scene
    assert Objects.of(template.known).features(template.features) is template.features
    assert isinstance(Objects.of(~template.known).features(template.features), Features)
