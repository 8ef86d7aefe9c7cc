"""Figures of measurements; the same tables give the same bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from sam2pal.io.figures import COLOURS, MARKERS, empty_figure, entitle
from sam2pal.morphometrics.measures.dictionary import BY_NAME
from sam2pal.morphometrics.tables.allometry import Allometry, allometry
from sam2pal.morphometrics.tables.columns import rounded
from sam2pal.morphometrics.tables.concordance import concordance

MOST_PANELS = 24
FEWEST = 3  # values, with which a panel begins to show something
FEW = 200  # specimens of a genus up to which each is drawn


@dataclass(frozen=True)
class Quantity:
    """What is plotted: a measure of a structure, or an index, in one unit."""

    structure: str
    measure: str
    unit: str

    @property
    def label(self) -> str:
        unit = {"1": "", "px": " (pixels)", "px2": " (pixels²)", "mm2": " (mm²)"}
        name = self.measure if self.measure not in BY_NAME else f"{self.structure} {self.measure}"
        return name + unit.get(self.unit, f" ({self.unit})")


Values = Mapping[Quantity, pd.DataFrame]
"""Of each quantity a table with the columns genus, specimen and value."""


def _enough(values: Values) -> tuple[Values, list[str], str]:
    """What is drawn of quantities with enough values, its genera, and what the title says of the others."""
    enough = {quantity: table for quantity, table in values.items() if len(table) >= FEWEST}
    shown = dict(list(enough.items())[:MOST_PANELS])
    genera = list(dict.fromkeys(name for table in shown.values() for name in table["genus"]))
    left = len(enough) - len(shown)
    return shown, genera, f"; {left} further measures are in the tables" if left else ""


def distributions(values: Values) -> Figure:
    """A panel per quantity, a box per genus: quartiles, 5th to 95th percentile, and the specimens."""
    shown, genera, more = _enough(values)
    if not shown:
        return empty_figure(
            f"No measure has {FEWEST} values: too few specimens are measured, or too few of them with "
            "confidence (results/summary.txt counts them)."
        )
    height = max(1.9, 0.7 + 0.24 * len(genera))
    figure, panels = _panels(len(shown), 4.2, height, 0.5, sharey=True)
    for panel, (quantity, table) in zip(panels, shown.items(), strict=True):
        _boxes(panel, table, genera)
        panel.set_xlabel(quantity.label)
    entitle(figure, f"Distributions by genus (box: quartiles, whiskers: 5 to 95 %){more}")
    return figure


def _panels(
    count: int, width: float, height: float, more: float, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure with panels of this size in inches, three a row, and `more` inches for its title."""
    columns = min(3, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(width * columns, height * rows + more), layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, columns, sharey=sharey)).ravel().tolist()
    for panel in panels[count:]:
        panel.axis("off")
    return figure, panels[:count]


def _boxes(axes: Axes, table: pd.DataFrame, genera: Sequence[str]) -> None:
    for place, genus in enumerate(genera):
        values = np.sort(table["value"][table["genus"] == genus].to_numpy(dtype=float))
        colour = COLOURS[place % len(COLOURS)]
        if not len(values):
            continue
        if len(values) <= FEW:  # spread by rank, not by chance
            spread = ((np.arange(len(values)) * 0.618034) % 1 - 0.5) * 0.5
            axes.scatter(values, place + spread, s=5, color=colour, alpha=0.4, linewidths=0)
        low, first, median, third, high = np.percentile(values, [5, 25, 50, 75, 95])
        box = {"med": median, "q1": first, "q3": third, "whislo": low, "whishi": high}
        axes.bxp(
            [box],
            positions=[place],
            widths=0.6,
            showfliers=False,
            orientation="horizontal",
            boxprops={"color": colour},
            medianprops={"color": colour, "linewidth": 2},
            whiskerprops={"color": colour},
            capprops={"color": colour},
        )
    names = [f"{name} (n = {int((table['genus'] == name).sum())})" for name in genera]
    axes.set_yticks(range(len(genera)), names if len(genera) < 2 else list(genera), fontsize=7)
    axes.set_ylim(len(genera) - 0.4, -0.6)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.grid(axis="x", color="0.9")


