"""Rows and columns of what lies in a tray."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import numpy as np

TILTS = np.radians(np.linspace(-5, 5, 41))  # by which a photograph may be turned against its rows
SAME = 0.5  # of the usual height: what lies no farther up or down is of the same row


def numbered(boxes: Sequence[Sequence[float]]) -> list[tuple[int, int]]:
    """The row, from above, and the column, from the left, of each box, counted from 1.

    Rows are laid level first: of the turns of up to five degrees the one with the sharpest rows.
    """
    if not boxes:
        return []
    x, y = (np.array([box[at] + box[at + 2] / 2 for box in boxes]) for at in (0, 1))
    near = SAME * median(box[3] for box in boxes)
    levels = [y * np.cos(tilt) - x * np.sin(tilt) for tilt in TILTS]
    parted = [_rows(level, near) for level in levels]
    # the fewest rows, then the flattest, then the least turned
    best = min(
        range(len(TILTS)),
        key=lambda i: (
            len(parted[i]),
            round(sum(float(np.ptp(levels[i][row])) for row in parted[i]), 3),
            abs(TILTS[i]),
        ),
    )
    numbers = [(0, 0)] * len(boxes)
    for number, row in enumerate(parted[best], 1):
        for column, index in enumerate(sorted(row, key=lambda i: (x[i], y[i])), 1):
            numbers[index] = number, column
    return numbers


def _rows(level: np.ndarray, near: float) -> list[list[int]]:
    rows: list[list[int]] = []
    for index in np.argsort(level, kind="stable").tolist():
        if rows and level[index] - float(np.mean(level[rows[-1]])) <= near:
            rows[-1].append(index)
        else:
            rows.append([index])
    return rows


def names_of(numbers: Sequence[tuple[int, int]]) -> list[str]:
    """`0203` for the third of the second row; three digits each where there are a hundred or more."""
    digits = 2 if max((max(pair) for pair in numbers), default=0) < 100 else 3
    return [f"{row:0{digits}d}{column:0{digits}d}" for row, column in numbers]
