"""Faults on one machine: at the end the tables are, byte for byte, those of a run without them."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from faults import (
    RUN,
    SHARD,
    TRAINED,
    UNTRAINED,
    assert_same,
    checkpoint,
    find,
    make_one_genus,
    running,
    text_of,
    undone,
    until,
)
from running import Project, photographs

from sam2pal.evaluation.ending import INCOMPLETE

pytestmark = [pytest.mark.soak, pytest.mark.slow]


def locked_out(project: Project) -> None:
    """After a kill, Snakemake says what to do, and that is enough."""
    refused = project.run()
    assert refused.code == 1 and "--unlock" in refused.text
    assert project.run("--unlock").code == 0


def test_two_runs_give_the_same_bytes(undisturbed: Project, tmp_path: Path) -> None:
    second = make_one_genus(tmp_path / "second", TRAINED)
    shutil.rmtree(second.folder / "data")
    shutil.copytree(undisturbed.folder / "data", second.folder / "data")
    call = second.run()
    assert call.code == 0, call.text
    assert_same(second, undisturbed)


def test_killed_during_training(undisturbed: Project, tmp_path: Path) -> None:
    project = undone(undisturbed, tmp_path / "project", "train")
    with running(project) as first:
        until(lambda: checkpoint(project), "a checkpoint")
        orphan = find(project, "train_palindrome")
        orphan.suspend()
        first.kill()
        locked_out(project)
        with running(project) as second:
            log = project.folder / "logs/Aus/trained/train_palindrome.log"
            until(lambda: "waiting for it to end" in text_of(log), "the second training")
            orphan.resume()
            call = second.end()
    assert call.code == 0, call.text
    assert "going on from step" in text_of(log)
    assert_same(project, undisturbed)


@pytest.mark.parametrize(
    ("stage", "script", "made"),
    [
        ("segment", "segment_shard", SHARD),
        ("aggregate", "aggregate", "results/tables/evaluation.csv"),
    ],
)
def test_killed_during_a_stage(
    undisturbed: Project, tmp_path: Path, stage: str, script: str, made: str
) -> None:
    """The orphan ends after a second run that started meanwhile has ended."""
    project = undone(undisturbed, tmp_path / "project", stage)
    with running(project) as first:
        orphan = until(lambda: find(project, script), script)
        orphan.suspend()
        first.kill()
        assert not (project.folder / made).exists()
        locked_out(project)
        call = project.run()
        assert call.code == 0, call.text
        assert_same(project, undisturbed)
        orphan.resume()
        until(lambda: not orphan.is_running(), "the orphan")
    assert_same(project, undisturbed)
    call = project.run()
    assert call.code == 0, call.text
    assert_same(project, undisturbed)


def test_training_over_its_time_goes_on_where_it_was(undisturbed: Project, tmp_path: Path) -> None:
    project = undone(undisturbed, tmp_path / "project", "train")
    # a minute; the next attempt has ten
    limit = ["--set-resources", "train_palindrome:runtime=10 * attempt - 9", "--retries", "1"]
    log = project.folder / "logs/Aus/trained/train_palindrome.log"
    with running(project, *limit) as first:
        until(lambda: checkpoint(project), "a checkpoint")
        training = find(project, "train_palindrome")
        training.suspend()
        time.sleep(60)
        training.resume()
        call = first.end()
    assert call.code == 0, call.text
    assert "the time limit came at step" in call.text
    assert "going on from step" in text_of(log)
    assert_same(project, undisturbed)


def test_specimens_that_change_after_they_were_listed(tmp_path: Path) -> None:
    """One disappears, one is replaced and one cut short when segmentation begins."""
    project = make_one_genus(tmp_path / "project", UNTRAINED)
    data = project.folder / "data/Aus"
    with running(project) as first:
        until(lambda: find(project, "segment_shard"), "segmentation")
        (data / "0002.png").unlink()
        photographs(data, range(3, 4), seed=99)
        (data / "0004.png").write_bytes((data / "0004.png").read_bytes()[:200])
        call = first.end()
    assert call.code == INCOMPLETE, call.text
    log = text_of(project.folder / "logs/Aus/untrained/segment_shard/0001.log")
    assert "0002: unreadable, disappeared since it was listed; run the workflow again" in log
    assert "0003: unreadable, changed since it was listed; run the workflow again" in log
    assert "0004: unreadable, changed since it was listed; run the workflow again" in log
    call = project.run()
    assert call.code == INCOMPLETE, call.text
    assert {"list_specimens", "segment_shard", "aggregate"} <= call.names()

    later = make_one_genus(tmp_path / "later", UNTRAINED)
    shutil.rmtree(later.folder / "data")
    shutil.copytree(project.folder / "data", later.folder / "data")
    assert later.run().code == INCOMPLETE
    assert_same(project, later)


def test_a_results_folder_that_cannot_be_written(undisturbed: Project, tmp_path: Path) -> None:
    command = []
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("root may write everywhere, and there is no setpriv to take that from it")
        without = "-dac_override,-dac_read_search"
        command = ["setpriv", f"--bounding-set={without}", f"--inh-caps={without}"]
    project = undone(undisturbed, tmp_path / "project", "segment")
    command += project.command()

    def call() -> subprocess.CompletedProcess:
        return subprocess.run(
            command,
            env=project.environment(),
            cwd=project.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    run = project.folder / RUN
    run.chmod(0o555)
    try:
        refused = call()
    finally:
        run.chmod(0o755)
    assert refused.returncode == 1
    assert "Permission denied" in refused.stderr and f"{RUN}/shards" in refused.stderr
    done = call()
    assert done.returncode == 0, done.stderr
    assert_same(project, undisturbed)


def test_interrupted_by_ctrl_c(undisturbed: Project, tmp_path: Path) -> None:
    project = undone(undisturbed, tmp_path / "project", "segment")
    with running(project) as first:
        until(lambda: find(project, "segment_shard"), "segmentation")
        os.killpg(first.process.pid, signal.SIGINT)
        assert first.end().code == 1
    call = project.run()
    assert call.code == 0, call.text
    assert_same(project, undisturbed)
