"""The schemas and the manual say what the classes of the configuration say."""

from pathlib import Path
from typing import get_args

import yaml
from jsonschema import Draft202012Validator

from sam2pal.config.documents import SECTIONS, manual, schemas
from sam2pal.config.training import Target, TrainingOptions
from sam2pal.model.adapters import BEHIND_ENCODER, ENCODER

REPOSITORY = Path(__file__).resolve().parents[3]
SCHEMAS = REPOSITORY / "workflow/schemas"
STALE = "is stale: run `make docs`"


def test_schemas_are_up_to_date():
    texts = schemas()
    assert sorted(path.name for path in SCHEMAS.iterdir()) == sorted(texts)
    for name, text in texts.items():
        assert (SCHEMAS / name).read_text(encoding="utf-8") == text, f"{name} {STALE}"
        Draft202012Validator.check_schema(yaml.safe_load(text))


def test_the_manual_is_up_to_date_and_names_every_key():
    text = (REPOSITORY / "config/README.md").read_text(encoding="utf-8")
    assert manual(text) == text, f"config/README.md {STALE}"
    for name, kind in SECTIONS.items():
        table = text.partition(f"<!-- begin {name} -->")[2].partition("<!-- end -->")[0]
        keys = {key for key, field in kind.__pydantic_fields__.items() if field.description}
        lines = [line for line in table.splitlines() if line.startswith("| `")]
        assert {line.split("`")[1] for line in lines} == keys


def test_a_schema_takes_the_default_configuration_and_refuses_an_unknown_key():
    validator = Draft202012Validator(yaml.safe_load(schemas()["config.schema.yaml"]))
    config = yaml.safe_load((REPOSITORY / "config/config.yaml").read_text(encoding="utf-8"))
    assert validator.is_valid(config)
    assert not validator.is_valid(config | {"sed": 1})
    assert not validator.is_valid(config | {"training": {"steps": 0}})


def test_choices_are_what_the_code_knows():
    targets = (*BEHIND_ENCODER, *ENCODER)
    assert get_args(Target) == targets and TrainingOptions().targets == targets[:-1]
