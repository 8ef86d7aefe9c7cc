"""How far apart the measures of two figures with the same mask can be: what no estimator can tell.

python tests/unit/morphometrics/morphometric_ambiguity.py 20 30  a table of the known exceptions
python tests/unit/morphometrics/morphometric_ambiguity.py --beyond  lines of that table as TSV (30 minutes)
python tests/unit/morphometrics/morphometric_ambiguity.py --pictures DIR  and a picture of each pair

A drawn shape's mask is that of other figures too, as long as every pixel centre stays on its side of the
outline. Two kinds of them are looked at: the shape itself with other sizes, proportions, bend, angle and
place (`Own`), and these with their sides displaced by smooth waves and their corners moved (`Smooth`).
Pixel centres and measures are, to first order, linear in the parameters, so that a linear programme
finds the step to the largest or smallest measure; steps follow until there is no gain. What counts
is checked without any of that: both figures are polygons whose masks are compared pixel by pixel, and
whose measures come from their geometry.

If the lowest and the highest are l and h, whatever is said of the mask is wrong by (h - l) / (h + l) or more
for one of the two: `open`, in percent.
"""

import argparse
import contextlib
import functools
import itertools
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.spatial import cKDTree
from skimage.measure import points_in_poly

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[3] / "scripts"))

from morphometric_accuracy import BEYOND, COLUMNS, drawn, errors, limit, table
from morphometric_figures import Array, Drawing, Own, Points, Smooth, true_value
from morphometric_slopes import slopes

MARGIN = 0.002  # pixels that outlines stay away from pixel centres
NEAR = 3.0  # pixels from the drawn outline within which these are looked at at every step
STRIDE = 0.4  # pixels by which points of an outline move in one step, at most
SHARES = (1.0, 0.6, 0.25)  # of a step that are tried, as it is right to first order only
LESS = 0.3  # times as far a step where none of these will do
STEPS = 12  # at most
GAIN = 2e-4  # relative change of a measure by a step, below which no other is made


class Pixels:
    """The pixel centres of a mask, as what an outline must not cross."""

    def __init__(self, mask: NDArray[np.bool_], points: Points) -> None:
        rows, columns = mask.shape
        grid = np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5)
        self._all, self._mask = np.stack(grid, axis=-1).reshape(-1, 2), mask.ravel()
        near = cKDTree(points).query(self._all)[0] < NEAR
        self._near, self._inside = self._all[near], self._mask[near]

    def same(self, points: Points) -> bool:
        """Whether the mask of a polygon is this one."""
        return bool((points_in_poly(self._all, points) == self._mask).all())

    def same_nearby(self, points: Points) -> bool:
        return bool((points_in_poly(self._near, points) == self._inside).all())

    def limits(self, points: Points, moves: Array) -> tuple[Array, Array]:
        """Rows [m, p] and limits [m] of steps with which no centre changes sides, to first order."""
        away, nearest = cKDTree(points).query(self._near)
        close = away < NEAR - STRIDE
        centre, inside = self._near[close], self._inside[close]
        start = (nearest[close] - [[1], [0]]) % len(points)  # of the two edges at the nearest point
        end = (start + 1) % len(points)
        edge = points[end] - points[start]
        share = (((centre - points[start]) * edge).sum(-1) / (edge**2).sum(-1)).clip(0, 1)
        toward = centre - points[start] - share[..., None] * edge
        gap = np.hypot(toward[..., 0], toward[..., 1])
        chosen = gap.argmin(axis=0), np.arange(len(centre))
        start, end, share, edge = start[chosen], end[chosen], share[chosen], edge[chosen]
        toward, gap = toward[chosen], gap[chosen]
        on = gap < 1e-6
        inward = np.stack([-edge[:, 1], edge[:, 0]], axis=1)[on]
        toward[on] = np.where(inside[on, None], inward, -inward)
        toward /= np.hypot(*toward.T)[:, None]
        rows = np.einsum("md,mdp->mp", toward * (1 - share)[:, None], moves[start])
        rows += np.einsum("md,mdp->mp", toward * share[:, None], moves[end])
        return rows, np.maximum(gap - MARGIN, 0)


