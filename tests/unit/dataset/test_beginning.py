"""Beginning a project, running it from its own folder, and asking how far it is."""

import json
import os
import signal
from collections import Counter
from pathlib import Path

import pytest
import yaml
from running import REPOSITORY, make_project, outline, photographs

from sam2pal import __main__ as command
from sam2pal.config.project import check
from sam2pal.config.tables import name_problem
from sam2pal.dataset import beginning
from sam2pal.dataset.findings import Findings
from sam2pal.images.folder import Folder
from sam2pal.io.errors import InputError
from sam2pal.io.progress import Progress


def call(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["sam2pal", *map(str, arguments)])
    command.program()


def checked():
    values = yaml.safe_load(Path("config/config.yaml").read_text())
    project = check(values, "config/config.yaml", lambda *_: (), lambda _: False)
    folders = {name: Folder(genus.specimens) for name, genus in project.genera.items()}
    return project, Findings(project, folders, lambda _: False, [], Path("found.json")).problems


def test_one_genus_is_ready_to_run(tmp_path, monkeypatch, capsys):
    photographs(tmp_path / "Carabus/images", range(6))
    outline(tmp_path / "drawn.json", [0, 3])
    drawn = json.loads((tmp_path / "drawn.json").read_text())
    drawn["annotations"].append(drawn["annotations"][0] | {"id": 5})  # the head in two pieces
    (tmp_path / "drawn.json").write_text(json.dumps(drawn))
    folder = tmp_path / "my beetles"
    call(monkeypatch, "init", folder, "--photographs", tmp_path / "Carabus/images", "--annotations",
         tmp_path / "drawn.json")  # fmt: skip
    said = capsys.readouterr().out
    assert "Carabus: 6 photographs, 2 of them outlined" in said
    assert "structures: head (2), eye (2)" in said and "lengths are in pixels" in said
    assert f"next: cd '{folder}' && " in said and said.endswith(" run -n\n")
    monkeypatch.chdir(folder)
    project, found = checked()
    assert list(project.runs) == [("Carabus", "untrained"), ("Carabus", "trained")]
    assert list(project.configuration.structures) == ["head", "eye"]
    assert project.configuration.structures["eye"].parent == "head"
    assert project.configuration.measurement.body == ["head"]
    assert not found
    with pytest.raises(InputError, match="config.yaml: it exists and is not overwritten"):
        call(monkeypatch, "init", ".", "--photographs", tmp_path / "Carabus/images")


def test_several_genera_in_folders_of_their_own(tmp_path, monkeypatch, capsys):
    for seed, genus in enumerate(("Aus", "Bus cus", "tables")):
        photographs(tmp_path / "photos" / genus, range(seed * 10, seed * 10 + 3), seed)
    outline(tmp_path / "photos/drawn.json", [0, 10])
    with pytest.raises(
        InputError, match="outlines of 'tables_': none of its 3 photographs"
    ) as error:
        call(monkeypatch, "init", tmp_path, "--photographs", tmp_path / "photos", "--annotations",
             tmp_path / "photos/drawn.json")  # fmt: skip
    assert "Bus_cus" not in str(error.value)
    genera = (tmp_path / "config/genera.tsv").read_text().splitlines()
    assert genera[1:] == [
        "Aus\tphotos/Aus\t\t",
        "Bus_cus\tphotos/Bus cus\t\t",
        "tables_\tphotos/tables\t\t",
    ]
    templates = (tmp_path / "config/templates.tsv").read_text().splitlines()
    assert templates[1:] == ["Aus\tfirst\tphotos/drawn.json", "Bus_cus\tfirst\tphotos/drawn.json"]


def test_every_genus_has_a_name_of_its_own(tmp_path, monkeypatch):
    long = "Aus" * 40
    for seed, genus in enumerate(
        ("Bus cus", "Bus_cus", "bus-cus", "Жук", "Муха", long, long + "2")
    ):
        photographs(tmp_path / "photos" / genus, range(seed, seed + 1), seed)
    with pytest.raises(InputError, match="before the first run"):
        call(monkeypatch, "init", tmp_path, "--photographs", tmp_path / "photos")
    lines = (tmp_path / "config/genera.tsv").read_text().splitlines()[1:]
    names = [line.split("\t")[0] for line in lines]
    expected = {"Bus_cus", "Bus_cus_2", "bus-cus", "Genus", "Genus_2", long[:95], f"{long[:95]}_2"}
    assert set(names) == expected and len(names) == len(expected)
    assert [name_problem("genus", name) for name in names] == [None] * len(names)


