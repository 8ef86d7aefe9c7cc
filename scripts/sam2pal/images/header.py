"""What is known of a photograph before its pixels are decoded."""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from sam2pal.images.orientation import swaps_sides
from sam2pal.io.errors import InputError
from sam2pal.io.memory import free_bytes

MAX_PIXELS = 500_000_000
LARGE_PIXELS = 50_000_000  # pixels from which on memory is looked at
Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # Pillow's own limit is 89 million, a common camera's size
FORMATS = ("PNG", "JPEG", "BMP", "DIB", "WEBP", "GIF", "JPEG2000", "AVIF", "TIFF")
"""What Pillow may open, whatever a file is called; of the others, PostScript runs programs."""


@dataclass(frozen=True)
class Header:
    """What a file says about its photograph without all of its pixels."""

    width: int
    height: int
    orientation: int = 1
    notes: tuple[str, ...] = ()

    @property
    def displayed_size(self) -> tuple[int, int]:
        """`(width, height)` as a viewer shows it."""
        swapped = swaps_sides(self.orientation)
        return (self.height, self.width) if swapped else (self.width, self.height)


def check_size(path: str | Path, width: int, height: int) -> None:
    """Refuse photographs of more than `MAX_PIXELS`, before they are decoded."""
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{path}: {width} x {height} pixels are more than {MAX_PIXELS:,}; cut the photograph"
            " into specimens or reduce it"
        )
    if width * height == 0:
        raise InputError(f"{path}: the photograph has no pixels; export it again")


def check_memory(path: str | Path, width: int, height: int, bytes_per_pixel: float) -> None:
    """Refuse a large photograph that cannot be decoded with the memory that is left.

    Args:
        bytes_per_pixel: that decoding takes at its most.
    """
    needed = width * height * bytes_per_pixel
    if width * height >= LARGE_PIXELS and needed > (free := free_bytes()):
        raise InputError(
            f"{path}: decoding {width} x {height} pixels takes about {needed / 1e9:.1f} GB of memory, of"
            f" which {max(free, 0) / 1e9:.1f} GB are left; ask for more (mem_mb), reduce the photograph,"
            " or cut it into specimens"
        )


def with_range_note(header: Header, bits: int, limit: int) -> Header:
    """The header with a note where 16-bit samples were scaled by less than their full range."""
    if bits == 16 and limit < 65535:
        note = f"16-bit file scaled by {limit}: no value is larger, or the file states it"
        return Header(header.width, header.height, header.orientation, (*header.notes, note))
    return header
