"""Which pages of a TIFF are the photograph: neither previews nor the first channel alone."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sam2pal.images.samples import limit_of, scaled
from sam2pal.io.errors import InputError

if TYPE_CHECKING:
    import tifffile

_REDUCED, _MASK = 1, 4  # bits of NewSubfileType
_LOOKED_AT = 32  # pages: a preview stands near its photograph
_COLOURS = np.array(  # of the channels of an ImageJ composite that has no tables of its own
    [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0)], np.float32
)


def main_page(tiff: tifffile.TiffFile) -> tifffile.TiffPage:
    """The first page, or the largest where the first is a preview.

    It is one if it says so, if one of its SubIFDs is larger, or if another page has at least twice its width
    and height.
    """
    first = tiff.pages.first
    pages, below = [], []
    with suppress(Exception):  # a damaged page behind the photograph does it no harm
        for index in range(min(len(tiff.pages), _LOOKED_AT)):
            page = tiff.pages[index]
            pages.append(page)
            below += page.pages or () if index == 0 or page.is_reduced else ()
    preview = bool(first.subfiletype & _REDUCED)
    fitting = [
        page
        for page in (*pages[1:], *below)
        if not page.subfiletype & _MASK
        and _size(page) > _size(first)
        and (preview or page in below or _twice(page, first))
    ]
    return max(fitting, key=_size, default=first)


def _size(page: tifffile.TiffPage) -> int:
    return page.imagewidth * page.imagelength


def _twice(page: tifffile.TiffPage, first: tifffile.TiffPage) -> bool:
    return page.imagewidth >= 2 * first.imagewidth and page.imagelength >= 2 * first.imagelength


def stated_maximum(page: tifffile.TiffPage) -> int | None:
    """The largest value that samples may have, where the file states it otherwise than by their depth.

    SMaxSampleValue is taken as it is. ImageJ writes the range that it displays, often that of the photograph
    itself, so its end is rounded up to whole bits.
    """
    value = page.tags.valueof(341)
    if value is not None:
        return int(np.max(value)) or None
    found = page.parent.imagej_metadata or {} if page.parent.is_imagej else {}
    ends = [*(found.get("Ranges") or ())[1::2], found.get("max") or 0]
    largest = max(float(end) for end in ends)
    return limit_of(largest - 1) if 255 < largest <= 65536 else None


def composite_channels(path: str | Path, tiff: tifffile.TiffFile) -> int:
    """How many grey channels of an ImageJ file make its colours; 1 if it is no composite.

    Raises:
        InputError: more than seven, which ImageJ does not show in colour either.
    """
    found = tiff.imagej_metadata or {} if tiff.is_imagej else {}
    if tiff.pages.first.samplesperpixel > 1:
        return 1
    count = int(found.get("channels") or 1)
    if found.get("Labels") == ["Red", "Green", "Blue"] and found.get("images") == 3:
        count = 3  # Image > Type > RGB Stack
    if count > len(_COLOURS):
        raise InputError(
            f"{path}: an ImageJ file of {count} channels cannot be read; choose three of them in ImageJ,"
            " then Image > Type > RGB Color, and save that as TIFF"
        )
    return max(1, count)


def compose(path: str | Path, tiff: tifffile.TiffFile, count: int) -> tuple[np.ndarray, int]:
    """The channels of an ImageJ composite as one photograph in colour.

    Returns:
        uint8 `[height, width, 3]`, the sum of the channels, each in the colour of its table; and the value
        that becomes 255, the same for all channels.

    Raises:
        InputError: the file does not hold that many channels, or they are not whole numbers.
    """
    page = tiff.pages.first
    if page.dtype not in (np.uint8, np.uint16):
        raise InputError(
            f"{path}: an ImageJ composite of type {page.dtype}; in ImageJ choose Image > Type > RGB"
            " Color, and save that as TIFF"
        )
    shape = (count, page.imagelength, page.imagewidth)
    if len(tiff.pages) >= count:
        channels = [tiff.pages[index].asarray() for index in range(count)]
        whole = all(channel.shape == shape[1:] for channel in channels)
    else:  # large stacks have one page, and the other channels lie behind its pixels
        handle, begin = tiff.filehandle, page.dataoffsets[0]
        size = int(np.prod(shape)) * page.dtype.itemsize
        whole = begin + size <= handle.size and page.compression == 1
        if whole:
            kind = page.dtype.newbyteorder(tiff.byteorder)
            channels = list(handle.memmap_array(kind, shape, begin))
    if not whole:
        raise InputError(
            f"{path}: the file is truncated, or its {count} channels differ in size; copy it again"
            " from its source, or save it as RGB Color with ImageJ"
        )
    limit = 255
    if page.dtype == np.uint16:
        limit = limit_of(max(int(one.max()) for one in channels), stated=stated_maximum(page))
    total = np.zeros((*shape[1:], 3), np.float32)
    for channel, colour in zip(channels, _colours(tiff, count), strict=True):
        total += scaled(channel, limit)[..., None] * colour
    return np.rint(np.minimum(total, 255)).astype(np.uint8), limit


def _colours(tiff: tifffile.TiffFile, count: int) -> np.ndarray:
    """`[count, 3]` of 0 to 1: the ends of the stored tables, unless all of these are grey."""
    tables = (tiff.imagej_metadata or {}).get("LUTs") or ()
    ends = np.array([np.asarray(table)[:, -1] for table in tables], np.float32) / 255
    if len(ends) != count or (ends == ends[:, :1]).all():
        return _COLOURS[:count]
    return ends
