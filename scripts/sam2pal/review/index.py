"""results/index.html: all genera and rounds, what failed, and links to every page, table and figure."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sam2pal.evaluation.ending import CHOSEN, FAILED
from sam2pal.evaluation.notices import DOUBTED
from sam2pal.evaluation.up_to_date import STATUS
from sam2pal.io import tables
from sam2pal.io.errors import InputError
from sam2pal.io.files import atomic
from sam2pal.review.folders import refuse_foreign, temporary_folder
from sam2pal.review.records import SUMMARY, TEMPLATES, copy_assets, script
from sam2pal.review.specimens import address
from sam2pal.review.trays import PAGE

TABLES = {
    "measurements.csv": "a row per specimen: what was measured with confidence, what was left out and why",
    "morphometrics_summary.csv": "a row per genus, structure and measure: n, mean, spread, bias, states",
    "publication.csv": "the same of the final rounds, as publications print it",
    "morphometrics_wide.csv": "a row per specimen with all measures, also of masks that are not trusted:"
    " mind the columns status",
    "status.csv": "a row per genus and round: what is complete, what is missing and why",
    "columns.tsv": "what each column of these tables means",
}
"""What the tables hold that a reader begins with."""
_DATA = "index.js"
_SAID = ("specimens", "groups", "score", "iou", "structures", "weak", "doubtful")
_READ = ("names", "given")  # of the folder of each page


def write_index(output: str | Path, runs: Iterable[str]) -> int:
    """Write the index and its folder beside the results; a run without a page is listed as such.

    Raises:
        InputError: a file of a page is damaged, or the folder holds something else.
    """
    output = Path(output)
    results, folder = output.parent, output.with_suffix("")
    refuse_foreign(folder, _DATA, "(globalThis.sam2pal")
    found = [_run(results, *run.split("/")) for run in runs]
    pages = [run for run in found if run["page"]]
    known = ("genus", "round", "page", "names", "given")
    structures = {s["name"]: s for run in pages for s in run["structures"]}
    told = {
        "runs": [{key: run[key] for key in known} for run in pages],
        "genera": list(dict.fromkeys(run["genus"] for run in found)),
        "structures": list(structures.values()),
    }
    said = _status(results / "tables/status.csv")
    status = [row for row in said if row["stage"] != CHOSEN]
    page = TEMPLATES.get_template("index.html.j2").render(
        runs=found,
        failures=[row for row in status if row["status"] in (*FAILED, "partial")],
        doubted=[row for row in status if row["status"] == DOUBTED],
        notes=[row for row in status if row["status"] not in (*FAILED, "partial", "ok", DOUBTED)],
        final={row["genus"]: row for row in said if row["stage"] == CHOSEN},
        summary=_links(results, "summary.txt"),
        trays=_trays(results, found),
        tables=_tables(results),
        plots=_links(results, "plots/*.svg"),
        evaluated=any(run["iou"] is not None for run in found),
        folder=address(str(folder), results) + "/",
    )
    with atomic(output) as temporary, temporary_folder(folder) as build:
        copy_assets(build, "home.js", "app.css")
        (build / _DATA).write_text(script("index", told), "utf-8")
        temporary.write_text(page, "utf-8")
    return len(pages)


def _run(results: Path, genus: str, round_: str) -> dict[str, Any]:
    page = results / genus / round_ / "review.html"
    run: dict[str, Any] = {"genus": genus, "round": round_, "page": "", "iou": None}
    summary = page.with_suffix("") / SUMMARY
    if not page.is_file() or not summary.is_file():
        return run
    try:
        said = json.loads(summary.read_text("utf-8"))
        run |= {key: said[key] for key in _SAID}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{summary}: damaged; delete {page} and run the workflow again") from error
    data = {key: address(str(page.with_suffix("") / f"{key}.js"), results) for key in _READ}
    return run | {"page": address(str(page), results)} | data


def _status(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    names = ("genus", "round", "stage", "status", "reason")
    return [dict(zip(names, row, strict=True)) for row in tables.rows(path, STATUS, names)]


def _trays(results: Path, runs: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Genera that have a page of trays."""
    pages = {run["genus"]: results / run["genus"] / "trays" / PAGE for run in runs}
    return [(name, address(str(path), results)) for name, path in pages.items() if path.is_file()]


def _tables(results: Path) -> list[tuple[str, str, str]]:
    """Tables with their addresses and what they hold: those to begin with first."""
    found = dict(_links(results, "tables/*.csv") + _links(results, "tables/columns.tsv"))
    order = [
        *(name for name in TABLES if name in found),
        *(name for name in found if name not in TABLES),
    ]
    return [(name, found[name], TABLES.get(name, "")) for name in order]


def _links(results: Path, pattern: str) -> list[tuple[str, str]]:
    return [(path.name, address(str(path), results)) for path in sorted(results.glob(pattern))]
