"""Long narrow regions of a picture that are darker or lighter than what is around them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sam2pal.morphometrics.scales.strip import Line

SIDES = (7, 21, 61)  # of the squares that regions are narrower than, in pixels
LEVELS = (20, 45, 90)  # of 255: how much they differ from what is around them
SHORTEST, SLENDEREST = 7.0, 2.0  # length in pixels, and length over width


def long_regions(picture: NDArray[np.float32], dark: bool) -> Iterator[Line]:
    """All regions that may be a tick, in no order; the same place may come several times.

    Args:
        picture: float [h, w], 0 to 255.
        dark: whether they are darker than what is around them, or lighter.

    Returns:
        the smallest rectangle that holds each.
    """
    values = picture if dark else 255 - picture
    for side in SIDES:
        if side > min(values.shape):
            continue
        difference = ndimage.grey_closing(values, (side, side), mode="nearest") - values
        for level in LEVELS:
            mask = (difference > level).astype(np.uint8)
            contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
            for contour in contours:
                (x, y), (one, other), degrees = cv2.minAreaRect(contour)
                turned = math.radians(degrees + 90 * (other > one))
                length, width = max(one, other) + 1, min(one, other) + 1
                if length >= max(SHORTEST, SLENDEREST * width):
                    along = math.cos(turned), math.sin(turned)
                    yield Line((x + 0.5, y + 0.5), along, length, width)
