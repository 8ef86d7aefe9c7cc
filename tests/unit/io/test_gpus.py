"""Each process its own GPU; the GPUs are made up."""

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "scripts/on_free_gpu.py"
# says which GPU it was given, and ends when its input does
TELL = "import os, sys; print(os.environ.get('CUDA_VISIBLE_DEVICES'), flush=True); sys.stdin.read()"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A machine with two GPUs."""
    program = tmp_path / "bin/nvidia-smi"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho GPU-a\necho GPU-b\n")
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "TMPDIR": str(tmp_path)}


def start(environment: dict[str, str]) -> subprocess.Popen:
    pipe = subprocess.PIPE
    command = [sys.executable, str(SCRIPT), sys.executable, "-c", TELL]
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)


def end(process: subprocess.Popen) -> None:
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_two_processes_have_two_gpus_and_a_third_waits(environment: dict[str, str]) -> None:
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    first, second = start(environment), start(environment)
    given = {process.stdout.readline().strip(): process for process in (first, second)}
    assert set(given) == {"GPU-a", "GPU-b"}
    third = start(environment)
    assert not select.select([third.stdout], [], [], 1)[0]
    given["GPU-b"].kill()  # a lock does not outlive the process, however it ends
    given["GPU-b"].wait()
    assert third.stdout.readline().strip() == "GPU-b"
    end(third)
    end(given["GPU-a"])


@pytest.mark.parametrize(("visible", "given"), [("7", "7"), ("", ""), ("3,5", "3")])
def test_only_what_is_visible_is_taken(
    environment: dict[str, str], visible: str, given: str
) -> None:
    process = start(environment | {"CUDA_VISIBLE_DEVICES": visible})
    assert process.stdout.readline().strip() == given
    end(process)


def test_without_gpus_the_command_is_just_run(environment: dict[str, str], tmp_path: Path) -> None:
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    (tmp_path / "bin/nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
    process = start(environment)
    assert process.stdout.readline().strip() == "None"
    end(process)


def test_another_user_may_open_the_locks(environment: dict[str, str], tmp_path: Path) -> None:
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    before = os.umask(0o077)
    try:
        process = start(environment)
    finally:
        os.umask(before)
    assert process.stdout.readline().strip() == "GPU-a"
    end(process)
    (lock,) = tmp_path.glob("*.lock")
    assert lock.stat().st_mode & 0o777 == 0o644
    lock.unlink()
    lock.symlink_to(lock)  # root may read whatever is no loop
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "true"], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert f"error: {lock}: the lock of a GPU cannot be opened (" in done.stderr


def test_a_command_that_is_not_there(environment: dict[str, str]) -> None:
    command = [sys.executable, str(SCRIPT), "no-such-program"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and "error: no-such-program: cannot be run" in done.stderr
