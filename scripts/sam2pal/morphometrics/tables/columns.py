"""Columns and numbers of the tidy table of measurements."""

from collections.abc import Mapping
from typing import Any

from sam2pal.dataset.signals import SIGNALS

COLUMNS = {
    **dict.fromkeys(("genus", "round", "specimen", "structure", "measure"), str),
    "value": float,
    "unit": str,
    **dict.fromkeys(("low_90", "high_90", "low_by_threshold", "high_by_threshold"), float),
    "predicted_value": float,
    **dict.fromkeys(("status", "state", "source", "verdict"), str),
    **dict.fromkeys(("confidence", *SIGNALS), float),
    "flags": str,
    **dict.fromkeys(("pixels_per_mm", "scale_uncertainty"), float),
    **dict.fromkeys(("scale_source", "reason"), str),
}
"""Columns of morphometrics.parquet; those of the specimen table follow."""
INTERVALS = {
    "90 % interval": ("low_90", "high_90"),
    "range by threshold": ("low_by_threshold", "high_by_threshold"),
}
"""Columns of the lower and upper end."""


def widest(row: Mapping[str, Any]) -> tuple[float, float] | None:
    """The lowest and the highest end of all `INTERVALS` of a tidy row, in its unit; None if it has none."""
    ends = [row[name] for pair in INTERVALS.values() for name in pair if row[name] is not None]
    return (min(ends), max(ends)) if ends else None


def rounded(value: float | None) -> float | None:
    """Seven significant digits: more than is known, and the same on every computer."""
    return None if value is None else float(f"{value:.7g}")
