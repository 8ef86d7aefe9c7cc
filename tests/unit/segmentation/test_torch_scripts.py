"""train_palindrome.py and segment_shard.py as run by hand, on a few drawn specimens."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from sam2pal.config.stages import read_options
from sam2pal.config.training import TrainingOptions
from sam2pal.dataset.dataset import AnnotatedSpecimen, Dataset
from sam2pal.dataset.files import check, read_json, write
from sam2pal.dataset.manifest import Specimen, Windowed, build_manifest, read_list, write_list
from sam2pal.dataset.previews import Previews
from sam2pal.dataset.rle import decode_mask, encode_mask
from sam2pal.evaluation.left_out import COLUMNS
from sam2pal.evaluation.overlap import iou
from sam2pal.images.address import address_of
from sam2pal.images.window import Window
from sam2pal.io import tables
from sam2pal.research.synthetic.photograph import sample_style
from sam2pal.research.synthetic.species import sample_species
from sam2pal.research.synthetic.specimen import draw_specimen
from sam2pal.training import METHODS

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
STRUCTURES = {"head": None, "elytra": {"weight": 2.0}}
MODEL = {"name": "bundled", "image_size": 64}
TRAINING = {
    "steps": 2,
    "views": 1,
    "rank": 2,
    "targets": ["memory_attention"],
    "validate_every": 1,
    "checkpoint_minutes": 0,
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with a list of five specimens, a template among them, and a training pool."""
    folder = tmp_path_factory.mktemp("project")
    rng = np.random.default_rng(3)
    species, style = sample_species(rng, "beetle"), sample_style(rng)
    (folder / "photographs").mkdir()
    images, annotations = [], []
    for number in range(5):
        drawing = draw_specimen(species, rng, 80, style=style, frame="fit", missing=())
        path = folder / "photographs" / f"s{number}.png"
        Image.fromarray(drawing.pixels).save(path)
        height, width = drawing.masks["head"].shape
        image = {"id": number + 1, "file_name": path.name, "path": str(path), "specimen": path.stem}
        images.append(image | {"width": width, "height": height})
        annotations += [
            {
                "id": 2 * number + k,
                "image_id": number + 1,
                "category_id": k,
                "segmentation": encode_mask(drawing.masks[name]),
                "source": "drawn",
            }
            for k, name in enumerate(("head", "elytra"), 1)
        ]
    categories = [{"id": k, "name": name} for k, name in enumerate(("head", "elytra"), 1)]
    for name, count in (("templates", 1), ("outlined", 5)):
        some = {"images": images[:count], "annotations": annotations[: 2 * count]}
        write(folder / f"{name}.json", some | {"categories": categories})
    listed = build_manifest(folder / "photographs", None, 100).specimens
    write_list(folder / "list.tsv", listed)
    write_list(folder / "pool.tsv", listed[1:3])
    return folder


def options_file(project, **sections):
    """A file for --options."""
    path = project / "options.json"
    path.write_text(json.dumps({"structures": STRUCTURES, "model": MODEL, **sections}))
    return path


def train_arguments(project, output, sections=None, **more):
    values = {
        "templates": project / "templates.json",
        "pool": project / "pool.tsv",
        "options": options_file(project, **{"training": TRAINING, **(sections or {})}),
        "device": "cpu",
        "state": output.parent / "state",
        "output": output,
        **more,
    }
    return [text for key, value in values.items() for text in (f"--{key}", str(value))]


def segment_arguments(project, output, sections=None, **more):
    values = {
        "specimens": project / "list.tsv",
        "templates": project / "templates.json",
        "options": options_file(project, **(sections or {})),
        "genus": "Fictus",
        "round": "trained",
        "device": "cpu",
        "output": output,
        **more,
    }
    return [text for key, value in values.items() for text in (f"--{key}", str(value))]


