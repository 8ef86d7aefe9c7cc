"""JPEG, by libjpeg-turbo, whose warnings are errors.

libjpeg itself fills what it cannot read with grey and only warns; so would a photograph be measured of
which half is missing.
"""

import os
import re
import struct
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

MAX_SCANS = 500  # libjpeg-turbo's own limit for files that are not trusted
LEAST = 8 * 64  # pixels a byte: a code has one bit at least for each block of 8 x 8
SPARE = 4  # bytes too many before the end, which some cameras write
_SEQUENTIAL, _PROGRESSIVE = {0xC0, 0xC1}, {0xC2}
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_ALONE = {0x01, *range(0xD0, 0xD9)}
_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")
_EXTRANEOUS = re.compile(r"(\d+) extraneous bytes before marker 0x([0-9a-f]{2})")
_DAMAGE = ("Corrupt JPEG", "Premature end", "Inconsistent progression")
_HARMLESS = (
    "unknown JFIF",
    "Unknown Adobe",
    "Invalid SOS parameters",
    "Corrupt JPEG data: bad ICC",
)


class DamagedPixelsError(ValueError):
    """A JPEG of which pixels are missing or wrong."""


class _Scan(NamedTuple):
    components: bytes
    first: int
    last: int
    shift: int  # bits of its coefficients that it leaves out


def decode(content: bytes, size: tuple[int, int], mode: str) -> np.ndarray:
    """All pixels of a JPEG, at its size or at a half, a quarter or an eighth of it.

    Args:
        size: (width, height) wanted, in pixels.
        mode: `RGB`, `L` or `CMYK`, the colours of the file.

    Returns:
        uint8 `[h, w, 3]`, or `[h, w, 4]` for `CMYK`.

    Raises:
        DamagedError: pixels are missing or wrong.
        ValueError: a kind of JPEG that libjpeg-turbo cannot decode.
    """
    import simplejpeg  # here, as not all photographs need it

    check_scans(content)
    colours = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}[mode]
    decoded = partial(
        simplejpeg.decode_jpeg, colorspace=colours, min_width=size[0], min_height=size[1]
    )
    content = _without_garbage(content)
    try:
        pixels = decoded(content)
    except ValueError as error:
        if not _harmless(str(error)):
            kind = DamagedPixelsError if str(error).startswith(_DAMAGE) else ValueError
            raise kind(str(error)) from error
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pixels = decoded(content, strict=False)
    return np.repeat(pixels, 3, axis=2) if mode == "L" else pixels


def _without_garbage(content: bytes) -> bytes:
    """Without what lies between the segments before the pixels."""
    kept = [content[:2]]
    for marker, segment, place in _segments(content):
        if marker == 0xDA:
            length = sum(map(len, kept))
            same = length == place - 2
            return content if same else b"".join([*kept, content[place - 2 :]])
        kept.append(struct.pack(">BBH", 0xFF, marker, len(segment) + 2) + segment)
    return content


def _harmless(message: str) -> bool:
    """Whether a warning is of what surrounds the pixels and not of them."""
    if found := _EXTRANEOUS.search(message):
        return found[2] == "d9" and int(found[1]) <= SPARE
    return any(text in message for text in _HARMLESS)


def is_short(path: str | Path, width: int, height: int) -> bool:
    """Whether a file is so short for its pixels that only decoding tells if it holds them."""
    return width * height // LEAST > os.path.getsize(path)


def check_scans(content: bytes) -> None:
    """Check without decoding that a JPEG has enough bytes and every bit of every coefficient.

    Raises:
        DamagedError: the file is too short for its size, or was cut between two scans.
    """
    frame, known = 0, {}
    for number, (marker, segment, _) in enumerate(_segments(content)):
        if marker in _FRAMES and not frame and len(segment) >= 6:
            frame = marker
            height, width, count = struct.unpack(">HHB", segment[1:6])
            known = dict.fromkeys(segment[6 : 6 + 3 * count : 3])
            if frame in _SEQUENTIAL | _PROGRESSIVE and len(content) < width * height // LEAST:
                raise DamagedPixelsError(
                    f"{len(content):,} bytes are too few for {width} x {height} pixels"
                )
        elif marker == 0xDA and frame:
            scan = _scan(segment)
            for component in scan.components:
                shifts = known.get(component) or [None] * 64
                shifts[scan.first : scan.last + 1] = [scan.shift] * (scan.last + 1 - scan.first)
                known[component] = shifts
            if frame not in _PROGRESSIVE and all(known.values()):
                return  # all components are in it, and what follows is pixels
        if number > 4 * MAX_SCANS:
            raise DamagedPixelsError(f"more than {MAX_SCANS} scans")
    lacking = any(shifts is None for shifts in known.values())
    if frame in _PROGRESSIVE and not lacking:
        lacking = any(shift != 0 for shifts in known.values() for shift in shifts)
    if lacking:
        raise DamagedPixelsError("it ends before its last scan")


def _scan(segment: bytes) -> _Scan:
    count = segment[0] if segment else 0
    if len(segment) < 4 + 2 * count:
        raise DamagedPixelsError("the header of a scan is cut")
    first, last, bits = segment[1 + 2 * count : 4 + 2 * count]
    return _Scan(segment[1 : 1 + 2 * count : 2], min(first, 63), min(last, 63), bits & 15)


def _segments(content: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Markers up to the end of the first image, what belongs to each, and where that begins."""
    place = 2
    while found := _MARKER.search(content, place):
        marker, place = found[1][0], found.end()
        if marker == 0xD9:
            return
        if marker in _ALONE:
            continue
        length = int.from_bytes(content[place : place + 2], "big")
        yield marker, content[place + 2 : place + length], place
        place += max(length, 2)
