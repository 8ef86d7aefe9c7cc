"""The schema of the configuration knows the options of the stages, and their defaults, as they are."""

import dataclasses
import importlib
import re
from pathlib import Path

import pytest
import yaml

SCHEMA = Path(__file__).resolve().parents[3] / "workflow/schemas/config.schema.yaml"
DEFINITIONS = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))["$defs"]
# what a section has beside its dataclass (the workflow's own), and the dataclass beside it (given otherwise)
STAGES = {
    "model": ("model", "ModelOptions", set(), set()),
    "structure": ("structures", "StructureOptions", set(), set()),
    "training": ("training", "TrainingOptions", {"pool_size"}, set()),
    "segmentation": ("segmentation", "SegmentationOptions", {"pictures"}, set()),
    "evaluation": ("evaluation", "EvaluationOptions", set(), {"seed"}),
    "measurement": ("measurement", "MeasurementOptions", set(), set()),
    "review": ("review", "ReviewOptions", set(), set()),
}


@pytest.mark.parametrize("section", STAGES)
def test_schema_and_dataclass_agree(section: str) -> None:
    module, name, more, less = STAGES[section]
    options = getattr(importlib.import_module(f"sam2pal.config.{module}"), name)
    known = {field.name for field in dataclasses.fields(options)}
    properties = DEFINITIONS[section]["properties"]
    assert set(properties) - more == known - less
    defaults = options()
    for key in known - less:
        value = getattr(defaults, key)
        assert properties[key]["default"] == (list(value) if isinstance(value, tuple) else value)
        assert type(properties[key]["default"]) in (type(value), list), key


def test_readme_names_every_option_with_its_default() -> None:
    text = (SCHEMA.parents[2] / "config/README.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL))
    for section, (_, _, _, _) in STAGES.items():
        part = sections["structures" if section == "structure" else section]
        rows = re.findall(r"^\| (`.*?) \| (.*?) \|", part, re.MULTILINE)
        written = {}
        for keys, defaults in rows:
            names = re.findall(r"`(\w+)`", keys)
            values = [defaults] if len(names) == 1 else defaults.split(", ")
            written |= dict(zip(names, values, strict=True))
        properties = DEFINITIONS[section]["properties"]
        assert set(written) == set(properties), section
        for key, entry in properties.items():
            default = entry["default"]
            if isinstance(default, bool):
                default = str(default).lower()
            if isinstance(default, (int, float, str)):
                assert written[key].strip("`") == str(default), key
