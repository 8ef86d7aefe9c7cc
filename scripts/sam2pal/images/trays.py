"""The specimens in a photograph of many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, compress
from statistics import median

import numpy as np

from sam2pal.images.bodies import APART, Body, completed, likeness_of, neighbours, within
from sam2pal.images.foreground import Box, Silhouette, distance_to_edge, to_lab
from sam2pal.images.limbs import Limbs, without_lines
from sam2pal.images.window import enclosing

SIDE = 2048  # a tray is searched this small
CONTRAST = 6.0  # of the highest threshold with the background, in units of CIELAB, at least
LINE = 0.1  # of the tray's longer side: a straight run of that length and
THIN = 0.012  # no more than that width is a wall of a cell, or its shadow
EROSIONS = 0, 2, 5, 10  # pixels by which regions are made smaller, so that what touches comes apart
SHORTEST = 24, 0.02  # pixels of a specimen's longer side, or share of the tray's, whichever is less
LONGEST = 0.7  # of the tray's longer side
SPARSEST = 0.06  # share of its box that a specimen covers
LABEL = 0.8  # of its box along its own axes: what covers more is a label
ALIKE = 0.2  # no likeness below this is that of a specimen
LIKE = 0.15  # below the usual likeness, of what is surely a specimen
UNLIKE = 0.3  # below it, of what is none
ODD = 0.04  # below the usual overlap of shapes, of what has the shape of none
SIZES = 0.35, 2.8  # of the usual length
SEVERAL = 1.7  # times the usual area, of what may be several specimens


@dataclass(frozen=True)
class TraySpecimen:
    """A specimen in a tray.

    Attributes:
        box: (top, left, height, width), in the pixels that were searched.
        likeness: to the template that it resembles most, without its limbs.
        touching: whether it touches another, or may be several.
    """

    box: Box
    likeness: float
    touching: bool


def specimens_in(pixels: np.ndarray, known: Sequence[Silhouette]) -> list[TraySpecimen]:
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
    limbs = Limbs(lab, masks, known, length)
    for one in limbs.added_to(bodies):
        taken[one.place] |= one.mask
    least = max(usual - UNLIKE, ALIKE)
    others = (one for one in fitting if least <= one.likeness < usual - LIKE)
    bodies += _apart((one for one in others if one.overlap >= overlap - ODD), taken)
    bodies = completed(bodies, fitting)
    wholes = limbs.added_to(bodies)
    joined = _joined(bodies, neighbours(wholes, taken.shape), limbs.likeness)
    if len(joined) < len(bodies):
        bodies, wholes = joined, limbs.added_to(joined)
    sure = [
        whole
        for body, whole in zip(bodies, wholes, strict=True)
        if body.likeness >= usual - LIKE / 2
    ]
    wholes = [
        # what reaches round another specimen is no limb
        body if any(within(one, whole) and not within(one, body) for one in sure) else whole
        for body, whole in zip(bodies, wholes, strict=True)
    ]
    outer = [not any(within(one, other) for other in wholes) for one in wholes]
    limbs.keep(outer)
    bodies, wholes = list(compress(bodies, outer)), list(compress(wholes, outer))
    touching = limbs.touching(wholes, neighbours(wholes, taken.shape))
    area = median(one.area for one in wholes)
    return [
        TraySpecimen(
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
            yield without_lines(mask, *(round(share * max(mask.shape)) for share in (LINE, THIN)))


def _regions(
    mask: np.ndarray, eroded: int, lab: np.ndarray, known: Sequence[Silhouette]
) -> Iterator[Body]:
    """Connected parts that are as large as a specimen can be, made `eroded` pixels smaller to be parted."""
    from scipy.ndimage import find_objects, label, maximum_filter, minimum_filter

    wide, longer = 2 * eroded + 1, max(mask.shape)
    pixels, share = SHORTEST
    shortest = min(pixels, share * longer)
    numbers, count = label(minimum_filter(mask, wide) if eroded else mask, np.ones((3, 3)))
    areas = np.bincount(numbers.ravel(), minlength=count + 1)
    for number, part in enumerate(find_objects(numbers), 1):
        height, width = (extent.stop - extent.start + 2 * eroded for extent in part)
        if not shortest <= max(height, width) <= LONGEST * longer:
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
            yield Body(box, piece, *likeness_of(own, known))


def _apart(regions: Iterator[Body], taken: np.ndarray) -> list[Body]:
    """The first of those that overlap; marks in `taken` [h, w] what they cover."""
    kept = []
    for one in regions:
        here = taken[one.place]
        if here[one.mask].mean() <= APART:
            here |= one.mask
            kept.append(one)
    return kept


def _joined(
    bodies: Sequence[Body],
    pairs: Sequence[tuple[int, int]],
    likeness: Callable[[np.ndarray, tuple[slice, slice]], tuple[float, float]],
) -> list[Body]:
    """Of pairs of bodies, one in the place of those that are more alike together than each."""
    bodies = list(bodies)
    for first, second in pairs:
        one, other = bodies[first], bodies[second]
        if one is other:
            continue
        top, left, height, width = enclosing((one.box, other.box))
        place = slice(top, top + height), slice(left, left + width)
        mask = np.zeros((height, width), bool)
        for part in (one, other):
            down, across = part.box[0] - top, part.box[1] - left
            mask[down : down + part.box[2], across : across + part.box[3]] |= part.mask
        together = likeness(mask, place)
        if together[0] > max(one.likeness, other.likeness):
            union = Body((top, left, *mask.shape), mask, *together)
            bodies = [union if body in (one, other) else body for body in bodies]
    return list({id(body): body for body in bodies}.values())
