"""Mistakes and notes in a project's annotations and specimen table, before anything runs."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sam2pal.config.project import Project
from sam2pal.config.sources import source_state
from sam2pal.config.tables import AnnotationSet
from sam2pal.dataset import METHODS
from sam2pal.io.errors import InputError, first_few, nearest
from sam2pal.io.files import write_if_changed


class Findings:
    """Errors and notes, found once for each state of the files."""

    def __init__(
        self,
        project: Project,
        made: Callable[[str], bool],
        reserved: Iterable[str],
        memory: Path,
        state_of: Callable[[AnnotationSet], str] = source_state,
    ) -> None:
        self.errors: list[str] = []
        self.notes: list[str] = list(project.notes)
        self._photographs: dict[str, Any] = {}
        structures = list(project.configuration.structures)
        known = _remembered(memory)
        found: dict[str, Any] = {}
        for source, truth in _sources(project):
            if not made(source.annotations) and not made(source.photographs):
                what = [METHODS["convert_templates"], structures, truth, source.annotations]
                key = _key(*what, source.photographs, state_of(source), _stat(source.annotations))
                found[key] = known.get(key) or self._findings_of(source, truth, structures)
        table = project.configuration.specimen_table
        if table and not made(table):
            genera = {
                g.name: g.specimens if g.layout == "single" else ""
                for g in project.genera.values()
                if not made(g.specimens)
            }
            key = _key(_stat(table), genera, [_stat(folder) for folder in genera.values()])
            found[key] = known.get(key) or _table(table, genera, sorted(reserved))
        for result in found.values():
            self.errors += result["errors"]
            self.notes += result["notes"]
        if found:
            write_if_changed(memory, json.dumps(found))

    def _findings_of(
        self, source: AnnotationSet, truth: bool, structures: Sequence[str]
    ) -> dict[str, list[str]]:
        from sam2pal.dataset.convert import (
            notes_on_annotations,  # takes a second, for nothing if nothing changed
        )
        from sam2pal.dataset.photographs import Photographs

        whose = f"{'truth' if truth else 'templates'} of genus {source.genus}"
        try:
            if source.photographs not in self._photographs:
                self._photographs[source.photographs] = Photographs.of_place(source.photographs)
            photographs = self._photographs[source.photographs]
            notes = notes_on_annotations(source.annotations, photographs, structures, truth)
        except InputError as error:
            return {"errors": [f"{whose}: {error}"], "notes": []}
        return {"errors": [], "notes": [f"{whose}: {note}" for note in notes]}


def _sources(project: Project) -> Iterator[tuple[AnnotationSet, bool]]:
    """Every set of annotations once, and whether it is truth."""
    yield from {source: False for run in project.runs.values() for source in run}.items()
    for genus in project.genera.values():
        if (
            genus.truth and genus.layout == "single"
        ):  # names of specimens in trays are not known yet
            yield AnnotationSet(genus.name, "truth", genus.truth, genus.specimens), True


def _table(path: str, genera: Mapping[str, str], reserved: Sequence[str]) -> dict[str, list[str]]:
    from sam2pal.dataset.specimen_table import SpecimenTable
    from sam2pal.images.folder import scan

    try:
        table = SpecimenTable(path, reserved)
        table.check()
    except InputError as error:
        return {"errors": [str(error)], "notes": []}
    notes = list(table.notes)
    for genus in table.genera():
        if genus not in genera:
            notes.append(f"{path}: '{genus}' is no genus of this project; its rows are not used")
            continue
        if not genera[genus]:
            continue  # which specimens its trays show is not known yet
        with suppress(InputError):  # a folder that cannot be listed is told by its listing
            bare, unknown = table.unmatched(
                genus, [f.stem for f in scan(genera[genus]).photographs]
            )
            if unknown:
                shown = first_few([f"'{name}'{nearest(name, bare)}" for name in unknown], quote="")
                notes.append(f"{path}: {genus} has no photograph of {shown}")
    return {"errors": [], "notes": notes}


def _remembered(memory: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        found = json.loads(memory.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    return {}


def _key(*values: Any) -> str:
    return hashlib.sha256(json.dumps(values, default=str).encode()).hexdigest()


def _stat(path: str) -> list[int]:
    try:
        status = Path(path).stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]
