"""Pixels per millimetre of a specimen: the first source that has it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import ExifTags, Image, UnidentifiedImageError

from sam2pal.config.scale import SEEN, check_scale
from sam2pal.dataset.specimen_table import SCALES
from sam2pal.images.address import file_of
from sam2pal.images.header import FORMATS
from sam2pal.images.reading import inspect
from sam2pal.io.errors import InputError
from sam2pal.io.spelling import composed
from sam2pal.io.user_tables import number, read_user_table
from sam2pal.morphometrics.scales.collection import MEDIAN, read_rows

TYPED = ("specimen_table", "genus")
"""Sources of scales that a person gave."""

# Per inch, what cameras and programs write that know no resolution: 72 and 96 most, 180 Canon, 240 Lightroom,
# 300 Photoshop and Nikon, 314 and 350 Sony, Pentax and others.
_PLACEHOLDERS = (72.0, 96.0, 180.0, 240.0, 300.0, 314.0, 350.0)
_SENSOR = 0xA20E  # pixels of the sensor, not of what it sees
_INCH, _CENTIMETRE = 2, 3
_X, _Y, _UNIT = 0x011A, 0x011B, 0x0128
_WIDTH, _HEIGHT = 0xA002, 0xA003  # as the camera or the last program that knows EXIF wrote it


@dataclass(frozen=True)
class Scale:
    """Pixels per millimetre, or why they are unknown, and their standard uncertainty as a share."""

    pixels_per_mm: float | None = None
    source: str = ""
    reason: str = ""
    uncertainty: float | None = None


def table_scales(path: str | Path, genus: str) -> dict[str, float]:
    """Pixels per millimetre of the specimens of a genus in the specimen table.

    Taken from `pixels_per_mm`, or `ac:scaleConversionFactor` (Audiovisual Core: pixels per cm).

    Raises:
        InputError: not a number, implausible, or the two columns contradict each other.
    """
    table = read_user_table(path, ("genus", "specimen", *SCALES))
    names = [name for name in SCALES if name in table.columns]
    scales: dict[str, float] = {}
    for line, row in table.rows:
        if row.get("genus") != genus:
            continue
        specimen = row.get("specimen", "")
        where = f"{path}, line {line} ('{specimen}')"
        for name in names:
            value = number(row[name], f"{where}: column '{name}'")
            if value is None:
                continue
            value = check_scale(value * SCALES[name], f"{where}: column '{name}'")
            if specimen in scales and abs(scales[specimen] / value - 1) > 0.001:
                raise InputError(
                    f"{where}: {' and '.join(names)} contradict each other: "
                    f"{scales[specimen]:g} and {value:g} pixels per mm; correct or empty one"
                )
            scales.setdefault(specimen, value)
    return scales


def exif_scale(path: str | Path) -> float:
    """Pixels per millimetre from the resolution in the EXIF or TIFF tags of a photograph, or of the one that
    it is a window of.

    Raises:
        InputError: there is none, or only that of the camera's sensor or of a preview, the photograph was
            resized since, it has no unit, differs between x and y, is one that programs write by default, or
            implausible.
    """
    file = file_of(path)
    try:
        with Image.open(file, formats=FORMATS) as image:
            tags, size = image.getexif(), image.size
            if not tags and hasattr(image, "tag_v2"):
                tags = image.tag_v2
            camera = image.getexif().get_ifd(ExifTags.IFD.Exif)
            sensor, once = _SENSOR in camera, (camera.get(_WIDTH), camera.get(_HEIGHT))
            is_tiff = image.format == "TIFF"
            x, y, unit = tags.get(_X), tags.get(_Y), tags.get(_UNIT, _INCH)
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError) as error:
        raise InputError(f"{path}: its resolution cannot be read ({error})") from error
    if (x is None or y is None) and sensor:
        raise InputError(
            f"{path}: its resolution is that of the camera's sensor, not of the specimen"
        )
    if x is None or y is None:
        raise InputError(f"{path}: it has no resolution")
    if all(once) and once not in (size, size[::-1]):
        raise InputError(
            f"{path}: the photograph has {size[0]} x {size[1]} pixels, but its EXIF says {once[0]} x "
            f"{once[1]}: it was resized or cut, and its resolution may be that before; write its scale into "
            "the table of specimens"
        )
    if is_tiff and (shown := inspect(file)) and (shown.width, shown.height) != size:
        raise InputError(f"{path}: the resolution is that of a preview in the file")
    try:
        across, down = float(x), float(y)
    except (TypeError, ValueError, ZeroDivisionError):
        raise InputError(f"{path}: its resolution is not a number") from None
    if not (math.isfinite(across) and math.isfinite(down) and across > 0 and down > 0):
        raise InputError(f"{path}: its resolution is not a positive number")
    if abs(across / down - 1) > 0.001:
        raise InputError(
            f"{path}: its resolution differs between x ({across:g}) and y ({down:g}); lengths "
            "would depend on their direction"
        )
    if unit not in (_INCH, _CENTIMETRE):
        raise InputError(f"{path}: its resolution has no unit")
    per_inch = across if unit == _INCH else across * 2.54
    if any(abs(per_inch / usual - 1) < 0.005 for usual in _PLACEHOLDERS):
        raise InputError(
            f"{path}: its resolution of {per_inch:.4g} per inch is what cameras and programs write by "
            f"default; if it is true, write {per_inch / 25.4:.5g} as pixels_per_mm of the genus"
        )
    return check_scale(per_inch / 25.4, f"{path}: its resolution")


class Scales:
    """The scale of every specimen of a genus, from the first source that has one.

    Args:
        order: sources, see `MeasurementOptions.scale`.
        genus_scale: of the genus.
        table, genus: specimen table and the genus whose rows count.
        found: what `find_scale` wrote, of sources that are looked for in the photographs.

    Raises:
        InputError: the genus' scale or one in the table is implausible.
    """

    def __init__(
        self,
        order: Sequence[str],
        genus_scale: float | None = None,
        table: str | Path | None = None,
        genus: str = "",
        found: str | Path | None = None,
    ) -> None:
        self._order = list(order)
        self._genus = None if genus_scale is None else check_scale(genus_scale, "--pixels-per-mm")
        wanted = table is not None and "specimen_table" in self._order
        self._table = table_scales(table, genus) if wanted and table is not None else {}
        self._found = {row.specimen: row for row in read_rows([found])} if found else {}

    def of(self, specimen: str, path: Path | None) -> Scale:
        """The scale of one specimen; `path` is its photograph."""
        reason, name = "", composed(specimen)
        for source in self._order:
            if source == "specimen_table" and name in self._table:
                return Scale(self._table[name], source)
            if source == "genus" and self._genus is not None:
                return Scale(self._genus, source)
            if source in SEEN and specimen in self._found:
                row = self._found[specimen]
                if row.source.removesuffix(MEDIAN) == source and row.pixels_per_mm:
                    value = check_scale(row.pixels_per_mm, f"scale.csv: '{specimen}'")
                    return Scale(value, row.source, uncertainty=row.uncertainty)
                reason = reason or row.reason
            if source == "exif" and path is not None:
                try:
                    return Scale(exif_scale(path), source)
                except InputError as error:
                    reason = str(error)
        return Scale(reason=reason)
