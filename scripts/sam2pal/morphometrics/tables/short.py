"""measurements.csv: a row per specimen with the main columns."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sam2pal.morphometrics.measures.dictionary import BY_NAME, MEASURED, SPECIMEN
from sam2pal.morphometrics.tables.table import COUNTED, COUNTED_MEANINGS, counted

FIRST = ("genus", "specimen")
STATE = {**COUNTED, "lowest_confidence": float, "unit": str}
MANY = 6  # structures above which widths are left to the wide table
MEANINGS = {
    "genus": "of the row in genera.tsv",
    "specimen": "path of the photograph within the genus' folder, without the extension",
    "round": "the final round of the genus, whose masks were measured",
    **COUNTED_MEANINGS,
    "lowest_confidence": "of the masks of the specimen that are there",
    "unit": "of all lengths in this row: mm, or px where there is not a scale",
}


def columns(
    structures: Sequence[str], indices: Iterable[str], more: Iterable[str]
) -> dict[str, type]:
    """Columns of the table: state, sizes, indices, and those of the specimen table."""
    kinds = ("length",) if len(structures) > MANY else ("length", "width")
    table: dict[str, type] = dict.fromkeys((*FIRST, "round"), str)
    table |= dict.fromkeys(more, str) | STATE | {"body_length": float}
    for name in structures:
        table |= {f"{name}_state": str} | {f"{name}_{kind}": float for kind in kinds}
    return table | dict.fromkeys(indices, float)


def is_length(column: str) -> bool:
    """Whether a column of the table has the unit that its row names."""
    return column == "body_length" or column.rpartition("_")[2] in ("length", "width")


def meaning(column: str) -> str:
    """What a column of the table is."""
    if column in MEANINGS:
        return MEANINGS[column]
    if column == "body_length":
        return "length of the body, along its axis"
    structure, _, kind = column.rpartition("_")
    if kind in ("length", "width") and structure:
        return f"{kind} of the {structure}, see measures.tsv"
    if kind == "state" and structure:
        return (
            f"{structure}: found, outside (it meets the photograph's edge, or lies beyond), hidden, absent or"
            " not_annotated; empty where nothing was looked for, or a person refused the mask"
        )
    return "index of the configuration, or column of the specimen table or of genera.tsv"


def row(rows: Sequence[Mapping[str, Any]], more: Iterable[str]) -> dict[str, Any]:
    """The row of one specimen."""
    unit = "px" if rows[0]["pixels_per_mm"] is None else "mm"
    found: dict[str, Any] = {key: rows[0][key] for key in (*FIRST, "round")}
    found |= {name: rows[0].get(name) for name in more} | {"unit": unit}
    known = []
    for one in rows:
        structure, measure, status = one["structure"], one["measure"], one["status"]
        if structure != SPECIMEN:
            found[f"{structure}_state"] = one["state"]
            if one["confidence"] is not None:
                known.append(one["confidence"])
        if status != MEASURED:
            continue
        if structure == SPECIMEN and measure not in BY_NAME:
            if not one["unit"].startswith(("px", "mm")) or one["unit"].startswith(unit):
                found[measure] = one["value"]
        elif one["unit"] == unit and measure in ("length", "width"):
            found[f"{'body' if structure == SPECIMEN else structure}_{measure}"] = one["value"]
    return found | counted(rows) | {"lowest_confidence": min(known, default=None)}
