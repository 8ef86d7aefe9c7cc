"""Folders as people and systems leave them."""

import os
from collections.abc import Iterator
from pathlib import Path

DEEPEST = 100  # folders within each other
_LEFT = frozenset(
    {"__macosx", "thumbs.db", "desktop.ini"}
    | {"@eadir", "@recycle", "@recently-snapshot", "@tmp", "#recycle"}
)


def walk(root: str | Path) -> Iterator[tuple[str, os.DirEntry | OSError]]:
    """All files below a folder by their names from there, without what is hidden or left by systems.

    Links are followed, but no folder is walked twice: where several names lead to it, its own place counts
    before those of links. A folder that cannot be listed comes with its error. In no order.
    """
    seen = set()
    folders, links = [(os.fspath(root), "")], []
    while folders or links:
        path, prefix = folders.pop() if folders else links.pop()
        try:
            status = os.stat(path)
            here = (status.st_dev, status.st_ino)
            if here in seen:
                continue
            seen.add(here)
            if prefix.count("/") > DEEPEST:
                raise OSError(0, f"more than {DEEPEST} folders within each other; move it up")
            with os.scandir(path) as entries:
                listed = sorted(entries, key=lambda entry: entry.name, reverse=True)
        except OSError as error:
            yield prefix[:-1], error
            continue
        for entry in listed:
            if entry.name[0] == "." or entry.name.lower() in _LEFT:
                continue
            if _is_folder(entry):
                (links if entry.is_symlink() else folders).append(
                    (entry.path, f"{prefix}{entry.name}/")
                )
            else:
                yield prefix + entry.name, entry


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False
