"""The scripts that list specimens, convert templates and draw the training pool, by hand."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from sam2pal.dataset.dataset import read_templates
from sam2pal.dataset.manifest import read_list, write_list

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
SQUARE = [1, 1, 5, 1, 5, 4, 1, 4]


@pytest.fixture
def genus(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for number in range(1, 6):
        Image.new("RGB", (8, 6), (number, 0, 0)).save(folder / f"s{number}.png")
    (folder / "bad.png").write_bytes(b"")
    data = {
        "images": [{"id": 1, "file_name": "s3.png"}],
        "categories": [{"id": 1, "name": "head"}, {"id": 2, "name": "tail"}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": n, "segmentation": [SQUARE]} for n in (1, 2)
        ],
    }
    (tmp_path / "drawn.json").write_text(json.dumps(data))
    return tmp_path


def options_file(folder, **values):
    """A file for --options."""
    path = folder / "options.json"
    path.write_text(json.dumps(values))
    return path


def listed(by_hand, genus):
    results = genus / "results"
    return by_hand(
        "list_specimens", "--genus", "Aus", "--folder", genus / "photographs", "--options",
        options_file(genus, shard_size=4),
        "--manifest", results / "manifest.tsv", "--lists", results / "lists",
        "--state", genus / "state.tsv",
    )  # fmt: skip


def test_listing_converting_and_drawing(by_hand, genus):
    done = listed(by_hand, genus)
    assert done.code == 0 and done.out == ""
    lines = done.err.splitlines()
    assert lines[0] == ("Aus: 6 photographs (5 ok, 1 unreadable) in 2 shards, 2 of them changed")
    assert lines[1].startswith(f"  unreadable: {genus / 'photographs' / 'bad.png'}: the file is")
    manifest = (genus / "results" / "manifest.tsv").read_text()
    (genus / "results" / "manifest.tsv").unlink()  # as Snakemake does before a job runs again
    assert "0 of them changed" in listed(by_hand, genus).err
    assert (genus / "results" / "manifest.tsv").read_text() == manifest

    done = by_hand(
        "convert_templates", "--genus", "Aus", "--round", "first", "--annotations",
        genus / "drawn.json", "--photographs", genus / "photographs", "--options",
        options_file(genus, structures={"head": None, "eye": {"parent": "head"}}),
        "--output", genus / "templates.json",
    )  # fmt: skip
    assert done.code == 0
    assert done.err.splitlines()[0] == "Aus, round first: 1 templates (1 head, 0 eye)"
    assert "left out 1 of 'tail'" in done.err and "'eye' is drawn on no" in done.err
    assert [t.specimen for t in read_templates(genus / "templates.json")] == ["s3"]

    arguments = ["--manifest", genus / "results" / "manifest.tsv", "--templates",
                 genus / "templates.json", "--options",
                 options_file(genus, pool_size=9, seed=3)]  # fmt: skip
    done = by_hand("draw_pool", *arguments, "--output", genus / "pool.tsv")
    assert done.code == 0
    assert "4 specimens drawn (all there are; 9 were wanted) of 6 photographs" in done.err
    pool = [row.specimen for row in read_list(genus / "pool.tsv")]
    assert pool == ["s1", "s2", "s4", "s5"]


def test_photographs_are_opened_again_where_the_options_are_newer(by_hand, genus):
    listed(by_hand, genus)
    state = genus / "state.tsv"
    rows = read_list(state)
    write_list(state, [replace(row, width=1) for row in rows])  # as of a preview
    listed(by_hand, genus)  # writes the options anew
    assert read_list(state) == rows
    write_list(state, [replace(row, width=1) for row in rows])
    os.utime(genus / "options.json", (1, 1))
    keep = genus / "options.json"
    by_hand(
        "list_specimens", "--genus", "Aus", "--folder", genus / "photographs", "--options", keep,
        "--manifest", genus / "m.tsv", "--lists", genus / "lists", "--state", state,
    )  # fmt: skip
    assert {row.width for row in read_list(genus / "m.tsv") if row.status == "ok"} == {1}


def test_mistakes_are_told_without_a_traceback(by_hand, genus):
    (genus / "drawn.json").write_text("")
    done = by_hand(
        "convert_templates", "--genus", "Aus", "--round", "first", "--annotations",
        genus / "drawn.json", "--photographs", genus / "photographs", "--options",
        options_file(genus, structures={"head": None}), "--output", genus / "templates.json",
    )  # fmt: skip
    assert done.code == 1 and "Traceback" not in done.err
    assert done.err.startswith(f"error: templates of genus Aus: {genus / 'drawn.json'}: the")
    assert not (genus / "templates.json").exists()


def test_scripts_find_the_library_when_run_by_hand(tmp_path):
    command = [sys.executable, SCRIPTS / "convert_templates.py", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0 and "--annotations" in done.stdout
