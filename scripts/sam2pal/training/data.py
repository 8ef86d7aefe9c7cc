"""What a training looks at, encoded once whatever the number of steps."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sam2pal.config.training import TrainingOptions
from sam2pal.dataset.dataset import AnnotatedSpecimen
from sam2pal.images.reading import Photograph, read_photograph
from sam2pal.io.errors import InputError
from sam2pal.model.device import autocast
from sam2pal.model.loading import ahead, square_image
from sam2pal.model.similarity import match
from sam2pal.model.templates import TemplateSet
from sam2pal.model.tracker import Features, Tracker
from sam2pal.model.views import View as Look
from sam2pal.model.views import sided, views_of
from sam2pal.training.augmentation import augment
from sam2pal.training.keeping import Keeper, OnDisk
from sam2pal.training.palindrome import View

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Data:
    """Everything a training looks at, encoded once.

    Attributes:
        drawn: the `T` templates as photographed.
        views: their augmented views, view by view of template 0, then of template 1, ...: [T * V].
        unseen: one view of each that is kept for validation, [T].
        pool: features of the unlabelled specimens.
        similarity: [T, B], how alike each template and each specimen of the pool are; only where
            `pairing: similar` asks for it.
        left_out: why photographs of the pool could not be used, one message each.
        guessed: the pool with the masks that the model itself saw there before training (`self_training`).
        held_out: the template that is kept for validation with all of its views, if any.
    """

    drawn: View
    views: View
    unseen: View
    pool: Features | OnDisk
    left_out: tuple[str, ...] = ()
    guessed: View | None = None
    held_out: int | None = None
    similarity: Tensor | None = None

    def of_structures(self, index: list[int]) -> "Data":
        """The same photographs with the masks of some of their structures."""
        return Data(
            self.drawn.of_structures(index),
            self.views.of_structures(index),
            self.unseen.of_structures(index),
            self.pool,
            self.left_out,
            self.guessed and self.guessed.of_structures(index),
            self.held_out,
            self.similarity,
        )

    @property
    def trained(self) -> np.ndarray:
        """The templates that training looks at."""
        return np.array([t for t in range(len(self.drawn.masks)) if t != self.held_out])


def held_out(data: Data, holdout: bool | str) -> int | None:
    """The template that is held back for validation: of those that share most structures with the others, the
    last.

    Args:
        holdout: True, False, or `auto`: if there are at least three templates.

    Raises:
        InputError: it is True and there is no other template that shows one of its structures.
    """
    shown = data.drawn.shown  # [T, K]
    if holdout is False or (holdout == "auto" and len(shown) < 3):
        return None
    shared = (shown & (shown.sum(0) > 1)).sum(1).tolist()
    if max(shared) == 0:
        if holdout == "auto":
            return None
        raise InputError(
            "training: `holdout` needs two templates that show the same structure; outline another specimen, "
            "or leave it out"
        )
    return max(range(len(shared)), key=lambda template: (shared[template], template))


@torch.no_grad()
def prepare(
    tracker: Tracker,
    templates: list[AnnotatedSpecimen],
    pool: list[str],
    structures: list[str],
    options: TrainingOptions,
    seed: int,
    device: torch.device,
    folder: Path | None = None,
) -> Data:
    """Encode the templates, their augmented views and the pool: once an image, whatever the number of steps.

    Args:
        pool: paths of unlabelled specimens; those that cannot be read are left out, with a warning.
        folder: for encoded images that are more than `keep_megabytes`.

    Raises:
        InputError: there is no template, or no photograph of the pool can be read.
    """
    if not templates:
        raise InputError("training needs at least one template")
    looks = views_of(options.turns, mirrored=False)
    if options.mirror and (names := sided(structures)):
        options = replace(options, mirror=False)
        log.info("views are not mirrored: %s would become the other side's", ", ".join(names))
    where = _compared_at(options.loss_size)
    known = TemplateSet.read(templates, structures, tracker.image_size, aligned=len(looks) > 1)
    _warn_of_small(known, where)
    outlined = list(zip(known.images, known.masks, known.annotated, strict=True))
    entries = [_augmented(*one, options, (seed, 3, i)) for i, one in enumerate(outlined)]
    paired = options.pairing == "similar"
    descriptors = None
    if len(looks) > 1 or paired:
        descriptors = known.describe(tracker, looks, device)
    keeper, left_out, alike = Keeper(options.keep_megabytes, folder), [], []

    def view(entries: list[tuple[Tensor, Tensor, Tensor]]) -> View:
        return _view(tracker, entries, where, keeper, device)

    drawn = view(outlined)
    specimens = _encode_pool(tracker, pool, looks, descriptors, keeper, device, left_out, alike)
    return Data(
        replace(drawn, outlines=known.masks.to(device)),
        view([one for views in entries for one in views[:-1]]),
        view([views[-1] for views in entries]),
        specimens,
        tuple(left_out),
        similarity=torch.stack(alike, dim=1) if paired else None,
    )


def _warn_of_small(templates: TemplateSet, where: Callable[[Tensor], Tensor]) -> None:
    """Warn of structures that are drawn but vanish where the loss is taken."""
    for number, row in enumerate(templates.masks):
        for name, drawn, compared in zip(templates.names, row, where(row), strict=True):
            if drawn.any() and compared.max() <= 0.5:
                log.warning(
                    "template %s: '%s' is too small to be trained on at %d pixels; a larger `image_size` "
                    "would show it",
                    templates.specimens[number],
                    name,
                    row.shape[-1],
                )


def _augmented(
    image: Tensor, masks: Tensor, known: Tensor, options: TrainingOptions, seed: tuple[int, ...]
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """The views of a template to train on, and one more."""
    generators = [np.random.default_rng([*seed, view]) for view in range(options.views + 1)]
    return [(*augment(image, masks, rng, mirror=options.mirror), known) for rng in generators]


def _encode_pool(
    tracker: Tracker,
    paths: list[str],
    looks: list[Look],
    descriptors: Tensor | None,
    keeper: Keeper,
    device: torch.device,
    left_out: list[str],
    alike: list[Tensor],
) -> Features | OnDisk:
    """Features of unlabelled specimens turned as the templates lie.

    Args:
        left_out: here is added why some could not be read.
        alike: here is added, for each that can be, how alike it and the templates are, [T].

    Raises:
        InputError: none can be read.
    """
    encoded = _encoded_pool(tracker, paths, looks, descriptors, device, left_out, alike)
    first = next(encoded, None)
    if first is None:
        raise InputError(
            "no photograph of the training pool can be read: "
            + "; ".join(left_out or ["it is empty"])
        )
    return keeper.keep(chain([first], encoded))


def _encoded_pool(
    tracker: Tracker,
    paths: list[str],
    looks: list[Look],
    descriptors: Tensor | None,
    device: torch.device,
    left_out: list[str],
    alike: list[Tensor],
) -> Iterator[Features]:
    for photograph in ahead(_read, paths):
        if isinstance(photograph, InputError):
            left_out.append(str(photograph))
            log.warning("left out of the training pool: %s", photograph)
            continue
        image = square_image(photograph, tracker.image_size)
        if descriptors is not None:
            with autocast(device):
                found = match(tracker, descriptors, image[None].to(device))
            image = looks[int(found.view)].undo(image)
            alike.append(found.likeness[0])
        yield _encode(tracker, image[None], device)


def _read(path: str) -> Photograph | InputError:
    try:
        return read_photograph(path)
    except InputError as error:
        return error


def _compared_at(size: str) -> Callable[[Tensor], Tensor]:
    """From drawn masks [..., S, S] to those that predictions are compared with."""
    if size == "full":
        # there are many views; steps of 0.0005 are fine enough for a covered share
        return torch.Tensor.half
    return partial(torch.nn.functional.avg_pool2d, kernel_size=4)


@torch.no_grad()
def _encode(tracker: Tracker, images: Tensor, device: torch.device) -> Features:
    with autocast(device):
        return tracker.encode(images.to(device))


def _view(
    tracker: Tracker,
    entries: list[tuple[Tensor, Tensor, Tensor]],
    where: Callable[[Tensor], Tensor],
    keeper: Keeper,
    device: torch.device,
) -> View:
    images, masks, known = zip(*entries, strict=True)
    features = keeper.keep(_encode(tracker, image[None], device) for image in images)
    compared = torch.stack([where(mask.to(device)) for mask in masks])
    return View(features, compared, torch.stack(known).to(device))
