"""Rows of the tidy and of the wide table."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sam2pal.config.measurement import MeasurementOptions
from sam2pal.dataset.signals import SIGNALS
from sam2pal.morphometrics.measures.dictionary import (
    BY_NAME,
    DOUBTFUL,
    MEANINGS,
    MEASURED,
    SPECIMEN,
    chosen,
)
from sam2pal.morphometrics.measures.indices import Index
from sam2pal.morphometrics.tables.columns import COLUMNS, rounded

if TYPE_CHECKING:  # measuring takes a second to import, and summaries need none of it
    from sam2pal.morphometrics.measures.results import Measured, MeasureResult

KEYS = ("genus", "round", "specimen")
COUNTED = {"measured": int, "left_out": str}
SCALE = ("pixels_per_mm", "scale_uncertainty", "scale_source")
"""Columns that a wide row has once ..."""
STATE = ("status", "state", "source", "verdict", "confidence", "flags")
"""... and those that it has for each structure; the first two also for each index."""
COUNTED_MEANINGS = {
    "measured": "how many structures were measured with confidence",
    "left_out": "the other structures, and why; only morphometrics_wide has values of them",
}


class Layout:
    """Which rows a specimen has, in their order."""

    def __init__(
        self, structures: Sequence[str], options: MeasurementOptions, indices: Sequence[Index]
    ) -> None:
        self.rows: list[tuple[str, str, str, float]] = []  # structure, measure, unit, exponent
        for structure in (*structures, SPECIMEN):
            for measure in chosen(options):
                if structure != SPECIMEN or measure.specimen:
                    for unit in measure.units:
                        self.rows.append((structure, measure.name, unit, float(measure.exponent)))
        self.structures = [*structures, SPECIMEN]
        self.indices = [
            (index.name, unit, index.exponent) for index in indices for unit in index.units
        ]

    def tidy(self, genus: str, round_: str, measured: "Measured") -> list[dict[str, Any]]:
        """Rows of `COLUMNS`: every structure and measure in every unit, then the indices."""
        common = {
            "genus": genus,
            "round": round_,
            "specimen": measured.specimen,
            "pixels_per_mm": rounded(measured.scale.pixels_per_mm),
            "scale_uncertainty": rounded(measured.scale.uncertainty),
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

    def wide_columns(self) -> dict[str, type]:
        """Columns of the wide table."""
        values: dict[str, list[str]] = {structure: [] for structure in self.structures}
        for structure, measure, unit, _ in self.rows:
            values[structure].append(wide_name(structure, measure, unit))
        indices: dict[str, list[str]] = {}
        for name, unit, _ in self.indices:
            indices.setdefault(name, []).append(index_name(name, unit))
        return wide_columns(values, indices)


def wide_columns(
    values: Mapping[str, Iterable[str]], indices: Mapping[str, Iterable[str]]
) -> dict[str, type]:
    """Columns of a wide table, from those of the values of each structure and index."""
    columns: dict[str, type] = {name: COLUMNS[name] for name in KEYS} | COUNTED
    columns |= {name: COLUMNS[name] for name in SCALE}
    for states, of in ((STATE, values), (STATE[:2], indices)):
        for structure, names in of.items():
            columns |= {f"{structure}.{name}": COLUMNS[name] for name in states}
            columns |= dict.fromkeys(names, float)
    return columns


def wide_name(structure: str, measure: str, unit: str) -> str:
    """Column of a measure: `head.length_mm`, `head.solidity`."""
    with_unit = unit.startswith(("px", "mm"))
    return f"{structure}.{measure}_{unit}" if with_unit else f"{structure}.{measure}"


def described(column: str) -> tuple[str, str]:
    """Unit and meaning of a column of the wide table."""
    structure, dot, name = column.rpartition(".")
    unit = next((of for of in ("px", "mm", "px2", "mm2") if name.endswith(f"_{of}")), "")
    if not dot:
        own = "index of the configuration, or column of the specimen table or of genera.tsv"
        return unit, (MEANINGS["column"] | COUNTED_MEANINGS).get(name, own)
    measure = BY_NAME.get(name.removesuffix(f"_{unit}"))
    if measure is None:
        return "", f"{structure}: {MEANINGS['column'][name]}"
    plain = "" if unit or measure.unit == "1" else measure.unit
    return unit or plain, f"{structure}: {measure.definition}"


def index_name(name: str, unit: str) -> str:
    """Column of an index: its name, with the unit if it has one."""
    return name if unit == "1" else f"{name}_{unit}"


def counted(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """How many structures of a specimen were measured with confidence, and which were not and why."""
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        if row["structure"] != SPECIMEN:
            found.setdefault(row["structure"], {})[row["status"]] = None
    # doubtful in millimetres only
    status = {
        name: "doubtful scale" if len(of) > 1 else next(iter(of)) for name, of in found.items()
    }
    left_out = [f"{name}: {of}" for name, of in status.items() if of != MEASURED]
    return {"measured": len(status) - len(left_out), "left_out": "; ".join(left_out)}


def wide(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One wide row from the tidy rows of one specimen."""
    result: dict[str, Any] = {key: rows[0][key] for key in (*KEYS, *SCALE)} | counted(rows)
    for row in rows:
        structure, measure, unit = row["structure"], row["measure"], row["unit"]
        if structure == SPECIMEN and measure not in BY_NAME:
            result |= {f"{measure}.{name}": row[name] for name in STATE[:2]}
            result[index_name(measure, unit)] = row["value"]
            continue
        if f"{structure}.status" not in result:
            result |= {f"{structure}.{name}": row[name] for name in STATE}
        elif row["status"] == DOUBTFUL:
            result[f"{structure}.status"] = DOUBTFUL  # in millimetres, which a wide row has too
        result[wide_name(structure, measure, unit)] = row["value"]
    return result


def _state(structure: str, result: "MeasureResult") -> dict[str, Any]:
    return {
        "structure": structure,
        "status": result.status,
        "state": result.state,
        "source": result.source,
        "verdict": result.verdict,
        "confidence": result.confidence,
        **{name: result.signals.get(name) for name in SIGNALS},
        "flags": ";".join(result.flags),
    }


def _row(
    shared: Mapping[str, Any],
    result: "MeasureResult",
    measure: str,
    unit: str,
    exponent: float,
    measured: "Measured",
) -> dict[str, Any]:
    lower, upper = result.intervals.get(measure, (None, None))
    low_90, high_90 = result.calibrated.get(measure, (None, None))
    values = {
        "value": result.values.get(measure),
        "low_90": low_90,
        "high_90": high_90,
        "low_by_threshold": lower,
        "high_by_threshold": upper,
        "predicted_value": result.predicted.get(measure),
    }
    factor: float | None = 1.0
    if unit.startswith("mm"):
        scale = measured.scale.pixels_per_mm
        factor = None if scale is None else scale**exponent
        if measured.scale_doubtful and result.status == MEASURED:
            shared = {**shared, "status": DOUBTFUL}
    for name, value in values.items():
        values[name] = None if value is None or factor is None else rounded(value / factor)
    return {**shared, "measure": measure, "unit": unit, **values}
