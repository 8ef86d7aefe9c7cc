"""The templates as the tracker needs them: each in every view, encoded and memorized once per job."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.dataset.dataset import AnnotatedSpecimen
from sam2pal.io.errors import InputError
from sam2pal.model.combining import each_on_each, skill_of_templates, track_alone
from sam2pal.model.device import autocast, enough_memory
from sam2pal.model.ensemble import Alteration, alterations, largest, memorized_for
from sam2pal.model.finding import Finder
from sam2pal.model.similarity import describe_bodies
from sam2pal.model.templates import TemplateSet
from sam2pal.model.tracker import Memory, Tracker
from sam2pal.model.views import View, other_side, views_of
from sam2pal.segmentation.limits import Limits, learn_limits
from sam2pal.segmentation.signals import (
    Grid,
    contrasts,
    largest_piece,
    second_piece,
    shape_of,
    thickness,
)

log = logging.getLogger(__name__)

SPECK = 0.05  # share of a mask's largest piece; less is no piece
LOOSE = 0.05  # area of masks beside their largest piece, as a share of it; less is no second one
THICK, MOSTLY = 2.0, 0.3  # cells; and the share of its largest piece that the next piece lacks


@dataclass(frozen=True)
class Bank:
    """`T` templates in `V` views, of `K` structures.

    Attributes:
        views: of the templates as they lie after they were turned alike.
        ways: in which each specimen is seen.
        sides: [K], the structure whose place each takes in a mirrored view.
        shown: [T, K] bool, structures that a template shows.
        followed: [F], indices of the structures that at least one template shows.
        memories: of T * K objects, template by template, by the side of the squares.
        descriptors: [T, V, D], to match specimens with; None where there is nothing to choose.
        bodies: [T, C], of all that is drawn on a template (see `describe_bodies`).
        found: [T, T, K], IoU of what each template finds on each other one (`each_on_each`); None where no
            template is asked alone.
        limits: area and place of the structures in each view.
        sure: [K], the logit that a structure is there, on the templates themselves.
        contrast: [K], of what is drawn with what surrounds it (see `contrasts`); NaN of what none shows.
        whole: [K], whether no template shows a structure in pieces.
        compact: [K], whether all templates show a structure thick and mostly in one piece.
        joined: whether those lie together in one piece on every template.
        shapes: [T, K, side, side], of what is drawn, each in its own frame (see `shape_of`).
        duplicates: pairs of templates that are nearly the same photograph.
        specimens: [T], ids of the templates.
        turns: [T], how each was turned to lie as the others do.
        reference: the template as which all lie; None if they were not turned.
        finder: finds the windows of specimens; None if their photographs are taken whole.
    """

    views: list[View]
    ways: list[Alteration]
    sides: Tensor
    shown: Tensor
    followed: Tensor
    memories: dict[int, Memory]
    descriptors: Tensor | None
    bodies: Tensor
    found: Tensor | None
    limits: Limits
    sure: tuple[float, ...]
    contrast: tuple[float, ...]
    whole: tuple[bool, ...]
    compact: tuple[bool, ...]
    joined: bool
    shapes: Tensor
    duplicates: list[tuple[str, str]]
    specimens: tuple[str, ...]
    turns: tuple[View, ...]
    reference: str | None
    finder: Finder | None = None

    @cached_property
    def skills(self) -> Tensor | None:
        """[T, K], how well each template finds the structures of the others."""
        return None if self.found is None else skill_of_templates(self.found)

    def names_followed(self, names: Sequence[str]) -> list[str]:
        """Of the names of the K structures those that are followed."""
        return [names[index] for index in self.followed.tolist()]

    def without(self, template: int) -> "Bank":
        """The bank without the memories of a template, to find its masks by the others.

        What all templates decide together stays: `limits`, `sure`, `contrast`, `whole`, `compact`, `joined`,
        `duplicates`, `reference` and `finder`.
        """
        device = self.shown.device
        kept = torch.tensor([t for t in range(len(self.shown)) if t != template], device=device)
        objects = torch.arange(self.shown.numel(), device=device).unflatten(0, self.shown.shape)
        those = objects[kept].flatten()
        shown = self.shown[kept]
        either = shown | shown[:, self.sides]
        return replace(
            self,
            shown=shown,
            followed=either.any(0).nonzero()[:, 0],
            memories={side: memory[those] for side, memory in self.memories.items()},
            descriptors=None if self.descriptors is None else self.descriptors[kept],
            bodies=self.bodies[kept],
            found=None if self.found is None else self.found[kept][:, kept],
            shapes=self.shapes[kept.cpu()],
            specimens=tuple(self.specimens[t] for t in kept.tolist()),
            turns=tuple(self.turns[t] for t in kept.tolist()),
        )

    def structures(self, view: Tensor) -> Tensor:
        """[B, F], which structure of the templates each followed structure is in the views [B]."""
        mirrored = torch.tensor([v.mirrored for v in self.views], device=view.device)[view]
        return torch.where(mirrored[:, None], self.sides[self.followed], self.followed)

    def shapes_in(self, view: int) -> list[list[Grid]]:
        """Of each of the K structures, what the templates show in a view."""
        turned = self.views[view]
        own = self.sides.tolist() if turned.mirrored else range(self.shown.shape[1])
        shapes = turned.apply(self.shapes).numpy()
        shown = self.shown.cpu().numpy()
        return [list(shapes[shown[:, k], k]) for k in own]

    def recall(self, structures: Tensor, side: int) -> list[Memory]:
        """The memories of `N` objects, one per template.

        Args:
            structures: [N].
            side: of the squares on which they are looked for.
        """
        templates, each = self.shown.shape
        return [self.memories[side][each * number + structures] for number in range(templates)]


def read_templates(
    tracker: Tracker,
    templates: Sequence[AnnotatedSpecimen],
    names: list[str],
    options: SegmentationOptions,
) -> TemplateSet:
    """The templates as they are remembered; InputError if there is none."""
    if not templates:
        raise InputError("no template is left to segment from")
    aligned = len(views_of(options.turns, options.mirrored)) > 1
    side = largest(_ways(options, names), tracker.image_size)
    return TemplateSet.read(templates, names, side, aligned=aligned, window=options.window)


@torch.no_grad()
def remember(tracker: Tracker, known: TemplateSet, options: SegmentationOptions) -> Bank:
    """Encode and memorize templates in every view that is needed.

    Raises:
        InputError: none shows any of the structures, or a mirrored view would exchange a structure with one
            that is not there.
    """
    device, names = tracker.device, known.names
    ways = _ways(options, names)
    as_read, known = known, known.at(tracker.image_size)
    views = views_of(options.turns, options.mirrored)
    sides = torch.tensor(other_side(names) if options.mirrored else range(len(names)))
    shown = known.shown
    if not bool(shown.any()):
        said = f"no template shows any of the structures {', '.join(names)}"
        if bool(known.masks.any()):
            said += (
                f" as large as a pixel of the model's square, {tracker.image_size} pixels wide; outline"
                " larger ones, or give the model a larger `image_size`"
            )
        raise InputError(said)
    duplicates = known.near_duplicates()
    for pair in duplicates:
        log.warning(
            "templates '%s' and '%s' are nearly the same photograph and count twice: leave one out",
            *pair,
        )
    drawn = F.avg_pool2d(known.masks, 4)
    in_views = torch.stack(
        [view.apply(drawn[:, sides] if view.mirrored else drawn) for view in views], 1
    )
    seen = torch.stack([shown[:, sides] if view.mirrored else shown for view in views], 1)

    features, by_side = memorized_for(tracker, as_read, ways)
    memories = by_side[tracker.image_size]
    sure = []
    for number, memory in enumerate(memories):
        with enough_memory(f"template '{known.specimens[number]}'", device), autocast(device):
            itself = track_alone(tracker, features[[number]], memory).object_score
        sure.append(itself.masked_fill(~shown[number].to(device), torch.nan))
    found = None
    if len(known) > 1:
        with enough_memory(f"template '{known.specimens[0]}'", device), autocast(device):
            found = each_on_each(tracker, features, memories, known)
    descriptors = None
    if len(views) > 1:
        descriptors = known.describe(tracker, views, device)
    finder = None
    if known.outlines:  # mirrored views are the last
        unmirrored = descriptors[:, : len(options.turns)] if descriptors is not None else None
        finder = Finder(tracker, known, options.turns, unmirrored)
    in_cells = drawn.numpy() > 0.5
    compact = _compact(in_cells)
    return Bank(
        views=views,
        ways=ways,
        sides=sides.to(device),
        shown=shown.to(device),
        followed=seen.flatten(0, 1).any(0).nonzero()[:, 0].to(device),
        memories={side: Memory.cat(of) for side, of in by_side.items()},
        descriptors=descriptors,
        bodies=describe_bodies(features.low, known.masks.amax(1).to(device)),
        found=found,
        limits=learn_limits(in_views, seen, options),
        sure=tuple(torch.stack(sure).nanmean(0).tolist()),
        contrast=_contrast(known),
        whole=_whole(in_cells),
        compact=compact,
        joined=_joined(in_cells, compact),
        shapes=torch.from_numpy(np.array([[shape_of(one) for one in of] for of in drawn.numpy()])),
        duplicates=duplicates,
        specimens=known.specimens,
        turns=known.turns,
        reference=known.reference,
        finder=finder,
    )


def _ways(options: SegmentationOptions, names: Sequence[str]) -> list[Alteration]:
    return alterations(options.ensemble or 1, names)


def _contrast(known: TemplateSet) -> tuple[float, ...]:
    """Mean over the templates that show a structure."""
    found = [
        contrasts(F.avg_pool2d(image, 4).numpy(), F.avg_pool2d(mask, 4).numpy() > 0.5)
        for image, mask in zip(known.images, known.masks, strict=True)
    ]
    there = np.array(found, np.float32)
    return tuple(torch.from_numpy(there).nanmean(0).tolist())


def _compact(masks: NDArray[np.bool_]) -> tuple[bool, ...]:
    """Of masks [T, K, s, s]."""
    return tuple(
        any(mask.any() for mask in of)
        and all(
            thickness(mask) >= THICK and second_piece(mask) < MOSTLY for mask in of if mask.any()
        )
        for of in masks.swapaxes(0, 1)
    )


def _joined(masks: NDArray[np.bool_], compact: Sequence[bool]) -> bool:
    """Whether of masks [T, K, s, s] those of compact structures lie in one piece."""
    for of in masks[:, list(compact)].any(1):
        piece = largest_piece(of)
        if (of & ~piece).sum() > LOOSE * piece.sum():
            return False
    return True


def _whole(masks: NDArray[np.bool_]) -> tuple[bool, ...]:
    """Of masks [T, K, s, s]."""
    pieces = np.array([[second_piece(mask) for mask in of] for of in masks])
    return tuple((pieces.max(0) < SPECK).tolist())
