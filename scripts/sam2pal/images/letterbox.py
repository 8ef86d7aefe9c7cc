"""One mapping between a photograph's pixels and the model's square, used in both directions.

With pixel centres at half-integers, the position `y` in a window of `h` rows of the photograph lies at
`top + y * height / h` in the square, where `height` is the window's height there, a whole number of pixels.
Every method uses exactly this mapping, so a mask that goes to the square and back does not shift.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from sam2pal.images.window import Window

if TYPE_CHECKING:
    from scipy import sparse

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_LEVELS = np.arange(256, dtype=np.float64) / 255.0
_NORMALISED = np.stack(
    [(_LEVELS - m) / s for m, s in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)]
).astype(np.float32)


@dataclass(frozen=True)
class Letterbox:
    """A window of a photograph of `height` x `width` pixels, centred in a square of `square` pixels.

    Attributes:
        window: the photograph itself if not given.
        scale: square pixels per native pixel, `square / window.side`.
        box: `(top, left, height, width)` of the window in the square, in whole pixels.
    """

    height: int
    width: int
    square: int
    window: Window | None = None
    scale: float = field(init=False)
    box: tuple[int, int, int, int] = field(init=False)

    def __post_init__(self) -> None:
        if min(self.height, self.width, self.square) < 1:
            raise ValueError(f"a letterbox needs positive sizes, got {self}")
        window = self.window or Window.whole(self.height, self.width)
        scale = self.square / window.side
        height = min(self.square, max(1, round(window.height * scale)))
        width = min(self.square, max(1, round(window.width * scale)))
        top, left = (self.square - height) // 2, (self.square - width) // 2
        object.__setattr__(self, "window", window)
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "box", (top, left, height, width))

    def image_to_square(
        self, pixels: np.ndarray, frame: tuple[float, float, float, float] | None = None
    ) -> np.ndarray:
        """Resize (antialiased bilinear), normalise as ImageNet, and pad with zeros.

        Args:
            pixels: uint8 `[h, w, 3]` of the window, upright RGB; of another size if `frame` is given.
            frame: (left, top, right, bottom), where the edges of the window lie in `pixels`.

        Returns:
            float32 `[3, S, S]`; the padding is 0, which is the mean colour.
        """
        if frame is None:
            self._expect(pixels.shape, (self.window.height, self.window.width, 3))
            frame = (0.0, 0.0, self.window.width, self.window.height)
        top, left, height, width = self.box
        if pixels.shape[:2] != (height, width) or frame != (0, 0, width, height):
            # Pillow widens the filter when it shrinks, and so antialiases.
            bilinear = Image.Resampling.BILINEAR
            pixels = np.asarray(
                Image.fromarray(pixels).resize((width, height), bilinear, box=frame)
            )
        square = np.zeros((3, self.square, self.square), np.float32)
        for channel in range(3):
            square[channel, top : top + height, left : left + width] = _NORMALISED[channel][
                pixels[..., channel]
            ]
        return square

    def mask_to_square(self, mask: np.ndarray) -> np.ndarray:
        """The fraction of every square pixel that the mask covers.

        Args:
            mask: bool `[H, W]`, upright, of the whole photograph.

        Returns:
            float32 `[S, S]` in 0..1; the padding is 0.
        """
        self._expect(mask.shape, (self.height, self.width))
        first, start, high, wide = self.window
        mask = mask[first : first + high, start : start + wide]
        top, left, height, width = self.box
        rows = _area_weights(height, high)
        columns = _area_weights(width, wide)
        covered = columns @ (rows @ mask.astype(np.float32)).T
        square = np.zeros((self.square, self.square), np.float32)
        square[top : top + height, left : left + width] = np.clip(covered.T, 0.0, 1.0)
        return square

    def square_to_native(self, values: np.ndarray) -> np.ndarray:
        """Bilinear values at the window's own pixels; the padding is cut off.

        Antialiased where the window is smaller than the values' grid.

        Args:
            values: float `[..., s, s]` on a grid that spans the square; `s` is any size,
                usually the square's or a quarter of it.

        Returns:
            float32 `[..., h, w]`.
        """
        values = np.asarray(values)
        size = values.shape[-1]
        self._expect(values.shape[-2:], (size, size))
        top, left, height, width = self.box
        grid = size / self.square
        high, wide = self.window.height, self.window.width
        rows = _bilinear_weights(high, size, top * grid, height * grid / high)
        columns = _bilinear_weights(wide, size, left * grid, width * grid / wide)
        native = np.empty((*values.shape[:-2], high, wide), np.float32)
        flat = native.reshape(-1, high, wide)
        for source, target in zip(values.reshape(-1, size, size), flat, strict=True):
            across = np.ascontiguousarray((columns @ source.astype(np.float32).T).T)
            target[...] = rows @ across
        return native

    def _expect(self, found: tuple[int, ...], wanted: tuple[int, ...]) -> None:
        if tuple(found) != wanted:
            raise ValueError(f"expected an array of shape {wanted}, got {tuple(found)}")


@lru_cache(maxsize=64)
def _area_weights(outputs: int, inputs: int) -> sparse.csr_array:
    """`[outputs, inputs]`: the share of each input pixel in each of equally wide output pixels."""
    edges = np.linspace(0, inputs, outputs + 1)
    first = np.floor(edges[:-1]).astype(np.int64)
    return _rows(
        first,
        int(np.max(np.ceil(edges[1:]).astype(np.int64) - first)),
        inputs,
        lambda j: np.minimum(j + 1, edges[1:, None]) - np.maximum(j, edges[:-1, None]),
    )


@lru_cache(maxsize=64)
def _bilinear_weights(outputs: int, inputs: int, offset: float, step: float) -> sparse.csr_array:
    """`[outputs, inputs]`: triangle weights around `offset + (i + 0.5) * step`, in input pixels.

    The triangle is one input pixel wide on each side, or `step` where that is more. Weights that
    fall outside of the grid are dropped and the others rescaled, as PyTorch and Pillow do.
    """
    centre = offset + (np.arange(outputs) + 0.5) * step
    support = max(1.0, step)
    return _rows(
        np.floor(centre - support - 0.5).astype(np.int64),
        int(np.ceil(2 * support)) + 2,
        inputs,
        lambda j: 1.0 - np.abs(j + 0.5 - centre[:, None]) / support,
    )


def _rows(first: np.ndarray, count: int, inputs: int, weight: Callable) -> sparse.csr_array:
    """Normalised rows of `weight(j)` for `count` inputs from `first`, negative weights dropped."""
    from scipy import sparse  # here, as listing photographs needs none of it and it takes a second

    j = first[:, None] + np.arange(count)
    w = np.where((j >= 0) & (j < inputs), np.maximum(weight(j), 0.0), 0.0)
    w /= w.sum(axis=1, keepdims=True)
    row = np.broadcast_to(np.arange(len(first))[:, None], j.shape)
    keep = w > 0
    shape = (len(first), inputs)
    return sparse.csr_array((w[keep].astype(np.float32), (row[keep], j[keep])), shape=shape)
