"""The schema of the configuration knows the options of the stages, and their defaults, as they are."""

import dataclasses
import importlib
from pathlib import Path

import pytest
import yaml

SCHEMA = Path(__file__).resolve().parents[2] / "workflow/schemas/config.schema.yaml"
DEFINITIONS = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))["$defs"]
# what a section has beside its dataclass (the workflow's own), and the dataclass beside it (given otherwise)
STAGES = {
    "model": ("sam2pal.models", "ModelOptions", set(), set()),
    "structure": ("sam2pal.structures", "Structure", set(), {"name"}),
    "training": ("sam2pal.training", "TrainingOptions", {"pool_size"}, set()),
    "segmentation": ("sam2pal.segmentation", "SegmentationOptions", set(), set()),
    "evaluation": ("sam2pal.metrics", "EvaluationOptions", set(), {"seed"}),
    "measurement": ("sam2pal.morphometrics.options", "MeasurementOptions", set(), set()),
    "review": ("sam2pal.gallery", "ReviewOptions", set(), set()),
}


@pytest.mark.parametrize("section", STAGES)
def test_schema_and_dataclass_agree(section: str) -> None:
    module, name, more, less = STAGES[section]
    options = getattr(importlib.import_module(module), name)
    known = {field.name for field in dataclasses.fields(options)}
    properties = DEFINITIONS[section]["properties"]
    assert set(properties) - more == known - less
    defaults = options(**{"name": "any"} if section == "structure" else {})
    for key in known - less:
        value = getattr(defaults, key)
        assert properties[key]["default"] == (list(value) if isinstance(value, tuple) else value)
        assert type(properties[key]["default"]) in (type(value), list), key
