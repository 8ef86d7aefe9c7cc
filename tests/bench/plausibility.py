"""How many wrong masks the flags of shape catch, and how many good ones they flag.

    python tests/bench/plausibility.py build/real/results

Reads what a run left: of every genus and round with truth, predicted masks that are there. The limits were
chosen on specimens of even numbers; those of odd numbers are shown beside.
"""

import csv
import sys
from collections import Counter
from pathlib import Path

from sam2pal.io import tables

SHAPE = {
    "unusual_size",
    "unusual_outline",
    "overlaps_neighbour",
    "out_of_order",
    "unlike_templates",
}
KINDS = {"wrong (IoU < 0.5)": (-1, 0.5), "fair (< 0.75)": (0.5, 0.75), "good": (0.75, 2)}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def main() -> None:
    print(
        "| genus | round | structure | numbers | "
        + " | ".join(KINDS)
        + " | wrong, not low, unflagged |"
    )
    print("| --- " * (5 + len(KINDS)) + "|")
    for run in sorted(Path(sys.argv[1]).glob("*/*/morphometrics.parquet")):
        measured = {}
        names = ("specimen", "structure", "source", "status", "flags")
        for row in tables.read(run, dict.fromkeys(names, str), others=False).to_pylist():
            measured[row["specimen"], row["structure"]] = row
        counts: dict[tuple[str, str], Counter] = {}
        for scored in rows(run.with_name("evaluation.csv")):
            row = measured.get((scored["specimen"], scored["structure"]))
            if (
                not scored["iou"]
                or not row
                or row["source"] != "predicted"
                or row["status"] == "absent"
            ):
                continue
            flagged = bool(SHAPE & set(row["flags"].split(";")))
            numbers = "odd" if int(scored["specimen"]) % 2 else "even"
            of = counts.setdefault((scored["structure"], numbers), Counter())
            iou = float(scored["iou"])
            for kind, (low, high) in KINDS.items():
                of[kind] += low <= iou < high
                of[f"flagged {kind}"] += flagged and low <= iou < high
            of["silent"] += iou < 0.5 and not flagged and row["status"] == "measured"
        for (structure, numbers), of in sorted(counts.items()):
            cells = [f"{of[f'flagged {kind}']} of {of[kind]}" for kind in KINDS]
            names = [run.parent.parent.name, run.parent.name, structure, numbers]
            print("| " + " | ".join([*names, *cells, str(of["silent"])]) + " |")


if __name__ == "__main__":
    main()
