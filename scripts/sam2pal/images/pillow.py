"""PNG, JPEG, BMP and WebP, by Pillow.

JPEG is decoded by the module `jpeg`, to the same bytes, so that what is damaged is noticed.
Plain PNG is decoded by libpng: of 16 bits because Pillow drops the low bytes, RGB of 8 bits because
it takes less than two thirds of the time.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from sam2pal.images import jpeg
from sam2pal.images.header import FORMATS, Header, check_memory, check_size, with_range_note
from sam2pal.images.jpeg import DamagedPixelsError
from sam2pal.images.reduction import Decoded, factor_for, reduced
from sam2pal.images.samples import to_rgb, to_uint8, with_alpha

_ROWS = 1024  # that are converted at a time
_XMP = ("xmp", "XML:com.adobe.xmp")  # whose orientation Pillow obeys and no browser does


def _header(path: str | Path, image: Image.Image) -> Header:
    check_size(path, *image.size)
    notes = ()
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        notes = (f"first of {image.n_frames} pages",)
    return Header(*image.size, _orientation(path, image), notes)


def _orientation(path: str | Path, image: Image.Image) -> int:
    try:
        if image.format == "PNG" and "exif" not in image.info and _png_ends_with_exif(path):
            image.load()  # what stands before the pixels is known
        for key in _XMP:
            image.info.pop(key, None)
        value = Image.Image.getexif(image).get(0x0112, 1)
    except Exception:  # a damaged EXIF block says nothing about the pixels
        return 1
    return value if value in range(1, 9) else 1


def colour_profile(path: str | Path) -> bytes | None:
    """The ICC profile of the photograph, if the file has one."""
    with Image.open(path, formats=FORMATS) as image:
        return image.info.get("icc_profile")


def inspect(path: str | Path) -> Header:
    """The header; decodes the file unless it ends as a whole PNG or JPEG does."""
    with Image.open(path, formats=FORMATS) as image:
        header = _header(path, image)
        if not _ends_well(path, image.format) or jpeg.is_short(path, *image.size):
            decode(path)
    return header


def _ends_well(path: str | Path, kind: str | None) -> bool:
    with open(path, "rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(-min(1024, file.tell()), os.SEEK_END)
        end = file.read()
    if kind == "PNG":
        return b"IEND\xaeB`\x82" in end
    return kind in ("JPEG", "MPO") and end.rstrip(b"\0\r\n ").endswith(b"\xff\xd9")


def decode(path: str | Path, at_least: int | None = None, rows: int | None = None) -> Decoded:
    """The photograph as stored, reduced where it is much larger than `at_least`.

    Args:
        rows: that suffice, from above: of a PNG in RGB of 8 bits the others are then not decoded.
    """
    with Image.open(path, formats=FORMATS) as image:
        header = _header(path, image)
        if image.format in ("JPEG", "MPO"):
            factor = factor_for(header.width, header.height, at_least)
            taken = 8 if image.mode == "CMYK" else 3.2
            check_memory(path, -(-header.width // factor), -(-header.height // factor), taken)
            return _jpeg(Path(path).read_bytes(), image.mode, header, factor)
        depth = _png_depth(path) if image.format == "PNG" else 0
        if depth == 16 or (depth == 8 and image.mode == "RGB" and not image.has_transparency_data):
            import imagecodecs  # here, as not all photographs need it

            if depth == 8 and rows and rows < header.height and not image.info.get("interlace"):
                check_memory(path, header.width, rows, 3.5)
                samples = imagecodecs.spng_decode(_shortened(path, rows))
                return Decoded(header, samples, (header.width, header.height))
            check_memory(path, *image.size, 3.5 if depth == 8 else 13)
            samples = imagecodecs.png_decode(Path(path).read_bytes())
            if depth == 8:
                return reduced(header, samples, at_least)
            if samples.ndim == 2:
                samples = samples[..., None]
            alpha = samples.shape[2] in (2, 4)
            samples, limit = with_alpha(samples) if alpha else to_uint8(samples)
            return reduced(
                with_range_note(header, 16, limit), to_rgb(samples, alpha=alpha), at_least
            )
        if image.format == "PNG":
            _check_png(path)
        check_memory(path, *image.size, 8)
        image.load()
        return reduced(header, _pillow_rgb(image), at_least)


def _jpeg(content: bytes, mode: str, header: Header, factor: int) -> Decoded:
    width, height = header.width, header.height
    pixels = jpeg.decode(content, (-(-width // factor), -(-height // factor)), mode)
    if mode == "CMYK":
        inks = (255 - pixels[top : top + _ROWS] for top in range(0, len(pixels), _ROWS))
        pixels = np.concatenate([Image.fromarray(ink, "CMYK").convert("RGB") for ink in inks])
    return Decoded(header, pixels, (width / factor, height / factor))


def _png_chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Kind and length of each chunk of a PNG, the file being where its content begins."""
    place = 8
    while len(start := _at(file, place, 8)) == 8:
        length, kind = struct.unpack(">I4s", start)
        yield kind, length
        place += length + 12


def _at(file: BinaryIO, place: int, count: int) -> bytes:
    file.seek(place)
    return file.read(count)


def _png_ends_with_exif(path: str | Path) -> bool:
    """Whether a PNG has EXIF, or text that may hold it, after its pixels."""
    pixels = False
    with open(path, "rb") as file:
        for kind, _ in _png_chunks(file):
            if pixels and kind in (b"eXIf", b"tEXt", b"zTXt", b"iTXt"):
                return True
            pixels = pixels or kind == b"IDAT"
    return False


def _check_png(path: str | Path) -> None:
    """Raise `DamagedPixelsError` if a checksum of the pixels is wrong; Pillow does not look at them."""
    with open(path, "rb") as file:
        for kind, length in _png_chunks(file):
            found = kind == b"IDAT" and zlib.crc32(file.read(length), zlib.crc32(kind))
            if kind == b"IDAT" and found != int.from_bytes(file.read(4), "big"):
                raise DamagedPixelsError("the checksum of its pixels is wrong")


def _png_depth(path: str | Path) -> int:
    with open(path, "rb") as file:
        return file.read(25)[24]


def _shortened(path: str | Path, rows: int) -> np.ndarray:
    """The bytes of a PNG that says it has so many rows; libspng ends with the last of them."""
    content = np.fromfile(path, np.uint8)
    start = bytearray(content[:33])  # the signature and IHDR
    start[20:24] = rows.to_bytes(4, "big")
    start[29:33] = zlib.crc32(start[12:29]).to_bytes(4, "big")
    content[:33] = start
    return content


def _pillow_rgb(image: Image.Image) -> np.ndarray:
    """uint8 `[height, width, 3]` of a loaded image of any mode."""
    if image.mode.startswith(("I", "F")):
        return to_rgb(to_uint8(np.asarray(image))[0][..., None])
    unseen = "A" in image.getbands() and not image.getchannel("A").getbbox()  # see `to_rgb`
    found = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, _ROWS):  # as each conversion copies
        part = image.crop((0, top, image.width, min(top + _ROWS, image.height)))
        if part.has_transparency_data and not unseen:
            part = part.convert("RGBA")
            part = Image.alpha_composite(Image.new("RGBA", part.size, "white"), part)
        found[top : top + _ROWS] = part.convert("RGB")
    return found
