"""Which masks look unlike the genus' other specimens, and unlike its templates.

A wrong mask may have a high confidence. Its shape tells: a head of the body's size, a ragged pronotum,
elytra over the head. Sizes are compared after the size of the specimen is taken out: the median over its
structures, so that one wrong mask does not make the others look wrong.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

import numpy as np
import shapely
from numpy.typing import NDArray

from sam2pal.dataset.dataset import AnnotatedSpecimen
from sam2pal.dataset.signals import UNLIKE_TEMPLATES
from sam2pal.morphometrics.geometry.shape import Shape

SIZES = ("area", "length", "width")
OTHERS = ("ragged", "hollow", "overlap")
QUANTITIES = (*SIZES, *OTHERS)
"""Logarithms of size, and of how ragged, how little convex and how far in others a mask is."""
FLAGS = {
    **dict.fromkeys(SIZES, "unusual_size"),
    **dict.fromkeys(OTHERS[:2], "unusual_outline"),
    "overlap": "overlaps_neighbour",
}
ORDER = "out_of_order"
DOUBTS = (*dict.fromkeys(FLAGS.values()), ORDER, UNLIKE_TEMPLATES)
"""All flags of masks that are doubtful by their shape."""

FEW = 8  # specimens below which the genus' own spread is not known
LIMIT = 5.0  # robust standard deviations: tests/bench/plausibility.py says what others find
SPREAD = dict(zip(QUANTITIES, (0.06, 0.06, 0.06, 0.05, 0.05, 0.06), strict=True))
"""The least spread of each quantity: what even careful outlines differ by."""
FAR = np.log(2.0)  # a side twice or half as long as any template's, the specimen's size taken out
# shares of the body's length: in order on a template, and not on a mask
APART, REVERSED = 0.15, 0.05


def shapes_of(template: AnnotatedSpecimen, min_part: float) -> dict[str, Shape]:
    """The shapes of the structures that a template shows."""
    there = {name: mask for name, mask in template.masks.items() if mask.any()}
    return {name: Shape.of(mask, min_part=min_part) for name, mask in there.items()}


class Plausibility:
    """Learns what masks of a genus look like, and says which do not."""

    def __init__(
        self,
        structures: Sequence[str],
        body: Sequence[str],
        templates: Iterable[Mapping[str, Shape]],
    ) -> None:
        self.structures, self.body = list(structures), list(body)
        templates = list(templates)
        self._templates = [self.quantities(shapes) for shapes in templates]
        places = [self.places(shapes) for shapes in templates]
        # along a template, in whatever order they are configured
        along = max(places, key=len, default={})
        order = sorted(along, key=along.__getitem__)
        self._pairs = [pair for pair in combinations(order, 2) if _apart(pair, places)]
        self._seen: list[NDArray[np.float32]] = []
        self._centre: NDArray | None = None

    def quantities(self, shapes: Mapping[str, Shape]) -> NDArray[np.float32]:
        """[K, Q] of one specimen; NaN for a structure that is not there."""
        found = np.full((len(self.structures), len(QUANTITIES)), np.nan, np.float32)
        hulls = {name: shapes[name].convex for name in self.body if name in shapes}
        for row, name in zip(found, self.structures, strict=True):
            if name not in shapes:
                continue
            shape, hull = shapes[name], shapes[name].convex
            largest, smallest, _ = shape.feret
            others = [other for key, other in hulls.items() if key != name]
            shared = max((shapely.intersection(hull, of).area for of in others), default=0.0)
            row[:] = (
                0.5 * np.log(shape.area),
                np.log(largest),
                np.log(max(smallest, 1.0)),
                np.log(shape.perimeter / max(hull.length, 1.0)),
                -np.log(min(max(shape.area / max(hull.area, 1.0), 0.02), 1.0)),
                shared / max(hull.area, 1.0),
            )
        return found

    def places(self, shapes: Mapping[str, Shape]) -> dict[str, float]:
        """Where each structure of the body lies along it, as a share of the body's length."""
        there = [name for name in self.body if name in shapes]
        if len(there) < 3:
            return {}
        centres = np.array([shapes[name].moments.centre for name in there])
        corners = np.concatenate([shapes[name].hull for name in there])
        along = np.linalg.svd(centres - centres.mean(axis=0))[2][0]
        length = np.ptp(corners @ along)
        return dict(zip(there, (centres @ along / max(length, 1.0)).tolist(), strict=True))

    def out_of_order(self, shapes: Mapping[str, Shape]) -> list[str]:
        """Structures that lie on the wrong side of all others; the two largest say which end is which."""
        places = self.places(shapes)
        pairs = [(a, b) for a, b in self._pairs if a in places and b in places]
        if len(pairs) < 2:
            return []
        first, second = max(pairs, key=lambda p: min(shapes[p[0]].area, shapes[p[1]].area))
        sign = np.sign(places[second] - places[first]) or 1.0
        wrong = {(a, b) for a, b in pairs if sign * (places[b] - places[a]) < -REVERSED}
        of = {name: [pair for pair in pairs if name in pair] for name in places}
        return [name for name, its in of.items() if len(its) > 1 and wrong.issuperset(its)]

    def add(self, quantities: NDArray[np.float32]) -> None:
        """Take a specimen: of predicted masks only."""
        self._seen.append(quantities)

    def flags(self, quantities: NDArray[np.float32]) -> dict[str, list[str]]:
        """What is unlike the others, by structure; of specimens that were added, once all are.

        Where most structures are, the photograph is of something else: all of them are unlike the templates.
        """
        centre, spread = self._learned()
        residual = _without_size(quantities, centre)
        deviation = (residual - centre) / spread
        deviation[:, len(SIZES) :] = deviation[:, len(SIZES) :].clip(min=0)  # smooth is not wrong
        found: dict[str, list[str]] = {}
        for k, name in enumerate(self.structures):
            odd = [
                FLAGS[q] for q, z in zip(QUANTITIES, deviation[k], strict=True) if abs(z) > LIMIT
            ]
            sides = [
                _without_size(of, centre)[k, : len(SIZES)] - residual[k, : len(SIZES)]
                for of in self._templates
            ]
            known = [np.abs(side[:2]).max() for side in sides if np.isfinite(side[:2]).all()]
            if known and min(known) > FAR:
                odd.append(UNLIKE_TEMPLATES)
            if odd:
                found[name] = list(dict.fromkeys(odd))
        there = np.isfinite(quantities[:, 0])
        odd = [name for name, flags in found.items() if flags != [FLAGS["overlap"]]]
        if len(odd) > max(1, there.sum() / 2):  # as of two specimens
            for name in np.array(self.structures)[there].tolist():
                found[name] = list(dict.fromkeys([*found.get(name, ()), UNLIKE_TEMPLATES]))
        return found

    def _learned(self) -> tuple[NDArray, NDArray]:
        """[K, Q] centre and spread of what was added, and infinite spread where few were."""
        if self._centre is None:
            shape = (0, len(self.structures), len(QUANTITIES))
            seen = np.stack(self._seen) if self._seen else np.zeros(shape, np.float32)
            known = np.isfinite(seen).sum(axis=0)
            centre = _median(seen) if len(seen) else np.full(shape[1:], np.nan)
            for k in np.flatnonzero(~np.isfinite(centre[:, 0])):  # nothing but templates shows it
                centre[k] = 0
            plain = np.stack([_without_size(one, centre) for one in seen]) if len(seen) else seen
            away = _median(np.abs(plain - centre)) if len(seen) else centre
            least = np.array([SPREAD[name] for name in QUANTITIES])
            spread = np.maximum(1.4826 * np.nan_to_num(away), least)
            self._centre, self._spread = centre, np.where(known < FEW, np.inf, spread)
        return self._centre, self._spread


def _without_size(quantities: NDArray, centre: NDArray) -> NDArray:
    """[K, Q] with the specimen's size taken out of the first of Q."""
    sizes = quantities[:, : len(SIZES)] - centre[:, : len(SIZES)]
    factor = np.nan_to_num(_median(sizes))
    return np.concatenate(
        [quantities[:, : len(SIZES)] - factor, quantities[:, len(SIZES) :]], axis=1
    )


def _median(values: NDArray) -> NDArray:
    """Over the first axis, without NaN; NaN where there is nothing else."""
    return np.ma.median(np.ma.masked_invalid(values), axis=0).astype(float).filled(np.nan)


def _apart(pair: tuple[str, str], places: Sequence[Mapping[str, float]]) -> bool:
    """Whether two structures follow one another on every template that shows both."""
    known = [of[pair[1]] - of[pair[0]] for of in places if pair[0] in of and pair[1] in of]
    return bool(known) and all(abs(difference) > APART for difference in known)
