"""How large and how slender structures are on the templates, to notice masks of other proportions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sam2pal.dataset.dataset import AnnotatedSpecimen
from sam2pal.morphometrics.geometry.shape import Shape


@dataclass(frozen=True)
class Proportions:
    """Proportions of one structure on the templates.

    Attributes:
        parts: most separate pieces.
        share: smallest and largest share of the specimen's area; None if unknown on all of them.
        elongation: smallest and largest ratio of largest to smallest Feret diameter.
    """

    parts: int
    share: tuple[float, float] | None
    elongation: tuple[float, float]

    def outside(self, share: float | None, shape: Shape, factor: float) -> bool:
        """Whether a mask's share or elongation is `factor` times beyond the range."""
        if share is not None and self.share is not None and _beyond(share, self.share, factor):
            return True
        return _beyond(elongation(shape), self.elongation, factor)


def elongation(shape: Shape) -> float:
    """Largest over smallest Feret diameter."""
    largest, smallest, _ = shape.feret
    return largest / max(smallest, 1e-6)


def shapes_of(template: AnnotatedSpecimen, min_part: float) -> dict[str, Shape]:
    """The shapes of the structures that a template shows."""
    there = {name: mask for name, mask in template.masks.items() if mask.any()}
    return {name: Shape.of(mask, min_part=min_part) for name, mask in there.items()}


def template_proportions(
    templates: Sequence[AnnotatedSpecimen],
    shapes: Sequence[Mapping[str, Shape]],
    body: Sequence[str],
) -> Mapping[str, Proportions]:
    """Ranges over the templates, whose `shapes_of` are given, of every structure that is drawn in one.

    A share of the specimen counts only where all structures of `body` are annotated.
    """
    parts: dict[str, list[int]] = {}
    shares: dict[str, list[float]] = {}
    ratios: dict[str, list[float]] = {}
    for template, there in zip(templates, shapes, strict=True):
        masks = template.masks
        known = all(name in masks for name in body)
        union = np.logical_or.reduce([masks[name] for name in body]) if known and body else None
        for name, shape in there.items():
            parts.setdefault(name, []).append(len(shape.parts))
            ratios.setdefault(name, []).append(elongation(shape))
            if union is not None and union.any():
                shares.setdefault(name, []).append(shape.area / float(union.sum()))
    return {
        name: Proportions(
            max(counts),
            (min(shares[name]), max(shares[name])) if name in shares else None,
            (min(ratios[name]), max(ratios[name])),
        )
        for name, counts in parts.items()
    }


def _beyond(value: float, known: tuple[float, float], factor: float) -> bool:
    return value < known[0] / factor or value > known[1] * factor
