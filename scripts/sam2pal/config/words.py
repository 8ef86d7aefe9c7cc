"""What a JSON schema finds wrong, in words."""

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from sam2pal.config.checking import shown
from sam2pal.io.errors import nearest

TYPES = {
    "object": "keys and values",
    "array": "a list",
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "nothing",
}
BOUNDS = {
    "minimum": "must be at least",
    "exclusiveMinimum": "must be more than",
    "maximum": "must be at most",
    "exclusiveMaximum": "must be less than",
    "multipleOf": "must be a multiple of",
}


def schema_problems(value: Any, schema: Mapping[str, Any]) -> list[str]:
    """A line for each thing a JSON schema finds wrong, with the path of its key."""
    found: list[str] = []
    errors = Draft202012Validator(schema).iter_errors(value)
    for error in sorted(errors, key=lambda error: [str(step) for step in error.absolute_path]):
        where = ".".join(map(str, error.absolute_path))
        found += [f"{where}: {text}" if where else text for text in _in_words(error)]
    return found


def _in_words(error: ValidationError) -> list[str]:
    kind, wanted, found = error.validator, error.validator_value, error.instance
    if kind == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        return [
            f"unknown key '{key}'{nearest(str(key), known)}; known keys: {', '.join(known)}"
            for key in found
            if key not in known
        ]
    if kind == "required":
        # one error a key, which only its message names
        return [f"the key '{key}' is missing" for key in wanted if repr(key) in error.message]
    if kind == "type":
        kinds = [wanted] if isinstance(wanted, str) else wanted
        return [f"expected {' or '.join(TYPES[k] for k in kinds)}, found {shown(found)}"]
    if kind == "enum":
        values = [str(value) for value in wanted if value is not None]
        hint = nearest(found, values) if isinstance(found, str) else ""
        return [f"{shown(found)} is not one of {', '.join(values)}{hint}"]
    if kind in BOUNDS:
        return [f"{BOUNDS[kind]} {wanted}, found {shown(found)}"]
    if kind in ("minItems", "minProperties", "minLength"):
        return ["must not be empty"]
    if kind == "pattern" and "description" in error.schema:
        return [f"{shown(found)} is not {error.schema['description']}"]
    return [error.message]
