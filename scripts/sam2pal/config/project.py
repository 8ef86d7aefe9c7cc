"""A configuration and its tables, put together."""

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from sam2pal.config.checking import in_words, refuse
from sam2pal.config.configuration import Configuration
from sam2pal.config.fields import BRACE, has_brace
from sam2pal.config.measurement import MeasurementSection
from sam2pal.config.outlines import outline_problems
from sam2pal.config.rounds import CORRECTIONS, Round
from sam2pal.config.scale import alike_problems
from sam2pal.config.structures import parent_problems
from sam2pal.config.tables import AnnotationSet, Genus, name_problem, read_genera, read_sources
from sam2pal.io.errors import InputError
from sam2pal.io.folders import walk
from sam2pal.io.spelling import nearest

_DEFAULT_CORRECTIONS = Configuration.__pydantic_fields__["corrections"].default  # need not be there
_MOST_ACCEPTED = Round.__pydantic_fields__["most_accepted"].default
Corrected = Callable[[Configuration, Genus, str, list[str]], AnnotationSet | None]


@dataclass(frozen=True)
class Project:
    """A checked configuration and its tables.

    Attributes:
        runs: the rows of templates.tsv that together serve each pair of genus and round, in the
            order of the files. A pair without any is no run.
        corrections: the files of corrections of each genus that has any.
    """

    configuration: Configuration
    genera: Mapping[str, Genus]
    runs: Mapping[tuple[str, str], list[AnnotationSet]]
    corrections: Mapping[str, list[str]]
    notes: tuple[str, ...] = ()

    @property
    def rounds(self) -> Mapping[str, Round]:
        return self.configuration.rounds


def check(
    values: Mapping[str, Any],
    file: str,
    check_measures: Callable[[MeasurementSection, Collection[str]], Collection[str]],
    made: Callable[[str], bool] | None = None,
    corrected: Corrected | None = None,
    written: Collection[str] = (),
) -> Project:
    """Check a configuration, and read and check the tables that it names.

    Args:
        check_measures: raises an `InputError` if the options of measuring name a structure or a
            measure that there is not; gives the columns of the results, as which no column of metadata
            may be called.
        made: says of a path whether the workflow makes it itself, so that it need not exist yet;
            None looks for no files (a job need not repeat what the main process has done).
        corrected: gives the corrections that serve a genus and round as templates, if there are any.
        written: folders that the workflow writes, which must not lie among photographs.

    Raises:
        InputError: anything is wrong with the configuration or its tables.
    """
    here = os.getcwd()
    if made is not None and has_brace(here):
        raise InputError(f"{here}: it {BRACE}; rename the folder")
    try:
        configuration = TypeAdapter(Configuration).validate_python(values)
    except ValidationError as error:
        refuse(in_words(error, Configuration), file)
        raise
    genera, notes = read_genera(configuration.genera)
    sources, more = read_sources(configuration.templates, genera)
    refuse(parent_problems(configuration.structures), file)
    refuse(_round_problems(configuration, sources), file)
    try:
        taken = check_measures(configuration.measurement, configuration.structures)
    except InputError as error:
        raise InputError(
            f"{file}: measurement: {str(error).removeprefix('measurement: ')}"
        ) from None
    alike = configuration.measurement.alike
    refuse(alike_problems(alike, configuration.specimen_table), file)
    metadata = dict.fromkeys(key for genus in genera.values() for key in genus.metadata)
    same = [key for key in metadata if key in taken]
    what = "has the name of a column of the results; rename it"
    refuse([f"the column '{key}' {what}" for key in same], configuration.genera)
    if configuration.outlines is None:
        unused = [name for name, genus in genera.items() if genus.landmarks]
        what = "are not used, as the configuration has no `outlines`; add `outlines: {}`"
        refuse([f"the landmarks of '{name}' {what}" for name in unused], configuration.genera)
    else:
        body = configuration.measurement.body
        refuse(outline_problems(configuration.outlines, body, configuration.structures), file)
    corrections, others = find_corrections(configuration.corrections, genera)
    runs = _runs(genera, configuration.rounds, sources)
    for genus, files in corrections.items():
        for name, entry in configuration.rounds.items():
            if corrected is not None and CORRECTIONS in entry.templates:
                source = corrected(configuration, genera[genus], name, files)
                runs[genus, name] += [source] if source else []
    runs = {pair: found for pair, found in runs.items() if found}
    project = Project(configuration, genera, runs, corrections, (*notes, *more, *others))
    refuse(_coverage_problems(project), configuration.templates)
    if made is not None:
        refuse(_missing_files(project, sources, made), "")
        refuse(_among_photographs(project, made, written), configuration.genera)
    return project


