"""Which of the bars that a picture may have is its scale bar, and whether to trust it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sam2pal.morphometrics.scales.bar import BOX, PLAIN, Bar, measure_bar
from sam2pal.morphometrics.scales.letters import Letters
from sam2pal.morphometrics.scales.strip import STEP, Line, sample, spaced
from sam2pal.morphometrics.scales.stripes import find_stripes

MOST = 16  # stripes that are measured
LIMITS = {
    "uneven": 0.15,
    "ragged": 0.25,
    "tapered": 0.3,
    "beside": 0.4,
    "beyond": 1.5,
    "soft": 3.0,
    "stout": 0.25,
    "hemmed": 0.5,
    "framed": 0.5,
    "frame": 1.0,
}
"""What a bar's `quality` may be at most; chosen with tests/bench/scale.py."""
OF_BOX = {"uneven": 0.25, "ragged": 1.0, "tapered": 1.0}
"""The same of a box, of which parts may be filled."""
LIKELY = 3.6  # the most that all of them, as shares of their limits, may sum to
POSSIBLE, SURE = 5.4, 6.4  # the least of what speaks for a bar, so that it may be one, and is one
UNCERTAIN = 0.03  # of its length: a bar whose length is less certain is doubtful
SHORTEST = 12.0  # pixels: strokes of letters are shorter
TRUSTED = 30.0  # pixels at full size: tips of limbs and strokes of letters are found below
FAINT = 25.0  # of 255: the least contrast
SAME = 0.02  # two bars whose lengths differ by no more say the same
SAME_INK, OTHER_INK = (
    0.2,
    0.5,
)  # of its contrast: by how much what is the bar differs, and what is not
RIVAL = 0.7  # how much less speaks for a second bar, so that it is none
STROKE = 0.09  # width over length of the most slender stroke of a letter
CROWD = 5  # letters of a bar's own size near it: it is rather a stroke of a letter
PART = "it may be a part of a longer bar"
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
    for stripe in find_stripes(picture, MOST):
        step = min(max(STEP, stripe.line.length / 300), 2.0)
        bar = measure_bar(picture, stripe.line, stripe.dark, step)
        if bar is not None and likely(bar):
            bars.append(bar)
    if not bars:
        return Choice()
    choice = choose(bars, {dark: Letters(picture, dark) for dark in (True, False)})
    if choice.bar is not None and not choice.doubt and _repeated(picture, choice.bar):
        return Choice(choice.bar, PART)
    return choice


def likely(bar: Bar) -> bool:
    """Whether a stripe has all that makes a bar."""
    seen = bar.contrast >= FAINT and bar.line.length >= SHORTEST
    return seen and max(_shares(bar)) <= 1 and sum(_shares(bar)) <= LIKELY


def _shares(bar: Bar) -> list[float]:
    """What is wrong with a bar, as shares of the limits."""
    limits = LIMITS | (OF_BOX if bar.kind == BOX else {})
    return [bar.quality[name] / limits[name] for name in limits]


def choose(bars: Sequence[Bar], letters: dict[bool, Letters]) -> Choice:
    """The best of several bars.

    Args:
        letters: of the picture, dark and light ones.
    """

    def may_be_letter(bar: Bar) -> bool:
        small = bar.line.length <= TALL * letters[bar.dark].side
        return small and bar.line.width > STROKE * bar.line.length

    def evidence(bar: Bar) -> float:  # what speaks for it
        (ux, uy), length = bar.line.along, bar.line.length
        upright = min(abs(ux), abs(uy)) * length < 1.0
        text = any(of.label(bar.line) for of in letters.values())
        seen = 0.7 * math.log(length) + math.log(bar.contrast)
        return seen + text + 0.3 * upright - sum(_shares(bar))

    found: list[Bar] = []
    for bar in sorted(bars, key=lambda bar: (bar.kind != BOX, sum(_shares(bar)))):  # not its sides
        stroke = may_be_letter(bar) and (bar.odd or letters[bar.dark].hold(bar.line))
        if not stroke and not any(_overlaps(bar, other) for other in found):
            found.append(bar)
    found = [bar for bar in found if not any(_wrong_one(bar, other) for other in found)]
    found = [bar for bar in found if evidence(bar) > POSSIBLE]
    if not found:
        return Choice()
    found.sort(key=evidence, reverse=True)
    best = found[0]
    rivals = [
        bar
        for bar in found
        if evidence(bar) > evidence(best) - RIVAL
        and abs(bar.line.length / best.line.length - 1) > SAME
    ]
    if rivals:
        lengths = sorted({round(bar.line.length) for bar in (best, *rivals)})[:4]
        said = ", ".join(map(str, lengths))
        return Choice(best, f"{len(rivals) + 1} things look like a bar ({said} pixels long)")
    if any(_in_line(bar, best) for bar in bars if bar is not best):
        return Choice(best, PART)
    if may_be_letter(best) and letters[best.dark].alike(best.line) >= CROWD:
        return Choice(best, "it is as long as the letters around it are tall")
    if evidence(best) < SURE:
        return Choice(best, "it is not much like a bar: uneven, faint or touched by other things")
    return Choice(best)


