"""The benchmark: what is run, on which specimens, that it goes on, and what its table says."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from sam2pal import segmentation, training
from sam2pal.config.training import TrainingOptions
from sam2pal.dataset.manifest import Specimen
from sam2pal.dataset.rle import decode_mask, encode_mask
from sam2pal.evaluation.columns import MEASURES
from sam2pal.evaluation.pair import evaluate_pair
from sam2pal.io.errors import InputError
from sam2pal.model.tracker import Tracker
from sam2pal.research.benchmark.collection import Collection
from sam2pal.research.benchmark.protocol import BenchmarkRun, read_protocol
from sam2pal.research.benchmark.report import report
from sam2pal.research.benchmark.running import Runner
from sam2pal.research.benchmark.store import KEY, Store, key_of
from sam2pal.segmentation.shard import segment

PROTOCOL = Path(__file__).resolve().parents[3] / "scripts/research/benchmark.yaml"
CPU = torch.device("cpu")
TRAINING = {"steps": 1, "pairs": 1, "views": 1, "warmup": 0, "rank": 2}
SMALL = {
    "collections": {},
    "structures": {"head": None, "body": None},
    "templates": [1],
    "draws": 2,
    "seeds": 2,
    "model": {"name": "bundled", "image_size": 64},
    "training": {**TRAINING, "targets": ["memory_encoder"]},
    "variants": {
        "untrained": None,
        "palindrome": {"training": {"direct": 0.0}},
        "self_pair": {"training": {"palindrome": 0.0, "self_pair": 1.0}},
    },
    "compare": [["self_pair", "palindrome"]],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Seven specimens, of which number 4 has no body and number 5's body was not annotated."""
    folder = tmp_path_factory.mktemp("beetles")
    (folder / "images").mkdir()
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:72, :60]
    images, annotations = [], []
    for number in range(1, 8):
        pixels = rng.uniform(60, 100, (72, 60, 3))
        for category, (top, radius) in enumerate(((18, 9), (48, 15)), 1):
            left = 30 + rng.uniform(-5, 5)
            mask = (x - left) ** 2 + (y - top) ** 2 < radius**2
            if (number, category) == (4, 2):
                mask[:] = False
            pixels[mask] = (220, 40, 40) if category == 1 else (40, 220, 40)
            if (number, category) != (5, 2):
                entry = {"id": len(annotations) + 1, "image_id": number, "category_id": category}
                annotations.append({**entry, "iscrowd": 0, "segmentation": encode_mask(mask)})
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"images/{number:04d}.png")
        images.append({"id": number, "file_name": f"{number:04d}.png", "width": 60, "height": 72})
    categories = [{"id": 1, "name": "head"}, {"id": 2, "name": "body"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def write(folder, tmp_path):
    """Write the small protocol with changes; returns its path."""

    def write(**changes):
        path = tmp_path / "protocol.yaml"
        content = {**SMALL, "collections": {"drawn": str(folder)}, **changes}
        content = {k: v for k, v in content.items() if v is not ...}
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return path

    return write


# ------------------------------------------------------------------ the plan


def test_the_protocol_of_the_repository():
    protocol = read_protocol(PROTOCOL)
    runs = list(protocol.runs())
    assert len(set(runs)) == len(runs)
    assert protocol.draws >= 5 and protocol.seeds >= 3
    trained = [v for v in protocol.variants.values() if v.training is not None]
    cells = len(protocol.collections) * protocol.draws * len(protocol.templates)
    assert len(runs) == cells * (1 + protocol.seeds * len(trained))
    assert {run.seed for run in runs if run.variant == protocol.untrained} == {1}
    # every variant is done with a draw before the next draw begins
    first = [run for run in runs if (run.seed, run.templates) == (1, protocol.templates[0])]
    assert [run.draw for run in first] == sorted(run.draw for run in first)
    assert {run.variant for run in first if run.draw == 1} == set(protocol.variants)


def test_configurations_differ_by_what_decides_and_by_nothing_else(write):
    protocol = read_protocol(write())
    base = protocol.configuration("palindrome", "abc", 64)
    assert base == read_protocol(write()).configuration("palindrome", "abc", 64)
    renamed = {"again": SMALL["variants"]["palindrome"], **SMALL["variants"]}
    assert read_protocol(write(variants=renamed)).configuration("again", "abc", 64) == base
    assert read_protocol(write(draws=5, compare=[])).configuration("palindrome", "abc", 64) == base
    same = read_protocol(write(training={**SMALL["training"], "clip": TrainingOptions().clip}))
    assert same.configuration("palindrome", "abc", 64) == base
    others = [
        protocol.configuration("self_pair", "abc", 64),
        protocol.configuration("palindrome", "abd", 64),
        protocol.configuration("palindrome", "abc", 128),
        read_protocol(write(training={**SMALL["training"], "steps": 2})).configuration(
            "palindrome", "abc", 64
        ),
        read_protocol(write(seed=2)).configuration("palindrome", "abc", 64),
        read_protocol(write(segmentation={"threshold": 0.4})).configuration(
            "palindrome", "abc", 64
        ),
    ]
    assert len({base, *others}) == 7


def test_runs_are_made_again_when_segmentation_or_training_computes_something_else(
    write, monkeypatch
):
    protocol = read_protocol(write())
    before = {name: protocol.configuration(name, "abc", 64) for name in ("palindrome", "untrained")}
    monkeypatch.setitem(training.METHODS, "train_palindrome", 0)
    assert protocol.configuration("untrained", "abc", 64) == before["untrained"]
    assert protocol.configuration("palindrome", "abc", 64) != before["palindrome"]
    monkeypatch.setitem(segmentation.METHODS, "segment_shard", 0)
    assert protocol.configuration("untrained", "abc", 64) != before["untrained"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"drawz": 3}, "unknown key 'drawz' (did you mean 'draws'?)"),
        ({"draws": 0}, "draws: must be at least 1, found 0"),
        ({"templates": [1.5]}, "templates.0: expected a whole number"),
        ({"variants": ...}, "the key 'variants' is missing"),
        ({"variants": {"one": {"training": {}}}}, "no variant is untrained"),
        ({"compare": [["self_pair", "palindrom"]]}, "'palindrom' (did you mean 'palindrome'?)"),
        (
            {"variants": {"none": None, "x": {"training": {"step": 1}}}},
            "variants.x.training: unknown key",
        ),
        ({"score": "all"}, "score: 'all' is not one of odd, even"),
    ],
)
def test_protocols_that_are_refused(write, changes, expected):
    changes = {"compare": [], **changes}
    with pytest.raises(InputError) as caught:
        read_protocol(write(**changes))
    assert expected in str(caught.value)


