"""Checks of a project that need its photographs and annotations, before any job runs."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from sam2pal.config.project import Project
from sam2pal.config.tables import AnnotationSet
from sam2pal.dataset.photographs import LaterPhotographs
from sam2pal.dataset.reading import read_annotations
from sam2pal.dataset.specimen_table import SpecimenTable
from sam2pal.images.folder import walk
from sam2pal.io.errors import InputError, first_few, nearest
from sam2pal.io.user_tables import folded


class Folder:
    """The photographs of a genus, listed once a call and only if they are asked for."""

    def __init__(self, path: str | Path) -> None:
        self.path = path

    @cached_property
    def _files(self) -> list[tuple[str, str, int, int]]:
        return sorted(
            (e.name, e.stem, e.size, e.mtime_ns) for e in walk(self.path) if not isinstance(e, str)
        )

    @cached_property
    def state(self) -> str:
        """A hash of the names, sizes and modification times.

        Raises:
            InputError: the folder does not exist or cannot be listed.
        """
        digest = hashlib.sha256()
        for name, _, size, mtime_ns in self._files:
            digest.update(f"{name}\0{size}\0{mtime_ns}\n".encode(errors="surrogateescape"))
        return digest.hexdigest()

    @property
    def count(self) -> int:
        """How many photographs there are."""
        return len(self._files)

    @property
    def specimens(self) -> list[str]:
        """Their ids."""
        return [stem for _, stem, _, _ in self._files]


def problems(
    project: Project, folders: Mapping[str, Folder], made: Callable[[str], bool]
) -> list[str]:
    """Structures that are drawn nowhere, and genera whose photographs have no row in the table of specimens.

    A file that cannot be read is left to the job that converts it, which stops its own genus only.
    """
    found = _undrawn(project, made)
    table = project.configuration.specimen_table
    if table and not made(table):
        joined = SpecimenTable(table)
        for genus, entry in project.genera.items():
            if not made(entry.specimens) and entry.layout == "single":
                found += _unjoined(joined, genus, folders[genus])
    return found


def _undrawn(project: Project, made: Callable[[str], bool]) -> list[str]:
    """Structures of the configuration against labels of the annotations."""
    structures = list(project.configuration.structures)
    by_name = {folded(name): name for name in structures}
    drawn: set[str] = set()
    unknown: set[str] = set()
    for source in dict.fromkeys(row for rows in project.runs.values() for row in rows):
        labels = None if made(source.annotations) else _read(source, structures)
        if labels is None:
            return []
        drawn |= {by_name[folded(label)] for label in labels if folded(label) in by_name}
        unknown |= {label for label in labels if folded(label) not in by_name}
    where = project.configuration.templates
    return [
        f"structures.{name}: it is drawn in no file of {where}{nearest(name, unknown)}; drawn are "
        f"{first_few(sorted([*drawn, *unknown]))}. Correct the name, outline it, or take it out"
        for name in structures
        if name not in drawn
    ]


def _read(source: AnnotationSet, structures: Sequence[str]) -> set[str] | None:
    """The labels of a row of templates.tsv; None if they cannot be read."""
    path = Path(source.annotations)
    try:
        read = read_annotations(path, LaterPhotographs(source.photographs), structures)
    except InputError:
        return None
    return {outline.label for drawing in read.drawings for outline in drawing.outlines}


def _unjoined(table: SpecimenTable, genus: str, folder: Folder) -> list[str]:
    """Why no row of the table of specimens joins a photograph, if none does."""
    try:
        specimens = folder.specimens
    except InputError:
        return []  # said by the job that lists them
    without, unused = table.unmatched(genus, specimens)
    if not unused or len(without) < len(specimens):
        return []
    return [
        f"{table.path}: {len(unused)} rows of '{genus}' are no photograph of {folder.path}, and no "
        f"photograph has a row: the table says {first_few(unused)}, the photographs are called "
        f"{first_few(without)}. Write the path within the folder, without the extension, as text: a "
        "spreadsheet drops zeros at the beginning of a number"
    ]
