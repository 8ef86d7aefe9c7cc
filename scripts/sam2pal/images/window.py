"""A part of a photograph, in pixels of the upright photograph."""

from __future__ import annotations

from typing import NamedTuple

NEARLY_ALL = 0.8  # of the photograph's longer side: a longer window is the photograph itself


class Window(NamedTuple):
    """A rectangle inside of a photograph: as much of a square as the photograph holds."""

    top: int
    left: int
    height: int
    width: int

    @staticmethod
    def whole(height: int, width: int) -> Window:
        """The photograph itself."""
        return Window(0, 0, height, width)

    @staticmethod
    def around(
        box: tuple[float, float, float, float], filled: float, size: tuple[int, int]
    ) -> Window:
        """The square window whose side a box fills to some share, its middle that of the box.

        It is moved to lie inside of the photograph. One that is nearly as long as the photograph is the
        photograph, so that photographs which are cut to their specimen stay as they are.

        Args:
            box: (top, left, height, width), in pixels.
            filled: the box's longer side over the window's.
            size: (height, width) of the photograph.
        """
        top, left, height, width = box
        side = max(1, round(max(height, width) / filled))
        if side >= NEARLY_ALL * max(size):
            return Window.whole(*size)
        high, wide = min(side, size[0]), min(side, size[1])
        first = round(top + height / 2 - high / 2)
        start = round(left + width / 2 - wide / 2)
        return Window(
            min(max(first, 0), size[0] - high), min(max(start, 0), size[1] - wide), high, wide
        )

    @property
    def side(self) -> int:
        """The longer side."""
        return max(self.height, self.width)
