"""How much memory a process may take."""

import os
from pathlib import Path

from sam2pal.io import memory


def test_limits_of_a_control_group(tmp_path):
    job = tmp_path / "groups" / "slurm" / "job_1"
    job.mkdir(parents=True)
    (job / "memory.max").write_text("max\n")
    (job.parent / "memory.max").write_text("4096\n")
    process = tmp_path / "cgroup"
    process.write_text("9:cpu:/\n0::/slurm/job_1\n")
    assert memory._control_group_limits(process, tmp_path / "groups") == [4096]
    assert memory._control_group_limits(tmp_path / "none", tmp_path) == []


def test_a_job_of_slurm_has_what_it_asked_for(monkeypatch):
    whole = memory.most_bytes()
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "100")
    assert memory.most_bytes() == 100 * 2**20 < whole
    assert memory.free_bytes() < 100 * 2**20
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "0")  # all of the node's
    assert memory.most_bytes() == whole


def test_what_is_free_again_goes_back_to_the_system():
    blocks = [bytearray(b"1") * 100_000 for _ in range(500)]
    last = blocks[-1]  # behind it the C library gives nothing back by itself
    del blocks
    before = resident()
    memory.release_freed()
    assert last and resident() < before - 20 * 2**20


def resident() -> int:
    """Bytes of memory that this process has from the system."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
