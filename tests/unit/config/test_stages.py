"""What each stage is given as a file, and how its script reads it."""

import argparse
import copy
import json
from pathlib import Path

import pytest
import yaml

from sam2pal.cli import add_machine, with_machine
from sam2pal.config.checking import validated
from sam2pal.config.configuration import Configuration, StageOptions
from sam2pal.config.stages import read_options, stage_options, write_options
from sam2pal.config.training import TrainingOptions
from sam2pal.io.errors import InputError

CONFIG = {
    "seed": 3,
    "genera": "genera.tsv",
    "templates": "templates.tsv",
    "low_confidence": 0.4,
    "structures": {"head": {"weight": 2}, "eye": {"parent": "head", "exclusive": False}},
    "rounds": {
        "untrained": {"templates": ["first"]},
        "trained": {"templates": ["first"], "train": {"steps": 5, "pool_size": 4}},
    },
    "training": {"views": 3, "micro_batch": 2},
    "segmentation": {"batch_size": 2, "pictures": ["overlays"]},
}
STAGES = (
    *("draw_specimens", "list_specimens", "convert_templates", "fetch_checkpoint", "segment_shard"),
    *(
        "draw_masks",
        "evaluate",
        "measure",
        "review_page",
        "review_index",
        "aggregate",
        "plot_evaluation",
    ),
    *("summarize_morphometrics", "plot_morphometrics", "draw_pool", "train_palindrome"),
    *("convert_corrections", "choose_next", "compare_masks", "find_specimens"),
    *("search_scale", "find_scale", "leave_one_out"),
)
EXPORTS = ("export_shapes", "export_darwin_core")
METHODS = dict.fromkeys((*STAGES, *EXPORTS, "plot_shapes"), 7)


def stages(**changes) -> dict[str, dict]:
    configuration = validated(Configuration, copy.deepcopy(CONFIG) | changes)
    return stage_options(configuration, METHODS)


def changed(**changes) -> set[str]:
    """The stages that a changed configuration computes again."""
    before, after = stages(), stages(**changes)
    return {stage for stage in after if after[stage] != before.get(stage)}


def test_a_stage_is_given_what_it_depends_on():
    found = stages()
    assert all(values["method"] == 7 for values in found.values())
    assert found["draw_pool.trained"] == {"method": 7, "seed": 3, "pool_size": 4}
    assert found["draw_pool.untrained"]["pool_size"] == 32
    training = found["train_palindrome.trained"]
    assert (training["training"]["steps"], training["training"]["views"]) == (5, 3)
    assert training["structures"]["head"] == {"parent": None, "exclusive": True, "weight": 2.0}
    assert found["segment_shard"]["structures"]["eye"] == {"parent": "head", "exclusive": False}
    assert found["measure"]["measurement"]["low_confidence"] == 0.4
    assert found["review_page"]["review"]["low_confidence"] == 0.4
    assert "train_palindrome.untrained" not in found


def test_what_is_decided_by_the_model():
    def given(model: dict, **asked: object) -> list[object]:
        found = stages(model=model, segmentation=asked)
        of = found["segment_shard"]["segmentation"]
        assert found["leave_one_out"]["segmentation"] == of  # masks of templates are made alike
        return [of["ensemble"], of["refine"]]

    other = {"name": "sam2.1_hiera_tiny"}
    assert given({}) == [3, True]
    assert given(other) == [1, False]
    assert given({"checkpoint": "own.pt"}) == [1, False]
    assert given({}, ensemble=1, refine=False) == [1, False]
    assert given(other, ensemble=2, refine=True) == [2, True]


