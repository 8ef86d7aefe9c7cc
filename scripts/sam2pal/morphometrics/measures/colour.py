"""Mean and spread of the colour of a structure, in CIE L*a*b*."""

import io
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from sam2pal.images.samples import LINEAR

# linear sRGB to CIE 1931 XYZ, divided by the white point D65 (2 degrees)
_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
) / np.array([[0.95047], [1.0], [1.08883]])
_LINEAR = LINEAR.astype(np.float32)
_TO_XYZ = _TO_XYZ.astype(np.float32)
_STEP = 6 / 29
_NEAR = 4  # pixels of erosion up to which it is cheaper to look around single pixels


def to_srgb(pixels: NDArray[np.uint8], profile: bytes | None) -> NDArray[np.uint8]:
    """sRGB of RGB pixels [3, n] that are meant by an ICC profile; the same if it is none of RGB."""
    transform = None if profile is None or not pixels.size else _to_srgb(profile)
    if transform is None:
        return pixels
    row = Image.fromarray(np.ascontiguousarray(pixels.T)[None])
    return np.ascontiguousarray(np.asarray(ImageCms.applyTransform(row, transform))[0].T)


@lru_cache(maxsize=4)
def _to_srgb(profile: bytes) -> ImageCms.ImageCmsTransform | None:
    """None where nothing is to be done, or the profile is damaged."""
    try:
        of = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if of.profile.xcolor_space.strip() != "RGB" or "sRGB" in (
            of.profile.profile_description or ""
        ):
            return None
        return ImageCms.buildTransform(
            of,
            ImageCms.createProfile("sRGB"),
            "RGB",
            "RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        )
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None


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


def inner_pixels(
    mask: NDArray[np.bool_], distance: float, most: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the pixels of `mask` [h, w] that `erode` leaves.

    Of a mask of twice `most` pixels only every second place along the rows is looked at, and so on.
    """
    reach, step = round(distance), max(1, np.count_nonzero(mask) // most)
    looked_at = slice(step // 2, None, step)
    if step == 1 or reach > _NEAR:
        return _at(np.flatnonzero(erode(mask, distance).ravel()[looked_at]), step, mask.shape[1])
    row, column = _at(np.flatnonzero(mask.ravel()[looked_at]), step, mask.shape[1])
    near = np.minimum(row, column) >= reach
    near &= (row < mask.shape[0] - reach) & (column < mask.shape[1] - reach)
    row, column = row[near], column[near]
    inner, place = np.ones(len(row), bool), row * mask.shape[1] + column
    for down, right in _disc(reach):
        inner &= np.take(mask, place + down * mask.shape[1] + right)
    return row[inner], column[inner]


def _at(
    number: NDArray[np.int64], step: int, width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of every `step`th pixel, by its number."""
    return np.divmod(number * step + step // 2, width)


def _disc(reach: int) -> NDArray[np.int64]:
    """The pixels around one, (down, right) [n, 2], without any of which `erode` does not leave it."""
    whole = np.ones((6 * reach + 1,) * 2, bool)
    whole[3 * reach, 3 * reach] = False
    near = erode(whole, reach)[2 * reach : 4 * reach + 1, 2 * reach : 4 * reach + 1]
    return np.argwhere(~near) - reach


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
