"""measurements.csv: a row per specimen with the main columns."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sam2pal.morphometrics.measures.dictionary import BY_NAME, MEASURED, SPECIMEN

FIRST = ("genus", "specimen")
STATE = {"measured": int, "left_out": str, "lowest_confidence": float, "unit": str}
MANY = 6  # structures above which widths are left to the wide table
MEANINGS = {
    "genus": "of the row in genera.tsv",
    "specimen": "path of the photograph within the genus' folder, without the extension",
    "round": "the final round of the genus, whose masks were measured",
    "measured": "how many structures were measured with confidence",
    "left_out": "structures without values here, and why; morphometrics_wide.csv has their values",
    "lowest_confidence": "of the masks of the specimen",
    "unit": "of all lengths in this row: mm, or px where there is no scale",
}


def columns(
    structures: Sequence[str], indices: Iterable[str], more: Iterable[str]
) -> dict[str, type]:
    """Columns of the table: state, sizes, indices, and those of the specimen table."""
    kinds = ("length",) if len(structures) > MANY else ("length", "width")
    sizes = [f"{name}_{kind}" for name in structures for kind in kinds]
    table: dict[str, type] = dict.fromkeys((*FIRST, "round"), str)
    table |= dict.fromkeys(more, str) | STATE
    return table | dict.fromkeys(("body_length", *sizes, *indices), float)


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
    return "index of the configuration, or column of the specimen table or of genera.tsv"


def row(rows: Sequence[Mapping[str, Any]], more: Iterable[str]) -> dict[str, Any]:
    """The row of one specimen."""
    unit = "px" if rows[0]["pixels_per_mm"] is None else "mm"
    found: dict[str, Any] = {key: rows[0][key] for key in (*FIRST, "round")}
    found |= {name: rows[0].get(name) for name in more} | {"unit": unit}
    left_out: dict[str, str] = {}
    known, measured = [], set()
    for one in rows:
        structure, measure, status = one["structure"], one["measure"], one["status"]
        if structure != SPECIMEN:
            if status == MEASURED:
                measured.add(structure)
            else:
                left_out[structure] = status
            if one["confidence"] is not None:
                known.append(one["confidence"])
        if status != MEASURED:
            continue
        if structure == SPECIMEN and measure not in BY_NAME:
            if not one["unit"].startswith(("px", "mm")) or one["unit"].startswith(unit):
                found[measure] = one["value"]
        elif one["unit"] == unit and measure in ("length", "width"):
            found[f"{'body' if structure == SPECIMEN else structure}_{measure}"] = one["value"]
    return found | {
        "measured": len(measured),
        "left_out": "; ".join(f"{name}: {status}" for name, status in left_out.items()),
        "lowest_confidence": min(known, default=None),
    }
