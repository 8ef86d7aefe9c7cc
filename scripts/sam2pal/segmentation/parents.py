"""Structures that are parts of others, looked for in windows round these."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.config.structures import Structure
from sam2pal.dataset.dataset import AnnotatedSpecimen
from sam2pal.images.reading import Photograph
from sam2pal.images.window import Window
from sam2pal.model.templates import TemplateSet
from sam2pal.model.tracker import Tracker
from sam2pal.model.views import named_for_side
from sam2pal.segmentation.bank import Bank, remember

OUTSIDE = "outside_parent"


@dataclass(frozen=True)
class Level:
    """The parts of one structure, and the templates cut to it.

    Attributes:
        filled: how much of its window's side the structure fills.
        closer: how many times shorter than the specimens' windows these are.
    """

    parent: str
    names: tuple[str, ...]
    bank: Bank
    filled: float
    closer: float

    @property
    def followed(self) -> list[str]:
        """Those of the parts that at least one template shows."""
        return self.bank.names_followed(self.names)

    def window(self, photograph: Photograph, bbox: Sequence[int]) -> Window:
        """Round a mask of the structure, inside of what is shown of the photograph."""
        return photograph.shown.part(photograph.upright_box(*bbox), self.filled)


def levels_of(
    tracker: Tracker,
    known: TemplateSet,
    templates: Sequence[AnnotatedSpecimen],
    structures: Sequence[Structure],
    options: SegmentationOptions,
) -> list[Level]:
    """The structures whose parts are looked for in windows of their own, wholes before their parts.

    Those are left out of whose parts one is drawn only where the structure is not, whose parts are all too
    small to be seen, that fill their specimen, or whose sides a mirrored view would exchange.
    """
    levels = []
    parents = {structure.name: structure.parent for structure in structures}
    for parent in sorted(
        filter(None, set(parents.values())), key=lambda name: _depth(name, parents)
    ):
        names = tuple(name for name, own in parents.items() if own == parent)
        if options.mirrored and named_for_side([parent, *names]):
            continue
        cut = known.within(parent, names, templates)
        if cut is None or not bool(cut.at(tracker.image_size).shown.any()):
            continue
        own = [known.specimens.index(name) for name in cut.specimens]
        closer = max(
            known.windows[one].side / window.side
            for one, window in zip(own, cut.windows, strict=True)
        )
        bank = remember(tracker, cut, options)
        levels.append(Level(parent, names, bank, cut.filled, closer))
    return levels


def flag_outside(
    found: Mapping[str, dict[str, Any]], structures: Sequence[Structure], margin: float
) -> None:
    """Flag predicted masks that lie apart from the structure that they are part of.

    Args:
        found: annotations by structure.
        margin: how far the boxes may lie apart, as a share of the whole's longer side.
    """
    for structure in structures:
        whole, part = found.get(structure.parent or ""), found[structure.name]
        if whole is None or part["source"] != "predicted" or not (whole["area"] and part["area"]):
            continue
        gaps = (
            max(whole["bbox"][i] - _end(part, i), part["bbox"][i] - _end(whole, i)) for i in (0, 1)
        )
        if max(gaps) > margin * max(whole["bbox"][2:]):
            part["flags"].append(OUTSIDE)


def _end(annotation: Mapping[str, Any], axis: int) -> int:
    return annotation["bbox"][axis] + annotation["bbox"][axis + 2]


def _depth(name: str, parents: Mapping[str, str | None]) -> int:
    parent = parents[name]
    return 0 if parent is None else 1 + _depth(parent, parents)
