"""TIFF, by tifffile: Pillow reads no 16-bit RGB, and turns only TIFF upright by itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from sam2pal.images.header import Header, check_size, noted
from sam2pal.images.samples import to_rgb, to_uint8
from sam2pal.io.errors import InputError

if TYPE_CHECKING:
    import tifffile

_PALETTE, _CMYK = 3, 5  # photometric interpretations
_READABLE = {0, 1, 2, _PALETTE, _CMYK}  # and bilevel, grey, RGB


def _open(path: str | Path) -> tifffile.TiffFile:
    import tifffile  # here, as it takes half a second that no other photograph needs

    return tifffile.TiffFile(path)


def _header(path: str | Path, tiff: tifffile.TiffFile) -> Header:
    page = tiff.pages.first
    check_size(path, page.imagewidth, page.imagelength)
    if page.photometric not in _READABLE and page.compression != 7:
        name = getattr(page.photometric, "name", page.photometric)
        raise InputError(f"{path}: TIFF of colour kind {name} cannot be read; export it as RGB")
    if page.imagedepth > 1:
        raise InputError(f"{path}: a TIFF volume cannot be read; export one plane")
    size = tiff.filehandle.size
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        if offset + count > size:
            raise InputError(
                f"{path}: the file is truncated ({size} bytes, its pixels reach to byte"
                f" {offset + count}); copy it again from its source"
            )
    value = page.tags.valueof(274, default=1)
    pages = len(tiff.pages)
    notes = (f"first of {pages} pages",) if pages > 1 else ()
    orientation = int(value) if value in range(1, 9) else 1
    return Header(page.imagewidth, page.imagelength, orientation, notes)


def inspect(path: str | Path) -> Header:
    """The header of the first page; InputError if its data reach beyond the end of the file."""
    with _open(path) as tiff:
        return _header(path, tiff)


def decode(path: str | Path) -> tuple[Header, np.ndarray]:
    """Header, and uint8 `[height, width, 3]` as stored."""
    with _open(path) as tiff:
        header = _header(path, tiff)
        page = tiff.pages.first
        samples = page.asarray()
        if page.planarconfig == 2 and page.samplesperpixel > 1:
            samples = np.moveaxis(samples, 0, -1)
        samples = samples.reshape(page.imagelength, page.imagewidth, -1)
        if page.photometric == _PALETTE:
            # Writers store an entry v as 256 v or 257 v; the high byte is v in both.
            table = (page.colormap >> 8 if page.colormap.max() > 255 else page.colormap).T
            return header, table.astype(np.uint8)[samples[..., 0]]
        bits = page.bitspersample
        declared = bits if isinstance(bits, int) and bits not in (1, 8, 16, 32, 64) else None
        samples, limit = to_uint8(samples, declared)
        header = noted(header, bits if declared is None else 0, limit)
        if page.photometric == 0:  # white is zero
            samples = 255 - samples
        if page.photometric == _CMYK:
            ink = np.ascontiguousarray(samples[..., :4])
            return header, np.array(Image.fromarray(ink, "CMYK").convert("RGB"))
        colours = 1 if page.photometric in (0, 1) else 3
        kinds = [int(kind) for kind in page.extrasamples]
        extra = kinds[0] if kinds and samples.shape[2] > colours else 0
        if samples.shape[2] < colours:
            raise InputError(f"{path}: {samples.shape[2]} samples a pixel; export it as RGB")
        # Extra samples of unspecified kind are selections and the like, not transparency.
        alpha = extra in (1, 2)
        return header, to_rgb(samples[..., : colours + alpha], alpha, premultiplied=extra == 1)
