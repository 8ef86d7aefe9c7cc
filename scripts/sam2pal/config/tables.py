"""The tables of genera and of templates."""

import csv
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic.dataclasses import dataclass
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from sam2pal.config.checking import refuse
from sam2pal.config.scale import check_scale
from sam2pal.config.text_files import read_text
from sam2pal.io.errors import InputError, nearest
from sam2pal.io.user_tables import refuse_spreadsheet

Row = TypeVar("Row")
# folders of results/ and of results/GENUS/
RESERVED = {"genus": ("tables", "plots", "options"), "round": ("lists",)}
LONGEST_CELL = 10_000
SIGNS = {"\t": "tab", ",": "comma", ";": "semicolon"}


def _wrong(text: str) -> PydanticCustomError:
    return PydanticCustomError("row", "{text}", {"text": text})


def _path(text: str) -> str:
    if set(text) & set("{}"):
        raise _wrong(f"'{text}' has a brace in it, which Snakemake would take for a wildcard")
    return os.path.expanduser(text)


def _filled(text: str, info: ValidationInfo) -> str:
    if not text:
        raise _wrong(f"the column '{info.field_name}' is empty")
    return text


def _folder_name(text: str) -> str:
    problem = name_problem("genus", text)
    if problem:
        raise _wrong(problem)
    return text


def _pixels_per_mm(text: str, info: ValidationInfo) -> float | None:
    """What a cell says: a plausible scale, or None if it is empty."""
    if not text:
        return None
    genus = info.data.get("name", "")
    try:
        scale = math.nan if "_" in text else float(text)
    except ValueError:
        scale = math.nan
    if not (math.isfinite(scale) and scale > 0):
        raise _wrong(
            f"pixels_per_mm of '{genus}' is '{text}'; give a number above 0 (how many pixels are a "
            "millimetre), or leave it empty to measure in pixels"
        )
    try:
        return check_scale(scale, f"'{genus}'")
    except InputError as error:
        raise _wrong(str(error)) from None


Filled = Annotated[str, AfterValidator(_filled), WithJsonSchema({"type": "string", "minLength": 1})]
FilledPath = Annotated[Filled, AfterValidator(_path)]
LONGEST_NAME = 100  # it becomes part of names of files, which have 255 bytes
NAME = "[A-Za-z0-9][A-Za-z0-9_-]*"
FolderName = Annotated[
    str, AfterValidator(_folder_name), WithJsonSchema({"type": "string", "pattern": f"^{NAME}$"})
]
Text = WithJsonSchema({"type": "string"})


@dataclass(frozen=True)
class Genus:
    """A row of genera.tsv. Any further column is metadata, which comes back in the tables."""

    name: FolderName = Field(
        alias="genus",
        description="its name, a folder of `results/`: letters, digits, `_` and `-`",
    )
    specimens: FilledPath = Field(
        description="folder of its photographs, searched with all folders below it"
    )
    truth: Annotated[str, AfterValidator(_path)] | None = Field(
        None,
        description="annotations of specimens, used to score masks and nothing else; may be empty",
    )
    pixels_per_mm: Annotated[float | None, BeforeValidator(_pixels_per_mm), Text] = Field(
        None,
        description="scale of its photographs, pixels a millimetre; empty leaves lengths in pixels",
    )
    metadata: SkipJsonSchema[Mapping[str, str]] = Field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """A row of templates.tsv: a set of annotations and the folder of their photographs."""

    genus: Filled = Field(description="a genus of `genera.tsv`")
    label: Filled = Field(
        alias="round",
        description="a label of your choice, by which the configuration's rounds name this row",
    )
    annotations: FilledPath = Field(
        description="a file of COCO, LabelMe, VIA, CVAT, Label Studio, QuPath, ImageJ or Supervisely, "
        "or a folder of such files, of YOLO outlines or of masks (`{specimen}_{structure}.png`, or "
        "indexed with a `legend.csv`); the content says which"
    )
    photographs: Annotated[str, AfterValidator(_path)] = Field(
        "", description="folder of the annotated photographs; empty means the genus' own"
    )


@dataclass(frozen=True)
class SpecimenRow:
    """A row of the table of specimens. Any further column is joined to every result of it."""

    genus: Filled = Field(description="a genus of `genera.tsv`")
    specimen: Filled = Field(
        description="path of its photograph within the genus' folder, without the extension"
    )