# ------------------------------------------------------------------ specimens and templates


@pytest.fixture(scope="module")
def collection(small_model, folder):
    return Collection(folder, ["head", "body"], Tracker(small_model), CPU)


def test_odd_numbers_are_scored_and_never_trained_on(collection):
    assert [s.specimen for s in collection.tune] == ["0002", "0004", "0006"]
    assert [s.specimen for s in collection.scored] == ["0001", "0003", "0005", "0007"]
    draws = [collection.draw(1, draw, 1) for draw in range(1, 20)]
    # number 4 shows no body, so nothing of it could be followed
    assert {tuple(draw) for draw in draws} == {(0,), (2,)}
    # none is drawn again before all have been
    assert all(draws[i] != draws[i + 1] for i in range(0, 18, 2))
    assert draws == [collection.draw(1, draw, 1) for draw in range(1, 20)]
    assert collection.draw(2, 1, 1) == [0, 2]
    with pytest.raises(InputError, match="only 2 specimens .* 3 templates cannot be drawn"):
        collection.draw(3, 1, 1)


def test_training_data(collection):
    options = TrainingOptions(views=3, turns=[0], targets=["memory_attention"])
    data = collection.data([2], options, 1)
    assert data.drawn.masks.shape == data.unseen.masks.shape == (1, 2, 64, 64)
    assert data.views.masks.shape == (3, 2, 64, 64)
    # the other two specimens with an even number, without their masks
    assert data.specimens == 2
    other = collection.data([0], options, 1)
    assert torch.equal(data.pool[[0]].low[0], other.drawn.features.low[0])
    # all specimens as templates leave nothing unlabelled
    assert collection.data([0, 1, 2], options, 1).specimens == 3


# ------------------------------------------------------------------ runs


@pytest.fixture
def runner(write, small_model, collection, tmp_path):
    def make(**changes):
        protocol = read_protocol(write(**changes))
        return Runner(protocol, small_model, {"drawn": collection}, CPU, tmp_path)

    return make


