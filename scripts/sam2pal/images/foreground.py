"""What stands out from the background of a photograph, and how much it looks like a known specimen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sam2pal.images.samples import LINEAR
from sam2pal.images.window import Window

SIDE = 512  # photographs are searched this small
BINS = 128  # of the histogram in which thresholds are sought: they cost its third power
GRID = 32  # cells of a silhouette's side
REACH = 2.4  # half of that side, in standard deviations along the long axis
EDGE = 0.02  # of the longer side: what lies that near to the photograph's edge is its background
OFTEN = 0.15  # a colour that covers less of the edge is no background
SMALLEST = 0.06  # length of a specimen, as a share of the photograph's longer side
SLIMMEST = 0.02  # its width
SPARSEST = 0.08  # share of its box that it covers
ALIKE = 25.0  # difference in CIELAB within which a region has the colour of a specimen
HALF = 0.5  # covered, and a cell belongs to the shape
HELD = 0.7  # share of a mask that lies in the region around it; limbs may not
SAME = 0.7  # regions whose boxes overlap by more are one
COLOUR = 0.01  # how much a difference in CIELAB counts against an overlap of shapes

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Silhouette:
    """The shape of a region, turned and scaled to its own axes, and its mean colour.

    Attributes:
        cells: float [GRID, GRID], the share of each cell that is covered; the long axis runs down.
        colour: [3], CIELAB.
    """

    cells: np.ndarray
    colour: np.ndarray

    @staticmethod
    def of(mask: np.ndarray, lab: np.ndarray) -> Silhouette:
        """Of a mask [h, w] with at least three pixels, and the colours [h, w, 3] there."""
        import cv2  # here, as few jobs need it

        covered = np.ascontiguousarray(mask, np.uint8)
        of = cv2.moments(covered, binaryImage=True)
        area = max(of["m00"], 1)  # an empty mask is like nothing
        x, y = of["m10"] / area, of["m01"] / area
        spread = np.array([[of["mu20"], of["mu11"]], [of["mu11"], of["mu02"]]]) / area
        variance, axes = np.linalg.eigh(spread)
        reach = REACH * max(float(variance[1]), 0.1) ** 0.5
        scale = GRID / (2 * reach)
        # a frame of cells, one wide, takes what lies beyond
        down, across = (
            np.add.outer(
                (np.arange(mask.shape[0]) - y) * (scale * axes[1, n]) + (GRID / 2 + 1),
                (np.arange(mask.shape[1]) - x) * (scale * axes[0, n]),
            )[mask].clip(0, GRID + 1)
            for n in (1, 0)
        )
        where = down.astype(np.intp) * (GRID + 2) + across.astype(np.intp)
        count = np.bincount(where, minlength=(GRID + 2) ** 2).reshape(GRID + 2, GRID + 2)
        cells = np.clip(count[1:-1, 1:-1] * scale**2, 0, 1)
        return Silhouette(cells, np.array(cv2.mean(lab, covered)[:3]))

    @property
    def rectangular(self) -> float:
        """Share of its box, along its own axes, that it covers: 0.79 of an ellipse."""
        box = Window.holding(self.cells > HALF)
        return float(self.cells[box.slices].mean()) if box.side else 0.0

    def likeness(self, other: Silhouette) -> float:
        """Overlap of shapes, less the difference of colour."""
        return self.overlap(other) - COLOUR * float(np.linalg.norm(self.colour - other.colour))

    def overlap(self, other: Silhouette) -> float:
        """Overlap of shapes, IoU, the best of four ways to lay axes on axes."""
        overlaps = (
            np.minimum(self.cells, turned).sum() / np.maximum(self.cells, turned).sum()
            for turned in (
                other.cells,
                other.cells[::-1],
                other.cells[:, ::-1],
                other.cells[::-1, ::-1],
            )
        )
        return float(max(overlaps))


@dataclass(frozen=True)
class Region:
    """A connected part of a photograph that stands out.

    Attributes:
        box: (top, left, height, width), in the pixels that were searched.
        likeness: to the known specimen that it resembles most.
    """

    box: Box
    likeness: float


def regions_like(pixels: np.ndarray, known: Sequence[Silhouette], most: int) -> list[Region]:
    """The regions that resemble known specimens most, the best first.

    Args:
        pixels: uint8 [h, w, 3], some hundred pixels wide.
    """
    lab = to_lab(pixels)
    found = []
    for box, mask in _regions(lab):
        top, left, height, width = box
        own = Silhouette.of(mask, lab[top : top + height, left : left + width])
        found.append(Region(box, max(own.likeness(other) for other in known)))
    kept: list[Region] = []
    for region in sorted(found, key=lambda region: region.likeness, reverse=True):
        if all(overlap(region.box, other.box) < SAME for other in kept):
            kept.append(region)
        if len(kept) == most:
            break
    return kept


def region_around(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The smallest region of like colour that holds a mask [h, w]; no pixel if none does."""
    smallest = np.zeros(mask.shape, bool)
    lab, area = to_lab(pixels), mask.sum()
    colour = lab[mask].mean(0)
    for (top, left, height, width), region in _regions(lab):
        part = slice(top, top + height), slice(left, left + width)
        if smallest.any() and region.sum() >= smallest.sum():
            continue
        held = (mask[part] & region).sum() >= HELD * area
        if held and np.linalg.norm(lab[part][region].mean(0) - colour) < ALIKE:
            smallest = np.zeros(mask.shape, bool)
            smallest[part] = region
    return smallest


