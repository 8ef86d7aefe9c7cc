"""Faults of a cluster: at the end the tables are, byte for byte, those of a run without them.

The stage that the fault hits runs on Slurm; the stages after it run here, which is quicker.
"""

import signal
from pathlib import Path

import pytest
from cluster import Cluster, Job
from faults import RUN, SHARD, assert_same, checkpoint, find, running, text_of, undone, until
from projects import SlurmProject
from running import Project

pytestmark = [pytest.mark.slurm, pytest.mark.soak, pytest.mark.slow]

ADAPTER = f"{RUN}/adapter"
TRAINING_LOG = "logs/Aus/trained/train_palindrome.log"


@pytest.fixture(scope="module")
def whole(undisturbed: Project) -> SlurmProject:
    """The undisturbed project, which ran on this machine; its copies run on Slurm."""
    return SlurmProject(undisturbed.folder)


def only(cluster: Cluster, after: int, rule: str) -> list[Job]:
    return [job for job in cluster.jobs(after) if job.rule == rule]


def finish(project: SlurmProject, expected: Project) -> None:
    """Run what is left on this machine, and compare."""
    call = Project(project.folder).run()
    assert call.code == 0, call.text
    assert_same(project, expected)


def disturbed(
    whole: SlurmProject, cluster: Cluster, folder: Path, *command: str
) -> tuple[str, list[Job]]:
    """What Snakemake says of a training, and its jobs, if a command of Slurm comes after a checkpoint.

    Args:
        command: `{}` in it is the job's number.
    """
    project = undone(whole, folder, "train")
    before = cluster.last()
    with running(project, ADAPTER) as call:
        until(lambda: checkpoint(project), "a checkpoint")
        find(project, "train_palindrome").suspend()  # it would be done too soon
        (first,) = only(cluster, before, "train_palindrome")
        cluster.run(*(word.format(first.number) for word in command))
        done = call.end()
    assert done.code == 0, done.text
    assert "going on from step" in text_of(project.folder / TRAINING_LOG)
    jobs = only(cluster, before, "train_palindrome")
    finish(project, whole)
    return done.text, jobs


def test_cancelled(whole: SlurmProject, cluster: Cluster, tmp_path: Path) -> None:
    text, jobs = disturbed(whole, cluster, tmp_path / "project", "scancel", "{}")
    assert "SLURM status is: 'CANCELLED'" in text
    assert [job.state for job in jobs] == ["CANCELLED", "COMPLETED"]


def test_over_its_memory(whole: SlurmProject, cluster: Cluster, tmp_path: Path) -> None:
    project = undone(whole, tmp_path / "project", "segment")
    before = cluster.last()
    limit = ["--set-resources", "segment_shard:mem_mb=3800 * attempt - 3600"]
    call = project.run(SHARD, *limit)
    assert call.code == 0, call.text
    jobs = only(cluster, before, "segment_shard")
    assert [job.mem_mb for job in jobs] == [200, 4000]
    # without cgroups Slurm kills the step, and calls the job failed
    assert jobs[0].state in ("FAILED", "OUT_OF_MEMORY") and jobs[1].state == "COMPLETED"
    finish(project, whole)


def test_over_its_time(whole: SlurmProject, cluster: Cluster, tmp_path: Path) -> None:
    """A training that does not stop by itself, as it should some minutes before."""
    limit = ("scontrol", "update", "JobId={}", "TimeLimit=1")
    _, (first, second) = disturbed(whole, cluster, tmp_path / "project", *limit)
    assert (first.state, second.state) == ("TIMEOUT", "COMPLETED")
    assert second.time_limit == 2 * 240


def test_requeued(whole: SlurmProject, cluster: Cluster, tmp_path: Path) -> None:
    _, (job,) = disturbed(whole, cluster, tmp_path / "project", "scontrol", "requeue", "{}")
    assert (job.state, job.fields["Restarts"]) == ("COMPLETED", "1")


def test_snakemake_killed_while_its_job_runs_on(
    whole: SlurmProject, cluster: Cluster, tmp_path: Path
) -> None:
    project = undone(whole, tmp_path / "project", "train")
    before = cluster.last()
    with running(project, ADAPTER) as first:
        until(lambda: checkpoint(project), "a checkpoint")
        orphan = find(project, "train_palindrome")
        orphan.suspend()
        first.kill()
        refused = project.run(ADAPTER)
        assert refused.code == 1 and "--unlock" in refused.text
        assert project.run("--unlock").code == 0
        with running(project, ADAPTER) as second:
            log = project.folder / TRAINING_LOG
            until(lambda: "waiting for it to end" in text_of(log), "the second training")
            orphan.send_signal(signal.SIGCONT)
            done = second.end()
    assert done.code == 0, done.text
    until(lambda: {j.state for j in cluster.jobs(before)} == {"COMPLETED"}, "both jobs")
    finish(project, whole)
