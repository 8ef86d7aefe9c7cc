"""The structures that the configuration names."""

from collections.abc import Mapping
from dataclasses import dataclass

from sam2pal.cli import fill
from sam2pal.io.errors import InputError, nearest


@dataclass(frozen=True)
class Structure:
    """One structure.

    Attributes:
        parent: the structure it is part of, if any.
        exclusive: it shares no pixel with the other exclusive structures of its parent.
        weight: how much it counts in training.
    """

    name: str
    parent: str | None = None
    exclusive: bool = True
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.weight > 0:
            raise ValueError(f"weight must be above 0; found {self.weight}")


def read_structures(mapping: Mapping[str, Mapping | None]) -> list[Structure]:
    """The configuration's `structures`, in their order.

    Raises:
        InputError: an unknown key or parent, or a circle of parents.
    """
    structures = []
    for name, values in mapping.items():
        structures.append(fill(Structure, {**(values or {}), "name": name}, f"structures: {name}"))
    names = [structure.name for structure in structures]
    parents = {structure.name: structure.parent for structure in structures}
    for name in names:
        seen, parent = [name], parents[name]
        while parent is not None:
            if parent not in parents:
                raise InputError(
                    f"structures: {name}: its parent '{parent}' is not a structure{nearest(parent, names)}"
                )
            if parent in seen:
                raise InputError(f"structures: {name}: its parents form a circle")
            seen.append(parent)
            parent = parents[parent]
    return structures
