"""Reading photographs of any usual kind into upright 8-bit RGB.

Decisions, which the README states too:

- Whole numbers of more than 8 bits are scaled by the smallest of 8, 12, 16 and 32 bits that holds
  the file's largest value, because cameras store 12 bits in 16-bit files; TIFF files that declare
  another depth are scaled by that depth. Floats are scaled by the smallest of 1, 255 and 65535
  that holds the largest value; negative values and NaN become black.
- Transparent pixels are composited on white. Colour profiles are not applied.
- Of a file with several pages the first is read, and this is said in `Photograph.notes`.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, UnidentifiedImageError

from sam2pal.errors import InputError
from sam2pal.images.orientation import stored, upright

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"})

# Photographs that are seen and named, but not decoded.
UNSUPPORTED_SUFFIXES = frozenset(
    {".heic", ".heif", ".avif", ".jp2", ".jxl", ".psd", ".gif", ".czi", ".lif", ".nd2"}
    | {".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".orf", ".rw2"}
    | {".raf", ".pef", ".raw", ".3fr", ".iiq", ".erf", ".mrw"}
)

MAX_PIXELS = 500_000_000
Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # Pillow's own limit is 89 million, a common camera's size

_READABLE = "PNG, JPEG, TIFF, BMP or WebP"
_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_PALETTE, _CMYK = 3, 5  # TIFF photometric interpretations
_TIFF_READABLE = {0, 1, 2, _PALETTE, _CMYK}  # and bilevel, grey, RGB


@dataclass(frozen=True)
class Header:
    """What a file says about its photograph without all of its pixels.

    Attributes:
        width, height: in pixels, as stored on disk.
        orientation: EXIF orientation, 1 to 8.
        notes: what a user should know, for example that only the first page is read.
    """

    width: int
    height: int
    orientation: int = 1
    notes: tuple[str, ...] = ()

    @property
    def displayed(self) -> tuple[int, int]:
        """`(width, height)` as a viewer shows it."""
        swapped = self.orientation >= 5
        return (self.height, self.width) if swapped else (self.width, self.height)


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
    kind = _kind(path)
    header, pixels = _guarded(path, _decode_tiff if kind == "TIFF" else _decode_other, path)
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
    kind = _kind(path)
    if full:
        return _guarded(path, _decode_tiff if kind == "TIFF" else _decode_other, path)[0]
    return _guarded(path, _inspect_tiff if kind == "TIFF" else _inspect_other, path)


def probe(path: str | Path, full: bool = False) -> tuple[int, int]:
    """`(width, height)` as stored on disk; see `inspect`."""
    header = inspect(path, full)
    return header.width, header.height


def to_uint8(values: np.ndarray, bits: int | None = None) -> tuple[np.ndarray, int]:
    """Scale samples of any type to uint8.

    Args:
        values: of any shape; bool, whole numbers or floats.
        bits: the depth the file declares, where it is none of 8, 16 and 32.

    Returns:
        The uint8 samples and the largest value that the input could have had.

    Raises:
        ValueError: floats above 65535, or complex numbers.
    """
    if values.dtype == np.uint8 and bits is None:
        return values, 255
    if values.dtype == bool:
        return values.astype(np.uint8) * np.uint8(255), 1
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, nan=0.0, posinf=np.inf, neginf=0.0)
        limits = (1, 255, 65535)
    elif values.dtype.kind in "ui":
        limits = (255, 4095, 65535, 2**32 - 1) if bits is None else (2**bits - 1,)
    else:
        raise ValueError(f"samples of type {values.dtype} are not supported")
    largest = values.max(initial=0)
    limit = next((limit for limit in limits if largest <= limit), None)
    if limit is None:
        raise ValueError(f"its largest value is {largest}, more than {limits[-1]}")
    scaled = values.astype(np.float64 if values.dtype.itemsize > 2 else np.float32)
    scaled *= 255.0 / limit
    return np.rint(np.clip(scaled, 0, 255, out=scaled), out=scaled).astype(np.uint8), limit


def _kind(path: str | Path) -> str:
    """`TIFF` or `other`, from the first bytes; refuse what cannot be a readable photograph."""
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
    return "TIFF" if start[:4] in _TIFF_MAGIC else "other"


def _guarded(path: str | Path, decode: Callable[..., Any], *arguments: Any) -> Any:
    """Call a decoder; whatever a damaged file makes it raise becomes an `InputError`."""
    try:
        return decode(*arguments)
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


def _check_size(path: str | Path, width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{path}: {width} x {height} pixels are more than {MAX_PIXELS:,}; cut the photograph"
            " into specimens or reduce it"
        )
    if width * height == 0:
        raise InputError(f"{path}: the photograph has no pixels; export it again")


# PNG, JPEG, BMP and WebP, by Pillow; PNG of 16 bits by libpng, as Pillow drops the low bytes


def _header_other(path: str | Path, image: Image.Image) -> Header:
    _check_size(path, *image.size)
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


def _inspect_other(path: str | Path) -> Header:
    with Image.open(path) as image:
        header = _header_other(path, image)
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


def _decode_other(path: str | Path) -> tuple[Header, np.ndarray]:
    with Image.open(path) as image:
        header = _header_other(path, image)
        if image.format == "PNG" and _png_depth(path) == 16:
            samples, limit = to_uint8(imagecodecs.png_decode(Path(path).read_bytes()))
            if samples.ndim == 2:
                samples = samples[..., None]
            alpha = samples.shape[2] in (2, 4)
            return _noted(header, 16, limit), _rgb(samples, alpha=alpha)
        image.load()
        return header, _pillow_rgb(image)


def _png_depth(path: str | Path) -> int:
    with open(path, "rb") as file:
        return file.read(25)[24]


def _pillow_rgb(image: Image.Image) -> np.ndarray:
    """uint8 `[height, width, 3]` of a loaded image of any mode."""
    if image.mode.startswith(("I", "F")):
        return _rgb(to_uint8(np.asarray(image))[0][..., None])
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return np.array(image.convert("RGB"))


def _noted(header: Header, bits: int, limit: int) -> Header:
    if bits == 16 and limit in (255, 4095):
        note = f"16-bit file scaled by {limit}, as no value is larger"
        return Header(header.width, header.height, header.orientation, (*header.notes, note))
    return header


def _rgb(samples: np.ndarray, alpha: bool = False, premultiplied: bool = False) -> np.ndarray:
    """uint8 `[h, w, 3]` from uint8 `[h, w, 1..4]`: grey or RGB, then perhaps alpha."""
    colours = samples.shape[2] - alpha
    rgb = samples[..., :colours]
    if alpha:
        opacity = samples[..., colours:].astype(np.float32) / 255.0
        rgb = rgb * (1.0 if premultiplied else opacity) + 255.0 * (1.0 - opacity)
        rgb = np.rint(np.clip(rgb, 0, 255)).astype(np.uint8)
    return np.broadcast_to(rgb, (*rgb.shape[:2], 3))


# TIFF, by tifffile: Pillow reads no 16-bit RGB and turns TIFF, and only TIFF, upright by itself


def _header_tiff(path: str | Path, tiff: tifffile.TiffFile) -> Header:
    page = tiff.pages.first
    _check_size(path, page.imagewidth, page.imagelength)
    if page.photometric not in _TIFF_READABLE and page.compression != 7:
        name = getattr(page.photometric, "name", page.photometric)
        raise InputError(f"{path}: TIFF of colour kind {name} cannot be read; export it as RGB")
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


def _inspect_tiff(path: str | Path) -> Header:
    with tifffile.TiffFile(path) as tiff:
        return _header_tiff(path, tiff)


def _decode_tiff(path: str | Path) -> tuple[Header, np.ndarray]:
    with tifffile.TiffFile(path) as tiff:
        header = _header_tiff(path, tiff)
        page = tiff.pages.first
        if page.imagedepth > 1:
            raise InputError(f"{path}: a TIFF volume cannot be read; export one plane")
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
        header = _noted(header, bits if declared is None else 0, limit)
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
        return header, _rgb(samples[..., : colours + alpha], alpha, premultiplied=extra == 1)
