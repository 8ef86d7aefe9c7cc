"""Writing the review page: its data, pictures, masks and the list of specimens, whole or not at all."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sam2pal.config.review import ReviewOptions
from sam2pal.dataset.dataset import MISSING, Dataset
from sam2pal.dataset.previews import Previews
from sam2pal.io import tables
from sam2pal.io.errors import InputError
from sam2pal.io.files import atomic
from sam2pal.io.progress import Progress
from sam2pal.review.folders import refuse_foreign, temporary_folder
from sam2pal.review.overlay import Cell, contact_sheet, render_overlay
from sam2pal.review.page import Page, PageLocation
from sam2pal.review.records import numbered
from sam2pal.review.shards import Entry, Group, entries
from sam2pal.review.specimens import ShownSpecimen, picture, show
from sam2pal.review.survey import PageRow, Sources, Survey

COLUMNS = (
    *("rank", "specimen", "group", "worst_structure", "worst_confidence"),
    *("absent", "outside", "hidden"),
    *("flags", "mean_iou", "path", "reason"),
)
LIST = "specimens.tsv"
_CELL = 300  # pixels of a picture on the contact sheet


@dataclass(frozen=True)
class WrittenPages:
    """What was written: numbers of specimens, and photographs that could not be shown."""

    specimens: int
    shown: int
    problems: list[str]
    groups: dict[Group, int]


def write_review(
    place: PageLocation | Path,
    sources: Sources,
    options: ReviewOptions | None = None,
    sheet: str | Path | None = None,
    progress: str | Path | None = None,
) -> WrittenPages:
    """Write the page (an HTML file), a folder of its name without `.html` beside it, and a sheet.

    The folder holds all that the page shows, and `specimens.tsv`. Photographs are read one at a time; what
    stays in memory is about two kilobytes per specimen.

    Raises:
        InputError: an input is not sound, or the folder holds something else.
    """
    place = place if isinstance(place, PageLocation) else PageLocation(Path(place))
    output = place.output
    options = options or ReviewOptions()
    folder = output.with_suffix("")
    if folder == output:
        raise InputError(f"--output {output}: expected a name ending in .html")
    refuse_foreign(folder, LIST, f"{COLUMNS[0]}\t")
    survey = Survey(sources, options)
    with atomic(output) as temporary, temporary_folder(folder) as build:
        page = Page(survey, place, build)
        problems, cells = _render(survey, page, build, sheet is not None, progress)
        page.write(temporary, len(problems))
        listed = tables.table(map(_cells, survey.rows), dict.fromkeys(COLUMNS, str))
        tables.write(listed, build / LIST)
        if sheet is not None:
            _write_sheet(Path(sheet), cells, survey)
    return WrittenPages(len(survey.rows), survey.shown, problems, dict(survey.groups))


def _render(
    survey: Survey, page: Page, build: Path, with_sheet: bool, progress: str | Path | None
) -> tuple[list[str], dict[int, Cell]]:
    """Draw every specimen that is on the page, file by file."""
    on_sheet = {row.rank for row in survey.sheet_rows()} if with_sheet else set()
    wanted: dict[int, list[PageRow]] = {}
    for row in sorted(survey.rows, key=lambda row: row.number):
        if row.shown or row.rank in on_sheet:
            wanted.setdefault(row.file, []).append(row)
    problems, cells = [], {}
    total = sum(map(len, wanted.values()))
    with Progress(progress, "specimen", total) as bar:
        for row, entry, previews in bar.over(_in_files(survey, wanted)):
            shown, drawn = None, None
            if row.group < Group.NO_SPECIMEN:
                # outlines of the sheet are drawn into the photograph's own pixels
                whole = row.rank in on_sheet
                shown = show(entry, None if whole else survey.options.side, previews)
                if shown.problem:
                    problems.append(f"{row.specimen}: {shown.problem}")
            if row.rank in on_sheet:
                cells[row.rank] = _cell(row, shown, survey.structures)
            if not row.shown:
                continue
            if shown is not None:
                target = build / numbered("pictures", row.number, "jpg")
                drawn = picture(shown, survey.options, target)
            page.add(row, entry, shown, drawn)
    return problems, cells


def _in_files(
    survey: Survey, wanted: dict[int, list[PageRow]]
) -> Iterator[tuple[PageRow, Entry, Previews]]:
    for number in sorted(wanted):
        if number < 0:
            found = entries(Dataset(survey.templates, source="drawn"))
        else:
            found = entries(survey.read(number), survey.tables)
        previews = Previews(survey.pictures.get(number))
        for row in wanted[number]:
            yield row, found[row.place], previews


def _cell(row: PageRow, shown: ShownSpecimen, structures: list[str]) -> Cell:
    worst = f"{row.worst_structure} {row.worst:.2f}" if row.worst is not None else ""
    if shown.photograph is not None:
        pixels = shown.photograph.pixels
    else:
        height, width = max(1, shown.height), max(1, shown.width)
        pixels = np.full((height, width, 3), 0xDC, np.uint8)
        worst = "photograph not shown"
    pixels = render_overlay(pixels, shown.upright(), structures, side=_CELL)
    return Cell(pixels, (row.specimen, worst or "nothing found"))


def _write_sheet(path: Path, cells: dict[int, Cell], survey: Survey) -> None:
    total = sum(row.group < Group.TEMPLATE for row in survey.rows)
    title = f"{survey.title}: {len(cells)} of {total} specimens".lstrip(": ")
    if len(cells) < total:
        title += ", at even distances"
    title += ", least trusted first; below each the mask that is worst for its structure"
    ordered = [cells[rank] for rank in sorted(cells)]
    columns = survey.options.sheet_columns
    pixels = contact_sheet(ordered, survey.structures, columns, _CELL, title)
    with atomic(path) as temporary:
        Image.fromarray(pixels).save(temporary, "PNG", optimize=True)


def _cells(row: PageRow) -> dict[str, Any]:
    """Of the list of specimens."""
    return {
        "rank": row.rank,
        "specimen": row.specimen,
        "group": row.group.name.lower(),
        "worst_structure": row.worst_structure,
        "worst_confidence": "" if row.worst is None else f"{row.worst:.4f}",
        **{str(of): ";".join(row.missing.get(of, ())) for of in MISSING},
        "flags": ";".join(row.flags),
        "mean_iou": "" if row.iou is None else f"{row.iou:.4f}",
        "path": row.path,
        "reason": row.reason,
    }
