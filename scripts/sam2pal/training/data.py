"""The images of a training, each encoded once, when a step first needs it."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sam2pal.config.training import TrainingOptions
from sam2pal.io.errors import InputError
from sam2pal.model.adapters import frozen_by
from sam2pal.model.device import autocast, device_bytes
from sam2pal.model.encoder import Encoded
from sam2pal.model.ensemble import Alteration, alterations, largest
from sam2pal.model.templates import TemplateSet
from sam2pal.model.tracker import Features, Tracker
from sam2pal.model.views import named_for_side
from sam2pal.training.augmentation import augment
from sam2pal.training.feature_cache import FeatureCache, FeaturesOnDisk, OnDemand
from sam2pal.training.palindrome import AnnotatedViews
from sam2pal.training.teacher import PseudoLabels, Teacher
from sam2pal.training.unlabelled import COPIES, BeforeTraining, PseudoLabelsOnDemand, Unlabelled

log = logging.getLogger(__name__)

KEPT = 0.5  # of what a training may use of the device's memory, that encoded images take at most

Annotated = tuple[Tensor, Tensor, Tensor]  # an image, its masks, which of them were annotated


@dataclass(frozen=True)
class Data:
    """The templates, their views and the specimens of a training, encoded once.

    Attributes:
        drawn: the `T` templates as photographed.
        views: their augmented views, view by view of template 0, then of template 1, ...: [T * V].
        unseen: one view of each that is kept for validation, [T].
        pool: features of the unlabelled specimens, of each as often as there are `copies`, one after another.
        copies: of which the first are the specimens as they are, and the others altered.
        pseudo_labels: what the model before training finds on them; None without `distillation`.
        left_out: why photographs of the pool could not be used, one message each; grows.
    """

    drawn: AnnotatedViews
    views: AnnotatedViews
    unseen: AnnotatedViews
    pool: Features | Encoded | FeaturesOnDisk | OnDemand
    left_out: Sequence[str] = ()
    copies: int = 1
    pseudo_labels: PseudoLabels | PseudoLabelsOnDemand | None = None

    @property
    def specimens(self) -> int:
        """B, how many unlabelled specimens there are."""
        return len(self.pool) // self.copies


def square_of_training(options: TrainingOptions, names: Sequence[str], square: int) -> int:
    """Pixels of the side of the squares on which photographs are read, of a model whose own is `square`."""
    return largest(_ways(options, names), square)


def _ways(options: TrainingOptions, names: Sequence[str]) -> list[Alteration]:
    return alterations(options.ways if options.distillation > 0 else 1, names)


@torch.no_grad()
def prepare(
    tracker: Tracker,
    templates: TemplateSet,
    pool: Sequence[str],
    options: TrainingOptions,
    seed: int,
    folder: Path | None = None,
) -> Data:
    """Encode the templates, and say how their augmented views and the pool are encoded: once an image, when a
    step asks for it.

    Args:
        tracker: of the model as it is before training, which teaches also when it has been trained.
        templates: with as many pixels as `square_of_training` says, or fewer.
        pool: paths of unlabelled specimens. One that cannot be used is left out, with a warning, and the next
            one stands in for it.
        folder: for encoded images that are more than `keep_megabytes`.

    Raises:
        InputError: the pool is empty.
    """
    if not pool:
        raise InputError("no photograph of the training pool can be read: it is empty")
    mirror = options.mirror
    if mirror and (names := named_for_side(templates.names)):
        mirror = False
        log.info("views are not mirrored: %s would become the other side's", ", ".join(names))
    alter = partial(augment, mirror=mirror, bend=options.bend)
    ways = _ways(options, templates.names)
    side = largest(ways, tracker.image_size)
    as_read, templates = templates, templates.at(tracker.image_size)
    _warn_of_small(templates, tracker.image_size)
    room = device_bytes(tracker.device) / 2**20
    cache = FeatureCache(min(options.keep_megabytes, KEPT * room), folder)
    images = _Images(tracker, options, cache)
    annotated = list(zip(templates.images, templates.masks, templates.annotated, strict=True))

    def augmented(template: int, view: int) -> Annotated:
        rng = np.random.default_rng([seed, 3, template, view])
        image, masks, known = annotated[template]
        return *alter(image, masks, rng), known

    drawn = images.encode(annotated, torch.float32)
    before = BeforeTraining(tracker.model)
    unlabelled = Unlabelled(tracker, options, templates, pool, side)
    labels, copies = None, 1
    if options.distillation > 0:
        teacher = Teacher(tracker, as_read, ways)
        labels, copies = PseudoLabelsOnDemand(unlabelled, teacher, before, alter, seed), COPIES

    def specimen(number: int) -> Tensor:
        with before():
            return unlabelled.on_square(number) if labels is None else labels.image(number)

    views = [(t, view) for t in range(len(templates)) for view in range(options.views)]
    unseen = [(t, options.views) for t in range(len(templates))]
    return Data(
        drawn,
        pool=images.later(specimen, copies * len(pool)),
        views=images.later_views([partial(augmented, *one) for one in views]),
        unseen=images.later_views([partial(augmented, *one) for one in unseen]),
        left_out=unlabelled.left_out,
        copies=copies,
        pseudo_labels=labels,
    )


def _warn_of_small(templates: TemplateSet, side: int) -> None:
    """Name the structures that are drawn but fill no pixel of the model's square."""
    drawn = templates.masks.flatten(2).amax(2) > 0
    for template, structure in (drawn & templates.annotated & ~templates.shown).nonzero().tolist():
        log.warning(
            "template %s: '%s' is too small to be trained on at %d pixels; a larger `image_size` would show "
            "it",
            templates.specimens[template],
            templates.names[structure],
            side,
        )


class _Images:
    """Runs the frozen layers of the image encoder and keeps what they say."""

    def __init__(self, tracker: Tracker, options: TrainingOptions, cache: FeatureCache) -> None:
        self._tracker, self._cache = tracker, cache
        self._frozen = frozen_by(options.targets)

    def encode(self, annotated: Sequence[Annotated], precision: torch.dtype) -> AnnotatedViews:
        """At once."""
        images, masks, known = zip(*annotated, strict=True)
        encoded = [self._encode(image) for image in images]
        self._one = encoded[0]
        return self._views(self._cache.keep(encoded), masks, known, precision)

    def later(self, image: Callable[[int], Tensor], count: int) -> OnDemand:
        """Images [3, S, S], each when it is asked for; after some were encoded at once."""
        kept = self._cache.place(self._one, count)
        return OnDemand(lambda number: self._encode(image(number)), kept)

    def later_views(self, views: Sequence[Callable[[], Annotated]]) -> AnnotatedViews:
        """Masks at once, in half precision as there are many (steps of 0.0005); images when asked for."""
        masks, known = zip(*(view()[1:] for view in views), strict=True)
        features = self.later(lambda number: views[number]()[0], len(views))
        return self._views(features, masks, known, torch.float16)

    def _views(
        self,
        features: Features | OnDemand,
        masks: Sequence[Tensor],
        known: Sequence[Tensor],
        precision: torch.dtype,
    ) -> AnnotatedViews:
        device = self._tracker.device
        stack = torch.stack([mask.to(device, precision) for mask in masks])
        return AnnotatedViews(features, stack, torch.stack(list(known)).to(device))

    @torch.no_grad()
    def _encode(self, image: Tensor) -> Features | Encoded:
        with autocast(self._tracker.device):
            return self._tracker.begin(image[None].to(self._tracker.device), self._frozen)
