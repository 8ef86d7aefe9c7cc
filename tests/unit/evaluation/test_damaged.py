"""Results that were damaged are set aside, and nothing else is."""

import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from sam2pal.dataset.manifest import Specimen, read_list, write_list, write_shard_lists
from sam2pal.dataset.states import OK
from sam2pal.evaluation.damaged import check_whole, set_aside_damaged
from sam2pal.io.errors import DamagedError, InputError

RUNS = [("Aus", "first")]


@pytest.fixture
def results(tmp_path):
    """A folder of results of one run, as the workflow leaves it."""
    genus, run = tmp_path / "Aus", tmp_path / "Aus/first"
    rows = [
        Specimen(f"s{n}", f"s{n}.png", 1, 1, 8, 8, f"{1 + n // 3:04d}", OK, "") for n in range(7)
    ]
    write_list(genus / "manifest.tsv", rows)
    write_shard_lists(genus / "lists", rows)
    (genus / "lists/.listed").write_text("")
    (run / "shards").mkdir(parents=True)
    (run / "adapter").mkdir()
    for path in (genus / "truth.json", run / "templates.json", run / "shards/0001.json"):
        path.write_text('{\n"images": []\n}\n')
    write_list(run / "train_pool.tsv", rows[:2])
    (run / "evaluation.csv").write_text("specimen\ns1\n")
    pq.write_table(pa.table({"a": [1]}), run / "morphometrics.parquet")
    save_file({"a": torch.zeros(3)}, run / "adapter/adapter_model.safetensors")
    return tmp_path


def test_what_is_whole_stays(results):
    before = sorted(results.rglob("*"))
    assert set_aside_damaged(results, RUNS) == []
    assert set_aside_damaged(results, [("Bus", "not yet made")]) == []
    assert sorted(results.rglob("*")) == before


@pytest.mark.parametrize(
    "name",
    ["templates.json", "shards/0001.json", "evaluation.csv", "train_pool.tsv", "morphometrics.parquet",
     "../truth.json", "adapter/adapter_model.safetensors"],
)  # fmt: skip
@pytest.mark.parametrize("left", [0, 0.7])
def test_what_is_cut_or_empty_is_set_aside(results, name, left):
    path = results / "Aus/first" / name
    os.truncate(path, int(left * path.stat().st_size))
    (note,) = set_aside_damaged(results, RUNS)
    made = path.parent if "adapter" in name else path
    assert str(made.resolve()) in str((results / note.partition(":")[0]).resolve())
    assert not made.exists() and made.with_name(f"{made.name}.damaged").exists()
    assert set_aside_damaged(results, RUNS) == []


def manifest_gone(genus):
    (genus / "manifest.tsv").unlink()


def manifest_empty(genus):
    (genus / "manifest.tsv").write_text("")


def manifest_cut_in_a_row(genus):
    os.truncate(genus / "manifest.tsv", (genus / "manifest.tsv").stat().st_size - 4)


def manifest_without_its_last_row(genus):
    lines = (genus / "manifest.tsv").read_text().splitlines(True)
    (genus / "manifest.tsv").write_text("".join(lines[:-1]))


def list_gone(genus):
    (genus / "lists/0002.tsv").unlink()


def list_empty(genus):
    (genus / "lists/0002.tsv").write_text("")


@pytest.mark.parametrize(
    "damage",
    [manifest_gone, manifest_empty, manifest_cut_in_a_row, manifest_without_its_last_row, list_gone,
     list_empty],
)  # fmt: skip
def test_a_genus_whose_lists_are_damaged_is_listed_again(results, damage):
    damage(results / "Aus")
    (note,) = set_aside_damaged(results, RUNS)
    assert "the photographs are listed again" in note
    assert not (results / "Aus/manifest.tsv").exists()
    assert not (results / "Aus/lists/.listed").exists()
    assert set_aside_damaged(results, RUNS) == []


def test_a_cut_table_is_noticed_by_its_rows(tmp_path):
    path = tmp_path / "evaluation.csv"
    check_whole(path, {"a": 2, "b": 2}, ["a", "b"])
    with pytest.raises(
        InputError, match="evaluation.csv: rows are missing: of 1 listed specimens, 'c'"
    ):
        check_whole(path, {"a": 2, "b": 2}, ["a", "b", "c"])
    with pytest.raises(InputError, match="'b' has 1, others 2"):
        check_whole(path, {"a": 2, "b": 1}, ["a", "b"])


def test_damage_that_is_met_while_reading_is_set_aside_if_the_workflow_made_it(
    tmp_path, monkeypatch, capsys
):
    from sam2pal.cli import run
    from sam2pal.dataset.dataset import Dataset

    monkeypatch.chdir(tmp_path)
    # with pathvars; a user's folder may have any name
    os.makedirs("coarse/found/options")
    with open("coarse/found/options/configuration.json", "w") as file:
        file.write("{}")
    for folder in ("coarse/found/Aus", "results"):
        os.mkdir(folder)
        with open(f"{folder}/0001.json", "w") as file:
            json.dump({"images": [], "annotations": 3, "categories": []}, file)
        with pytest.raises(SystemExit):
            run(lambda folder=folder: Dataset(f"{folder}/0001.json"))
    said = capsys.readouterr().err.splitlines()
    assert "set aside as 0001.json.damaged: run the workflow again" in said[0]
    assert "set aside" not in said[1]
    assert os.listdir("coarse/found/Aus") == ["0001.json.damaged"]
    assert os.listdir("results") == ["0001.json"]
    with open("results/manifest.tsv", "w") as file:
        file.write("specimen\n")
    with pytest.raises(DamagedError):
        read_list("results/manifest.tsv")


def test_programs_end_without_a_traceback_where_a_file_or_memory_is_missing(capsys):
    from sam2pal.cli import run

    def no_memory():
        raise MemoryError("Unable to allocate 9 TiB")

    for main, expected in (
        (lambda: os.stat("/no/such/file"), "error: /no/such/file: No such file or directory"),
        (no_memory, "error: there is not enough memory (Unable to allocate 9 TiB)"),
    ):
        with pytest.raises(SystemExit):
            run(main)
        assert capsys.readouterr().err.startswith(expected)
