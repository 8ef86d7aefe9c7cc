"""Seeded noise and photographs that serve as texture; all of it is the same in every process."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from sam2pal.research.synthetic.crops import Crop

TILE = 256
PHOTOGRAPHS = (
    "brick.png",
    "cell.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "page.png",
    "retina.jpg",
    "rocket.jpg",
    "motorcycle_left.png",
)


@lru_cache(maxsize=16)
def tile(sigma: float) -> NDArray[np.float32]:
    """A 256 x 256 field that repeats without a seam, mean 0, standard deviation 1."""
    generator = np.random.default_rng(int(sigma * 1000) + 17)
    field = generator.standard_normal((TILE, TILE)).astype(np.float32)
    if sigma > 0:
        field = ndimage.gaussian_filter(field, sigma, mode="wrap")
    field -= field.mean()
    return field / field.std()


@lru_cache(maxsize=16)
def slopes(sigma: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The derivatives of `tile(sigma)` along x and y, each of standard deviation 1."""
    field = tile(sigma)
    along_x = (np.roll(field, -1, 1) - np.roll(field, 1, 1)) / 2
    along_y = (np.roll(field, -1, 0) - np.roll(field, 1, 0)) / 2
    return along_x / along_x.std(), along_y / along_y.std()


@lru_cache(maxsize=4)
def pits(cells: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Scattered round pits: their depth (0..1) and its slopes, as tiles that repeat."""
    generator = np.random.default_rng(cells)
    spacing = TILE / cells
    reach = int(spacing) + 1
    near = np.arange(-reach, reach + 1)
    depth = np.zeros((TILE, TILE), np.float32)
    for row in range(cells):
        for column in range(cells):
            cy, cx = (np.array([row, column]) + generator.uniform(0.2, 0.8, 2)) * spacing
            radius = spacing * generator.uniform(0.22, 0.42)
            rows, columns = near + int(cy), near + int(cx)
            far = (rows[:, None] - cy) ** 2 + (columns[None, :] - cx) ** 2
            window = np.ix_(rows % TILE, columns % TILE)
            depth[window] = np.maximum(depth[window], np.clip(1 - far / radius**2, 0, 1))
    along_x = (np.roll(depth, -1, 1) - np.roll(depth, 1, 1)) * spacing / 4
    along_y = (np.roll(depth, -1, 0) - np.roll(depth, 1, 0)) * spacing / 4
    return depth, along_x, along_y


def clouds(rng: np.random.Generator, height: int, width: int, cell: float) -> NDArray[np.float32]:
    """Smooth random light and dark, [height, width], about -1..1, blobs of about `cell` pixels."""
    rows, columns = max(2, int(height / cell) + 2), max(2, int(width / cell) + 2)
    coarse = Image.fromarray(rng.uniform(-1, 1, (rows, columns)).astype(np.float32))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))


def grain(rng: np.random.Generator, height: int, width: int, sigma: float) -> NDArray[np.float32]:
    """A window of `tile(sigma)` at a random place, transposed or not; read only."""
    field = _tiled(sigma, -(-max(height, width) // TILE) + 1)
    if rng.random() < 0.5:
        field = field.T
    top, left = rng.integers(0, TILE, 2)
    return field[top : top + height, left : left + width]


@lru_cache(maxsize=16)
def _tiled(sigma: float, times: int) -> NDArray[np.float32]:
    return np.tile(tile(sigma), (times, times))


@lru_cache(maxsize=16)
def photograph(index: int) -> Image.Image:
    """One of the photographs inside the scikit-image package, RGB, at most 512 pixels."""
    import skimage

    path = Path(skimage.__file__).parent / "data" / PHOTOGRAPHS[index % len(PHOTOGRAPHS)]
    with Image.open(path, formats=("JPEG", "PNG")) as opened:
        image = opened.convert("RGB")
    image.thumbnail((512, 512), Image.Resampling.BOX)
    return image


@lru_cache(maxsize=16)
def cloth(source: int | Crop) -> NDArray[np.float32]:
    """A photograph as a tile that repeats by mirroring, flat: [3, 256 * 256], 0..1."""
    half = TILE // 2
    if isinstance(source, Crop):
        image = source.image(half, half)
    else:
        image = photograph(source).resize((half, half), Image.Resampling.BOX)
    quarter = np.asarray(image).transpose(2, 0, 1).astype(np.float32) / 255
    half = np.concatenate([quarter, quarter[:, ::-1]], 1)
    return np.concatenate([half, half[:, :, ::-1]], 2).reshape(3, -1)


def texture(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """A random window of a random photograph, [3, height, width], 0..1."""
    image = photograph(int(rng.integers(len(PHOTOGRAPHS))))
    share = rng.uniform(0.25, 1.0)
    w, h = image.width * share, image.height * share
    left, top = rng.uniform(0, image.width - w), rng.uniform(0, image.height - h)
    window = image.resize(
        (width, height), Image.Resampling.BILINEAR, box=(left, top, left + w, top + h)
    )
    if rng.random() < 0.5:
        window = window.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    order = rng.permutation(3) if rng.random() < 0.3 else (0, 1, 2)
    planes = np.asarray(window).transpose(2, 0, 1)[list(order)]
    return planes.astype(np.float32) * np.float32(1 / 255)
