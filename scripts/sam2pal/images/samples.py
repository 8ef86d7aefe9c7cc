"""Samples of any depth into 8-bit RGB."""

from collections.abc import Sequence

import numpy as np

FEW_BITS = 2**14 - 1  # cameras store 10, 12 or 14 bits in 16-bit files
_LIMITS = tuple(2**bits - 1 for bits in (8, 10, 12, 14, 16, 20, 24, 32))
_OVERSHOOT = 1.5  # times white: floats up to which are white
_VALUES = np.arange(256) / 255
# of 8-bit sRGB, the light (IEC 61966-2-1); a table is far quicker than a power for each pixel
LINEAR = np.where(_VALUES > 0.04045, ((_VALUES + 0.055) / 1.055) ** 2.4, _VALUES / 12.92)
_BLOCK = 1 << 20  # samples that are scaled at a time, so that their floats take little memory


def to_uint8(
    values: np.ndarray, bits: int | None = None, stated: int | None = None
) -> tuple[np.ndarray, int]:
    """Scale samples of any type to uint8.

    Args:
        values: of any shape; bool, whole numbers or floats.
        bits: the depth the file declares, where it is none of 8, 16 and 32.
        stated: the largest value that the file states, for samples of more than 8 bits.

    Returns:
        The uint8 samples and the largest value that the input could have had.

    Raises:
        ValueError: floats above 65535, or complex numbers.
    """
    if values.dtype == np.uint8 and bits is None:
        return values, 255
    if values.dtype == bool:
        return values.astype(np.uint8) * np.uint8(255), 1
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, nan=0.0, posinf=np.inf, neginf=0.0)
        limits = (1, 255, 65535)
        largest = values.max(initial=0)
        # sharpening and resizing go a little beyond white
        over = [limit for limit in limits if limit < largest <= _OVERSHOOT * limit]
        values = np.minimum(values, over[0]) if over else values
    elif values.dtype.kind in "ui":
        limits = _LIMITS if bits is None else (2**bits - 1,)
        if bits is None and values.dtype in (np.int8, np.int16, np.int32):  # a bit is the sign
            most = np.iinfo(values.dtype).max
            limits = (*(limit for limit in _LIMITS if limit < most), most)
    else:
        raise ValueError(f"samples of type {values.dtype} are not supported")
    largest = values.max(initial=0)
    limit = limit_of(largest, limits, None if values.dtype.kind == "f" else stated)
    return scaled(values, limit), limit


def with_alpha(
    samples: np.ndarray, bits: int | None = None, stated: int | None = None
) -> tuple[np.ndarray, int]:
    """`to_uint8` of `[h, w, c]` whose last channel is transparency, whose own largest value scales it.

    An opaque pixel is full where the colours of the same file have 12 bits.
    """
    colours, limit = to_uint8(samples[..., :-1], bits, stated)
    return np.concatenate([colours, to_uint8(samples[..., -1:], bits)[0]], axis=2), limit


def limit_of(largest: float, limits: Sequence[int] = _LIMITS, stated: int | None = None) -> int:
    """The stated limit if it holds the largest value, else the smallest of some that does.

    Raises:
        ValueError: none does.
    """
    if stated is not None and largest <= stated:
        return stated
    limit = next((limit for limit in limits if largest <= limit), None)
    if limit is None:
        raise ValueError(f"its largest value is {largest}, more than {limits[-1]}")
    return limit


def scaled(values: np.ndarray, limit: int) -> np.ndarray:
    """uint8 of numbers, `limit` becoming 255."""
    found = np.empty(values.shape, np.uint8)
    kind = np.float64 if values.dtype.itemsize > 2 else np.float32
    rows = max(1, _BLOCK * len(values) // max(1, values.size))
    for first in range(0, len(values), rows):
        block = values[first : first + rows].astype(kind)
        block *= 255.0 / limit
        np.clip(block, 0, 255, out=block)
        found[first : first + rows] = np.rint(block, out=block)
    return found


def to_rgb(samples: np.ndarray, alpha: bool = False, premultiplied: bool = False) -> np.ndarray:
    """uint8 `[h, w, 3]` from uint8 `[h, w, 1..4]`: grey or RGB, then perhaps alpha.

    An alpha that is 0 everywhere does not count: nobody means a photograph that shows nothing.
    """
    colours = samples.shape[2] - alpha
    rgb = samples[..., :colours]
    if alpha and samples[..., colours:].any():
        rgb = np.empty((*samples.shape[:2], colours), np.uint8)
        rows = max(1, _BLOCK // max(1, samples.shape[1]))
        for first in range(0, len(samples), rows):
            part = samples[first : first + rows].astype(np.float32)
            opacity = part[..., colours:] / 255.0
            on_white = part[..., :colours] * (1.0 if premultiplied else opacity)
            on_white += 255.0 * (1.0 - opacity)
            rgb[first : first + rows] = np.rint(np.clip(on_white, 0, 255))
    return rgb if rgb.shape[2] == 3 else np.broadcast_to(rgb, (*rgb.shape[:2], 3))
