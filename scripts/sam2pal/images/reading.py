"""Reading photographs of any usual kind into upright 8-bit RGB.

Decisions, which the README states too:

- Whole numbers of more than 8 bits are scaled by the smallest of 8, 12, 16 and 32 bits that holds
  the file's largest value, because cameras store 12 bits in 16-bit files; TIFF files that declare
  another depth are scaled by that depth. Floats are scaled by the smallest of 1, 255 and 65535
  that holds the largest value; negative values and NaN become black.
- Transparent pixels are composited on white. Colour profiles are not applied.
- Of a file with several pages the first is read, and this is said in `Photograph.notes`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from sam2pal.images import pillow, tiff
from sam2pal.images.header import MAX_PIXELS, Header
from sam2pal.images.orientation import stored, upright
from sam2pal.io.errors import InputError

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"})

# Photographs that are seen and named, but not decoded.
UNSUPPORTED_SUFFIXES = frozenset(
    {".heic", ".heif", ".avif", ".jp2", ".jxl", ".psd", ".gif", ".czi", ".lif", ".nd2"}
    | {".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".orf", ".rw2"}
    | {".raf", ".pef", ".raw", ".3fr", ".iiq", ".erf", ".mrw"}
)

_READABLE = "PNG, JPEG, TIFF, BMP or WebP"
_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


@dataclass(frozen=True)
class Photograph:
    """A decoded photograph.

    Attributes:
        pixels: uint8 `[H, W, 3]`, RGB, upright.
        orientation: EXIF orientation, 1 to 8, of the file.
        width, height: in pixels, as stored on disk (exchanged for orientations 5 to 8).
        notes: see `Header`.
    """

    pixels: np.ndarray
    orientation: int
    width: int
    height: int
    notes: tuple[str, ...] = ()

    def to_stored(self, mask: np.ndarray) -> np.ndarray:
        """Turn an upright mask `[H, W]` into the orientation on disk, `[height, width]`."""
        return stored(mask, self.orientation)

    def to_upright(self, mask: np.ndarray) -> np.ndarray:
        """Turn a mask `[height, width]` as stored on disk into the upright one, `[H, W]`."""
        return upright(mask, self.orientation)


def read_photograph(path: str | Path) -> Photograph:
    """Decode a photograph.

    Raises:
        InputError: the file is missing, empty, truncated, too large, or not a readable photograph.
    """
    header, pixels = _guarded(path, _decoder(path).decode)
    return Photograph(
        np.require(upright(pixels, header.orientation), requirements="CW"),
        header.orientation,
        header.width,
        header.height,
        header.notes,
    )


def inspect(path: str | Path, full: bool = False) -> Header:
    """Read size and orientation, and check that the file is whole.

    PNG and JPEG are checked by how they end, TIFF by where its data lie; a file that fails such
    a check, or has no cheap one, is decoded to find out. `full` decodes every file.

    Raises:
        InputError: as `read_photograph`.
    """
    decoder = _decoder(path)
    if full:
        return _guarded(path, decoder.decode)[0]
    return _guarded(path, decoder.inspect)


def probe(path: str | Path, full: bool = False) -> tuple[int, int]:
    """`(width, height)` as stored on disk; see `inspect`."""
    header = inspect(path, full)
    return header.width, header.height


def _decoder(path: str | Path) -> ModuleType:
    """The module for a file's first bytes; refuse what cannot be a readable photograph."""
    try:
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
    except (InputError, MemoryError):
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
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{path}: the photograph cannot be decoded ({reason}); it is probably truncated or"
            f" damaged: copy it again from its source, or export it again as {_READABLE}"
        ) from error
