"""How many processors this process may use, and how busy they are."""

import os
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of a container


def cores() -> float:
    """Processors that this process may use, which a container or a scheduler may have limited."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        quota, period = map(float, QUOTA.read_text(encoding="utf-8").split())
    except (OSError, ValueError):  # no such file, or `max`
        return float(count or 1)
    return min(float(count or 1), quota / period)


def slowdown() -> float:
    """How many times longer a computation takes beside what runs already: 1 on an idle machine."""
    try:
        return 1 + os.getloadavg()[0] / (os.cpu_count() or 1)
    except OSError:  # this system does not tell
        return 1.0
