"""What a training looks at, encoded once whatever the number of steps."""

import logging
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sam2pal.augmentation import augment
from sam2pal.coco import Template
from sam2pal.errors import InputError
from sam2pal.images import Photograph, read_photograph
from sam2pal.loading import ahead, annotated, read_template, square_image
from sam2pal.models import autocast
from sam2pal.palindrome import View
from sam2pal.tracker import Features, Tracker
from sam2pal.training.options import TrainingOptions

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Data:
    """Everything a training looks at, encoded once.

    Attributes:
        drawn: the `T` templates as photographed.
        views: their augmented views, view by view of template 0, then of template 1, ...: [T * V].
        unseen: one view of each that is kept for validation, [T].
        pool: features of the unlabelled specimens.
        left_out: why photographs of the pool could not be used, one message each.
        guessed: the pool with the masks that the model itself saw there before training (`self_training`).
    """

    drawn: View
    views: View
    unseen: View
    pool: Features
    left_out: tuple[str, ...] = ()
    guessed: View | None = None

    def of_structures(self, index: list[int]) -> "Data":
        """The same photographs with the masks of some of their structures."""
        return Data(
            self.drawn.of_structures(index),
            self.views.of_structures(index),
            self.unseen.of_structures(index),
            self.pool,
            self.left_out,
            self.guessed and self.guessed.of_structures(index),
        )


def prepare(
    tracker: Tracker,
    templates: list[Template],
    pool: list[str],
    structures: list[str],
    options: TrainingOptions,
    seed: int,
    device: torch.device,
) -> Data:
    """Encode the templates, their augmented views and the pool: once an image, whatever the number of steps.

    Args:
        pool: paths of unlabelled specimens; those that cannot be read are left out, with a warning.

    Raises:
        InputError: there is no template, or no photograph of the pool can be read.
    """
    if not templates:
        raise InputError("training needs at least one template")
    encoded = [
        encode_template(tracker, template, structures, options.views, (seed, 3, index), device)
        for index, template in enumerate(templates)
    ]
    drawn, views, unseen = (View.cat(part) for part in zip(*encoded, strict=True))
    return Data(drawn, views, unseen, *encode_pool(tracker, pool, device))


@torch.no_grad()
def encode_template(
    tracker: Tracker,
    template: Template,
    structures: list[str],
    views: int,
    seed: tuple[int, ...],
    device: torch.device,
) -> tuple[View, View, View]:
    """A template as photographed, `views` augmented views of it, and one more for validation.

    Args:
        seed: of its augmentation.
    """
    side = tracker.model.image_size
    image, masks = read_template(template, structures, side)
    known = annotated(template, structures)
    for name, mask in zip(structures, _quarter(masks), strict=True):
        if name in template.masks and template.masks[name].any() and mask.max() <= 0.5:
            log.warning(
                "template %s: '%s' is too small to be trained on at %d pixels; a larger `image_size` "
                "would show it",
                template.specimen,
                name,
                side,
            )
    others = [
        (*augment(image, masks, np.random.default_rng([*seed, view])), known)
        for view in range(views + 1)
    ]
    return (
        _view(tracker, [(image, masks, known)], device),
        _view(tracker, others[:-1], device),
        _view(tracker, others[-1:], device),
    )


@torch.no_grad()
def encode_drawn(
    tracker: Tracker, template: Template, structures: list[str], device: torch.device
) -> View:
    """A template as photographed, without other views of it."""
    image, masks = read_template(template, structures, tracker.model.image_size)
    return _view(tracker, [(image, masks, annotated(template, structures))], device)


@torch.no_grad()
def encode_pool(
    tracker: Tracker, paths: list[str], device: torch.device
) -> tuple[Features, tuple[str, ...]]:
    """Features of unlabelled specimens, and why some of them could not be read.

    Raises:
        InputError: none can be read.
    """
    side = tracker.model.image_size
    encoded, left_out = [], []
    for photograph in ahead(_read, paths):
        if isinstance(photograph, InputError):
            left_out.append(str(photograph))
            log.warning("left out of the training pool: %s", photograph)
        else:
            encoded.append(_encode(tracker, square_image(photograph, side)[None], device))
    if not encoded:
        raise InputError(
            "no photograph of the training pool can be read: "
            + "; ".join(left_out or ["it is empty"])
        )
    return Features.cat(encoded), tuple(left_out)


def _read(path: str) -> Photograph | InputError:
    try:
        return read_photograph(path)
    except InputError as error:
        return error


def _quarter(masks: Tensor) -> Tensor:
    """Masks where the decoder predicts and the loss is taken: at a quarter of the square."""
    return torch.nn.functional.avg_pool2d(masks, 4)


def _encode(tracker: Tracker, images: Tensor, device: torch.device) -> Features:
    with autocast(device):
        return tracker.encode(images.to(device))


def _view(
    tracker: Tracker, entries: list[tuple[Tensor, Tensor, Tensor]], device: torch.device
) -> View:
    images, masks, known = zip(*entries, strict=True)
    features = Features.cat([_encode(tracker, image[None], device) for image in images])
    return View(features, _quarter(torch.stack(masks).to(device)), torch.stack(known).to(device))
