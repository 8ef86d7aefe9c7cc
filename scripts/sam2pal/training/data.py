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
    """

    drawn: View
    views: View
    unseen: View
    pool: Features
    left_out: tuple[str, ...] = ()


@torch.no_grad()
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
    side = tracker.model.image_size
    drawn, views, unseen = [], [], []
    for index, template in enumerate(templates):
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
        drawn.append((image, masks, known))
        for view in range(options.views + 1):
            rng = np.random.default_rng([seed, 3, index, view])
            kept = unseen if view == options.views else views
            kept.append((*augment(image, masks, rng), known))
    encoded, left_out = [], []
    for photograph in ahead(_read, pool):
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
    return Data(
        _view(tracker, drawn, device),
        _view(tracker, views, device),
        _view(tracker, unseen, device),
        Features.cat(encoded),
        tuple(left_out),
    )


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
