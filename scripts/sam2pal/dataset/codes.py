"""Specimens of trays named by the barcode or QR code beside each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from sam2pal.dataset.trays import Boxed
from sam2pal.io.errors import InputError

REACH = 0.75  # of a box's longer side, how far from the box the middle of its code may lie
LONGEST = 60  # characters of a name, which becomes part of a file's name


class Code(NamedTuple):
    """A barcode or QR code in a photograph: its text, and its middle in pixels."""

    text: str
    x: float
    y: float


def read_codes(pixels: np.ndarray) -> list[Code]:
    """The codes in a photograph, uint8 [h, w, 3]; InputError if the package zxing-cpp is not installed."""
    try:
        import zxingcpp  # wanted by few: the only use of it
    except ImportError:
        raise InputError(
            "`codes` of genera.tsv is yes, but the Python package that reads codes is not installed: call"
            " `.venv/bin/uv pip install zxing-cpp`, or write no"
        ) from None
    found = []
    for code in zxingcpp.read_barcodes(pixels):
        place = code.position
        corners = place.top_left, place.top_right, place.bottom_right, place.bottom_left
        x, y = (sum(getattr(corner, axis) for corner in corners) / 4 for axis in "xy")
        found.append(Code(code.text, x, y))
    return found


def name_by_codes(
    specimens: Sequence[Boxed], codes: Sequence[Code]
) -> tuple[list[Boxed], list[str]]:
    """The specimens, those that have no number yet named by the nearest code; and notes.

    Of an address, as `https://data.nhm.ac.uk/object/NHMUK010`, the name is what follows the last `/`.
    A code names one specimen and a specimen has one code, the nearest pairs first.
    """
    names = [
        re.sub(r"[^A-Za-z0-9]+", "-", code.text.rstrip("/").rpartition("/")[2]) for code in codes
    ]
    names = [name.strip("-")[:LONGEST] for name in names]
    counts = Counter(names)
    notes = [
        f"the code '{name}' is there {count} times and names no specimen"
        for name, count in sorted(counts.items())
        if count > 1 and name
    ]
    pairs = sorted(
        (distance, at, number)
        for number, one in enumerate(specimens)
        for at, code in enumerate(codes)
        if (distance := _distance(one, code)) <= REACH * max(one.box[2:])
    )
    named, used = list(specimens), {one.number for one in specimens if one.number}
    taken: set[int] = set()
    for _, at, number in pairs:
        free = not named[number].number and at not in taken and names[at] not in used
        if free and names[at] and counts[names[at]] == 1:
            named[number] = replace(named[number], number=names[at])
            taken.add(at)
    given = sum(bool(one.number) for one in named)
    notes.append(f"{len(codes)} codes read; {given} of {len(named)} specimens are named by one")
    return named, notes


def _distance(one: Boxed, code: Code) -> float:
    """Of the middle of a code from a box, in pixels; 0 inside."""
    left, top, width, height = one.box
    across = max(left - code.x, code.x - left - width, 0)
    down = max(top - code.y, code.y - top - height, 0)
    return float(np.hypot(across, down))
