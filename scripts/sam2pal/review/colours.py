"""A colour and a line pattern for every structure."""

from collections.abc import Sequence
from dataclasses import dataclass

PALETTE = ("#FF0099", "#FFDD00", "#00DDFF", "#9977FF", "#FFFFFF", "#009900", "#FF9999")
"""Bright colours that stay apart (CIEDE2000 of 17 and more) for protanopes, deuteranopes and
tritanopes too. Lines have a dark casing, so that they show on beetles and on labels."""

CASING = "#101010"

DASHES = ((), (6.0, 3.0), (1.5, 3.0))
"""Line patterns (on, off, in line widths' units of pixels) for further structures."""


@dataclass(frozen=True)
class LineStyle:
    """How a structure's outline is drawn: colour `#rrggbb`, and dashes (empty: a solid line)."""

    colour: str
    dashes: tuple[float, ...] = ()

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green and blue, 0 to 255."""
        return tuple(int(self.colour[i : i + 2], 16) for i in (1, 3, 5))  # type: ignore[return-value]


def line_styles(structures: Sequence[str]) -> dict[str, LineStyle]:
    """A style for every structure, by its place: colours first, then the same colours dashed."""
    n = len(PALETTE)
    return {
        name: LineStyle(PALETTE[i % n], DASHES[i // n % len(DASHES)])
        for i, name in enumerate(structures)
    }