def find_corrections(
    folder: str, genera: Mapping[str, Genus]
) -> tuple[dict[str, list[str]], list[str]]:
    """The files of corrections of each genus, in its folder or of several genera, and notes on all others.

    Raises:
        InputError: a folder is of no genus, or cannot be listed.
    """
    place = Path(folder)
    if not place.is_dir():
        return {}, []
    problems: dict[str, str] = {}
    notes, shared = [], []
    own: dict[str, list[str]] = {}
    for path in _files_below(place):
        genus, *inner = path.relative_to(place).parts
        if path.suffix.lower() == ".json" and has_brace(path.as_posix()):
            problems[path.as_posix()] = f"{path}: it {BRACE}; rename it"
        elif path.suffix.lower() != ".json":
            notes.append(f"{path}: it is not read; corrections are files that end in .json")
        elif not inner:
            shared.append(path.as_posix())
        elif genus in genera:
            own.setdefault(genus, []).append(path.as_posix())
        else:
            problems[genus] = (
                f"{place / genus}: genus '{genus}' has no row in genera.tsv{nearest(genus, genera)}; "
                "rename the folder, or move it away"
            )
    refuse(list(problems.values()), "")
    found = {genus: [*own.get(genus, ()), *shared] for genus in genera}
    return {genus: of for genus, of in found.items() if of}, notes


def _files_below(folder: Path) -> list[Path]:
    """The files of a folder, then those of the folders in it.

    Raises:
        InputError: a folder cannot be listed.
    """
    found = []
    for name, entry in walk(folder):
        if isinstance(entry, OSError):
            raise InputError(f"{folder / name}: the folder cannot be listed ({entry.strerror})")
        found.append(name.split("/"))
    return [Path(folder, *parts) for parts in sorted(found, key=lambda parts: (parts[:-1], parts))]


def _runs(
    genera: Iterable[str], rounds: Mapping[str, Round], sources: Iterable[AnnotationSet]
) -> dict[tuple[str, str], list[AnnotationSet]]:
    rows: dict[tuple[str, str], list[AnnotationSet]] = {}
    for source in sources:
        rows.setdefault((source.genus, source.label), []).append(source)
    return {
        (genus, name): [row for label in entry.templates for row in rows.get((genus, label), [])]
        for genus in genera
        for name, entry in rounds.items()
    }


def _round_problems(configuration: Configuration, sources: Iterable[AnnotationSet]) -> list[str]:
    problems = []
    rounds, final = configuration.rounds, configuration.final_round
    labels = list(dict.fromkeys(source.label for source in sources))
    for name, entry in rounds.items():
        where = f"rounds.{name}"
        problem = name_problem("round", name)
        if problem:
            problems.append(f"{where}: {problem}")
        problems += [
            f"{where}.templates: no genus has templates of the round '{label}' in "
            f"{configuration.templates}"
            f"{nearest(label, labels)}"
            for label in entry.templates
            if label not in labels and label != CORRECTIONS
        ]
        twin = next(one for one in rounds if one.lower() == name.lower())
        if twin != name:
            problems.append(
                f"{where}: it differs from '{twin}' only in upper and lower case; rename it"
            )
        if not entry.accepted and entry.most_accepted != _MOST_ACCEPTED:
            problems.append(
                f"{where}.most_accepted: it has no effect without `accepted: true`; add that"
            )
        if entry.accepted and CORRECTIONS not in entry.templates:
            problems.append(
                f"{where}.accepted: it has no effect without corrections; add `{CORRECTIONS}` to the round's"
                " templates"
            )
        if entry.init is not None:
            problem = _init_problem(name, rounds)
            if problem:
                problems.append(f"{where}.init: {problem}")
    if final is not None and final not in rounds:
        problems.append(f"final_round: there is no round '{final}'{nearest(final, rounds)}")
    return problems


