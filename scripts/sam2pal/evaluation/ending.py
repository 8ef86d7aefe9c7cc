"""The screen with which a call ends: what there is, what to look at and what went wrong."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sam2pal.evaluation.final import Final, Score
from sam2pal.evaluation.notices import DOUBTED
from sam2pal.evaluation.report import layout
from sam2pal.evaluation.up_to_date import STAGES, entry

COUNTS = (
    *("measured", "low_confidence", "doubtful", "outside", "hidden", "absent"),
    *("unreadable", "no_specimen"),
)
FAILED = ("missing", "stale", "failed", "damaged")
INCOMPLETE = 2
"""Exit status where nothing failed, but photographs could not be read."""
ERRORS = "NOT IN THE TABLES:"
"""Heads what is an error: runs that failed and photographs that could not be read. All else is a warning."""
UNTRUSTED = "DO NOT USE WITHOUT LOOKING:"
"""Heads the runs that are mostly doubtful."""
CHOSEN = "final_round"
"""Stage of the rows of status.csv that say which round is the result of a genus, and why."""
WIDTH = 110  # characters of a line
MOST_RUNS, MOST_LINES = 30, 12  # that fit on a screen; the rest is in status.csv


def screen(
    status: Sequence[Mapping[str, Any]],
    final: Mapping[str, Final],
    scores: Mapping[tuple[str, str], Score],
    results: Path,
    unreadable: str = "error",
) -> str:
    """The text of summary.txt."""
    bad = (*FAILED, "partial") if unreadable == "error" else FAILED
    measured = [row for row in status if row["stage"] == "morphometrics"]
    doubted = [row for row in status if row["status"] == DOUBTED]
    lines = {f"{_name(row)}: {row['reason']}": None for row in doubted}
    parts = [UNTRUSTED, *map(_wrapped, _cut(lines, results)), ""] if doubted else []
    parts.append(_table(measured[:MOST_RUNS], final, scores))
    if len(measured) > MOST_RUNS:
        parts.append(f"... and {len(measured) - MOST_RUNS} more in {results}/tables/status.csv")
    if final:
        parts.append("* the round whose measurements are the result")
    for genus, of in list(final.items())[:MOST_LINES]:
        parts.append(f"  {genus}: {of.round}, {of.why}")
    warnings = [f"{genus}: {of.warning}" for genus, of in final.items() if of.warning]
    warnings += [
        f"{_name(row)}: {row['reason']}"
        for row in status
        if row["status"] not in (*bad, DOUBTED) and row["reason"] and row["stage"] != CHOSEN
    ]
    if warnings:
        parts += ["", "Warnings:", *_cut(dict.fromkeys(warnings), results)]
    if final:
        parts += [
            "",
            f"Next: open {results / 'index.html'} and look at the first masks of each page",
        ]
    failed = [row for row in status if row["status"] in bad]
    if failed:
        lines = dict.fromkeys(f"{_run(row)} {row['status']}: {row['reason']}" for row in failed)
        parts += ["", ERRORS, *_cut(lines, results)]
    return "\n".join(parts) + "\n"


def chosen(final: Mapping[str, Final]) -> list[dict[str, Any]]:
    """Rows of status.csv that say which round is the result."""
    return [
        entry(
            genus,
            of.round,
            CHOSEN,
            "note" if of.warning else "ok",
            "; ".join(filter(None, (of.why, of.warning))),
        )
        for genus, of in final.items()
    ]


def _table(
    rows: Sequence[Mapping[str, Any]],
    final: Mapping[str, Final],
    scores: Mapping[tuple[str, str], Score],
) -> str:
    head = ["genus", "round", "specimens", *COUNTS, "IoU"]
    lines = []
    for row in rows:
        genus, round_ = row["genus"], row["round"]
        chosen = genus in final and final[genus].round == round_
        score = scores.get((genus, round_))
        counts = [row.get(name) for name in ("specimens", *COUNTS)]
        lines.append(
            [
                genus,
                f"{round_}{' *' if chosen else ''}",
                *("-" if count is None else str(count) for count in counts),
                f"{score.iou:.3f}" if score else "-",
            ]
        )
    said = "Masks by status; unreadable and no_specimen count photographs; IoU is against truth.\n"
    return said + layout([name.replace("_confidence", "") for name in head], lines)


def _wrapped(line: str) -> str:
    return textwrap.fill(line, WIDTH, subsequent_indent="    ", break_on_hyphens=False)


def _cut(lines: Mapping[str, Any], results: Path) -> list[str]:
    shown = [f"  {line}" for line in list(lines)[:MOST_LINES]]
    left = len(lines) - len(shown)
    return [*shown, *([f"  ... and {left} more in {results}/tables/status.csv"] if left else [])]


def _name(row: Mapping[str, Any]) -> str:
    return f"{_run(row)} {row['stage']}" if row["stage"] in STAGES else _run(row)


def _run(row: Mapping[str, Any]) -> str:
    return "/".join(part for part in (row["genus"], row["round"]) if part)
