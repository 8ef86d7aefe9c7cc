"""The second reading: the picture, the outlines and the table of one specimen at a time."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from jinja2 import Environment

from sam2pal.config.review import ReviewOptions
from sam2pal.images.reading import Photograph, read_photograph
from sam2pal.io.errors import InputError
from sam2pal.review.outlines import svg_path
from sam2pal.review.overlay import fit, shrink, trace
from sam2pal.review.shards import Entry, Group
from sam2pal.review.survey import Row

UNITS = 10  # units of the SVG's coordinates a pixel of the picture

_IN_BROWSERS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})

VERDICTS = {
    "missed": "missed",
    "false_positive": "not there in truth",
    "absent_both": "absent in truth too",
}


@dataclass
class Shown:
    """One specimen with its photograph, ready to be drawn.

    Attributes:
        photograph: None if it cannot be shown; `problem` then says why.
        masks: the masks that are there, upright if there is a photograph, else as stored; none if
            the photograph is no longer the one that was segmented.
        width, height: of what is shown, in pixels; 0 if not known.
    """

    entry: Entry
    photograph: Photograph | None
    masks: dict[str, np.ndarray]
    width: int
    height: int
    problem: str = ""


def show(entry: Entry, at_least: int | None = None) -> Shown:
    """Read the photograph of an entry that has masks, and turn its masks upright.

    Args:
        at_least: longer side in pixels that the photograph is needed with; see `read_photograph`.

    Raises:
        InputError: a mask is damaged.
    """
    specimen = entry.specimen
    there = {mark.structure: mark.annotation for mark in entry.marks if mark.there}
    photograph, problem = None, ""
    try:
        photograph = read_photograph(entry.path, at_least)
    except InputError as error:
        problem = f"The photograph cannot be shown: {error}. Masks are as stored on disk."
    if photograph is None:
        masks = {name: annotation.mask() for name, annotation in there.items()}
        return Shown(entry, None, masks, specimen.width, specimen.height, problem)
    height, width = photograph.displayed
    size = photograph.width, photograph.height
    if specimen.width and size != (specimen.width, specimen.height):
        problem = (
            f"The photograph has {photograph.width} x {photograph.height} pixels now, but had"
            f" {specimen.width} x {specimen.height} when it was segmented: run the workflow again."
        )
        return Shown(entry, photograph, {}, width, height, problem)
    masks = {}
    for name, annotation in there.items():
        mask = annotation.mask()
        if mask.shape != (photograph.height, photograph.width):
            raise InputError(
                f"{annotation.where}: the mask has {mask.shape[1]} x {mask.shape[0]} pixels, the"
                f" photograph {photograph.width} x {photograph.height}; run the workflow again"
            )
        masks[name] = photograph.to_upright(mask)
    return Shown(entry, photograph, masks, width, height)


def picture(shown: Shown, options: ReviewOptions, target: Path) -> dict[str, Any] | None:
    """Write the picture of a specimen, and give its size and its outlines as SVG paths.

    Returns:
        `width`, `height` in pixels, `paths` (number of the structure and `d`), `written`; None if
        nothing is known that could be shown.
    """
    if not (shown.width and shown.height):
        return None
    width, height = fit(shown.width, shown.height, options.side)
    if shown.photograph is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        image = shrink(shown.photograph, options.side)
        image.save(target, "JPEG", quality=options.quality)
    scale = (UNITS * width / shown.width, UNITS * height / shown.height)
    longer = max(width, height)
    paths = [
        (mark.number, svg_path(trace(shown.masks[mark.structure], longer), scale))
        for mark in shown.entry.marks
        if mark.structure in shown.masks
    ]
    written = shown.photograph is not None
    return {"width": width, "height": height, "paths": paths, "written": written}


def card(
    environment: Environment,
    row: Row,
    entry: Entry,
    drawn: dict[str, Any] | None,
    problem: str,
    source: str,
    page_folder: Path,
    evaluated: bool,
    options: ReviewOptions,
) -> str:
    """The HTML of one specimen.

    Args:
        drawn: what `picture` returned, or None.
        problem: why the photograph cannot be shown, or empty.
        source: address of the picture as seen from the page.
        page_folder: of the page, from which the photograph itself is linked.
        evaluated: whether there is a truth to compare with.
    """
    marks = [
        {
            "number": mark.number,
            "structure": mark.structure,
            "score": mark.score if mark.predicted else None,
            "by_hand": mark.by_hand,
            "source": mark.source,
            "low": mark.low(options.low_confidence),
            "absent": mark.missing,
            "unknown": not mark.source,
            "predicted": mark.predicted,
            "notes": _notes(mark.flags),
            "flags": mark.flags,
            "iou": mark.iou,
            "verdict": VERDICTS.get(mark.verdict, ""),
        }
        for mark in entry.marks
    ]
    return environment.get_template("card.html.j2").render(
        row=row,
        group=row.group.name.lower(),
        masked=row.group < Group.UNREADABLE,
        outside=row.file < 0,
        view=entry.specimen.view,
        marks=marks,
        picture=drawn,
        problem=problem,
        source=source,
        alt=_alt(entry, problem),
        photograph=_address(entry.path, page_folder),
        enlargeable=Path(entry.path).suffix.lower() in _IN_BROWSERS,
        tokens=_tokens(row, marks, bool(problem)),
        units=UNITS,
        evaluated=evaluated,
    )


def _notes(flags: tuple[str, ...]) -> list[str]:
    """Flags in words, without those that the table shows in another way."""
    return [flag.replace("_", " ") for flag in flags if flag != "absent"]


def _tokens(row: Row, marks: list[dict[str, Any]], problem: bool) -> str:
    """What the page's filter looks for: `=kind` of the specimen, and `number:kind` of its masks."""
    tokens = [f"={row.group.name.lower()}"]
    if problem:
        tokens.append("=problem")
    for mark in marks:
        kinds = [flag for flag in mark["flags"] if flag != "absent"]
        kinds += [kind for kind in ("absent", "low") if mark[kind]]
        if kinds and mark["predicted"]:
            kinds.append("any")
        if mark["by_hand"]:
            kinds.append("by_hand")
        tokens += [f"{mark['number']}:{'-'.join(kind.split())}" for kind in kinds]
    return " ".join(tokens)


def _alt(entry: Entry, problem: str) -> str:
    there = [mark.structure for mark in entry.marks if mark.there]
    absent = [mark.structure for mark in entry.marks if mark.missing]
    what = "Outlines" if problem else "Photograph"
    text = f"{what} of {entry.specimen.specimen}: "
    text += f"outlined {', '.join(there)}" if there else "nothing outlined"
    return text + (f"; absent {', '.join(absent)}" if absent else "")


def _address(path: str, folder: Path) -> str:
    """The address of a photograph as seen from a page in `folder`; empty if it has none."""
    try:
        relative = os.path.relpath(os.path.abspath(path), os.path.abspath(folder))
    except ValueError:  # another drive
        return ""
    return quote(Path(relative).as_posix())
