"""The templates of a round as the model sees them, turned to lie alike."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sam2pal.dataset.dataset import AnnotatedSpecimen
from sam2pal.images.foreground import SIDE, Silhouette, region_around, to_lab
from sam2pal.images.reading import Photograph, look_closer, read_photograph
from sam2pal.images.window import Window
from sam2pal.io.errors import InputError
from sam2pal.model.device import autocast
from sam2pal.model.loading import square_image, square_masks
from sam2pal.model.similarity import align, describe, near_duplicates
from sam2pal.model.tracker import Tracker
from sam2pal.model.views import View

FILLED = 0.95  # of a window's side that the specimen fills; masks are worse with wider margins
LARGE = 0.5  # of a photograph's side: specimens that fill more are segmented also where nothing is found
COARSE = 3  # how many times as many pixels as the square's are read to find a specimen
PARTLY = 2.0  # a specimen so many times as large as what is drawn on it is drawn only in part


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
        outlines: of the specimens; none if the templates are shown with all of their photographs.
        filled: how much of its window's side a specimen fills, median over the templates.
        fill: whether the windows of most templates are their photographs.
        large: whether they are at least half as long.
    """

    names: tuple[str, ...]
    specimens: tuple[str, ...]
    turns: tuple[View, ...]
    images: Tensor
    masks: Tensor
    annotated: Tensor
    reference: str | None = None
    outlines: tuple[Silhouette, ...] = ()
    filled: float = 1.0
    fill: bool = True
    large: bool = True

    @classmethod
    def read(
        cls,
        templates: Sequence[AnnotatedSpecimen],
        names: Sequence[str],
        square: int,
        *,
        aligned: bool,
        window: Literal["specimen", "photograph"] = "photograph",
    ) -> "TemplateSet":
        """Read one template or more.

        Args:
            square: S.
            aligned: turn them by quarter turns so that all lie alike; otherwise they stay as photographed.
            window: what of a photograph fills the square.

        Raises:
            InputError: there is no template, or a photograph cannot be read.
        """
        if not templates:
            raise InputError("at least one template is needed")
        at_least = square * (COARSE if window == "specimen" else 1)
        photographs = [read_photograph(template.path, at_least) for template in templates]
        outlines, filled, share = [], [], []
        if window == "specimen":
            for number, (template, photograph) in enumerate(
                zip(templates, photographs, strict=True)
            ):
                box, outline = specimen_on(template, photograph)
                place = Window.around(box, FILLED, photograph.displayed)
                photographs[number] = look_closer(template.path, photograph, place, square)
                filled.append(min(1.0, max(box[2:]) / place.side))
                share.append(place.side / max(photograph.displayed))
                outlines += [outline] if outline else []
        pairs = list(zip(templates, photographs, strict=True))
        as_photographed = cls(
            tuple(names),
            tuple(template.specimen for template in templates),
            (View(),) * len(pairs),
            torch.stack([square_image(photograph, square) for photograph in photographs]),
            torch.stack([square_masks(*pair, list(names), square) for pair in pairs]),
            torch.tensor([[name in template.masks for name in names] for template in templates]),
            outlines=tuple(outlines),
            filled=median(filled or [1.0]),
            fill=median(share or [1.0]) == 1.0,
            large=median(share or [1.0]) >= LARGE,
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


def specimen_on(
    template: AnnotatedSpecimen, photograph: Photograph
) -> tuple[tuple[float, float, float, float], Silhouette | None]:
    """Where a template's specimen lies, and its outline.

    That is the union of what is drawn, and all that stands out around it where only a part, as the head, is
    drawn. The whole photograph, and no outline, if nothing is drawn.

    Returns:
        (top, left, height, width) in pixels of the upright photograph, and the outline.
    """
    height, width = photograph.displayed
    union = np.zeros((height, width), bool)
    for mask in template.masks.values():
        union |= photograph.to_upright(mask)
    pixels = photograph.small(SIDE)
    size = pixels.shape[1], pixels.shape[0]
    small = np.asarray(Image.fromarray(union).resize(size))
    if small.sum() < 3:
        return (0, 0, height, width), None
    box = _box(union)
    around = region_around(pixels, small)
    if around.sum() > PARTLY * small.sum():
        scale = height / len(pixels)
        top, left, high, wide = (edge * scale for edge in _box(around))
        bottom, right = max(top + high, box[0] + box[2]), max(left + wide, box[1] + box[3])
        top, left = min(top, box[0]), min(left, box[1])
        box = top, left, bottom - top, right - left
        small = small | around
    return box, Silhouette.of(small, to_lab(pixels))


def _box(mask: np.ndarray) -> tuple[float, float, float, float]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return (
        float(rows[0]),
        float(columns[0]),
        float(rows[-1] + 1 - rows[0]),
        float(columns[-1] + 1 - columns[0]),
    )
