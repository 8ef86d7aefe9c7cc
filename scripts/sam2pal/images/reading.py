"""Reading photographs of any usual kind into upright 8-bit RGB.

Where less than the whole is asked for, each format gives what its library can:

| format | a smaller photograph | a window |
| --- | --- | --- |
| JPEG | decoded at 1/2, 1/4 or 1/8 (libjpeg) | all of it is decoded |
| TIFF | the fitting level of a pyramid of 8 bits; else means of boxes, band by band | its tiles or strips |
| PNG | all of it is decoded, then means of boxes | RGB of 8 bits down to its last row (`read_part`) |
| BMP, WebP | all of it is decoded, then means of boxes | all of it is decoded |

All data of a file are read and checked, except the finer levels of a pyramid and what lies outside of a
window of a TIFF or below that of a PNG: of these it is only known that the file reaches to their ends.
"""

import math
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from sam2pal.images import pillow, tiff
from sam2pal.images.address import check_inside, split
from sam2pal.images.header import MAX_PIXELS, Header
from sam2pal.images.jpeg import DamagedPixelsError
from sam2pal.images.orientation import stored, swaps_sides, upright
from sam2pal.images.reduction import large_enough
from sam2pal.images.window import Window
from sam2pal.io.errors import InputError

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp", ".webp"}
)

