"""Mean and spread of the colour of a structure, in CIE L*a*b*."""

import numpy as np
from numpy.typing import NDArray

# IEC 61966-2-1 (sRGB) to CIE 1931 XYZ, divided by the white point D65 (2 degrees)
_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
) / np.array([[0.95047], [1.0], [1.08883]])
_VALUE = np.arange(256) / 255
_LINEAR = np.where(_VALUE <= 0.04045, _VALUE / 12.92, ((_VALUE + 0.055) / 1.055) ** 2.4).astype(
    np.float32
)
_TO_XYZ = _TO_XYZ.astype(np.float32)
_STEP = 6 / 29


def to_lab(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """sRGB [3, n] as CIE L*, a*, b* [3, n] (white point D65, 2 degrees)."""
    ratio = _TO_XYZ @ np.take(_LINEAR, pixels)
    # the cube root, by far faster than cbrt
    x, y, z = root = np.exp(np.log(np.maximum(ratio, 1e-9)) / np.float32(3))
    dark = ratio <= _STEP**3
    if dark.any():
        root[dark] = ratio[dark] / (3 * _STEP**2) + 4 / 29
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def erode(mask: NDArray[np.bool_], distance: float) -> NDArray[np.bool_]:
    """Pixels of `mask` [h, w] further than about `distance` pixels from its edge.

    Crosses and squares take turns, which comes near to a disc. The border of the array counts as
    edge.
    """
    result = np.pad(mask, 1)
    height, width = mask.shape
    cross, corners = ((0, 1), (2, 1), (1, 0), (1, 2)), ((0, 0), (0, 2), (2, 0), (2, 2))
    for step in range(round(distance)):
        inner = result[1:-1, 1:-1].copy()
        for row, column in cross + corners if step % 2 else cross:
            inner &= result[row : row + height, column : column + width]
        result[1:-1, 1:-1] = inner
    return result[1:-1, 1:-1]


def colour(pixels: NDArray[np.uint8]) -> dict[str, float]:
    """Mean and standard deviation of L*, a*, b* of sRGB pixels [3, n]; {} of fewer than nine."""
    if pixels.shape[1] < 9:
        return {}
    lab = to_lab(pixels)
    mean = lab.mean(axis=1, dtype=np.float64)
    lab -= mean[:, None].astype(np.float32)
    spread = np.sqrt(np.square(lab).mean(axis=1, dtype=np.float64))
    axes = ("lab_l", "lab_a", "lab_b")
    return {name: float(v) for name, v in zip(axes, mean, strict=True)} | {
        f"{name}_sd": float(v) for name, v in zip(axes, spread, strict=True)
    }
