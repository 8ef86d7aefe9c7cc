"""A GPU of its own for each process of a machine that has several.

Snakemake counts GPUs and assigns none; Slurm assigns them. A process takes a GPU by a lock on a file and
keeps it until it ends, however it ends.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sam2pal.io.errors import InputError

VISIBLE = "CUDA_VISIBLE_DEVICES"


def devices() -> list[str]:
    """The NVIDIA GPUs this process may use, by what CUDA_VISIBLE_DEVICES calls them."""
    visible = os.environ.get(VISIBLE)
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip() not in ("", "-1")]
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    # by UUID: the order of CUDA is not always that of nvidia-smi
    query = [program, "--query-gpu=uuid", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.split() if done.returncode == 0 else []


def take(names: list[str], wait: Callable[[], None] = lambda: time.sleep(1)) -> str:
    """Take one that no other process has taken; the lock stays with this process and what it becomes.

    Raises:
        InputError: a lock cannot be opened.
    """
    while True:
        for name in names:
            lock = _open(name)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                continue
            os.set_inheritable(lock, True)  # it outlives exec
            return name
        wait()


def _open(name: str) -> int:
    """The file of a GPU, which may belong to another user."""
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / f"sam2pal-gpu-{digest}.lock"
    try:
        with suppress(FileNotFoundError):
            return os.open(path, os.O_RDONLY)
        lock = os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
    except OSError as error:
        raise InputError(
            f"{path}: the lock of a GPU cannot be opened ({error.strerror}); ask its owner or the "
            "administrator to remove it"
        ) from error
    with suppress(OSError):  # another user made it just before
        os.fchmod(lock, 0o644)  # also where the umask keeps files from other users
    return lock