def allometries(
    pairs: Sequence[tuple[Quantity, Quantity]], values: Values, without_scale: Sequence[str] = ()
) -> tuple[Figure, list[dict[str, object]]]:
    """A panel per pair of quantities on logarithmic axes, a line per genus; and the slopes.

    Args:
        without_scale: genera that are left out, as pixels of different photographs are different lengths.
    """
    refused = ""
    if without_scale:
        refused = (
            f"without a scale, pixels of different photographs are different lengths: "
            f"{', '.join(without_scale)} left out (give pixels_per_mm)"
        )
    fitted = []
    for x, y in pairs[:MOST_PANELS]:
        both = values[x].merge(values[y], on=["genus", "specimen"], suffixes=("_x", "_y"))
        both = both[(both["value_x"] > 0) & (both["value_y"] > 0)]
        if len(both) >= FEWEST:
            fitted.append((x, y, both))
    if not fitted:
        few = f"No two measures are known of {FEWEST} specimens"
        return empty_figure(f"{few}; {refused}." if refused else f"{few}."), []
    genera = list(dict.fromkeys(name for _, _, both in fitted for name in both["genus"]))
    figure, panels = _panels(len(fitted), 4.6, 4.2, 0.4)
    slopes: list[dict[str, object]] = []
    for panel, (x, y, both) in zip(panels, fitted, strict=True):
        for place, genus in enumerate(genera):
            of = both[both["genus"] == genus]
            if len(of):
                fit = allometry(of["value_x"].to_numpy(), of["value_y"].to_numpy())
                _line(panel, of, fit, genus, place)
                if fit is not None:
                    slopes.append(_row(genus, x, y, fit))
        panel.set(xscale="log", yscale="log", xlabel=x.label, ylabel=y.label)
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        panel.tick_params(which="both", labelsize=7)
        panel.legend(fontsize=6, frameon=False)
        panel.grid(color="0.92", which="both", linewidth=0.5)
    said = "Allometry: least squares slope of the logarithms, with its 95 % interval"
    entitle(figure, f"{said}; {refused}" if refused else said)
    return figure, slopes


def agreement(values: Values) -> Figure:
    """A panel per quantity: predicted against drawn, with bias, limits, and the concordance within genera."""
    shown, genera, more = _enough(values)
    if not shown:
        return empty_figure(
            f"Fewer than {FEWEST} specimens have drawn masks beside their predicted ones."
        )
    figure, panels = _panels(len(shown), 4.0, 3.9, 0.6)
    for panel, (quantity, table) in zip(panels, shown.items(), strict=True):
        for place, genus in enumerate(genera):
            of = table[table["genus"] == genus]
            panel.scatter(
                of["drawn"], of["predicted"], s=9, color=COLOURS[place % len(COLOURS)],
                marker=MARKERS[place % len(MARKERS)], alpha=0.6, linewidths=0, label=genus,
            )  # fmt: skip
        found = concordance(table["predicted"].to_numpy(), table["drawn"].to_numpy())
        several = table["genus"].nunique() > 1
        if several:  # the spread between genera would raise it
            means = table.groupby("genus")["drawn"].transform("mean")
            within = [(table[side] - means).to_numpy() for side in ("predicted", "drawn")]
            found["ccc"] = concordance(*within)["ccc"]
        ends = [float(table[["drawn", "predicted"]].min().min())]
        ends.append(float(table[["drawn", "predicted"]].max().max()))
        panel.plot(ends, ends, color="0.5", linewidth=0.8)
        panel.set_title(_said(found, " within genera" if several else ""), fontsize=7)
        panel.set(xlabel=f"drawn {quantity.label}", ylabel="predicted", aspect="equal")
        panel.xaxis.set_major_locator(MaxNLocator(5))
        panel.yaxis.set_major_locator(MaxNLocator(5))
        panel.tick_params(labelsize=7)
        panel.grid(color="0.92", linewidth=0.5)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=6)
    entitle(figure, f"Measurements from predicted against those from drawn masks{more}")
    return figure


def _said(found: Mapping[str, float | None], within: str) -> str:
    ccc, percent = found["ccc"], found["bias_percent"]
    low, high, mean = found["limit_low"], found["limit_high"], found["mean_drawn"]
    said = [f"n = {found['n']}"]
    if ccc is not None:
        said.append(f"concordance{within} {ccc:.2f}")
    if percent is not None and low is not None and high is not None and mean:
        limits = f"limits {100 * low / mean:+.0f} to {100 * high / mean:+.0f} %"
        said.append(f"bias {percent:+.1f} %\n{limits} of the mean")
    return ", ".join(said)


def _line(axes: Axes, of: pd.DataFrame, fit: Allometry | None, genus: str, place: int) -> None:
    colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
    label = f"{genus}: n = {len(of)}"
    if fit is not None:
        label = (
            f"{genus}: {fit.slope:.2f} ({fit.slope_low:.2f} to {fit.slope_high:.2f}), n = {fit.n}"
        )
        ends = np.array([of["value_x"].min(), of["value_x"].max()])
        axes.plot(ends, 10 ** (fit.intercept + fit.slope * np.log10(ends)), color=colour)
    axes.scatter(
        of["value_x"], of["value_y"], s=9, color=colour, marker=marker, alpha=0.5, linewidths=0,
        label=label,
    )  # fmt: skip


def _row(genus: str, x: Quantity, y: Quantity, fit: Allometry) -> dict[str, object]:
    return {
        "genus": genus,
        "x": f"{x.structure}.{x.measure}",
        "y": f"{y.structure}.{y.measure}",
        "unit_x": x.unit,
        "unit_y": y.unit,
        **{name: rounded(value) for name, value in asdict(fit).items()},
    }
