"""Generated documents: JSON schemas, and the tables of config/README.md."""

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from sam2pal.config.configuration import Configuration
from sam2pal.config.evaluation import EvaluationOptions
from sam2pal.config.fields import is_machine
from sam2pal.config.measurement import MeasurementSection
from sam2pal.config.model import ModelOptions
from sam2pal.config.outlines import OutlineOptions
from sam2pal.config.review import NextOptions, ReviewSection
from sam2pal.config.rounds import Round
from sam2pal.config.scale import ScaleSearch
from sam2pal.config.segmentation import SegmentationSection
from sam2pal.config.structures import StructureOptions
from sam2pal.config.tables import AnnotationSet, Genus, SpecimenRow
from sam2pal.config.training import TrainingSection

HEADER = "# Generated from scripts/sam2pal/config by `make docs`. Do not edit.\n"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
SECTIONS: dict[str, type] = {
    "configuration": Configuration,
    "model": ModelOptions,
    "structures": StructureOptions,
    "rounds": Round,
    "training": TrainingSection,
    "segmentation": SegmentationSection,
    "evaluation": EvaluationOptions,
    "measurement": MeasurementSection,
    "outlines": OutlineOptions,
    "scale_search": ScaleSearch,
    "review": ReviewSection,
    "next": NextOptions,
}
TABLES: dict[str, type] = {"genera": Genus, "templates": AnnotationSet, "specimens": SpecimenRow}
FURTHER = {"genera", "specimens"}  # tables that may have further columns
KINDS = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "array": "list",
    "object": "keys and values",
    "null": "none",
}
BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "multipleOf": "a multiple of {}",
}
_MARKED = re.compile(r"(<!-- begin (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def schemas() -> dict[str, str]:
    """The text of each file of workflow/schemas, by its name."""
    files = {"config.schema.yaml": _schema(Configuration)}
    for name, kind in TABLES.items():
        schema = _schema(kind)
        schema["additionalProperties"] = {"type": "string"} if name in FURTHER else False
        files[f"{name}.schema.yaml"] = schema
    return {
        name: HEADER + yaml.safe_dump(schema, sort_keys=False, allow_unicode=True, width=100)
        for name, schema in files.items()
    }


def manual(text: str) -> str:
    """A Markdown page with the tables between its markers, `<!-- begin NAME -->`, written anew."""

    def table(match: re.Match[str]) -> str:
        name = match[2]
        lines = _columns(TABLES[name], name) if name in TABLES else _options(SECTIONS[name])
        return match[1] + "".join(f"{line}\n" for line in lines) + match[3]

    return _MARKED.sub(table, text)


def _columns(kind: type, name: str) -> Iterator[str]:
    yield from ("| column | meaning |", "| --- | --- |")
    for key, field in _fields(kind):
        if field.description:
            yield f"| `{field.alias or key}` | {_on_one_line(field.description)} |"
    if name in FURTHER:
        what = "metadata, which comes back in the tables" if name == "genera" else "joined as it is"
        yield f"| any other | {what} |"


def _options(kind: type) -> Iterator[str]:
    yield from ("| key | default | values | meaning |", "| --- | --- | --- | --- |")
    schema = _schema(kind)
    for key, field in _fields(kind):
        entry = schema["properties"][key]
        if field.description is None:  # a section, with a table of its own
            continue
        default = (
            "" if field.is_required() else _shown(field.get_default(call_default_factory=True))
        )
        meaning = _on_one_line(field.description) + (" (*)" if is_machine(field) else "")
        yield f"| `{key}` | {default} | {_values(entry)} | {meaning} |"


def _fields(kind: type) -> Iterator[tuple[str, FieldInfo]]:
    """The fields of a class, and then those that it inherits."""
    fields = kind.__pydantic_fields__
    own = [key for of in kind.__mro__ for key in of.__dict__.get("__annotations__", {})]
    return ((key, fields[key]) for key in dict.fromkeys(own) if key in fields)


def _values(entry: dict[str, Any]) -> str:
    """What a key may be, in words."""
    if "anyOf" in entry or "$ref" in entry:
        return KINDS["object"]
    kinds = entry["type"] if isinstance(entry.get("type"), list) else [entry.get("type")]
    of = entry.get("items", entry)
    if "enum" in of:
        choices = ", ".join(f"`{_shown(choice)}`" for choice in of["enum"])
        return f"some of {choices}" if "items" in entry else choices
    words = [" or ".join(KINDS[kind] for kind in kinds)]
    if "minimum" in entry and "maximum" in entry:
        words.append(f"{entry.pop('minimum')} to {entry.pop('maximum')}")
    words += [text.format(f"{entry[key]:g}") for key, text in BOUNDS.items() if key in entry]
    return ", ".join(words)


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(str, value))}]"
    return value if isinstance(value, str) else json.dumps(value)


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _schema(kind: type) -> dict[str, Any]:
    schema = _plain(TypeAdapter(kind).json_schema())
    return {"$schema": DIALECT, **schema}


def _plain(value: Any) -> Any:
    """Without titles, and with `null` as one of a value's types."""
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    value = {
        key: _on_one_line(entry)
        if key == "description" and isinstance(entry, str)
        else _plain(entry)
        for key, entry in value.items()
        if not (key == "title" and isinstance(entry, str))
    }
    options = value.get("anyOf", [])
    if len(options) == 2 and options[1] == {"type": "null"} and "type" in options[0]:
        del value["anyOf"]
        value = {**options[0], "type": [options[0]["type"], "null"], **value}
    return value
