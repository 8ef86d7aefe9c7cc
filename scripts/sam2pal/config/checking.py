"""Pydantic's errors as messages for a person who writes a configuration."""

from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from sam2pal.io.errors import InputError
from sam2pal.io.spelling import nearest

SHOWN = 8  # problems of one kind in one message
TYPES = {
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "keys and values",
    "dataclass_type": "keys and values",
}
BOUNDS = {
    "greater_than_equal": ("must be at least", "ge"),
    "greater_than": ("must be more than", "gt"),
    "less_than_equal": ("must be at most", "le"),
    "less_than": ("must be less than", "lt"),
    "multiple_of": ("must be a multiple of", "multiple_of"),
}
Kind = TypeVar("Kind")


def validated(kind: type[Kind], values: Any, where: str = "") -> Kind:
    """Make `kind` of the values of a YAML or JSON file; what is not given keeps its default.

    Args:
        where: path of these values, put before the keys in messages, for example `training`.

    Raises:
        InputError: a key is unknown or missing, or a value is not as it should be.
    """
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        raise InputError("\n".join(cut(in_words(error, kind, where)))) from None


def in_words(error: ValidationError, kind: Any, where: str = "") -> list[str]:
    """A line for each thing that is wrong, with the path of its key."""
    found = sorted(error.errors(include_url=False), key=lambda one: [str(k) for k in one["loc"]])
    return [_line(one, kind, where) for one in found]


def refuse(lines: Sequence[str], where: str) -> None:
    """Raise an `InputError` that lists the first `SHOWN` problems, if there are any."""
    if lines:
        prefix = f"{where}: " if where else ""
        raise InputError("\n".join(f"{prefix}{line}" for line in cut(lines)))


def cut(lines: Sequence[str]) -> list[str]:
    more = len(lines) - SHOWN
    return [*lines[:SHOWN], *([f"... and {more} more like these"] if more > 0 else [])]


def shown(value: Any) -> str:
    """A value of a YAML file as a person would write it."""
    if isinstance(value, str):
        return f"'{value}'"
    if isinstance(value, Mapping):
        return f"the keys {', '.join(map(str, value))}" if value else "{}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "nothing" if value is None else str(value)


def _line(error: ErrorDetails, kind: Any, where: str) -> str:
    place = [key for key in error["loc"] if key != "[key]"]
    if error["type"] in ("unexpected_keyword_argument", "missing"):
        key = place.pop()
        text = f"the key '{key}' is missing"
        if error["type"] != "missing":
            known = list(_bare(_at(kind, place)).__pydantic_fields__)
            hint = nearest(str(key), known)
            text = f"unknown key '{key}'{hint}; known keys: {', '.join(known)}"
    else:
        text = _found(error, _at(kind, place))
    path = ".".join(map(str, [*([where] if where else []), *place]))
    return f"{path}: {text}" if path else text


def _found(error: ErrorDetails, kind: Any) -> str:
    name, found, context = error["type"], error["input"], error.get("ctx", {})
    if name in TYPES:
        return f"expected {TYPES[name]}, found {shown(found)}{_hint(name, found, kind)}"
    if name == "literal_error":
        choices = [shown(choice).strip("'") for choice in get_args(_bare(kind))]
        hint = nearest(found, choices) if isinstance(found, str) else ""
        return f"{shown(found)} is not one of {', '.join(choices)}{hint}"
    if name in BOUNDS:
        words, key = BOUNDS[name]
        return f"{words} {context[key]:g}, found {shown(found)}"
    if name in ("too_short", "string_too_short"):
        return "must not be empty"
    return error["msg"].removeprefix("Value error, ")


def _hint(name: str, found: Any, kind: Any) -> str:
    """How to write what YAML takes for something else, such as 1e-4, 1e2, no or 2026-11-28."""
    if name in ("list_type", "tuple_type") and isinstance(found, str):
        return f"; write [{', '.join(found.replace(',', ' ').split())}]"
    if name in ("dict_type", "dataclass_type"):
        if found is True:
            return "; write {} to take the defaults"
        if isinstance(found, list):
            return "; write each in a line of its own with a colon after it, without a dash"
        if isinstance(found, str) and "name" in getattr(_bare(kind), "__pydantic_fields__", {}):
            return f"; write {{name: {found}}}"
    if name == "string_type" and not isinstance(found, Mapping | list | type(None)):
        return "; write it in quotes"
    if name == "int_type" and isinstance(found, float) and found.is_integer():
        return f"; write {int(found)}"
    if name not in ("float_type", "int_type") or not isinstance(found, str):
        return ""
    try:
        float(found)
    except ValueError:
        return ""
    if name == "int_type":
        return f"; write {int(float(found))}" if float(found).is_integer() else ""
    mantissa, _, exponent = found.lower().partition("e")
    mantissa += "" if "." in mantissa else ".0"
    sign = "" if not exponent or exponent[0] in "+-" else "+"
    return f" (text; write {mantissa}{f'e{sign}{exponent}' if exponent else ''})"


def _at(kind: Any, place: Sequence[Any]) -> Any:
    """The type at a place within a type."""
    for key in place:
        kind = _bare(kind)
        if is_dataclass(kind):
            kind = kind.__pydantic_fields__[key].annotation
        else:  # of a mapping, a list or a tuple
            kind = get_args(kind)[-1 if get_origin(kind) is dict else 0]
    return kind


def _bare(kind: Any) -> Any:
    """Without what is annotated, and without None."""
    while get_origin(kind) is Annotated or type(None) in get_args(kind):
        kind = next(one for one in get_args(kind) if one is not type(None))
    return kind
