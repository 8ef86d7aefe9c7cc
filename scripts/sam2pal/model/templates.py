"""The templates of a round as the model sees them, turned to lie alike."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from sam2pal.dataset.dataset import AnnotatedSpecimen
from sam2pal.images.foreground import SIDE, Silhouette, region_around, to_lab
from sam2pal.images.reading import Photograph, look_closer, read_photograph
from sam2pal.images.window import NEARLY_ALL, Window, enclosing
from sam2pal.io.errors import InputError
from sam2pal.model.device import autocast
from sam2pal.model.loading import resized, square_image, square_masks
from sam2pal.model.similarity import align, describe, near_duplicates
from sam2pal.model.tracker import Tracker
from sam2pal.model.views import View

FILLED = 0.95  # of a window's side that the specimen fills; masks are worse with wider margins
LARGE = 0.5  # of a photograph's side: specimens that fill more are segmented also where nothing is found
SEARCH_PIXELS = 3  # how many times as many pixels as the square's are read to find a specimen
ROUND_A_WHOLE = 0.6  # of a window's side that a structure fills whose parts are looked for in it
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
        windows: [T], what of the photographs is shown.
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
    windows: tuple[Window, ...] = ()

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
        at_least = square * (SEARCH_PIXELS if window == "specimen" else 1)
        photographs = [read_photograph(template.path, at_least) for template in templates]
        outlines, filled, share = [], [], []
        if window == "specimen":
            for number, (template, photograph) in enumerate(
                zip(templates, photographs, strict=True)
            ):
                box, outline = specimen_on(template, photograph)
                place = Window.around(box, FILLED, photograph.displayed_shape)
                photographs[number] = look_closer(template.path, photograph, place, square)
                filled.append(min(1.0, max(box[2:]) / place.side))
                share.append(place.side / max(photograph.displayed_shape))
                outlines += [outline] if outline else []
        as_photographed = replace(
            cls._of(templates, photographs, names, square),
            outlines=tuple(outlines),
            filled=median(filled or [1.0]),
            fill=median(share or [1.0]) == 1.0,
            large=median(share or [1.0]) >= LARGE,
        )
        return as_photographed.aligned() if aligned else as_photographed

    def at(self, square: int) -> "TemplateSet":
        """The same templates with fewer or more pixels."""
        if square == self.images.shape[-1]:
            return self
        masks = F.interpolate(self.masks, (square, square), mode="area")
        return replace(self, images=resized(self.images, square), masks=masks)

    def within(
        self, parent: str, names: Sequence[str], templates: Sequence[AnnotatedSpecimen]
    ) -> "TemplateSet | None":
        """The same templates, cut to a structure and turned as they are, for the structures within it.

        All windows are laid round the middle of the structure, and as much longer than it as is needed to
        show its parts on each template.

        Args:
            templates: those of this set.

        Returns:
            Those of the templates on which the structure is drawn. None if a part is drawn on none of these,
            or if the windows are hardly smaller than the ones of this set.

        Raises:
            InputError: a photograph cannot be read.
        """
        square = self.images.shape[-1]
        own = [number for number, one in enumerate(templates) if _drawn(one, [parent])]
        drawn = {name for number in own for name in _drawn(templates[number], names)}
        if not drawn or any(set(_drawn(one, names)) - drawn for one in templates):
            return None
        photographs = [read_photograph(templates[number].path, square) for number in own]
        boxes, filled = [], ROUND_A_WHOLE
        for number, photograph in zip(own, photographs, strict=True):
            masks = templates[number].masks
            top, left, high, wide = Window.holding(photograph.to_upright(masks[parent]))
            boxes.append((top, left, high, wide))
            reach = max(high, wide)
            for name in _drawn(templates[number], names):
                first, start, height, width = Window.holding(photograph.to_upright(masks[name]))
                ends = (first, first + height), (start, start + width)
                middle = top + high / 2, left + wide / 2
                reach = max(
                    reach,
                    *(
                        2 * abs(end - at)
                        for at, pair in zip(middle, ends, strict=True)
                        for end in pair
                    ),
                )
            filled = min(filled, FILLED * max(high, wide) / reach)
        for number, (one, box) in enumerate(zip(own, boxes, strict=True)):
            photograph, path = photographs[number], templates[one].path
            window = self.windows[one].part(box, filled)
            photographs[number] = look_closer(path, photograph, window, square)
        shown = [templates[number] for number in own]
        cut = replace(self._of(shown, photographs, names, square), filled=filled)
        wholes = [self.windows[one] for one in own]
        if median(a.side / b.side for a, b in zip(cut.windows, wholes, strict=True)) > NEARLY_ALL:
            return None
        return cut._turned([self.turns[one] for one in own], self.reference)

    @classmethod
    def _of(
        cls,
        templates: Sequence[AnnotatedSpecimen],
        photographs: Sequence[Photograph],
        names: Sequence[str],
        square: int,
    ) -> "TemplateSet":
        """Templates as what is shown of their photographs."""
        pairs = list(zip(templates, photographs, strict=True))
        return cls(
            tuple(names),
            tuple(template.specimen for template in templates),
            (View(),) * len(pairs),
            torch.stack([square_image(photograph, square) for photograph in photographs]),
            torch.stack([square_masks(*pair, list(names), square) for pair in pairs]),
            torch.tensor([[name in template.masks for name in names] for template in templates]),
            windows=tuple(photograph.shown for photograph in photographs),
        )

    def aligned(self) -> "TemplateSet":
        """The same templates, turned to lie alike."""
        alignment = align(self.masks, self.shown)
        turns = [View(turn) for turn in alignment.turns]
        return self._turned(turns, self.specimens[alignment.reference])

    def _turned(self, turns: Sequence[View], reference: str | None) -> "TemplateSet":
        images, masks = (
            torch.stack([turn.apply(one) for turn, one in zip(turns, stack, strict=True)])
            for stack in (self.images, self.masks)
        )
        return replace(self, turns=tuple(turns), images=images, masks=masks, reference=reference)

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
    height, width = photograph.displayed_shape
    union = template.union(photograph)
    pixels = photograph.small(SIDE)
    size = pixels.shape[1], pixels.shape[0]
    small = np.asarray(Image.fromarray(union).resize(size))
    if small.sum() < 3:
        return (0, 0, height, width), None
    box = Window.holding(union)
    around = region_around(pixels, small)
    if around.sum() > PARTLY * small.sum():
        scale = height / len(pixels)
        box = enclosing((box, [edge * scale for edge in Window.holding(around)]))
        small = small | around
    return box, Silhouette.of(small, to_lab(pixels))


def _drawn(template: AnnotatedSpecimen, names: Sequence[str]) -> list[str]:
    """The structures that have a pixel."""
    return [name for name in names if name in template.masks and template.masks[name].any()]
