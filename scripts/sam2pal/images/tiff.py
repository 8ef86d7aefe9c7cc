"""TIFF, by tifffile: Pillow reads no 16-bit RGB, and turns only TIFF upright by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from sam2pal.images import jpeg
from sam2pal.images.header import Header, check_memory, check_size, with_range_note
from sam2pal.images.pages import compose, composite_channels, main_page, stated_maximum
from sam2pal.images.reduction import Decoded, factor_for, large_enough, reduced, reduced_bands
from sam2pal.images.samples import FEW_BITS, limit_of, scaled, to_rgb, to_uint8, with_alpha
from sam2pal.io.errors import InputError

if TYPE_CHECKING:
    import tifffile

_PALETTE, _CMYK = 3, 5  # photometric interpretations
_READABLE = {0, 1, 2, _PALETTE, _CMYK}  # and bilevel, grey, RGB
MAX_SAMPLES = 64  # of a pixel: multispectral photographs have a dozen
# into how many bytes a byte unpacks at most: none, LZW, deflate (two numbers), PackBits
_PACKED = {1: 1, 5: 2731, 8: 1032, 32946: 1032, 32773: 64}
_BAND = 256  # rows that are decoded at a time, at least


def _open(path: str | Path) -> tifffile.TiffFile:
    import tifffile  # here, as it takes half a second that no other photograph needs

    return tifffile.TiffFile(path)


def _header(path: str | Path, tiff: tifffile.TiffFile) -> Header:
    page, channels = main_page(tiff), composite_channels(path, tiff)
    check_size(path, page.imagewidth, page.imagelength)
    if page.photometric not in _READABLE and page.compression != 7:
        name = getattr(page.photometric, "name", page.photometric)
        raise InputError(f"{path}: TIFF of colour kind {name} cannot be read; export it as RGB")
    if page.samplesperpixel > MAX_SAMPLES:
        raise InputError(
            f"{path}: {page.samplesperpixel} samples per pixel are more than {MAX_SAMPLES}; export it as RGB"
        )
    if page.imagedepth > 1:
        raise InputError(f"{path}: a TIFF volume cannot be read; export one plane")
    size = tiff.filehandle.size
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        if offset + count > size:
            raise InputError(
                f"{path}: the file is truncated ({size} bytes, its pixels reach to byte"
                f" {offset + count}); copy it again from its source"
            )
    bits = page.imagewidth * page.imagelength * page.samplesperpixel * (page.bitspersample or 8)
    held = sum(page.databytecounts)
    if held * _PACKED.get(page.compression, bits) < bits // 8:
        raise InputError(
            f"{path}: the file is truncated ({held} bytes cannot hold {page.imagewidth} x"
            f" {page.imagelength} pixels); copy it again from its source"
        )
    value = page.tags.valueof(274, default=tiff.pages.first.tags.valueof(274, default=1))
    pages, notes = len(tiff.pages), ()
    if channels > 1:
        notes = (f"{channels} channels of an ImageJ composite as one photograph in colour",)
    elif page is not tiff.pages.first:
        notes = ("a larger page than the first, which is a preview",)
    elif pages > 1:
        notes = (f"first of {pages} pages",)
    colours = 1 if page.photometric in (0, 1, _PALETTE) else 3
    if page.samplesperpixel > colours + 2:  # more than transparency and a selection
        notes += (f"{colours} of {page.samplesperpixel} samples of each pixel",)
    orientation = int(value) if value in range(1, 9) else 1
    return Header(page.imagewidth, page.imagelength, orientation, notes)


def inspect(path: str | Path) -> Header:
    """The header of the photograph; InputError if its data reach beyond the end of the file."""
    with _open(path) as tiff:
        return _header(path, tiff)


def colour_profile(path: str | Path) -> bytes | None:
    """The ICC profile of the photograph, if the file has one."""
    with _open(path) as tiff:
        return main_page(tiff).tags.valueof("InterColorProfile")


def decode(path: str | Path, at_least: int | None = None) -> Decoded:
    """The photograph as stored, reduced where it is much larger than `at_least`.

    Grey and RGB of 8 or 16 bits are averaged band by band, a band being a row of tiles or some strips; of a
    pyramid of 8 bits the smallest level that is large enough is read instead. Other kinds are decoded in full
    and then averaged.
    """
    with _open(path) as tiff:
        header = _header(path, tiff)
        page = main_page(tiff)
        factor = factor_for(header.width, header.height, at_least)
        plain = _is_plain(page) and composite_channels(path, tiff) == 1
        if factor > 1 and plain:
            level = _level(tiff, page, at_least or 0)
            if level is not None:
                pixels, _ = _in_bands(level, *_everything(level))
                return Decoded(header, pixels, (level.imagewidth, level.imagelength))
            means, largest = reduced_bands(_bands(page), factor)
            if means.dtype == np.uint16:
                limit = limit_of(largest, stated=stated_maximum(page))
                means, header = scaled(means, limit), with_range_note(header, 16, limit)
            return Decoded(
                header, _in_colour(page, means), (header.width / factor, header.height / factor)
            )
        taken = 3 + page.samplesperpixel * (page.bitspersample or 8) / 8
        if plain:
            share = min(1, _step(page) / header.height)  # of the photograph, in a band
            check_memory(path, header.width, header.height, 3.5 + 2 * share * taken)
            pixels, limit = _in_bands(page, *_everything(page))
            header = with_range_note(header, page.bitspersample, limit)
        else:
            check_memory(path, header.width, header.height, 2 * taken)
            header, pixels = _decode(path, header, page)
    return reduced(header, pixels, at_least)


def decode_window(path: str | Path, rows: slice, columns: slice) -> np.ndarray:
    """uint8 `[h, w, 3]`: a part of the photograph, as stored.

    Only its tiles or strips are decoded; of 16 bits others, too, until a value above 16383 has been seen.
    Kinds other than grey and RGB are decoded in full.
    """
    with _open(path) as tiff:
        header = _header(path, tiff)
        page = main_page(tiff)
        if not _is_plain(page) or composite_channels(path, tiff) > 1:
            return np.ascontiguousarray(_decode(path, header, page)[1][rows, columns])
        return _in_bands(page, rows, columns)[0]


def _in_bands(page: tifffile.TiffPage, rows: slice, columns: slice) -> tuple[np.ndarray, int]:
    """uint8 `[h, w, 3]` of a part of a plain page, and the value that becomes 255.

    A band of rows at a time, so that samples of 16 bits are never all in memory.
    """
    limit = 255
    if page.dtype == np.uint16:
        largest, stated = 0, stated_maximum(page)
        for band in _bands(page):
            largest = max(largest, int(band.max()))
            if largest > max(FEW_BITS, stated or 0):  # no larger one changes the limit
                break
        limit = limit_of(largest, stated=stated)
    found = np.empty((rows.stop - rows.start, columns.stop - columns.start, 3), np.uint8)
    step = _step(page)
    for top in range(rows.start // step * step, rows.stop, step):
        band = slice(max(top, rows.start), min(top + step, rows.stop))
        samples = _part(page, band, columns)
        if samples.dtype == np.uint16:
            samples = scaled(samples, limit)
        found[band.start - rows.start : band.stop - rows.start] = _in_colour(page, samples)
    return found, limit


def _is_plain(page: tifffile.TiffPage) -> bool:
    """Whether it is grey or RGB of 8 or 16 bits, without transparency, all samples of a pixel together."""
    return (
        page.samplesperpixel == (1 if page.photometric in (0, 1) else 3)
        and not page.extrasamples
        and (page.photometric in (0, 1, 2) or page.compression == 7)
        and page.bitspersample in (8, 16)
        and page.dtype in (np.uint8, np.uint16)
        and page.planarconfig == 1
    )


def _in_colour(page: tifffile.TiffPage, samples: np.ndarray) -> np.ndarray:
    """uint8 `[h, w, 3]` of uint8 `[h, w, 1 or 3]`, of a plain page."""
    if page.photometric == 0:  # white is zero
        samples = 255 - samples
    return to_rgb(samples)


def _level(
    tiff: tifffile.TiffFile, first: tifffile.TiffPage, at_least: int
) -> tifffile.TiffPage | None:
    """The smallest level of a pyramid, of 8 bits, that is large enough; None if that is the photograph.

    Of 16 bits the largest value decides how they are scaled, and only the largest level has it.
    """
    if first.dtype != np.uint8:
        return None
    levels = next((s.levels for s in tiff.series if s.levels[0].keyframe.index == first.index), [])
    pages = [level.pages[0] for level in levels[1:]]
    fitting = [
        page
        for page in pages
        if page is not None
        and _is_plain(page)
        and page.dtype == first.dtype
        and page.samplesperpixel == first.samplesperpixel
        and _alike(page, first)
        and large_enough(page.imagewidth, page.imagelength, at_least)
    ]
    return min(fitting, key=lambda page: page.imagewidth, default=None)


def _alike(level: tifffile.TiffPage, page: tifffile.TiffPage) -> bool:
    """Whether sides have the same ratio, but for rounding: previews may be cut or padded."""
    width, height = page.imagewidth, page.imagelength
    return abs(level.imagewidth * height - level.imagelength * width) <= max(width, height)


def _everything(page: tifffile.TiffPage) -> tuple[slice, slice]:
    return slice(0, page.imagelength), slice(0, page.imagewidth)


def _step(page: tifffile.TiffPage) -> int:
    """Rows of a band: whole rows of tiles or strips."""
    chunk = page.chunks[0]
    return -(-_BAND // chunk) * chunk


def _bands(page: tifffile.TiffPage) -> Iterator[np.ndarray]:
    """The samples `[h, width, c]` of a plain page, a band at a time."""
    step = _step(page)
    for top in range(0, page.imagelength, step):
        yield _part(page, slice(top, min(top + step, page.imagelength)), slice(0, page.imagewidth))


def _part(page: tifffile.TiffPage, rows: slice, columns: slice) -> np.ndarray:
    """The samples `[h, w, c]` of a part of a plain page, from the tiles or strips that it touches."""
    high, wide = page.chunks[:2]
    across = -(-page.imagewidth // wide)
    down, along = (
        range(part.start // size, -(-part.stop // size))
        for part, size in ((rows, high), (columns, wide))
    )
    indices = [y * across + x for y in down for x in along]
    shape = (rows.stop - rows.start, columns.stop - columns.start, page.samplesperpixel)
    found = np.full(shape, page.nodata, page.dtype)
    tables = {}
    if page.compression == 7:
        tables = {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader}
    offsets, counts = (
        [where[i] for i in indices] for where in (page.dataoffsets, page.databytecounts)
    )
    for data, index in page.parent.filehandle.read_segments(offsets, counts, indices):
        if page.compression == 7 and data:
            _check_jpeg(page, data)
        samples, (_, _, top, left, _), (_, height, width, _) = page.decode(data, index, **tables)
        if samples is None:
            continue
        first, start = max(rows.start, top), max(columns.start, left)
        last = min(rows.stop, top + height, page.imagelength)
        end = min(columns.stop, left + width, page.imagewidth)
        found[
            first - rows.start : last - rows.start, start - columns.start : end - columns.start
        ] = samples[0, first - top : last - top, start - left : end - left]
    return found


def _check_jpeg(page: tifffile.TiffPage, data: bytes) -> None:
    """Raise `DamagedPixelsError` if libjpeg, which fills with grey what it cannot read, would warn."""
    content = bytes(page.jpegtables[:-2] + data[2:]) if page.jpegtables else bytes(data)
    jpeg.decode(content, (1, 1), "L" if page.samplesperpixel == 1 else "RGB")


def _decode(path: str | Path, header: Header, page: tifffile.TiffPage) -> tuple[Header, np.ndarray]:
    """Header with a note, and uint8 `[height, width, 3]` as stored, of a page of any kind."""
    channels = composite_channels(path, page.parent)
    if channels > 1:
        pixels, limit = compose(path, page.parent, channels)
        return with_range_note(header, page.bitspersample, limit), pixels
    if page.compression == 7:
        segments = page.parent.filehandle.read_segments(page.dataoffsets, page.databytecounts)
        for data, _ in segments:
            _check_jpeg(page, data)
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
    colours = 1 if page.photometric in (0, 1) else 3
    kinds = [int(kind) for kind in page.extrasamples]
    # Extra samples of unspecified kind are selections and the like, not transparency.
    alpha = kinds[:1] in ([1], [2]) and samples.shape[2] > colours and page.photometric != _CMYK
    if alpha:
        samples, limit = with_alpha(samples[..., : colours + 1], declared, stated_maximum(page))
    else:
        samples, limit = to_uint8(samples, declared, stated_maximum(page))
    header = with_range_note(header, bits if declared is None else 0, limit)
    if page.photometric == 0:  # white is zero
        samples = np.concatenate([255 - samples[..., :1], samples[..., 1:]], axis=2)
    if page.photometric == _CMYK:
        ink = np.ascontiguousarray(samples[..., :4])
        return header, np.array(Image.fromarray(ink, "CMYK").convert("RGB"))
    if samples.shape[2] < colours:
        raise InputError(f"{path}: {samples.shape[2]} samples per pixel; export it as RGB")
    return header, to_rgb(samples[..., : colours + alpha], alpha, premultiplied=kinds[:1] == [1])
