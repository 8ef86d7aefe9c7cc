"""The tables of genera and of templates."""

import math
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
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
from sam2pal.config.fields import own_path
from sam2pal.config.scale import check_scale
from sam2pal.io.errors import InputError
from sam2pal.io.spelling import misspelt, nearest
from sam2pal.io.user_tables import MISSING, UserTable, decimal_comma, read_user_table

Row = TypeVar("Row")
# folders of results/ and of results/GENUS/
RESERVED = {
    "genus": ("tables", "plots", "options", "index"),
    "round": ("lists", "scale", "shapes", "trays", "darwin_core"),
}


def _wrong(text: str) -> PydanticCustomError:
    return PydanticCustomError("row", "{text}", {"text": text})


def _filled(text: str, info: ValidationInfo) -> str:
    if not text:
        raise _wrong(f"the column '{info.field_name}' is empty; fill it in")
    return text


def _folder_name(text: str) -> str:
    problem = name_problem("genus", text)
    if problem:
        raise _wrong(problem)
    return text


def _pixels_per_mm(text: str, info: ValidationInfo) -> float | None:
    """What a cell says: a plausible scale, or None if it is empty."""
    if text.casefold() in MISSING:
        return None
    genus = info.data.get("name", "")
    try:
        scale = math.nan if "_" in text else float(text)
    except ValueError:
        scale = math.nan
    if not (math.isfinite(scale) and scale > 0):
        raise _wrong(
            f"pixels_per_mm of '{genus}' is '{text}'; give a number above 0 (how many pixels are a "
            f"millimetre), or leave it empty to measure in pixels{decimal_comma(text)}"
        )
    try:
        return check_scale(scale, f"'{genus}'")
    except InputError as error:
        raise _wrong(str(error)) from None


def _choice(*choices: str, advice: str) -> BeforeValidator:
    """One of these, in lower case."""

    def check(text: str, info: ValidationInfo) -> str:
        if text.casefold() in choices:
            return text.casefold()
        genus = info.data.get("name", "")
        raise _wrong(f"{info.field_name} of '{genus}' is '{text}'; {advice}")

    return BeforeValidator(check)


_LAYOUT = "write single, many for photographs of trays and drawers, or auto where there are both"
Filled = Annotated[str, AfterValidator(_filled), WithJsonSchema({"type": "string", "minLength": 1})]
FilledPath = Annotated[Filled, AfterValidator(own_path)]
LONGEST_NAME = 100  # it becomes part of names of files, which have 255 bytes
NAME = "[A-Za-z0-9][A-Za-z0-9_-]*"
FolderName = Annotated[
    str, AfterValidator(_folder_name), WithJsonSchema({"type": "string", "pattern": f"^{NAME}$"})
]
Text = WithJsonSchema({"type": "string"})
DESCRIBED = ConfigDict(use_attribute_docstrings=True)


@dataclass(frozen=True, config=DESCRIBED)
class Genus:
    """A row of genera.tsv. Any further column is metadata, which comes back in the tables."""

    name: FolderName = Field(alias="genus")
    """its name, a folder of `results/`: letters, digits, `_` and `-`"""
    specimens: FilledPath = Field()
    """folder of its photographs, searched with all folders below it; it holds neither results nor
    another genus' photographs"""
    truth: Annotated[str, AfterValidator(own_path)] | None = None
    """annotations of specimens, used only to score masks; may be empty"""
    landmarks: Annotated[str, AfterValidator(own_path)] | None = None
    """landmarks drawn on its templates, which `outlines` transfers to specimens: a file or a
    folder of COCO keypoints, LabelMe points or TPS; may be empty"""
    pixels_per_mm: Annotated[float | None, BeforeValidator(_pixels_per_mm), Text] = None
    """scale of its photographs, pixels per millimetre; if empty, lengths are in pixels"""
    layout: Annotated[
        Literal["single", "many", "auto"], _choice("single", "many", "auto", advice=_LAYOUT)
    ] = "single"
    """what a photograph shows: a `single` specimen, or `many` (trays and drawers), which are
    found first; `auto` decides for each photograph"""
    boxes: Annotated[str, AfterValidator(own_path)] | None = None
    """COCO file, or folder of such files, with a box per specimen of a tray; it replaces the
    boxes that are found; may be empty"""
    codes: Annotated[Literal["no", "yes"], _choice("yes", "no", advice="write yes or no")] = "no"
    """`yes` names the specimens of trays by the barcodes or QR codes beside them"""
    metadata: SkipJsonSchema[Mapping[str, str]] = Field(default_factory=dict)

    @property
    def box_files(self) -> list[str]:
        """The files that `boxes` names."""
        if self.boxes is None:
            return []
        place = Path(self.boxes)
        return sorted(map(str, place.glob("*.json"))) if place.is_dir() else [self.boxes]


@dataclass(frozen=True, config=DESCRIBED)
class AnnotationSet:
    """A row of templates.tsv: a set of annotations and the folder of their photographs."""

    genus: Filled
    """a genus of `genera.tsv`"""
    label: Filled = Field(alias="round")
    """a label of your choice, which `rounds` in `config.yaml` lists"""
    annotations: FilledPath = Field()
    """a file of COCO, LabelMe, VIA, CVAT, Label Studio, QuPath, ImageJ or Supervisely, or a
    folder of such files, of YOLO outlines or of masks (`{specimen}_{structure}.png`, or indexed
    with a `legend.csv`); the format is recognised by content"""
    photographs: Annotated[str, AfterValidator(own_path)] = ""
    """folder of the annotated photographs; empty means the genus' own"""


