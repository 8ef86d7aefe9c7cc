"""How well the order of the review page finds the specimens whose masks are worst.

    PYTHONPATH=scripts python tests/bench/ranking.py build/real/results

Reads what a run left, of every genus and round with truth. How bad a specimen is: how far its worst mask lies
below the median IoU of its structure. Templates are left out.
"""

import csv
import sys
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from sam2pal.config.review import ReviewOptions
from sam2pal.review.shards import Group
from sam2pal.review.survey import Sources, Survey
from sam2pal.review.tables import Tables

WORST = 6


def main() -> None:
    print(
        "| run | numbers | specimens | page | lowest confidence | places of the worst | low | low of all |"
    )
    print("| --- " * 8 + "|")
    for path in sorted(Path(sys.argv[1]).glob("*/*/evaluation.csv")):
        iou: dict[str, dict[str, float]] = {}
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row["iou"]:
                    iou.setdefault(row["specimen"], {})[row["structure"]] = float(row["iou"])
        names = {name for of in iou.values() for name in of}
        middle = {n: np.median([of[n] for of in iou.values() if n in of]) for n in names}
        tables = Tables(path, path.with_name("morphometrics.parquet"))
        shards = sorted(path.parent.glob("shards/*.json"))
        options = ReviewOptions()
        survey = Survey(Sources(shards, path.with_name("templates.json"), tables), options)
        for odd, numbers in enumerate(("even", "odd")):
            rows = [of for of in survey.rows if int(of.specimen) % 2 == odd and of.specimen in iou]
            worst = [min(of - middle[s] for s, of in iou[row.specimen].items()) for row in rows]
            lowest = [min(row.scores.values(), default=0) for row in rows]
            found = [spearmanr(of, worst)[0] for of in (range(len(rows)), lowest)]
            places = sorted(np.argsort(worst)[:WORST] + 1)
            low = sum(row.group == Group.LOW for row in rows)
            cells = [
                "/".join(path.parts[-3:-1]),
                numbers,
                len(rows),
                *(f"{of:.2f}" for of in found),
            ]
            cells += [
                ", ".join(map(str, places)),
                low,
                sum(np.less(lowest, options.low_confidence)),
            ]
            print("| " + " | ".join(map(str, cells)) + " |")


if __name__ == "__main__":
    main()
