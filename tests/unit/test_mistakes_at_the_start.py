"""What a person is told of their mistakes before any job runs, without Snakemake.

Others stand in `config/test_configuration.py`, `dataset/test_findings.py` and `dataset/test_preview.py`.
"""

import copy
import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from running import CONFIG, make_project

from sam2pal.config.checking import refuse
from sam2pal.config.project import check
from sam2pal.config.stages import read_mapping
from sam2pal.dataset.convert import convert
from sam2pal.dataset.findings import Findings
from sam2pal.dataset.manifest import build_manifest
from sam2pal.dataset.plan import of_corrections
from sam2pal.dataset.pool import draw_pool
from sam2pal.images.folder import Folder
from sam2pal.io.errors import InputError
from sam2pal.morphometrics.measures.checking import check_structures


def answer(folder: Path) -> str:
    """What is said of a project: the error that stops it, or else what is noticed."""
    no = lambda _: False  # noqa: E731
    try:
        values = read_mapping(Path("config/config.yaml"))
        project = check(values, "config/config.yaml", check_structures, no)
        folders = {name: Folder(genus.specimens) for name, genus in project.genera.items()}
        findings = Findings(project, folders, no, {"length"}, folder / "findings.json")
        refuse([*findings.errors, *findings.problems], "")
    except InputError as error:
        return f"error: {error}"
    waiting = [] if project.corrections else of_corrections(project, {})
    return "; ".join(f"warning: {text}" for text in [*findings.notes, *waiting])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A project without a mistake."""
    return make_project(tmp_path_factory.mktemp("whole")).folder


@pytest.fixture
def project(whole, tmp_path, monkeypatch):
    """A copy of it, as the current folder."""
    shutil.copytree(whole, tmp_path / "mine")
    monkeypatch.chdir(tmp_path / "mine")
    return tmp_path / "mine"


def keys(**changes):
    """Replace keys of config.yaml."""

    def edit():
        values = copy.deepcopy(CONFIG) | changes
        Path("config/config.yaml").write_text(yaml.safe_dump(values, sort_keys=False))

    return edit


def rounds(**changes):
    return keys(rounds=copy.deepcopy(CONFIG["rounds"]) | changes)


def yaml_text(old, new):
    return text("config.yaml", old, new)


def text(file, old, new, count=1):
    """Replace text in a file of config/."""

    def edit():
        path = Path("config", file)
        content = path.read_text()
        assert old in content
        path.write_text(content.replace(old, new, count))

    return edit


def genera(old, new, count=1):
    return text("genera.tsv", old, new, count)


def templates(old, new, count=1):
    return text("templates.tsv", old, new, count)


def content(file, data):
    def edit():
        Path("config", file).write_bytes(data)

    return edit


def specimens(lines, name="config/specimens.csv"):
    def edit():
        Path("config/specimens.csv").write_text(lines)
        keys(specimen_table=name)()

    return edit


def both(*edits):
    return lambda: [edit() for edit in edits]


def copied(path, name):
    def edit():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, name)

    return edit


ALIKE = {"once": "alike", "alike": "zoom"}
IN_YAML = {
    "a tab": (
        yaml_text("  untrained", "\tuntrained"),
        r"config.yaml, line \d+, column \d+: .*character",
    ),
    "a bracket left open": (yaml_text("seed: 1", "seed: [1"), r"config.yaml, line \d+, column \d+"),
    "no blank after a colon": (yaml_text("seed: 1", "seed:1"), r"config.yaml, line 2, column"),
    "a quote left open": (yaml_text("seed: 1", 'seed: "1'), r"config.yaml, line \d+, column"),
    "a list": (content("config.yaml", b"- seed\n"), "expected keys and values"),
    "nothing in it": (content("config.yaml", b""), "the key 'genera' is missing"),
    "not UTF-8": (content("config.yaml", b"seed: \xe4\n"), "config.yaml, line 1: .*UTF-8"),
}
IN_KEYS = {
    "a percentage": (keys(low_confidence=50.0), "low_confidence: must be at most 1, found 50"),
    "a number that YAML takes for text": (
        keys(training={"learning_rate": "1e-4"}),
        r"learning_rate: expected a number, found '1e-4' \(text; write 1.0e-4\)",
    ),
    "no structures": (keys(structures={}), "structures: must not be empty"),
    "a structure drawn and not named": (
        keys(structures={"head": None}),
        "warning: .*left out .* of 'eye', which is not among the structures",
    ),
    "a round without templates": (
        rounds(untrained={"templates": []}), "rounds.untrained.templates: must not be empty"
    ),
    "steps in words": (
        rounds(trained={"templates": ["first"], "train": {"steps": "many"}}),
        "rounds.trained.train.steps: expected a whole number, found 'many'",
    ),
    "an init without training": (
        rounds(refined={"templates": ["first"], "init": "trained"}),
        "the round has no `train`, so nothing starts from 'trained'",
    ),
    "a round called as a folder of the workflow": (
        rounds(lists={"templates": ["first"]}), "'lists' is the name of a folder"
    ),
    "a round called as a folder of shapes": (
        rounds(shapes={"templates": ["first"]}), "'shapes' is the name of a folder"
    ),
    "a round twice but for case": (
        rounds(Trained={"templates": ["first"]}),
        "rounds.Trained: it differs from 'trained' only in upper and lower case",
    ),
    "a number of accepted specimens that serves nothing": (
        rounds(more={"templates": ["first", "corrections"], "most_accepted": 9}),
        "rounds.more.most_accepted: it has no effect without `accepted: true`; add that",
    ),
    "alike by a table that is not there": (
        keys(measurement={"scale": ["ruler"], "scale_search": ALIKE}),
        "measurement.scale_search.alike: 'zoom' is a column of the table of specimens; name its file",
    ),
    "alike by a column that is not there": (
        both(
            keys(measurement={"scale": ["ruler"], "scale_search": ALIKE}, specimen_table="s.csv"),
            lambda: Path("s.csv").write_text("genus,specimen,zooms\nAus,0001,2\n"),
        ),
        r"s.csv: no column 'zoom', which .*scale_search.alike names \(did you mean 'zooms'\?\); found zooms",
    ),
    "a brace in the name of a file of corrections": (
        copied("config/corrections/Aus/corrections.json", "config/corrections/Aus/{a}.json"),
        r"corrections/Aus/\{a\}.json: it has a brace in it, which Snakemake would .*; rename it",
    ),
    "a brace in the name of a file of boxes": (
        both(
            genera("country", "boxes"),
            genera("\tItaly", "\tboxes"),
            copied("data/Bus_first.json", "boxes/b{}.json"),
        ),
        r"boxes/b\{\}.json: it has a brace in it",
    ),
    "a curved part that is none": (keys(measurement={"curved": ["antenna"]}), "'antenna'"),
    "an index that is no formula": (
        keys(measurement={"indices": {"ratio": "head.width /"}}), "ratio"
    ),
    "a length and an area added": (
        keys(measurement={"indices": {"odd": "head.width + head.area"}}), "odd"
    ),
    "a source of scales that is none": (
        keys(measurement={"scale": ["ruler2"]}), "is not one of specimen_table"
    ),
    "a checkpoint that is not there": (
        keys(model={"name": "mine", "checkpoint": "m.pt", "config": "c.yaml"}),
        "model.checkpoint: the file does not exist: m.pt",
    ),
}  # fmt: skip
IN_TABLES = {
    "a spreadsheet": (
        content("genera.tsv", b"PK\x03\x04\x14\0"),
        "a spreadsheet's own file .*choose Save as, CSV UTF-8",
    ),
    "an empty table": (content("genera.tsv", b""), "genera.tsv: it is empty; expected"),
    "a column twice": (genera("country", "genus"), "the column 'genus' occurs twice"),
    "a genus twice but for case": (genera("Bus\t", "aus\t"), "only in upper and lower case; rename one"),
    "a home that is not there": (genera("data/Bus", "~/no such/Bus"), "does not exist: /"),
    "a brace in a path": (genera("data/Bus", "data/{x}"), "has a brace in it"),
    "a truth that is not there": (
        genera("Aus_second.json", "truth.json"),
        r"the file or folder of truth of 'Aus' does not exist: data/truth.json; paths begin at /\S+$",
    ),
    "no annotations": (
        templates("data/Bus_first.json", ""), "the column 'annotations' is empty; fill it in"
    ),
    "a row twice": (
        templates("Aus\tsecond\tdata/Aus_second", "Aus\tfirst\tdata/Aus_first"),
        "it repeats an earlier row; remove it",
    ),
    "a table of specimens without specimens": (
        specimens("genus,name\nAus,0001\n"), "no column 'specimen', which says whose row it is"
    ),
    "two rows of a specimen": (
        specimens("genus,specimen,sex\nAus,0001,f\nAus,0001,m\n"), "has a second row"
    ),
    "a specimen misspelt": (
        specimens("genus,specimen,sex\nAus,0001,f\nAus,00002,m\n"),
        r"warning: .*Aus has no photograph of '00002' \(did you mean",
    ),
}  # fmt: skip


def annotations(change):
    """Change the annotations of Bus."""

    def edit():
        path = Path("data/Bus_first.json")
        data = json.loads(path.read_text())
        change(data)
        path.write_text(json.dumps(data))

    return edit


def images(**changes):
    return annotations(lambda data: [of.update(changes) for of in data["images"]])


def rings(change):
    def edit(data):
        for of in data["annotations"]:
            of["segmentation"] = [change(of["segmentation"][0])]

    return annotations(edit)


def labels(change):
    return annotations(
        lambda data: [of.update(name=change(of["name"])) for of in data["categories"]]
    )


def raw():
    for path in Path("data/Bus").glob("*.png"):
        path.rename(path.with_suffix(".CR2"))


HOW_IT_IS_WRITTEN = {
    "curved quotes": (
        yaml_text("config/genera.tsv", "“config/genera.tsv”"),
        "“config/genera.tsv”: there is no",
    ),
    "a percent sign": (keys(low_confidence="50%"), "low_confidence: expected a number, found '50%'"),
    "structures in a list": (keys(structures=["head", "eye"]), "with a colon after it, without a dash"),
    "rounds in a list": (keys(rounds=["untrained"]), "with a colon after it, without a dash"),
    "one template for a list": (rounds(untrained={"templates": "first"}), r"found 'first'; write \[first\]"),
    "several words for a list": (keys(measurement={"body": "head, eye"}), r"write \[head, eye\]"),
    "train: true": (
        rounds(trained={"templates": ["first"], "train": True}), "found true; write {} to take the defaults"
    ),
    "half a step": (
        rounds(trained={"templates": ["first"], "train": {"steps": 60.5}}),
        "expected a whole number, found 60.5",
    ),
    "a model by its name": (keys(model="bundled"), "found 'bundled'; write {name: bundled}"),
    "a model misspelt": (keys(model={"name": "sam2.1_tiny"}), "did you mean 'sam2.1_hiera_tiny'"),
    "a square of any size": (keys(model={"name": "bundled", "image_size": 250}), "a multiple of 32"),
    "a GPU by its number": (keys(device="cuda:0"), r"'cuda:0' is not one of .*did you mean 'cuda'"),
    "an index called as a measure": (
        keys(measurement={"indices": {"length": "head.length / eye.length"}}),
        "cannot be the name of an index",
    ),
    "an index called as a structure": (
        keys(measurement={"indices": {"head": "head.length / eye.length"}}),
        "'head' cannot be the name of an index: it is the name of a structure",
    ),
    "a scale for a source": (keys(measurement={"scale": 12.5}), "measurement.scale: expected a list"),
    "outlines of no structure": (keys(outlines={"structures": ["haed"]}), "did you mean 'head'"),
}  # fmt: skip
WHAT_IT_NAMES = {
    "columns exchanged": (
        genera("Aus\tdata/Aus\t", "data/Aus\tAus\t"), "genus 'data/Aus' becomes the name of a folder"
    ),
    "no header": (
        genera("genus\tspecimens\ttruth\tpixels_per_mm\tcountry\n", ""),
        "column 'genus' is missing",
    ),
    "no genus": (genera("Bus\t", "\t"), "line 3: the column 'genus' is empty"),
    "a pattern for a folder": (genera("data/Bus", "data/Bus/*.png"), "does not exist: data/Bus/"),
    "a unit in the scale": (
        genera("12.5", "12.5 px/mm"),
        "pixels_per_mm of 'Aus' is '12.5 px/mm'; give a number",
    ),
    "one folder of two genera": (
        genera("data/Bus", "data/Aus"), "'Bus' has the same photographs as 'Aus': each is measured for both"
    ),
    "a genus in lower case": (templates("Bus\tfirst", "bus\tfirst"), "did you mean 'Bus'"),
    "a round in upper case": (templates("\tfirst", "\tFirst", 9), "did you mean 'First'"),
    "photographs for annotations": (
        templates("data/Bus_first.json", "data/Bus"), "masks and photographs lie in the same folder"
    ),
    "a photograph for annotations": (
        templates("data/Bus_first.json", "data/Bus/0000.png"), "this is a picture; give the folder of masks"
    ),
    "empty annotations": (lambda: Path("data/Bus_first.json").write_text(""), "file is empty; export"),
    "a page for annotations": (
        lambda: Path("data/Bus_first.json").write_text("<!DOCTYPE html>"),
        "this is a web page; download the file",
    ),
    "a template of another size": (
        images(width=64, height=48), "has 64 x 48 pixels, but the photograph data/Bus/0000.png has 32 x 24"
    ),
    "a template without its photograph": (
        lambda: Path("data/Bus/0000.png").unlink(), "no photograph '0000.png' in data/Bus"
    ),
    "labels in the plural": (labels(lambda name: f"{name}s"), "it has 'eyes', 'heads': rename them"),
    "labels in capitals": (labels(str.upper), "warning: .*'HEAD' in the annotations is taken as 'head'"),
    "outlines of a larger copy": (
        rings(lambda ring: [50 * x for x in ring]), "does not fit the photograph of 32 x 24"
    ),
    "a line for an outline": (rings(lambda ring: ring[:4]), "needs at least 3 points, found 2"),
    "photographs of a camera": (raw, "CR2 files cannot be read; export it as PNG"),
    "a specimen of no genus": (
        specimens("genus,specimen,sex\nAuss,0001,f\n"), "warning: .*'Auss' is not a genus of this project"
    ),
    "a column called as a measure": (
        specimens("genus,specimen,length\nAus,0001,3\n"), "rename it, for example to 'specimen_length'"
    ),
    "corrections of no genus": (
        lambda: Path("config/corrections/Aus").rename("config/corrections/Auss"), "genus 'Auss' has no row"
    ),
    "corrections in another folder": (
        lambda: Path("config/corrections").rename("config/correction"),
        "Corrections: none yet for the round",
    ),
}  # fmt: skip
MISTAKES = IN_YAML | IN_KEYS | IN_TABLES | HOW_IT_IS_WRITTEN | WHAT_IT_NAMES


def test_without_a_mistake_nothing_is_said(project):
    assert answer(project) == ""


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_at_the_start(project, mistake):
    edit, said = MISTAKES[mistake]
    edit()
    found = answer(project)
    assert found, "nothing is said"
    assert_said(said, found)


def assert_said(said, found):
    assert re.search(said, found, re.DOTALL), found
    assert "Traceback" not in found and "pydantic" not in found


def cut_annotations():
    path = Path("data/Bus_first.json")
    path.write_text(path.read_text()[:80])
    convert([path], "data/Bus", CONFIG["structures"], "Bus")


def other_photographs():
    convert(["data/Bus_first.json"], "elsewhere", CONFIG["structures"], "Bus")


def other_labels():
    convert(["data/Bus_first.json"], "data/Bus", {"skull": None, "scape": None}, "Bus")


def no_photographs():
    build_manifest("empty", None, 5, "Bus")


def nothing_to_learn_from():
    manifest = build_manifest("elsewhere", None, 5, "Bus")
    draw_pool([one for one in manifest.specimens if one.status != "ok"], [], 3, 1)


@pytest.mark.parametrize(
    "job, said",
    [
        (cut_annotations, r"data/Bus_first.json.*line \d+"),
        (other_photographs, "Bus_first.json.*'0000.png'"),
        (other_labels, "no outline of any structure .* was found; it has 'eye', 'head': rename"),
        (no_photographs, "genus Bus: no photograph in empty"),
        (nothing_to_learn_from, "no unlabelled specimen to train on"),
    ],
)
def test_a_mistake_is_answered_by_the_first_job(project, job, said):
    Path("empty").mkdir()
    shutil.copytree("data/Aus", "elsewhere")
    Path("elsewhere/0000.png").rename("elsewhere/first.png")
    with pytest.raises(InputError) as error:
        job()
    assert_said(said, str(error.value))
