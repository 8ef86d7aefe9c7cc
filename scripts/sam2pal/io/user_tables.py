"""Tables that people typed: any usual separator and encoding, rows as spreadsheets leave them."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sam2pal.io.errors import InputError
from sam2pal.io.spelling import composed
from sam2pal.io.text import content_of, decoded

SIGNS = {"\t": "tab", ",": "comma", ";": "semicolon"}
_SPREADSHEETS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # xlsx and ods, xls
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "-", "?"})
"""What people write, in any case, into a cell of numbers that has none."""
_LONGEST_CELL = 40  # lines of a cell in quotes
_LONGEST_TEXT = 32_767


@dataclass(frozen=True)
class UserTable:
    """A table as text; of each row its line in the file, and cells by column without blanks around."""

    columns: list[str]
    rows: list[tuple[int, dict[str, str]]]
    notes: list[str] = field(default_factory=list)


def read_user_table(path: str | Path, known: Iterable[str] = ()) -> UserTable:
    """Read a table whose first line names its columns.

    The first line tells what separates columns. Letters are composed (NFC), blanks around cells
    dropped, short rows filled up, empty columns and rows left out; a quote that is not closed
    is part of its cell.

    Args:
        known: names of columns that are meant in whatever case they are written.

    Raises:
        InputError: no such file, no text, no column, a column twice, or a row of too many cells.
    """
    text, notes = _text(path)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    start = 0
    if lines[0].lower().startswith("sep=") and len(lines) > 1:  # of Excel
        start, lines = 1, lines[1:]
    sign = max(SIGNS, key=lines[0].count)
    if lines[0].count(sign) and sign != ("," if str(path).lower().endswith(".csv") else "\t"):
        notes.append(f"{path}: its columns are separated by a {SIGNS[sign]}")
    rows = list(_cells(lines, sign))
    header = [cell.strip() for cell in rows[0][1]] if rows else []
    if not any(header):
        raise InputError(f"{path}: it is empty; expected a line of column names")
    by_case = {name.casefold(): name for name in known}
    header = [by_case.get(name.casefold(), name) for name in header]
    for name in header:
        if name and header.count(name) > 1:
            raise InputError(f"{path}: the column '{name}' occurs twice; rename one of them")
    found = []
    for line, cells in rows[1:]:
        line, cells = line + start, [cell.strip() for cell in cells]
        if not any(cells):
            continue
        longest = max(map(len, cells))
        if longest > _LONGEST_TEXT:
            raise InputError(
                f"{path}, line {line}: a cell of {longest:,} characters is more than a spreadsheet"
                f" can hold ({_LONGEST_TEXT:,}); correct it"
            )
        beyond = [cell for cell in cells[len(header) :] if cell]
        unnamed = [c for c, name in zip(cells, header, strict=False) if c and not name]
        if beyond or unnamed:
            raise InputError(
                f"{path}, line {line}: {len(cells)} cells for {len(header)} columns; the cell"
                f" '{(beyond or unnamed)[0]}' is in no named column: is there a {SIGNS[sign]} too many?"
            )
        cells += [""] * (len(header) - len(cells))
        found.append(
            (line, {name: cell for name, cell in zip(header, cells, strict=False) if name})
        )
    return UserTable([name for name in header if name], found, notes)


def refuse_spreadsheet(path: str | Path, content: bytes) -> None:
    """Raise an `InputError` if a file that should be text is one of Excel or LibreOffice."""
    if content.startswith(_SPREADSHEETS):
        raise InputError(
            f"{path}: this is a spreadsheet's own file (Excel or LibreOffice), not a text; in the "
            "spreadsheet choose Save as, CSV UTF-8 (.csv), and give the name of that file"
        )


def number(cell: str, where: str) -> float | None:
    """What a cell of numbers says; None if it is empty or says that there is none.

    Raises:
        InputError: it is not a number.
    """
    if cell.strip().casefold() in MISSING:
        return None
    try:
        return float(cell.replace("_", "?"))  # Python takes 12_5 for 125
    except ValueError:
        raise InputError(f"{where}: '{cell}' is not a number{decimal_comma(cell)}") from None


def decimal_comma(cell: str) -> str:
    """A hint for a number that was written with a comma, or an empty text."""
    text = cell.strip()
    if text.count(",") == 1 and text.replace(",", "").isdecimal():
        return f"; the decimal sign is a point: write {text.replace(',', '.')}"
    return ""


def _text(path: str | Path) -> tuple[str, list[str]]:
    notes, content = [], content_of(path)
    refuse_spreadsheet(path, content)
    text, note = decoded(content)
    if note:
        notes.append(f"{path}: {note}")
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise InputError(
            f"{path}, line {line}: this is not text (it holds a zero byte); save it as CSV or TSV in"
            " UTF-8"
        )
    return composed(text), notes


def _cells(lines: list[str], sign: str) -> Iterable[tuple[int, list[str]]]:
    """The cells of every row, and the number of its first line."""
    start = 0
    while start < len(lines):
        cells, end = _row(lines, start, sign)
        if lines[start].strip():
            yield start + 1, cells
        start = end


def _row(lines: list[str], start: int, sign: str) -> tuple[list[str], int]:
    """The cells of a row and the line after it: quoted ones may have several lines, and a quote be text."""
    quoted = '"' in lines[start]
    for end in range(start + 1, min(start + _LONGEST_CELL, len(lines)) + 1 if quoted else 0):
        several = end > start + 1
        if several and lines[end - 1].count(sign) >= lines[0].count(sign):  # a row of its own
            break
        text = "\n".join(lines[start:end])
        if text.count('"') % 2 == 0:
            try:
                read = csv.reader(text.splitlines(True), delimiter=sign, strict=several)
                return next(read, []), end
            except csv.Error:
                break
    return lines[start].split(sign), start + 1
