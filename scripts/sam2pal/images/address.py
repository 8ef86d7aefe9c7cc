"""The address of a photograph, or of a window of one.

`trays/017.jpg#xywh=120,80,400,600` is a window of 400 x 600 pixels. Its upper left corner lies at (120, 80)
in the upright photograph (Media Fragments URI, W3C 2012). Whatever is told the address sees a photograph of
400 x 600 pixels, upright on disk.
"""

from __future__ import annotations

import hashlib
import os
import re
from functools import lru_cache
from pathlib import Path

from sam2pal.images.window import Window
from sam2pal.io.errors import InputError
from sam2pal.io.files import files_state, sha256

_WINDOW = re.compile(r"(?P<file>.+)#xywh=(\d+),(\d+),(\d+),(\d+)", re.DOTALL)


def address_of(file: str, window: Window) -> str:
    """The address of a window."""
    return f"{file}#xywh={window.left},{window.top},{window.width},{window.height}"


def split(address: str | Path) -> tuple[str, Window | None]:
    """The file, and the window of it if it is one's address."""
    text = os.fspath(address)
    found = _WINDOW.fullmatch(text)
    if found is None:
        return text, None
    left, top, width, height = (int(number) for number in found.groups()[1:])
    return found["file"], Window(top, left, height, width)


def file_of(address: str | Path) -> str:
    """The file that holds the photograph."""
    return split(address)[0]


def suffix_of(address: str | Path) -> str:
    """The extension of the file, with its dot."""
    return os.path.splitext(file_of(address))[1]


def check_inside(address: str | Path, window: Window, size: tuple[int, int]) -> None:
    """Make sure that a window lies in its photograph of (height, width); InputError if it does not."""
    fits = window.top + window.height <= size[0] and window.left + window.width <= size[1]
    if not fits or min(window.height, window.width) < 1 or min(window.top, window.left) < 0:
        raise InputError(
            f"{address}: the window is not inside the photograph, which has {size[1]} x {size[0]} pixels; run"
            " the workflow again, which finds the specimens anew"
        )


def content_hash(address: str | Path) -> str:
    """SHA-256 of the bytes of a photograph; of a window, of those of its file and the window.

    Raises:
        InputError: the file cannot be read.
    """
    file, window = split(address)
    found = _last_hash(file, files_state(file))
    return found if window is None else hashlib.sha256(f"{found} {window}".encode()).hexdigest()


@lru_cache(maxsize=1)
def _last_hash(file: str, state: str) -> str:
    """The specimens of a tray follow each other."""
    return sha256(file)
