"""Pictures of masks that lie among photographs."""

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from threading import Lock

import numpy as np
from PIL import Image

from sam2pal.images.header import FORMATS, LARGE_PIXELS
from sam2pal.images.reading import IMAGE_SUFFIXES

_NAME = re.compile(r"(?P<stem>.+?)[ _.-]+(masks?|seg|segmentation)", re.IGNORECASE)
_SPARSE = 0.1  # bytes a pixel: what a mask is packed into, and a photograph is not
_ROWS = 64  # looked at first
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
    """Whether a picture that can be read is black and one other grey, and nothing else.

    Pictures with lossy compression, and those that take more bytes than a mask does, are not decoded.
    """
    with Image.open(path, formats=FORMATS) as image:
        if image.format not in ("PNG", "TIFF", "BMP", "WEBP"):
            return False
        pixels = image.width * image.height
        single = image.mode in ("1", "L") and image.format in ("TIFF", "BMP")
        if os.path.getsize(path) > max(4096, _SPARSE * pixels) and not single:
            return False
        if image.mode not in ("1", "L", "P", "RGB", "I;16", "I"):
            return False
        with _ONE_AT_A_TIME if pixels >= LARGE_PIXELS else nullcontext():
            return _black_and_one_grey(image)


def _black_and_one_grey(image: Image.Image) -> bool:
    for height in (min(_ROWS, image.height), image.height):
        part = image.crop((0, 0, image.width, height))
        values = np.asarray(part.convert("RGB") if image.mode == "P" else part)
        grey = values if values.ndim == 2 else values[..., 0]
        if values.ndim == 3 and (values != grey[..., None]).any():
            return False
        least, most = int(grey.min()), int(grey.max())
        if not ((grey == least) | (grey == most)).all():
            return False
    return least == 0 < most
