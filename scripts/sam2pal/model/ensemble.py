"""Specimens seen several times, each time a little differently: the mean of the masks is better than any."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from sam2pal.model.combining import CERTAIN_LOGIT, Decision, memorized
from sam2pal.model.loading import resized
from sam2pal.model.masks import at_size_of, hard_iou
from sam2pal.model.templates import TemplateSet
from sam2pal.model.tracker import Features, Memory, Tracker
from sam2pal.model.views import named_for_side


@dataclass(frozen=True)
class Alteration:
    """A way to see a specimen: with more pixels, mirrored, then larger or smaller, then turned."""

    pixels: float = 1.0
    mirrored: bool = False
    scale: float = 1.0
    turn: float = 0.0

    def side(self, square: int) -> int:
        """Pixels of the square's side, for a model whose own is `square`; 32 divides it."""
        return 32 * round(square * self.pixels / 32)

    def apply(self, images: Tensor) -> Tensor:
        """[B, C, s, s] as they are seen, with as many pixels as they have."""
        return self._moved(images.flip(-1) if self.mirrored else images, inverse=False)

    def undo(self, masks: Tensor) -> Tensor:
        """Masks [B, C, s, s] of what is seen, on the specimens as they lie."""
        masks = self._moved(masks, inverse=True)
        return masks.flip(-1) if self.mirrored else masks

    def _moved(self, values: Tensor, inverse: bool) -> Tensor:
        if self.scale == 1 and self.turn == 0:
            return values
        scale, angle = self.scale, math.radians(self.turn)
        if inverse:
            scale, angle = 1 / scale, -angle
        cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
        where = values.new_tensor([[cos, -sin, 0], [sin, cos, 0]]).float()
        with torch.autocast(values.device.type, enabled=False):  # half precision misses by pixels
            grid = F.affine_grid(
                where.expand(len(values), -1, -1), list(values.shape), align_corners=False
            )
        moved = F.grid_sample(values.float(), grid, padding_mode="border", align_corners=False)
        return moved.to(values.dtype)


NUMBERS = ("predicted_iou", "object_score", "shares")

# in this order, so that the first of them are the best of their number; docs/experiments/accuracy.md has what
# each gives
ALTERATIONS = (
    Alteration(),
    Alteration(pixels=1.5, mirrored=True, scale=0.9),
    Alteration(pixels=1.25, mirrored=True),
    Alteration(pixels=1.25, mirrored=True, scale=0.9),
    Alteration(pixels=1.5, mirrored=True),
    Alteration(pixels=1.25, turn=8),
    Alteration(pixels=1.5, scale=1.1),
    Alteration(mirrored=True, turn=-8),
)


def alterations(count: int, names: Sequence[str]) -> list[Alteration]:
    """The first of them; where a structure is named for a side none mirrors."""
    mirrored = not named_for_side(names)
    return [replace(way, mirrored=way.mirrored and mirrored) for way in ALTERATIONS[:count]]


def largest(ways: Sequence[Alteration], square: int) -> int:
    """Pixels of the side of the largest square that any of them needs."""
    return max(way.side(square) for way in ways)


def memorized_for(
    tracker: Tracker, templates: TemplateSet, ways: Sequence[Alteration]
) -> tuple[Features, dict[int, list[Memory]]]:
    """What `memorized` gives on the model's own squares, and the memories of squares of every side needed."""
    own = tracker.image_size
    square = templates.at(own)
    features, memories = memorized(tracker, square)
    others = {way.side(own) for way in ways} - {own}
    return features, {own: memories} | {
        # what the model's own square shows is followed on all
        side: memorized(tracker, templates.at(side), square.shown)[1]
        for side in others
    }


def ensemble(
    decide: Callable[[Tensor], Decision], images: Tensor, ways: Sequence[Alteration], square: int
) -> Decision:
    """The mean of what is decided on specimens that are seen in several ways (test-time augmentation).

    Args:
        decide: what images [B, 3, S, S], or of another side, say of `N` objects, B * K.
        images: [B, 3, s, s], where s is what `largest` gives.
        square: S.

    Returns:
        The decision; its logits are those of the mean probability, [N, 1, s, s] where there are several ways.
    """
    found = [decide(way.apply(resized(images, way.side(square)))) for way in ways]
    if len(ways) == 1:
        return found[0]
    masks = []
    for way, one in zip(ways, found, strict=True):
        # enlarged before it is averaged: thin structures are narrower than a pixel of the logits
        large = at_size_of(one.logits, images)[:, 0].unflatten(0, (len(images), -1))
        masks.append(way.undo(large.float().sigmoid()).flatten(0, 1)[:, None])
    mean = torch.stack(masks).mean(0)
    logits = torch.logit(mean, eps=1e-6).clamp(-CERTAIN_LOGIT, CERTAIN_LOGIT)
    joint = (logits > 0).float()
    steadiness = torch.stack([hard_iou(one - 0.5, joint) for one in masks]).mean(0)
    numbers = [name for name in NUMBERS if getattr(found[0], name) is not None]
    means = {name: torch.stack([getattr(one, name) for one in found]).mean(0) for name in numbers}
    return Decision(logits=logits, steadiness=steadiness, **means)
