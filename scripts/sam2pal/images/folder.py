"""Finding photographs in a folder and its subfolders."""

import hashlib
import os
import re
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from sam2pal.images.reading import IMAGE_SUFFIXES, NO_FILE, UNSUPPORTED_SUFFIXES
from sam2pal.io.errors import InputError
from sam2pal.io.folders import walk
from sam2pal.io.spelling import composed

# What programs leave beside photographs; neither photographs nor worth a mention.
SIDECAR_SUFFIXES = frozenset(
    {".xmp", ".aae", ".thm", ".pp3", ".dop", ".json", ".xml", ".txt", ".csv", ".tsv", ".md"}
    | {".ini", ".db", ".md5", ".sha256", ".log", ".yaml", ".yml"}
)


class FoundFile(NamedTuple):
    """A photograph's file."""

    name: str
    path: str
    size: int
    mtime_ns: int
    problem: str = ""

    @property
    def stem(self) -> str:
        """`name` without its extension; its letters are composed, which macOS does not do."""
        return composed(os.path.splitext(self.name)[0])

    @property
    def suffix(self) -> str:
        """Extension in lower case, with the dot."""
        return os.path.splitext(self.name)[1].lower()


@dataclass(frozen=True)
class Listing:
    """What a folder holds.

    Attributes:
        unsupported: photographs of formats that cannot be read, in natural order. A raw file
            beside a readable photograph of the same name is not among them but in `others`.
        others: number of other files by suffix; hidden and sidecar files are not counted.
    """

    photographs: list[FoundFile]
    unsupported: list[FoundFile]
    others: Counter = field(default_factory=Counter)


def natural_key(name: str) -> tuple:
    """Sort key that puts `a2` before `a10`, the same on every machine."""
    parts = [
        tuple(int(part) if i % 2 else part for i, part in enumerate(_DIGITS.split(folder)))
        for folder in name.casefold().split("/")
    ]
    return (parts, name)


_DIGITS = re.compile("([0-9]+)")


def visible_below(folder: Path) -> list[Path]:
    """All files below a folder in natural order; InputError if a folder cannot be listed."""
    found = []
    for name, entry in walk(folder):
        if isinstance(entry, OSError):
            raise _unlisted(entry, os.fspath(folder / name))
        found.append(folder / name)
    return sorted(found, key=lambda path: natural_key(path.as_posix()))


def _photographs(folder: str | Path) -> Iterator[FoundFile | str]:
    """Photographs, readable or not, as `FoundFile`, and other files as their suffix; in no order.

    Sidecar files are left out. What cannot be walked or opened is `FoundFile`, too, with its `problem`.

    Raises:
        InputError: the folder does not exist or cannot be listed.
    """
    for name, entry in walk(folder):
        if not isinstance(entry, OSError):
            yield from _file(entry, name)
        elif name:
            why = f"the folder cannot be listed ({entry.strerror})"
            yield FoundFile(name, os.path.join(folder, name), -1, 0, why)
        else:
            raise _unlisted(entry, os.fspath(folder)) from entry


def _file(entry: os.DirEntry, name: str) -> Iterator[FoundFile | str]:
    suffix = os.path.splitext(name)[1].lower()
    if suffix not in IMAGE_SUFFIXES | UNSUPPORTED_SUFFIXES:
        if suffix not in SIDECAR_SUFFIXES:
            yield suffix
        return
    try:
        status = entry.stat()
    except OSError as error:
        lost = isinstance(error, FileNotFoundError)
        problem = "" if lost else f"it cannot be examined ({error.strerror})"
        yield FoundFile(name, entry.path, -1, 0, problem)
        return
    problem = "" if stat.S_ISREG(status.st_mode) else NO_FILE
    yield FoundFile(name, entry.path, status.st_size, status.st_mtime_ns, problem)


def _unlisted(error: OSError, root: str) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(f"{error.filename}: the folder does not exist; correct its path")
    return InputError(
        f"{error.filename or root}: the folder cannot be listed ({error.strerror}); check that"
        " it is a folder and that you may read it"
    )


def _usable(found: FoundFile) -> FoundFile:
    """With a name that a table can hold."""
    bad = [c for c in found.name if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]
    if not bad:
        return found
    name, path = (
        "".join(c.encode("unicode_escape").decode() if c in bad else c for c in text)
        for text in (found.name, found.path)
    )
    what = "its name holds a tab, a line break or bytes that are not text; rename the photograph"
    return FoundFile(name, path, found.size, found.mtime_ns, what)


def scan(folder: str | Path) -> Listing:
    """List the photographs of a folder; InputError if the folder does not exist or cannot be listed."""
    photographs: list[FoundFile] = []
    unsupported: list[FoundFile] = []
    others: Counter = Counter()
    for entry in _photographs(folder):
        if isinstance(entry, str):
            others[entry] += 1
            continue
        entry = _usable(entry)
        readable = entry.suffix in IMAGE_SUFFIXES
        (photographs if readable else unsupported).append(entry)
    stems = {photograph.stem for photograph in photographs}
    for entry in unsupported:
        if entry.stem in stems:
            others[entry.suffix] += 1
    unsupported = [entry for entry in unsupported if entry.stem not in stems]
    for entries in (photographs, unsupported):
        entries.sort(key=lambda entry: natural_key(entry.name))
    return Listing(photographs, unsupported, others)


class Folder:
    """The photographs of a folder, listed once and only if they are asked for.

    Raises:
        InputError: when they are; the folder does not exist or cannot be listed.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = path

    @cached_property
    def _files(self) -> list[tuple[str, str, int, int]]:
        return sorted(
            (e.name, e.stem, e.size, e.mtime_ns)
            for e in _photographs(self.path)
            if not isinstance(e, str)
        )

    @cached_property
    def state(self) -> str:
        """A hash of the names, sizes and modification times."""
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
