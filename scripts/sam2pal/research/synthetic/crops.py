"""Cuticle and backgrounds cut from a folder of photographs of specimens."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sam2pal.images.header import FORMATS
from sam2pal.images.reading import IMAGE_SUFFIXES
from sam2pal.io.errors import InputError

SIDE = 256  # photographs are made this small before they are cut


@dataclass(frozen=True)
class Crop:
    """A part of a photograph; `box` is its left, top, right and bottom, as shares of the whole."""

    path: str
    box: tuple[float, float, float, float]

    def image(self, width: int, height: int) -> Image.Image:
        """The part at this size, RGB."""
        box = tuple(SIDE * share for share in self.box)
        return _small(self.path).resize((width, height), Image.Resampling.BILINEAR, box)

    def light(self, height: int, width: int) -> NDArray[np.float32]:
        """The part as light 0..1, [3, height, width]."""
        planes = np.asarray(self.image(width, height), np.float32).transpose(2, 0, 1)
        return planes * np.float32(1 / 255)


@lru_cache(maxsize=64)
def _small(path: str) -> Image.Image:
    try:
        with Image.open(path, formats=FORMATS) as opened:
            opened.draft("RGB", (SIDE, SIDE))
            return opened.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    except OSError as error:
        raise InputError(
            f"{path}: this photograph cannot be read ({error}); repair or remove it"
        ) from error


@lru_cache(maxsize=8)
def photographs_in(folder: Path) -> tuple[str, ...]:
    """The photographs in a folder, by name; InputError if there are none."""
    found = sorted(str(p) for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        suffixes = ", ".join(sorted(IMAGE_SUFFIXES))
        raise InputError(
            f"{folder}: expected photographs to cut textures from ({suffixes}), found none"
        )
    return tuple(found)


def cut_scene(rng: np.random.Generator, folder: Path) -> Crop:
    """An upper corner of some photograph, where nothing but the background shows as a rule."""
    paths = photographs_in(folder)
    width, height = rng.uniform(0.15, 0.4), rng.uniform(0.12, 0.28)
    left = 0.0 if rng.random() < 0.5 else 1 - width
    box = (float(left), 0.0, float(left + width), float(height))
    return Crop(paths[int(rng.integers(len(paths)))], box)


def cut_cuticle(rng: np.random.Generator, folder: Path) -> Crop:
    """A piece from the middle of some photograph: of four, the one least like the corners."""
    paths = photographs_in(folder)
    path = paths[int(rng.integers(len(paths)))]
    whole = np.asarray(_small(path), np.float32)
    corner = int(0.1 * SIDE)
    behind = (whole[:corner, :corner].mean((0, 1)) + whole[:corner, -corner:].mean((0, 1))) / 2
    best, farthest = None, -1.0
    for _ in range(4):
        size = rng.uniform(0.08, 0.2)
        left, top = rng.uniform(0.25, 0.75 - size, 2)
        box = (float(left), float(top), float(left + size), float(top + size))
        x0, y0, x1, y1 = (int(SIDE * share) for share in box)
        far = float(np.abs(whole[y0:y1, x0:x1].mean((0, 1)) - behind).sum())
        if far > farthest:
            best, farthest = Crop(path, box), far
    return best
