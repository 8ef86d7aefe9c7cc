"""Print the IoU by collection, structure and round of the real beetles that settings were not tuned on."""

import sys
from pathlib import Path

import pandas as pd

BENCHMARKS = {
    "list_specimens": "list_specimens",
    "train_palindrome": "train",
    "segment_shard": "segment",
    "evaluate": "evaluate",
    "measure": "measure",
    "review_page": "review",
}


def main() -> None:
    folder = Path(sys.argv[1])
    table = pd.read_csv(
        folder / "results/tables/evaluation.csv", dtype={"specimen": str}, na_values=[""]
    )
    scored = table[table["status"].isin(["scored", "missed"])]
    odd = scored[scored["specimen"].str.extract(r"(\d+)$")[0].astype(int) % 2 == 1]
    rounds = list(dict.fromkeys(table["round"]))
    iou = odd.pivot_table("iou", ["genus", "structure"], "round", "mean", sort=False)
    iou["specimens"] = odd.groupby(["genus", "structure"])["specimen"].nunique()
    means = (
        odd.groupby(["genus", "round", "structure"])["iou"]
        .mean()
        .groupby(["genus", "round"])
        .mean()
    )
    print("Mean IoU of specimens with odd numbers, templates left out:\n")
    print(iou[[*rounds, "specimens"]].to_string(float_format="%.3f"))
    print("\nMean over structures:\n")
    print(means.unstack()[rounds].to_string(float_format="%.3f"))
    print("\nMinutes on this machine, all collections and rounds together:\n")
    for rule, name in BENCHMARKS.items():
        files = [
            *folder.glob(f"benchmarks/**/{rule}.tsv"),
            *folder.glob(f"benchmarks/**/{rule}/*.tsv"),
        ]
        seconds = sum(float(pd.read_csv(file, sep="\t")["s"].iloc[-1]) for file in files)
        print(f"{name:<16}{seconds / 60:6.1f}")


if __name__ == "__main__":
    main()
