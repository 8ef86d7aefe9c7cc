"""Figures of measurements: distributions by genus, allometry, and agreement with drawn masks.

    python scripts/plot_morphometrics.py --tables results/tables/morphometrics.parquet \\
        --output plots/morphometrics_distributions.svg plots/morphometrics_allometry.svg

Figures are chosen by the names of the files to be written. Values are in millimetres if every
genus that is shown has a scale, otherwise in pixels. Allometry is of genera with a scale only.
"""

import argparse
from pathlib import Path
from typing import Any

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
from sam2pal.morphometrics.measures.dictionary import BY_NAME, MEASURED, NAMES, SPECIMEN
from sam2pal.morphometrics.tables import plots
from sam2pal.morphometrics.tables.allometry import COLUMNS as ALLOMETRIES
from sam2pal.morphometrics.tables.columns import COLUMNS
from sam2pal.morphometrics.tables.concordance import PAIR_COLUMNS
from sam2pal.morphometrics.tables.plots import Quantity
from sam2pal.morphometrics.tables.summary import REQUIRED

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
    unit = millimetres(data)
    measures, pairs = usual(data, unit), usual_pairs(data)
    pixels = [name for name in dict.fromkeys(data["genus"]) if not in_millimetres(data, name)]
    wanted = {*measures, *(quantity for both in pairs for quantity in both)}
    values = {quantity: select(data, quantity) for quantity in wanted}
    figure, slopes = plots.allometries(pairs, values, pixels)
    for path in arguments.output:
        if path.suffix in (".csv", ".parquet"):
            rounds = dict(zip(data["genus"], data["round"], strict=True))
            rows = [row | {"round": rounds[str(row["genus"])]} for row in slopes]
            tables.write(tables.table(rows, ALLOMETRIES), path)
        elif path.stem == ALLOMETRY:
            save(figure, path)
        elif path.stem == AGREEMENT:
            save(plots.agreement(pairs_of(arguments.pairs, final, unit)), path)
        else:
            save(plots.distributions({q: values[q] for q in measures}), path)


def read(arguments: argparse.Namespace) -> tuple[pd.DataFrame, dict[str, str]]:
    """The rows of the final round of every genus, and which round that is."""
    pieces, columns = [], {name: COLUMNS[name] for name in REQUIRED}
    for path in tqdm(arguments.tables, desc="read", disable=None):
        for piece in map(tables.to_pandas, tables.read_chunks(path, columns, others=False)):
            wanted = piece["measure"].isin(USUAL) | ~piece["measure"].isin(NAMES)
            pieces.append(piece[wanted])
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
        data = data[looked_at]
    return data, final


def pairs_of(path: Path, final: dict[str, str], unit: bool) -> dict[Quantity, pd.DataFrame]:
    """Predicted and drawn values of the final rounds, in millimetres or pixels."""
    table = tables.to_pandas(tables.read(path, PAIR_COLUMNS))
    table = table[table["round"] == table["genus"].map(final)].dropna(subset=["predicted", "drawn"])
    every = table[["structure", "measure"]].drop_duplicates().itertuples(index=False)
    chosen = [(name, of) for name, of in every if of in USUAL or of not in BY_NAME]
    chosen.sort(key=lambda pair: (pair[1] in BY_NAME, pair[1] in USUAL and USUAL.index(pair[1])))
    result = {}
    for structure, measure in chosen:
        quantity = named(structure, measure, table, unit)
        if quantity is not None:
            rows = (table["structure"] == structure) & (table["measure"] == measure)
            result[quantity] = table[rows & (table["unit"] == quantity.unit)]
    return result


def in_millimetres(data: pd.DataFrame, genus: str) -> bool:
    """Whether a genus has any length in millimetres, or no length at all."""
    units = set(data["unit"][(data["genus"] == genus) & data["value"].notna()])
    return "mm" in units or "px" not in units


def millimetres(data: pd.DataFrame) -> bool:
    """Whether every genus that has lengths in pixels has them in millimetres."""
    known = data[data["value"].notna()]
    in_pixels = set(known["genus"][known["unit"] == "px"])
    return bool(in_pixels) and in_pixels == set(known["genus"][known["unit"] == "mm"])


def named(structure: str, measure: str, data: pd.DataFrame, unit: bool) -> Quantity | None:
    """The quantity in millimetres or pixels; None if no table has it."""
    rows = data[(data["structure"] == structure) & (data["measure"] == measure)]
    units = list(dict.fromkeys(rows["unit"]))
    for name in units:
        if not name.startswith(("px", "mm")) or name.startswith("mm") == unit:
            return Quantity(structure, measure, name)
    return Quantity(structure, measure, units[0]) if units else None


def usual(data: pd.DataFrame, unit: bool) -> list[Quantity]:
    """The indices, then length, width and area of every structure."""
    indices = [name for name in dict.fromkeys(data["measure"]) if name not in BY_NAME]
    found: list[Any] = [named(SPECIMEN, name, data, unit) for name in indices]
    for measure in USUAL:
        found += [named(name, measure, data, unit) for name in dict.fromkeys(data["structure"])]
    return [quantity for quantity in found if quantity is not None]


def usual_pairs(data: pd.DataFrame) -> list[tuple[Quantity, Quantity]]:
    """The length of every structure against that of the specimen."""
    x = named(SPECIMEN, "length", data, True)
    names = [name for name in dict.fromkeys(data["structure"]) if name != SPECIMEN]
    found = [named(name, "length", data, True) for name in names]
    return [(x, y) for y in found if x is not None and y is not None]


def select(data: pd.DataFrame, quantity: Quantity) -> pd.DataFrame:
    """Genus, specimen and value of what is measured with confidence."""
    rows = data[
        (data["structure"] == quantity.structure)
        & (data["measure"] == quantity.measure)
        & (data["unit"] == quantity.unit)
        & (data["status"] == MEASURED)
        & data["value"].notna()
    ]
    return rows[["genus", "specimen", "value"]].reset_index(drop=True)


if __name__ == "__main__":
    run(main)