def process(script, arguments, seed):
    """Run a script in a process of its own, with its own order of sets."""
    return subprocess.run(
        [sys.executable, str(SCRIPTS / f"{script}.py"), *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": seed},
    )


@pytest.fixture(scope="module")
def trained(project):
    done = process("train_palindrome", train_arguments(project, project / "adapter"), "1")
    assert done.returncode == 0, done.stderr
    assert "published:" in done.stdout and "Traceback" not in done.stderr
    assert "%|" not in done.stderr  # no bar outside of a terminal
    return project / "adapter"


def test_training_writes_an_adapter_and_its_record(project, trained):
    assert sorted(path.name for path in trained.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "training.json",
        "training.jsonl",
        "training.svg",
    ]
    record = json.loads((trained / "training.json").read_text())
    assert record["published"] in ("trained", "untrained")
    assert (record["steps"], record["pool"], record["templates"]) == (2, 2, ["s0"])
    assert record["options"]["rank"] == 2 and record["options"]["learning_rate"] > 0
    assert record["structures"] == ["head", "elytra"] and record["pool_left_out"] == []
    assert record["structure_weights"] == {"head": 1.0, "elytra": 2.0}
    controlled = {f"control_{name}" for name in ("true", "blank", "structure", "specimen")}
    assert (
        record["controls"]["before"].keys() == record["controls"]["published"].keys() == controlled
    )
    assert "Loss of each step" in (trained / "training.svg").read_text()
    assert record["model"]["image_size"] == 64 and len(record["model_sha256"]) == 64
    lines = [json.loads(line) for line in (trained / "training.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2]
    assert record["validation_best"] == pytest.approx(
        max(line["validation"] for line in lines), abs=1e-5
    )
    (state,) = (project / "state").iterdir()
    assert state.name == record["inputs_sha256"][:16]
    assert sorted(path.name for path in state.iterdir()) == ["checkpoint.pt", "lock"]


def test_same_bytes_in_another_process(project, trained, by_hand, tmp_path):
    old = tmp_path / "state" / "before"
    old.mkdir(parents=True)
    for name in ("lock", "checkpoint.pt"):
        (old / name).touch()
    done = by_hand("train_palindrome", *train_arguments(project, tmp_path / "adapter"))
    assert done.code == 0, done.err
    for path in trained.iterdir():
        assert (tmp_path / "adapter" / path.name).read_bytes() == path.read_bytes(), path.name
    assert not (old / "checkpoint.pt").exists()  # of another training of this genus and round


def test_interrupted_by_the_time_limit_it_ends_with_the_same_bytes(
    project, trained, by_hand, tmp_path
):
    output = tmp_path / "adapter"
    limited = train_arguments(project, output, **{"time-limit": -1})
    done = by_hand("train_palindrome", *limited)
    assert done.code == 1 and "error: the time limit came at step 1 of 2" in done.err
    assert "Traceback" not in done.err and not output.exists()
    done = by_hand("train_palindrome", *train_arguments(project, output))
    assert done.code == 0, done.err
    for path in trained.iterdir():
        assert (output / path.name).read_bytes() == path.read_bytes(), path.name


def test_another_training_has_another_state(project, trained, tmp_path, monkeypatch):
    script = runpy.run_path(str(SCRIPTS / "train_palindrome.py"))
    photograph = tmp_path / "s0.png"
    photograph.write_bytes(b"pixels")

    def key(
        model=("a" * 64, 64), pixels=b"pixels", pool="pool.tsv", init=None, templates=1, **sections
    ):
        photograph.write_bytes(pixels)
        arguments = SimpleNamespace(templates=project / "templates.json", pool=project / pool)
        template = AnnotatedSpecimen("s0", str(photograph), 9, 9, {})
        stage = read_options(options_file(project, **sections))
        return script["input_hash"](
            arguments,
            stage,
            stage.training.settled(templates),
            model,
            [template],
            [] if init is None else sorted(init.iterdir()),
        )

    keys = [
        key(),
        key(seed=2),
        key(model=("b" * 64, 64)),
        key(model=("a" * 64, 96)),  # the size is in no weight
        key(training={"learning_rate": 0.5}),
        key(training={"learning_rate": None}, templates=3),
        key(structures=dict(reversed(STRUCTURES.items()))),
        key(structures={"head": None, "elytra": {"weight": 3.0}}),
        key(pool="list.tsv"),
        key(pixels=b"other pixels"),
        key(init=trained),
    ]
    assert len(set(keys)) == len(keys)
    assert key() == keys[0]
    with monkeypatch.context() as patch:  # a checkpoint of another method is not gone on from
        patch.setitem(METHODS, "train_palindrome", 99)
        assert key() not in keys
    # what fits it to a machine is not another training
    assert key(training={"checkpoint_minutes": 1.0, "micro_batch": 1}) == keys[0]
    assert key(training={"learning_rate": TrainingOptions().learning_rate}) == keys[0]


def test_specimens_of_a_tray_train_and_are_trained_on(project, by_hand, tmp_path):
    data = read_json(project / "templates.json")
    image = data["images"][0]
    pixels = np.asarray(Image.open(image["path"]))
    height, width = pixels.shape[:2]
    places = [Window(6, 9 + place * (width + 7), height, width) for place in range(3)]
    tray = np.full((height + 20, 3 * (width + 12), 3), 240, np.uint8)
    for place in places:
        tray[place.top :, place.left :][:height, :width] = pixels
    Image.fromarray(tray).save(tmp_path / "T.png")
    addresses = [address_of(str(tmp_path / "T.png"), place) for place in places]
    images = [image | {"path": addresses[0], "specimen": "T#0101"}]
    write(tmp_path / "templates.json", data | {"images": images})
    numbers = ("0101", "0102", "0103")
    found = {"T.png": list(map(Windowed, numbers, places))}
    listed = build_manifest(tmp_path, None, 9, windows=found).specimens
    write_list(tmp_path / "pool.tsv", listed[1:])
    assert [one.path for one in listed] == addresses
    more = {
        name: tmp_path / f"{name}.{end}" for name, end in (("templates", "json"), ("pool", "tsv"))
    }
    done = by_hand("train_palindrome", *train_arguments(project, tmp_path / "adapter", **more))
    assert done.code == 0, done.err
    record = json.loads((tmp_path / "adapter/training.json").read_text())
    assert (record["templates"], record["pool"], record["pool_left_out"]) == (["T#0101"], 2, [])

    # another window of the same file is another training, and so is another photograph in the window
    key = runpy.run_path(str(SCRIPTS / "train_palindrome.py"))["input_hash"]
    stage = read_options(options_file(project))
    files = SimpleNamespace(templates=tmp_path / "templates.json", pool=tmp_path / "pool.tsv")

    def of(address):
        template = AnnotatedSpecimen("T#0101", address, height, width, {})
        return key(files, stage, stage.training.settled(1), ("a" * 64, 64), [template], [])

    keys = [of(address) for address in addresses]
    Image.fromarray(255 - tray).save(tmp_path / "T.png")
    assert len({*keys, of(addresses[0])}) == 4


def test_segmenting(project, trained, by_hand, tmp_path):
    done = process(
        "segment_shard", segment_arguments(project, tmp_path / "a.json", adapter=trained), "2"
    )
    assert done.returncode == 0, done.stderr
    assert "5 specimens, 0 without masks" in done.stdout and "%|" not in done.stderr
    found = check(read_json(tmp_path / "a.json"), "the file")
    assert found["info"] == {
        "genus": "Fictus",
        "round": "trained",
        "model": "bundled",
        "bundled": True,
        "image_size": 64,
        "near_duplicate_templates": [],
        "reference_template": "s0",
        "template_turns": {"s0": 0},
        "trained": True,
        "confidence": {"labelled": []},
    }
    assert [image["status"] for image in found["images"]] == ["ok"] * 5
    assert len(found["annotations"]) == 10
    sizes = {image["id"]: [image["height"], image["width"]] for image in found["images"]}
    for annotation in found["annotations"]:
        assert list(decode_mask(annotation["segmentation"]).shape) == sizes[annotation["image_id"]]

    arguments = segment_arguments(project, tmp_path / "b.json", adapter=trained)
    assert by_hand("segment_shard", *arguments).code == 0
    assert (tmp_path / "b.json").read_bytes() == (tmp_path / "a.json").read_bytes()


def test_small_pictures_of_large_photographs_are_kept(project, by_hand, tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    with Image.open(project / "photographs/s1.png") as image:
        image.save(folder / "small.png")
        large = image.resize((900, 700), Image.Resampling.BILINEAR)
    large.save(folder / "large.png")
    write_list(tmp_path / "list.tsv", build_manifest(folder, None, 100).specimens)
    for name in ("a", "b"):
        more = {"specimens": tmp_path / "list.tsv", "pictures": tmp_path / f"{name}.zip"}
        arguments = segment_arguments(project, tmp_path / f"{name}.json", **more)
        assert by_hand("segment_shard", *arguments).code == 0
    previews = Previews(tmp_path / "a.zip")
    pixels, frame = previews.of("large", str(folder / "large.png"), 128)
    factor = 900 / frame[2]
    assert factor in (2, 4) and frame[3] == 700 / factor
    expected = np.asarray(large.reduce(int(factor)), int)
    assert pixels.shape == expected.shape and np.abs(pixels - expected).mean() < 4
    assert previews.of("small", str(folder / "small.png"), 16) is None
    assert (tmp_path / "b.zip").read_bytes() == (tmp_path / "a.zip").read_bytes()


def test_an_empty_and_a_damaged_shard(project, by_hand, tmp_path):
    write_list(tmp_path / "empty.tsv", [])
    done = by_hand(
        "segment_shard",
        *segment_arguments(project, tmp_path / "a.json", specimens=tmp_path / "empty.tsv"),
    )
    assert done.code == 0 and "0 specimens, 0 without masks" in done.out

    folder = tmp_path / "photographs"
    folder.mkdir()
    (folder / "bad.png").write_bytes(b"")
    write_list(tmp_path / "bad.tsv", build_manifest(folder, None, 100).specimens)
    done = by_hand(
        "segment_shard",
        *segment_arguments(project, tmp_path / "b.json", specimens=tmp_path / "bad.tsv"),
    )
    assert done.code == 0 and "1 specimens, 1 without masks" in done.out
    assert "bad: unreadable, the file is empty" in done.out
    assert check(read_json(tmp_path / "b.json"), "the file")["annotations"] == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"templates": "nowhere.json"}, "nowhere.json: there is no such file"),
        ({"pool": "nowhere.tsv"}, "nowhere.tsv: the list of specimens cannot be read"),
        ({"sections": {"structures": {"head": {"parent": "haed"}}}}, "did you mean 'head'?"),
        (
            {"sections": {"training": {"stps": 3}}},
            "options.json: training: unknown key 'stps' (did you mean 'steps'?)",
        ),
        (
            {"sections": {"training": {"steps": "many"}}},
            "options.json: training.steps: expected a whole number, found 'many'",
        ),
        ({"sections": {"model": {"name": "bundeld"}}}, "did you mean 'bundled'?"),
        ({"sections": {"model": {"name": "sam2.1_hiera_tiny"}}}, "needs its checkpoint"),
        ({"checkpoint": "nowhere.pt"}, "nowhere.pt: the checkpoint does not exist"),
        ({"init": "nowhere"}, "nowhere: not an adapter"),
        (
            {"init": "itself", "sections": {"training": {"rank": 4}}},
            "its rank is 2, this round's 4",
        ),
        ({"device": "gpu"}, "device: 'gpu' is unknown"),
    ],
)
def test_bad_training_input(project, trained, by_hand, tmp_path, change, expected):
    if change.get("init") == "itself":
        change = {**change, "init": trained}
    output = tmp_path / "adapter"
    done = by_hand("train_palindrome", *train_arguments(project, output, **change))
    assert done.code == 1
    assert "error: " in done.err and expected in done.err, done.err
    assert "Traceback" not in done.err and not output.exists()


