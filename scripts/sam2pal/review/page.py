"""The pages: cards kept on disk until all are drawn, then put in order."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sam2pal.review.colours import line_styles
from sam2pal.review.shards import Group
from sam2pal.review.survey import Row, Survey

_HERE = Path(__file__).parent
_NOTES = 5  # on what was noticed in the templates that are shown

TITLES = {
    Group.NOTHING: "No structure found",
    Group.LOW: "Low confidence in a mask",
    Group.FLAGGED: "A mask is flagged",
    Group.ABSENT: "A structure is absent",
    Group.FINE: "No warning",
    Group.TEMPLATE: "Templates, drawn by hand",
    Group.UNREADABLE: "Not segmented: unreadable",
    Group.DUPLICATE: "Not segmented: another photograph has the same name",
}


class Pages:
    """Keeps the cards on disk until all are drawn, then writes the pages in their order."""

    def __init__(self, survey: Survey, output: Path, build: Path) -> None:
        self.survey, self.output = survey, output
        self.evaluated = bool(survey.truth)
        self.environment = Environment(
            loader=FileSystemLoader(_HERE),
            autoescape=True,
            auto_reload=False,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._spool_path = build / ".cards"
        self._spool: BinaryIO = self._spool_path.open("w+b")
        self._where: dict[int, tuple[int, int]] = {}
        self._rows: dict[int, list[Row]] = {}
        for row in survey.rows:
            if row.page:
                self._rows.setdefault(row.page, []).append(row)

    def prefix(self, page: int) -> str:
        """From a page to the folder."""
        return f"{self._quoted()}/" if page == 1 else ""

    def folder(self, page: int) -> Path:
        """Where a page lies."""
        return self.output.parent if page == 1 else self.output.with_suffix("")

    def href(self, page: int, other: int) -> str:
        """The address of a page on another."""
        if other == page:
            return ""
        if other == 1:
            return f"../{self._quoted()}{self.output.suffix}"
        return f"{self.prefix(page)}page-{other}.html"

    def add(self, row: Row, html: str) -> None:
        """Keep the card of a specimen."""
        text = html.encode()
        self._where[row.rank] = (self._spool.tell(), len(text))
        self._spool.write(text)

    def write(self, page: int, target: Path, problems: int) -> None:
        """Write one page."""
        survey = self.survey
        context = {
            "title": f"Review: {survey.title}" if survey.title else "Review",
            "page": page,
            "pages": [
                {
                    "number": number,
                    "href": self.href(page, number) or "#",
                    "first": self._rows[number][0].rank,
                    "last": self._rows[number][-1].rank,
                }
                for number in sorted(self._rows)
            ],
            "prefix": self.prefix(page),
            "css": Markup(_text("style.css")),
            "js": Markup(_text("review.js")),
            "styles": _styles(survey),
            "summary": _summary(survey),
            "warnings": _warnings(survey, problems),
            "groups": self._groups(page) if page == 1 else [],
            "stats": survey.counts if survey.masked else [],
            "flags": _flags(survey),
            "evaluated": self.evaluated,
            "options": survey.options,
            "cards": self._cards(page),
        }
        with target.open("w", encoding="utf-8", newline="\n") as file:
            for piece in self.environment.get_template("page.html.j2").generate(**context):
                file.write(piece)

    def close(self) -> None:
        """Remove the cards."""
        self._spool.close()
        self._spool_path.unlink()

    def _cards(self, page: int) -> Iterator[tuple[dict[str, Any] | None, Markup]]:
        rows = self._rows.get(page, [])
        before = self._rows.get(page - 1, [None])[-1]
        continued = before is not None and bool(rows) and before.group == rows[0].group
        last = None
        for row in rows:
            heading = None
            if row.group != last:
                title = f"{TITLES[row.group]} ({self.survey.groups[row.group]})"
                heading = {"id": _anchor(row.group), "title": title, "continued": continued}
            last, continued = row.group, False
            place, length = self._where[row.rank]
            self._spool.seek(place)
            yield heading, Markup(self._spool.read(length).decode())

    def _groups(self, page: int) -> list[dict[str, Any]]:
        """The groups that have specimens, with the address of their first."""
        first: dict[Group, int] = {}
        for row in self.survey.rows:
            if row.page:
                first.setdefault(row.group, row.page)
        return [
            {
                "title": TITLES[group],
                "count": count,
                "href": f"{self.href(page, first[group])}#{_anchor(group)}"
                if group in first
                else "",
            }
            for group, count in sorted(self.survey.groups.items())
        ]

    def _quoted(self) -> str:
        return quote(self.output.stem)


def _summary(survey: Survey) -> str:
    listed = len(survey.rows) - survey.outside - survey.groups[Group.DUPLICATE]
    text = _counted(listed, "specimen")
    own = survey.groups[Group.TEMPLATE] - survey.outside
    if own:
        text += f", {_counted(own, 'template')} among them"
    if survey.outside:
        text += f"; {_counted(survey.outside, 'template')} from elsewhere"
    return text + "."


def _warnings(survey: Survey, problems: int) -> list[str]:
    """What is not as the reader expects, as sentences."""
    found = []
    if problems:
        found.append(
            f"{_counted(problems, 'photograph')} cannot be shown: moved, replaced or damaged since"
            " segmentation."
        )
    left_out = len(survey.rows) - survey.shown
    if left_out:
        found.append(
            f"{_counted(left_out, 'specimen')} without a picture here, as the option show is"
            f" {survey.options.show}."
        )
    if survey.notes:
        rest = len(survey.notes) - _NOTES
        more = f"; and {rest} more (info.notes of {survey.templates.name})" if rest > 0 else ""
        found.append(f"Noticed in the templates: {'; '.join(survey.notes[:_NOTES])}{more}.")
    return found


def _counted(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def _styles(survey: Survey) -> list[dict[str, Any]]:
    return [
        {
            "number": number,
            "name": name,
            "colour": style.colour,
            "dashes": " ".join(f"{dash:g}" for dash in style.dashes),
            "parent": survey.parents[name],
        }
        for number, (name, style) in enumerate(line_styles(survey.structures).items(), 1)
    ]


def _flags(survey: Survey) -> list[dict[str, str]]:
    """Flags that any mask has and that the page's filter does not offer anyway."""
    return [
        {"value": "-".join(flag.split()), "title": flag.replace("_", " ")}
        for flag in sorted(survey.flags)
        if flag != "absent"
    ]


def _anchor(group: Group) -> str:
    return f"group-{group.name.lower()}"


def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8").strip()
