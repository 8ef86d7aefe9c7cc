"""Mistakes and notes in a project's annotations and specimen table, before anything runs."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sam2pal.config.project import Project
from sam2pal.config.scale import ALIKE
from sam2pal.config.tables import AnnotationSet
from sam2pal.dataset import METHODS
from sam2pal.images.folder import Folder
from sam2pal.io.errors import InputError, first_few
from sam2pal.io.files import files_state, write_if_changed
from sam2pal.io.spelling import meant, nearest

Result = dict[str, Any]
"""Lists `problems`, `errors` and `notes`; of annotations also their `labels`, None if they cannot be read,
and on how many photographs something is `drawn`."""
TABLE = 1
"""Raised with what is looked for in a table of specimens: what was found before is then forgotten."""


class Findings:
    """Problems, errors and notes, found once for each state of the files.

    Args:
        folders: those of the genera, by genus.
        made: says of a path whether the workflow makes it itself.
        reserved: columns of the results.
        memory: file that keeps what was found.

    Attributes:
        problems: what concerns every genus: a table of specimens that is not sound or joins nothing, and
            structures that are drawn nowhere.
        errors: annotations that cannot be used, which stop their own genus.
        notes: all else.
        drawn: on how many photographs each set of templates draws structures, where that is known.
    """

    def __init__(
        self,
        project: Project,
        folders: Mapping[str, Folder],
        made: Callable[[str], bool],
        reserved: Iterable[str],
        memory: Path,
    ) -> None:
        self._folders = {str(folder.path): folder for folder in folders.values()}
        self._photographs: dict[str, Any] = {}
        structures = list(project.configuration.structures)
        known = _remembered(memory)
        found: dict[str, Result] = {}
        labels: list[list[str] | None] = []  # of each set of templates
        self.drawn: dict[AnnotationSet, int] = {}
        for source, truth in _sources(project):
            if made(source.annotations) or made(source.photographs):
                labels.append(None)
                continue
            what = [METHODS["convert_templates"], structures, truth]
            what += [source.annotations, files_state(source.annotations)]
            place = source.photographs
            state = files_state(place) if Path(place).is_file() else self._state(place)
            key = _key(*what, place, state)
            found[key] = known.get(key) or self._inspect(source, truth, structures)
            if not truth:
                labels.append(found[key]["labels"])
                self.drawn[source] = found[key].get("drawn", 0)
        table = project.configuration.specimen_table
        if table and not made(table):
            listed = {
                g.name: folders[g.name] if g.layout == "single" else None
                for g in project.genera.values()
                if not made(g.specimens)
            }
            states = {name: of and self._state(of.path) for name, of in listed.items()}
            alike = project.configuration.measurement.alike
            key = _key(TABLE, files_state(table), states, alike)
            found[key] = known.get(key) or _table(table, listed, sorted(reserved), alike)
        results = found.values()
        self.problems = _undrawn(structures, labels, project.configuration.templates)
        self.problems += [text for result in results for text in result.get("problems", ())]
        self.errors: list[str] = [text for result in results for text in result["errors"]]
        self.notes = [*project.notes, *(text for result in results for text in result["notes"])]
        if found:
            write_if_changed(memory, json.dumps(found))

    def _state(self, path: str | Path) -> str:
        with suppress(InputError):  # a folder that cannot be listed is told by its listing
            return self._folders.setdefault(str(path), Folder(path)).state
        return ""

    def _inspect(self, source: AnnotationSet, truth: bool, structures: Sequence[str]) -> Result:
        from sam2pal.dataset.convert import (
            notes_on_annotations,  # takes a second, for nothing if nothing changed
        )
        from sam2pal.dataset.photographs import Photographs

        whose = f"{'truth' if truth else 'templates'} of genus {source.genus}"
        try:
            if source.photographs not in self._photographs:
                self._photographs[source.photographs] = Photographs.of_place(source.photographs)
        except InputError as error:
            return {"errors": [f"{whose}: {error}"], "notes": [], "labels": None}
        photographs = self._photographs[source.photographs]
        notes, labels, drawn, error = notes_on_annotations(
            source.annotations, photographs, structures, truth
        )
        return {
            "errors": [f"{whose}: {error}"] if error else [],
            "notes": [f"{whose}: {note}" for note in notes],
            "labels": None if labels is None else sorted(labels),
            "drawn": drawn,
        }


def _sources(project: Project) -> Iterator[tuple[AnnotationSet, bool]]:
    """Every set of annotations once, and whether it is truth."""
    yield from {source: False for run in project.runs.values() for source in run}.items()
    for genus in project.genera.values():
        if (
            genus.truth and genus.layout == "single"
        ):  # names of specimens in trays are not known yet
            yield AnnotationSet(genus.name, "truth", genus.truth, genus.specimens), True


def _undrawn(
    structures: Sequence[str], labels: Sequence[list[str] | None], where: str
) -> list[str]:
    """Structures of the configuration that are in no annotations, if all of these can be read."""
    if None in labels:
        return []
    names = {label: meant(label, structures) for of in labels for label in of or ()}
    drawn = {name for name in names.values() if name is not None}
    unknown = {label for label, name in names.items() if name is None}
    return [
        f"structures.{name}: it is drawn in no file of {where}{nearest(name, unknown)}; drawn are "
        f"{first_few(sorted([*drawn, *unknown]))}. Correct the name, outline it, or take it out"
        for name in structures
        if name not in drawn
    ]


def _table(
    path: str, genera: Mapping[str, Folder | None], reserved: Sequence[str], alike: str | None
) -> Result:
    """What is to be said of a table of specimens; a genus without a folder shows trays.

    Args:
        alike: the column that says which photographs were taken alike.
    """
    from sam2pal.dataset.specimen_table import SHOWN, SpecimenTable

    result: Result = {"problems": [], "errors": [], "notes": []}
    try:
        table = SpecimenTable(path, reserved)
        table.check()
        if alike is not None:
            table.need(alike, ALIKE)
    except InputError as error:
        return result | {"problems": [str(error)]}
    result["notes"] += table.notes
    for genus in table.genera():
        if genus not in genera:
            result["notes"].append(
                f"{path}: '{genus}' is not a genus of this project; its rows are not used"
            )
            continue
        odd = table.odd_scales(genus)
        result["notes"] += odd[:SHOWN]
        if odd[SHOWN:]:
            result["notes"].append(f"{path}: {genus} has {len(odd) - SHOWN} more such scales")
        if (folder := genera[genus]) is not None:
            with suppress(InputError):  # a folder that cannot be listed is told by its listing
                specimens = folder.specimens
                bare, unknown = table.unmatched(genus, specimens)
                if unknown and len(bare) == len(specimens):
                    result["problems"].append(
                        f"{path}: {len(unknown)} rows of '{genus}' match no photograph of {folder.path}, and "
                        f"no photograph has a row: the table says {first_few(unknown)}, the photographs are "
                        f"called {first_few(bare)}. Write the path within the folder, without the extension, "
                        "as text: a spreadsheet drops zeros at the beginning of a number"
                    )
                elif unknown:
                    shown = first_few(
                        [f"'{name}'{nearest(name, bare)}" for name in unknown], quote=""
                    )
                    result["notes"].append(f"{path}: {genus} has no photograph of {shown}")
    return result


def _remembered(memory: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        found = json.loads(memory.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    return {}


def _key(*values: Any) -> str:
    return hashlib.sha256(json.dumps(values, default=str).encode()).hexdigest()
