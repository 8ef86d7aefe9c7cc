"""Figures of the evaluation of all genera; the same tables give the same bytes."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sam2pal.dataset.signals import GOOD_IOU
from sam2pal.evaluation.scores import ALL
from sam2pal.io.figures import COLOURS, MARKERS, empty_figure, entitle

_ANNOTATED = 40  # up to so many genera each cell of the heat map holds its number


def iou_by_structure(summary: pd.DataFrame) -> Figure:
    """Mean IoU of each structure in each round over all genera, with the genera as dots."""
    iou = summary[summary["measure"] == "iou"]
    pooled = iou[iou["genus"] == ALL]
    if not len(pooled):
        return empty_figure("No specimen has truth: there is nothing to score.")
    structures, rounds = _order(pooled["structure"]), _order(pooled["round"])
    figure = Figure(figsize=(max(6.0, 1.3 * len(structures) + 2), 4.2), layout="constrained")
    axes = figure.subplots()
    for i, round_ in enumerate(rounds):
        shift = (i - (len(rounds) - 1) / 2) * 0.8 / max(len(rounds), 2)
        rows = pooled[pooled["round"] == round_]
        place = _places(rows["structure"], structures) + shift
        known, marker = rows["lower"].notna().to_numpy(), MARKERS[i % len(MARKERS)]
        axes.vlines(place[known], rows["lower"][known], rows["upper"][known], color=_colour(i))
        axes.scatter(place, rows["mean"], s=26, color=_colour(i), marker=marker, label=round_)
        genera = iou[(iou["round"] == round_) & (iou["genus"] != ALL)]
        if genera["genus"].nunique() > 1:
            dots = _places(genera["structure"], structures) + shift
            axes.scatter(dots, genera["mean"], s=7, color=_colour(i), alpha=0.35, linewidths=0)
    axes.set_xticks(range(len(structures)), _names(structures, "all structures"))
    axes.set(ylim=(0, 1), ylabel="mean IoU", xlabel="structure")
    entitle(figure, "Agreement with truth; bars: interval over specimens, small dots: genera")
    axes.grid(axis="y", color="0.9")
    axes.set_axisbelow(True)
    columns = 1 + len(rounds) // 16
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, ncols=columns)
    return figure


def iou_by_genus(summary: pd.DataFrame) -> Figure:
    """Mean IoU of each genus and structure in its last round, as a map of colours."""
    iou = summary[(summary["measure"] == "iou") & (summary["genus"] != ALL)]
    if not len(iou):
        return empty_figure("No specimen has truth: there is nothing to score.")
    order = {name: i for i, name in enumerate(_order(summary["round"]))}
    last = iou.groupby("genus", sort=False)["round"].agg(lambda names: max(names, key=order.get))
    iou = iou[iou["round"] == iou["genus"].map(last)]
    genera, structures = _order(iou["genus"]), _order(iou["structure"])
    values = np.full((len(genera), len(structures)), np.nan)
    rows = [genera.index(name) for name in iou["genus"]]
    columns = [structures.index(name) for name in iou["structure"]]
    values[rows, columns] = iou["mean"]
    many = len(genera) > _ANNOTATED
    height = 1.6 + len(genera) * (0.12 if many else 0.3)
    figure = Figure(figsize=(max(6.0, 0.9 * len(structures) + 3), height), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(values, vmin=0, vmax=1, cmap="viridis", aspect="auto")
    figure.colorbar(image, ax=axes, label="mean IoU")
    names = [f"{name} ({last[name]})" for name in genera]
    axes.set_yticks(range(len(genera)), names, fontsize=5 if many else 8)
    axes.set_xticks(range(len(structures)), _names(structures, "all structures"))
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value) and not many:
            colour = "black" if value > 0.6 else "white"
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=colour)
    axes.set_ylabel("genus (round)")
    entitle(figure, "Agreement with truth in the last round of each genus")
    return figure


def change_between_rounds(comparison: pd.DataFrame) -> Figure:
    """Change of mean IoU on the same specimens, with intervals, over all genera."""
    rows = comparison[(comparison["genus"] == ALL) & (comparison["measure"] == "iou")]
    if not len(rows):
        return empty_figure("No two rounds score the same specimens: there is nothing to compare.")
    groups = list(rows.groupby(["round_before", "round_after"], sort=False))
    figure = Figure(figsize=(7.5, 1.4 + 0.28 * (len(rows) + len(groups))), layout="constrained")
    axes = figure.subplots()
    labels, place = [], 0
    for i, ((before, after), group) in enumerate(groups):
        for _, row in group.iterrows():
            clear = row["more_than_noise"] == "yes"
            if np.isfinite(row["lower"]):
                axes.hlines(place, row["lower"], row["upper"], color=_colour(i))
            style = {"facecolor": _colour(i) if clear else "white", "edgecolor": _colour(i)}
            axes.scatter(row["change"], place, s=32, zorder=3, **style)
            structure = _names([row["structure"]], "all structures")[0]
            labels.append((place, f"{before} to {after}: {structure}, n = {row['n']}"))
            place += 1
        place += 1
    axes.axvline(0, color="0.4", linewidth=0.8)
    axes.set_yticks([y for y, _ in labels], [text for _, text in labels], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("change of mean IoU on the same specimens")
    entitle(figure, "Change between rounds; filled: more than noise")
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    return figure


def reliability(table: pd.DataFrame) -> Figure:
    """Share of good masks by their confidence, a row per round and a panel per structure."""
    table = table[(table["signal"] == "confidence") & (table["genus"] == ALL)]
    if not len(table):
        return empty_figure("No mask has both a confidence and truth.")
    rounds, structures = _order(table["round"]), _order(table["structure"])
    size = (1.9 * len(structures) + 0.8, 2.1 * len(rounds) + 0.9)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(rounds), len(structures), sharex=True, sharey=True, squeeze=False)
    for panels, round_ in zip(grid, rounds, strict=True):
        for i, (axes, structure) in enumerate(zip(panels, structures, strict=True)):
            rows = table[(table["round"] == round_) & (table["structure"] == structure)]
            colour = "black" if structure == ALL else _colour(i - 1)
            axes.plot([0, 1], [0, 1], color="0.6", linestyle="--", linewidth=0.8)
            axes.plot(rows["mean_confidence"], rows["share_good"], color=colour, linewidth=1)
            area = 8 + 120 * rows["n"] / max(rows["n"].sum(), 1)
            axes.scatter(rows["mean_confidence"], rows["share_good"], s=area, color=colour)
            axes.set(xlim=(-0.05, 1.05), ylim=(-0.05, 1.05), aspect="equal")
            axes.set_title(
                f"{_names([structure], 'all masks')[0]}, n = {rows['n'].sum()}", fontsize=8
            )
            axes.grid(color="0.92")
            axes.set_axisbelow(True)
        panels[0].set_ylabel(f"round {round_}\nshare with IoU >= {GOOD_IOU:g}", fontsize=8)
    figure.supxlabel("confidence (mean of bin)", fontsize=9)
    return figure


FIGURES: dict[str, Callable[..., Figure]] = {
    "iou_by_structure": iou_by_structure,
    "iou_by_genus": iou_by_genus,
    "change_between_rounds": change_between_rounds,
    "reliability": reliability,
}


def _colour(i: int) -> str:
    return COLOURS[i % len(COLOURS)]


def _order(names: pd.Series) -> list[str]:
    """Names in order of their first row, the one for all of them first."""
    found = list(dict.fromkeys(names))
    return [ALL] * (ALL in found) + [name for name in found if name != ALL]


def _places(names: pd.Series, order: Sequence[str]) -> np.ndarray:
    return np.array([order.index(name) for name in names], float)


def _names(structures: Sequence[str], all_of_them: str) -> list[str]:
    return [all_of_them if name == ALL else name for name in structures]
