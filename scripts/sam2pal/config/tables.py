"""The tables of genera and of templates."""

import csv
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sam2pal.config.checking import refuse
from sam2pal.config.scale import check_scale
from sam2pal.io.errors import InputError, nearest

GENUS_COLUMNS = ("genus", "specimens", "truth", "pixels_per_mm")
TEMPLATE_COLUMNS = ("genus", "round", "annotations", "photographs")
RESERVED = {"genus": "tables", "round": "lists"}  # folders of results/ and of results/GENUS/
SIGNS = {"\t": "tab", ",": "comma", ";": "semicolon"}
BRACE = "has a brace in its path, which Snakemake would take for a wildcard"


@dataclass(frozen=True)
class Genus:
    """A row of genera.tsv; `pixels_per_mm` is None where lengths stay in pixels."""

    name: str
    specimens: str
    truth: str | None = None
    pixels_per_mm: float | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """A row of templates.tsv: annotations (a file or a folder) and their photographs' folder."""

    genus: str
    label: str
    annotations: str
    photographs: str


def read_table(
    path: str, required: Iterable[str], known: Iterable[str] | None = None
) -> list[tuple[int, dict[str, str]]]:
    """Line numbers and rows of a tab-separated table (comma-separated if its name ends in .csv).

    Outer blanks of values are dropped, empty lines are passed over, a short row is filled up with
    empty values unless it lacks a required one.

    Raises:
        InputError: the file is missing or empty or separated by another character, lacks a column,
            has one twice or (with `known`) an unknown one, or a row does not fit the header.
    """
    required = list(required)
    sign = "," if path.endswith(".csv") else "\t"
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as UTF-8 text ({error})") from error
    lines = [
        [value.strip() for value in line] for line in csv.reader(text.splitlines(), delimiter=sign)
    ]
    if not lines or not any(lines[0]):
        raise InputError(
            f"{path}: is empty; its first line names the columns {', '.join(required)}"
        )
    header = lines[0]
    _check_header(path, header, sign, required, known)
    last_required = max(header.index(column) for column in required)
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        if not any(line):
            continue
        if not last_required < len(line) <= len(header):
            other = _other_sign(line, sign)
            raise InputError(
                f"{path}, line {number}: {len(line)} values for {len(header)} columns; values are "
                f"separated by a {SIGNS[sign]}"
                + (f", this line's seem to be by a {SIGNS[other]}" if other else "")
            )
        values = line + [""] * (len(header) - len(line))
        rows.append((number, dict(zip(header, values, strict=True))))
    if not rows:
        raise InputError(f"{path}: has a header but no rows")
    return rows


def read_genera(path: str) -> dict[str, Genus]:
    """The rows of genera.tsv by genus, in their order.

    Raises:
        InputError: a name is malformed or twice there, or pixels_per_mm is not plausible.
    """
    genera: dict[str, Genus] = {}
    problems = []
    for number, row in read_table(path, ["genus", "specimens"]):
        name, where = row["genus"], f"line {number}"
        problem = name_problem("genus", name) or _twin(name, genera)
        if problem:
            problems.append(f"{where}: {problem}")
            continue
        if not row["specimens"]:
            problems.append(f"{where}: the column 'specimens' is empty; it names a folder")
        scale = _number(row.get("pixels_per_mm", ""))
        if scale is not None and not scale > 0:
            problems.append(
                f"{where}: pixels_per_mm of '{name}' is '{row['pixels_per_mm']}'; give a number "
                "above 0 (how many pixels are a millimetre), or leave it empty to measure in pixels"
            )
        elif scale is not None:
            try:
                check_scale(scale, f"{where}: '{name}'")
            except InputError as error:
                problems.append(str(error))
        if set(row["specimens"] + row.get("truth", "")) & set("{}"):
            problems.append(f"{where}: a file of '{name}' {BRACE}")
        metadata = {column: value for column, value in row.items() if column not in GENUS_COLUMNS}
        genera[name] = Genus(name, row["specimens"], row.get("truth") or None, scale, metadata)
    refuse(problems, path)
    return genera


def read_sources(path: str, genera: Mapping[str, Genus]) -> tuple[Source, ...]:
    """The rows of templates.tsv; an empty `photographs` means the folder of the genus' specimens.

    Raises:
        InputError: a genus is not in genera.tsv, a row names no annotations or is there twice.
    """
    sources: list[Source] = []
    problems = []
    for number, row in read_table(path, ["genus", "round", "annotations"], TEMPLATE_COLUMNS):
        genus, where = row["genus"], f"line {number}"
        if genus not in genera:
            problems.append(
                f"{where}: genus '{genus}' has no row in genera.tsv{nearest(genus, genera)}"
            )
            continue
        problems += [
            f"{where}: the column '{column}' is empty"
            for column in ("round", "annotations")
            if not row[column]
        ]
        photographs = row.get("photographs") or genera[genus].specimens
        if set(row["annotations"] + photographs) & set("{}"):
            problems.append(f"{where}: a file {BRACE}")
        source = Source(genus, row["round"], row["annotations"], photographs)
        if source in sources:
            problems.append(f"{where}: the same row is there twice")
        sources.append(source)
    refuse(problems, path)
    return tuple(sources)


def name_problem(kind: str, name: str) -> str | None:
    """What is wrong with the name of a genus or a round, which becomes a folder, or None."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        return (
            f"{kind} '{name}' becomes the name of a folder: use letters, digits, _ and -, and "
            "begin with a letter or a digit"
        )
    if name.lower() == RESERVED.get(kind):
        return f"{kind} '{name}' is the name of a folder the workflow itself uses; choose another"
    return None


def _twin(name: str, genera: Iterable[str]) -> str | None:
    for other in genera:
        if other == name:
            return f"genus '{name}' is there twice; give every genus one row"
        if other.lower() == name.lower():
            return f"genus '{name}' differs from '{other}' only in upper and lower case"
    return None


def _check_header(
    path: str, header: list[str], sign: str, required: list[str], known: Iterable[str] | None
) -> None:
    missing = [column for column in required if column not in header]
    other = _other_sign(header, sign)
    if missing and other is not None:
        raise InputError(
            f"{path}: its columns seem to be separated by a {SIGNS[other]}; save it with a "
            f"{SIGNS[sign]} between columns" + (", or name it .csv" if other == "," else "")
        )
    if missing:
        raise InputError(
            f"{path}: the column '{missing[0]}' is missing; its columns are {', '.join(header)}"
        )
    for column in header:
        if header.count(column) > 1:
            raise InputError(f"{path}: the column '{column}' is there twice")
        if known is not None and column not in known:
            raise InputError(
                f"{path}: unknown column '{column}'{nearest(column, known)}; known columns: "
                f"{', '.join(known)}"
            )


def _other_sign(line: list[str], sign: str) -> str | None:
    if len(line) > 1:
        return None
    return next((other for other in SIGNS if other != sign and other in line[0]), None)


def _number(text: str) -> float | None:
    """What `text` says: a number, None if it is empty, not-a-number if it is anything else."""
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan
