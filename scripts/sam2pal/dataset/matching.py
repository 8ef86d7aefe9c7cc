"""Which specimens of two files are the same, and which specimens are templates."""

import filecmp
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sam2pal.dataset.dataset import AnnotatedSpecimen
from sam2pal.dataset.manifest import Specimen
from sam2pal.dataset.states import OK
from sam2pal.images.address import file_of, split
from sam2pal.io.errors import InputError
from sam2pal.io.spelling import composed


def match(specimens: Iterable[str], others: Iterable[str], what: str) -> dict[str, str]:
    """Which of `others` each specimen is.

    Two ids are the same specimen if they are equal, or else if one is the end of the other,
    whole folders only (`ants/0040` and `0040`, but not `ants/0040` and `bees/0040`). It makes no
    difference whether letters are composed.

    Args:
        what: the two files, for the message.

    Raises:
        InputError: an id fits several.
    """
    specimens, spelt = list(specimens), {composed(other): other for other in others}
    found = _match([composed(name) for name in specimens], set(spelt), what)
    return {name: spelt[found[composed(name)]] for name in specimens if composed(name) in found}


def _match(specimens: Sequence[str], others: set[str], what: str) -> dict[str, str]:
    """The same of names whose letters are composed."""
    found = {name: name for name in specimens if name in others}
    free = others - set(found)
    ends = _by_end(free)
    taken: dict[str, str] = {}
    for name in specimens:
        if name in found:
            continue
        candidates = _fitting(name, free, ends)
        if len(candidates) > 1:
            raise InputError(
                f"{what}: '{name}' could be any of {', '.join(sorted(candidates))}; use the same "
                "names, with their folders, in both"
            )
        for other in candidates:
            if other in taken:
                raise InputError(
                    f"{what}: both '{taken[other]}' and '{name}' could be '{other}'; use the same "
                    "names, with their folders, in both"
                )
            taken[other] = name
            found[name] = other
    return found


Listed = Specimen | AnnotatedSpecimen


def find_templates(
    specimens: Sequence[Listed], templates: Iterable[AnnotatedSpecimen], by_name: bool = False
) -> dict[str, AnnotatedSpecimen]:
    """Which specimens are templates: the same file, or a copy of it under any name.

    Args:
        by_name: also those that have the id of a template; and where one of the photographs is not
            there to be compared, all that its id may mean (see `match`). For what must not be
            done with a template: score it, or train on it as if it were not outlined.
    """
    templates = list(templates)
    by_size: dict[int, list[AnnotatedSpecimen]] = {}
    for template in templates:
        file = file_of(template.path)
        if os.path.isfile(file):
            by_size.setdefault(os.path.getsize(file), []).append(template)
    found = {}
    for specimen in specimens:
        if specimen.status != OK:
            continue
        for template in by_size.get(specimen.size, ()):
            if _same_file(specimen.path, template.path):
                found[specimen.specimen] = template
                break
    if by_name:
        _add_named(found, specimens, templates)
    return found


def differ(one: str | Path, other: str | Path) -> bool:
    """Whether two photographs are there, and not the same."""
    there = all(os.path.isfile(file_of(path)) for path in (one, other))
    return there and not _same_file(one, other)


def _add_named(
    found: dict[str, AnnotatedSpecimen],
    specimens: Sequence[Listed],
    templates: Sequence[AnnotatedSpecimen],
) -> None:
    spelt = {composed(specimen.specimen): specimen.specimen for specimen in specimens}
    sizes = {composed(specimen.specimen): specimen.size for specimen in specimens}
    ends = _by_end(sizes)
    for template in templates:
        own = composed(template.specimen)
        names = {own} & set(sizes)
        if not names:
            names = _fitting(own, sizes, ends)
            if os.path.isfile(file_of(template.path)):  # what could be compared has been
                names = {name for name in names if sizes[name] < 0}
        for name in names:
            found.setdefault(spelt[name], template)


def _same_file(one: str | Path, other: str | Path) -> bool:
    (one, window), (other, its_window) = split(one), split(other)
    try:
        return window == its_window and (
            os.path.samefile(one, other) or filecmp.cmp(one, other, shallow=False)
        )
    except OSError:
        return False


def _fitting(
    name: str, others: Mapping[str, int] | set[str], by_end: Mapping[str, list[str]]
) -> set[str]:
    """Those of `others` of which one is the end of the other."""
    return set(by_end.get(name, ())) | {end for end in _ends(name) if end in others}


def _by_end(names: Iterable[str]) -> dict[str, list[str]]:
    ends: dict[str, list[str]] = {}
    for name in sorted(names):
        for end in _ends(name):
            ends.setdefault(end, []).append(name)
    return ends


def _ends(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[i:]) for i in range(1, len(parts))]
