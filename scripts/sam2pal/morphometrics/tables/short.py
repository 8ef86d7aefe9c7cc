"""measurements.csv: a row per specimen with the main columns."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sam2pal.config.measurement import MeasurementOptions
from sam2pal.dataset.corrections import REFUSED
from sam2pal.io.errors import InputError
from sam2pal.morphometrics.measures.dictionary import BY_NAME, MEASURED, SPECIMEN
from sam2pal.morphometrics.measures.indices import Index
from sam2pal.morphometrics.tables.columns import COLUMNS
from sam2pal.morphometrics.tables.table import (
    COUNTED,
    COUNTED_MEANINGS,
    Layout,
    counted,
    index_name,
)

FIRST = ("genus", "specimen")
STATE = {**COUNTED, "lowest_confidence": float, "unit": str}
SAME = "as the column unit"
WHOLE = ("body_length", "specimen_length")  # the second where a structure is called body
MANY = 6  # structures above which widths are left to the wide table
MEANINGS = {
    "genus": "of the row in genera.tsv",
    "specimen": "path of the photograph within the genus' folder, without the extension",
    "round": "the final round of the genus, whose masks were measured",
    **COUNTED_MEANINGS,
    "lowest_confidence": "of the masks of the specimen that are there and that nobody refused",
    "unit": "of all lengths in this row: mm, or px where there is not a scale",
}


def columns(
    structures: Sequence[str], indices: Iterable[str], more: Iterable[str]
) -> dict[str, type]:
    """Columns of the table: state, sizes, indices, and those of the specimen table."""
    kinds = ("length",) if len(structures) > MANY else ("length", "width")
    table: dict[str, type] = dict.fromkeys((*FIRST, "round"), str)
    table |= dict.fromkeys(more, str) | STATE | {_whole(structures): float}
    for name in structures:
        table |= {f"{name}_state": str} | {f"{name}_{kind}": float for kind in kinds}
    return table | dict.fromkeys(indices, float)


def taken(
    structures: Sequence[str], options: MeasurementOptions, indices: Sequence[Index]
) -> set[str]:
    """Columns of the tables of measurements, as which none of the user's tables may be called.

    Raises:
        InputError: an index is called as one of them.
    """
    others = {*columns(structures, (), ()), *Layout(structures, options, ()).wide_columns()}
    for index in indices:
        if others & {index.name, *(index_name(index.name, unit) for unit in index.units)}:
            raise InputError(
                f"measurement: indices: '{index.name}' cannot be the name of an index: it is a column of the"
                " tables of measurements; rename the index"
            )
    names = (index.name for index in indices)
    return {*COLUMNS, *others, *Layout(structures, options, indices).wide_columns(), *names}


def described(column: str, columns: Collection[str], wide: Collection[str]) -> tuple[str, str]:
    """Unit and meaning of one of the columns of the table; `wide` are those of the wide one."""
    if column in MEANINGS:
        return "", MEANINGS[column]
    structure, _, kind = column.rpartition("_")
    if f"{structure}_state" in columns:
        if kind == "state":
            return "", (
                f"{structure}: found, outside (it meets the photograph's edge, or lies beyond), hidden,"
                " absent or not_annotated; empty where nothing was looked for, or a person refused the mask"
            )
        return SAME, f"{kind} of the {structure}, see measures.tsv"
    if column in WHOLE:
        return SAME, "length of the body, along its axis"
    powers = [name.rpartition("_mm")[2] for name in wide if name.rpartition("_mm")[0] == column]
    unit = "" if not powers else f"{SAME}, to the power of {powers[0]}" if powers[0] else SAME
    return unit, "index of the configuration, or column of the specimen table or of genera.tsv"


def _whole(structures: Iterable[str]) -> str:
    """The column of the length of the whole specimen, which a structure may be called like."""
    return WHOLE["body" in structures]


def row(rows: Sequence[Mapping[str, Any]], more: Iterable[str]) -> dict[str, Any]:
    """The row of one specimen."""
    unit = "px" if rows[0]["pixels_per_mm"] is None else "mm"
    found: dict[str, Any] = {key: rows[0][key] for key in (*FIRST, "round")}
    found |= {name: rows[0].get(name) for name in more} | {"unit": unit}
    known, whole = [], _whole({one["structure"] for one in rows})
    for one in rows:
        structure, measure, status = one["structure"], one["measure"], one["status"]
        if structure != SPECIMEN:
            found[f"{structure}_state"] = one["state"]
            if one["confidence"] is not None and status not in REFUSED:
                known.append(one["confidence"])
        if status != MEASURED:
            continue
        if structure == SPECIMEN and measure not in BY_NAME:
            if not one["unit"].startswith(("px", "mm")) or one["unit"].startswith(unit):
                found[measure] = one["value"]
        elif one["unit"] == unit and measure in ("length", "width"):
            if structure != SPECIMEN:
                found[f"{structure}_{measure}"] = one["value"]
            elif measure == "length":
                found[whole] = one["value"]
    return found | counted(rows) | {"lowest_confidence": min(known, default=None)}