def test_untrained_scores_are_those_of_the_workflow(runner, small_model, collection):
    run = runner()
    rows, record = run(BenchmarkRun("drawn", 1, 1, 1, "untrained"))
    templates = [collection.tune[i] for i in collection.draw(1, 1, 1)]
    assert record["template_specimens"] == templates[0].specimen
    specimens = []
    for t in collection.scored:
        stat = Path(t.path).stat()
        size = stat.st_size, stat.st_mtime_ns
        specimens.append(Specimen(t.specimen, t.path, *size, 60, 72, "0000", "ok", ""))
    found = segment(
        Tracker(small_model),
        specimens,
        templates,
        run.protocol.structures,
        dataclasses.replace(run.protocol.segmentation, window="photograph"),
        bundled=True,
    )
    assert len(rows) == len(found["annotations"]) == 8
    scored = 0
    for row, annotation in zip(rows, found["annotations"], strict=True):
        truth = collection.scored[annotation["image_id"] - 1].masks.get(row["structure"])
        if truth is None:
            assert (row["specimen"], row["structure"]) == ("0005", "body")
            assert "iou" not in row
            continue
        expected = evaluate_pair(decode_mask(annotation["segmentation"]), truth, 0.008)
        assert [row[name] for name in MEASURES] == pytest.approx(
            [expected[name] for name in MEASURES], nan_ok=True
        )
        scored += row["iou"] > 0
    assert scored > 2  # empty masks would agree as well


def test_choosing_settings_looks_at_no_odd_number(write, small_model, collection, folder, tmp_path):
    even = Collection(folder, ["head", "body"], collection._tracker, CPU, score="even")
    variants = {"untrained": None}
    protocol = read_protocol(write(score="even", variants=variants, compare=[]))
    run = Runner(protocol, small_model, {"drawn": even}, CPU, tmp_path)
    for draw in (1, 2, 3):
        rows, record = run(BenchmarkRun("drawn", 1, draw, 1, "untrained"))
        scored = {row["specimen"] for row in rows}
        assert scored == {"0002", "0004", "0006"} - {record["template_specimens"]}


def test_training_leaves_the_model_as_it_was(runner, small_model):
    run = runner()
    before = {k: v.clone() for k, v in small_model.state_dict().items()}
    run(BenchmarkRun("drawn", 1, 1, 1, "palindrome"))
    for name, value in small_model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_by_hand_it_goes_on_where_it_was(by_hand, write, tmp_path):
    path = write(draws=1, seeds=1, compare=[])
    output = tmp_path / "out"

    def run(variant, protocol=path):
        given = ("--protocol", protocol, "--output", output, "--variants", variant)
        return by_hand("research/benchmark", *given, "--device", "cpu")

    some = run("untrained")
    assert some.code == 0, some.err
    assert "2 runs of the protocol are still to be done" in some.out
    first = (output / "scores.csv").read_text()
    rest = run("palindrome")
    assert "1 runs of the protocol are still to be done" in rest.out
    scores = (output / "scores.csv").read_text()
    assert scores.startswith(first) and len(scores.splitlines()) == 1 + 2 * 8
    runs = pd.read_csv(output / "runs.csv", dtype=str)
    assert runs["variant"].tolist() == ["untrained", "palindrome"]
    assert float(runs["cpu_seconds"][1]) > 0
    table = (output / "table.md").read_text()
    assert "2 of 3 runs" in table and "| palindrome against untrained | 1 |" in table
    again = run("untrained")
    assert again.code == 0 and (output / "scores.csv").read_text() == scores
    wrong = run("untraind")
    assert wrong.code == 1 and "did you mean 'untrained'?" in wrong.err
    nowhere = write(collections={"drawn": str(tmp_path / "nowhere")})
    wrong = run("untrained", nowhere)
    assert wrong.code == 1 and "the collection is not here" in wrong.err


# ------------------------------------------------------------------ the files


def some_run(draw=1, variant="untrained"):
    run = BenchmarkRun("drawn", 1, draw, 1, variant)
    return {**key_of(run, "123456789012", "000000000012"), "commit": "0123456789", "model": "11"}


def some_rows(iou=0.123456789):
    return [{"specimen": s, "structure": "head", "iou": iou} for s in ("0040", "1e5")]


def test_store(tmp_path):
    store = Store(tmp_path)
    assert some_run() not in store
    store.add(some_rows(), some_run())
    assert some_run() in store and some_run(draw=2) not in store
    again = Store(tmp_path)
    assert some_run() in again and some_run(variant="palindrome") not in again
    runs, scores = again.read()
    assert scores["specimen"].tolist() == ["0040", "1e5"]
    assert scores["iou"].tolist() == [0.123457] * 2
    assert runs[list(KEY)].astype(str).iloc[0].tolist() == [str(some_run()[name]) for name in KEY]


def test_damaged_files_are_refused(tmp_path):
    store = Store(tmp_path)
    store.add(some_rows(), some_run())
    (path,) = (tmp_path / "runs").iterdir()
    path.write_text(path.read_text()[:-1])
    with pytest.raises(InputError, match=f"{path.name}: damaged; remove it"):
        Store(tmp_path).read()


# ------------------------------------------------------------------ the table


def points(cell):
    """Change, lower and upper end of the interval."""
    return [float(number) for number in re.findall(r"[+-][0-9.]+", cell)]


