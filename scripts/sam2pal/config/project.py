"""A configuration and its tables, put together."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sam2pal.config.checking import refuse, validated
from sam2pal.config.measurement import MeasurementOptions
from sam2pal.config.options import fill_defaults, open_sections
from sam2pal.config.structures import Structures, parent_problems
from sam2pal.config.tables import Genus, Source, name_problem, read_genera, read_sources
from sam2pal.config.words import schema_problems
from sam2pal.io.errors import InputError, nearest
from sam2pal.morphometrics.measures.checking import check_structures


@dataclass(frozen=True)
class Round:
    """A round: the labels of templates.tsv it uses, its training (or None), where that starts."""

    name: str
    templates: tuple[str, ...]
    train: Mapping[str, Any] | None = None
    init: str | None = None


@dataclass(frozen=True)
class Project:
    """A checked configuration.

    Attributes:
        runs: the rows of templates.tsv that together serve each pair of genus and round, in the
            order of the files. A pair without any is no run.
    """

    genera: Mapping[str, Genus]
    rounds: Mapping[str, Round]
    specimen_table: str | None = None
    runs: Mapping[tuple[str, str], list[Source]] = field(default_factory=dict)


def check(
    config: dict[str, Any],
    schema: Mapping[str, Any],
    file: str,
    made: Callable[[str], bool] | None = None,
) -> Project:
    """Check a configuration against its schema, fill in its defaults, and `load` it.

    Raises:
        InputError: anything is wrong.
    """
    open_sections(config)
    refuse(schema_problems(config, schema), file)
    fill_defaults(config, schema)
    return load(config, file, made)


def load(config: Mapping[str, Any], file: str, made: Callable[[str], bool] | None) -> Project:
    """Read and check the tables that a configuration (already checked by its schema) names.

    Args:
        config: the mapping of config.yaml.
        file: what to call it in a message.
        made: says of a path whether the workflow makes it itself, so that it need not exist yet;
            None looks for no files (a job need not repeat what the main process has done).

    Raises:
        InputError: anything is wrong.
    """
    genera = read_genera(config["genera"])
    sources = read_sources(config["templates"], genera)
    rounds = {
        name: Round(name, tuple(entry["templates"]), entry.get("train"), entry.get("init"))
        for name, entry in config["rounds"].items()
    }
    refuse(parent_problems(validated(Structures, config["structures"])), file)
    refuse(_round_problems(rounds, sources, config["templates"]), file)
    refuse(_measurement_problems(config, rounds), file)
    project = Project(genera, rounds, config.get("specimen_table"), _runs(genera, rounds, sources))
    refuse(_coverage_problems(project), config["templates"])
    if made is not None:
        refuse(_missing_files(project, sources, config, made), "")
    return project


def _runs(
    genera: Iterable[str], rounds: Mapping[str, Round], sources: Iterable[Source]
) -> dict[tuple[str, str], list[Source]]:
    rows: dict[tuple[str, str], list[Source]] = {}
    for source in sources:
        rows.setdefault((source.genus, source.label), []).append(source)
    runs = {
        (genus, name): [row for label in entry.templates for row in rows.get((genus, label), [])]
        for genus in genera
        for name, entry in rounds.items()
    }
    return {pair: found for pair, found in runs.items() if found}


def _round_problems(
    rounds: Mapping[str, Round], sources: Iterable[Source], table: str
) -> list[str]:
    problems = []
    labels = list(dict.fromkeys(source.label for source in sources))
    for name, entry in rounds.items():
        where = f"rounds.{name}"
        problem = name_problem("round", name)
        if problem:
            problems.append(f"{where}: {problem}")
        problems += [
            f"{where}.templates: no genus has templates of the round '{label}' in {table}"
            f"{nearest(label, labels)}"
            for label in entry.templates
            if label not in labels
        ]
        if entry.init is not None:
            problem = _init_problem(entry, rounds)
            if problem:
                problems.append(f"{where}.init: {problem}")
    return problems


def _init_problem(entry: Round, rounds: Mapping[str, Round]) -> str | None:
    init, order = entry.init, list(rounds)
    if init not in rounds:
        return f"there is no round '{init}'{nearest(str(init), rounds)}"
    if init == entry.name:
        return "a round cannot start from itself"
    if order.index(init) > order.index(entry.name):
        how = (
            f"starts from '{entry.name}' in turn"
            if rounds[init].init == entry.name
            else "comes later"
        )
        return f"'{init}' {how}; a round starts from one above it"
    if entry.train is None:
        return f"the round has no `train`, so nothing starts from '{init}'"
    if rounds[init].train is None:
        return f"'{init}' has no `train`, so it leaves no adapter to start from"
    return None


def _measurement_problems(
    config: Mapping[str, Any], rounds: Mapping[str, Round]
) -> list[str]:
    """Measures, structures and indices that are not known, before anything is computed."""
    problems = []
    try:
        values = config.get("measurement") or {}
        options = validated(MeasurementOptions, values, "measurement")
        check_structures(options, config["structures"])
    except InputError as error:
        problems.append(f"measurement: {str(error).removeprefix('measurement: ')}")
    final = config.get("final_round")
    if final is not None and final not in rounds:
        problems.append(f"final_round: there is no round '{final}'{nearest(final, rounds)}")
    return problems


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


def _missing_files(
    project: Project,
    sources: Iterable[Source],
    config: Mapping[str, Any],
    made: Callable[[str], bool],
) -> list[str]:
    problems = []

    def need(path: str | None, where: str, what: str, folder: bool | None = None) -> None:
        if path is None or made(path):
            return
        if not Path(path).exists():
            problems.append(f"{where}: {what} does not exist: {path}")
        elif folder is not None and Path(path).is_dir() != folder:
            problems.append(
                f"{where}: {what} is {'not a folder' if folder else 'a folder'}: {path}"
            )

    for genus in project.genera.values():
        need(genus.specimens, config["genera"], f"the folder of specimens of '{genus.name}'", True)
        need(genus.truth, config["genera"], f"the truth of '{genus.name}'")
    for row in sources:
        whose = f"of '{row.genus}', round '{row.label}',"
        need(row.annotations, config["templates"], f"the file of annotations {whose}")
        need(row.photographs, config["templates"], f"the folder of photographs {whose}", True)
    need(project.specimen_table, "specimen_table", "the table", False)
    for key in ("checkpoint", "config"):
        need(config["model"].get(key), f"model.{key}", "the file", False)
    return problems
