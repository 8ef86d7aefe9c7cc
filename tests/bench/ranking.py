"""How well the ranking of the review page finds the specimens whose masks are worst.

    python tests/bench/ranking.py build/real/results

Reads what a run left, of every genus and round with truth. What is worst is how far the worst mask of a
specimen lies below the median IoU of its structure.
"""

import csv
import sys
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from sam2pal.dataset.dataset import Dataset
from sam2pal.evaluation.ranking import Ranking

LOW = 0.5


def main() -> None:
    print("| run | numbers | specimens | standing | lowest score | low | low by the lowest score |")
    print("| --- " * 7 + "|")
    for path in sorted(Path(sys.argv[1]).glob("*/*/evaluation.csv")):
        iou: dict[str, dict[str, float]] = {}
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row["iou"]:
                    iou.setdefault(row["specimen"], {})[row["structure"]] = float(row["iou"])
        scores: dict[str, dict[str, float]] = {}
        for shard in sorted(path.parent.glob("shards/*.json")):
            for one in Dataset(shard).specimens:
                scores[one.specimen] = {
                    name: of.score
                    for name, of in one.annotations.items()
                    if of.source == "predicted" and of.area and of.score is not None
                }
        names = {name for of in scores.values() for name in of}
        ranking = Ranking({n: [of[n] for of in scores.values() if n in of] for n in names}, LOW)
        middle = {n: np.median([of[n] for of in iou.values() if n in of]) for n in names}
        for odd, numbers in enumerate(("even", "odd")):
            chosen = [n for n in iou if int(n) % 2 == odd and scores.get(n)]
            worst = [min(iou[n][s] - middle[s] for s in iou[n]) for n in chosen]
            standing = [ranking.worst(scores[n]).deviation for n in chosen]
            lowest = [min(scores[n].values()) for n in chosen]
            low = sum(any(ranking.is_low(*of) for of in scores[n].items()) for n in chosen)
            found = (spearmanr(of, worst)[0] for of in (standing, lowest))
            run = "/".join(path.parts[-3:-1])
            cells = [run, numbers, str(len(chosen)), *(f"{of:.2f}" for of in found)]
            print("| " + " | ".join([*cells, str(low), str(sum(np.less(lowest, LOW)))]) + " |")


if __name__ == "__main__":
    main()
