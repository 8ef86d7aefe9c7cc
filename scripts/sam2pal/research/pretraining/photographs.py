"""Real pictures, letterboxed once and kept on disk: with drawn masks, and with regions of their own.

A set is a folder with `images/` and, if it has masks, a COCO file `annotations.json`. What is kept
of it: `images.npy`, the masks of each class of each picture (all its instances together), and
Felzenszwalb and Huttenlocher's (2004) regions at several scales, which are structures for
self-supervision (Ouyang et al. 2020): what one view of a picture shows must be found on another.
"""

import json
import logging
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import felzenszwalb, find_boundaries
from torch import Tensor

from sam2pal.dataset.rle import decode_mask
from sam2pal.images.letterbox import IMAGENET_MEAN, IMAGENET_STD, Letterbox
from sam2pal.images.reading import read_photograph
from sam2pal.io.errors import InputError

log = logging.getLogger(__name__)

# Felzenszwalb's (scale, sigma, smallest region in pixels), from parts of limbs to whole bodies
LEVELS = ((60.0, 0.8, 40), (200.0, 0.8, 60), (600.0, 0.8, 100))
# dozens of equal things a picture: their union is a texture, not a structure
CROWDS = frozenset({"nucleus", "spot", "islet"})
# every so manieth picture of a set with masks judges, and never teaches
HELD_OUT = 5
_SMALLEST, _LARGEST = 50, 0.3  # of a region: pixels; share of the picture


@dataclass(frozen=True)
class PictureSet:
    """One set of real pictures, `S` pixels on each side.

    Attributes:
        images: uint8 [n, S, S, 3], letterboxed.
        boxes: int [n, 4], where the picture lies in its square: top, left, height, width.
        labels: int [m], picture of each mask; and `classes`, its class.
        packed: uint8 [m, S, S / 8], the masks, eight pixels a byte.
        regions: uint16 [n, levels, S, S], the number of the region each pixel belongs to.
        found: int32 [r, 3], picture, level and number of each region that can be a structure, sorted.
        weights: float [r], how often each is to be asked for.
        left_out: whether the whole set judges, and never teaches.
    """

    name: str
    pictures: list[str]
    images: NDArray[np.uint8]
    boxes: NDArray[np.int64]
    labels: NDArray[np.int64]
    classes: list[str]
    packed: NDArray[np.uint8]
    regions: NDArray[np.uint16]
    found: NDArray[np.int32]
    weights: NDArray[np.float64]
    left_out: bool = False

    @cached_property
    def by_class(self) -> dict[str, dict[int, int]]:
        """For each class the row in `packed` of each picture that shows it."""
        table: dict[str, dict[int, int]] = {}
        for row, (picture, name) in enumerate(zip(self.labels.tolist(), self.classes, strict=True)):
            table.setdefault(name, {})[picture] = row
        return table

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

    def mask(self, row: int) -> Tensor:
        """A drawn mask [S, S] of 0 and 1."""
        return torch.from_numpy(np.unpackbits(self.packed[row], axis=-1).astype(np.float32))

    def region(self, row: int) -> Tensor:
        """A region [S, S] of 0 and 1."""
        picture, level, number = self.found[row]
        return torch.from_numpy((self.regions[picture, level] == number).astype(np.float32))

    def regions_of(self, picture: int) -> range:
        """The rows of `found` that lie on the picture."""
        first, last = np.searchsorted(self.found[:, 0], [picture, picture + 1])
        return range(int(first), int(last))


def cached(source: Path, cache: Path, side: int) -> PictureSet:
    """A set of pictures, prepared if the cache does not hold it as it is.

    Raises:
        InputError: `source` has no folder `images`, or one without pictures.
    """
    files = sorted((source / "images").glob("*.*"))
    if not files:
        raise InputError(f"{source}: no pictures in its folder images")
    wanted = {
        "levels": [list(level) for level in LEVELS],
        "files": [[path.name, path.stat().st_size] for path in files],
    }
    folder = cache / f"{source.name}-{side}"
    index = folder / "index.json"
    if not index.is_file() or json.loads(index.read_text())["wanted"] != wanted:
        log.info("preparing the %d pictures of %s", len(files), source)
        _prepare(source, files, folder, side, wanted)
    stored = json.loads(index.read_text())
    arrays = {
        key: np.load(folder / f"{key}.npy", mmap_mode="r")
        for key in ("images", "boxes", "labels", "packed", "regions", "found", "weights")
    }
    names = [path.name for path in files]
    return PictureSet(source.name, names, classes=stored["classes"], **arrays)


