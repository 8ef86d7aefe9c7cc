"""Defaults, which stand in the schema of the configuration."""

import copy
from collections.abc import Mapping
from typing import Any

SECTIONS = ("model", "training", "segmentation", "evaluation", "measurement", "review")


def open_sections(config: dict[str, Any]) -> None:
    """Make a section that is a heading with nothing under it an empty mapping."""
    for section in SECTIONS:
        if config.get(section, {}) is None:
            config[section] = {}


def fill_defaults(config: dict[str, Any], schema: Mapping[str, Any]) -> None:
    """Add the keys of the first level, and of the model, that are not given.

    Options of stages are left as they are: a round's `train` overrides `training` only where it
    says something, and the stage itself knows its defaults.
    """
    for place, properties in (
        (config, schema["properties"]),
        (config.setdefault("model", {}), schema["$defs"]["model"]["properties"]),
    ):
        for key, value in properties.items():
            if "default" in value:
                place.setdefault(key, copy.deepcopy(value["default"]))


def given(
    options: Mapping[str, Any] | None, schema: Mapping[str, Any], name: str
) -> dict[str, Any]:
    """The options that differ from the defaults of the definition `name`, sorted.

    A default that is written down, or a new option of a later version, is no reason to compute
    anything again.
    """
    known = schema["$defs"][name]["properties"]
    return {
        key: value
        for key, value in sorted((options or {}).items())
        if "default" not in known[key] or value != known[key]["default"]
    }
