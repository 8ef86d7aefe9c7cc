"""The structures that the configuration names."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field, StrictBool, StrictFloat

from sam2pal.config.checking import refuse, validated
from sam2pal.config.fields import Name, Section, matching, options
from sam2pal.io.spelling import nearest

StructureName = matching(
    r'[^\s/\\,;{}"=+\-@\'][^\t/\\,;{}"]*',
    "the name of a structure: it must not begin with a blank or one of = + - @ ' or contain a tab "
    'or one of / \\ , ; { } "',
)


@options
class StructureOptions:
    """What is said of a structure."""

    parent: Name | None = None
    """the structure that it is part of; it is also looked for in a closer window around that
    structure"""
    exclusive: StrictBool = True
    """it shares no pixel with the other exclusive structures of the same parent"""
    weight: StrictFloat = Field(1.0, gt=0)
    """how much it counts in training"""


@options
class Structure(StructureOptions):
    """One structure."""

    name: StructureName = Field(kw_only=True)


Structures = dict[StructureName, Section[StructureOptions]]


def read_structures(mapping: Mapping[str, Mapping[str, Any] | None]) -> list[Structure]:
    """The configuration's `structures`, in their order.

    Raises:
        InputError: an unknown key or parent, or a structure that lies within itself.
    """
    entries = validated(Structures, mapping, "structures")
    refuse(parent_problems(entries), "")
    return with_names(entries)


def with_names(entries: Mapping[str, StructureOptions]) -> list[Structure]:
    return [
        Structure(entry.parent, entry.exclusive, entry.weight, name=name)
        for name, entry in entries.items()
    ]


def parent_problems(structures: Mapping[str, StructureOptions]) -> list[str]:
    """A line for each parent that is no structure, or that lies within its own part."""
    problems = []
    parents = {name: entry.parent for name, entry in structures.items()}
    for name, parent in parents.items():
        where = f"structures.{name}.parent"
        if parent is not None and parent not in parents:
            problems.append(f"{where}: there is no structure '{parent}'{nearest(parent, parents)}")
            continue
        ancestors: list[str] = []
        while parent is not None and parent not in ancestors:
            ancestors.append(parent)
            parent = parents.get(parent)
        if name in ancestors:
            circle = " in ".join([name, *ancestors[: ancestors.index(name) + 1]])
            problems.append(
                f"{where}: '{name}' would be a part of itself ({circle}); correct one parent"
            )
    return problems
