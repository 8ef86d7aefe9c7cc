"""Where the scale of a photograph comes from, and which scales it can have."""

import math
from typing import Annotated, Literal

from pydantic import Field, StrictFloat

from sam2pal.config.fields import Name, options
from sam2pal.io.errors import InputError

Source = Literal["specimen_table", "genus", "bar", "ruler", "card", "exif"]
SEEN = ("bar", "ruler", "card")
"""Sources that are looked for in the picture."""

ALIKE = "measurement.scale_search.alike"

LEAST, MOST = 0.5, 20_000.0
"""Pixels per millimetre: a drawer of 2 m on 1000 pixels; a twentieth of a micrometre per pixel."""


def check_scale(value: float, where: str) -> float:
    """A plausible number of pixels per millimetre; InputError if no photograph of a specimen has it."""
    if not math.isfinite(value) or value <= 0:
        raise InputError(f"{where}: {value:g} pixels per mm; a scale is a positive number")
    if not LEAST <= value <= MOST:
        raise InputError(
            f"{where}: {value:g} pixels per mm is implausible (expected {LEAST:g} to {MOST:g}); is "
            "it in another unit? Leave it empty if the scale is not known"
        )
    return value


def alike_problems(column: str | None, table: object) -> list[str]:
    """What is wrong if a column says which photographs were taken alike, and no table (None) has it."""
    if column is None or table is not None:
        return []
    return [
        f"{ALIKE}: '{column}' is a column of the table of specimens; name its file as specimen_table"
    ]


Millimetres = Annotated[StrictFloat, Field(gt=0, le=2000)]


@options
class ScaleSearch:
    """What is looked for in a photograph whose scale is `bar`, `ruler` or `card`."""

    bar_length: StrictFloat | None = Field(None, gt=0, le=100_000)
    """length of the scale bar, in `bar_unit`; with `none` it is read from the text beside the
    bar, which needs Tesseract"""
    bar_unit: Literal["um", "mm", "cm"] = "mm"
    """unit of `bar_length`"""
    ruler: Literal["mm", "1/16 in"] = "mm"
    """distance between the closest ticks of the ruler"""
    card: tuple[Millimetres, Millimetres] | None = None
    """both sides of the card or of another flat rectangle, mm"""
    once: Literal["photograph", "alike", "collection"] = "photograph"
    """`photograph`: every photograph has its own scale; `alike`: a photograph without a scale
    gets the median of those taken alike (see the key `alike`); `collection`: all photographs of a
    genus were taken alike and get the median of the scales found"""
    alike: Name | None = None
    """column of `specimen_table`, such as the magnification: photographs with the same entry were
    taken alike; with `none`, those of the same camera and size in pixels"""

    @property
    def bar_mm(self) -> float | None:
        """Length of the bar, mm; None if it is to be read."""
        if self.bar_length is None:
            return None
        return self.bar_length * {"um": 0.001, "mm": 1.0, "cm": 10.0}[self.bar_unit]
