"""Which of the bars that a picture may have is its scale bar, and whether to trust it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sam2pal.morphometrics.scales.bar import BOX, PLAIN, Bar, measure_bar
from sam2pal.morphometrics.scales.letters import Letters
from sam2pal.morphometrics.scales.strip import STEP, Line, sample, spaced
from sam2pal.morphometrics.scales.stripes import find_stripes

MOST = 40  # stripes that are measured
EVIDENCE = {
    "uneven": (-37.0, 0.2),
    "ragged": (-29.0, 0.3),
    "tapered": (-10.0, 0.5),
    "beyond": (-1.8, 1.5),
    "soft": (-2.0, 4.0),
    "stout": (-41.0, 1.0),
    "hemmed": (-6.0, 0.6),
}
"""What each of a bar's qualities says against it, and the value from which on it says no more."""
OF_CONTRAST, OF_LENGTH, PRIOR = 1.7, 0.9, -2.2
"""Log odds that a stripe is a bar: a logistic regression of drawn bars against what is none on real
photographs, by `tests/bench/scale_evidence.py`."""
POSSIBLE, SURE = -1.5, 0.9  # the least log odds, so that it may be one, and is one
UNCERTAIN = 0.03  # of its length: a bar whose length is less certain is doubtful
SHORTEST = 12.0  # pixels: strokes of letters are shorter
TRUSTED = 30.0  # pixels at full size: tips of limbs and strokes of letters are found below
FAINT = 25.0  # of 255: the least contrast
SAME = 0.02  # two bars whose lengths differ by no more say the same
SAME_INK, OTHER_INK = 0.2, 0.5  # of its contrast: by how much the bar differs, and what is not
RIVAL = 1.5  # how much less speaks for a second bar, so that it is none
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
    bars = [bar for bar in measured(picture, MOST) if evidence(bar) > POSSIBLE]
    if not bars:
        return Choice()
    choice = choose(bars, {dark: Letters(picture, dark) for dark in (True, False)})
    if choice.bar is not None and not choice.doubt and _repeated(picture, choice.bar):
        return Choice(choice.bar, PART)
    return choice


def measured(picture: NDArray[np.float32], most: int) -> Iterator[Bar]:
    """What may be a bar, measured, whether or not it is one."""
    for stripe in find_stripes(picture, most):
        step = min(max(STEP, stripe.line.length / 300), 2.0)
        bar = measure_bar(picture, stripe.line, stripe.dark, step)
        if bar is not None:
            yield bar


def evidence(bar: Bar) -> float:
    """What speaks for a bar, as log odds; none where it is too short or faint."""
    length = bar.line.length
    if bar.contrast < FAINT or length < SHORTEST:
        return -math.inf
    seen = OF_CONTRAST * math.log(bar.contrast) + OF_LENGTH * math.log(length)
    against = sum(
        weight * min(bar.quality[name], most) for name, (weight, most) in EVIDENCE.items()
    )
    return PRIOR + seen + against


def choose(bars: Sequence[Bar], letters: dict[bool, Letters]) -> Choice:
    """The best of several bars.

    Args:
        letters: of the picture, dark and light ones.
    """

    def letter(bar: Bar) -> bool:  # it may be the stroke of one
        small = bar.line.length <= TALL * letters[bar.dark].side
        stout = bar.line.width > STROKE * bar.line.length
        return small and stout and letters[bar.dark].alike(bar.line) >= CROWD

    found: list[Bar] = []
    for bar in sorted(bars, key=lambda bar: (bar.kind != BOX, -evidence(bar))):  # not its sides
        if not any(_overlaps(bar, other) for other in found):
            found.append(bar)
    found = [bar for bar in found if not any(_wrong_one(bar, other) for other in found)]
    if not found:
        return Choice()
    best = max(found, key=lambda bar: (not letter(bar), not bar.cut, evidence(bar)))
    rivals = [
        bar
        for bar in found
        if evidence(bar) > max(SURE, evidence(best) - RIVAL)
        and abs(bar.line.length / best.line.length - 1) > SAME
        and not letter(bar)
    ]
    if rivals:
        lengths = sorted({round(bar.line.length) for bar in (best, *rivals)})[:4]
        said = ", ".join(map(str, lengths))
        return Choice(best, f"{len(rivals) + 1} things look like a bar ({said} pixels long)")
    if letter(best):
        return Choice(best, "it is as long as the letters around it are tall")
    if any(_in_line(bar, best) for bar in bars if bar is not best):
        return Choice(best, PART)
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
    rim = choice.bar.rim * line.length / choice.bar.line.length
    filling = line.between(rim - line.length / 2, line.length / 2 - rim, line.width - 2 * rim)
    bar = measure_bar(picture, filling, choice.bar.dark)
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
    """Whether it is a part of another bar, that is a box, or the panel on which another bar is drawn."""
    s, v, parallel = _placed(bar, other)
    inner, outer = sorted((bar, other), key=lambda of: of.line.length)
    shorter = inner.line.length < (1 - SAME) * outer.line.length
    inside = shorter and s < (outer.line.length - inner.line.length) / 2 + 2
    touching = v < (outer.line.width + inner.line.width) / 2 + 3
    if not parallel or not inside or not touching:
        return False
    if outer.kind == BOX:
        return bar is inner
    return bar is outer and bar.dark != other.dark


def _in_line(bar: Bar, other: Bar) -> bool:
    """Whether two bars may be parts of one that alternates."""
    s, v, parallel = _placed(bar, other)
    alike = bar.dark == other.dark and abs(math.log(bar.line.length / other.line.length)) < 0.2
    return parallel and alike and v < bar.line.width and 0.8 < s / bar.line.length < 3