def _init_problem(name: str, rounds: Mapping[str, Round]) -> str | None:
    entry, order = rounds[name], list(rounds)
    init = entry.init
    if init not in rounds:
        return f"there is no round '{init}'{nearest(str(init), rounds)}"
    if init == name:
        return "a round cannot start from itself"
    if order.index(init) > order.index(name):
        how = f"starts from '{name}' in turn" if rounds[init].init == name else "comes later"
        return f"'{init}' {how}; a round starts from one above it"
    if entry.train is None:
        return f"the round has no `train`, so nothing starts from '{init}'; add `train: {{}}`, or remove init"
    if rounds[init].train is None:
        return f"the round '{init}' is not trained, so nothing can start from it; give it `train: {{}}`"
    return None


def _coverage_problems(project: Project) -> list[str]:
    with_templates = {genus for genus, _ in project.runs}
    problems = [
        f"genus '{genus}' has no row for any round of the configuration; outline its structures on "
        "one specimen at least, or take the genus out"
        for genus in project.genera
        if genus not in with_templates
    ]
    for genus, name in project.runs:
        init = project.rounds[name].init
        if init is not None and (genus, init) not in project.runs:
            problems.append(
                f"genus '{genus}' has templates for the round '{name}', but none for the round "
                f"'{init}' it starts from"
            )
    return problems


def _among_photographs(
    project: Project, made: Callable[[str], bool], written: Collection[str]
) -> list[str]:
    """Folders of photographs into which the workflow would write pictures."""
    problems = []
    for genus in project.genera.values():
        place = Path(genus.specimens).resolve()
        inside = [own for own in written if Path(own).resolve().is_relative_to(place)]
        if inside and not made(genus.specimens):
            problems.append(
                f"the folder of specimens of '{genus.name}' ({genus.specimens}) holds "
                f"{' and '.join(inside)}, whose pictures would become specimens; put the photographs into a "
                f"folder of their own, such as photographs/{genus.name}"
            )
    return problems


def _missing_files(
    project: Project, sources: Iterable[AnnotationSet], made: Callable[[str], bool]
) -> list[str]:
    problems = []
    configuration = project.configuration

    def need(path: str | None, where: str, what: str, folder: bool | None = None) -> None:
        if path is None or made(path):
            return
        if not Path(path).exists():
            if "\\" in path:
                hint = " (write '/' instead of the backslashes)"
            else:
                hint = "" if Path(path).is_absolute() else f"; paths begin at {os.getcwd()}"
            problems.append(f"{where}: {what} does not exist: {path}{hint}")
        elif folder is not None and Path(path).is_dir() != folder:
            problems.append(
                f"{where}: {what} is {'not a folder' if folder else 'a folder'}: {path}"
            )

    table = configuration.genera
    for genus in project.genera.values():
        need(genus.specimens, table, f"the folder of specimens of '{genus.name}'", True)
        for key in ("truth", "landmarks", "boxes"):
            need(getattr(genus, key), table, f"the file or folder of {key} of '{genus.name}'")
        problems += [
            f"{file}: it {BRACE}; rename it" for file in genus.box_files if has_brace(file)
        ]
    for row in sources:
        whose = f"of '{row.genus}', round '{row.label}',"
        need(row.annotations, configuration.templates, f"the file of annotations {whose}")
        need(row.photographs, configuration.templates, f"the folder of photographs {whose}", True)
    corrections = configuration.corrections
    if corrections != _DEFAULT_CORRECTIONS or Path(corrections).exists():
        need(corrections, "corrections", "the folder of corrections", True)
    need(configuration.specimen_table, "specimen_table", "the table", False)
    for key in ("checkpoint", "config"):
        need(getattr(configuration.model, key), f"model.{key}", "the file", False)
    return problems
