"""The options file of each stage: written by the workflow, read by the stage's script."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from sam2pal.config.checking import refuse, validated
from sam2pal.config.configuration import Configuration, StageOptions
from sam2pal.config.fields import without_machine
from sam2pal.config.model import BUNDLED_WEIGHTS, ModelOptions
from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.config.structures import Structure, parent_problems, with_names
from sam2pal.config.text_files import read_yaml
from sam2pal.config.training import ConfiguredTraining
from sam2pal.io.errors import InputError
from sam2pal.io.files import write_if_changed

ENSEMBLE = 3  # of the bundled model; docs/experiments/accuracy.md has what others give


def resolved_ensemble(configuration: Configuration) -> int:
    """In how many ways a specimen is seen."""
    asked = configuration.segmentation.ensemble
    if asked is None:
        return ENSEMBLE if configuration.model.bundled else 1
    return asked


def resolved_refine(configuration: Configuration) -> bool:
    """Whether the edges of masks are fitted to the picture."""
    asked = configuration.segmentation.refine
    return configuration.model.bundled if asked is None else asked


def stage_options(
    configuration: Configuration, methods: Mapping[str, int]
) -> dict[str, dict[str, Any]]:
    """What each stage depends on, by the name of its rule; a round's training by `RULE.ROUND`.

    What says how fast a stage is, and not what it computes, is left out.
    """
    whole = dataclasses.asdict(configuration)

    def of(*keys: str) -> dict[str, Any]:
        return {key: whole[key] for key in keys}

    rounds = {"rounds": list(configuration.rounds)}
    final = rounds | of("final_round")
    summarised = final | of("confirmed_only")
    measurement = {"measurement": whole["measurement"] | of("low_confidence")}
    searched = whole["measurement"]["scale_search"]
    scale = {"scale": whole["measurement"]["scale"], "scale_search": searched}
    looked_for = {k: v for k, v in searched.items() if k not in ("once", "alike")}
    model = {"model": _architecture(configuration.model)}
    names = _structures(configuration)
    segmentation = without_machine(configuration.segmentation, SegmentationOptions)
    segmentation["ensemble"] = resolved_ensemble(configuration)
    segmentation["refine"] = resolved_refine(configuration)
    segmented = {
        **of("seed"),
        **model,
        "structures": _structures(configuration, "parent", "exclusive"),
        "segmentation": segmentation,
    }
    fetched = ("name", "sha256", "url")
    stages: dict[str, dict[str, Any]] = {
        "draw_specimens": {},
        "list_specimens": of("shard_size"),
        "find_specimens": {},
        "convert_templates": {"structures": _structures(configuration, "parent", "exclusive")},
        "convert_corrections": {"structures": _structures(configuration, "parent", "exclusive")},
        "fetch_checkpoint": {"model": {k: getattr(configuration.model, k) for k in fetched}},
        "segment_shard": segmented,
        "leave_one_out": segmented,
        "draw_masks": {},
        "evaluate": of("seed", "evaluation"),
        "search_scale": {"measurement": scale | {"scale_search": looked_for}},
        "find_scale": {"measurement": scale},
        "measure": measurement,
        "measure_truth": {"structures": names} | measurement,
        "choose_next": of("next"),
        "compare_masks": {},
        "review_page": {"review": whole["review"] | of("low_confidence")},
        "review_index": {},
        "aggregate": of("seed", "evaluation") | final | of("unreadable"),
        "plot_evaluation": {},
        "summarize_morphometrics": summarised,
        "plot_morphometrics": summarised,
    }
    for name, entry in configuration.rounds.items():
        training = entry.train or configuration.training
        stages[f"draw_pool.{name}"] = of("seed") | {"pool_size": training.pool_size}
        if entry.train is not None:
            stages[f"train_palindrome.{name}"] = {
                **of("seed"),
                **model,
                "structures": _structures(configuration, "parent", "exclusive", "weight"),
                "training": without_machine(training, ConfiguredTraining),
                "segmentation": {"window": configuration.segmentation.window},
            }
    if configuration.outlines is not None:
        stages["export_shapes"] = {"structures": names} | measurement | of("outlines") | final
        stages["plot_shapes"] = {}
    if configuration.darwin_core:
        stages["export_darwin_core"] = measurement | final
    methods = {**methods, "measure_truth": methods["measure"]}
    return {
        stage: {"method": methods[stage.partition(".")[0]], **values}
        for stage, values in stages.items()
    }


def as_given(values: Mapping[str, Any], configuration: Configuration) -> dict[str, Any]:
    """The configuration as the user wrote it, with what is not there at the first level."""
    plain = TypeAdapter(Configuration).dump_python(configuration, mode="json")
    return {
        key: value if key == "model" or not isinstance(value, dict) else values.get(key) or {}
        for key, value in plain.items()
    }


def write_options(folder: Path, stages: Mapping[str, Mapping[str, Any]], locked: bool) -> list[str]:
    """Write `{stage}.json` of each stage if it changed, and no run goes on (`locked`); those left behind."""
    left = []
    for stage, values in stages.items():
        path = folder / f"{stage}.json"
        text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
        if not (locked and path.is_file()):
            write_if_changed(path, text)
        elif path.read_text(encoding="utf-8") != text:
            left.append(stage)
    return left


def read_options(path: Path | None, checkpoint: Path | None = None) -> StageOptions:
    """What a stage is to do; without a file the defaults.

    Args:
        path: a JSON or YAML file with some keys of `StageOptions`.
        checkpoint: weights of the model.

    Raises:
        InputError: the file cannot be read, or a key or value in it is not as it should be.
    """
    values = {} if path is None else read_mapping(path)
    if checkpoint is not None:
        values["model"] = {**(values.get("model") or {}), "checkpoint": str(checkpoint)}
    try:
        options = validated(StageOptions, values)
        refuse(parent_problems(options.structures), "")
    except InputError as error:
        refuse(str(error).splitlines(), str(path or "--checkpoint"))
        raise
    return options


def structures_of(options: StageOptions) -> list[Structure]:
    """The structures that the options name, in their order; InputError if they name none."""
    if not options.structures:
        raise InputError("no structures are named; give a file that names them by --options")
    return with_names(options.structures)


def read_mapping(path: Path) -> dict[str, Any]:
    """Raises: InputError: the file cannot be read, or holds no keys and values."""
    values = read_yaml(path)
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected keys and values, found {json.dumps(values)}")
    return values


def _structures(configuration: Configuration, *keys: str) -> dict[str, dict[str, Any]]:
    return {
        name: {key: getattr(entry, key) for key in keys}
        for name, entry in configuration.structures.items()
    }


def _architecture(model: ModelOptions) -> dict[str, Any]:
    """What builds the model. Its files are inputs of their own, but for the bundled weights."""
    sha256 = model.sha256
    if model.bundled and not sha256 and BUNDLED_WEIGHTS.is_file():
        sha256 = hashlib.sha256(BUNDLED_WEIGHTS.read_bytes()).hexdigest()
    values = {key: getattr(model, key) for key in ("name", "image_size", "config")}
    return values | {"sha256": sha256}
