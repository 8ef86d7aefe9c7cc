"""The palindrome {x0, x1, x1', x0'}: a drawn mask goes to an unlabelled specimen and must come back.

After OC-CCL of "Static Segmentation by Tracking" (arXiv 2501.06749), for all structures of several
(template, specimen) pairs in one pass:

    m0  = memorize(f0, y0)         y0 drawn on the template
    z1  = track(f1, [m0])          soft prediction on an unlabelled specimen, never thresholded
    m1  = memorize(f1, z1)         memory reset: nothing of m0 is kept
    z0' = track(f0', [m1])         back on another view of the template, whose mask y0' is known

The only way from y0 to z0' leads through z1, so the loss on z0' teaches where z1 should be.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as binary_cross_entropy
from torch.utils.checkpoint import checkpoint

from sam2pal.model.encoder import Encoded
from sam2pal.model.masks import at_size_of, hard_iou
from sam2pal.model.tracker import Features, Tracked, Tracker, drawn_logits
from sam2pal.training.losses import dice_loss, focal_loss

FOCAL_WEIGHT = 20.0  # of the focal loss beside Dice, as in SAM 2, whose loss has class weights too


def _dice_focal(logits: Tensor, target: Tensor) -> Tensor:
    return dice_loss(logits, target) + FOCAL_WEIGHT * focal_loss(logits, target)


@dataclass(frozen=True)
class AnnotatedViews:
    """`P` images of templates with their drawn masks.

    Attributes:
        masks: [P, K, S, S], drawn masks in 0..1.
        known: [P, K] bool, False where the structure was not annotated; its mask is then meaningless.
    """

    features: Features
    masks: Tensor
    known: Tensor

    @property
    def shown(self) -> Tensor:
        """[P, K] bool, the structures that can be followed: one that is absent or not annotated cannot."""
        return self.known & (self.masks.flatten(2).amax(2) > 0.5)

    def __getitem__(self, index: Tensor | slice) -> "AnnotatedViews":
        return AnnotatedViews(self.features[index], self.masks[index], self.known[index])

    def of_structures(self, index: list[int]) -> "AnnotatedViews":
        """The same images with the masks of some of their structures."""
        return AnnotatedViews(self.features, self.masks[:, index], self.known[:, index])


@dataclass(frozen=True)
class Objects:
    """The structures of a batch of pairs that can be followed: `N` of the `P * K`.

    Attributes:
        images: [N], the pair each belongs to; None when every structure of every pair is followed,
            which lets the tracker share work among the structures of an image.
        structure: [N], which structure it is.
    """

    images: Tensor | None
    structure: Tensor

    @staticmethod
    def of(usable: Tensor) -> "Objects":
        """From [P, K] bool."""
        pairs, structure = usable.nonzero(as_tuple=True)
        return Objects(None if bool(usable.all()) else pairs, structure)

    def features(self, features: Features) -> Features:
        return features if self.images is None else features[self.images]

    def masks(self, masks: Tensor) -> Tensor:
        """[P, K, h, w] to [N, 1, h, w]."""
        if self.images is None:
            return masks.flatten(0, 1)[:, None]
        return masks[self.images, self.structure][:, None]


@dataclass(frozen=True)
class Followed:
    """What one way through two or more frames gives: the last prediction and the drawn mask it should be.

    Attributes:
        target: [N, 1, S, S].
        middle: [N, 1, S/4, S/4], the logits on the unlabelled specimen (palindrome only).
    """

    tracked: Tracked
    target: Tensor
    structure: Tensor
    middle: Tensor | None = None

    def iou(self) -> Tensor:
        """[N], of the predicted masks."""
        return hard_iou(at_size_of(self.tracked.logits, self.target), self.target)


def palindrome(
    tracker: Tracker, template: AnnotatedViews, specimens: Features | Encoded, back: AnnotatedViews
) -> Followed | None:
    """Follow every drawn structure of `P` templates through `P` specimens and back.

    Args:
        template: x0 and its masks.
        specimens: x1, one for each template.
        back: x0', another view of the same templates.
    """
    objects = _to_follow(template, back)
    if objects is None:
        return None
    drawn = drawn_logits(objects.masks(template.masks))
    memory = tracker.memorize(objects.features(tracker.finish(template.features)), drawn)
    on_specimen = objects.features(tracker.finish(specimens))
    seen = tracker.track(on_specimen, [memory])
    memory = tracker.memorize(on_specimen, seen.logits)
    tracked = tracker.track(objects.features(tracker.finish(back.features)), [memory])
    target = objects.masks(back.masks)
    return Followed(tracked, target, objects.structure, seen.logits)


def direct(tracker: Tracker, source: AnnotatedViews, goal: AnnotatedViews) -> Followed | None:
    """Follow drawn structures from `P` views to `P` others whose masks are known: no soft prediction between.

    With another template as goal this is supervision between templates, with another view of the same
    template the self-pair.
    """
    objects = _to_follow(source, goal)
    if objects is None:
        return None
    memory = tracker.memorize(
        objects.features(tracker.finish(source.features)), drawn_logits(objects.masks(source.masks))
    )
    tracked = tracker.track(objects.features(tracker.finish(goal.features)), [memory])
    return Followed(tracked, objects.masks(goal.masks), objects.structure)


def object_losses(followed: Followed) -> Tensor:
    """[N], the loss of each mask, at the size of the drawn ones: Dice + 20 x focal loss."""
    logits, target = followed.tracked.logits, followed.target
    if logits.shape == target.shape:
        return _dice_focal(logits, target)
    # what is as large as the square is computed again in the backward pass, not kept
    return checkpoint(_at_full_size, logits, target, use_reentrant=False)


def _at_full_size(logits: Tensor, target: Tensor) -> Tensor:
    return _dice_focal(at_size_of(logits, target), target)


def mask_loss(followed: Followed, weights: Tensor) -> Tensor:
    """The mean of `object_losses`, weighted by structure, [K]."""
    own = weights[followed.structure]
    return (own * object_losses(followed)).sum() / own.sum()


def score_losses(followed: Followed) -> Tensor:
    """[N], that keep the score heads honest: predicted IoU against IoU, the structure is visible."""
    tracked = followed.tracked
    iou = torch.stack(
        [
            hard_iou(at_size_of(tracked.candidates[:, [i]], followed.target), followed.target)
            for i in range(tracked.candidates.shape[1])
        ],
        dim=1,
    )
    wrong = (tracked.candidate_iou - iou).abs().mean(1)
    visible = torch.ones_like(tracked.object_score)
    seen = binary_cross_entropy(tracked.object_score, visible, reduction="none")
    return wrong + 0.1 * seen


def drawn_in_both(first: AnnotatedViews, second: AnnotatedViews) -> Tensor:
    """[P, K] bool, structures that both views show."""
    return first.shown & second.shown


def _to_follow(first: AnnotatedViews, second: AnnotatedViews) -> Objects | None:
    usable = drawn_in_both(first, second)
    return Objects.of(usable) if bool(usable.any()) else None