def test_table(write):
    """Scores whose means are known, in a table whose cells are read again."""
    protocol = read_protocol(write(draws=5))
    rng = np.random.default_rng(1)
    effect = {"untrained": 0.0, "palindrome": 0.10, "self_pair": 0.09}
    specimen = {f"{i:04d}": rng.normal(0, 0.05) for i in range(1, 21)}
    runs, scores = [], []
    for run in protocol.runs():
        key = key_of(run, run.variant, "data")
        runs.append({"commit": "c0ffee", "model": "m0de1", "device": "cpu", **key})
        runs[-1] |= {"seconds": 99.0, "cpu_seconds": 10.0 * run.seed, "trained_share": 0.5}
        for name, level in specimen.items():
            for structure, mean in (("head", 0.6), ("body", 0.4)):
                noise = rng.normal(0, 0.01) + 0.02 * run.draw
                # training does nothing for bodies
                gain = effect[run.variant] if structure == "head" else 0.0
                iou = mean + level + gain + noise
                row = {"specimen": name, "structure": structure, "iou": iou, "boundary_f": 0.5}
                scores.append({**key, **row})
    scores = pd.DataFrame(scores)
    text = report(protocol, pd.DataFrame(runs), scores)
    rows = {}
    for line in text.splitlines():
        if line.startswith("| "):
            name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            rows.setdefault(name, []).append(cells)
    means, structures = rows["palindrome"]
    level = np.mean(list(specimen.values())) + 0.06
    assert float(means[1]) == pytest.approx(0.55 + level, abs=0.003)
    assert means[0] == "5 x 2" and rows["untrained"][0][0] == "5 x 1"
    assert means[2].startswith("**") and points(means[2])[0] == pytest.approx(5, abs=0.3)
    assert means[3] == "0.500"
    assert means[4:] == ["15", "50%"]  # the processor's seconds, over both seeds
    assert float(structures[0]) == pytest.approx(0.7 + level, abs=0.003)
    runs_, all_, head, body = rows["palindrome against untrained"][0]
    assert runs_ == "10" and all_ == means[2]
    assert head.startswith("**") and points(head)[0] == pytest.approx(10, abs=0.5)
    assert points(head)[1] < 10 < points(head)[2]
    assert not body.startswith("**") and points(body)[1] < 0 < points(body)[2]
    (contrast,) = rows["palindrome against self_pair"]
    assert points(contrast[1])[0] == pytest.approx(0.5, abs=0.3)
    # only the changes named, and each against untrained
    assert sum(" against " in name for name in rows) == 3


@pytest.mark.parametrize("draws", [1, 4])
def test_few_draws_give_no_interval(write, draws):
    protocol = read_protocol(write(draws=draws, seeds=1))
    runs, scores = [], []
    for run in protocol.runs():
        key = key_of(run, run.variant, "data")
        # a commit that is not known is read from the file as NaN
        runs.append({"commit": np.nan, "model": "m", "device": "cpu", "trained_share": 1.0, **key})
        runs[-1] |= {"seconds": 1.0, "cpu_seconds": 1.0}
        for name in ("0001", "0003", "0005"):
            row = {"specimen": name, "structure": "head", "boundary_f": 0.5}
            scores.append({**key, **row, "iou": 0.5 + 0.1 * (run.variant == "palindrome")})
    scores = pd.DataFrame(scores)
    text = report(protocol, pd.DataFrame(runs), scores)
    assert f"| palindrome against untrained | {draws} | +10.0 | +10.0 |  |" in text
    assert "commit not known" in text


def test_variants_of_other_draws_are_compared_where_both_have_a_score(write):
    """With `score: even` a draw leaves its own template out; part of a protocol may have other draws."""
    protocol = read_protocol(write(draws=2, seeds=1, compare=[]))
    runs, scores = [], []
    for run in protocol.runs():
        if (run.variant, run.draw) == ("palindrome", 2) or run.variant == "self_pair":
            continue
        key = key_of(run, run.variant, "data")
        runs.append({"commit": "c", "model": "m", "device": "cpu", "trained_share": 1.0, **key})
        runs[-1] |= {"seconds": 1.0, "cpu_seconds": 1.0}
        for number in (2, 4, 6, 8):
            if number != 2 * run.draw:
                row = {"specimen": f"{number:04d}", "structure": "head", "boundary_f": 0.5}
                scores.append(
                    {**key, **row, "iou": 0.1 * number + 0.2 * (run.variant != "untrained")}
                )
    scores = pd.DataFrame(scores)
    text = report(protocol, pd.DataFrame(runs), scores)
    assert "4 specimens." in text
    assert "| palindrome against untrained | 1 | +20.0 | +20.0 |  |" in text
