"""Evaluation as text for a terminal or a log."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from sam2pal.config.evaluation import EvaluationOptions
from sam2pal.evaluation.scores import ALL, Scores
from sam2pal.evaluation.summary import calibrate, summarise

_MORE = {
    "dice": "Dice",
    "boundary_f": "boundary F",
    "hd95_px": "HD95 px",
    "area_error": "area error",
}
_COUNTS = {
    "true_present": "found",
    "false_absent": "missed",
    "false_present": "wrongly found",
    "true_absent": "rightly absent",
    "unannotated": "unannotated",
    "no_truth": "no truth",
    "template": "template",
    "unreadable": "unreadable",
    "no_prediction": "no prediction",
}


def layout(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Columns of text, the first one to the left and the others to the right."""
    rows = [list(head), *(list(line) for line in lines)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def number(value: float, digits: int = 3) -> str:
    """A number, or `-` where there is none."""
    return f"{value:.{digits}f}" if pd.notna(value) else "-"


def interval(lower: float, upper: float, digits: int = 3) -> str:
    """An interval in brackets, or nothing."""
    return f" [{lower:.{digits}f}, {upper:.{digits}f}]" if pd.notna(lower) else ""


def describe(
    scores: Scores, options: EvaluationOptions, seed: int, notes: Sequence[str] = ()
) -> str:
    """What `scripts/evaluate.py` prints: scores, presence, confidence, and what is left out."""
    parts = []
    summary = summarise(scores, options, seed)
    summary = summary[summary["genus"] != ALL]
    calibration, _ = calibrate(scores, options)
    calibration = calibration[
        (calibration["genus"] != ALL) & (calibration["signal"] == "confidence")
    ]
    presence = scores.presence()
    for (genus, round_), counts in presence.groupby(["genus", "round"], sort=False):
        name = " ".join(x for x in (genus, f"round {round_}" if round_ else "") if x)
        chosen = summary[(summary["genus"] == genus) & (summary["round"] == round_)]
        heading = "Scores" + (f" of {name}" if name else "")
        if len(chosen):
            parts.append(f"{heading}\n{_scores(chosen, options)}")
        else:
            parts.append(f"{heading}: none, there is nothing to compare with")
        parts.append(f"Specimens by structure\n{_presence(counts)}")
        chosen = calibration[(calibration["genus"] == genus) & (calibration["round"] == round_)]
        if len(chosen):
            parts.append(f"Confidence against IoU\n{_calibration(chosen, options)}")
    if not len(presence):
        parts.append("No specimen: the prediction files list none.")
    if notes:
        parts.append("\n".join(notes))
    return "\n\n".join(parts)


def _scores(summary: pd.DataFrame, options: EvaluationOptions) -> str:
    head = [
        *("structure", "n", f"IoU [{options.level:.0%}]", "median", f">= {options.good_iou:g}"),
        *_MORE.values(),
    ]
    lines = []
    for structure, rows in summary.groupby("structure", sort=False):
        rows = rows.set_index("measure")
        iou = rows.loc["iou"]
        lines.append(
            [
                str(structure),
                str(iou["n"]),
                number(iou["mean"]) + interval(iou["lower"], iou["upper"]),
                number(iou["median"]),
                f"{iou['share_good']:.0%}",
                *(number(rows.loc[name, "mean"], 1 if "px" in name else 3) for name in _MORE),
            ]
        )
    return layout(head, lines)


def _presence(counts: pd.DataFrame) -> str:
    shown = [name for name in _COUNTS if counts[name].any()]
    lines = [
        [row["structure"], *(str(row[name]) for name in shown)] for _, row in counts.iterrows()
    ]
    return layout(["structure", *(_COUNTS[name] for name in shown)], lines)


def _calibration(rows: pd.DataFrame, options: EvaluationOptions) -> str:
    head = ["structure", "n", f"IoU < {options.bad_iou:g}", "AUROC", "Spearman", "ECE"]
    lines = [
        [
            row["structure"],
            str(row["n"]),
            str(row["n_bad"]),
            number(row["auroc"]) + interval(row["auroc_lower"], row["auroc_upper"], 2),
            number(row["spearman"]),
            number(row["ece"]),
        ]
        for _, row in rows.iterrows()
    ]
    return layout(head, lines)


def describe_comparison(comparison: pd.DataFrame, options: EvaluationOptions) -> str:
    """What `scripts/compare_rounds.py` prints; the columns of `summary.COMPARISON`."""
    parts = []
    keys = ["genus", "round_before", "round_after", "measure"]
    for (genus, before, after, measure), rows in comparison.groupby(keys, sort=False):
        head = [
            *("structure", "n", before, after, f"change [{options.level:.0%}]", "improved", "p"),
            *("p (Holm)", "more than noise"),
        ]
        lines = [
            [
                row["structure"],
                str(row["n"]) + (f" (+{row['n_unpaired']} unpaired)" if row["n_unpaired"] else ""),
                number(row["before"]),
                number(row["after"]),
                f"{row['change']:+.3f}" + interval(row["lower"], row["upper"]),
                f"{row['share_improved']:.0%}",
                number(row["p"], 4),
                number(row["p_holm"], 4),
                row["more_than_noise"],
            ]
            for _, row in rows.iterrows()
        ]
        name = f" of {genus}" if genus else ""
        parts.append(f"{measure}{name}: {after} against {before}\n{layout(head, lines)}")
    return "\n\n".join(parts)


def rounded(table: pd.DataFrame, digits: int = 6) -> pd.DataFrame:
    """The numbers of a table to so many significant digits, as they are written to disk."""
    table = table.copy()
    for name in table.columns[table.dtypes == np.float64]:
        table[name] = [
            float(f"{value:.{digits}g}") if np.isfinite(value) else value for value in table[name]
        ]
    return table
