"""The eight EXIF orientations, as flips and quarter turns of an array."""

import numpy as np


def upright(array: np.ndarray, orientation: int) -> np.ndarray:
    """Turn an array from the orientation on disk to the one that viewers display.

    Args:
        array: `[height, width, ...]` as stored.
        orientation: EXIF orientation, 1 to 8.

    Returns:
        A contiguous array; rows and columns are exchanged for orientations 5 to 8.
    """
    return np.ascontiguousarray(_TO_UPRIGHT[orientation](array))


def stored(array: np.ndarray, orientation: int) -> np.ndarray:
    """Turn an upright array `[H, W, ...]` back to the orientation on disk."""
    # 6 and 8 undo each other; every other orientation undoes itself.
    return np.ascontiguousarray(_TO_UPRIGHT[{6: 8, 8: 6}.get(orientation, orientation)](array))


def mirrors(orientation: int) -> bool:
    """Whether what is on disk is the mirror image of what viewers display."""
    return orientation in (2, 4, 5, 7)


def swaps_sides(orientation: int) -> bool:
    """Whether width and height on disk are height and width as viewers display them."""
    return orientation > 4


def upright_points(points: np.ndarray, orientation: int, width: int, height: int) -> np.ndarray:
    """Turn points as `upright` turns the array that they lie on.

    Args:
        points: `[n, 2]` (x, y) in pixels of the array as stored, `(0, 0)` its upper left corner.
    """
    x, y = points[:, 0], points[:, 1]
    turned = {
        1: (x, y),
        2: (width - x, y),
        3: (width - x, height - y),
        4: (x, height - y),
        5: (y, x),
        6: (height - y, x),
        7: (height - y, width - x),
        8: (y, width - x),
    }[orientation]
    return np.stack(turned, axis=1)


_TO_UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}
