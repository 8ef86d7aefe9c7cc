"""Text in the cells of tables that a spreadsheet opens without running it.

Names, metadata and labels come from users. A spreadsheet takes a cell that begins with `=`, `+`,
`-`, `@`, a tab or a line break for a formula, so such text is written with an apostrophe before it, and
read back without it. Numbers stay as they are.
"""

import re

import pyarrow as pa
import pyarrow.compute as pc

_FORMULA = r"^('*[=+\-@\t\r\n])"  # apostrophes that are there already get one more
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_WRITTEN = r"^'('*[=+\-@\t\r\n])"


def inert(text: str) -> str:
    """Text as it is written into a cell; `original` gives it back."""
    if len(text) > 1 and re.match(_FORMULA, text) and not re.fullmatch(_NUMBER, text):
        return f"'{text}"
    return text


def original(cell: str) -> str:
    """The text that `inert` made a cell of."""
    return cell[1:] if cell[:1] == "'" and re.match(_WRITTEN, cell) else cell


def inert_column(cells: pa.Array) -> pa.Array:
    """A column of text as it is written."""
    found = pc.match_substring_regex(cells, _FORMULA)
    if not pc.any(found).as_py():
        return cells
    plain = pc.or_(
        pc.match_substring_regex(cells, _NUMBER), pc.less(pc.utf8_length(cells), pa.scalar(2))
    )
    return pc.if_else(plain, cells, pc.replace_substring_regex(cells, _FORMULA, r"'\1"))


def original_column(cells: pa.Array) -> pa.Array:
    """A column of text as it was before it was written."""
    return pc.replace_substring_regex(cells, _WRITTEN, r"\1")
