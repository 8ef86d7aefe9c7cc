"""Photographs reduced by a whole factor while they are decoded."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from PIL import Image

from sam2pal.images.header import Header

FACTORS = (8, 4, 2)  # what libjpeg can do; the same for all formats, so that they look alike
_ROWS = 64  # of the reduced photograph, at a time
_SPARE = 2  # how many times as large as needed the pixels stay: antialiased resizing does the rest


class Decoded(NamedTuple):
    """What a decoder gives.

    Attributes:
        pixels: uint8 `[h, w, 3]`, turned as stored.
        extent: (width, height) of the photograph in `pixels`; it may end within the last column and row.
    """

    header: Header
    pixels: np.ndarray
    extent: tuple[float, float]


def factor_for(width: int, height: int, at_least: int | None) -> int:
    """By how much a photograph may be reduced whose longer side is to be seen with `at_least` pixels."""
    if at_least is None:
        return 1
    fitting = (f for f in FACTORS if large_enough(width / f, height / f, at_least))
    return next(fitting, 1)


def large_enough(width: float, height: float, at_least: int) -> bool:
    """Whether pixels are enough to resize them to a longer side of `at_least`."""
    return max(width, height) >= _SPARE * at_least


def reduced(header: Header, pixels: np.ndarray, at_least: int | None) -> Decoded:
    """Decoded pixels uint8 `[height, width, 3]`, averaged in boxes if they are many more than needed."""
    factor = factor_for(header.width, header.height, at_least)
    extent = header.width / factor, header.height / factor
    return Decoded(header, box_means(pixels, factor), extent)


def box_means(pixels: np.ndarray, factor: int) -> np.ndarray:
    """uint8 `[h, w, 3]` averaged in boxes, `[ceil(h / factor), ceil(w / factor), 3]`."""
    if factor == 1:
        return pixels
    rows = range(0, len(pixels), _ROWS * factor)  # some at a time, as Pillow copies them
    parts = [Image.fromarray(pixels[row : row + _ROWS * factor]).reduce(factor) for row in rows]
    return np.concatenate([np.asarray(part) for part in parts])


def reduced_bands(bands: Iterable[np.ndarray], factor: int) -> tuple[np.ndarray, int]:
    """A photograph averaged in boxes while it arrives.

    Args:
        bands: uint8 or uint16 `[h, w, c]`, of any heights, from top to bottom.

    Returns:
        Rounded means of the same type, `[ceil(H / factor), ceil(w / factor), c]`, and the largest value.
    """
    found, waiting, largest = [], None, 0
    for band in bands:
        largest = max(largest, int(band.max()))
        waiting = band if waiting is None else np.concatenate([waiting, band])
        whole = len(waiting) // factor * factor
        if whole:
            found.append(_box_means(waiting[:whole], factor))
            waiting = waiting[whole:]
    if waiting is not None and len(waiting):
        found.append(_box_means(waiting, factor))
    return np.concatenate(found), largest


def _box_means(samples: np.ndarray, factor: int) -> np.ndarray:
    """Means of boxes, those at the far edges of what is left there."""
    high, wide = (np.minimum(factor, n - np.arange(0, n, factor)) for n in samples.shape[:2])
    count = np.outer(high, wide).astype(np.float32)
    half = np.floor(count / 2)
    means = [
        np.floor((sums_of(colour, factor, 1) + half) / count)
        for colour in np.moveaxis(sums_of(samples, factor, 0), 2, 0)  # loops of 3 are slow
    ]
    return np.stack(means, 2, dtype=samples.dtype, casting="unsafe")


def sums_of(samples: np.ndarray, factor: int, axis: int) -> np.ndarray:
    """uint32, of so many rows (axis 0) or columns (axis 1) each; fewer in the last."""
    every = [slice(None)] * axis
    sums = samples[(*every, slice(None, None, factor))].astype(np.uint32)
    for first in range(1, min(factor, samples.shape[axis])):
        more = samples[(*every, slice(first, None, factor))]
        sums[(*every, slice(more.shape[axis]))] += more
    return sums
