"""Confidence signals of a mask, from its logits and from the masks of the templates.

Everything is computed on a grid, [s, s], a quarter of the model's square on each side.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, label

Grid = NDArray[np.float32]

SIDE = 32  # of a shape's own frame
REACH = 2.5  # how far that reaches from the shape's centre, in its standard deviations
SOME = 12  # cells
RIM, NEAR = 1, 3  # cells round a mask: of mixed colour, and of what surrounds it


def in_cells(logits: Grid, side: int) -> Grid:
    """Logits [K, S, S] on the grid, [K, side, side]: means, where they are finer."""
    if logits.shape[-1] % side:
        return F.interpolate(torch.from_numpy(logits)[None], side, mode="area")[0].numpy()
    return logits.reshape(len(logits), side, logits.shape[-1] // side, side, -1).mean((2, 4))


def mask_signals(
    logits: Grid, rivals: Sequence[Grid], shapes: Sequence[Grid]
) -> dict[str, float | None]:
    """Signals of a mask; None of one that has no pixel on the grid.

    Args:
        rivals: logits of the structures with which it shares no pixel; the larger logit wins.
        shapes: what `shape_of` says of the structure on each template, turned as the specimen lies.

    Returns:
        `expected_iou`: of the mask and the truth, if the probability of each pixel is right and none depends
            on another: the sum of the probabilities inside over the area and the sum outside.
        `thickness`: area over half of the outline's length, in cells of the grid.
        `contested`: share of the structure's pixels that rivals take.
        `shape_likeness`: IoU of the mask with the most alike template's one, both in their own frame.
    """
    above = logits > 0
    own = above & (logits >= np.max([logits, *rivals], axis=0))
    area = int(own.sum())
    if not area:
        return dict.fromkeys(("expected_iou", "thickness", "contested", "shape_likeness"))
    probability = 1 / (1 + np.exp(-logits.clip(-30, 30)))
    shape = shape_of(own.astype(np.float32))
    alike = [np.minimum(shape, of).sum() / np.maximum(shape, of).sum() for of in shapes]
    return {
        "expected_iou": float(probability[own].sum() / (area + probability[~above].sum())),
        "thickness": thickness(own),
        "contested": 1 - area / int(above.sum()),
        "shape_likeness": float(max(alike)) if alike else None,
    }


def shape_of(mask: Grid) -> Grid:
    """A mask [s, s] in its own frame, [32, 32]: centred, of one size, turned as it was.

    The size is the root of the summed variances of rows and columns.
    """
    mask = np.asarray(mask, np.float32)
    place = np.arange(len(mask)) + 0.5
    total = max(float(mask.sum()), 1e-6)
    row, column = (float((mask.sum(axis) * place).sum()) / total for axis in (1, 0))
    spread = sum(
        float((mask.sum(axis) * (place - centre) ** 2).sum()) / total
        for axis, centre in ((1, row), (0, column))
    )
    steps = np.linspace(-REACH, REACH, SIDE) * max(spread, 0.25) ** 0.5
    rows, columns = (np.floor(centre + steps).astype(int) + 1 for centre in (row, column))
    edged = np.pad(mask, 1)  # nothing lies outside
    return edged[np.ix_(rows.clip(0, len(mask) + 1), columns.clip(0, len(mask) + 1))]


def contrasts(colours: Grid, masks: NDArray[np.bool_]) -> list[float | None]:
    """How far the mean colour of each mask lies from that of what surrounds it and belongs to no mask.

    Args:
        colours: [3, s, s], of the photograph, normalised as the model sees it, and 0 beside it.
        masks: [K, s, s].
    """
    free = ~binary_dilation(masks.any(0), iterations=RIM) & (colours != 0).any(0)
    found: list[float | None] = []
    for mask in masks:
        near = binary_dilation(mask, iterations=NEAR) & free
        around = near if near.any() else free
        apart = None
        if mask.any() and around.any():
            means = colours[:, mask].mean(1) - colours[:, around].mean(1)
            apart = float(np.linalg.norm(means))
        found.append(apart)
    return found


def separation(masks: NDArray[np.bool_], whole: Sequence[bool]) -> float:
    """How far the masks of a photograph are those of two specimens that do not touch.

    The area of the second largest piece over that of the largest, of all masks together or of the structure
    that is most in pieces, whichever is less: where a part was not found, the masks of one specimen are in
    pieces too.

    Args:
        masks: [K, s, s].
        whole: [K], structures that are in one piece on the templates.
    """
    own = [second_piece(mask) for mask, one in zip(masks, whole, strict=True) if one]
    return min(max(own, default=0.0), second_piece(masks.any(0)))


def thickness(mask: NDArray[np.bool_]) -> float:
    """Area over half of the outline's length, in cells; of a mask that has any."""
    return 2 * int(mask.sum()) / _outline(mask)


def largest_piece(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected part of a mask [s, s], across gaps of up to two cells."""
    pieces, count = label(binary_dilation(mask, np.ones((3, 3))))
    if not count:
        return mask
    return mask & (pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:])))


def second_piece(mask: NDArray[np.bool_]) -> float:
    """Its area over that of the largest piece; 0 of masks of a few cells, whose pieces say nothing."""
    pieces, count = label(mask)
    if count < 2 or mask.sum() < SOME:
        return 0.0
    *_, second, first = np.sort(np.bincount(pieces.ravel())[1:])
    return float(second / first)


def _outline(mask: NDArray[np.bool_]) -> int:
    """How many sides of cells separate a mask from the rest; where it leaves the grid, too."""
    edged = np.pad(mask, 1)
    return int((edged[1:] != edged[:-1]).sum() + (edged[:, 1:] != edged[:, :-1]).sum())
