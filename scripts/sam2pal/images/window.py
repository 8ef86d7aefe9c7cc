"""A part of a photograph, in pixels of the upright photograph."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np

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
    def holding(mask: np.ndarray) -> Window:
        """The smallest window with all pixels of a mask, bool [h, w]; of no side if it has none."""
        rows = mask.any(1).nonzero()[0]
        if not len(rows):
            return Window(0, 0, 0, 0)
        top, bottom = int(rows[0]), int(rows[-1]) + 1
        columns = mask[top:bottom].any(0).nonzero()[0]
        left, right = int(columns[0]), int(columns[-1]) + 1
        return Window(top, left, bottom - top, right - left)

    @staticmethod
    def around(
        box: tuple[float, float, float, float], filled: float, size: tuple[int, int]
    ) -> Window:
        """The square window whose side a box fills to some share, its middle that of the box.

        It is moved to lie inside of the photograph. One that is nearly as long as the photograph is the
        photograph, so that photographs which are cut to their specimen stay as they are.

        Args:
            box: (top, left, height, width), in pixels.
            size: (height, width) of the photograph.
        """
        whole = Window.whole(*size)
        window = whole.part(box, filled)
        return whole if window.side >= NEARLY_ALL * whole.side else window

    def part(self, box: tuple[float, float, float, float], filled: float) -> Window:
        """The square inside of this window whose side a box fills to some share, round the box's middle."""
        top, left, height, width = box
        side = max(1, round(max(height, width) / filled))
        high, wide = min(side, self.height), min(side, self.width)
        first = round(top + height / 2 - high / 2)
        start = round(left + width / 2 - wide / 2)
        return Window(
            min(max(first, self.top), self.top + self.height - high),
            min(max(start, self.left), self.left + self.width - wide),
            high,
            wide,
        )

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return (slice(self.top, self.top + self.height), slice(self.left, self.left + self.width))

    @property
    def bbox(self) -> tuple[int, int, int, int]:
        """(left, top, width, height), as COCO has boxes."""
        return self.left, self.top, self.width, self.height

    @property
    def side(self) -> int:
        """The longer side."""
        return max(self.height, self.width)


def enclosing(boxes: Collection[Sequence[float]]) -> tuple[float, float, float, float]:
    """The smallest box around boxes, all (top, left, height, width) or all (left, top, width, height)."""
    first, second = (min(box[axis] for box in boxes) for axis in (0, 1))
    ends = [max(box[axis] + box[axis + 2] for box in boxes) for axis in (0, 1)]
    return first, second, ends[0] - first, ends[1] - second
