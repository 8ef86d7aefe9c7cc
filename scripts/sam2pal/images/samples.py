"""Samples of any depth into 8-bit RGB."""

import numpy as np


def to_uint8(values: np.ndarray, bits: int | None = None) -> tuple[np.ndarray, int]:
    """Scale samples of any type to uint8.

    Args:
        values: of any shape; bool, whole numbers or floats.
        bits: the depth the file declares, where it is none of 8, 16 and 32.

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
    elif values.dtype.kind in "ui":
        limits = (255, 4095, 65535, 2**32 - 1) if bits is None else (2**bits - 1,)
    else:
        raise ValueError(f"samples of type {values.dtype} are not supported")
    largest = values.max(initial=0)
    limit = next((limit for limit in limits if largest <= limit), None)
    if limit is None:
        raise ValueError(f"its largest value is {largest}, more than {limits[-1]}")
    scaled = values.astype(np.float64 if values.dtype.itemsize > 2 else np.float32)
    scaled *= 255.0 / limit
    return np.rint(np.clip(scaled, 0, 255, out=scaled), out=scaled).astype(np.uint8), limit


def to_rgb(samples: np.ndarray, alpha: bool = False, premultiplied: bool = False) -> np.ndarray:
    """uint8 `[h, w, 3]` from uint8 `[h, w, 1..4]`: grey or RGB, then perhaps alpha."""
    colours = samples.shape[2] - alpha
    rgb = samples[..., :colours]
    if alpha:
        opacity = samples[..., colours:].astype(np.float32) / 255.0
        rgb = rgb * (1.0 if premultiplied else opacity) + 255.0 * (1.0 - opacity)
        rgb = np.rint(np.clip(rgb, 0, 255)).astype(np.uint8)
    return np.broadcast_to(rgb, (*rgb.shape[:2], 3))
