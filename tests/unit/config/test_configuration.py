"""Each mistake in the configuration has its own message, which names the file and the right word."""

import copy
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sam2pal.config.project import Project, check
from sam2pal.config.text_files import read_yaml
from sam2pal.io.errors import InputError
from sam2pal.morphometrics.measures.checking import check_structures

REPOSITORY = Path(__file__).resolve().parents[3]
CONFIG = {
    "genera": "config/genera.tsv",
    "templates": "config/templates.tsv",
    "structures": {"head": {}, "eye": {"parent": "head", "exclusive": False}},
    "rounds": {
        "untrained": {"templates": ["first"]},
        "trained": {"templates": ["first"], "train": {}},
        "refined": {"templates": ["first", "second"], "train": {}, "init": "trained"},
    },
}
GENERA = "genus\tspecimens\tpixels_per_mm\nAus\tdata/Aus\t12.5\nBus\tdata/Bus\t\n"
TEMPLATES = (
    "genus\tround\tannotations\n"
    "Aus\tfirst\tdata/Aus_first.json\n"
    "Aus\tsecond\tdata/Aus_second.json\n"
    "Bus\tfirst\tdata/Bus_first.json\n"
)


def change(*path: str, to: object) -> Callable[[dict, str, str], tuple[dict, str, str]]:
    """A change of a key of the configuration."""

    def apply(config: dict, genera: str, templates: str) -> tuple[dict, str, str]:
        place = config
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = to
        return config, genera, templates

    return apply


def genera(old: str, new: str) -> Callable[[dict, str, str], tuple[dict, str, str]]:
    return lambda config, table, templates: (config, table.replace(old, new), templates)


def templates(old: str, new: str) -> Callable[[dict, str, str], tuple[dict, str, str]]:
    return lambda config, table, templates: (config, table, templates.replace(old, new))


