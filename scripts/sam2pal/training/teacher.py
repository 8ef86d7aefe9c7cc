"""Masks of unlabelled specimens by the model before training, which sees them in several ways.

After "Data Distillation: Towards Omni-Supervised Learning" (Radosavovic et al. 2018, arXiv:1712.04440): the
mean of the masks that a model finds in several ways is better than each of them, so something can be learned.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sam2pal.model.combining import Decision, decide_together, each_on_each, skill_of_templates
from sam2pal.model.device import autocast
from sam2pal.model.ensemble import Alteration, ensemble, memorized_for
from sam2pal.model.templates import TemplateSet
from sam2pal.model.tracker import Tracker

# mean IoU of the masks found in single ways with their mean, below which a mask is not trusted
STEADY = 0.5


@dataclass(frozen=True)
class PseudoLabels:
    """What a teacher finds on `B` images of unlabelled specimens, for a student to learn.

    Attributes:
        masks: [B, K, s, s], soft.
        trusted: [B, K] bool, False where the masks of single ways differ, or none is found.
    """

    masks: Tensor
    trusted: Tensor

    def __getitem__(self, index: Tensor | slice) -> "PseudoLabels":
        return PseudoLabels(self.masks[index], self.trusted[index])

    @property
    def nbytes(self) -> int:
        return self.masks.nbytes

    def of_structures(self, index: Tensor) -> "PseudoLabels":
        return PseudoLabels(self.masks[:, index], self.trusted[:, index])


class Teacher:
    """The model as it is, and the memories of its templates.

    Args:
        tracker: of the model; with gates.
        templates: with as many pixels as the largest of the ways needs, or fewer.
        ways: in which a specimen is seen, two or more.
    """

    @torch.no_grad()
    def __init__(
        self, tracker: Tracker, templates: TemplateSet, ways: Sequence[Alteration]
    ) -> None:
        self._tracker, self._ways = tracker, ways
        square = templates.at(tracker.image_size)
        shown = square.shown.to(tracker.device)
        features, self._memories = memorized_for(tracker, templates, ways)
        memories = self._memories[tracker.image_size]
        with autocast(tracker.device):
            found = each_on_each(tracker, features, memories, square)
        self._skills = skill_of_templates(found).T  # [K, T]
        self._valid = shown.T
        self._shown = shown.any(0)  # by any template

    @property
    def structures(self) -> int:
        """K, of how many masks are found."""
        return len(self._shown)

    @torch.no_grad()
    def __call__(self, image: Tensor) -> PseudoLabels:
        """Of one specimen [3, s, s], its masks at the same size; s is what `largest` gives of the ways."""
        image = image[None].to(self._tracker.device)
        with autocast(image.device):
            found = ensemble(self._ask, image, self._ways, self._tracker.image_size)
        masks = found.logits.float().sigmoid()[:, 0]
        seen = self._shown & (masks.flatten(1).amax(1) > 0.5)
        return PseudoLabels(masks[None], (seen & (found.steadiness >= STEADY))[None])

    def _ask(self, image: Tensor) -> Decision:
        features = self._tracker.encode(image)
        memories = self._memories[image.shape[-1]]
        # where there is nothing to follow any template stands in; what is found there is not trusted
        valid = self._valid | ~self._shown[:, None]
        return decide_together(self._tracker, features, memories, valid, self._skills)
