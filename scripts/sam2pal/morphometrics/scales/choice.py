"""Which of the bars that a picture may have is its scale bar, and whether to trust it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sam2pal.morphometrics.scales.bar import BOX, Bar, measure_bar
from sam2pal.morphometrics.scales.regions import distinct, long_regions, marks
from sam2pal.morphometrics.scales.strip import STEP, Line

MOST = 200  # regions that are measured
LIMITS = {
    "uneven": 0.15,
    "faint": 0.5,
    "ragged": 0.2,
    "tapered": 0.25,
    "beside": 0.25,
    "beyond": 0.45,
    "soft": 3.0,
    "stout": 0.25,
    "hemmed": 0.35,
    "framed": 0.5,
    "frame": 0.5,
}
"""What a bar's `quality` may be at most; tuned by tests/bench/scale.py."""
OF_BOX = {"uneven": 0.25, "faint": 0.7, "ragged": 1.0, "tapered": 1.0}
"""The same of a box, of which parts may be filled."""
TOGETHER = 3.6  # the most that all of them, as shares of their limits, may sum to
UNCERTAIN = 0.03  # of its length: a bar whose length is less certain is doubtful
SHORTEST = 12.0  # pixels: strokes of letters are shorter
TRUSTED = 30.0  # pixels at full size: tips of limbs and strokes of letters are found below
FAINT = 25.0  # of 255: the least contrast
SAME = 0.02  # two bars whose lengths differ by no more say the same
SHORT = 0.3  # of the longest: shorter ones are something else, such as a stroke of a letter
CROWD = 5  # regions of a bar's own size near it: it is rather a stroke of a letter
TALL = 0.15  # of the picture's longer side: letters are not larger


@dataclass(frozen=True)
class Choice:
    """A picture's bar, or none; and why it is not to be trusted, if it is not."""

    bar: Bar | None = None
    doubt: str = ""


def find_bar(picture: NDArray[np.float32]) -> Choice:
    """The scale bar of a picture.

    Args:
        picture: float [h, w], 0 to 255.
    """
    bars = []
    for region in distinct(long_regions(picture), MOST):
        bar = measure_bar(picture, region.line, region.dark, max(STEP, region.line.length / 300))
        if bar is not None and likely(bar):
            bars.append(bar)
    letters = {dark: marks(picture, dark) for dark in (True, False)}
    tall = TALL * max(picture.shape)
    bars = [
        bar
        for bar in bars
        if bar.line.length > tall or not (bar.odd or in_text(bar, letters[bar.dark]))
    ]
    return choose(bars, letters, tall)


def likely(bar: Bar) -> bool:
    """Whether something long has all that makes a bar."""
    shares = _shares(bar)
    seen = bar.contrast >= FAINT and bar.line.length >= SHORTEST
    return seen and max(shares) <= 1 and sum(shares) <= TOGETHER


def _shares(bar: Bar) -> list[float]:
    """What is wrong with a bar, as shares of the limits."""
    limits = LIMITS | (OF_BOX if bar.kind == BOX else {})
    return [bar.quality[name] / limits[name] for name in limits]


def choose(bars: Sequence[Bar], letters: dict[bool, NDArray[np.float64]], tall: float) -> Choice:
    """The best of several bars.

    Args:
        letters: see `marks`, of dark and of light ones.
        tall: how tall letters may be, pixels.
    """
    if not bars:
        return Choice()
    found: list[Bar] = []
    for bar in sorted(bars, key=lambda bar: (bar.kind != BOX, sum(_shares(bar)))):  # not its sides
        if not any(_overlaps(bar, other) for other in found):
            found.append(bar)
    bars = [bar for bar in found if not any(_is_panel(bar, other) for other in found)]
    longest = max(bar.line.length for bar in bars)
    bars = [bar for bar in bars if bar.line.length >= SHORT * longest]

    def evidence(bar: Bar) -> int:
        text = any(has_text(bar, of) for of in letters.values())
        (ux, uy) = bar.line.along
        upright = min(abs(ux), abs(uy)) * bar.line.length < 1.0
        return 2 * text + upright

    best = max(bars, key=lambda bar: (evidence(bar), bar.line.length * bar.contrast))
    rivals = [
        bar
        for bar in bars
        if bar is not best
        and evidence(bar) >= evidence(best)
        and abs(bar.line.length / best.line.length - 1) > SAME
    ]
    if rivals:
        lengths = sorted({round(bar.line.length) for bar in (best, *rivals)})[:4]
        said = ", ".join(map(str, lengths))
        return Choice(best, f"{len(rivals) + 1} things look like a bar ({said} pixels long)")
    if any(_in_line(bar, best) for bar in bars if bar is not best):
        return Choice(best, "it may be a part of a longer bar")
    crowded = _crowd(best, letters[best.dark]) >= CROWD
    if best.line.length <= tall and crowded:
        return Choice(best, "it is as long as the letters around it are tall")
    return Choice(best)


