"""The one exception whose message is meant for the person who runs the workflow."""

from collections.abc import Sequence
from pathlib import Path


class InputError(Exception):
    """Something about the input is wrong.

    The message says which file, row or key, what was found there, and what to do about it.
    Scripts print it without a traceback and end with status 1 (`sam2pal.cli.run`).
    """


class DamagedError(InputError):
    """A file or folder is damaged that the workflow makes itself, or a user's own of the same kind.

    `sam2pal.cli.run` sets it aside if it lies among the workflow's.
    """

    def __init__(self, path: str | Path, message: str) -> None:
        super().__init__(message)
        self.path = Path(path)


def many(count: int, one: str, several: str = "") -> str:
    """Such as `1 photograph` or `2 photographs`."""
    return f"{count} {one if count == 1 else several or one + 's'}"


def first_few(names: Sequence[str], most: int = 5, quote: str = "'") -> str:
    """The first few of some names, and how many more there are; `none` without any."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f"{quote}{name}{quote}" for name in names[:most]) + more or "none"
