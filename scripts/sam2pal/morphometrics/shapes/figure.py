"""The figure of shape spaces: specimens by their first two components, outlines at the ends of the axes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from sam2pal.io.figures import COLOURS, MARKERS, empty_figure, entitle
from sam2pal.morphometrics.shapes.procrustes import ShapeSpace

FEWEST = 4  # specimens whose components show something
ENDS = {(1, 0): (0, -1), (1, 2): (0, 1), (0, 1): (1, 1), (2, 1): (1, -1)}
"""Places in a grid of 3 x 3 about the scores: which axis ends there, and at which of its ends."""


@dataclass(frozen=True)
class Space:
    """The shapes of one structure: of which genus and specimen each is, and their components."""

    genera: Sequence[str]
    specimens: Sequence[str]
    shapes: ShapeSpace


def shape_figure(spaces: Mapping[str, Space]) -> Figure:
    """A panel a structure."""
    if not spaces:
        return empty_figure(
            f"No structure has the outlines of {FEWEST} specimens: `status` in outlines.csv of the "
            "genera's folders shapes/ says why."
        )
    columns = min(2, len(spaces))
    rows = -(-len(spaces) // columns)
    figure = Figure(figsize=(6.4 * columns, 6.4 * rows + 0.5), layout="constrained")
    panels = np.atleast_1d(figure.subfigures(rows, columns)).ravel()
    genera = list(dict.fromkeys(name for space in spaces.values() for name in space.genera))
    for panel, (structure, space) in zip(panels, spaces.items(), strict=False):
        _panel(panel, structure, space, genera)
    entitle(
        figure,
        "Shape: principal components of Procrustes-aligned outlines. At the ends of the axes the outline "
        "of the specimen there (ringed), front upwards, over the mean (grey), all of the same centroid size",
    )
    return figure


def _panel(panel: SubFigure, structure: str, space: Space, genera: Sequence[str]) -> None:
    grid = panel.add_gridspec(3, 3, width_ratios=(1, 3.4, 1), height_ratios=(1.3, 3.4, 1.3))
    scores, shares = space.shapes.scores, space.shapes.shares
    centre = panel.add_subplot(grid[1, 1])
    of = np.array(space.genera)
    for place, genus in enumerate(genera):
        own = scores[of == genus]
        if len(own):
            centre.scatter(
                own[:, 0], own[:, 1], s=12, alpha=0.7, linewidths=0, label=f"{genus}, n = {len(own)}",
                color=COLOURS[place % len(COLOURS)], marker=MARKERS[place % len(MARKERS)],
            )  # fmt: skip
    # distances in the figure are those of the shapes
    centre.set_aspect("equal", adjustable="datalim")
    centre.axhline(0, color="0.8", linewidth=0.6, zorder=0)
    centre.axvline(0, color="0.8", linewidth=0.6, zorder=0)
    centre.set_xlabel(f"PC 1 ({100 * shares[0]:.0f} % of the variance)", fontsize=8)
    centre.set_ylabel(f"PC 2 ({100 * shares[1]:.0f} %)", fontsize=8)
    centre.tick_params(labelsize=7)
    centre.legend(fontsize=7, framealpha=0.6, edgecolor="none")
    centre.set_title(structure, fontsize=10)
    ends = {place: int((sense * scores[:, axis]).argmax()) for place, (axis, sense) in ENDS.items()}
    shown = np.concatenate([space.shapes.mean[None], space.shapes.aligned[list(ends.values())]])
    reach = 1.05 * np.abs(shown).max()
    for (row, column), index in ends.items():
        centre.scatter(
            *scores[index, :2], s=45, facecolors="none", edgecolors="0.2", linewidths=0.7
        )
        inset = panel.add_subplot(grid[row, column])
        # all at the same scale
        inset.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
        inset.axis("off")
        genus, name = space.genera[index], space.specimens[index]
        _outline(inset, space.shapes.mean, "0.75", 2.5)
        _outline(
            inset, space.shapes.aligned[index], COLOURS[genera.index(genus) % len(COLOURS)], 1.2
        )
        short = name if len(name) <= 24 else f"...{name[-21:]}"
        inset.set_title(f"{genus}\n{short}" if len(genera) > 1 else short, fontsize=6)


def _outline(axes: Axes, points: NDArray[np.float64], colour: str, width: float) -> None:
    axes.plot(*np.concatenate([points, points[:1]]).T, color=colour, linewidth=width)
