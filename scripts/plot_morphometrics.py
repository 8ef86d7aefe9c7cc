"""Figures of measurements: distributions by genus, allometry, and agreement with drawn masks.

    python scripts/plot_morphometrics.py --tables results/tables/morphometrics.parquet \\
        --output plots/morphometrics_distributions.svg plots/morphometrics_allometry.svg

Figures are chosen by the names of the files to be written. Values are in millimetres if every
genus that is shown has a scale, otherwise in pixels. Allometry is of genera with a scale only.
"""

import argparse
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from sam2pal.cli import add_options, program, run
from sam2pal.config.stages import read_options
from sam2pal.dataset.dataset import BY_HAND
from sam2pal.evaluation.final import final_rounds, read_scores
from sam2pal.evaluation.left_out import read_left_out
from sam2pal.io import tables
from sam2pal.io.errors import InputError
from sam2pal.io.figures import check_names, save
from sam2pal.morphometrics.measures.dictionary import MEASURED, NAMES, SPECIMEN
from sam2pal.morphometrics.tables import plots
from sam2pal.morphometrics.tables.allometry import COLUMNS as ALLOMETRIES
from sam2pal.morphometrics.tables.columns import COLUMNS
from sam2pal.morphometrics.tables.concordance import PAIR_COLUMNS
from sam2pal.morphometrics.tables.plots import Quantity
from sam2pal.morphometrics.tables.summary import REQUIRED, UNCONFIRMED

DISTRIBUTIONS, ALLOMETRY, AGREEMENT = FIGURES = (
    "morphometrics_distributions",
    "morphometrics_allometry",
    "morphometrics_concordance",
)
USUAL = ("length", "width", "area")


def parse() -> argparse.Namespace:
    parser = program(__doc__)
    add = parser.add_argument
    add("--tables", nargs="+", required=True, help="tidy tables, of one or of all genera")
    add(
        "--output",
        type=Path,
        nargs="+",
        required=True,
        help=f"figures (.svg, .png or .pdf) named {' or '.join(FIGURES)}; slopes (.csv, .parquet) "
        "named morphometrics_allometry",
    )
    add("--pairs", type=Path, help="morphometrics_pairs.csv, for morphometrics_concordance")
    add_options(parser, "rounds", "final_round")
    add("--evaluation", nargs="*", help="evaluation.csv, which say which round is best")
    add("--left-out", nargs="*", help="leave_one_out.csv, which say so where there is no truth")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    check_names(arguments.output, FIGURES, [ALLOMETRY])
    if any(path.stem == AGREEMENT for path in arguments.output) and arguments.pairs is None:
        raise InputError(f"{AGREEMENT} needs --pairs")
    data, final = read(arguments)
    known = data[data["value"].notna()]
    in_pixels, in_mm = (set(known["genus"][known["unit"] == unit]) for unit in ("px", "mm"))
    unit = "mm" if in_pixels and in_pixels == in_mm else "px"
    measured = known[known["status"] == MEASURED]
    structures = list(dict.fromkeys(data["structure"]))
    lengths = quantities(measured[measured["measure"] == "length"], "mm", structures)
    x = Quantity(SPECIMEN, "length", "mm")
    pairs = [(x, y) for y in lengths if x in lengths and y != x]
    unscaled = [genus for genus in dict.fromkeys(data["genus"]) if genus in in_pixels - in_mm]
    figure, slopes = plots.allometries(pairs, lengths, unscaled)
    for path in arguments.output:
        if path.suffix in (".csv", ".parquet"):
            rounds = dict(zip(data["genus"], data["round"], strict=True))
            rows = [row | {"round": rounds[str(row["genus"])]} for row in slopes]
            tables.write(tables.table(rows, ALLOMETRIES), path)
        elif path.stem == ALLOMETRY:
            save(figure, path)
        elif path.stem == AGREEMENT:
            compared = tables.to_pandas(tables.read(arguments.pairs, PAIR_COLUMNS))
            compared = compared[compared["round"] == compared["genus"].map(final)]
            both = compared.dropna(subset=["predicted", "drawn"])
            save(plots.agreement(quantities(both, unit, structures)), path)
        else:
            save(plots.distributions(quantities(measured, unit, structures)), path)


def read(arguments: argparse.Namespace) -> tuple[pd.DataFrame, dict[str, str]]:
    """The rows of the final round of every genus, and which round that is."""
    pieces, columns = [], {name: COLUMNS[name] for name in REQUIRED}
    for path in tqdm(arguments.tables, desc="read", disable=None):
        for piece in map(tables.to_pandas, tables.read_chunks(path, columns, others=False)):
            pieces.append(piece[is_usual(piece)])
    if not pieces:
        raise InputError(f"{', '.join(arguments.tables)}: no rows")
    data = pd.concat(pieces, ignore_index=True)
    found = data[["genus", "round"]].drop_duplicates().itertuples(index=False, name=None)
    stage = read_options(arguments.options)
    scores, apart = read_scores(arguments.evaluation), read_left_out(arguments.left_out)
    chosen = final_rounds(found, stage.final_round, stage.rounds, scores, apart)
    final = {genus: of.round for genus, of in chosen.items()}
    data = data[data["round"] == data["genus"].map(final)]
    if stage.confirmed_only:
        looked_at = data["source"].isin(BY_HAND) | (data["verdict"] == "accepted")
        data = data.assign(status=data["status"].where(looked_at, UNCONFIRMED))
    return data, final


def is_usual(data: pd.DataFrame) -> pd.Series:
    """Which rows are of lengths, widths, areas and indices."""
    return data["measure"].isin(USUAL) | ~data["measure"].isin(NAMES)


def quantities(
    data: pd.DataFrame, unit: str, structures: list[str]
) -> dict[Quantity, pd.DataFrame]:
    """The rows of the indices, then of length, width and area of every structure, in mm or px."""
    has_length = data["unit"].str.startswith(("px", "mm"))
    data = data[is_usual(data) & (~has_length | data["unit"].str.startswith(unit))]
    groups = data.groupby(["structure", "measure", "unit"], sort=False)
    found = {Quantity(*key): rows for key, rows in groups}

    def place(of: Quantity) -> tuple[int, int]:
        return 1 + USUAL.index(of.measure) if of.measure in NAMES else 0, structures.index(
            of.structure
        )

    return {quantity: found[quantity] for quantity in sorted(found, key=place)}


if __name__ == "__main__":
    run(main)
