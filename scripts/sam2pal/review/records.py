"""Data for the page's script: all specimens in `data.js`, each alone in `specimens/`."""

import json
import shutil
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sam2pal.config.review import ReviewOptions
from sam2pal.dataset.dataset import MISSING
from sam2pal.dataset.rle import fingerprint
from sam2pal.review.colours import line_styles
from sam2pal.review.shards import Entry, Group, Mark
from sam2pal.review.specimens import ShownSpecimen
from sam2pal.review.survey import PageRow, Survey

ASSETS = Path(__file__).parent
TEMPLATES = Environment(
    loader=FileSystemLoader(ASSETS),
    autoescape=True,
    auto_reload=False,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
VIEWER = ("openseadragon.js", "app.css", "LICENSE")
"""What pages share that show photographs, beside a script of their own."""
SUMMARY = "summary.json"
"""In the folder of a page: what the page of all genera and rounds says of it."""

TRUTH = {
    "missed": "missed",
    "false_positive": "not there in truth",
    "absent_both": "absent in truth too",
}


def script(name: str, value: Any) -> str:
    """A script that leaves a value in `globalThis.sam2pal`: pages from disk may load scripts, but no JSON."""
    text = escape_lines(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    return f"(globalThis.sam2pal??={{}})[{json.dumps(name)}]={text};\n"


def copy_assets(folder: Path, *names: str) -> None:
    """Copy scripts and styles of a page into its folder."""
    for name in names:
        shutil.copyfile(ASSETS / "page" / name, folder / name)


def escape_lines(text: str) -> str:
    """JSON that is JavaScript too: two characters of JSON texts would end a line there."""
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def numbered(kind: str, number: int, suffix: str) -> str:
    """The file of a specimen in the folder of the page; a thousand a folder."""
    return f"{kind}/{number // 1000:03d}/{number:06d}.{suffix}"


def write_detail(
    folder: Path, row: PageRow, structures: list[str], drawn: dict[str, Any], shown: ShownSpecimen
) -> None:
    """Outlines of the small picture and masks at the photograph's size, of one specimen.

    A page that was opened before sees by their `prints` that the masks are others.
    """
    marks = shown.entry.marks
    detail = {
        "name": row.specimen,
        "paths": [drawn["paths"].get(name) for name in structures],
        "windows": drawn["windows"],
        "prints": [
            fingerprint(marks[name].annotation.rle) if name in marks else None
            for name in structures
        ],
        "masks": [
            shown.masks[name]["counts"] if name in shown.masks else None for name in structures
        ],
        "predicted": [
            {"counts": shown.predicted[name]["counts"], "path": drawn["predicted"][name]}
            if name in shown.predicted
            else None
            for name in structures
        ],
    }
    target = folder / numbered("specimens", row.number, "js")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(script(f"s{row.number}", detail), "utf-8")


def record(
    row: PageRow,
    entry: Entry,
    shown: ShownSpecimen | None,
    drawn: dict[str, Any] | None,
    survey: Survey,
) -> dict[str, Any]:
    """A specimen in `data.js`; what it does not have is left out. Photograph and hash are added later."""
    specimen = entry.specimen
    masked = row.group < Group.NO_SPECIMEN
    found: dict[str, Any] = {
        "id": row.number,
        "name": row.specimen,
        "group": int(row.group),
        "file_name": specimen.name,
        "width": specimen.width,
        "height": specimen.height,
        "orientation": shown.orientation if shown else 1,
        "reason": row.reason,
        "view": specimen.view,
        "outside": row.file < 0,
        "problem": shown.problem if shown else "",
        "path": "" if masked else row.path,
    }
    if drawn is not None:
        found |= {"w": drawn["width"], "h": drawn["height"], "shown": drawn["written"]}
    found = {key: value for key, value in found.items() if value != "" and value is not False}
    if next_ := survey.tables.next.get(row.specimen):
        found["next"] = dict(zip(("rank", "structure", "reason"), next_, strict=True))
    marks = [entry.marks.get(name) for name in survey.structures] if masked else []
    return found | {"marks": [mark and mark_record(mark, survey.options) for mark in marks]}


def mark_record(mark: Mark, options: ReviewOptions) -> dict[str, Any]:
    """What is known of a structure of a specimen."""
    of = mark.annotation
    found = {
        "score": round(of.score, 4) if mark.predicted and of.score is not None else None,
        "iou": None if mark.iou is None else round(mark.iou, 4),
        "hand": of.source if of.by_hand else None,
        "state": str(of.state) if of.state in MISSING else None,
        "unknown": "no_template" in of.flags or None,
        "low": mark.low(options.low_confidence) or None,
        "flags": [flag for flag in of.flags if flag != "absent"] or None,
        "doubts": list(mark.doubts) or None,
        "change": {key: value for key, value in mark.change.items() if value is not None} or None,
        "given": of.verdict or None,
        "truth": TRUTH.get(mark.verdict),
        "print": fingerprint(of.rle),
        "predicted": mark_record(Mark(of.before), options) if of.before else None,
    }
    return {key: value for key, value in found.items() if value is not None}


def style_records(parents: dict[str, str], structures: list[str]) -> list[dict[str, Any]]:
    """The structures with their lines, for scripts and templates alike."""
    return [
        {
            "number": number,
            "name": name,
            "colour": style.colour,
            "dashes": " ".join(f"{dash:g}" for dash in style.dashes),
            "parent": parents[name],
        }
        for number, (name, style) in enumerate(line_styles(structures).items(), 1)
    ]
