"""Which photograph an annotation means by a file name."""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path, PureWindowsPath

from sam2pal.images.folder import Found, scan
from sam2pal.io.errors import InputError, nearest


class Photographs:
    """The photographs of a folder, found by the names that annotations use."""

    def __init__(self, folder: str | Path) -> None:
        """List the folder.

        Raises:
            InputError: the folder does not exist or holds no photograph.
        """
        self.folder = Path(folder)
        listing = scan(folder)
        self.files = [*listing.photographs, *listing.unsupported]
        if not self.files:
            raise InputError(f"{folder}: the folder of the annotated photographs holds none")
        # Exact before approximate: the name as it is, without its extension, then in any case.
        self._tables: list[tuple[Callable[[str], str], dict[str, list[Found]]]] = []
        for key in (_plain, _stem, _folded, _folded_stem):
            table = defaultdict(list)
            for file in self.files:
                for ending in _endings(_plain(file.name)):
                    table[key(ending)].append(file)
            self._tables.append((key, dict(table)))

    def stems(self) -> list[str]:
        """Names without extension, relative to the folder."""
        return [file.stem for file in self.files]

    def find(self, name: str, where: str) -> Found:
        """The photograph called `name`: by file name, then by stem, then ignoring case.

        As much of a path in `name` is used as is needed to tell two photographs apart.

        Raises:
            InputError: no photograph is called so, or several are.
        """
        endings = list(_endings(_plain(PureWindowsPath(name).as_posix())))
        several: list[Found] = []
        for key, table in self._tables:
            for ending in endings:  # the whole path first
                found = table.get(key(ending), [])
                whole = [file for file in found if key(_plain(file.name)) == key(ending)]
                if len(whole) == 1:
                    return whole[0]
                if len(found) == 1:
                    return found[0]
                several = several or found
        if several:
            listed = ", ".join(f"'{file.name}'" for file in several[:5])
            raise InputError(
                f"{where}: '{name}' may be any of {listed} in {self.folder}; write the path"
                " relative to that folder into the annotation, or rename one"
            )
        hint = nearest(os.path.basename(endings[0]), {_base(file.name) for file in self.files})
        raise InputError(
            f"{where}: no photograph '{name}' in {self.folder}{hint}; put it there or correct the"
            " name in the annotation"
        )


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]


def _folded(name: str) -> str:
    return name.casefold()


def _folded_stem(name: str) -> str:
    return _stem(name).casefold()


def _base(name: str) -> str:
    return name.rsplit("/", 1)[-1]


def _endings(name: str):
    """`a/b/c.png`, `b/c.png`, `c.png`."""
    while name:
        yield name
        _, _, name = name.partition("/")
