"""Outlines of many specimens laid over each other, and the axes along which they differ most."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ROUNDS = 50
ENOUGH = 1e-9  # by which the mean shape moves when it is found


@dataclass(frozen=True)
class ShapeSpace:
    """Principal components of aligned shapes.

    Attributes:
        aligned: [m, n, 2], of centroid size 1 about their centroid, the mean's first point above it.
        mean: [n, 2].
        sizes: [m], centroid sizes before.
        scores: [m, c], c components at most.
        shares: [c], of the variance.
    """

    aligned: NDArray[np.float64]
    mean: NDArray[np.float64]
    sizes: NDArray[np.float64]
    scores: NDArray[np.float64]
    shares: NDArray[np.float64]


def shape_space(points: NDArray[np.float64], components: int = 5) -> ShapeSpace:
    """Generalised Procrustes alignment (Gower 1975) without reflection, and principal components.

    Args:
        points: [m, n, 2] of m > 2 specimens, y upwards.
    """
    shapes = points[..., 0] + 1j * points[..., 1]
    shapes = shapes - shapes.mean(axis=1, keepdims=True)
    sizes = np.linalg.norm(shapes, axis=1)
    shapes = shapes / sizes[:, None]
    mean = shapes[0]
    for _ in range(ROUNDS):
        turns = shapes.conj() @ mean
        shapes = shapes * (turns / np.abs(turns))[:, None]
        new = shapes.mean(axis=0)
        new /= np.linalg.norm(new)
        moved, mean = np.linalg.norm(new - mean), new
        if moved < ENOUGH:
            break
    upwards = 1j * abs(mean[0]) / mean[0] if mean[0] else 1
    shapes, mean = shapes * upwards, mean * upwards
    flat = np.concatenate([shapes.real, shapes.imag], axis=1)
    centred = flat - flat.mean(axis=0)
    left, spread, axes = np.linalg.svd(centred, full_matrices=False)
    kept = slice(min(components, len(points) - 1))
    # the sign of an axis is free: the largest entry of each is made positive
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
    total = float((spread**2).sum()) or 1.0
    return ShapeSpace(
        np.stack([shapes.real, shapes.imag], axis=2),
        np.stack([mean.real, mean.imag], axis=1),
        sizes,
        (left * spread * signs)[:, kept],
        (spread**2 / total)[kept],
    )
