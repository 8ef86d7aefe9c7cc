"""Types and helpers for the fields of options."""

import os
import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StrictFloat,
    StrictStr,
    WithJsonSchema,
)
from pydantic.dataclasses import dataclass
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticCustomError

Value = TypeVar("Value")


class HowFast:
    """Marks an option that affects the speed of a job, not its result."""


Machine = Annotated[Value, HowFast()]
"""An option that says how fast and not what: a result does not depend on it."""


def options(kind: type[Value]) -> type[Value]:
    """A frozen dataclass whose values pydantic checks; unknown keys are refused.

    The text under a field says what it is: it stands in the schema and in config/README.md.
    """
    config = ConfigDict(extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)
    made = dataclass(kind, frozen=True, config=config)
    for name, field in made.__pydantic_fields__.items():  # or a class that inherits would lose it
        own = made.__dataclass_fields__[name]
        own.type = Annotated[own.type, Field(description=field.description)]
    return made  # type: ignore[return-value]


def _or_nothing(values: Any) -> Any:
    return {} if values is None else values


class _OrNull:
    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [handler(schema), {"type": "null"}]}


Section = Annotated[Value, BeforeValidator(_or_nothing), _OrNull()]
"""Keys and values; a heading with nothing under it is an empty one."""


def is_machine(field: FieldInfo) -> bool:
    return any(isinstance(mark, HowFast) for mark in field.metadata)


def machine_fields(kind: type) -> dict[str, FieldInfo]:
    """The options of a class that say how fast, by name."""
    return {name: field for name, field in kind.__pydantic_fields__.items() if is_machine(field)}


def without_machine(values: Any, kind: type | None = None) -> dict[str, Any]:
    """What a result depends on, by name."""
    return {
        name: getattr(values, name)
        for name, field in (kind or type(values)).__pydantic_fields__.items()
        if not is_machine(field)
    }


def unique(values: Any) -> Any:
    for value in values:
        if list(values).count(value) > 1:
            shown = f"'{value}'" if isinstance(value, str) else value
            raise PydanticCustomError("twice", "lists {shown} twice; remove one", {"shown": shown})
    return values


def matching(pattern: str, what: str) -> Any:
    """Text of a pattern; `what` says in words what is expected."""

    def check(text: str) -> str:
        if re.fullmatch(pattern, text):
            return text
        raise PydanticCustomError("pattern", "'{text}' is not {what}", {"text": text, "what": what})

    schema = WithJsonSchema({"type": "string", "pattern": f"^{pattern}$"})
    return Annotated[StrictStr, AfterValidator(check), schema]


BRACE = "has a brace in it, which Snakemake would take for a wildcard"


def has_brace(path: str) -> bool:
    return not {*path}.isdisjoint("{}")


def own_path(text: str) -> str:
    """A path that a user names."""
    if has_brace(text):
        raise PydanticCustomError("brace", "'{text}' " + BRACE + "; rename it", {"text": text})
    return os.path.expanduser(text)


Name = Annotated[StrictStr, Field(min_length=1)]
FilePath = Annotated[Name, AfterValidator(own_path)]
Names = Annotated[list[Name], AfterValidator(unique)]
Share = Annotated[StrictFloat, Field(ge=0, le=1)]
LOW_CONFIDENCE = Field(
    0.5,
    description="predicted masks with a lower confidence have the status `low_confidence` in the "
    "measurements, are left out of summaries, and come first on the review page",
)
Turns = Annotated[tuple[Literal[0, 90, 180, 270], ...], Field(min_length=1), AfterValidator(unique)]