def test_a_changed_pool_is_refused(project, by_hand, tmp_path):
    listed = read_list(project / "pool.tsv")
    moved = [Specimen(**{**vars(s), "mtime_ns": s.mtime_ns + 1}) for s in listed]
    write_list(tmp_path / "pool.tsv", moved)
    arguments = train_arguments(project, tmp_path / "adapter", pool=tmp_path / "pool.tsv")
    done = by_hand("train_palindrome", *arguments)
    assert done.code == 1 and "2 photographs changed since it was drawn" in done.err


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"specimens": "nowhere.tsv"}, "nowhere.tsv: the list of specimens cannot be read"),
        ({"adapter": "nowhere"}, "nowhere: not an adapter"),
        (
            {"sections": {"segmentation": {"batch": 3}}},
            "options.json: segmentation: unknown key 'batch' (did you mean 'batch_size'?)",
        ),
        (
            {"sections": {"structures": {"wing": None}}},
            "no template shows any of the structures wing",
        ),
    ],
)
def test_bad_segmentation_input(project, by_hand, tmp_path, change, expected):
    done = by_hand("segment_shard", *segment_arguments(project, tmp_path / "a.json", **change))
    assert done.code == 1
    assert "error: " in done.err and expected in done.err, done.err
    assert "Traceback" not in done.err and list(tmp_path.iterdir()) == []


