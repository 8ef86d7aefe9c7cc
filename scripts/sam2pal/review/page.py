"""The page with its data: what is told of each specimen is kept, then put in order."""

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any
from urllib.parse import quote

from sam2pal.evaluation.notices import doubt
from sam2pal.images.address import content_hash, file_of
from sam2pal.io.errors import many
from sam2pal.review.records import (
    SUMMARY,
    TEMPLATES,
    VIEWER,
    copy_assets,
    escape_lines,
    numbered,
    record,
    script,
    style_records,
    write_detail,
)
from sam2pal.review.shards import Entry, Group
from sam2pal.review.specimens import UNITS, ShownSpecimen, address, write_copy
from sam2pal.review.survey import PageRow, Survey
from sam2pal.review.trays import PAGE

_NOTES = 5  # on what was noticed in the templates that are shown

TITLES = {
    Group.NOTHING: "No structure found",
    Group.LOW: "Low confidence in a mask",
    Group.FLAGGED: "A mask is flagged",
    Group.ABSENT: "A structure is absent",
    Group.FINE: "No warning",
    Group.TEMPLATE: "Templates, drawn by hand",
    Group.NO_SPECIMEN: "Not segmented: no specimen found",
    Group.UNREADABLE: "Not segmented: unreadable",
    Group.DUPLICATE: "Not segmented: another photograph has the same name, or is the same file",
}


@dataclass(frozen=True)
class PageLocation:
    """Where a page lies, what it links to, and whether it is for drawing before any round."""

    output: Path
    home: Path | None = None
    annotate: bool = False

    @property
    def folder(self) -> str:
        """Address of the folder, as seen from the page."""
        return f"{quote(self.output.stem)}/"


class Page:
    """Takes what is told of each specimen, then writes the page with all of them in their order."""

    def __init__(self, survey: Survey, place: PageLocation, build: Path) -> None:
        self.survey, self.place, self.build = survey, place, build
        self.styles = style_records(survey.parents, survey.structures)
        self.titles = TITLES | ({Group.NOTHING: "Nothing outlined yet"} if place.annotate else {})
        self._records: dict[int, str] = {}  # JSON, by rank

    def add(
        self, row: PageRow, entry: Entry, shown: ShownSpecimen | None, drawn: dict[str, Any] | None
    ) -> None:
        """Take a specimen with what `show` and `picture` gave."""
        found = record(row, entry, shown, drawn, self.survey)
        if shown is not None and drawn is not None:
            write_detail(self.build, row, self.survey.structures, drawn, shown)
        if shown is not None and shown.photograph is not None:
            found["photograph"] = address(file_of(entry.path), self.place.output.parent)
            if shown.copy:
                copy = numbered("photographs", row.number, "jpg")
                write_copy(shown, self.build / copy)
                found["photograph"] = self.place.folder + copy
            if not shown.problem and row.file >= 0:  # verdicts on others are refused
                found["sha256"] = content_hash(entry.path)
        text = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
        self._records[row.rank] = escape_lines(text)

    def write(self, target: Path, problems: int) -> None:
        """Write the page as `target`, and its data into the folder, with the page once more."""
        survey, home, folder = self.survey, self.place.home, self.place.output.parent
        copy_assets(self.build, "app.js", *VIEWER)
        kind = "Outlines" if self.place.annotate else "Review"
        shared = {
            "title": f"{kind}: {survey.title}" if survey.title else kind,
            "evaluated": survey.tables.evaluated,
            "annotate": self.place.annotate,
            "summary": _summary(survey),
            "adapted": _adapted(survey),
            "frame": _frame(survey.info),
            "warnings": _warnings(survey, problems),
            "groups": [
                {"title": self.titles[group], "count": count}
                for group, count in sorted(survey.groups.items())
            ],
            "stats": survey.counts if survey.masked else [],
            "options": survey.options,
        }
        links = {
            "folder": self.place.folder,
            "home": address(str(home), folder) if home else "",
            "runs": address(f"{home.with_suffix('')}/index.js", folder) if home else "",
            "trays": self._trays(),
            "tables": self._tables(),
        }
        page = TEMPLATES.get_template("review.html.j2")
        target.write_text(page.render(**shared, **links), "utf-8")
        # the same for Snakemake's report, which takes this folder and nothing that lies elsewhere
        alone = page.render(**shared, **dict.fromkeys(links, ""))
        (self.build / "index.html").write_text(alone, "utf-8")
        self._write_data()
        (self.build / "given.js").write_text(script("given", survey.given()), "utf-8")
        names = [row.specimen for row in survey.rows if row.shown]
        (self.build / "names.js").write_text(script("names", names), "utf-8")
        (self.build / SUMMARY).write_text(json.dumps(_counts(survey, self.styles)), "utf-8")

    def _trays(self) -> str:
        """Address of the page of the genus' trays, if it has any."""
        path = self.place.output.parent.parent / "trays" / PAGE
        return address(str(path), self.place.output.parent) if path.is_file() else ""

    def _tables(self) -> list[tuple[str, str]]:
        """Names and addresses of the tables that the page tells from."""
        folder = self.place.output.parent
        return [
            (f"{title} ({Path(path).name})", address(str(path), folder))
            for title, path in self.survey.tables.files.items()
            if path
        ]

    def _write_data(self) -> None:
        survey = self.survey
        head = script(
            "data",
            {
                "genus": survey.genus,
                "round": survey.round,
                "annotate": self.place.annotate,
                "whole": survey.shown == len(survey.rows),
                "evaluated": survey.tables.evaluated,
                "units": UNITS,
                "before": survey.tables.before,
                "structures": self.styles,
                "groups": [{"name": g.name.lower(), "title": self.titles[g]} for g in Group],
                "flags": _flags(survey),
                "rows": [],
            },
        )
        start, end = head.rsplit("[]", 1)
        with (self.build / "data.js").open("w", encoding="utf-8", newline="\n") as file:
            file.write(f"{start}[")
            for number, rank in enumerate(sorted(self._records)):
                file.write(f"{',' if number else ''}\n{self._records[rank]}")
            file.write(f"]{end}")