MISTAKES = {
    "measure of an index": (
        change("measurement", to={"indices": {"ci": "100 * head.widht / head.length"}}),
        "config/config.yaml: measurement: index 'ci' (100 * head.widht / head.length): unknown "
        "measure 'widht' of 'head' (did you mean 'width'?)",
    ),
    "structure of an index": (
        change("measurement", to={"indices": {"ci": "eyes.width / head.length"}}),
        "unknown structure 'eyes' (did you mean 'eye'?); known: head, eye, specimen",
    ),
    "a brace in a path": (
        change("specimen_table", to="s{a}.tsv"),
        "config/config.yaml: specimen_table: 's{a}.tsv' has a brace in it, which Snakemake would",
    ),
    "axis of outlines": (
        change("outlines", to={"axis": ["head", "tail"]}),
        "config/config.yaml: outlines: axis: unknown structure 'tail'; known: head, eye",
    ),
    "structure in body": (
        change("measurement", to={"body": ["haed"]}),
        "measurement: body: unknown structure 'haed' (did you mean 'head'?)",
    ),
    "measure left out": (
        change("measurement", to={"leave_out": ["lenght"]}),
        "measurement: leave_out: unknown measure 'lenght' (did you mean 'length'?)",
    ),
    "final round": (
        change("final_round", to="trainde"),
        "final_round: there is no round 'trainde' (did you mean 'trained'?)",
    ),
    "implausible scale": (
        genera("12.5", "0.02"),
        "line 2: 'Aus': 0.02 pixels per mm is implausible (expected 0.5 to 20000)",
    ),
    "unknown key": (
        change("roudns", to={}),
        "config/config.yaml: unknown key 'roudns' (did you mean 'rounds'?)",
    ),
    "unknown key below": (
        change("model", to={"nmae": "bundled"}),
        "config/config.yaml: model: unknown key 'nmae' (did you mean 'name'?)",
    ),
    "unknown key of a structure": (
        change("structures", "head", to={"wieght": 2}),
        "config/config.yaml: structures.head: unknown key 'wieght' (did you mean 'weight'?)",
    ),
    "unknown option of a round's training": (
        change("rounds", "trained", "train", to={"pool_szie": 2}),
        "config/config.yaml: rounds.trained.train: unknown key 'pool_szie' (did you mean 'pool_size'?)",
    ),
    "wrong type": (
        change("seed", to="one"),
        "config/config.yaml: seed: expected a whole number, found 'one'",
    ),
    "train without value": (
        change("rounds", "trained", "train", to=None),
        "config/config.yaml: rounds.trained.train: expected keys and values, found nothing; write {} to",
    ),
    "unknown choice": (
        change("device", to="gpu"),
        "config/config.yaml: device: 'gpu' is not one of auto, cuda, mps, cpu",
    ),
    "a whole number with an exponent": (
        change("seed", to="1e2"),
        "config/config.yaml: seed: expected a whole number, found '1e2'; write 100",
    ),
    "a whole number with a point": (
        change("seed", to=3.0),
        "config/config.yaml: seed: expected a whole number, found 3.0; write 3",
    ),
    "a label that YAML takes for false": (
        change("rounds", "trained", "templates", to=[False]),
        "config/config.yaml: rounds.trained.templates.0: expected text, found false; write it in quotes",
    ),
    "far too many pairs": (
        change("rounds", "trained", "train", to={"pairs": 1_000_000}),
        "config/config.yaml: rounds.trained.train.pairs: must be at most 256, found 1000000",
    ),
    "an endless index": (
        change("measurement", to={"indices": {"i": "+".join(["head.length"] * 90_000)}}),
        "config/config.yaml: measurement: index 'i': 1,079,999 characters are more than 2,000",
    ),
    "out of bounds": (
        change("shard_size", to=0),
        "config/config.yaml: shard_size: must be at least 1, found 0",
    ),
    "no rounds": (change("rounds", to={}), "config/config.yaml: rounds: must not be empty"),
    "unknown init": (
        change("rounds", "refined", "init", to="traned"),
        "config/config.yaml: rounds.refined.init: there is no round 'traned' (did you mean 'trained'?)",
    ),
    "init of itself": (
        change("rounds", "refined", "init", to="refined"),
        "config/config.yaml: rounds.refined.init: a round cannot start from itself",
    ),
    "init in a circle": (
        change("rounds", "trained", "init", to="refined"),
        "config/config.yaml: rounds.trained.init: 'refined' starts from 'trained' in turn",
    ),
    "init untrained": (
        change("rounds", "refined", "init", to="untrained"),
        "config/config.yaml: rounds.refined.init: the round 'untrained' is not trained, so nothing",
    ),
    "bad name of a round": (
        change("rounds", "second try", to={"templates": ["first"]}),
        "config/config.yaml: rounds.second try: round 'second try' becomes the name of a folder",
    ),
    "round without templates": (
        change("rounds", "trained", "templates", to=["frist"]),
        "config/config.yaml: rounds.trained.templates: no genus has templates of the round 'frist' in "
        "config/templates.tsv (did you mean 'first'?)",
    ),
    "unknown parent": (
        change("structures", "eye", to={"parent": "haed"}),
        "config/config.yaml: structures.eye.parent: there is no structure 'haed' (did you mean 'head'?)",
    ),
    "parents in a circle": (
        change("structures", "head", to={"parent": "eye"}),
        "config/config.yaml: structures.head.parent: 'head' would be a part of itself (head in eye in head)",
    ),
    "missing table": (
        change("genera", to="config/genra.tsv"),
        "config/genra.tsv: there is no such file",
    ),
    "missing specimen table": (
        change("specimen_table", to="config/specimens.csv"),
        "specimen_table: the table does not exist: config/specimens.csv",
    ),
    "missing column": (
        genera("specimens", "folder"),
        "config/genera.tsv: the column 'specimens' is missing; its columns are genus, folder",
    ),
    "unknown column": (
        templates("annotations", "annotations\tphotos"),
        "config/templates.tsv: unknown column 'photos' (did you mean 'photographs'?)",
    ),
    "a row with commas": (
        genera("Bus\tdata/Bus\t", "Bus,data/Bus"),
        "config/genera.tsv: line 3: genus 'Bus,data/Bus' becomes the name of a folder",
    ),
    "a row with a cell too many": (
        genera("Bus\tdata/Bus\t", "Bus\tdata/Bus\t\t7"),
        "config/genera.tsv, line 3: 4 cells for 3 columns; the cell '7' is in no named column",
    ),
    "an empty cell": (
        genera("Bus\tdata/Bus\t", "Bus\t\t"),
        "config/genera.tsv: line 3: the column 'specimens' is empty",
    ),
    "no rows": (
        lambda config, table, templates: (config, table.splitlines()[0], templates),
        "config/genera.tsv: no row below the header; add one at least",
    ),
    "genus twice": (
        genera("Bus\t", "Aus\t"),
        "config/genera.tsv: line 3: genus 'Aus' has a second row; remove one of them",
    ),
    "bad name of a genus": (
        genera("Bus\t", "Bus bus\t"),
        "config/genera.tsv: line 3: genus 'Bus bus' becomes the name of a folder",
    ),
    "reserved name": (
        genera("Bus\t", "tables\t"),
        "config/genera.tsv: line 3: genus 'tables' is the name of a folder of the workflow itself",
    ),
    "scale of zero": (
        genera("12.5", "0"),
        "config/genera.tsv: line 2: pixels_per_mm of 'Aus' is '0'; give a number above 0",
    ),
    "scale in words": (
        genera("12.5", "12,5"),
        "config/genera.tsv: line 2: pixels_per_mm of 'Aus' is '12,5'; give a number above 0 (how many "
        "pixels are a millimetre), or leave it empty to measure in pixels; the decimal sign is a point: "
        "write 12.5",
    ),
    "missing folder": (
        genera("data/Bus", "data/bus"),
        "config/genera.tsv: the folder of specimens of 'Bus' does not exist: data/bus",
    ),
    "file for a folder": (
        genera("data/Bus\t", "data/Bus_first.json\t"),
        "config/genera.tsv: the folder of specimens of 'Bus' is not a folder: data/Bus_first.json",
    ),
    "landmarks that nothing reads": (
        genera(
            "pixels_per_mm\nAus\tdata/Aus\t12.5", "landmarks\nAus\tdata/Aus\tdata/Aus_first.json"
        ),
        "config/genera.tsv: the landmarks of 'Aus' are not used, as the configuration has no `outlines`",
    ),
    "missing annotations": (
        templates("data/Bus_first.json", "data/Bus.json"),
        "config/templates.tsv: the file of annotations of 'Bus', round 'first', does not exist",
    ),
    "backslashes": (
        templates("data/Bus_first.json", "data\\Bus_first.json"),
        "does not exist: data\\Bus_first.json (write '/' instead of the backslashes)",
    ),
    "genus only in templates": (
        templates("Bus\t", "Buss\t"),
        "config/templates.tsv: line 4: genus 'Buss' has no row in genera.tsv (did you mean 'Bus'?)",
    ),
    "genus without templates": (
        templates("Bus\tfirst\tdata/Bus_first.json\n", ""),
        "config/templates.tsv: genus 'Bus' has no row for any round of the configuration",
    ),
    "no template where it starts": (
        templates("Bus\tfirst", "Bus\tsecond"),
        "config/templates.tsv: genus 'Bus' has templates for the round 'refined', but none for the round "
        "'trained' it starts from",
    ),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the files the tables name."""
    monkeypatch.chdir(tmp_path)
    for genus in ("Aus", "Bus"):
        (tmp_path / "data" / genus).mkdir(parents=True)
        for label in ("first", "second"):
            (tmp_path / f"data/{genus}_{label}.json").write_text("{}")
    (tmp_path / "config").mkdir()
    return tmp_path


def checked(config: dict, genera: str = GENERA, templates: str = TEMPLATES) -> Project:
    Path("config/genera.tsv").write_text(genera)
    Path("config/templates.tsv").write_text(templates)

    def columns(options, structures):
        check_structures(options, structures)
        return ["iou"]

    return check(config, "config/config.yaml", columns, lambda path: False)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_named(folder: Path, mistake: str) -> None:
    apply, message = MISTAKES[mistake]
    with pytest.raises(InputError) as error:
        checked(*apply(copy.deepcopy(CONFIG), GENERA, TEMPLATES))
    assert message in str(error.value)


def test_a_folder_that_snakemake_cannot_work_in(folder: Path, monkeypatch) -> None:
    place = folder / "a{1}"
    (place / "config").mkdir(parents=True)
    monkeypatch.chdir(place)
    with pytest.raises(InputError, match=r"a\{1\}: it has a brace in it, .* rename the folder"):
        checked(CONFIG)


YAML_MISTAKES = {
    "a: 1\nb: 2\na: 3": "line 3: the key 'a' is also in line 1, and YAML would use only the last one",
    "rounds:\n  on: {}": "line 2: YAML reads the key on as true or false, not as text; write it in",
    "rounds:\n  2020-01-01: {}": "YAML reads the key 2020-01-01 as a date",
    "rounds: {1: {}}": "YAML reads the key 1 as a number",
    "~: 1": "YAML reads the key ~ as nothing",
    "? [a]\n: 1": "line 1: a key must be text, found a list",
    "seed: 010": "line 1: YAML takes 010 for another number",
    "seed: 1:30": "YAML takes 1:30 for another number",
    "a: &a {b: *a}": "an alias",
    "a: " + "[" * 60 + "]" * 60: "more than 40 levels of keys or lists",
    "a: 1\n---\nb: 2": "it holds two documents",
    "a: !!python/object/apply:os.system [ls]": "could not determine a constructor",
    "a: \0": "cannot be read as JSON or YAML",
    "a:\n\t- 1": "line 2, column 1: this is not YAML",
    "a: " + "9" * 5000: "cannot be read as JSON or YAML",
    "a: 2020-99-99": "cannot be read as JSON or YAML",
}
BOMB = "a: &a {x: 1}\n" + "".join(
    f"{key}: &{key} {{{', '.join(f'k{i}: *{before}' for i in range(9))}}}\n"
    for before, key in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize("text", YAML_MISTAKES)
def test_what_yaml_lets_pass_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_yaml(path)
    assert str(path) in str(caught.value) and YAML_MISTAKES[text] in str(caught.value)


def test_files_that_are_no_configuration_are_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    for content, expected in (
        (BOMB.encode(), "aliases (*) repeat it to more than 100,000 values"),
        ("a: 1\nb: K\xe4fer".encode("latin-1"), "line 2: this is not text in UTF-8"),
        ("a: 1".encode("utf-16"), "line 1: this is not text in UTF-8"),
        (b"#" * (1 << 20) + b"\na: 1", "bytes are more than 1,048,576"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=re.escape(expected)):
            read_yaml(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(InputError, match="not a regular file"):
        read_yaml(path)


def test_aliases_and_merges_of_usual_size_are_read(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("\ufeffa: &a {x: 1}\nb: {<<: *a, y: 2}\n", encoding="utf-8")
    assert read_yaml(path) == {"a": {"x": 1}, "b": {"x": 1, "y": 2}}


def test_metadata_may_not_be_called_as_a_column_of_the_results(folder: Path) -> None:
    with pytest.raises(InputError, match="column 'iou' has the name of a column of the results"):
        checked(CONFIG, GENERA.replace("pixels_per_mm", "iou"))


def test_a_quote_that_is_not_closed_swallows_no_row(folder: Path) -> None:
    with pytest.raises(InputError, match='folder of specimens of .Aus. does not exist: "data/Aus'):
        checked(CONFIG, GENERA.replace("data/Aus", '"data/Aus'))
    with pytest.raises(InputError, match="line 3: a cell of 200,000 characters"):
        checked(CONFIG, GENERA.replace("data/Bus", "x" * 200_000))
    with pytest.raises(InputError, match="line 3: this is not text"):
        checked(CONFIG, GENERA.replace("data/Bus", "data/\0us"))


def test_runs_are_pairs_that_have_templates(folder: Path) -> None:
    config = copy.deepcopy(CONFIG)
    config["rounds"]["later"] = {"templates": ["second"]}
    project = checked(config)
    assert list(project.runs) == [
        *(("Aus", name) for name in ("untrained", "trained", "refined", "later")),
        *(("Bus", name) for name in ("untrained", "trained", "refined")),
    ]
    assert [row.annotations for row in project.runs["Aus", "refined"]] == [
        "data/Aus_first.json",
        "data/Aus_second.json",
    ]
    assert [row.annotations for row in project.runs["Bus", "refined"]] == ["data/Bus_first.json"]
    assert project.runs["Bus", "refined"][0].photographs == "data/Bus"
    assert project.genera["Aus"].pixels_per_mm == 12.5
    assert project.genera["Bus"].pixels_per_mm is None


def test_further_columns_are_metadata_and_comma_tables_end_in_csv(folder: Path) -> None:
    Path("config/genera.csv").write_text(
        'genus,specimens,country\nAus,data/Aus,"Italy, north"\nBus,data/Bus,\n\n', "utf-8-sig"
    )
    project = checked(copy.deepcopy(CONFIG) | {"genera": "config/genera.csv"})
    assert project.genera["Aus"].metadata == {"country": "Italy, north"}
    assert project.genera["Bus"].metadata == {"country": ""}


def test_the_table_of_genera_as_a_spreadsheet_saved_it(folder: Path) -> None:
    changed = GENERA.replace("genus", "Genus").replace("12.5", "12.5 ").replace("\t", ";")
    Path("config/saved.tsv").write_text(changed.replace("\n", ";;\n"), "utf-16")
    project = checked(copy.deepcopy(CONFIG) | {"genera": "config/saved.tsv"})
    assert {name: of.pixels_per_mm for name, of in project.genera.items()} == {
        "Aus": 12.5,
        "Bus": None,
    }
    for note in ("separated by a semicolon", "read as UTF-16"):
        assert sum(note in said for said in project.notes) == 1


def test_truth_that_is_said_to_be_missing(folder: Path) -> None:
    genera = "genus\tspecimens\ttruth\nAus\tdata/Aus\tNA\nBus\tdata/Bus\t-\n"
    assert {genus.truth for genus in checked(CONFIG, genera).genera.values()} == {None}


def test_photographs_of_many_specimens(folder: Path) -> None:
    Path("config/boxes").mkdir()
    for name in ("b.json", "a.json", "notes.txt"):
        Path("config/boxes", name).write_text("{}")
    genera = "genus\tspecimens\tlayout\tboxes\nAus\tdata/Aus\tMany\tconfig/boxes\n"
    found = checked(CONFIG, genera + "Bus\tdata/Bus\t\t\n").genera
    assert (found["Aus"].layout, found["Bus"].layout) == ("many", "single")
    assert found["Aus"].box_files == ["config/boxes/a.json", "config/boxes/b.json"]
    assert found["Bus"].box_files == []
    found = checked(CONFIG, genera.replace("Many", "Auto") + "Bus\tdata/Bus\t\t\n").genera
    assert found["Aus"].layout == "auto"
    with pytest.raises(InputError, match="layout of 'Aus' is 'tray'; write single, many"):
        checked(CONFIG, genera.replace("Many", "tray") + "Bus\tdata/Bus\t\t\n")
    with pytest.raises(
        InputError, match="the file or folder of boxes of 'Aus' does not exist: config/none"
    ):
        checked(CONFIG, genera.replace("config/boxes", "config/none") + "Bus\tdata/Bus\t\t\n")


def test_a_folder_below_home(folder: Path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    own = {"name": "own", "checkpoint": "~/own.pt", "config": "~/own.yaml"}
    for key in ("checkpoint", "config"):
        (folder / Path(own[key]).name).touch()
    project = checked(CONFIG | {"model": own}, GENERA.replace("data/Bus", "~/data/Bus"))
    assert project.genera["Bus"].specimens == f"{folder}/data/Bus"
    model = project.configuration.model
    assert (model.checkpoint, model.config) == (f"{folder}/own.pt", f"{folder}/own.yaml")


def test_a_round_overrides_training(folder: Path) -> None:
    config = copy.deepcopy(CONFIG) | {"training": {"steps": 20, "views": 3}, "model": None}
    config["rounds"]["trained"]["train"] = {"steps": 5}
    project = checked(config)
    assert project.configuration.seed == 1 and project.configuration.model.name == "bundled"
    trained = [project.rounds[name].train for name in ("untrained", "trained", "refined")]
    assert trained[0] is None
    assert [(train.steps, train.views) for train in trained[1:]] == [(5, 3), (20, 3)]


def test_a_mistake_in_training_is_told_once(folder: Path) -> None:
    with pytest.raises(InputError) as error:
        checked(copy.deepcopy(CONFIG) | {"training": {"steps": 0}})
    assert str(error.value) == ("config/config.yaml: training.steps: must be at least 1, found 0")


def test_files_the_workflow_makes_need_not_exist(folder: Path) -> None:
    genera = GENERA.replace("data/Bus\t", "made/Bus\t")
    with pytest.raises(InputError, match="does not exist: made/Bus"):
        checked(copy.deepcopy(CONFIG), genera)
    config = copy.deepcopy(CONFIG)
    assert check(
        config, "config.yaml", check_structures, made=lambda path: path.startswith("made/")
    )


def test_results_do_not_lie_among_photographs(folder: Path) -> None:
    written = ["data/Aus/results", "elsewhere/resources"]
    checked(values := copy.deepcopy(CONFIG))
    no = lambda path: False  # noqa: E731
    assert check(values, "config.yaml", check_structures, no, written=written[1:])
    with pytest.raises(InputError) as error:
        check(values, "config.yaml", check_structures, no, written=written)
    assert "the folder of specimens of 'Aus' (data/Aus) holds data/Aus/results," in str(error.value)
    assert "Bus" not in str(error.value)


def test_all_corrections_are_read_or_named(folder: Path) -> None:
    place = folder / "config/corrections"
    for name in ("Aus/corrections.json", "Aus/anna/corrections (1).JSON", "Aus/anna/a.json.txt", "both.Json",
                 "Aus/.hidden.json", "Aus/Thumbs.db", "@eaDir/a.json", "__MACOSX/Aus/a.json"):  # fmt: skip
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text("{}")
    (place / "Aus/anna/again").symlink_to(place / "Aus")
    own = ["Aus/corrections.json", "Aus/anna/corrections (1).JSON"]
    found = checked(copy.deepcopy(CONFIG))
    assert found.corrections == {
        genus: [f"config/corrections/{name}" for name in names]
        for genus, names in (("Aus", [*own, "both.Json"]), ("Bus", ["both.Json"]))
    }
    assert [note for note in found.notes if "not read" in note] == [
        "config/corrections/Aus/anna/a.json.txt: it is not read; corrections are files that end in .json"
    ]
    (place / "Aus").rename(place / "Auss")
    with pytest.raises(InputError, match=r"corrections/Auss: genus 'Auss' .*did you mean 'Aus'"):
        checked(copy.deepcopy(CONFIG))


def test_a_folder_of_corrections_that_is_named_must_exist(folder: Path) -> None:
    with pytest.raises(
        InputError, match="corrections: the folder of corrections does not exist: korr"
    ):
        checked(copy.deepcopy(CONFIG) | {"corrections": "korr"})
    (folder / "korr").mkdir()
    checked(copy.deepcopy(CONFIG) | {"corrections": "korr"})
    assert not checked(copy.deepcopy(CONFIG)).corrections
    (folder / "config/corrections").write_text("{}")
    with pytest.raises(InputError, match="the folder of corrections is not a folder: config/corr"):
        checked(copy.deepcopy(CONFIG))


def test_one_genus_does_not_lie_within_another(folder: Path) -> None:
    (folder / "data/Aus/sub").mkdir()
    (folder / "link").symlink_to(folder / "data/Aus")
    for inner in ("data/Aus/sub", "link/sub"):
        with pytest.raises(InputError, match=f"'Bus' .{inner}. lie within the folder of 'Aus'"):
            checked(copy.deepcopy(CONFIG), GENERA.replace("data/Bus", inner))
    project = checked(copy.deepcopy(CONFIG), GENERA.replace("data/Bus", "link"))
    assert any("'Bus' has the same photographs as 'Aus'" in note for note in project.notes)


def test_many_problems_are_cut_short(folder: Path) -> None:
    rows = "".join(f"Aus {number}\tdata/Aus\t\n" for number in range(20))
    with pytest.raises(InputError) as error:
        checked(copy.deepcopy(CONFIG), GENERA + rows)
    assert str(error.value).count("\n") == 8 and "... and 12 more" in str(error.value)


def test_missing_keys_are_all_named() -> None:
    with pytest.raises(InputError) as error:
        check({}, "config.yaml", check_structures)
    assert str(error.value).splitlines() == [
        f"config.yaml: the key '{key}' is missing"
        for key in ("genera", "rounds", "structures", "templates")
    ]


def test_a_configuration_is_checked_without_numerical_packages() -> None:
    code = (
        "import sys, sam2pal.config.project, sam2pal.config.stages\n"
        "print(sorted({'numpy', 'pandas'} & set(sys.modules)))"
    )
    scripts = str(REPOSITORY / "scripts")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=scripts, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
