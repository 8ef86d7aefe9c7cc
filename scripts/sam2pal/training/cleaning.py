"""What ended trainings leave behind."""

import logging
from pathlib import Path

from filelock import FileLock, Timeout

log = logging.getLogger(__name__)


def remove_old_checkpoints(folder: Path, kept: str) -> int:
    """Remove the checkpoints of other trainings of a genus and round, and what writing one left when it was
    killed.

    A training that another process is running keeps its own. Locks stay: another process may be about to take
    one.

    Args:
        folder: of all trainings of the genus and round, each in a folder of its own.
        kept: the training whose checkpoint stays, by the name of its folder.

    Returns:
        How many files were removed.
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