@dataclass(frozen=True, config=DESCRIBED)
class SpecimenRow:
    """A row of the table of specimens. Any further column is joined to every result of it."""

    genus: Filled
    """a genus of `genera.tsv`"""
    specimen: Filled
    """path of its photograph within the genus' folder, without the extension"""


def columns(kind: type) -> list[str]:
    """The columns of a table whose rows are of a class."""
    fields = kind.__pydantic_fields__
    return [field.alias or name for name, field in fields.items() if name != "metadata"]


def read_table(path: str, kind: type, further: bool) -> UserTable:
    """A table whose rows are of a class.

    Args:
        further: whether it may have other columns.

    Raises:
        InputError: the file is missing or has no rows, lacks a column or has one too many.
    """
    known = columns(kind)
    table = read_user_table(path, known)
    fields = kind.__pydantic_fields__.values()
    required = [c for c, field in zip(known, fields, strict=False) if field.is_required()]
    for column in required:
        if column not in table.columns:
            raise InputError(
                f"{path}: the column '{column}' is missing{nearest(column, table.columns)}; its"
                f" columns are {', '.join(table.columns)}"
            )
    for column in table.columns:
        if not further and column not in known:
            raise InputError(
                f"{path}: unknown column '{column}'{nearest(column, known)}; known columns: "
                f"{', '.join(known)}"
            )
    if not table.rows:
        raise InputError(f"{path}: no row below the header; add one at least")
    return table


def read_genera(path: str) -> tuple[dict[str, Genus], list[str]]:
    """The rows of genera.tsv by genus, in their order; and what is unusual about the file.

    Raises:
        InputError: a name is malformed or twice there, pixels_per_mm is not plausible, a further column is
            called almost as one that has a meaning, or photographs of a genus lie within another's folder.
    """
    genera: dict[str, Genus] = {}
    problems = []
    known = columns(Genus)
    table = read_table(path, Genus, further=True)
    problems += misspelt(table.columns, known)
    for number, row in table.rows:
        values = {column: row[column] for column in known if row.get(column)}
        for key in ("truth", "landmarks", "boxes"):
            if values.get(key, "").casefold() in MISSING:
                values.pop(key, None)
        metadata = {column: value for column, value in row.items() if column not in known}
        twin = _twin(row["genus"], genera)
        genus, found = _row(Genus, {"specimens": "", **values, "metadata": metadata})
        problems += [f"line {number}: {text}" for text in [*([twin] if twin else []), *found]]
        if genus is not None and not twin:
            genera[genus.name] = genus
    refuse(problems, path)
    folders: dict[str, str] = {}
    places = {name: os.path.realpath(of.specimens) for name, of in genera.items()}
    same = [
        f"{path}: '{name}' has the same photographs as '{first}': each is measured for both"
        for name, place in places.items()
        if (first := folders.setdefault(place, name)) != name
    ]
    for name, place in places.items():
        for outer in {str(parent) for parent in Path(place).parents} & folders.keys():
            problems.append(
                f"the photographs of '{name}' ({genera[name].specimens}) lie within the folder of "
                f"'{folders[outer]}' ({genera[folders[outer]].specimens}) and would be measured for both; "
                f"give '{folders[outer]}' a folder of its own"
            )
    refuse(problems, path)
    return genera, [*table.notes, *same]


def read_sources(
    path: str, genera: Mapping[str, Genus]
) -> tuple[tuple[AnnotationSet, ...], list[str]]:
    """The rows of templates.tsv, and what is unusual about the file.

    An empty `photographs` means the folder of the genus' specimens.

    Raises:
        InputError: a genus is not in genera.tsv, a row names no annotations or is there twice.
    """
    sources: list[AnnotationSet] = []
    problems = []
    table = read_table(path, AnnotationSet, further=False)
    for number, row in table.rows:
        genus, where = row["genus"], f"line {number}"
        if genus not in genera:
            problems.append(
                f"{where}: genus '{genus}' has no row in genera.tsv{nearest(genus, genera)}; correct its"
                " name, or add the row"
            )
            continue
        photographs = row.get("photographs") or genera[genus].specimens
        source, found = _row(AnnotationSet, row | {"photographs": photographs})
        problems += [f"{where}: {text}" for text in found]
        if source in sources:
            problems.append(f"{where}: it repeats an earlier row; remove it")
        if source is not None:
            sources.append(source)
    refuse(problems, path)
    return tuple(sources), table.notes


def _row(kind: type[Row], values: Mapping[str, Any]) -> tuple[Row | None, list[str]]:
    """A row and what is wrong with it."""
    try:
        return TypeAdapter(kind).validate_python(values), []
    except ValidationError as error:
        return None, [
            f"the column '{one['loc'][-1]}' is empty; fill it in"
            if one["type"] == "missing"
            else one["msg"]
            for one in error.errors(include_url=False)
        ]


def name_problem(kind: str, name: str) -> str | None:
    """What is wrong with the name of a genus or a round, which becomes a folder, or None."""
    if len(name) > LONGEST_NAME:
        return f"{kind} '{name[:20]}...' has {len(name)} letters; shorten it to {LONGEST_NAME} or fewer"
    if not re.fullmatch(NAME, name):
        return (
            f"{kind} '{name}' becomes the name of a folder: use letters, digits, _ and -, and "
            "begin with a letter or a digit"
        )
    if name.lower() in RESERVED[kind]:
        return (
            f"{kind} '{name}' is the name of a folder of the workflow itself; choose another name"
        )
    return None


def _twin(name: str, genera: Iterable[str]) -> str | None:
    for other in genera:
        if other == name:
            return f"genus '{name}' has a second row; remove one of them"
        if other.lower() == name.lower():
            return f"genus '{name}' differs from '{other}' only in upper and lower case; rename one"
    return None
