"""The templates of a round as the model sees them, turned to lie alike."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sam2pal.dataset.dataset import AnnotatedSpecimen
from sam2pal.images.reading import read_photograph
from sam2pal.io.errors import InputError
from sam2pal.model.device import autocast
from sam2pal.model.loading import square_image, square_masks
from sam2pal.model.similarity import align, describe, near_duplicates
from sam2pal.model.tracker import Tracker
from sam2pal.model.views import View


@dataclass(frozen=True)
class TemplateSet:
    """`T` templates on the model's square.

    Attributes:
        names: of the `K` structures.
        specimens: [T], their ids.
        turns: [T], how each was turned from its photograph.
        reference: the specimen as which all lie; None if they stay as photographed.
        images: [T, 3, S, S].
        masks: [T, K, S, S], drawn, in 0..1; empty where a structure was not annotated.
        annotated: [T, K] bool.
    """

    names: tuple[str, ...]
    specimens: tuple[str, ...]
    turns: tuple[View, ...]
    images: Tensor
    masks: Tensor
    annotated: Tensor
    reference: str | None = None

    @classmethod
    def read(
        cls,
        templates: Sequence[AnnotatedSpecimen],
        names: Sequence[str],
        square: int,
        *,
        aligned: bool,
    ) -> "TemplateSet":
        """Read one template or more.

        Args:
            square: S.
            aligned: turn them by quarter turns so that all lie alike; otherwise they stay as photographed.

        Raises:
            InputError: there is no template, or a photograph cannot be read.
        """
        if not templates:
            raise InputError("at least one template is needed")
        photographs = [read_photograph(template.path, at_least=square) for template in templates]
        pairs = list(zip(templates, photographs, strict=True))
        as_photographed = cls(
            tuple(names),
            tuple(template.specimen for template in templates),
            (View(),) * len(pairs),
            torch.stack([square_image(photograph, square) for photograph in photographs]),
            torch.stack([square_masks(*pair, list(names), square) for pair in pairs]),
            torch.tensor([[name in template.masks for name in names] for template in templates]),
        )
        return as_photographed.aligned() if aligned else as_photographed

    def aligned(self) -> "TemplateSet":
        """The same templates, turned to lie alike."""
        alignment = align(self.masks, self.shown)
        turns = tuple(View(turn) for turn in alignment.turns)
        images, masks = (
            torch.stack([turn.apply(one) for turn, one in zip(turns, stack, strict=True)])
            for stack in (self.images, self.masks)
        )
        reference = self.specimens[alignment.reference]
        return replace(self, turns=turns, images=images, masks=masks, reference=reference)

    def __len__(self) -> int:
        return len(self.specimens)

    @property
    def shown(self) -> Tensor:
        """[T, K] bool, structures that have a pixel: what a template does not show it has no vote on."""
        return self.annotated & (self.masks.flatten(2).amax(2) > 0.5)

    def near_duplicates(self) -> list[tuple[str, str]]:
        """Pairs of specimens whose photographs are nearly the same."""
        return near_duplicates(self.images, self.specimens)

    @torch.no_grad()
    def describe(self, tracker: Tracker, views: Sequence[View], device: torch.device) -> Tensor:
        """[T, V, D], the descriptors of every template in every view."""
        with autocast(device):
            return torch.stack(
                [
                    torch.cat(
                        [describe(tracker, view.apply(image)[None].to(device)) for view in views]
                    )
                    for image in self.images
                ]
            )
