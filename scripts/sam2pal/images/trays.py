"""The specimens in a photograph of many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, compress
from statistics import median

import numpy as np

from sam2pal.images.foreground import Box, Silhouette, distance_to_edge, to_lab
from sam2pal.images.window import Window

SIDE = 2048  # a tray is searched this small
CONTRAST = 6.0  # of the highest threshold with the background, in units of CIELAB, at least
LINE = 0.1  # of the tray's longer side: a straight run of that length and
THIN = 0.012  # no more than that width is a wall of a cell, or its shadow
EROSIONS = 0, 2, 5, 10  # pixels by which regions are made smaller, so that what touches comes apart
LENGTHS = 0.02, 0.7  # of the tray's longer side, that a specimen may have
SPARSEST = 0.06  # share of its box that a specimen covers
LABEL = 0.8  # of its box along its own axes: what covers more is a label
APART = 0.2  # share of a region that may lie on another specimen
ALIKE = 0.2  # no likeness below this is that of a specimen
LIKE = 0.15  # below the usual likeness, of what is surely a specimen
UNLIKE = 0.3  # below it, of what is none
ODD = 0.04  # below the usual overlap of shapes, of what has the shape of none
SIZES = 0.35, 2.8  # of the usual length
REACH = 0.5  # of its length, how far limbs reach beyond what was recognised of a specimen
LARGEST = 2.5  # times its area, with limbs
BULK = 0.7  # of its area, that may be added and is thicker than
LIMB = 0.08  # of its length
STRAIGHT = 0.45  # of the usual length: no limb goes straight up or across for so long
LOSS = 0.15  # likeness that limbs may cost; labels and shadows cost more
JOIN = 0.015  # of the usual length: gaps in limbs, as under pins, that are closed
NEAR = 2  # pixels between specimens that touch
INSIDE = 0.8  # of its box, that lies in another's of which it is a part
SEVERAL = 1.7  # times the usual area, of what may be several specimens


@dataclass(frozen=True)
class Found:
    """A specimen in a tray.

    Attributes:
        box: (top, left, height, width), in the pixels that were searched.
        likeness: to the template that it resembles most, without its limbs.
        touching: whether it touches another, or may be several.
    """

    box: Box
    likeness: float
    touching: bool


@dataclass(frozen=True, eq=False)
class _Region:
    box: Box
    mask: np.ndarray
    likeness: float
    overlap: float

    @property
    def place(self) -> tuple[slice, slice]:
        top, left, height, width = self.box
        return slice(top, top + height), slice(left, left + width)

    @property
    def length(self) -> int:
        return max(self.box[2:])

    @property
    def area(self) -> int:
        return int(self.mask.sum())


def specimens_in(pixels: np.ndarray, known: Sequence[Silhouette]) -> list[Found]:
    """What looks like the templates in a tray, in no order.

    Regions that differ from the colours of the photograph's edge, or are dark, at three thresholds each, as
    they are and made smaller, are compared with the templates. Of regions that overlap the most alike one
    counts. What is much less alike than most, or of another size, is no specimen. Limbs that were left out
    are added from lower thresholds, each to the specimen that is nearest.

    Args:
        pixels: uint8 [h, w, 3], its longer side `SIDE` or less.
        known: outlines of templates, one at least.
    """
    lab = to_lab(pixels)
    masks = list(_masks(lab))
    regions = [
        one for mask in masks for eroded in EROSIONS for one in _regions(mask, eroded, lab, known)
    ]
    regions.sort(key=lambda one: -one.likeness)
    if not regions or regions[0].likeness < ALIKE:
        return []
    taken = np.zeros(lab.shape[:2], bool)
    likely = _apart((one for one in regions if one.likeness >= regions[0].likeness - UNLIKE), taken)
    usual, overlap, length = (
        _usual((getattr(one, name), one.area) for one in likely)
        for name in ("likeness", "overlap", "length")
    )
    fitting = [one for one in regions if SIZES[0] < one.length / length < SIZES[1]]
    taken[:] = False
    bodies = _apart((one for one in fitting if one.likeness >= usual - LIKE), taken)
    growing = _Growing(lab, masks, known, length)
    for one in growing.with_limbs(bodies):
        taken[one.place] |= one.mask
    least = max(usual - UNLIKE, ALIKE)
    others = (one for one in fitting if least <= one.likeness < usual - LIKE)
    bodies += _apart((one for one in others if one.overlap >= overlap - ODD), taken)
    wholes = growing.with_limbs(bodies)
    joined = _joined(bodies, _neighbours(wholes, taken.shape), growing.likeness)
    if len(joined) < len(bodies):
        bodies, wholes = joined, growing.with_limbs(joined)
    sure = [
        whole
        for body, whole in zip(bodies, wholes, strict=True)
        if body.likeness >= usual - LIKE / 2
    ]
    wholes = [
        # what reaches round another specimen is no limb
        body if any(_within(one, whole) and not _within(one, body) for one in sure) else whole
        for body, whole in zip(bodies, wholes, strict=True)
    ]
    outer = [not any(_within(one, other) for other in wholes) for one in wholes]
    bodies, wholes = list(compress(bodies, outer)), list(compress(wholes, outer))
    touching = set(chain(*_neighbours(wholes, taken.shape)))
    area = median(one.area for one in wholes)
    return [
        Found(
            whole.box,
            body.likeness,
            index in touching or (whole.area > SEVERAL * area and body.likeness < usual - LIKE / 2),
        )
        for index, (body, whole) in enumerate(zip(bodies, wholes, strict=True))
    ]


def _usual(values: Iterable[tuple[float, int]]) -> float:
    """The median of pixels, not of regions: few specimens are larger than all letters on their labels.

    Args:
        values: of each region, with its area.
    """
    ranked = sorted(values)
    half = sum(area for _, area in ranked) / 2
    below = accumulate(area for _, area in ranked)
    return next(value for (value, _), area in zip(ranked, below, strict=True) if area >= half)


def _masks(lab: np.ndarray) -> Iterator[np.ndarray]:
    """What stands out at each threshold, without the walls of cells."""
    from skimage.filters import threshold_multiotsu

    for values in (distance_to_edge(lab), 100 - lab[..., 0]):
        try:
            levels = threshold_multiotsu(values[::2, ::2], classes=4)
        except ValueError:  # too few values differ
            continue
        if levels[-1] < np.percentile(values[::2, ::2], 25) + CONTRAST:
            continue  # an empty tray
        for level in levels:
            mask = values > level
            yield _without_lines(mask, *(round(share * max(mask.shape)) for share in (LINE, THIN)))


def _without_lines(mask: np.ndarray, run: int, thin: int) -> np.ndarray:
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


def _regions(
    mask: np.ndarray, eroded: int, lab: np.ndarray, known: Sequence[Silhouette]
) -> Iterator[_Region]:
    """Connected parts that are as large as a specimen can be, made `eroded` pixels smaller to be parted."""
    from scipy.ndimage import find_objects, label, maximum_filter, minimum_filter

    wide, longer = 2 * eroded + 1, max(mask.shape)
    numbers, count = label(minimum_filter(mask, wide) if eroded else mask, np.ones((3, 3)))
    areas = np.bincount(numbers.ravel(), minlength=count + 1)
    for number, part in enumerate(find_objects(numbers), 1):
        height, width = (extent.stop - extent.start + 2 * eroded for extent in part)
        if not LENGTHS[0] * longer <= max(height, width) <= LENGTHS[1] * longer:
            continue
        if areas[number] < max(SPARSEST * height * width, 30):
            continue
        place = tuple(slice(max(e.start - eroded, 0), e.stop + eroded) for e in part)
        piece = numbers[place] == number
        if eroded:
            piece = maximum_filter(piece, wide) & mask[place]
        own = Silhouette.of(piece, lab[place])
        if own.rectangular <= LABEL:
            box = place[0].start, place[1].start, *piece.shape
            yield _Region(box, piece, *_likeness(own, known))


def _likeness(own: Silhouette, known: Sequence[Silhouette]) -> tuple[float, float]:
    """To the template that it resembles most; with its colour, and the overlap of shapes alone."""
    return max((own.likeness(other), own.overlap(other)) for other in known)


def _within(one: _Region, other: _Region) -> bool:
    """Whether the box of one lies in that of a larger one."""
    top, left, height, width = one.box
    high = min(top + height, other.box[0] + other.box[2]) - max(top, other.box[0])
    wide = min(left + width, other.box[1] + other.box[3]) - max(left, other.box[1])
    inside = max(high, 0) * max(wide, 0) >= INSIDE * height * width
    return inside and other.area > one.area


def _apart(regions: Iterator[_Region], taken: np.ndarray) -> list[_Region]:
    """The first of those that overlap; marks in `taken` [h, w] what they cover."""
    kept = []
    for one in regions:
        here = taken[one.place]
        if here[one.mask].mean() <= APART:
            here |= one.mask
            kept.append(one)
    return kept


def _joined(
    bodies: Sequence[_Region],
    pairs: Sequence[tuple[int, int]],
    likeness: Callable[[np.ndarray, tuple[slice, slice]], tuple[float, float]],
) -> list[_Region]:
    """Of pairs of bodies, one in the place of those that are more alike together than each."""
    bodies = list(bodies)
    for first, second in pairs:
        one, other = bodies[first], bodies[second]
        if one is other:
            continue
        top, left = min(one.box[0], other.box[0]), min(one.box[1], other.box[1])
        bottom = max(one.box[0] + one.box[2], other.box[0] + other.box[2])
        right = max(one.box[1] + one.box[3], other.box[1] + other.box[3])
        place = slice(top, bottom), slice(left, right)
        mask = np.zeros((bottom - top, right - left), bool)
        for part in (one, other):
            down, across = part.box[0] - top, part.box[1] - left
            mask[down : down + part.box[2], across : across + part.box[3]] |= part.mask
        together = likeness(mask, place)
        if together[0] > max(one.likeness, other.likeness):
            union = _Region((top, left, *mask.shape), mask, *together)
            bodies = [union if body in (one, other) else body for body in bodies]
    return list({id(body): body for body in bodies}.values())


class _Growing:
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
        self._masks = [_without_lines(mask, run, thin) for mask in closed]

    def with_limbs(self, bodies: Sequence[_Region]) -> list[_Region]:
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
        for mask in self._masks:
            numbers, _ = label((mask & ~border) | (marks > 0), np.ones((3, 3)))
            for index, body in enumerate(bodies):
                grown = self._grown(body, index + 1, numbers, owner)
                if grown is not None and grown.area > best[index].area:
                    best[index] = grown
        return best

    def likeness(self, mask: np.ndarray, place: tuple[slice, slice]) -> tuple[float, float]:
        """How much a mask resembles the templates, with its colour and by shape alone."""
        return _likeness(Silhouette.of(mask, self._lab[place]), self._known)

    def _grown(
        self, body: _Region, number: int, numbers: np.ndarray, owner: np.ndarray
    ) -> _Region | None:
        top, left, height, width = body.box
        reach = round(REACH * body.length)
        first, start = max(top - reach, 0), max(left - reach, 0)
        place = slice(first, top + height + reach), slice(start, left + width + reach)
        of = np.bincount(numbers[body.place][body.mask]).argmax()
        region = (numbers[place] == of) & (owner[place] == number)
        if not body.area < region.sum() <= LARGEST * body.area:
            return None
        if region[0].any() or region[-1].any() or region[:, 0].any() or region[:, -1].any():
            return None
        likeness = self.likeness(region, place)
        if likeness[0] < body.likeness - LOSS or self._thick(region, place, body):
            return None
        window = Window.holding(region)
        top, left, height, width = window
        box = first + top, start + left, height, width
        return _Region(box, region[window.slices], *likeness)

    @staticmethod
    def _thick(region: np.ndarray, place: tuple[slice, slice], body: _Region) -> bool:
        """Whether much of what is added to a body is no limb."""
        from scipy.ndimage import maximum_filter, minimum_filter

        added = region.copy()
        top, left = (body.box[axis] - place[axis].start for axis in (0, 1))
        added[top : top + body.box[2], left : left + body.box[3]] &= ~body.mask
        wide = max(3, round(LIMB * body.length))
        return maximum_filter(minimum_filter(added, wide), wide).sum() > BULK * body.area


def _neighbours(regions: Sequence[_Region], shape: tuple[int, int]) -> list[tuple[int, int]]:
    """Pairs of indices of those that touch."""
    from scipy.ndimage import maximum_filter

    marks = np.zeros(shape, np.int32)
    for number, one in enumerate(regions, 1):
        marks[one.place][one.mask] = number
    pairs = set()
    for number, one in enumerate(regions, 1):
        top, left, height, width = one.box
        first, start = max(top - NEAR, 0), max(left - NEAR, 0)
        here = marks[first : top + height + NEAR, start : left + width + NEAR]
        around = np.unique(here[maximum_filter(here == number, 2 * NEAR + 1)])
        pairs |= {tuple(sorted((number - 1, int(n) - 1))) for n in around if n not in (0, number)}
    return sorted(pairs)
