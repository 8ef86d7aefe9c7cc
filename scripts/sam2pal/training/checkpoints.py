"""Folders of trainings: their lock, and the removal of files of ended trainings."""

import logging
import math
import time
from contextlib import AbstractContextManager
from pathlib import Path

from filelock import FileLock, Timeout

from sam2pal.io.errors import InputError

log = logging.getLogger(__name__)


def locked(folder: Path, deadline: float) -> AbstractContextManager:
    """The lock of a training, taken as soon as no other process holds it.

    Args:
        deadline: value of `time.monotonic()` after which not to wait.

    Raises:
        InputError: another process held it until then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock")
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        log.info("%s: another process is running this training; waiting for it to end", folder)
    left = max(0.0, deadline - time.monotonic())
    try:
        return lock.acquire(timeout=left if math.isfinite(left) else -1, poll_interval=1)
    except Timeout as error:
        raise InputError(
            f"{folder}: another process is running this training and did not end within the time limit; "
            "wait for it, or stop it first"
        ) from error


def remove_old_checkpoints(folder: Path, kept: str) -> int:
    """Remove the checkpoints of other trainings of a genus and round, and what writing one left when it was
    killed.

    A training that another process is running keeps its own. Locks stay: another process may be about to take
    one.
    """
    removed = 0
    for place in sorted(path for path in folder.iterdir() if (path / "lock").is_file()):
        try:
            with FileLock(place / "lock").acquire(timeout=0):
                old = list(place.glob(".checkpoint.*"))
                old += [] if place.name == kept else place.glob("checkpoint.pt")
                for path in old:
                    path.unlink(missing_ok=True)
        except Timeout:
            continue
        removed += len(old)
    if removed:
        log.info("%s: removed old checkpoints (%d)", folder, removed)
    return removed
