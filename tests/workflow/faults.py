"""What tests of faults share: a small project, copies of it with a stage undone, and the comparison."""

import contextlib
import copy
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
from running import CONFIG, Call, Project, jobs_in, make_project

# a training of many short steps, with a checkpoint after each
TRAINED = copy.deepcopy(CONFIG) | {
    "training": {
        "steps": 12,
        "views": 1,
        "pool_size": 2,
        "checkpoint_minutes": 0,
        "validate_every": 6,
    },
    "rounds": {"trained": {"templates": ["first"], "train": {}}},
}
UNTRAINED = copy.deepcopy(CONFIG) | {"rounds": {"untrained": {"templates": ["first"]}}}
RUN = "results/Aus/trained"
SHARD = f"{RUN}/shards/0001.json"
# what is undone with a stage; what follows from it is undone as well
STAGES = {
    "train": (f"{RUN}/adapter", "resources/training"),
    "segment": (f"{RUN}/shards",),
    "aggregate": ("results/tables", "results/provenance.json"),
}


def make_one_genus(folder: Path, config: dict) -> Project:
    """One genus of one shard."""
    project = make_project(folder)
    project.write(config)
    for name in ("genera", "templates"):
        table = folder / f"config/{name}.tsv"
        rows = table.read_text().splitlines(keepends=True)
        table.write_text("".join(row for row in rows if not row.startswith("Bus")))
    shutil.rmtree(folder / "data/Bus")
    return project


def finished(folder: Path) -> Project:
    """One genus and a trained round, after a call without faults."""
    project = make_one_genus(folder, TRAINED)
    call = project.run()
    assert call.code == 0, call.text
    return project


def undone(project: Project, folder: Path, stage: str) -> Project:
    """A copy of a finished project without what a stage made."""
    shutil.copytree(project.folder, folder, symlinks=True)
    for path in [folder / name for name in STAGES[stage]]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return type(project)(folder)


def products(project: Project) -> dict[str, bytes]:
    """All results, byte for byte: tables, masks, adapters, pages and figures."""
    results = project.folder / "results"
    return {
        str(path.relative_to(results)): path.read_bytes()
        for path in sorted(results.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def assert_same(project: Project, expected: Project) -> None:
    found, wanted = products(project), products(expected)
    assert found.keys() == wanted.keys()
    assert [name for name in wanted if found[name] != wanted[name]] == []


def until(condition: Callable[[], object], what: str, seconds: float = 300) -> object:
    """Wait for something to be true, and return it."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.05)
    return value


def find(project: Project, script: str) -> psutil.Process | None:
    """The process that runs a script of the workflow for a project."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = process.cmdline()
            own = len(words) > 1 and "python" in words[0] and words[1].endswith(f"/{script}.py")
            if own and Path(process.cwd()) == project.folder.resolve():
                return process
    return None


def text_of(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""


class Running:
    """A call of Snakemake that goes on while the test does something to it."""

    def __init__(self, project: Project, *arguments: str) -> None:
        self.log = project.folder / "call.log"
        with self.log.open("w") as output:
            self.process = project.start(
                output,
                *arguments,
                start_new_session=True,
                # a test in the background is started deaf to Ctrl-C, and would hand that down
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )

    def kill(self) -> None:
        """Kill Snakemake, and nothing that it started."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self) -> Call:
        self.process.wait(timeout=1500)
        text = text_of(self.log)
        return Call(self.process.returncode, text, sorted(jobs_in(text)))


@contextlib.contextmanager
def running(project: Project, *arguments: str) -> Iterator[Running]:
    """Nothing that was started here outlives the block."""
    call = Running(project, *arguments)
    try:
        yield call
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(call.process.pid, signal.SIGKILL)
        call.process.wait()


def checkpoint(project: Project) -> Path | None:
    """Of the training, once there is one."""
    return next(project.folder.glob("resources/training/Aus/trained/*/checkpoint.pt"), None)
