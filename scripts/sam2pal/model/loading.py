"""Photographs and drawn masks as tensors, decoded ahead of the model."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sam2pal.dataset.dataset import AnnotatedSpecimen
from sam2pal.images.letterbox import Letterbox
from sam2pal.images.reading import Photograph

Item = TypeVar("Item")
Loaded = TypeVar("Loaded")
_WAITING = 4


def letterbox_of(photograph: Photograph, square: int) -> Letterbox:
    """The mapping between what is shown of a photograph, upright, and the model's square."""
    return Letterbox(*photograph.displayed_shape, square, photograph.window)


def square_image(photograph: Photograph, square: int) -> Tensor:
    """A photograph as the model sees it, [3, S, S]."""
    box = letterbox_of(photograph, square)
    return torch.from_numpy(box.image_to_square(photograph.pixels, photograph.frame))


def resized(images: Tensor, square: int) -> Tensor:
    """[B, 3, s, s] with fewer or more pixels."""
    if images.shape[-1] == square:
        return images
    return F.interpolate(images, (square, square), mode="bilinear", antialias=True)


def square_masks(
    template: AnnotatedSpecimen, photograph: Photograph, names: list[str], square: int
) -> Tensor:
    """Drawn masks in 0..1, [K, S, S]; a structure that was not annotated is empty."""
    box = letterbox_of(photograph, square)
    masks = np.zeros((len(names), square, square), np.float32)
    for row, name in zip(masks, names, strict=True):
        if name in template.masks:
            row[:] = box.mask_to_square(photograph.to_upright(template.masks[name]))
    return torch.from_numpy(masks)


def read_ahead(
    load: Callable[[Item], Loaded], items: Iterable[Item], threads: int
) -> Iterator[Loaded]:
    """`map(load, items)` in order, at most four results waiting: memory does not grow with the items."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque = deque()
        for item in items:
            waiting.append(pool.submit(load, item))
            if len(waiting) >= _WAITING:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