def _listed(survey: Survey) -> int:
    """How many specimens there are."""
    return len(survey.rows) - survey.outside - survey.groups[Group.DUPLICATE]


def _summary(survey: Survey) -> str:
    text = many(_listed(survey), "specimen")
    own = survey.groups[Group.TEMPLATE] - survey.outside
    if own:
        text += f", {many(own, 'template')} among them"
    if survey.outside:
        text += f"; {many(survey.outside, 'template')} from elsewhere"
    return text + "."


def _counts(survey: Survey, styles: list[dict[str, Any]]) -> dict[str, Any]:
    """What the page of all genera and rounds says of this one."""
    scores = [score for count in survey.counts for score in count.scores]
    ious = [count.mean_iou for count in survey.counts if count.mean_iou is not None]
    return {
        "specimens": _listed(survey),
        "groups": {group.name.lower(): survey.groups[group] for group in Group},
        "weak": survey.weak,
        "doubtful": {of.structure: of.doubtful for of in survey.counts if of.doubtful},
        "score": median(scores) if scores else None,
        "iou": fmean(ious) if ious else None,
        "structures": [{"name": style["name"], "parent": style["parent"]} for style in styles],
    }


def _adapted(survey: Survey) -> str:
    """How far confidences are those of the model and of the genus."""
    fitted, known = "Confidence was fitted to beetles and drawn insects", survey.known
    if not survey.info.get("bundled", True):
        fitted += f" as the bundled model outlines them, not as {survey.info.get('model')} does"
    if not known:
        return (
            f"{fitted}, not to this genus, which has only one template: outline a second one, or judge masks"
            " here."
        )
    return (
        f"{fitted}, and adapted to {many(known, 'mask')} of this genus: templates segmented from one"
        " another, and masks that people corrected or judged."
    )


def _frame(info: dict[str, Any]) -> str:
    """As which template the others lie; empty of one template, or where none may be turned."""
    reference, turns = info.get("reference_template"), info.get("template_turns") or {}
    if reference is None or len(turns) < 2:
        return ""
    turned = [f"{name} by {turn} degrees" for name, turn in turns.items() if turn]
    return (
        f"Templates lie as {reference} does, with which most agree;"
        f" turned: {', '.join(turned) or 'none'}."
    )


def _warnings(survey: Survey, problems: int) -> list[str]:
    """What is not as the reader expects, as sentences."""
    found, counts = [], survey.tables.counts
    if said := doubt(counts.doubtful, _listed(survey), counts.unlike):
        found.append(f"Do not use measurements without looking: {said}.")
    if problems:
        found.append(
            f"{many(problems, 'photograph')} cannot be shown: moved, replaced or damaged since"
            " segmentation."
        )
    left_out = len(survey.rows) - survey.shown
    if left_out:
        found.append(
            f"{many(left_out, 'specimen')} without a picture, because the option show is"
            f" {survey.options.show}."
        )
    if survey.weak:
        found.append(
            f"Low confidence on most specimens: {', '.join(survey.weak)}. For these structures a specimen is"
            " listed under low confidence only if it is far below the others."
        )
    doubtful = [f"{of.structure} {of.doubtful}" for of in survey.counts if of.doubtful]
    if doubtful:
        found.append(
            f"Doubtful by their shape, and not counted as measured: masks of {', '.join(doubtful)}."
        )
    if survey.notes:
        rest = len(survey.notes) - _NOTES
        more = f"; and {rest} more (info.notes of {survey.templates.name})" if rest > 0 else ""
        found.append(f"Notes on the templates: {'; '.join(survey.notes[:_NOTES])}{more}.")
    return found


def _flags(survey: Survey) -> list[dict[str, str]]:
    """Flags that any mask has and that the page's filter does not offer anyway."""
    return [
        {"value": "-".join(flag.split()), "title": flag.replace("_", " ")}
        for flag in sorted(survey.flags)
        if flag != "absent"
    ]
