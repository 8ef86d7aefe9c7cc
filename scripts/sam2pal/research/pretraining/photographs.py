"""Real pictures with drawn masks, letterboxed."""

import logging
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sam2pal.dataset.dataset import Dataset
from sam2pal.images.letterbox import IMAGENET_MEAN, IMAGENET_STD, Letterbox
from sam2pal.images.reading import read_photograph
from sam2pal.io.errors import InputError

log = logging.getLogger(__name__)

# dozens of equal things a picture: their union is a texture, not a structure
CROWDS = frozenset({"nucleus", "spot", "islet"})
# every so manieth picture of a set with masks judges, and never teaches
HELD_OUT = 5


@dataclass(frozen=True)
class PictureSet:
    """One set of real pictures, `S` pixels on each side.

    Attributes:
        images: uint8 [n, S, S, 3], letterboxed.
        boxes: int [n, 4], where the picture lies in its square: top, left, height, width.
        by_class: for each class the mask of each picture that shows it, of all its instances together: uint8
            [S, S / 8], eight pixels a byte.
        left_out: whether the whole set judges, and never teaches.
    """

    name: str
    pictures: list[str]
    images: NDArray[np.uint8]
    boxes: NDArray[np.int64]
    by_class: Mapping[str, Mapping[int, NDArray[np.uint8]]]
    left_out: bool = False

    @classmethod
    def read(cls, source: Path, side: int) -> "PictureSet":
        """A set: a folder with `images/` and a COCO file `annotations.json`.

        Raises:
            InputError: `source` has no folder `images`, or one without pictures; the COCO file is not sound.
        """
        files = sorted((source / "images").glob("*.*"))
        if not files:
            raise InputError(f"{source}: no pictures in its folder images")
        log.info("reading the %d pictures of %s", len(files), source)
        path = source / "annotations.json"
        drawn = {one.file_name: one.masks for one in Dataset(path, source="drawn").specimens}
        images, boxes = [], []
        by_class: dict[str, dict[int, NDArray[np.uint8]]] = {}
        for number, file in enumerate(files):
            pixels = read_photograph(file).pixels
            box = Letterbox(*pixels.shape[:2], side)
            images.append(_letterboxed(box, pixels))
            boxes.append(box.box)
            masks = drawn.get(file.name, {})
            for name in masks:
                if name in CROWDS:
                    continue
                packed = np.packbits(box.mask_to_square(masks[name]) > 0.5, axis=-1)
                by_class.setdefault(name, {})[number] = packed
        names = [file.name for file in files]
        return cls(source.name, names, np.stack(images), np.array(boxes), by_class)

    def held_out(self, picture: int) -> bool:
        """Whether the picture only judges."""
        return self.left_out or zlib.crc32(self.pictures[picture].encode()) % HELD_OUT == 0

    def picture(self, number: int) -> Tensor:
        """Colours [3, S, S] in 0..1, NaN outside of the picture."""
        colours = torch.from_numpy(self.images[number].astype(np.float32) / 255).movedim(-1, 0)
        top, left, height, width = self.boxes[number]
        picture = torch.full_like(colours, torch.nan)
        inside = np.s_[:, top : top + height, left : left + width]
        picture[inside] = colours[inside]
        return picture

    def mask(self, name: str, picture: int) -> Tensor:
        """The drawn mask [S, S] of a class on a picture, of 0 and 1."""
        packed = self.by_class[name][picture]
        return torch.from_numpy(np.unpackbits(packed, axis=-1).astype(np.float32))


def _letterboxed(box: Letterbox, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    square = box.image_to_square(pixels)
    mean, std = (np.array(v, np.float32)[:, None, None] for v in (IMAGENET_MEAN, IMAGENET_STD))
    return np.round((square * std + mean) * 255).clip(0, 255).astype(np.uint8).transpose(1, 2, 0)
