"""Legends of mask pictures: which value or colour is which structure."""

import csv
import json
from pathlib import Path

from sam2pal.io.errors import InputError
from sam2pal.io.text import decoded

_VALUE_NAMES = {"id", "value", "index", "pixel", "number", "class_id", "label_id"}
_STRUCTURE_NAMES = {"name", "structure", "label", "class", "class_name"}

Value = int | tuple[int, int, int]


def read_legend(folder: Path, notes: list[str]) -> dict[Value, str]:
    """`legend.json`, `.csv` or `.tsv` of a folder; how it had to be read is added to `notes`.

    Raises:
        InputError: there is none, or a row is not a value and a structure.
    """
    for suffix in ("json", "csv", "tsv"):
        path = folder / f"legend.{suffix}"
        if path.is_file():
            break
    else:
        raise InputError(
            f"{folder}: indexed masks need a file legend.csv (or .tsv, .json) beside them that says"
            " which value is which structure, for example a row 1,head"
        )
    text, note = decoded(path.read_bytes())
    if note:
        notes.append(f"{path}: {note}")
    if suffix == "json":
        try:
            pairs = [list(pair) for pair in json.loads(text).items()]
        except (ValueError, RecursionError, AttributeError) as error:
            raise InputError(f'{path}: expected an object such as {{"1": "head"}}') from error
    else:
        first = text.partition("\n")[0]
        sign = max(",;\t", key=first.count)
        pairs = _two_columns(list(csv.reader(text.splitlines(), delimiter=sign)))
    legend: dict[Value, str] = {}
    for number, pair in enumerate(pairs, 1):
        if not any(str(cell).strip() for cell in pair):
            continue
        if len(pair) != 2:
            raise InputError(f"{path}: row {number} needs a value and a structure, found {pair}")
        value, label = _value(pair[0]), pair[1]
        if value is None:
            value, label = _value(pair[1]), pair[0]
        if value is None:
            if number == 1:  # a header
                continue
            raise InputError(
                f"{path}: row {number} ({pair[0]}, {pair[1]}) has neither a whole number nor a"
                " colour #rrggbb"
            )
        if value in legend:
            raise InputError(
                f"{path}: row {number}: the value {pair[0]} has a row already; remove one"
            )
        legend[value] = str(label).strip()
    if len({type(value) for value in legend}) != 1:
        raise InputError(
            f"{path}: expected either index values or colours, for one structure or more"
        )
    return legend


def _two_columns(rows: list[list[str]]) -> list[list[str]]:
    """Value and structure of every row, where a header says which of more columns these are."""
    header = [cell.strip().casefold() for cell in rows[0]] if rows else []
    value = next((i for i, name in enumerate(header) if name in _VALUE_NAMES), None)
    label = next((i for i, name in enumerate(header) if name in _STRUCTURE_NAMES), None)
    if len(header) < 3 or value is None or label is None:
        return rows
    return [
        [row[value], row[label]] if len(row) > max(value, label) else row for row in rows if row
    ]


def _value(cell: object) -> Value | None:
    text = str(cell).strip()
    if text.isdecimal() and text.isascii() and len(text) < 10:
        return int(text)
    if len(text) == 7 and text[0] == "#":
        try:
            return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
        except ValueError:
            return None
    return None


def read_labelmap(path: Path) -> dict[Value, str]:
    """CVAT's list of labels, `name:red,green,blue:parts:actions`; InputError if a line gives no colour."""
    legend: dict[Value, str] = {}
    for line in decoded(path.read_bytes())[0].splitlines():
        cells = line.split(":")
        if line.startswith("#") or len(cells) < 2:
            continue
        numbers = cells[1].split(",")
        if len(numbers) != 3 or not all(number.strip().isdecimal() for number in numbers):
            raise InputError(f"{path}: '{line[:60]}' gives no colour as red,green,blue")
        red, green, blue = (int(number) for number in numbers)
        legend[red, green, blue] = cells[0].strip()
    return legend
