"""How far measures of drawn shapes are from the geometry, over angles and places on the pixel grid.

python tests/unit/morphometrics/morphometric_accuracy.py                 a Markdown table of sizes up to 200
python tests/unit/morphometrics/morphometric_accuracy.py 500 1000 2000   of these sizes
python tests/unit/morphometrics/morphometric_accuracy.py --beyond        the lines of morphometric_beyond.tsv

What the masks themselves leave open comes from morphometric_ambiguity.py and is kept.
"""

import csv
import math
import sys
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[3] / "scripts"))

from morphometric_shapes import SHAPES

from sam2pal.morphometrics.geometry.shape import Shape

AREAS = ("area", "convex_area")
SIZES = (20, 30, 50, 100, 200)
DRAWS = {20: (12, 6), 30: (10, 5), 50: (8, 5), 100: (6, 3), 200: (5, 2), 500: (3, 1)}
"""Angles and places on the grid of each size; of larger ones (2, 1)."""
BEYOND = Path(__file__).parent / "morphometric_beyond.tsv"
"""What is beyond the limits: the largest absolute error in percent of each."""
KINDS = ("bias", "single", "turn")
OPEN = ("own", "own_at", "open", "open_at")
"""What a mask leaves open, in percent, and in which drawing: see morphometric_ambiguity.py."""
COLUMNS = ("shape", "size", "measure", *KINDS, *OPEN)


def limit(name, value):
    """Percent: 1, or 2 of lengths under 50 pixels and areas under 50 x 50."""
    return 2.0 if (math.sqrt(value) if name in AREAS else value) < 50 else 1.0


def drawn(size):
    """The angles [n] and places on the grid [m, 2] at which shapes of a size are drawn."""
    angles, places = DRAWS.get(size, (2, 1))
    generator = np.random.default_rng([9, size])
    turns = np.concatenate([[0, math.pi / 4], generator.uniform(0, 2 * math.pi, angles - 2)])
    return turns, generator.uniform(-0.5, 0.5, (places, 2))


def errors(shape, size):
    """Errors in percent [angles, places] and the true value, by measure."""
    turns, shifts = drawn(size)
    found, truth = {}, {}
    for i, turn in enumerate(turns):
        for j, shift in enumerate(shifts):
            mask, truth = SHAPES[shape](size, turn, shift)
            measures = Shape.of(mask).measures(0.0)
            for name, value in truth.items():
                error = 100 * (measures[name] / value - 1)
                found.setdefault(name, np.zeros((len(turns), len(shifts))))[i, j] = error
    return {name: (of, truth[name]) for name, of in found.items()}


def summary(error):
    """Of errors [angles, places]: their mean, the largest, and the largest change by turning.

    Turning: the range over the angles at one place on the grid; bias: over all.
    """
    return {
        "bias": abs(error.mean()),
        "single": abs(error).max(),
        "turn": np.ptp(error, axis=0).max(),
    }


def table():
    """The lines of morphometric_beyond.tsv by shape, size and measure."""
    with BEYOND.open(encoding="utf-8", newline="") as file:
        lines = csv.DictReader(file, delimiter="\t")
        return {(row["shape"], int(row["size"]), row["measure"]): row for row in lines}


def beyond():
    """The known exceptions: (shape, size, measure, kind) -> percent."""
    return {
        (*key, kind): float(row[kind])
        for key, row in table().items()
        for kind in KINDS
        if row[kind]
    }


def main():
    words = sys.argv[1:]
    sizes = [int(word) for word in words if word.isdigit()] or SIZES
    lines = "--beyond" in words
    known = table() if lines else {}
    print("\t".join(COLUMNS) if lines else HEAD)
    for size in sizes:
        for shape in SHAPES:
            for name, (error, value) in errors(shape, size).items():
                most, of = limit(name, value), summary(error)
                if lines and any(part > most for part in of.values()):
                    cells = [f"{part:.2f}" if part > most else "" for part in of.values()]
                    kept = known.get((shape, size, name), dict.fromkeys(OPEN, ""))
                    cells += [kept[column] for column in OPEN]
                    print("\t".join((shape, str(size), name, *cells)))
                elif not lines:
                    shown = [error.mean(), error.std(), of["single"], of["turn"]]
                    cells = [f"{part:.2f}{'*' if abs(part) > most else ''}" for part in shown]
                    print("|", " | ".join((shape, str(size), name, *cells, f"{most:g}")), "|")


HEAD = (
    "| shape | size | measure | bias % | spread (sd) % | worst single % | worst turning % | limit % |\n"
    "| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |"
)

if __name__ == "__main__":
    main()
