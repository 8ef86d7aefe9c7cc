"""The pipeline on a real Slurm: what ran where, by Slurm's own records."""

from collections import Counter
from dataclasses import dataclass

import pytest
from cluster import Cluster, Job, most_at_once
from projects import SlurmProject, make_slurm_project
from running import Call

pytestmark = [pytest.mark.slurm, pytest.mark.slow]


@dataclass
class Run:
    """A project after its first call, and the jobs that Slurm remembers."""

    genera: int
    project: SlurmProject
    call: Call
    jobs: list[Job]


@pytest.fixture(
    scope="module", params=[pytest.param(1, id="one-genus"), pytest.param(2, id="two-genera")]
)
def run(
    request: pytest.FixtureRequest, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    before = cluster.last()
    project = make_slurm_project(tmp_path_factory.mktemp("pipeline"), request.param)
    call = project.run()
    assert call.code == 0, call.text
    return Run(request.param, project, call, cluster.jobs(before))


def step(job: Job) -> str:
    """The rule of a job, or its group."""
    name = job.rule.split("_")[0]
    return name if name in ("assess", "tables") else job.rule


def test_each_job_runs_where_it_belongs(run: Run) -> None:
    assert Counter(step(job) for job in run.jobs) == {
        "list_specimens": run.genera,
        "convert_truth": 1,  # one genus has truth
        "convert_corrections": 1,
        "convert_templates": run.genera,
        "draw_pool": run.genera,
        "train_palindrome": run.genera,
        "segment_shard": 2 * run.genera,
        "assess": run.genera,
        "measure": run.genera,
        "measure_truth": 1,
        "choose_next": run.genera,
        "tables": 1,
        "review_index": 1,
    }
    assert {job.state for job in run.jobs} == {"COMPLETED"}
    with_gpu = [job for job in run.jobs if job.rule in ("train_palindrome", "segment_shard")]
    for job in run.jobs:
        expected = ("gpu", 1) if job in with_gpu else ("cpu", 0)
        assert (job.fields["Partition"], job.gpus) == expected, job.comment
    # as many as there are GPUs, and never more
    assert most_at_once(with_gpu) == 2
    assert (run.project.folder / "results/tables/morphometrics.parquet").exists()


def test_memory_and_time_follow_the_profile(run: Run) -> None:
    of = {job.rule: (job.mem_mb, job.time_limit) for job in run.jobs}
    assert of["train_palindrome"] == (16000, 240)
    assert of["segment_shard"] == (16000, 120)
    # two shards, the templates, the options, and of one genus corrections: the larger the genus, the more
    measuring = {(job.mem_mb, job.time_limit) for job in run.jobs if job.rule == "measure"}
    assert measuring <= {(4000 + 20 * files, 30 + 20 * files) for files in (4, 5)}
    assert (4000 + 20 * 5, 30 + 20 * 5) in measuring


def test_nothing_is_left_to_do(run: Run) -> None:
    again = run.project.run()
    assert again.code == 0 and "Nothing to be done" in again.text
