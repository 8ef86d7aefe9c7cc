"""Pictures of masks that lie among photographs."""

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from threading import Lock

import numpy as np
import scipy
from PIL import Image

from sam2pal.images.header import FORMATS, LARGE_PIXELS
from sam2pal.images.reading import IMAGE_SUFFIXES

_NAME = re.compile(r"(?P<stem>.+?)[ _.-]+(masks?|seg|segmentation)", re.IGNORECASE)
_SPARSE = 0.1  # bytes a pixel: what a mask is packed into, and a photograph is not
_ROWS = 64  # looked at first
_SOFT = 11  # pixels from inside to outside of a soft edge
_EDGES = 0.1  # of a picture's pixels that may be soft edges
_AT_EDGES = 0.9  # of these lie between ground and structure
_TINT = 16  # levels by which a soft edge may differ from its structure's colour made darker
_MOST_COLOURS = 2**16
_ONE_AT_A_TIME = Lock()  # of large pictures, which threads would hold beside each other


def named_masks(names: Iterable[str]) -> dict[str, str]:
    """Which of these files are called after another one, as `a_mask.png` after `a.jpg`: name to name."""
    photographs: Mapping[str, str] = {
        os.path.splitext(name)[0].casefold(): name
        for name in names
        if os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES
    }
    found = {}
    for stem, name in photographs.items():
        folder, base = os.path.split(stem)
        match = _NAME.fullmatch(base)
        of = photographs.get(os.path.join(folder, match["stem"])) if match else None
        if of is not None:
            found[name] = of
    return found


def is_mask_picture(path: str | Path) -> bool:
    """Whether a picture that can be read is a ground and one colour, with soft edges at most.

    The ground is black or transparent. Pictures with lossy compression, and those that take more
    bytes than a mask does, are not decoded.
    """
    with Image.open(path, formats=FORMATS) as image:
        if image.format not in ("PNG", "TIFF", "BMP", "WEBP"):
            return False
        pixels = image.width * image.height
        single = image.mode in ("1", "L") and image.format in ("TIFF", "BMP")
        if os.path.getsize(path) > max(4096, _SPARSE * pixels) and not single:
            return False
        if image.mode not in ("1", "L", "P", "RGB", "I;16", "I", "RGBA", "LA"):
            return False
        with _ONE_AT_A_TIME if pixels >= LARGE_PIXELS else nullcontext():
            return _ground_and_one_colour(image)


def odd_colours(image: Image.Image) -> tuple[np.ndarray, np.ndarray] | None:
    """An RGB picture's main colour, [3], and those, [N, 3], that are no darker shades of it, commonest first.

    None if it has so many colours that it is no picture of a mask.
    """
    counted = image.getcolors(_MOST_COLOURS)
    if counted is None:
        return None
    counts, colours = (np.array(of) for of in zip(*counted, strict=True))
    bright = 2 * colours.max(axis=1) >= colours.max()
    main = colours[bright][counts[bright].argmax()]
    depth = colours @ main / max(1, main @ main)
    odd = np.abs(colours - depth[:, None] * main).max(axis=1) > _TINT
    return main, colours[odd][np.argsort(-counts[odd], kind="stable")]


def _ground_and_one_colour(image: Image.Image) -> bool:
    first = _levels(image.crop((0, 0, image.width, min(_ROWS, image.height))))
    if first is None or np.mean((first > first.min()) & (first < first.max())) > _EDGES:
        return False
    levels = _levels(image)
    if levels is None or levels.min() != 0 or not levels.any():
        return False
    ground, full = levels == 0, levels == levels.max()
    between = int(levels.size) - int(ground.sum()) - int(full.sum())
    if between == 0:
        return True
    if between > min(int(full.sum()), _EDGES * levels.size):
        return False
    soft = scipy.ndimage.maximum_filter(ground, _SOFT) & scipy.ndimage.maximum_filter(full, _SOFT)
    soft &= ~(ground | full)
    return int(soft.sum()) >= _AT_EDGES * between


def _levels(image: Image.Image) -> np.ndarray | None:
    """How far each pixel [H, W] is from the ground, of a picture of one colour; None of others."""
    if image.mode in ("RGBA", "LA") or "transparency" in image.info:
        rgba = np.asarray(image.convert("RGBA"))
        opacity = rgba[..., 3]
        if opacity.min() < 255:
            shown = rgba[opacity == 255]
            return opacity if (shown == shown[:1]).all() else None
        image = image.convert("RGB")
    if image.mode == "P":
        image = image.convert("RGB")
    values = np.asarray(image)
    if values.ndim == 2:
        return values
    counted = odd_colours(image)
    return None if counted is None or len(counted[1]) else values.max(axis=2)