def test_a_round_is_judged_by_outlined_specimens_as_if_they_were_no_templates(project, trained):
    def judge(templates, others, *more):
        arguments = segment_arguments(
            project, project / "leave_one_out.csv", templates=project / f"{templates}.json"
        )
        arguments = arguments[2:] + ["--others", str(project / f"{others}.json"), *more]
        done = process("leave_one_out", arguments, "1")
        assert done.returncode == 0, done.stderr
        return done.stdout, tables.read(project / "leave_one_out.csv", COLUMNS).to_pylist()

    _, rows = judge("templates", "outlined", "--adapters", str(trained))
    # the only template cannot be left out; of the others the adapter knows none
    assert {row["specimen"] for row in rows} == {"s1", "s2", "s3", "s4"}
    assert {row["structure"] for row in rows} == {"head", "elytra"}
    assert {row["trained_on"] for row in rows} == {"no"}
    # as they are segmented where they are no templates
    path = project / "shard.json"
    done = process("segment_shard", segment_arguments(project, path, adapter=trained), "1")
    assert done.returncode == 0, done.stderr
    found, drawn = Dataset(path).by_specimen(), Dataset(project / "outlined.json").by_specimen()
    for row in rows:
        masks = [of[row["specimen"]].masks[row["structure"]] for of in (found, drawn)]
        assert row["iou"] == pytest.approx(float(iou(*masks)), abs=1e-4)
        assert row["state"] == found[row["specimen"]].annotations[row["structure"]].state

    assert {row["specimen"] for row in judge("outlined", "templates")[1]} == {
        f"s{n}" for n in range(5)
    }
    said, rows = judge("templates", "templates")
    assert not rows and "too few" in said