def test_one_folder_of_photographs_is_a_genus(tmp_path, monkeypatch, capsys):
    photographs(tmp_path / "photos/Aus", range(3))
    outline(tmp_path / "drawn.json", [0])
    call(monkeypatch, "init", tmp_path, "--photographs", tmp_path / "photos", "--annotations",
         tmp_path / "drawn.json")  # fmt: skip
    assert capsys.readouterr().out.startswith("Aus: 3 photographs, 1 of them outlined")
    assert (tmp_path / "config/genera.tsv").read_text().splitlines()[1] == "Aus\tphotos/Aus\t\t"


def test_without_outlines_it_says_what_is_missing(tmp_path, monkeypatch):
    photographs(tmp_path / "Aus", range(2))
    with pytest.raises(InputError, match="outlines: draw the structures on one to five specimens"):
        call(monkeypatch, "init", tmp_path, "--photographs", tmp_path / "Aus")
    assert (tmp_path / "config/config.yaml").is_file()


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--photographs", "nowhere"], "nowhere: the folder does not exist"),
        (["--photographs", "empty"], "empty: there is no photograph in it"),
        (["--photographs", "Aus", "--annotations", "none.json"], "there is no such file"),
        (
            ["--photographs", "Aus", "--annotations", "other.json"],
            "no photograph in Aus is called so",
        ),
        (["--photographs", "Aus", "--annotations", "bare.json"], "nothing is outlined in it"),
    ],
)
def test_what_cannot_be_begun(tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    photographs(tmp_path / "Aus", range(2))
    outline(tmp_path / "other.json", [77])
    outline(tmp_path / "bare.json", [])
    with pytest.raises(InputError, match=said):
        call(monkeypatch, "init", "mine", *arguments)
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("folder", [".", "photos/project"])
def test_a_project_does_not_begin_among_its_photographs(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / ("photos" if "/" in folder else "")
    photographs(place, range(2))
    with pytest.raises(InputError, match="a run writes would become specimens"):
        call(monkeypatch, "init", folder, "--photographs", place)
    assert not list(tmp_path.rglob("config"))


def test_names_of_structures_are_yaml_that_reads_back(tmp_path):
    photographs(tmp_path / "Aus", range(3))
    outline(tmp_path / "drawn.json", [0])
    found = beginning.find_content(tmp_path / "Aus", [tmp_path / "drawn.json"])
    found.labels.update({"no": 1, "12": 1, "left eye": 1, "antenna: scape": 1, "ωτα": 1})
    found.labels["scale_bar"] = found.labels["cardo"] = 1
    beginning.write_project(tmp_path / "mine", found)
    config = yaml.safe_load((tmp_path / "mine/config/config.yaml").read_text())
    assert list(config["structures"]) == [
        "head",
        "eye",
        "no",
        "12",
        "left eye",
        "antenna: scape",
        "ωτα",
        "scale_bar",
        "cardo",
    ]
    assert config["measurement"]["curved"] == ["antenna: scape"]
    assert {"scale_bar", "antenna: scape"}.isdisjoint(config["measurement"]["body"])
    assert {"head", "cardo"} <= {*config["measurement"]["body"]}


def test_structures_drawn_within_others_are_parts_of_the_innermost(tmp_path, monkeypatch):
    photographs(tmp_path / "Aus", range(3))
    outline(tmp_path / "drawn.json", [0])
    drawn = json.loads((tmp_path / "drawn.json").read_text())
    (image,) = drawn["images"]
    boxes = {"ocellus": (9, 9, 12, 12), "face": (6, 6, 20, 20), "animal": (2, 2, 30, 24)}
    boxes["tail"] = (21, 6, 34, 12)  # a part of it beyond the animal
    names = list(boxes)
    drawn["categories"] = [{"id": n, "name": name} for n, name in enumerate(names)]
    drawn["annotations"] = [
        {"id": n, "image_id": image["id"], "category_id": n, "segmentation": [[a, b, c, b, c, d, a, d]]}
        for n, (a, b, c, d) in enumerate(boxes.values())
    ]  # fmt: skip
    (tmp_path / "drawn.json").write_text(json.dumps(drawn))
    found = beginning.find_content(tmp_path / "Aus", [tmp_path / "drawn.json"])
    assert found.parents == {"ocellus": "face", "face": "animal", "tail": "animal"}
    monkeypatch.chdir(tmp_path)
    beginning.write_project(Path("mine"), found)
    config = yaml.safe_load(Path("mine/config/config.yaml").read_text())
    assert config["structures"]["ocellus"] == {"parent": "face"}
    assert config["measurement"]["body"] == ["animal"]


def refused(dir):
    raise PermissionError(13, "Permission denied")


def test_run_calls_snakemake_here_with_the_workflow_of_the_repository(
    tmp_path, monkeypatch, request
):
    before = signal.getsignal(signal.SIGINT)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="sam2pal init FOLDER"):
        call(monkeypatch, "run", "-n")
    make_project(tmp_path)
    with (
        monkeypatch.context() as full,
        pytest.raises(InputError, match="nothing can be written here"),
    ):
        full.setattr(command.tempfile, "TemporaryFile", refused)
        call(monkeypatch, "run")
    called = []

    def run(words):
        called.append(words)
        os.kill(os.getpid(), signal.SIGINT)  # Ctrl-C: the call waits until Snakemake has ended
        return 3

    monkeypatch.setattr(command.subprocess, "call", run)

    def ends(*words):
        with pytest.raises(SystemExit) as ended:
            call(monkeypatch, "run", *words)
        return ended.value.code

    assert ends("-n", "--quiet") == 3
    assert called[0][3:] == ["--snakefile", f"{REPOSITORY}/workflow/Snakefile", "-n", "--quiet"]
    assert ends("-n") == 3
    assert called[1][-4:] == ["--quiet", "rules", "reason", "host"]
    assert ends("-p") == 3 and called[2][-1] == "-p"
    assert ends("-c", "1", "--", "a.csv") == 3
    assert called[3][5:] == ["-c", "1", "--quiet", "rules", "reason", "host", "--", "a.csv"]
    assert (REPOSITORY / "workflow/profiles/default/config.yaml").is_file()  # Snakemake looks there
    (tmp_path / ".snakemake/locks").mkdir(parents=True)
    (tmp_path / ".snakemake/locks/0.input.lock").touch()
    assert ends("-n") == ends("--unlock") == 3
    with pytest.raises(InputError, match="or was killed. .* sam2pal run --unlock"):
        call(monkeypatch, "run")
    with (
        Progress(tmp_path / "logs/Aus/measure.log.state", "specimen", 2),
        pytest.raises(InputError, match=r"another run is going on here \(Aus/measure\)"),
    ):
        call(monkeypatch, "run")


def test_status_says_what_runs_waits_and_failed(tmp_path, monkeypatch, capsys):
    make_project(tmp_path)
    with Progress(tmp_path / "logs/Aus/trained/train_palindrome.log.state", "step", 2) as bar:
        bar.update()
        bar.say("loss 0.5")
        with (
            pytest.raises(InputError),
            Progress(tmp_path / "logs/Bus/trained/measure.log.state", "a", 2),
        ):
            raise InputError("shards/0001.json: damaged")
        state = {"status": "running", "done": 1, "total": 6, "unit": "specimen", "seconds_each": None,
                 "seconds_left": None, "seconds": 60, "text": "", "error": "", "host": "n1"}  # fmt: skip
        old = tmp_path / "logs/Aus/untrained/segment_shard/0001.log.state"
        old.parent.mkdir(parents=True)
        old.write_text(json.dumps(state))
        os.utime(old, (1, 1))
        monkeypatch.chdir(tmp_path)
        call(monkeypatch, "status")
    said = capsys.readouterr().out
    assert "running: 1\n  Aus/trained/train_palindrome (" in said and "step 1 of 2" in said
    assert (
        "silent: 1\n  Aus/untrained/segment_shard/0001: specimen 1 of 6, 1:00 so far; silent for"
        in said
    )
    assert "failed: 1\n  Bus/trained/measure: shards/0001.json: damaged" in said
    assert "To do: 36 specimens to segment (all rounds together), 4 trainings" in said
    with pytest.raises(InputError, match="give the folder of the project"):
        call(monkeypatch, "status", tmp_path / "data")


@pytest.mark.parametrize(
    "words", [("--configfile", "good.yaml", "bad.yaml"), ("-n", "--configfile=bad.yaml", "--quiet")]
)
def test_run_names_a_configuration_that_snakemake_could_not_read(tmp_path, monkeypatch, words):
    make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.yaml").write_text("seed: 1\n", encoding="utf-8")
    (tmp_path / "bad.yaml").write_text("seed: 1\n", encoding="utf-16")
    monkeypatch.setattr(command.subprocess, "call", lambda words: pytest.fail("it was called"))
    with pytest.raises(InputError, match=r"bad\.yaml, line 1: this is not text in UTF-8; save"):
        call(monkeypatch, "run", *words)


def test_the_body_goes_from_front_to_rear(tmp_path):
    labels = Counter({"antennae": 3, "elytra": 2, "scutellum": 2, "head": 1, "Pronotum": 1})
    beginning.write_project(tmp_path, beginning.ProjectContent([], labels))
    measurement = yaml.safe_load((tmp_path / "config/config.yaml").read_text())["measurement"]
    assert measurement["body"] == ["head", "Pronotum", "scutellum", "elytra"]
