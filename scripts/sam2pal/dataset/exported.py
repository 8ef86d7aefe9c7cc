"""A specimen as it is exported to other tools."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from sam2pal.dataset.dataset import MISSING, AnnotatedSpecimen, State
from sam2pal.dataset.tracing import Ring, bridged, pieces
from sam2pal.images.orientation import swaps_sides, upright
from sam2pal.io.spelling import folded

NO_MARK = "(no mark such as 'head absent')"
_MARK = re.compile(r"(?P<name>.+?)[\s_-]+(?P<why>[^\s_-]+)", re.S)


def missing_structure(mark: object) -> tuple[str, str]:
    """The structure that a mark such as `head absent` or `Head_hidden` says is not shown, and why.

    Two empty texts if it says nothing of the kind.
    """
    found = _MARK.fullmatch(mark.strip()) if isinstance(mark, str) else None
    why = folded(found["why"]) if found else ""
    return (found["name"], State(why)) if found and why in MISSING else ("", "")


@dataclass(frozen=True)
class Exported:
    """A specimen with its masks, turned as a tool shows its photograph."""

    specimen: AnnotatedSpecimen
    orientation: int = 1
    tolerance: float = 0.0

    @property
    def displayed_size(self) -> tuple[int, int]:
        """`(width, height)` of the photograph turned upright."""
        size = (self.specimen.width, self.specimen.height)
        return size[::-1] if swaps_sides(self.orientation) else size

    @cached_property
    def present(self) -> list[str]:
        """Structures with a mask."""
        return [name for name, of in self.specimen.annotations.items() if of.area]

    @cached_property
    def missing(self) -> dict[str, State]:
        """Structures that the specimen does not show, and why."""
        states = {name: self.specimen.state(name) for name in self.specimen.annotations}
        return {
            name: state
            for name, state in states.items()
            if state in MISSING and name not in self.present
        }

    @property
    def absent(self) -> list[str]:
        """Those of `missing` that are absent, for tools without a word for hidden and outside."""
        return [name for name, why in self.missing.items() if why == State.ABSENT]

    @property
    def marks(self) -> list[str]:
        """Of the structures that it does not show."""
        return [f"{name} {why}" for name, why in self.missing.items()]

    def pieces(self, structure: str, as_displayed: bool) -> list[list[Ring]]:
        """Of each piece of a structure its edge, then its holes; see `tracing.pieces`."""
        mask = self.specimen.masks[structure]
        return pieces(upright(mask, self.orientation) if as_displayed else mask, self.tolerance)

    def rings(self, structure: str) -> list[list[tuple[float, float]]]:
        """Points of a polygon for each piece on the displayed photograph, for tools without holes."""
        found = [bridged(piece) for piece in self.pieces(structure, as_displayed=True)]
        return [list(zip(ring[0::2], ring[1::2], strict=True)) for ring in found]


def marks(structures: Sequence[str]) -> list[str]:
    """The marks that a tool offers."""
    return [f"{name} {why}" for why in (State.ABSENT, State.HIDDEN) for name in structures]