# Photographs that are seen and named, but not decoded.
UNSUPPORTED_SUFFIXES = frozenset(
    {".heic", ".heif", ".avif", ".jp2", ".jxl", ".psd", ".gif", ".czi", ".lif", ".nd2"}
    | {".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".orf", ".rw2"}
    | {".raf", ".pef", ".raw", ".3fr", ".iiq", ".erf", ".mrw"}
)

NO_FILE = "this is not a regular file but a pipe, a socket or a device; remove it"
_READABLE = "PNG, JPEG, TIFF, BMP or WebP"
_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


@dataclass(frozen=True)
class Photograph:
    """A decoded photograph.

    Attributes:
        pixels: uint8 `[h, w, 3]`, RGB, upright, of the window; fewer than it has if fewer were asked for.
        orientation: EXIF orientation, 1 to 8, of the file.
        frame: (left, top, right, bottom), where the edges of the window lie in `pixels` if these are
            fewer: the last row and column may belong to it only in part.
        window: what of the photograph the pixels show; all of it if not given.
    """

    pixels: np.ndarray
    orientation: int
    width: int
    height: int
    notes: tuple[str, ...] = ()
    frame: tuple[float, float, float, float] | None = None
    window: Window | None = None

    @property
    def displayed_shape(self) -> tuple[int, int]:
        """`(H, W)`, height and width in pixels of the whole photograph, upright."""
        swapped = swaps_sides(self.orientation)
        return (self.width, self.height) if swapped else (self.height, self.width)

    @property
    def shown(self) -> Window:
        """What of the photograph the pixels show."""
        return self.window or Window.whole(*self.displayed_shape)

    def small(self, side: int) -> np.ndarray:
        """uint8 `[h, w, 3]`: what is shown, its longer side no more than `side` pixels."""
        window = self.shown
        scale = min(1.0, side / window.side)
        size = max(1, round(window.width * scale)), max(1, round(window.height * scale))
        image = Image.fromarray(self.pixels)
        return np.asarray(image.resize(size, Image.Resampling.BILINEAR, box=self.frame))

    def stored_box(self) -> tuple[int, int, int, int]:
        """(left, top, width, height) of what is shown, in the orientation on disk."""
        (high, wide), window = self.displayed_shape, self.shown
        right, bottom = wide - window.left - window.width, high - window.top - window.height
        margins = _turned((window.left, window.top, right, bottom), self.orientation, stored)
        left, top, right, bottom = margins
        return left, top, self.width - left - right, self.height - top - bottom

    def upright_box(
        self, left: int, top: int, width: int, height: int
    ) -> tuple[int, int, int, int]:
        """(top, left, height, width), upright, of a box in the orientation on disk."""
        margins = (left, top, self.width - left - width, self.height - top - height)
        left, top, right, bottom = _turned(margins, self.orientation, upright)
        high, wide = self.displayed_shape
        return top, left, high - top - bottom, wide - left - right

    def cut(self, window: Window) -> "Photograph":
        """A window inside of what is shown, of the pixels that are there."""
        shown = self.shown
        left, top, right, bottom = self.frame or (0.0, 0.0, shown.width, shown.height)
        across, down = (right - left) / shown.width, (bottom - top) / shown.height
        first, start = window.top - shown.top, window.left - shown.left
        ends = (
            left + start * across,
            top + first * down,
            left + (start + window.width) * across,
            top + (first + window.height) * down,
        )
        first, start = math.floor(ends[1]), math.floor(ends[0])
        last, end = math.ceil(ends[3]), math.ceil(ends[2])
        frame = ends[0] - start, ends[1] - first, ends[2] - start, ends[3] - first
        pixels = np.ascontiguousarray(self.pixels[first:last, start:end])
        return replace(self, pixels=pixels, frame=frame if self.frame else None, window=window)

    def to_stored(self, mask: np.ndarray) -> np.ndarray:
        """Turn an upright mask `[H, W]` into the orientation on disk, `[height, width]`."""
        return stored(mask, self.orientation)

    def to_upright(self, mask: np.ndarray) -> np.ndarray:
        """Turn a mask `[height, width]` as stored on disk into the upright one, `[H, W]`."""
        return upright(mask, self.orientation)


def read_photograph(path: str | Path, at_least: int | None = None) -> Photograph:
    """Decode a photograph, or the window that an address names.

    Args:
        at_least: longer side in pixels that is needed. The pixels of a much larger photograph are reduced by
            2, 4 or 8 (a TIFF pyramid: to one of its levels), so that their longer side is still twice this
            or more, and antialiased resizing decides what comes out. All pixels of a window, or if not given.

    Raises:
        InputError: the file is missing, empty, truncated, too large, or not a readable photograph.
    """
    file, window = split(path)
    if window is not None:
        inspect(path)
        return Photograph(read_window(file, window), 1, window.width, window.height)
    decoded = _guarded(path, partial(_decoder(path).decode, at_least=at_least))
    header, pixels = decoded.header, decoded.pixels
    frame = None
    if decoded.extent != (header.width, header.height):
        right, bottom = (n - e for n, e in zip(pixels.shape[1::-1], decoded.extent, strict=True))
        left, top, right, bottom = _turned((0, 0, right, bottom), header.orientation, upright)
        wide, high = pixels.shape[1::-1] if header.orientation < 5 else pixels.shape[:2]
        frame = left, top, wide - right, high - bottom
    return Photograph(
        np.require(upright(pixels, header.orientation), requirements="CW"),
        header.orientation,
        header.width,
        header.height,
        header.notes,
        frame,
    )


def read_part(path: str | Path, box: tuple[int, int, int, int]) -> Photograph:
    """All pixels of a photograph, or fewer: of a TIFF those of a box, of a PNG those down to its last row.

    Args:
        box: (left, top, width, height), as stored on disk; one that reaches beyond the photograph is ignored.
    """
    left, top, width, height = box
    if split(path)[1] is not None:
        return read_photograph(path)
    is_tiff, nothing = _decoder(path) is tiff, np.zeros((0, 0, 3), np.uint8)
    if is_tiff:
        header = _guarded(path, tiff.inspect)
        if left + width > header.width or top + height > header.height:
            return read_photograph(path)
    else:
        header, pixels, _ = _guarded(path, partial(pillow.decode, rows=top + height))
        box = 0, 0, header.width, len(pixels)
    whole = Photograph(nothing, header.orientation, header.width, header.height, header.notes)
    window = Window(*whole.upright_box(*box))
    if is_tiff:
        return replace(whole, pixels=read_window(path, window), window=window)
    pixels = np.require(upright(pixels, header.orientation), requirements="CW")
    return replace(whole, pixels=pixels, window=window)


def look_closer(
    path: str | Path, photograph: Photograph, window: Window, at_least: int
) -> Photograph:
    """A window of a photograph or all of it, decoded again where the pixels that were read do not suffice.

    Args:
        photograph: all of the file, perhaps reduced.
        at_least: longer side of the window in pixels that is needed.

    Raises:
        InputError: as `read_photograph`.
    """
    whole, size = window == photograph.shown, photograph.pixels.shape[:2]
    needed = math.ceil(at_least * max(photograph.displayed_shape) / window.side)
    # pixels to spare are not worth reading all of a photograph twice
    enough = max(size) >= needed if whole else large_enough(*size, needed)
    if photograph.frame and not enough:
        if _decoder(path) is tiff and not whole:
            pixels = read_window(path, window)
            return replace(photograph, pixels=pixels, frame=None, window=window)
        photograph = read_photograph(path, needed)
    return photograph if whole else photograph.cut(window)


def read_window(path: str | Path, window: Window) -> np.ndarray:
    """A part of a photograph at its own size, the same bytes as in `read_photograph`.

    Returns:
        uint8 `[height, width, 3]`.

    Raises:
        InputError: as `read_photograph`; or the window is empty, or reaches beyond the photograph.
    """
    if _decoder(path) is not tiff:
        state = os.stat(path)
        with _ONE_AT_A_TIME:
            photograph = _last(os.fspath(path), state.st_size, state.st_mtime_ns)
        check_inside(path, window, photograph.displayed_shape)
        return photograph.pixels[window.slices].copy()
    header = _guarded(path, tiff.inspect)
    wide, high = header.displayed_size
    check_inside(path, window, (high, wide))
    top, left, height, width = window
    margins = (left, top, wide - left - width, high - top - height)
    left, top, right, bottom = _turned(margins, header.orientation, stored)
    rows, columns = slice(top, header.height - bottom), slice(left, header.width - right)
    pixels = _guarded(path, partial(tiff.decode_window, rows=rows, columns=columns))
    return np.require(upright(pixels, header.orientation), requirements="CW")


_ONE_AT_A_TIME = Lock()


@lru_cache(maxsize=1)
def _last(path: str, size: int, mtime_ns: int) -> Photograph:
    """The photograph whose windows were read last: the specimens of a tray follow each other."""
    return read_photograph(path)


def _turned(margins: tuple, orientation: int, turn: Callable) -> tuple:
    """Margins (left, top, right, bottom) turned as an array is."""
    left, top, right, bottom = margins
    around = turn(np.array([[0, top, 0], [left, 0, right], [0, bottom, 0]]), orientation)
    return tuple(around[[1, 0, 1, 2], [0, 1, 2, 1]].tolist())


def inspect(path: str | Path, full: bool = False) -> Header:
    """Read size and orientation, and check that the file is whole. A window is upright.

    PNG and JPEG are checked by how they end, TIFF by where its data lie; a file that fails such
    a check, or has no cheap one, is decoded to find out. `full` decodes every file.

    Raises:
        InputError: as `read_photograph`.
    """
    file, window = split(path)
    if window is not None:
        check_inside(path, window, inspect(file, full).displayed_size[::-1])
        return Header(window.width, window.height)
    decoder = _decoder(path)
    if full:
        return _guarded(path, decoder.decode).header
    return _guarded(path, decoder.inspect)


def colour_profile(path: str | Path) -> bytes | None:
    """The ICC profile by which the colours of a photograph, or of the one that it is a window of, are meant.

    None if the file has none: they are sRGB then.

    Raises:
        InputError: as `read_photograph`.
    """
    file = split(path)[0]
    return _guarded(file, _decoder(file).colour_profile)


def _decoder(path: str | Path) -> ModuleType:
    """The module for a file's first bytes; refuse what cannot be a readable photograph."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode) and not os.path.isdir(path):
            raise InputError(f"{path}: {NO_FILE}")
        with open(path, "rb") as file:
            start = file.read(16)
    except FileNotFoundError:
        raise InputError(f"{path}: the photograph does not exist; correct its path") from None
    except IsADirectoryError:
        raise InputError(f"{path}: this is a folder, not a photograph; correct its path") from None
    except OSError as error:
        raise InputError(
            f"{path}: the photograph cannot be opened ({error.strerror}); check its permissions"
        ) from error
    if not start:
        raise InputError(f"{path}: the file is empty (0 bytes); copy it again from its source")
    suffix = Path(path).suffix.lower()
    if start[4:8] == b"ftyp" and start[8:12] in _HEIC_BRANDS:
        raise InputError(f"{path}: HEIC photographs cannot be read; export it as {_READABLE}")
    if suffix in UNSUPPORTED_SUFFIXES:
        raise InputError(
            f"{path}: {suffix[1:].upper()} files cannot be read; export it as {_READABLE}"
        )
    return tiff if start[:4] in _TIFF_MAGIC else pillow


def _guarded(path: str | Path, decode: Callable[[str | Path], Any]) -> Any:
    """Call a decoder; whatever a damaged file makes it raise becomes an `InputError`."""
    try:
        return decode(path)
    except InputError:
        raise
    except UnidentifiedImageError as error:
        raise InputError(
            f"{path}: this is not a photograph that can be read; expected {_READABLE}"
        ) from error
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{path}: more than {MAX_PIXELS:,} pixels; cut the photograph into specimens"
            " or reduce it"
        ) from error
    except DamagedPixelsError as error:
        raise InputError(
            f"{path}: damaged: {error}; it is truncated, or part of it was overwritten: copy it again"
            f" from its source, or export it again as {_READABLE}"
        ) from error
    except MemoryError as error:
        raise InputError(
            f"{path}: there is not enough memory to decode it; ask for more, reduce the photograph, or"
            " cut it into specimens"
        ) from error
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{path}: the photograph cannot be decoded ({reason}); it is probably truncated or"
            f" damaged: copy it again from its source, or export it again as {_READABLE}"
        ) from error
