"""How much memory this process may take: of the machine, of a container, of a job of a cluster."""

import ctypes
import os
from contextlib import suppress
from pathlib import Path

_CGROUP, _GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def most_bytes() -> int:
    """The machine's memory, or what a container or a cluster's job allows."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), *_control_group_limits()]
    with suppress(KeyError, ValueError):
        limits.append(int(os.environ["SLURM_MEM_PER_NODE"]) * 2**20)
    return min(limit for limit in limits if limit > 0)


def free_bytes() -> int:
    """What is left of it, as other programs have some of the machine's memory, too."""
    free = most_bytes()
    with suppress(OSError, ValueError, StopIteration):
        free -= int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = next(line for line in lines if line.startswith("MemAvailable:"))
        free = min(free, int(available.split()[1]) * 1024)
    return free


def release_freed() -> None:
    """Give memory that is free again back to the system at once, where the C library can (glibc)."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def _control_group_limits(process: Path = _CGROUP, root: Path = _GROUPS) -> list[int]:
    """Limits of memory that a cluster or a container sets for this process."""
    try:
        place = next(x for x in process.read_text().splitlines() if x.startswith("0::"))
    except (OSError, StopIteration):
        return []
    folder, limits = root / place.removeprefix("0::").strip("/"), []
    for level in (folder, *folder.parents):
        if not level.is_relative_to(root):
            break
        with suppress(OSError, ValueError):  # the root has none, and `max` is no limit
            limits.append(int((level / "memory.max").read_text()))
    return limits
