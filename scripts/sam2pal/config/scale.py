"""Which numbers of pixels per millimetre a photograph of a specimen can have."""

import math

from sam2pal.io.errors import InputError

LEAST, MOST = 0.5, 20_000.0
"""Pixels per millimetre: a drawer of 2 m on 1000 pixels; a twentieth of a micrometre per pixel."""


def check_scale(value: float, where: str) -> float:
    """A plausible number of pixels per millimetre.

    Raises:
        InputError: it is not positive, or no photograph of a specimen has it.
    """
    if not math.isfinite(value) or value <= 0:
        raise InputError(f"{where}: {value:g} pixels per mm; a scale is a positive number")
    if not LEAST <= value <= MOST:
        raise InputError(
            f"{where}: {value:g} pixels per mm is implausible (expected {LEAST:g} to {MOST:g}); is "
            "it in another unit? Leave it empty if the scale is not known"
        )
    return value
