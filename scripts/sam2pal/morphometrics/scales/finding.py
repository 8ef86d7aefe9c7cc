"""Looking for the scale of one photograph: its bar, its ruler, its card."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, UnidentifiedImageError

from sam2pal.config.scale import ScaleSearch, check_scale
from sam2pal.images.address import file_of
from sam2pal.images.header import FORMATS
from sam2pal.images.reading import Photograph, look_closer, read_photograph
from sam2pal.images.window import Window
from sam2pal.io.errors import InputError
from sam2pal.morphometrics.scales import text
from sam2pal.morphometrics.scales.card import find_card
from sam2pal.morphometrics.scales.choice import find_bar, sharpened
from sam2pal.morphometrics.scales.collection import DOUBTFUL, FOUND, NONE
from sam2pal.morphometrics.scales.ruler import find_ruler
from sam2pal.morphometrics.scales.strip import Line, Numbers, grey

SIDE = 1600  # pixels of the longer side in which bars and cards are looked for
SHOWN = 480  # pixels of the picture of what was found
_CAMERA = (0x010F, 0x0110)  # EXIF: make and model
_TICK_MM = {"mm": 1.0, "1/16 in": 25.4 / 16}


@dataclass(frozen=True)
class FoundScale:
    """What a photograph says of its scale.

    Attributes:
        status: `found`, `doubtful` or `none`.
        source: `bar`, `ruler` or `card`; empty if there is none.
        pixels, mm: what was measured, and how long that is (of a ruler: from one tick to the next).
        uncertainty: standard uncertainty as a share.
        reason: why it is doubtful, or what was not found.
        picture: uint8 [h, w, 3], what was taken for it; None if nothing was.
    """

    status: str
    source: str = ""
    pixels: float | None = None
    mm: float | None = None
    uncertainty: float | None = None
    reason: str = ""
    picture: NDArray[np.uint8] | None = None

    @property
    def pixels_per_mm(self) -> float | None:
        return self.pixels / self.mm if self.pixels and self.mm else None


class Search:
    """A photograph that is searched.

    Args:
        path: of the photograph.

    Raises:
        InputError: it cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self.photograph = read_photograph(path, at_least=SIDE)

    def find(self, sources: Sequence[str], options: ScaleSearch) -> FoundScale:
        """The first source that is not doubtful, else the first that is there at all."""
        doubtful = None
        for source in sources:
            found = {"bar": self.bar, "ruler": self.ruler, "card": self.card}[source](options)
            if found.status == FOUND:
                return found
            if found.status == DOUBTFUL and doubtful is None:
                doubtful = found
        return doubtful or FoundScale(NONE, reason=f"no {' or '.join(sources)} was found")

    def bar(self, options: ScaleSearch) -> FoundScale:
        """The scale bar."""
        small = self.photograph.small(SIDE)
        choice = find_bar(grey(small))
        if choice.bar is None:
            return FoundScale(NONE)
        factor = self.photograph.shown.side / max(small.shape[:2])
        line = choice.bar.line.scaled(factor)
        window = self._window(line, 90.0)
        closer = look_closer(self.path, self.photograph, window, window.side)
        pixels = closer.small(window.side)
        values = grey(pixels)
        moved = (-float(window.left), -float(window.top))
        choice = sharpened(choice, values, line.scaled(1.0, moved))
        assert choice.bar is not None
        line, doubt = choice.bar.line, choice.doubt
        length = options.bar_mm
        if length is None and not doubt:
            try:
                length = text.read_length(values, line, choice.bar.dark)
            except InputError as error:
                doubt = str(error)
        picture = _shown(pixels, line)
        share = choice.bar.error / line.length
        return _judged("bar", line.length, length, share, doubt, picture)

    def ruler(self, options: ScaleSearch) -> FoundScale:
        """The ruler with most ticks."""
        found = find_ruler(grey(self.photograph.pixels), options.ruler)
        if found is None:
            return FoundScale(NONE)
        picture = _shown(self.photograph.pixels, found.line)
        period = found.period * self._factor
        return _judged("ruler", period, _TICK_MM[options.ruler], found.error, found.doubt, picture)

    def card(self, options: ScaleSearch) -> FoundScale:
        """The card of known sides."""
        assert options.card is not None
        found = find_card(grey(self.photograph.pixels), options.card)
        if found is None:
            return FoundScale(NONE)
        picture = _shown(self.photograph.pixels, found.line)
        longer = max(options.card)
        pixels = found.pixels_per_mm * self._factor * longer
        return _judged("card", pixels, longer, found.error, found.doubt, picture)

    @property
    def _factor(self) -> float:
        """Pixels of the photograph for one that was read."""
        photograph: Photograph = self.photograph
        if photograph.frame is None:
            return 1.0
        left, _, right, _ = photograph.frame
        return photograph.displayed_shape[1] / (right - left)

    def _window(self, line: Line, margin: float) -> Window:
        """What of the photograph a bar and its surroundings take."""
        high, wide = self.photograph.displayed_shape
        corners = line.corners(margin + 0.7 * line.length)
        left, top = (max(0, math.floor(n)) for n in corners.min(0))
        right, bottom = (math.ceil(n) for n in corners.max(0))
        return Window(top, left, min(high, bottom) - top, min(wide, right) - left)


def taken_with(path: str | Path, width: int, height: int) -> str:
    """Size and camera of a photograph, or of the one that it is a window of.

    Args:
        width, height: pixels, where the file does not say them.
    """
    camera: list[str] = []
    try:
        with Image.open(file_of(path), formats=FORMATS) as image:
            width, height = image.size
            tags = image.getexif()
            camera = [str(tags[tag]).strip(" \0") for tag in _CAMERA if tags.get(tag)]
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError):
        pass  # a format that Pillow does not read; its size is known
    longer, shorter = sorted((width, height), reverse=True)
    return ", ".join([f"{longer} x {shorter}", *camera])


def _judged(
    source: str,
    pixels: float,
    mm: float | None,
    share: float,
    doubt: str,
    picture: NDArray[np.uint8],
) -> FoundScale:
    if mm is not None and not doubt:
        try:
            check_scale(pixels / mm, f"the {source}")
        except InputError as error:
            doubt = str(error)
    status = DOUBTFUL if doubt else FOUND
    return FoundScale(status, source, pixels, mm, share, doubt, picture)


def _shown(pixels: NDArray[np.uint8], line: Line) -> NDArray[np.uint8]:
    """A part of a photograph with an outline round what was found there, and its ends marked."""
    margin = max(12.0, 0.15 * line.length)
    corners: Numbers = line.corners(margin)
    left, top = (max(0, math.floor(n)) for n in corners.min(0))
    right, bottom = (math.ceil(n) for n in corners.max(0))
    part = Image.fromarray(pixels[top:bottom, left:right])
    factor = min(4.0, SHOWN / max(part.size))
    size = [max(1, round(n * factor)) for n in part.size]
    part = part.resize((size[0], size[1]), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(part)

    def placed(s: float, v: float) -> tuple[float, float]:
        x, y = line.point(s, v)
        return (x - left) * factor, (y - top) * factor

    half, beside = line.length / 2, line.width / 2 + 3 / factor
    far = beside + 8 / factor
    for v in (-beside, beside):
        draw.line([placed(-half, v), placed(half, v)], fill=(0, 220, 0))
    for s in (-half, half):
        for v in (beside, -beside):
            draw.line([placed(s, v), placed(s, math.copysign(far, v))], fill=(255, 0, 255))
    return np.asarray(part)
