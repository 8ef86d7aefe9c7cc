"""Run a command on a GPU that no other command started in this way is using.

    python scripts/on_free_gpu.py python scripts/segment_shard.py ...

It waits while all are taken. Without a GPU, or with a single one, the command simply runs.
"""

import os
import sys

from sam2pal.cli import run
from sam2pal.io import gpus
from sam2pal.io.errors import InputError


def main() -> None:
    command = sys.argv[1:]
    if not command or command[0] in ("-h", "--help"):
        print(__doc__)
        return
    names = gpus.devices()
    if len(names) > 1:
        os.environ[gpus.VISIBLE] = gpus.take(names)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        raise InputError(f"{command[0]}: cannot be run ({error.strerror})") from error


if __name__ == "__main__":
    run(main)
