"""Whether the demo gives what it gave when it was recorded (`make release`).

    python tests/demo.py results            # compare; lists what differs
    python tests/demo.py results --write    # record anew, after a change that is meant

What is recorded of each genus, round and structure, in `tests/demo.tsv`: how many specimens had truth, their
mean IoU, and by how much predicted areas were too large in the mean. The same machine gives the same numbers;
between processors rounding differs, and training makes more of it, hence the tolerances.
"""

import argparse
import csv
import sys
from pathlib import Path

RECORD = Path(__file__).with_suffix(".tsv")
KEY, NUMBERS = ("genus", "round", "structure"), ("n", "iou", "area_error")
TOLERANCE = {"n": 0.0, "iou": 0.01, "area_error": 0.03}

Rows = dict[tuple[str, ...], dict[str, float]]


def found_in(results: Path) -> Rows:
    """From the tables of a demo that has run.

    Raises:
        SystemExit: there are none.
    """
    path, rows = results / "tables" / "evaluation_summary.csv", {}
    if not path.is_file():
        raise SystemExit(f"error: {path} is not there: run make demo first")
    with path.open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            if line["measure"] in NUMBERS and line["genus"] != "(all)" and line["mean"]:
                row = rows.setdefault(tuple(line[name] for name in KEY), {})
                row |= {"n": float(line["n"]), line["measure"]: float(line["mean"])}
    return rows


def recorded(path: Path = RECORD) -> Rows:
    """As `write` wrote them.

    Raises:
        SystemExit: nothing was recorded.
    """
    if not path.is_file():
        raise SystemExit(
            f"error: {path} is not there: after make demo, {sys.argv[0]} results --write"
        )
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.DictReader(file, delimiter="\t")
        return {
            tuple(line[k] for k in KEY): {n: float(line[n]) for n in NUMBERS if line[n]}
            for line in lines
        }


def write(rows: Rows, path: Path = RECORD) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow([*KEY, *NUMBERS])
        for key, row in sorted(rows.items()):
            writer.writerow([*key, *(f"{row[n]:.4g}" if n in row else "" for n in NUMBERS)])


def differences(found: Rows, expected: Rows) -> list[str]:
    """A line for each number that is beyond its tolerance, or on one side only."""
    lines = []
    for key in sorted(found.keys() | expected.keys()):
        one, other = found.get(key, {}), expected.get(key, {})
        for name in NUMBERS:
            is_, was = one.get(name), other.get(name)
            if is_ is None and was is None:
                continue
            if is_ is None or was is None or abs(is_ - was) > TOLERANCE[name]:
                lines.append(f"{', '.join(key)}: {name} is {is_}, recorded is {was}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("--write", action="store_true", help="record instead of comparing")
    arguments = parser.parse_args()
    found = found_in(arguments.results)
    if arguments.write:
        write(found)
    elif lines := differences(found, recorded()):
        print(*lines, sep="\n")
        sys.exit(f"error: the demo differs from {RECORD}; if that is meant: {sys.argv[0]} --write")


if __name__ == "__main__":
    main()
