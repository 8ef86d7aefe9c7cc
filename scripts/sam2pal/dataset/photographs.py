"""Which photograph a name means."""

import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from urllib.parse import unquote

from sam2pal.dataset.dataset import AnnotatedSpecimen
from sam2pal.dataset.manifest import Specimen, read_list
from sam2pal.dataset.states import DUPLICATE
from sam2pal.images.address import file_of
from sam2pal.images.folder import scan
from sam2pal.images.header import Header
from sam2pal.images.reading import IMAGE_SUFFIXES, UNSUPPORTED_SUFFIXES, inspect
from sam2pal.io.errors import InputError
from sam2pal.io.spelling import nearest

_SUFFIXES = IMAGE_SUFFIXES | UNSUPPORTED_SUFFIXES
_RENAMED = (  # what tools make of a photograph's name
    re.compile(r"^[0-9a-f]{8}-(?P<name>.+)$"),  # Label Studio
    re.compile(r"^(?P<name>.+)_(?P<suffix>[a-z]{3,4})\.rf\.[0-9A-Za-z]+(\.[a-z]+)?$"),  # Roboflow
)


@dataclass(frozen=True)
class PhotographFile:
    """A photograph that annotations may name.

    Attributes:
        name: path relative to the folder of photographs, with `/` on every system.
        specimen: id: `name` without its extension.
        width, height: as stored on disk; 0 where only the file knows.
    """

    name: str
    path: str
    specimen: str
    width: int = 0
    height: int = 0

    def bytes(self) -> int | None:
        """The size of its file; None if it is not there."""
        try:
            return os.path.getsize(file_of(self.path))
        except OSError:
            return None

    def header(self) -> Header:
        """Size and orientation; InputError if the photograph cannot be read."""
        if self.width and not os.path.exists(file_of(self.path)):
            return Header(self.width, self.height)
        return _inspect(self.path)


@lru_cache(maxsize=10_000)
def _inspect(path: str) -> Header:
    return inspect(path)


class AmbiguousNameError(InputError):
    """A name may be of several photographs."""


