"""Evaluation as text for a terminal or a log."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from sam2pal.config.evaluation import EvaluationOptions
from sam2pal.evaluation.scores import Scores
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
    "no_specimen": "no specimen",
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


def number(value: float | None, digits: int = 3) -> str:
    """A number, or `-` where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def interval(lower: float | None, upper: float | None, digits: int = 3) -> str:
    """An interval in brackets, or nothing."""
    return "" if lower is None else f" [{lower:.{digits}f}, {upper:.{digits}f}]"


def describe(
    scores: Scores, options: EvaluationOptions, seed: int, notes: Sequence[str] = ()
) -> str:
    """What `scripts/evaluate.py` prints: scores, presence, confidence, and what is left out."""
    calibration, _ = calibrate(scores, options)
    calibration = [row for row in calibration.to_pylist() if row["signal"] == "confidence"]
    of_run = [
        _groups(rows, "genus", "round")
        for rows in (
            summarise(scores, options, seed).to_pylist(),
            scores.presence().to_pylist(),
            calibration,
        )
    ]
    summaries, presences, calibrations = of_run
    parts = []
    for run, counts in presences.items():
        genus, round_ = run
        name = " ".join(x for x in (genus, f"round {round_}" if round_ else "") if x)
        heading = "Scores" + (f" of {name}" if name else "")
        if run in summaries:
            parts.append(f"{heading}\n{_scores(summaries[run], options)}")
        else:
            parts.append(f"{heading}: none, there is nothing to compare with")
        parts.append(f"Specimens by structure\n{_presence(counts)}")
        if run in calibrations:
            parts.append(f"Confidence against IoU\n{_calibration(calibrations[run], options)}")
    if not presences:
        parts.append("No specimen: the prediction files list none.")
    if notes:
        parts.append("\n".join(notes))
    return "\n\n".join(parts)


Rows = Iterable[Mapping[str, Any]]


def _groups(rows: Rows, *keys: str) -> dict[tuple[str, ...], list[Mapping[str, Any]]]:
    """Rows by their values of some columns, in the order in which these first occur."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return groups


def _scores(summary: Rows, options: EvaluationOptions) -> str:
    head = [
        *("structure", "n", f"IoU [{options.level:.0%}]", "median", f">= {options.good_iou:g}"),
        *_MORE.values(),
    ]
    lines = []
    for (structure,), rows in _groups(summary, "structure").items():
        of = {row["measure"]: row for row in rows}
        iou = of["iou"]
        lines.append(
            [
                structure,
                str(iou["n"]),
                number(iou["mean"]) + interval(iou["lower"], iou["upper"]),
                number(iou["median"]),
                f"{iou['share_good']:.0%}",
                *(number(of[name]["mean"], 1 if "px" in name else 3) for name in _MORE),
            ]
        )
    return layout(head, lines)


def _presence(counts: Rows) -> str:
    shown = [name for name in _COUNTS if any(row[name] for row in counts)]
    lines = [[row["structure"], *(str(row[name]) for name in shown)] for row in counts]
    return layout(["structure", *(_COUNTS[name] for name in shown)], lines)


def _calibration(rows: Rows, options: EvaluationOptions) -> str:
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
        for row in rows
    ]
    return layout(head, lines)


def rounded(table: pa.Table) -> pa.Table:
    """The numbers of a table to six significant digits, as they are written to disk."""
    for i, field in enumerate(table.schema):
        if field.type == pa.float64():
            cells = table.column(i).to_pylist()
            cells = [None if cell is None else float(f"{cell:.6g}") for cell in cells]
            table = table.set_column(i, field, pa.array(cells, field.type))
    return table
