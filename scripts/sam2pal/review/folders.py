"""A folder that appears whole or not at all, in the place of an earlier one."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sam2pal.io.errors import InputError


def refuse_foreign(folder: Path, name: str, start: str) -> None:
    """Make sure that a folder that will be replaced is an earlier one of ours.

    Args:
        name, start: the file that ours have, and how it begins.

    Raises:
        InputError: it is something else.
    """
    if not folder.exists():
        return
    mark = folder / name
    if folder.is_dir():
        if not any(folder.iterdir()):
            return
        if mark.is_file() and mark.read_text("utf-8", "replace").startswith(start):
            return
    raise InputError(
        f"{folder} exists and is not the folder of a review page, which would replace it; give another"
        " --output, or move the folder away"
    )


@contextmanager
def temporary_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `folder` that takes its place when the block ends well."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    build = folder.with_name(f".{folder.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}")
    old = build.with_name(build.name + "-old")
    build.mkdir()
    try:
        yield build
        if folder.exists():  # a folder cannot be renamed over a full one
            folder.rename(old)
        build.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        if old.exists():
            old.rename(folder)
        raise
    finally:
        shutil.rmtree(build, ignore_errors=True)
