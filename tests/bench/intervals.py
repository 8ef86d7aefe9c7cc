"""Intervals of measurements: fitted on masks of which the drawn ones are known, and judged on others.

    PYTHONPATH=scripts python tests/bench/intervals.py ../shared/data/carabidae --cache build/absence --write

Reads what `absence.py` segmented of unharmed beetles and of drawn specimens, untrained, or by trained models
(`--adapters`). Specimens (of drawn ones: collections) with an even number fit the intervals, those with an
odd number are reported. `--write` puts them where measuring reads them.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from absence import NAMES, weights
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_array, eye_array, hstack

from sam2pal.config.measurement import MeasurementOptions
from sam2pal.config.model import BUNDLED_WEIGHTS
from sam2pal.morphometrics.measures.calibrated import (
    COLUMNS,
    COVERAGE,
    TABLE,
    TRAINED,
    UNTRAINED,
    features,
    shipped_intervals,
)
from sam2pal.morphometrics.measures.dictionary import BY_NAME, SPECIMEN
from sam2pal.morphometrics.measures.results import worst
from sam2pal.morphometrics.tables.genus import GenusShards

FOLDS, LEAST = 5, 30
BODY = ["head", "pronotum", "elytra"]


def pairs(arguments: argparse.Namespace) -> Iterator[dict]:
    """Predicted and drawn values: of every measure that has a range by threshold."""
    models = [
        weights(arguments.checkpoint, adapter, arguments.draw)
        for adapter in arguments.adapters or [None]
    ]
    files = (path for model in models for path in (arguments.cache / model).glob("*.json"))
    for path in sorted(files):
        name = path.stem
        if name.endswith("_unharmed"):
            collection, templates = name.split("_")[:2]
            truth = arguments.folder / collection / "annotations.json"
        elif name.startswith("drawn"):
            collection, templates = "drawn", "1"
            truth = arguments.cache / f"photographs/{name}_truth.json"
        else:
            continue
        known = [c["name"] for c in json.loads(path.read_text())["categories"]]
        body = [structure for structure in BODY if structure in known]
        options = MeasurementOptions(
            colour=False, body=body, curved=[n for n in known if n in ("legs", "antennae")]
        )
        predicted, drawn = (
            {
                one.specimen: one.structures
                for one in GenusShards(
                    [file], options, structures=known, genus="g", round="r"
                ).measured()
            }
            for file in (path, truth)
        )
        for specimen in predicted.keys() & drawn.keys():
            number = int(name.removeprefix("drawn")) if collection == "drawn" else int(specimen)
            # of which masks go wrong together: a drawn collection, a beetle from one template and from five
            group = name if collection == "drawn" else f"{collection}/{specimen}"
            for structure, found in predicted[specimen].items():
                real = drawn[specimen][structure]
                parts = [predicted[specimen][name].signals for name in body]
                signals = (
                    worst([one for one in parts if one]) if structure == SPECIMEN else found.signals
                )
                for measure, (low, high) in found.intervals.items():
                    value, true = found.values.get(measure), real.values.get(measure)
                    if not value or not true or measure not in BY_NAME:
                        continue
                    yield {
                        "set": collection, "templates": templates, "even": number % 2 == 0,
                        "group": group, "structure": structure, "measure": measure,
                        "value": value, "true": true, "low": low, "high": high,
                        "key": ("specimen" if structure == SPECIMEN else "structure", measure),
                        "features": features(signals, value, (low, high)),
                    }  # fmt: skip


def line(x: NDArray, y: NDArray, share: float) -> NDArray:
    """Coefficients of the linear quantile regression of `y` on `x`."""
    n, k = x.shape
    cost = np.concatenate([np.zeros(k), np.full(n, share), np.full(n, 1 - share)])
    rows = hstack([csr_array(x), eye_array(n), -eye_array(n)]).tocsr()
    bounds = [(None, None)] * k + [(0, None)] * (2 * n)
    return linprog(cost, A_eq=rows, b_eq=y, bounds=bounds, method="highs").x[:k]


def fit(rows: list[dict], apart: Sequence[str]) -> tuple[NDArray, NDArray]:
    """The lower and the upper line, moved apart until they hold enough of what was left out, by each key."""
    x, y = np.stack([row["features"] for row in rows]), _errors(rows)
    tail = (1 - COVERAGE) / 2
    wider = []
    for key in apart:
        names = sorted({row[key] for row in rows})
        fold = np.array([names.index(row[key]) % FOLDS for row in rows])
        beyond = np.zeros(len(rows))
        for number in np.unique(fold):
            out = fold == number
            low, high = (line(x[~out], y[~out], share) for share in (tail, 1 - tail))
            # the predicted value itself is in every interval
            beyond[out] = np.where(y[out] < 0, x[out] @ low - y[out], y[out] - x[out] @ high)
        wider.append(np.quantile(beyond, COVERAGE))
    low, high = (line(x, y, share) for share in (tail, 1 - tail))
    low[0], high[0] = low[0] - max(wider), high[0] + max(wider)
    return low, high


def _errors(rows: list[dict]) -> NDArray:
    return np.array([np.log(row["true"] / row["value"]) for row in rows])


def held(row: dict, ends: tuple[NDArray, NDArray]) -> tuple[bool, float]:
    """Whether an interval holds the drawn value, and how many times its lower end its upper one is."""
    low, high = (row["value"] * float(np.exp(row["features"] @ end)) for end in ends)
    low, high = min(low, row["value"]), max(high, row["value"])
    return low <= row["true"] <= high, high / max(low, 1e-9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="collections with annotations")
    parser.add_argument("--cache", type=Path, required=True, help="of absence.py")
    parser.add_argument("--checkpoint", type=Path, default=BUNDLED_WEIGHTS, help="other weights")
    parser.add_argument("--adapters", type=Path, nargs="*", help="of trained models")
    parser.add_argument("--draw", type=int, help="templates as the benchmark draws them")
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.name}")
    parser.add_argument("--shipped", action="store_true", help="judge the shipped ones, fit none")
    arguments = parser.parse_args()
    rows = [row for row in pairs(arguments) if row["features"] is not None]
    round_ = TRAINED if arguments.adapters else UNTRAINED
    of_measure = defaultdict(list)
    for row in rows:
        if row["even"]:
            of_measure[row["key"]].append(row)
    # trained rounds are of two collections; of untrained ones, drawn collections are groups
    apart = ("group", "set") if arguments.adapters else ("group",)
    if arguments.shipped:
        fitted = {key[1:]: both for key, both in shipped_intervals().items() if key[0] == round_}
    else:
        fitted = {key: fit(of, apart) for key, of in sorted(of_measure.items()) if len(of) >= LEAST}
    ends = {key: both for key, both in shipped_intervals().items() if key[0] != round_}
    ends |= {(round_, *key): both for key, both in fitted.items()}
    if arguments.write:
        lines = ["\t".join(COLUMNS)]
        for key, both in ends.items():
            for name, of in zip(("low", "high"), both, strict=True):
                lines.append("\t".join([*key, name, *(f"{value:.4g}" for value in of)]))
        TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    report([row for row in rows if not row["even"] and row["key"] in fitted], fitted)
    print(f"{round_}, weights {weights(arguments.checkpoint)}")


def report(rows: list[dict], ends: dict) -> None:
    kinds = {"areas": {"area"}, "lengths": {"length"}, "widths": {"width"}}
    print(
        "| masks, templates | structure | measure | n | held | median width | range by threshold |"
    )
    print("| --- " * 7 + "|")
    groups = defaultdict(list)
    for row in rows:
        for kind, names in (*kinds.items(), ("all measures", {name for _, name in ends})):
            if row["measure"] in names:
                place = f"{row['set']}, {row['templates']}"
                for key in ((place, row["structure"]), (place, "all"), ("all", "all")):
                    if key[1] == "all" or (
                        row["structure"] in (*NAMES, SPECIMEN) and kind != "all measures"
                    ):
                        groups[(*key, kind)].append(row)
    for (place, structure, kind), of in sorted(groups.items()):
        found = [held(row, ends[row["key"]]) for row in of]
        before = np.mean([row["low"] <= row["true"] <= row["high"] for row in of])
        share, wide = np.mean([one for one, _ in found]), np.median([width for _, width in found])
        print(
            f"| {place} | {structure} | {kind} | {len(of)} | {share:.2f} | x {wide:.2f} | {before:.2f} |"
        )


if __name__ == "__main__":
    main()