def to_lab(pixels: np.ndarray) -> np.ndarray:
    """CIELAB, float32 [h, w, 3], of uint8 sRGB."""
    # here, as it takes a second that no other job needs
    from skimage.color.colorconv import xyz2lab, xyz_from_rgb

    return xyz2lab(LINEAR[pixels] @ xyz_from_rgb.T).astype(np.float32)


def overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """IoU of two boxes (top, left, height, width)."""
    height = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    width = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    common = max(height, 0) * max(width, 0)
    return common / (one[2] * one[3] + other[2] * other[3] - common)


def _regions(lab: np.ndarray) -> Iterator[tuple[Box, np.ndarray]]:
    """Boxes and masks of all that stands out at several thresholds: at one alone labels hide specimens."""
    import cv2
    from skimage.filters import threshold_multiotsu

    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    nothing_beyond = {"borderType": cv2.BORDER_CONSTANT, "borderValue": 0}
    for values in (distance_to_edge(lab), 100 - lab[..., 0]):
        try:
            levels = threshold_multiotsu(values, classes=4, nbins=BINS)
        except ValueError:  # too few values differ
            continue
        for level in levels:
            above = (values > level).view(np.uint8)
            # limbs break; closed, they join their body, and perhaps more
            closed = cv2.morphologyEx(
                np.pad(above, 2), cv2.MORPH_CLOSE, cross, iterations=2, **nothing_beyond
            )[2:-2, 2:-2]
            yield from _pieces(above)
            yield from _pieces(closed)


def _pieces(above: np.ndarray) -> Iterator[tuple[Box, np.ndarray]]:
    """Connected parts that are as large as a specimen can be."""
    import cv2

    _, numbers, found, _ = cv2.connectedComponentsWithStatsWithAlgorithm(
        above, 8, cv2.CV_32S, cv2.CCL_GRANA
    )
    longer = max(above.shape)
    for number, (left, top, width, height, area) in enumerate(found[1:].tolist(), 1):
        if (
            max(height, width) >= SMALLEST * longer
            and min(height, width) >= SLIMMEST * longer
            and area >= SPARSEST * height * width
        ):
            part = numbers[top : top + height, left : left + width]
            yield (top, left, height, width), part == number


def distance_to_edge(lab: np.ndarray) -> np.ndarray:
    """How far each pixel's colour is from those of the photograph's edge, [h, w]."""
    from scipy.cluster.vq import kmeans2
    from scipy.spatial.distance import cdist

    wide = max(2, round(EDGE * max(lab.shape[:2])))
    strips = lab[:wide], lab[-wide:], lab[:, :wide], lab[:, -wide:]
    edge = np.concatenate([strip.reshape(-1, 3) for strip in strips])
    colours, which = edge.mean(0, keepdims=True), np.zeros(len(edge), int)
    if np.ptp(edge, 0).max() > 1:
        colours, which = kmeans2(edge, 3, seed=0, minit="++")
    often = np.bincount(which, minlength=len(colours)) > OFTEN * len(which)
    apart = cdist(colours[often], lab.reshape(-1, 3), "sqeuclidean")
    return np.sqrt(apart.min(0)).reshape(lab.shape[:2])