def test_a_changed_key_changes_the_files_that_read_it():
    training = CONFIG["training"]
    assert changed(device="cpu") == set()
    assert changed(segmentation={"batch_size": 8, "decode_threads": 1}) == set()
    assert changed(training=training | {"micro_batch": 1, "checkpoint_minutes": 1.0}) == set()
    assert changed(training=training | {"steps": 150}) == set()  # the round says its own
    assert changed(training=training | {"warmup": 3}) == {"train_palindrome.trained"}
    assert changed(shard_size=9) == {"list_specimens"}
    assert changed(low_confidence=0.5) == {"measure", "measure_truth", "review_page"}
    final = {"aggregate", "summarize_morphometrics", "plot_morphometrics"}
    assert changed(final_round="trained") == final
    assert changed(confirmed_only=True) == {"summarize_morphometrics", "plot_morphometrics"}
    more = {"outlines": {"axis": ["head", "eye"]}, "darwin_core": True}
    confirmed = stages(**more, confirmed_only=True)
    assert all(
        confirmed[name] == stages(**more)[name] for name in EXPORTS
    )  # whatever the masks are
    assert changed(next={"count": 3}) == {"choose_next"}
    assert changed(seed=4) == {
        *("draw_pool.untrained", "draw_pool.trained", "train_palindrome.trained"),
        *("segment_shard", "leave_one_out", "evaluate", "aggregate"),
    }


def test_a_file_is_written_only_if_it_changed_and_no_run_is_going_on(tmp_path: Path):
    write_options(tmp_path, {"a": {"method": 1}}, locked=False)
    before = (tmp_path / "a.json").stat().st_mtime_ns
    write_options(tmp_path, {"a": {"method": 1}}, locked=False)
    left = write_options(tmp_path, {"a": {"method": 2}, "b": {"method": 1}}, locked=True)
    assert left == ["a"]
    assert (tmp_path / "a.json").stat().st_mtime_ns == before
    assert json.loads((tmp_path / "b.json").read_text()) == {"method": 1}  # needed to plan
    write_options(tmp_path, {"a": {"method": 2}}, locked=False)
    assert json.loads((tmp_path / "a.json").read_text()) == {"method": 2}


@pytest.mark.parametrize("stage", stages())
def test_a_script_reads_what_the_workflow_writes(stage: str, tmp_path: Path):
    if stage == "fetch_checkpoint":
        write_options(tmp_path, stages(model={"name": "sam2.1_hiera_tiny"}), locked=False)
    else:
        write_options(tmp_path, stages(), locked=False)
    options = read_options(tmp_path / f"{stage}.json")
    assert options.method == 7
    for key, value in stages()[stage].items():
        if key in ("seed", "pool_size", "rounds", "final_round", "confirmed_only", "shard_size"):
            assert getattr(options, key) == value


def test_options_by_hand(tmp_path: Path):
    assert read_options(None) == StageOptions()
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"training": {"steps": 9}, "structures": {"head": None}}))
    options = read_options(path, Path("own.pt"))
    assert options.training.steps == 9 and list(options.structures) == ["head"]
    assert options.model.checkpoint == "own.pt"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("training: {stps: 1}", "mine.yaml: training: unknown key 'stps' (did you mean 'steps'?)"),
        ("trainign: {}", "mine.yaml: unknown key 'trainign' (did you mean 'training'?)"),
        ("structures: {eye: {parent: haed}, head: }", "mine.yaml: structures.eye.parent: there is"),
        ("- 1", "mine.yaml: expected keys and values, found [1]"),
        ("a: [", "mine.yaml, line 2, column 1: this is not YAML"),
    ],
)
def test_mistakes_name_the_file(tmp_path: Path, text: str, said: str):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(InputError) as error:
        read_options(tmp_path / "mine.yaml")
    assert said in str(error.value)


def test_how_fast_is_said_by_flags():
    parser = argparse.ArgumentParser()
    add_machine(parser, TrainingOptions)
    arguments = parser.parse_args(["--micro-batch", "3", "--checkpoint-attention", "true"])
    options = with_machine(TrainingOptions(steps=9), arguments)
    assert (options.steps, options.micro_batch, options.checkpoint_attention) == (9, 3, True)
    assert options.checkpoint_minutes == TrainingOptions().checkpoint_minutes
    with pytest.raises(InputError, match="micro_batch: must be at least 0, found -1"):
        with_machine(options, parser.parse_args(["--micro-batch", "-1"]))
    with pytest.raises(SystemExit):
        parser.parse_args(["--steps", "3"])
