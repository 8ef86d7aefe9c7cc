"""Rows of the tidy and of the wide table, and the column dictionary."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sam2pal.io.files import atomic
from sam2pal.io.tables import SIGNALS
from sam2pal.morphometrics.dictionary import (
    BY_NAME,
    COLOURS,
    DICTIONARY_COLUMNS,
    MEASURES,
    SPECIMEN,
    units,
)
from sam2pal.morphometrics.indices import Index
from sam2pal.morphometrics.options import MeasurementOptions
from sam2pal.morphometrics.specimen import Measured, Result

COLUMNS = (
    "genus", "round", "specimen", "structure", "measure", "value", "unit", "low_by_threshold",
    "high_by_threshold", "status", "source", "confidence", *SIGNALS, "flags", "pixels_per_mm",
    "scale_source", "reason",
)  # fmt: skip
"""Columns of the tidy table; those of the specimen table follow."""

DIGITS = 7


class Layout:
    """Which rows a specimen has, in their order.

    Args:
        structures: names in their order.
        indices: parsed, in their order.
    """

    def __init__(
        self, structures: Sequence[str], options: MeasurementOptions, indices: Sequence[Index]
    ) -> None:
        out = set(options.leave_out) | (set() if options.colour else set(COLOURS))
        kept = [measure for measure in MEASURES if measure.name not in out]
        self.rows: list[tuple[str, str, str, float]] = []  # structure, measure, unit, exponent
        for structure in (*structures, SPECIMEN):
            for measure in kept:
                if structure != SPECIMEN or measure.specimen:
                    for unit in units(measure):
                        self.rows.append((structure, measure.name, unit, float(measure.exponent)))
        self.structures = [*structures, SPECIMEN]
        self.indices = [
            (index.name, unit, index.exponent) for index in indices for unit in index.units
        ]

    def tidy(self, genus: str, round_: str, measured: Measured) -> list[dict[str, Any]]:
        """Rows of `COLUMNS`: every structure and measure in every unit, then the indices."""
        common = {
            "genus": genus,
            "round": round_,
            "specimen": measured.specimen,
            "pixels_per_mm": _rounded(measured.scale.pixels_per_mm),
            "scale_source": measured.scale.source,
            "reason": measured.reason,
        }
        shared = {
            name: common | _state(name, result) for name, result in measured.structures.items()
        }
        rows = [
            _row(
                shared[structure], measured.structures[structure], measure, unit, exponent, measured
            )
            for structure, measure, unit, exponent in self.rows
        ]
        for name, unit, exponent in self.indices:
            result = measured.indices[name]
            rows.append(
                _row(common | _state(SPECIMEN, result), result, name, unit, exponent, measured)
            )
        return rows

    def wide_columns(self) -> list[tuple[str, str]]:
        """Names and kinds of the columns of the wide table."""
        columns = [("genus", "text"), ("round", "text"), ("specimen", "text")]
        columns += [("pixels_per_mm", "number"), ("scale_source", "text")]
        for structure in self.structures:
            columns.append((f"{structure}.status", "text"))
            columns.append((f"{structure}.confidence", "number"))
            columns.append((f"{structure}.flags", "text"))
            columns += [
                (wide_name(structure, measure, unit), "number")
                for of, measure, unit, _ in self.rows
                if of == structure
            ]
        columns += [(index_name(name, unit), "number") for name, unit, _ in self.indices]
        return columns


def wide_name(structure: str, measure: str, unit: str) -> str:
    """Column of a measure: `head.length_mm`, `head.solidity`."""
    with_unit = unit.startswith(("px", "mm"))
    return f"{structure}.{measure}_{unit}" if with_unit else f"{structure}.{measure}"


def index_name(name: str, unit: str) -> str:
    """Column of an index: its name, with the unit if it has one."""
    return name if unit == "1" else f"{name}_{unit}"


def wide(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One wide row from the tidy rows of one specimen."""
    result: dict[str, Any] = {}
    for row in rows:
        if not result:
            keys = ("genus", "round", "specimen", "pixels_per_mm", "scale_source")
            result = {key: row[key] for key in keys}
        structure, measure, unit = row["structure"], row["measure"], row["unit"]
        if structure == SPECIMEN and measure not in BY_NAME:
            result[index_name(measure, unit)] = row["value"]
            continue
        if f"{structure}.status" not in result:
            result[f"{structure}.status"] = row["status"]
            result[f"{structure}.confidence"] = row["confidence"]
            result[f"{structure}.flags"] = row["flags"]
        result[wide_name(structure, measure, unit)] = row["value"]
    return result


def _state(structure: str, result: Result) -> dict[str, Any]:
    return {
        "structure": structure,
        "status": result.status,
        "source": result.source,
        "confidence": result.confidence,
        **{name: result.signals.get(name) for name in SIGNALS},
        "flags": ";".join(result.flags),
    }


def _row(
    shared: Mapping[str, Any],
    result: Result,
    measure: str,
    unit: str,
    exponent: float,
    measured: Measured,
) -> dict[str, Any]:
    value, (lower, upper) = result.values.get(measure), result.intervals.get(measure, (None, None))
    if unit.startswith("mm"):
        scale = measured.scale.pixels_per_mm
        if scale is None:
            value = lower = upper = None
        else:
            factor = scale**exponent
            value, lower, upper = (
                None if number is None else number / factor for number in (value, lower, upper)
            )
    return {
        **shared,
        "measure": measure,
        "unit": unit,
        "value": _rounded(value),
        "low_by_threshold": _rounded(lower),
        "high_by_threshold": _rounded(upper),
    }


def _rounded(value: float | None) -> float | None:
    """Seven significant digits: more than is known, and the same on every computer."""
    return None if value is None else float(f"{value:.{DIGITS}g}")


def write_dictionary(path: str | Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Write the column dictionary as TSV."""
    lines = ["\t".join(DICTIONARY_COLUMNS)]
    lines += ["\t".join(row[name] for name in DICTIONARY_COLUMNS) for row in rows]
    with atomic(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
