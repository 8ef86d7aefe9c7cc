"""Letters and other small things of a picture: what stands beside a bar, or is mistaken for one."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sam2pal.morphometrics.scales.strip import Line, Numbers

STROKE = 41  # pixels: strokes of letters are narrower
LEVEL = 45  # of 255: how much they differ from what is around them


class Letters:
    """Where small regions of a picture are that differ from what is around them.

    Args:
        picture: float [h, w], 0 to 255.
        dark: darker than what is around them, or lighter.

    Attributes:
        side: the picture's longer side, pixels.
    """

    def __init__(self, picture: NDArray[np.float32], dark: bool) -> None:
        values = picture if dark else 255 - picture
        self.side = max(values.shape)
        size = min(STROKE, *values.shape)
        closed = ndimage.grey_closing(values, (size, size), mode="nearest")
        letters = (closed - values > LEVEL).astype(np.uint8)
        x, y, wide, high = cv2.connectedComponentsWithStats(letters)[2][1:, :4].T
        self._middles_and_sizes = np.stack([x + wide / 2, y + high / 2, np.maximum(wide, high)], 1)

    def _seen_from(self, line: Line) -> tuple[Numbers, Numbers, Numbers]:
        """How far along and across from a line's middle they are, and how large."""
        x, y, size = (self._middles_and_sizes - [*line.centre, 0]).T
        ux, uy = line.along
        return x * ux + y * uy, y * ux - x * uy, size

    def alike(self, line: Line) -> int:
        """How many of about a line's own length are near it."""
        s, v, size = self._seen_from(line)
        apart = np.hypot(s, v) / line.length
        alike = (size > 0.5 * line.length) & (size < 1.7 * line.length)
        return int((alike & (apart < 8) & (apart > 0.3)).sum())
