"""Draw the principal components of the outlines of all genera, and write the specimens' scores.

python scripts/plot_shapes.py --shapes results/*/shapes --output shape_space.svg --scores shape_space.csv
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sam2pal.cli import program, run
from sam2pal.io import tables
from sam2pal.io.errors import InputError
from sam2pal.io.figures import save
from sam2pal.morphometrics.shapes.figure import FEWEST, Space, shape_figure
from sam2pal.morphometrics.shapes.files import columns
from sam2pal.morphometrics.shapes.procrustes import shape_space
from sam2pal.morphometrics.tables.columns import rounded

COMPONENTS = 5
SCORES = {
    **dict.fromkeys(("genus", "round", "specimen", "structure"), str),
    **dict.fromkeys(("centroid_size_px", "centroid_size_mm"), float),
    **{f"pc{n}": float for n in range(1, COMPONENTS + 1)},
    **{f"pc{n}_share": float for n in range(1, COMPONENTS + 1)},
}
"""pcN: score on a component, of shapes of centroid size 1; pcN_share: its share of the variance."""


def main() -> None:
    parser = program(__doc__)
    add = parser.add_argument
    add("--shapes", type=Path, nargs="+", required=True, help="folders export_shapes.py wrote")
    add("--output", type=Path, required=True, help="figure (.svg, .png or .pdf)")
    add("--scores", type=Path, nargs="+", default=[], help="table (.csv, .parquet or both)")
    add("--options", type=Path, help="not read; its change draws the figure again")
    arguments = parser.parse_args()
    spaces: dict[str, Space] = {}
    rows: list[dict[str, Any]] = []
    for structure, known in outlines(arguments.shapes).items():
        if len(known) < FEWEST:
            print(f"{structure}: outlines of {len(known)} specimens are too few")
            continue
        points = np.array([xy(row) for row in known])
        space = shape_space(points, COMPONENTS)
        of = [[row[key] for row in known] for key in ("genus", "specimen")]
        spaces[structure] = Space(of[0], of[1], space)
        shares = {f"pc{n}_share": rounded(float(of)) for n, of in enumerate(space.shares, 1)}
        for row, size, scores in zip(known, space.sizes.tolist(), space.scores, strict=True):
            scale = row["pixels_per_mm"]
            rows.append(
                {key: row[key] for key in ("genus", "round", "specimen")}
                | {"structure": structure, "centroid_size_px": rounded(size)}
                | {"centroid_size_mm": rounded(size / scale) if scale else None}
                | {f"pc{n}": rounded(float(score)) for n, score in enumerate(scores, 1)}
                | shares
            )
    save(shape_figure(spaces), arguments.output)
    if arguments.scores:
        tables.write(tables.table(rows, SCORES), *arguments.scores)


def outlines(folders: Sequence[Path]) -> dict[str, list[dict[str, Any]]]:
    """The rows of all genera by structure."""
    found: dict[str, list[dict[str, Any]]] = {}
    for folder in folders:
        for path in sorted(folder.glob("outline_*.csv")):
            count = sum(name.startswith("x") for name in tables.header(path))
            of = found.setdefault(path.stem.removeprefix("outline_"), [])
            of += tables.read(path, columns(count)).to_pylist()
            if len({len(row) for row in of}) > 1:
                raise InputError(
                    f"{path}: it has {count} points, those of another genus have not; run "
                    "export_shapes for all of them with the same options"
                )
    return found


def xy(row: Mapping[str, Any]) -> np.ndarray:
    """Semilandmarks [n, 2] of a row."""
    names = list(columns(0))
    return np.array([v for name, v in row.items() if name not in names]).reshape(-1, 2)


if __name__ == "__main__":
    run(main)
