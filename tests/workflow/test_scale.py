"""What it costs to plan many genera, on made-up manifests: seconds of CPU, memory, jobs."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from running import Project, jobs_in, outline, photographs

SPECIMENS, SHARD_SIZE = 10_000, 500
SHARDS = SPECIMENS // SHARD_SIZE
CONFIG = """
genera: config/genera.tsv
templates: config/templates.tsv
structures: {head: , eye: {parent: head}}
rounds:
  untrained: {templates: [first]}
  trained: {templates: [first], train: {}}
  refined: {templates: [first, second], train: {steps: 80}, init: trained}
"""
HEADER = "specimen\tpath\tsize\tmtime_ns\twidth\theight\tshard\tstatus\treason\n"


@dataclass
class Cost:
    """What a call of Snakemake took."""

    seconds: float
    megabytes: float
    text: str


def make_listed(folder: Path, genera: int) -> Project:
    """A project whose genera have been listed, and nothing more."""
    (folder / "config").mkdir(parents=True)
    (folder / "config/config.yaml").write_text(CONFIG)
    genus_rows, template_rows = [], []
    for number in range(genera):
        name = f"G{number:03d}"
        data, results = folder / "data" / name, folder / "results" / name
        photographs(data, range(1))
        genus_rows.append(f"{name}\tdata/{name}\t10\n")
        for label in ("first", "second"):
            outline(data / f"{label}.json", [0])
            template_rows.append(f"{name}\t{label}\tdata/{name}/{label}.json\tdata/{name}\n")
        (results / "lists").mkdir(parents=True)
        rows = [
            f"{i:05d}\tdata/{name}/{i:05d}.jpg\t0\t0\t100\t100\t{i // SHARD_SIZE + 1:04d}\tok\t\n"
            for i in range(SPECIMENS)
        ]
        (results / "manifest.tsv").write_text(HEADER + "".join(rows))
        for shard in range(SHARDS):
            part = rows[shard * SHARD_SIZE : (shard + 1) * SHARD_SIZE]
            (results / f"lists/{shard + 1:04d}.tsv").write_text(HEADER + "".join(part))
        (results / "lists/.listed").touch()
    (folder / "config/genera.tsv").write_text(
        "genus\tspecimens\tpixels_per_mm\n" + "".join(genus_rows)
    )
    (folder / "config/templates.tsv").write_text(
        "genus\tround\tannotations\tphotographs\n" + "".join(template_rows)
    )
    return Project(folder)


def call(project: Project, *arguments: str) -> Cost:
    """Call Snakemake and measure this process alone."""
    with open(project.folder / "output.txt", "w+") as output:
        process = project.start(output, *arguments)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    assert process.returncode == 0, text[-2000:]
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text)


def jobs(text: str) -> int:
    """How many jobs a dry run counts."""
    return int(re.findall(r"^total +(\d+)", text, re.MULTILINE)[-1])


def finish(project: Project, plan: str) -> int:
    """Make all files that a dry run promises, empty and equally old; how many there are."""
    paths = [
        project.folder / path
        for line in re.findall(r"^    output: (.*)", plan, re.MULTILINE)
        for path in line.split(", ")
    ]
    for path in paths:
        if path.name in ("adapter", "review"):
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for path in [*paths, *project.folder.rglob("*.*")]:
        os.utime(path, (0, 0))
    return len(paths)


def plan(folder: Path, sizes: tuple[int, int, int]) -> tuple[Project, Cost]:
    """Plan projects of three sizes; the last of them and what it took."""
    projects, costs = [], []
    for genera in sizes:
        project = make_listed(folder / str(genera), genera)
        call(project, "--dry-run")  # writes the options files, which a listing is newer than
        for stamp in project.folder.rglob(".listed"):
            stamp.touch()
        projects.append(project)
        costs.append(call(project, "--dry-run"))
        names = [job.split()[0] for job in jobs_in(costs[-1].text)]
        assert names.count("segment_shard") == 3 * SHARDS * genera
        assert names.count("train_palindrome") == 2 * genera
    seconds = [cost.seconds for cost in costs]
    if not linear(sizes, seconds):  # other processes may have slowed one of the calls
        again = [call(project, "--dry-run").seconds for project in projects]
        seconds = [min(pair) for pair in zip(seconds, again, strict=True)]
    assert linear(sizes, seconds), seconds
    return project, costs[-1]


def linear(sizes: tuple[int, int, int], seconds: list[float]) -> bool:
    """Whether a genus more costs about the same, however many there are."""
    few, some, many = sizes
    first = (seconds[1] - seconds[0]) / (some - few)
    second = (seconds[2] - seconds[1]) / (many - some)
    return second < 2.5 * first


def test_planning_is_linear_in_the_genera(tmp_path: Path) -> None:
    plan(tmp_path, (1, 5, 15))


@pytest.mark.soak
@pytest.mark.slow
def test_a_million_specimens_are_planned_within_a_minute(tmp_path: Path) -> None:
    project, planned = plan(tmp_path, (1, 10, 100))
    files = finish(project, planned.text)
    idle = call(project, "--dry-run")
    assert "Nothing to be done" in idle.text
    for what, cost in (("plan", planned), ("nothing to do", idle)):
        print(
            f"{what}: {jobs(planned.text)} jobs, {files} files, {cost.seconds:.1f} s of CPU, "
            f"{cost.megabytes:.0f} MB"
        )
        assert cost.seconds < 60 and cost.megabytes < 2000