def extreme(kind: Own | Smooth, pixels: Pixels, name: str, high: bool) -> Points:
    """The figure of a kind with the largest or smallest measure that was found, as a polygon."""
    at, sign, stride = kind.start, 1 if high else -1, STRIDE
    points = kind.polygon(at)
    value = true_value(name, points)
    for _ in range(STEPS):
        step = _step(kind, pixels, name, at, points, high, stride)
        for share in SHARES:
            there = kind.polygon(at + share * step)
            found = true_value(name, there)
            gained = sign * (found / value - 1)
            if gained > 0 and pixels.same_nearby(there):
                value, at, points = found, at + share * step, there
                break
        else:
            stride *= LESS
            continue
        if gained < GAIN:
            break
    return points


def _step(
    kind: Own | Smooth,
    pixels: Pixels,
    name: str,
    at: Array,
    points: Points,
    high: bool,
    stride: float,
) -> Array:
    """The best step [p] to first order."""
    moves, sign = kind.moves(at), 1 if high else -1
    rows, room = pixels.limits(points, moves)
    own_rows, own_room = kind.limits
    values, changes = slopes(name, points, moves, high)
    # the last unknown is what all values are to reach
    left = np.zeros((len(rows) + len(own_rows) + len(changes), len(at) + 1))
    left[:, :-1] = np.concatenate([rows, own_rows, -sign * changes])
    left[-len(changes) :, -1] = 1
    right = np.concatenate([room, np.maximum(own_room - own_rows @ at, 0), sign * values])
    reach = stride / np.abs(moves).max(axis=(0, 1))
    bounds = [*zip(-reach, reach, strict=True), (None, None)]
    goal = np.append(np.zeros(len(at)), -1)
    return linprog(goal, left, right, bounds=bounds, method="highs").x[:-1]


@dataclass(frozen=True)
class Pair:
    """The figures with the lowest and the highest measure found for one mask."""

    low: Points
    high: Points
    name: str

    @property
    def values(self) -> tuple[float, float]:
        return true_value(self.name, self.low), true_value(self.name, self.high)

    @property
    def open(self) -> float:
        """By how much a statement about the mask is wrong for one of the two, at least; percent."""
        low, high = self.values
        return 100 * (high - low) / (high + low)