def _prepare(source: Path, files: list[Path], folder: Path, side: int, wanted: dict) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.json").unlink(missing_ok=True)
    drawn = _drawn_masks(source)
    images, boxes, labels, classes, packed = [], [], [], [], []
    regions, found, weights = [], [], []
    for number, path in enumerate(files):
        photograph = read_photograph(path)
        box = Letterbox(*photograph.pixels.shape[:2], side)
        pixels = _letterboxed(box, photograph.pixels)
        images.append(pixels)
        boxes.append(box.box)
        for name, mask in drawn.get(path.name, {}).items():
            labels.append(number)
            classes.append(name)
            packed.append(np.packbits(box.mask_to_square(mask) > 0.5, axis=-1))
        numbers, rows, asked = _segment(pixels, box)
        regions.append(numbers)
        found += [(number, level, region) for level, region in rows]
        weights += asked
    arrays = {
        "images": np.stack(images),
        "boxes": np.array(boxes),
        "labels": np.array(labels, np.int64),
        "packed": np.stack(packed) if packed else np.zeros((0, side, side // 8), np.uint8),
        "regions": np.stack(regions),
        "found": np.array(found, np.int32).reshape(-1, 3),
        "weights": np.array(weights, np.float64),
    }
    for key, values in arrays.items():
        np.save(folder / f"{key}.npy", values)
    # last, as its presence says that the others are whole
    (folder / "index.json").write_text(json.dumps({"wanted": wanted, "classes": classes}))


def _drawn_masks(source: Path) -> dict[str, dict[str, NDArray[np.bool_]]]:
    """For each file the masks of its classes, all instances of a class together."""
    path = source / "annotations.json"
    if not path.is_file():
        return {}
    data = json.loads(path.read_text())
    files = {image["id"]: image["file_name"] for image in data["images"]}
    names = {category["id"]: category["name"] for category in data["categories"]}
    masks: dict[str, dict[str, NDArray[np.bool_]]] = {}
    for annotation in data["annotations"]:
        name = names[annotation["category_id"]]
        if name in CROWDS:
            continue
        of_file = masks.setdefault(files[annotation["image_id"]], {})
        mask = decode_mask(annotation["segmentation"])
        of_file[name] = of_file[name] | mask if name in of_file else mask
    return masks


def _letterboxed(box: Letterbox, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    square = box.image_to_square(pixels)
    mean, std = (np.array(v, np.float32)[:, None, None] for v in (IMAGENET_MEAN, IMAGENET_STD))
    return np.round((square * std + mean) * 255).clip(0, 255).astype(np.uint8).transpose(1, 2, 0)


def _segment(
    pixels: NDArray[np.uint8], box: Letterbox
) -> tuple[NDArray[np.uint16], list[tuple[int, int]], list[float]]:
    """Regions [levels, S, S] from 1 on (0 outside), and level, number and weight of each usable one."""
    side = box.square
    top, left, height, width = box.box
    inside = np.s_[top : top + height, left : left + width]
    regions = np.zeros((len(LEVELS), side, side), np.uint16)
    rows, weights = [], []
    for level, (scale, sigma, smallest) in enumerate(LEVELS):
        numbers = felzenszwalb(pixels[inside], scale=scale, sigma=sigma, min_size=smallest) + 1
        regions[level][inside] = numbers
        area = np.bincount(numbers.ravel())[1:]
        spans = np.array(
            [[part.stop - part.start for part in place] for place in ndimage.find_objects(numbers)]
        )
        # what spans the picture is its background
        usable = (area >= _SMALLEST) & (area <= _LARGEST * height * width)
        usable &= (spans < 0.9 * np.array([height, width])).all(1)
        depth = ndimage.distance_transform_edt(~find_boundaries(numbers, mode="inner"))
        widest = 1 + ndimage.maximum(depth, numbers, np.arange(1, len(area) + 1))
        weight = np.where(area > 8 * widest**2, 2.0, 1.0) * np.sqrt(area)
        rows += [(level, int(number)) for number in 1 + np.flatnonzero(usable)]
        # one level asks as often as the other
        weights += (weight[usable] / max(weight[usable].sum(), 1e-9)).tolist()
    return regions, rows, weights
