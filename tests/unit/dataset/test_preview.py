"""What a call says before any job runs: what there is to do, and what is plainly wrong."""

import copy
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from running import CONFIG, make_project

from sam2pal.config.project import check
from sam2pal.dataset import plan, trial
from sam2pal.dataset.findings import Findings
from sam2pal.images.folder import Folder
from sam2pal.io import machine


@pytest.fixture
def project(tmp_path, monkeypatch):
    made = make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return made


def look(**changes):
    checked = check(copy.deepcopy(CONFIG) | changes, "config.yaml", lambda *_: (), lambda _: False)
    folders = {name: Folder(genus.specimens) for name, genus in checked.genera.items()}
    found = Findings(checked, folders, lambda _: False, [], Path("found.json"))
    return checked, folders, found.problems


def specimen_table(folder, rows):
    text = "".join(f"{genus}\t{name}\tf\n" for genus, name in rows)
    (folder / "specimens.tsv").write_text("genus\tspecimen\tsex\n" + text)
    return look(specimen_table="specimens.tsv")[2]


def test_a_structure_that_is_drawn_nowhere_is_an_error(project):
    found = look(structures={"head": None, "eyes": {"parent": "head"}})[2]
    assert found == [
        "structures.eyes: it is drawn in no file of config/templates.tsv (did you mean 'eye'?); "
        "drawn are 'eye', 'head'. Correct the name, outline it, or take it out"
    ]


def test_annotations_that_cannot_be_read_are_left_to_their_genus(project):
    (project.folder / "data/Aus_first.json").write_text("{")
    found = look(structures={"head": None, "eyes": None})[2]
    assert not found


def test_rows_that_join_nothing(project):
    found = specimen_table(project.folder, [("Aus", "1"), ("Aus", "2.png")])
    assert (
        "2 rows of 'Aus' match no photograph of data/Aus, and no photograph has a row" in (found[0])
    )
    assert "the table says '1', '2.png', the photographs are called '0000', '0001'" in (found[0])
    found = specimen_table(project.folder, [("Aus", "0001"), ("Aus", "00002")])
    assert not found
    assert not specimen_table(project.folder, [("Aus", "0001")])