def pairs(drawing: Drawing, name: str) -> tuple[Pair, Pair]:
    """Of the drawn shape's own kind, and smooth ones.

    Raises:
        ValueError: a figure has another mask; that of the drawing itself has if one of its pixel
            centres is nearer to its outline than the polygon is.
    """
    own = Own(drawing)
    pixels = Pixels(drawing.mask, own.polygon(own.start))
    found = [extreme(own, pixels, name, high) for high in (False, True)]
    waved = [
        extreme(Smooth(points, drawing.sides, drawing.size), pixels, name, high)
        for points, high in zip(found, (False, True), strict=True)
    ]
    if not all(pixels.same(points) for points in (*found, *waved)):
        raise ValueError(f"a figure of another mask: {name}")
    return Pair(*found, name), Pair(*waved, name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("only", nargs="*", help="sizes, shapes, measures; without any, all")
    parser.add_argument("--places", type=int, default=1, help="on the pixel grid, for each angle")
    parser.add_argument("--beyond", action="store_true", help=f"the lines of {BEYOND.name}")
    parser.add_argument("--pictures", type=Path, help="folder for a picture of each widest pair")
    arguments = parser.parse_args()
    known = table()
    only = set(arguments.only)
    print("\t".join(COLUMNS) if arguments.beyond else HEAD)
    for (shape, size, name), row in known.items():
        of_all = zip((shape, str(size), name), zip(*known, strict=True), strict=True)
        if any(only & set(map(str, every)) and word not in only for word, every in of_all):
            continue
        found = look(shape, size, name, arguments.places)
        if arguments.pictures:
            _draw(arguments.pictures, shape, size, found)
        if arguments.beyond:
            for column, index in (("own", 0), ("open", 1)):
                at = max(found.pairs, key=lambda at: found.pairs[at][index].open)
                percent = found.pairs[at][index].open
                if percent > float(row[column] or 0):  # what was found once stays true
                    row[column], row[f"{column}_at"] = f"{percent:.2f}", "{}/{}".format(*at)
            print("\t".join(row[column] for column in COLUMNS), flush=True)
        else:
            print(found.line(shape, size, row), flush=True)


@dataclass(frozen=True)
class Found:
    """What the masks of a shape leave open of one measure.

    Attributes:
        pairs: for the angle and place of each drawing the pairs of its own kind and smooth.
        worst: the drawing of which the estimate is worst.
    """

    name: str
    limit: float
    pairs: dict[tuple[int, int], tuple[Pair, Pair]]
    worst: tuple[int, int]

    def line(self, shape: str, size: int, row: dict[str, str]) -> str:
        opened = {at: [pair.open for pair in both] for at, both in self.pairs.items()}
        own, smooth = np.array(list(opened.values())).T
        cells = [shape, str(size), self.name, f"{self.limit:g}", row["bias"], row["single"]]
        cells += [row["turn"], f"{own.max():.2f}", f"{smooth.max():.2f}"]
        here = opened.get(self.worst)
        mean = np.mean([found[1] for at, found in opened.items() if at[1] == 0])
        cells += [f"{here[1]:.2f}" if here else "", f"{mean:.2f}"]
        return f"| {' | '.join(cells)} |"


HEAD = """\
| shape | size | measure | limit % | bias % | worst single % | worst turning % | open: own kind % | \
open % | there % | mean % |
| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"""
"""`there`: of the drawing with the worst estimate; `mean`: over the angles, at the first place."""


def look(shape: str, size: int, name: str, places: int) -> Found:
    """The pairs of every angle at as many places, and of the drawing where the estimate is worst."""
    error, value = _errors(shape, size)[name]
    i, j = np.unravel_index(abs(error).argmax(), error.shape)
    worst = int(i), int(j)
    found = {}
    for at in dict.fromkeys([*itertools.product(range(len(error)), range(places)), worst]):
        with contextlib.suppress(ValueError):
            found[at] = pairs(drawing(shape, size, at), name)
    return Found(name, limit(name, value), found, worst)


def drawing(shape: str, size: int, at: tuple[int, int]) -> Drawing:
    """The shape at an angle and a place of `drawn`, and at further places."""
    turns, shifts = drawn(size)
    more = np.random.default_rng([10, size]).uniform(-0.5, 0.5, (100, 2))
    return Drawing(shape, size, turns[at[0]], np.concatenate([shifts, more])[at[1]])


_errors = functools.lru_cache(errors)


def _draw(folder: Path, shape: str, size: int, found: Found) -> None:
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    figure, sides = plt.subplots(1, 2, figsize=(16, 8))
    for index, (axes, kind) in enumerate(zip(sides, ("own kind", "smooth"), strict=True)):
        at = max(found.pairs, key=lambda at, index=index: found.pairs[at][index].open)
        pair = found.pairs[at][index]
        mask = drawing(shape, size, at).mask
        height, width = mask.shape
        axes.imshow(mask, cmap="Greys", vmax=4, extent=(0, width, height, 0))
        y, x = np.nonzero(mask)
        axes.plot(x + 0.5, y + 0.5, "k.", markersize=2)
        for points, colour in ((pair.low, "tab:blue"), (pair.high, "tab:red")):
            axes.plot(*np.concatenate([points, points[:1]]).T, color=colour, linewidth=1)
        low, high = pair.values
        axes.set_xlim(x.min() - 2, x.max() + 3)
        axes.set_ylim(y.max() + 3, y.min() - 2)
        axes.set_title(f"{kind}: {low:.2f} and {high:.2f}, open {pair.open:.2f} %")
    figure.suptitle(f"{shape} {size}: {found.name}")
    figure.savefig(folder / f"{shape}-{size}-{found.name}.png", dpi=60, bbox_inches="tight")
    plt.close(figure)


if __name__ == "__main__":
    main()