def columns(kind: type) -> list[str]:
    """The columns of a table whose rows are of a class."""
    fields = kind.__pydantic_fields__
    return [field.alias or name for name, field in fields.items() if name != "metadata"]


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
    sign = "," if path.lower().endswith(".csv") else "\t"
    if not Path(path).exists():
        raise InputError(f"{path}: there is no such file")
    if Path(path).is_file():
        with open(path, "rb") as file:
            refuse_spreadsheet(path, file.read(4))
    text = read_text(path)
    if "\0" in text:
        raise InputError(
            f"{path}, line {text[: text.index(chr(0))].count(chr(10)) + 1}: this is no text (it holds a "
            "zero byte); save the table as text in UTF-8"
        )
    lines = list(_lines(path, text, sign))
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


def _lines(path: str, text: str, sign: str) -> Iterator[list[str]]:
    reader, before = csv.reader(text.splitlines(), delimiter=sign), 0
    try:
        for line in reader:
            if reader.line_num > before + 1:
                raise InputError(
                    f"{path}, line {before + 1}: a quote is opened and not closed, so that lines to "
                    f"{reader.line_num} would be one cell; remove it or close it"
                )
            if max(map(len, line), default=0) > LONGEST_CELL:  # csv's own limit may be lifted
                raise csv.Error(f"a cell of more than {LONGEST_CELL} characters")
            before = reader.line_num
            yield [value.strip() for value in line]
    except csv.Error as error:
        raise InputError(
            f"{path}, line {before + 1}: this is no row of a table ({error}); correct it"
        ) from error


def read_genera(path: str) -> dict[str, Genus]:
    """The rows of genera.tsv by genus, in their order.

    Raises:
        InputError: a name is malformed or twice there, or pixels_per_mm is not plausible.
    """
    genera: dict[str, Genus] = {}
    problems = []
    known = columns(Genus)
    for number, row in read_table(path, ["genus", "specimens"]):
        values = {column: row[column] for column in known if row.get(column)}
        metadata = {column: value for column, value in row.items() if column not in known}
        twin = _twin(row["genus"], genera)
        genus, found = _row(Genus, {"specimens": "", **values, "metadata": metadata})
        problems += [f"line {number}: {text}" for text in [*([twin] if twin else []), *found]]
        if genus is not None and not twin:
            genera[genus.name] = genus
    refuse(problems, path)
    return genera


def read_sources(path: str, genera: Mapping[str, Genus]) -> tuple[Source, ...]:
    """The rows of templates.tsv; an empty `photographs` means the folder of the genus' specimens.

    Raises:
        InputError: a genus is not in genera.tsv, a row names no annotations or is there twice.
    """
    sources: list[Source] = []
    problems = []
    for number, row in read_table(path, ["genus", "round", "annotations"], columns(Source)):
        genus, where = row["genus"], f"line {number}"
        if genus not in genera:
            problems.append(
                f"{where}: genus '{genus}' has no row in genera.tsv{nearest(genus, genera)}"
            )
            continue
        photographs = row.get("photographs") or genera[genus].specimens
        source, found = _row(Source, row | {"photographs": photographs})
        problems += [f"{where}: {text}" for text in found]
        if source in sources:
            problems.append(f"{where}: the same row is there twice")
        if source is not None:
            sources.append(source)
    refuse(problems, path)
    return tuple(sources)


def _row(kind: type[Row], values: Mapping[str, Any]) -> tuple[Row | None, list[str]]:
    """A row and what is wrong with it."""
    try:
        return TypeAdapter(kind).validate_python(values), []
    except ValidationError as error:
        return None, [one["msg"] for one in error.errors(include_url=False)]


def name_problem(kind: str, name: str) -> str | None:
    """What is wrong with the name of a genus or a round, which becomes a folder, or None."""
    if len(name) > LONGEST_NAME:
        return f"{kind} '{name[:20]}...' has {len(name)} letters, more than {LONGEST_NAME}"
    if not re.fullmatch(NAME, name):
        return (
            f"{kind} '{name}' becomes the name of a folder: use letters, digits, _ and -, and "
            "begin with a letter or a digit"
        )
    if name.lower() in RESERVED[kind]:
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
