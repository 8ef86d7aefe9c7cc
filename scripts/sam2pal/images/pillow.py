"""PNG, JPEG, BMP and WebP, by Pillow; PNG of 16 bits by libpng, as Pillow drops the low bytes."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

from sam2pal.images.header import Header, check_size, noted
from sam2pal.images.samples import to_rgb, to_uint8


def _header(path: str | Path, image: Image.Image) -> Header:
    check_size(path, *image.size)
    notes = ()
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        notes = (f"first of {image.n_frames} pages",)
    return Header(*image.size, _orientation(image), notes)


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:  # a damaged EXIF block says nothing about the pixels
        return 1
    return value if value in range(1, 9) else 1


def inspect(path: str | Path) -> Header:
    """The header; decodes the file unless it ends as a whole PNG or JPEG does."""
    with Image.open(path) as image:
        header = _header(path, image)
        if not _ends_well(path, image.format):
            image.load()
    return header


def _ends_well(path: str | Path, kind: str | None) -> bool:
    with open(path, "rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(-min(1024, file.tell()), os.SEEK_END)
        end = file.read()
    if kind == "PNG":
        return b"IEND\xaeB`\x82" in end
    return kind in ("JPEG", "MPO") and end.rstrip(b"\0\r\n ").endswith(b"\xff\xd9")


def decode(path: str | Path) -> tuple[Header, np.ndarray]:
    """Header, and uint8 `[height, width, 3]` as stored."""
    with Image.open(path) as image:
        header = _header(path, image)
        if image.format == "PNG" and _png_depth(path) == 16:
            import imagecodecs  # here, as few photographs need it

            samples, limit = to_uint8(imagecodecs.png_decode(Path(path).read_bytes()))
            if samples.ndim == 2:
                samples = samples[..., None]
            alpha = samples.shape[2] in (2, 4)
            return noted(header, 16, limit), to_rgb(samples, alpha=alpha)
        image.load()
        return header, _pillow_rgb(image)


def _png_depth(path: str | Path) -> int:
    with open(path, "rb") as file:
        return file.read(25)[24]


def _pillow_rgb(image: Image.Image) -> np.ndarray:
    """uint8 `[height, width, 3]` of a loaded image of any mode."""
    if image.mode.startswith(("I", "F")):
        return to_rgb(to_uint8(np.asarray(image))[0][..., None])
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return np.array(image.convert("RGB"))
