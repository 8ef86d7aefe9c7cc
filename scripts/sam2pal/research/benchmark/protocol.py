"""The table of what a benchmark runs, and the list of runs that follows from it."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, Field, StrictInt, model_validator

from sam2pal.config.checking import validated
from sam2pal.config.evaluation import EvaluationOptions
from sam2pal.config.fields import Section, options
from sam2pal.config.model import ModelOptions
from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.config.structures import Structure, read_structures
from sam2pal.config.training import ConfiguredTraining
from sam2pal.io.errors import InputError
from sam2pal.io.spelling import nearest
from sam2pal.segmentation import METHODS as SEGMENTATION
from sam2pal.training import METHODS as TRAINING

METHOD = 6
"""Raise it when templates are drawn or masks are scored otherwise, or a default of training changes: runs of
another method are run again, as they are when training or segmentation computes something else."""


@options
class Variant:
    """One way to train on the templates of a draw, or not to."""

    name: str
    training: ConfiguredTraining | None = None


@dataclass(frozen=True, order=True)
class BenchmarkRun:
    """One line of the plan: a variant with one draw of templates and one seed of training."""

    collection: str
    templates: int
    draw: int
    seed: int
    variant: str


Count = Annotated[StrictInt, Field(ge=1)]


@options
class Protocol:
    """What a benchmark runs.

    Attributes:
        compare: pairs of variants (before, after) to compare beside `untrained`.
    """

    collections: Annotated[dict[str, Path], Field(min_length=1)]
    structures: Annotated[list[Structure], BeforeValidator(read_structures), Field(min_length=1)]
    templates: Annotated[list[Count], Field(min_length=1)]
    draws: Count
    seeds: Count
    variants: dict[str, Variant]
    seed: StrictInt = 1
    score: Literal["odd", "even"] = "odd"
    model: Section[ModelOptions] = field(default_factory=ModelOptions)
    segmentation: Section[SegmentationOptions] = field(default_factory=SegmentationOptions)
    evaluation: Section[EvaluationOptions] = field(default_factory=EvaluationOptions)
    compare: list[tuple[str, str]] = field(default_factory=list)

    @model_validator(mode="after")
    def _agree(self) -> "Protocol":
        if all(variant.training is not None for variant in self.variants.values()):
            raise ValueError("no variant is untrained; add `untrained: {}`")
        for name in (name for pair in self.compare for name in pair):
            if name not in self.variants:
                raise ValueError(f"no variant '{name}'{nearest(name, self.variants)}")
        return self

    @property
    def untrained(self) -> str:
        """The first variant that does not train, which all others are compared with."""
        return next(name for name, variant in self.variants.items() if variant.training is None)

    def runs(self) -> Iterator[BenchmarkRun]:
        """All runs, draw by draw, so that a table of some of them is balanced."""
        for seed in range(1, self.seeds + 1):
            for templates in self.templates:
                for draw in range(1, self.draws + 1):
                    for variant in self.variants.values():
                        if seed > 1 and variant.training is None:
                            continue  # nothing random is in it
                        for collection in self.collections:
                            yield BenchmarkRun(collection, templates, draw, seed, variant.name)

    def configuration(self, variant: str, model: str, side: int) -> str:
        """A hash of all that decides what a variant computes, apart from the photographs, the draw and
        the seed.
        """
        chosen = self.variants[variant]
        values = {
            "method": METHOD,
            "segmentation_method": SEGMENTATION["segment_shard"],
            "training_method": TRAINING["train_palindrome"] if chosen.training else None,
            "model": model,
            "side": side,
            "structures": [asdict(structure) for structure in self.structures],
            "variant": asdict(chosen) | {"name": "", "training": _given(chosen.training)},
            "segmentation": asdict(self.segmentation),
            "boundary_tolerance": self.evaluation.boundary_tolerance,
            "seed": self.seed,
            "score": self.score,
        }
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def read_protocol(path: Path) -> Protocol:
    """Read the table, whose `training` is of every variant that trains.

    Raises:
        InputError: not YAML, an unknown key, or something missing.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected keys and values")
    common = content.pop("training", None) or {}
    for name, values in (content.get("variants") or {}).items():
        variant = {**(values or {}), "name": name}
        if variant.get("training") is not None:
            variant["training"] = {**common, **variant["training"]}
        content["variants"][name] = variant
    try:
        return validated(Protocol, content)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _given(training: ConfiguredTraining | None) -> dict[str, Any] | None:
    """The options that are not at their defaults: an option that is added later changes no hash."""
    if training is None:
        return None
    default = asdict(ConfiguredTraining())
    return {k: v for k, v in asdict(training).items() if v != default[k]}
