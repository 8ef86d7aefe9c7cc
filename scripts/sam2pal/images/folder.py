"""Finding photographs in a folder and its subfolders."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from sam2pal.images.reading import IMAGE_SUFFIXES, UNSUPPORTED_SUFFIXES
from sam2pal.io.errors import InputError
from sam2pal.io.user_tables import composed

# What programs leave beside photographs; neither photographs nor worth a mention.
SIDECAR_SUFFIXES = frozenset(
    {".xmp", ".aae", ".thm", ".pp3", ".dop", ".json", ".xml", ".txt", ".csv", ".tsv", ".md"}
    | {".ini", ".db", ".md5", ".sha256", ".log", ".yaml", ".yml"}
)


class Found(NamedTuple):
    """A photograph's file.

    Attributes:
        name: path relative to the folder, with `/` on every system.
        path: path as it is opened.
        size: in bytes; -1 if the file cannot be examined (a dangling link).
        mtime_ns: time of the last change, in nanoseconds.
    """

    name: str
    path: str
    size: int
    mtime_ns: int

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
        photographs: files with a suffix of `IMAGE_SUFFIXES`, in natural order.
        unsupported: photographs of formats that cannot be read, in natural order. A raw file
            beside a readable photograph of the same name is not among them but in `others`.
        others: number of other files by suffix; hidden and sidecar files are not counted.
    """

    photographs: list[Found]
    unsupported: list[Found]
    others: Counter = field(default_factory=Counter)


def natural_key(name: str) -> tuple:
    """Sort key that puts `a2` before `a10`, the same on every machine."""
    parts = [
        tuple(int(part) if i % 2 else part for i, part in enumerate(_DIGITS.split(folder)))
        for folder in name.casefold().split("/")
    ]
    return (parts, name)


_DIGITS = re.compile("([0-9]+)")


def walk(folder: str | Path) -> Iterator[Found | str]:
    """Photographs, readable or not, as `Found`, and other files as their suffix; in no order.

    Hidden and sidecar files are left out. Links are followed, except into a folder that is
    being walked already.
    """
    root = os.fspath(folder)
    known = IMAGE_SUFFIXES | UNSUPPORTED_SUFFIXES

    def inside(path: str, prefix: str, above: frozenset) -> Iterator[Found | str]:
        status = os.stat(path)
        here = (status.st_dev, status.st_ino)
        if here in above:
            return
        folders = []
        with os.scandir(path) as entries:
            for entry in entries:
                name = entry.name
                if name[0] in ".@" or name == "__MACOSX":
                    continue
                if entry.is_dir():
                    folders.append(name)
                    continue
                suffix = os.path.splitext(name)[1].lower()
                if suffix not in known:
                    if suffix not in SIDECAR_SUFFIXES:
                        yield suffix
                    continue
                try:
                    status = entry.stat()
                except OSError:
                    yield Found(prefix + name, entry.path, -1, 0)
                else:
                    yield Found(prefix + name, entry.path, status.st_size, status.st_mtime_ns)
        for name in folders:
            yield from inside(os.path.join(path, name), f"{prefix}{name}/", above | {here})

    try:
        yield from inside(root, "", frozenset())
    except FileNotFoundError as error:
        raise InputError(f"{error.filename}: the folder does not exist; correct its path") from None
    except OSError as error:
        raise InputError(
            f"{error.filename or root}: the folder cannot be listed ({error.strerror}); check that"
            " it is a folder and that you may read it"
        ) from error


def scan(folder: str | Path) -> Listing:
    """List the photographs of a folder.

    Raises:
        InputError: the folder does not exist or cannot be listed, or a name of a photograph
            holds a tab, a line break or bytes that are not text.
    """
    photographs: list[Found] = []
    unsupported: list[Found] = []
    others: Counter = Counter()
    for entry in walk(folder):
        if isinstance(entry, str):
            others[entry] += 1
            continue
        if not entry.name.isprintable():
            raise InputError(
                f"{folder}: the name {entry.name!r} holds a tab, a line break or a character that"
                " is not text; rename the photograph"
            )
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