def _repeated(picture: NDArray[np.float32], bar: Bar) -> bool:
    """Whether the same lies once more in line with a bar, a gap of its length away: it alternates.

    The other parts of a bar that alternates may have the grey value of what is around it, so that
    each of the parts that differ looks like a bar.
    """
    line, half = bar.line, bar.line.width / 2
    inner, short = (spaced(-share * line.length, share * line.length) for share in (0.3, 0.15))
    rows = spaced(-0.6 * half, 0.6 * half)
    own = float(np.median(sample(picture, line, inner, rows)[0]))

    def apart(s: float, across: NDArray[np.float64]) -> float:
        values, inside = sample(picture, line, short + s, across)
        return abs(float(np.median(values)) - own) / bar.contrast if inside.all() else 0.0

    beside = spaced(half + 1.5, half + 3.0)
    for s in (-2 * line.length, 2 * line.length):
        values, inside = sample(picture, line, inner + s, rows)
        same = inside.all() and np.abs(values - own).mean() < SAME_INK * bar.contrast
        around = ((s / 2, rows), (1.5 * s, rows), (s, -beside), (s, beside))
        if same and min(apart(*of) for of in around) > OTHER_INK:
            return True
    return False


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
    if bar.odd and bar.kind == PLAIN:
        return Choice(bar, "something touches one of its ends: a tick, or a part of the specimen")
    if bar.error > UNCERTAIN * bar.line.length:
        return Choice(bar, f"it is only {bar.line.length:.0f} pixels long")
    if bar.line.length < TRUSTED:
        return Choice(
            bar,
            f"it is only {bar.line.length:.0f} pixels long: it may be a limb or a part of a letter",
        )
    return Choice(bar)


def _placed(bar: Bar, other: Bar) -> tuple[float, float, bool]:
    """How far along and across another bar lies from one, and whether both are parallel."""
    x, y = np.subtract(other.line.centre, bar.line.centre)
    ux, uy = bar.line.along
    parallel = abs(ux * other.line.along[1] - uy * other.line.along[0]) < 0.1
    return abs(x * ux + y * uy), abs(y * ux - x * uy), parallel


def _overlaps(bar: Bar, other: Bar) -> bool:
    """Whether two bars are the same place, measured from different stripes."""
    s, v, parallel = _placed(bar, other)
    across = v < bar.line.width + other.line.width
    near = s < 0.15 * max(bar.line.length, other.line.length) + 3
    alike = abs(math.log(bar.line.length / other.line.length)) < 0.2
    return parallel and across and near and alike and bar.dark == other.dark


def _wrong_one(bar: Bar, other: Bar) -> bool:
    """Whether it is the panel on which another bar is drawn, or the inside of a box."""
    s, v, parallel = _placed(bar, other)
    outer, inner = sorted((bar.line, other.line), key=lambda line: -line.length)
    inside = s < 0.3 * outer.length and v < 2 * (bar.line.width + other.line.width)
    ends, sides = outer.length - inner.length, outer.width - inner.width
    even = abs(ends - sides) < 0.35 * max(ends, sides) + 3 and max(s, v) < 2 + 0.1 * outer.width
    wrong = inner if even else outer  # the stroke of a box is equally wide all round
    return parallel and inside and bar.dark != other.dark and bar.line is wrong


def _in_line(bar: Bar, other: Bar) -> bool:
    """Whether two bars may be parts of one that alternates."""
    s, v, parallel = _placed(bar, other)
    alike = bar.dark == other.dark and abs(math.log(bar.line.length / other.line.length)) < 0.2
    return parallel and alike and v < bar.line.width and 0.8 < s / bar.line.length < 3