def sharpened(choice: Choice, picture: NDArray[np.float32], line: Line) -> Choice:
    """A choice measured in all pixels that there are.

    Args:
        picture: float [h, w], the photograph or a part of it around the bar.
        line: the bar there.
    """
    if choice.bar is None:
        return choice
    bar = measure_bar(picture, line, choice.bar.dark)
    if bar is None or abs(bar.line.length / line.length - 1) > 0.05 + 2 / line.length:
        small = replace(choice.bar, line=line)
        return Choice(small, choice.doubt or "at full size it does not look like a bar")
    if choice.doubt:
        return Choice(bar, choice.doubt)
    if bar.cut:
        return Choice(bar, "it reaches the edge of the photograph, so part of it may be cut off")
    if bar.error > UNCERTAIN * bar.line.length:
        return Choice(bar, f"it is only {bar.line.length:.0f} pixels long")
    if bar.line.length < TRUSTED:
        return Choice(
            bar,
            f"it is only {bar.line.length:.0f} pixels long: it may be a limb or a part of a letter",
        )
    return Choice(bar)


def _overlaps(bar: Bar, other: Bar) -> bool:
    """Whether two bars are the same place, measured from different regions."""
    (x, y), (ox, oy) = bar.line.centre, other.line.centre
    reach = 0.15 * max(bar.line.length, other.line.length) + 3
    alike = abs(math.log(bar.line.length / other.line.length)) < 0.2
    return alike and math.hypot(x - ox, y - oy) < reach


def _is_panel(bar: Bar, other: Bar) -> bool:
    """Whether it is a part of the panel on which another bar is drawn."""
    if bar.dark == other.dark or bar.kind == BOX or bar.line.length <= other.line.length:
        return False
    x, y = np.subtract(other.line.centre, bar.line.centre)
    ux, uy = bar.line.along
    parallel = abs(ux * other.line.along[1] - uy * other.line.along[0]) < 0.1
    beside = abs(y * ux - x * uy) < 2 * (bar.line.width + other.line.width)
    return parallel and beside and abs(x * ux + y * uy) < 0.3 * bar.line.length


def _in_line(bar: Bar, other: Bar) -> bool:
    """Whether two bars may be parts of one that alternates."""
    x, y = np.subtract(other.line.centre, bar.line.centre)
    ux, uy = bar.line.along
    parallel = abs(ux * other.line.along[1] - uy * other.line.along[0]) < 0.1
    level = abs(y * ux - x * uy) < bar.line.width
    alike = bar.dark == other.dark and abs(math.log(bar.line.length / other.line.length)) < 0.2
    apart = 0.8 < abs(x * ux + y * uy) / bar.line.length < 3
    return bool(parallel and level and alike and apart)


def _crowd(bar: Bar, letters: NDArray[np.float64]) -> int:
    """How many regions of about its own size are near it."""
    s, v, size = _placed(bar, letters)
    length = bar.line.length
    alike = (size > 0.5 * length) & (size < 1.7 * length)
    return int((alike & (np.hypot(s, v) < 8 * length) & (np.hypot(s, v) > 0.3 * length)).sum())


def _placed(bar: Bar, letters: NDArray[np.float64]) -> tuple[NDArray, NDArray, NDArray]:
    """Of letters: places along and across a bar, from its middle, and sizes."""
    (cx, cy), (ux, uy) = bar.line.centre, bar.line.along
    x, y = letters[:, 0] - cx, letters[:, 1] - cy
    return x * ux + y * uy, y * ux - x * uy, letters[:, 2]


def in_text(bar: Bar, letters: NDArray[np.float64]) -> bool:
    """Whether it stands among regions as large as itself, as a stroke of a letter does."""
    s, v, size = _placed(bar, letters)
    length = bar.line.length
    alike = (size > 0.55 * length) & (size < 1.7 * length)
    across = alike & (np.abs(s) < 0.3 * length) & (np.abs(v) > 0.2 * length)
    lying = (size > 0.8 * length) & (size < 2.5 * length)
    along = lying & (np.abs(v) < 0.6 * length) & (np.abs(s) > 0.6 * length)
    near = np.abs(v) < 1.4 * length, np.abs(s) < 2.5 * length
    return any(int((of & there).sum()) > 1 for of, there in zip((across, along), near, strict=True))


def has_text(bar: Bar, letters: NDArray[np.float64]) -> bool:
    """Whether a row of small regions stands beside it, as its length does."""
    s, v, size = _placed(bar, letters)
    length = bar.line.length
    near = (np.abs(s) < 0.75 * length) & (size < 0.5 * length) & (size >= 3)
    near &= (np.abs(v) > bar.line.width / 2 + 1) & (np.abs(v) < max(0.5 * length, 25))
    for place, tall in zip(v[near], size[near], strict=True):
        if (np.abs(v[near] - place) < 0.4 * tall).sum() >= 2 and (
            np.abs(s[near][np.abs(v[near] - place) < 0.4 * tall]).min() < 0.4 * length
        ):
            return True
    return False