class Photographs:
    """Photographs, found by the names that annotations use; `place` is where they are, for messages."""

    def __init__(self, photographs: Iterable[PhotographFile], place: str | Path) -> None:
        self._given, self.place = photographs, str(place)

    @cached_property
    def photographs(self) -> list[PhotographFile]:
        """All of them."""
        return list(self._given)

    @cached_property
    def _by_name(self) -> dict[str, list[PhotographFile]]:
        found: dict[str, list[PhotographFile]] = {}
        for photograph in self.photographs:
            for key in _keys(photograph.name):
                found.setdefault(key, []).append(photograph)
        return found

    @classmethod
    def later(cls, place: str) -> "Photographs":
        """As `of_place`, listed only if a format needs it to be read."""

        def listed() -> Iterator[PhotographFile]:
            yield from cls.of_place(place).photographs

        return cls(listed(), place)

    @classmethod
    def of_folder(cls, folder: str | Path) -> "Photographs":
        """All photographs of a folder and its subfolders; InputError if it holds none."""
        listing = scan(folder)
        files = [*listing.photographs, *listing.unsupported]
        if not files:
            raise InputError(
                f"{folder}: it holds no photograph; name the folder of the annotated photographs"
            )
        return cls((PhotographFile(file.name, file.path, file.stem) for file in files), folder)

    @classmethod
    def of_place(cls, place: str | Path) -> "Photographs":
        """Those of a folder, or of a list of specimens (manifest.tsv), which may be windows.

        Raises:
            InputError: as `of_folder`; or the list is damaged.
        """
        if os.path.isfile(place):
            return cls.of_specimens(read_list(place), place)
        return cls.of_folder(place)

    @classmethod
    def of_specimens(
        cls, specimens: Iterable[Specimen | AnnotatedSpecimen], place: str | Path
    ) -> "Photographs":
        """The photographs of listed specimens, without those that are left out as duplicates."""
        return cls(
            (
                PhotographFile(one.name, one.path, one.specimen, one.width, one.height)
                for one in specimens
                if one.status != DUPLICATE
            ),
            place,
        )

    def find(self, name: str, where: str, size: int | None = None) -> PhotographFile:
        """The photograph called `name`.

        A whole file name goes before a name without its extension, both before the same in another
        case, and all of these before the names that tools make of it (percent-encoded, or
        with what Label Studio and Roboflow add). Folders that both names have must agree;
        the longer agreement wins.

        Args:
            size: bytes of its file, if known; of several of that name it tells which is meant.

        Raises:
            InputError: no photograph is called so, or several are.
        """
        found = self.candidates(name)
        if len(found) > 1 and size:
            found = [photograph for photograph in found if photograph.bytes() == size] or found
        if len(found) == 1:
            return found[0]
        if found:
            listed = ", ".join(f"'{photograph.name}'" for photograph in found[:5])
            raise AmbiguousNameError(
                f"{where}: '{name}' may be any of {listed} in {self.place}; write the path relative"
                " to that folder into the annotation, or rename one"
            )
        wanted = _plain(name)
        base = wanted.rsplit("/", 1)[-1]
        twins = [p.name for p in self._by_name.get(_folded_stem(base), ())]
        hint = nearest(
            base, {photograph.name.rsplit("/", 1)[-1] for photograph in self.photographs}
        )
        if twins:
            hint = f", only {', '.join(repr(twin) for twin in twins[:5])}"
        raise InputError(
            f"{where}: no photograph '{name}' in {self.place}{hint}; put it there or correct the"
            " name in the annotation"
        )

    def candidates(self, name: str) -> list[PhotographFile]:
        """All photographs that `name` may mean; see `find`."""
        wanted = _plain(name)
        for spelling in (wanted, *_spellings(wanted)):
            for same in _ALIKE:
                if found := self._named(spelling, same):
                    return found
        return []

    def name_of_file(self, path: str | Path) -> str | None:
        """The name by which an annotation file means a photograph, with its folders or without; or None."""
        path = Path(path)
        stem = path.name.removesuffix(path.suffix)
        for name in ((path.parent / stem).as_posix(), stem):
            if self.candidates(name):
                return name
        return None

    def _named(self, wanted: str, same: Callable[[str], str]) -> list[PhotographFile]:
        """Photographs whose name is `wanted`, as far as `same` looks and both have folders."""
        key = same(wanted.rsplit("/", 1)[-1])
        parts = same(wanted).split("/")
        fitting: list[tuple[int, PhotographFile]] = []
        for photograph in self._by_name.get(key, ()):
            own = same(_plain(photograph.name)).split("/")
            shared = min(len(own), len(parts))
            if own[-shared:] == parts[-shared:]:
                fitting.append((shared, photograph))
        if not fitting:
            return []
        longest = max(shared for shared, _ in fitting)
        best = [photograph for shared, photograph in fitting if shared == longest]
        exact = [p for p in best if same(_plain(p.name)).split("/") == parts]
        return exact or best


def _plain(name: str) -> str:
    """With `/` between folders, composed characters, and without `./` and `../`."""
    parts = unicodedata.normalize("NFC", name).replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in ("", ".", ".."))


def _stem(name: str) -> str:
    """Without the extension, if it is one of photographs: `NHM.1` has none."""
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in _SUFFIXES else name


def _folded_stem(name: str) -> str:
    return _stem(name).casefold()


# ways to compare names, from the strictest
_ALIKE: tuple[Callable[[str], str], ...] = (str, _stem, str.casefold, _folded_stem)


def _keys(name: str) -> set[str]:
    base = _plain(name).rsplit("/", 1)[-1]
    return {same(base) for same in _ALIKE}


def is_renamed(name: str) -> bool:
    """Whether a name looks like what a tool made of another."""
    return any(pattern.match(name.rsplit("/", 1)[-1]) for pattern in _RENAMED)


def _spellings(name: str) -> list[str]:
    folder, _, base = name.rpartition("/")
    found = [unquote(base)] if "%" in base else []
    for pattern in _RENAMED:
        if match := pattern.match(base):
            suffix = match.groupdict().get("suffix")
            found.append(match["name"] + (f".{suffix}" if suffix else ""))
    return [_plain(f"{folder}/{spelling}") for spelling in found]
