"""The length that is written beside a scale bar, read by Tesseract where that is installed."""

from __future__ import annotations

import io
import math
import re
import shutil
import subprocess

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sam2pal.io.errors import InputError
from sam2pal.morphometrics.scales.strip import Line, sample, spaced

MISSING = (
    "the length of the bar is to be read, but Tesseract is not installed (Debian: apt install "
    "tesseract-ocr); install it, or give measurement.scale_search.bar_length"
)
_UNITS = {"nm": 1e-6, "um": 1e-3, "mm": 1.0, "cm": 10.0}
# 05 is 0.5 of which the point was not read
_LENGTH = re.compile(r"(?<![\d.,])((?:0|[1-9]\d{0,3})(?:[.,]\d{1,3})?)\s*(nm|mm|cm|[uµμ]m)\b")
_THOUSANDS = re.compile(r"[1-9]\d*,\d{3}")
_TALL = 700  # pixels across that Tesseract is shown
_SECONDS = 60


def installed() -> bool:
    return shutil.which("tesseract") is not None


def read_length(picture: NDArray[np.float32], line: Line, dark: bool) -> float:
    """What is written beside a bar, mm.

    Args:
        picture: float [h, w], 0 to 255.
        line: the bar.
        dark: whether it is darker than what is around it.

    Raises:
        InputError: Tesseract is not there, or reads no length, or two.
    """
    if not installed():
        raise InputError(MISSING)
    (ux, uy) = line.along
    if ux < -1e-9 or (abs(ux) <= 1e-9 and uy > 0):  # as a person would turn it
        line = line.moved(0.0, math.pi)
    wide, tall = 0.5 * line.length + max(20, 0.25 * line.length), max(30.0, 0.6 * line.length)
    tall = min(tall + line.width, 4 * wide)
    step = max(0.15, 2 * tall / _TALL)
    s, v = spaced(-wide, wide, step), spaced(-tall, tall, step)
    values, _ = sample(picture, line, s, v)
    bar = np.abs(v)[:, None] < line.width / 2 + 1.5
    bar = bar & (np.abs(s) < line.length / 2 + 2)[None, :]
    values[bar] = np.median(values[~bar])
    if not dark:  # and so is its text
        values = 255 - values
    halves = values[: len(v) // 2], values[len(v) // 2 :]
    lengths = {length for half in halves for length in _lengths(_recognised(half))}
    if not lengths:
        raise InputError(
            "no length can be read beside the bar; give measurement.scale_search.bar_length"
        )
    if len(lengths) > 1:
        said = " or ".join(f"{length:g}" for length in sorted(lengths))
        raise InputError(f"the text beside the bar reads as {said} mm")
    return lengths.pop()


def _lengths(text: str) -> list[float]:
    """Lengths in a text, mm."""
    found = []
    for number, unit in _LENGTH.findall(text.replace("|", "1")):
        name = "um" if unit[0] in "uµμ" else unit
        values = [float(number.replace(",", "."))]
        if name in ("um", "nm") and _THOUSANDS.fullmatch(number):  # or three decimals
            values.append(float(number.replace(",", "")))
        found += [value * _UNITS[name] for value in values if value > 0]
    return found


def _recognised(values: NDArray[np.float64]) -> str:
    low, high = np.percentile(values, (1, 99))
    shown = np.clip((values - low) / max(high - low, 1) * 255, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(np.pad(shown, 20, mode="edge")).save(file, "PNG")
    command = ["tesseract", "-", "-", "--psm", "6", "--dpi", "150"]
    try:
        done = subprocess.run(
            command, input=file.getvalue(), capture_output=True, timeout=_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise InputError(f"Tesseract cannot be run ({error})") from error
    return done.stdout.decode("utf-8", "replace")