def idle(monkeypatch, load=0.0):
    """A machine of two processors."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0, 0))
    monkeypatch.setattr(machine, "QUOTA", Path("none"))


def test_what_there_is_to_do_is_counted(project, tmp_path, monkeypatch):
    idle(monkeypatch)
    checked, folders, _ = look(shard_size=4)
    results, benchmarks = tmp_path / "results", tmp_path / "benchmarks"

    def said():
        work = plan.work_of_genera(checked, folders, results)
        return plan.plan_lines(checked, work, plan.rates(checked, benchmarks, results))

    first = said()
    assert first[0] == "2 genera, 12 specimens in 4 shards, 3 rounds: Aus 6, Bus 6"
    assert (
        first[1]
        == "To do: 36 specimens to segment (all rounds together), 4 trainings of 8 steps in all"
    )
    times = "14 s segmenting, 14 s training, 38 s tables and pages; as on two"
    assert f"About 66 s if jobs run one after another ({times}" in first[2]
    idle(monkeypatch, load=25.0)
    busy = "other programs use 12.5 times the processors of this machine"
    assert "About 66 s to 15 min if jobs" in said()[2] and busy in said()[2]
    # trays are searched before it is known how many specimens they show
    trays = replace(checked, genera={**checked.genera, "Bus": SimpleNamespace(layout="many")})
    work = plan.work_of_genera(trays, folders, results)
    known = plan.rates(trays, benchmarks, results)
    assert plan.plan_lines(trays, work, known)[1].endswith(
        "are searched first: 6. Each counts as one specimen here, so there may be far more to do"
    )
    (results / "Bus").mkdir(parents=True)
    (results / "Bus/manifest.tsv").write_text("specimen\n" + "b\n" * 40)
    found = plan.plan_lines(trays, plan.work_of_genera(trays, folders, results), known)
    assert found[0] == "2 genera, 46 specimens in 12 shards, 3 rounds: Aus 6, Bus 40"
    assert found[1].startswith("To do: 138 specimens to segment")
    (results / "Bus/manifest.tsv").unlink()
    for genus in ("Aus", "Bus"):
        for round_ in CONFIG["rounds"]:
            for shard in ("0001", "0002"):
                path = results / genus / round_ / "shards" / f"{shard}.json"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("{}")
            (results / genus / round_ / "adapter").mkdir()
    assert said()[1].startswith(
        "Every shard has masks; only what depends on a change is computed: "
    )
    known = plan.rates(checked, benchmarks, results)
    nothing = plan.plan_lines(
        checked, {"Aus": plan.Work()}, known
    )  # as the demo before its drawing
    assert nothing[1] == "What there is to do is known once the photographs are there."


def test_times_are_those_of_earlier_calls(project, tmp_path, monkeypatch):
    results, benchmarks = tmp_path / "results", tmp_path / "benchmarks"
    for path, text in {
        "results/Aus/lists/0001.tsv": "specimen\na\nb\n",
        "results/Aus/trained/adapter/training.json": json.dumps({"steps": 4}),
        "benchmarks/Aus/trained/segment_shard/0001.tsv": "s\th:m:s\n6.0\t0:00:06\n",
        "benchmarks/Aus/trained/train_palindrome.tsv": "s\th:m:s\n10.0\t0:00:10\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    checked = look(model={"name": "sam2.1_hiera_large"})[0]
    assert plan.rates(checked, benchmarks, results) == plan.Rates(
        3.0, 2.5, "from earlier calls here"
    )
    assert plan.rates(checked, tmp_path / "none", results).segmentation is None
    idle(monkeypatch, load=25.0)
    work = {"Aus": plan.Work(specimens=9, shards=1, to_segment=9, steps=4, trainings=1)}
    said = plan.plan_lines(checked, work, plan.rates(checked, benchmarks, results))[2]
    assert "About 59 s if jobs" in said and "other programs use" in said


def test_steps_are_counted_by_the_number_of_templates(project, tmp_path):
    checked, folders, _ = look(training={**CONFIG["training"], "steps": None})
    sources = [source for run in checked.runs.values() for source in run]
    few, several = (
        plan.work_of_genera(checked, folders, tmp_path / "results", dict.fromkeys(sources, count))
        for count in (1, 3)
    )
    trained = {name: work.trainings for name, work in few.items()}
    assert {name: work.steps for name, work in several.items()} == {
        name: 300 * count for name, count in trained.items()
    }
    assert all(few[name].steps < several[name].steps for name in trained)
    converted = tmp_path / "results/Aus/trained/templates.json"
    converted.parent.mkdir(parents=True)
    converted.write_text(json.dumps({"images": [{}, {}]}))
    known = plan.work_of_genera(checked, folders, tmp_path / "results")
    assert known["Aus"].steps == 100 * trained["Aus"]


def timing(folder, text):
    """A program that stands for scripts/time_model.py, and counts its calls."""
    path = folder / "timing.py"
    path.write_text(f"open({str(folder / 'calls')!r}, 'a').write('.'); {text}")
    return [sys.executable, str(path)]


def test_a_model_that_never_ran_here_is_tried_once_for_some_seconds(project, tmp_path, monkeypatch):
    checked = look(model={"name": "sam2.1_hiera_tiny"})[0]
    kept, said = tmp_path / "resources/trials.json", []
    program = timing(tmp_path, "print('{\"seconds\": 0.5}')")
    tried = [trial.trial(checked.configuration, kept, program, said.append) for _ in range(2)]
    assert (
        tried[0]
        == tried[1]
        == trial.Rates(*(0.5 * trial.SEGMENTATION, 0.5 * trial.TRAINING), trial.SOURCE)
    )
    assert (tmp_path / "calls").read_text() == "." and len(said) == 1
    bundled = trial.trial(look()[0].configuration, kept, program, said.append)
    assert (tmp_path / "calls").read_text() == ".."
    # it sees a specimen three times, with 1, 1.5 and 1.25 times the pixels of a side
    further = 1.5**2 + 1.25**2 + trial.FITTING * 1.5**2
    assert bundled.segmentation == pytest.approx(0.5 * (trial.SEGMENTATION + further))
    known = plan.rates(checked, tmp_path / "none", tmp_path, lambda: tried[0])
    work = {"Aus": plan.Work(specimens=100, to_segment=100)}
    line = plan.plan_lines(checked, work, known)[2]
    assert "2 min segmenting" in line and "by a trial of this model on this machine" in line


@pytest.mark.parametrize(
    "text, why",
    [
        ("import sys; sys.exit('error: no such device')", "failed (no such device)"),
        ("import time; time.sleep(9)", "longer than 1 s"),
    ],
)
def test_that_a_trial_says_nothing_is_told(project, tmp_path, monkeypatch, text, why):
    monkeypatch.setattr(trial, "LIMIT", 1)
    checked, kept = look(model={"name": "sam2.1_hiera_tiny"})[0], tmp_path / "trials.json"
    tried = trial.trial(checked.configuration, kept, timing(tmp_path, text), print)
    known = plan.rates(checked, tmp_path / "none", tmp_path, lambda: tried)
    said = plan.plan_lines(checked, {"Aus": plan.Work(specimens=9, to_segment=9)}, known)[2]
    assert "Time unknown: a trial of the model " in said and why in said
    assert not kept.exists()


@pytest.mark.parametrize(
    "seconds, said", [(5, "5 s"), (600, "10 min"), (7200, "2.0 h"), (6e5, "6.9 days")]
)
def test_durations(seconds, said):
    assert plan.duration(seconds) == said


def test_processors_are_those_that_a_container_leaves(monkeypatch, tmp_path):
    idle(monkeypatch)
    assert machine.cores() == 2 and machine.slowdown() == 1
    monkeypatch.setattr(machine, "QUOTA", tmp_path / "cpu.max")
    machine.QUOTA.write_text("50000 100000\n")
    assert machine.cores() == 0.5
    machine.QUOTA.write_text("max 100000\n")
    assert machine.cores() == 2
