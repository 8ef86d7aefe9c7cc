"""Limbs of the specimens of a tray, and which specimens touch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import compress

import numpy as np

from sam2pal.images.bodies import Body, likeness_of, neighbours
from sam2pal.images.foreground import Silhouette, overlap

REACH = 0.5  # of its length, how far limbs reach beyond what was recognised of a specimen
LARGEST = 2.5  # times its area, with limbs
BULK = 0.7  # of its area, that may be added and is thicker than
LIMB = 0.08  # of its length
STRAIGHT = 0.45  # of the usual length: no limb goes straight up or across for so long
LOSS = 0.15  # likeness that limbs may cost; labels and shadows cost more
JOIN = 0.015  # of the usual length: gaps in limbs, as under pins, that are closed
WHOLE = 0.8  # overlap of boxes from which a specimen is whole at a threshold


class Limbs:
    """Adds limbs to bodies."""

    def __init__(
        self,
        lab: np.ndarray,
        masks: Sequence[np.ndarray],
        known: Sequence[Silhouette],
        length: float,
    ) -> None:
        from scipy.ndimage import maximum_filter, minimum_filter

        self._lab, self._known = lab, known
        wide = 2 * max(1, round(JOIN * length)) + 1
        closed = (minimum_filter(maximum_filter(mask, wide), wide) for mask in masks)
        # of walls shorter pieces are left where labels and specimens touch them
        run, thin = (round(share * length) for share in (STRAIGHT, LIMB))
        self._masks = [without_lines(mask, run, thin) for mask in closed]
        self._open = masks
        self._grown_at: list[list[Body | None]] = []  # by mask, of each body

    def added_to(self, bodies: Sequence[Body]) -> list[Body]:
        """The largest region around each body that still looks like a specimen."""
        from scipy.ndimage import distance_transform_edt, label

        shape = self._lab.shape[:2]
        marks = np.zeros(shape, np.int32)
        for number, body in enumerate(bodies, 1):
            marks[body.place][body.mask] = number
        rows, columns = distance_transform_edt(
            marks == 0, return_distances=False, return_indices=True
        )
        owner = marks[rows, columns]
        border = np.zeros(shape, bool)
        border[:-1] |= owner[:-1] != owner[1:]
        border[:, :-1] |= owner[:, :-1] != owner[:, 1:]
        best = list(bodies)
        self._grown_at = []
        for mask in self._masks:
            numbers, _ = label((mask & ~border) | (marks > 0), np.ones((3, 3)))
            found = [
                self._grown(body, number, numbers, owner) for number, body in enumerate(bodies, 1)
            ]
            self._grown_at.append(found)
            best = [
                grown if grown is not None and grown.area > one.area else one
                for one, grown in zip(best, found, strict=True)
            ]
        return best

    def keep(self, chosen: Sequence[bool]) -> None:
        """Forget the other bodies."""
        self._grown_at = [list(compress(found, chosen)) for found in self._grown_at]

    def touching(self, wholes: Sequence[Body], pairs: Iterable[tuple[int, int]]) -> set[int]:
        """Those of pairs that come apart at no threshold which leaves both whole."""
        return {index for pair in pairs if not self._come_apart(wholes, *pair) for index in pair}

    def _come_apart(self, wholes: Sequence[Body], first: int, second: int) -> bool:
        for mask, found in zip(self._open, self._grown_at, strict=True):
            parts = []
            for index in (first, second):
                grown = found[index]
                if grown is None:
                    continue
                without_closed_gaps = grown.mask & mask[grown.place]
                part = Body.trimmed(without_closed_gaps, grown.place)
                if overlap(part.box, wholes[index].box) >= WHOLE:
                    parts.append(part)
            if len(parts) == 2 and not neighbours(parts, mask.shape):
                return True
        return False

    def likeness(self, mask: np.ndarray, place: tuple[slice, slice]) -> tuple[float, float]:
        """How much a mask resembles the templates, with its colour and by shape alone."""
        return likeness_of(Silhouette.of(mask, self._lab[place]), self._known)

    def _grown(
        self, body: Body, number: int, numbers: np.ndarray, owner: np.ndarray
    ) -> Body | None:
        top, left, height, width = body.box
        reach = round(REACH * body.length)
        first, start = max(top - reach, 0), max(left - reach, 0)
        place = slice(first, top + height + reach), slice(start, left + width + reach)
        of = np.bincount(numbers[body.place][body.mask]).argmax()
        region = (numbers[place] == of) & (owner[place] == number)
        area = region.sum()
        if area == body.area:
            return body
        if area > LARGEST * body.area:
            return None
        if region[0].any() or region[-1].any() or region[:, 0].any() or region[:, -1].any():
            return None
        likeness = self.likeness(region, place)
        if likeness[0] < body.likeness - LOSS or self._thick(region, place, body):
            return None
        return Body.trimmed(region, place, *likeness)

    @staticmethod
    def _thick(region: np.ndarray, place: tuple[slice, slice], body: Body) -> bool:
        """Whether much of what is added to a body is no limb."""
        from scipy.ndimage import maximum_filter, minimum_filter

        added = region.copy()
        top, left = (body.box[axis] - place[axis].start for axis in (0, 1))
        added[top : top + body.box[2], left : left + body.box[3]] &= ~body.mask
        wide = max(3, round(LIMB * body.length))
        return maximum_filter(minimum_filter(added, wide), wide).sum() > BULK * body.area


def without_lines(mask: np.ndarray, run: int, thin: int) -> np.ndarray:
    """Without straight runs, up or across, of at least `run` pixels that are no wider than `thin`."""
    from scipy.ndimage import maximum_filter1d, minimum_filter1d

    def opened(mask: np.ndarray, size: int, axis: int) -> np.ndarray:
        return maximum_filter1d(minimum_filter1d(mask, size, axis), size, axis)

    run, thin = max(run, 3), max(thin, 3)
    lines = np.zeros_like(mask)
    for axis in (0, 1):
        slim = mask & ~opened(mask, thin, 1 - axis)
        lines |= opened(maximum_filter1d(slim, 3, 1 - axis), run, axis)  # leaning lines step aside
    return mask & ~lines
