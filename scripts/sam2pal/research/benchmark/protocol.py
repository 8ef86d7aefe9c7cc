"""The table of what a benchmark runs, and the list of runs that follows from it."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sam2pal.config.checking import validated
from sam2pal.config.evaluation import EvaluationOptions
from sam2pal.config.fields import options
from sam2pal.config.model import ModelOptions
from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.config.structures import Structure, read_structures
from sam2pal.config.training import TrainingOptions
from sam2pal.io.errors import InputError, nearest

METHOD = 3
"""Raise it when the same protocol gives other numbers, also by another default of training: runs of another
method are run again."""


@options
class Variant:
    """One way to train, or not to.

    Attributes:
        training: None leaves the model as it is.
        templates: what it trains on: `draw`, the templates of the draw, or `all`, every annotated
            specimen that may be trained on.
        of: only of draws of so many templates; None is of all.
    """

    name: str
    training: TrainingOptions | None = None
    templates: str = "draw"
    of: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.templates not in ("draw", "all"):
            raise ValueError(f"templates must be draw or all; found {self.templates!r}")
        if self.training is None and self.templates == "all":
            raise ValueError("`templates` says how to train; give `training` too")
        if self.of is not None:
            object.__setattr__(self, "of", tuple(self.of))
            if self.training is None:
                raise ValueError("what is not trained is of all draws; take `of` away")


@dataclass(frozen=True, order=True)
class Run:
    """One line of the plan: a variant with one draw of templates and one seed of training."""

    collection: str
    templates: int
    draw: int
    seed: int
    variant: str


@dataclass(frozen=True)
class Protocol:
    """What a benchmark runs.

    Attributes:
        collections: folders with `images/` and `annotations.json`, by name.
        templates: how many templates a draw has, one part of the benchmark each.
        seed: of the drawing of templates.
        score: which specimens are scored, see `Collection`.
        ceiling: the variant whose mean counts as 100 %.
        compare: pairs of variants (before, after) to compare beside `untrained`.
    """

    collections: dict[str, Path]
    structures: list[Structure]
    templates: list[int]
    draws: int
    seeds: int
    variants: dict[str, Variant]
    seed: int = 1
    score: str = "odd"
    model: ModelOptions = field(default_factory=ModelOptions)
    segmentation: SegmentationOptions = field(default_factory=SegmentationOptions)
    evaluation: EvaluationOptions = field(default_factory=EvaluationOptions)
    ceiling: str | None = None
    compare: list[tuple[str, str]] = field(default_factory=list)

    @property
    def untrained(self) -> str:
        """The first variant that does not train, which all others are compared with."""
        return next(name for name, variant in self.variants.items() if variant.training is None)

    def runs(self) -> Iterator[Run]:
        """All runs; those of the first seed and the fewest templates first, draw by draw, so that a table of
        some of them is balanced."""
        for seed in range(1, self.seeds + 1):
            for templates in self.templates:
                for draw in range(1, self.draws + 1):
                    for variant in self.variants.values():
                        if seed > 1 and variant.training is None:
                            continue  # nothing random is in it
                        if variant.of is not None and templates not in variant.of:
                            continue
                        for collection in self.collections:
                            yield Run(collection, templates, draw, seed, variant.name)

    def configuration(self, variant: str, model: str, side: int) -> str:
        """A hash of all that decides what a variant computes, apart from the photographs, the draw and
        the seed.

        Args:
            model: hash of the weights.
            side: of the model's square.
        """
        chosen = self.variants[variant]
        how = {k: v for k, v in asdict(chosen).items() if k != "of"}
        values = {
            "method": METHOD,
            "model": model,
            "side": side,
            "structures": [asdict(structure) for structure in self.structures],
            "variant": how | {"name": "", "training": _given(chosen.training)},
            "segmentation": asdict(self.segmentation),
            "boundary_tolerance": self.evaluation.boundary_tolerance,
            "seed": self.seed,
            "score": self.score,
        }
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


_KEYS = (
    *("collections", "structures", "templates", "draws", "seeds", "training", "variants"),
    *("seed", "score", "model", "segmentation", "evaluation", "ceiling", "compare"),
)


def read_protocol(path: Path) -> Protocol:
    """Read the table.

    Raises:
        InputError: not YAML, an unknown key, or something missing.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected keys and values")
    for key in content:
        if key not in _KEYS:
            raise InputError(f"{path}: unknown key '{key}'{nearest(key, _KEYS)}")
    for key in ("collections", "structures", "templates", "draws", "seeds", "variants"):
        if content.get(key) in (None, [], {}):
            raise InputError(f"{path}: `{key}` is missing")
    for key in ("draws", "seeds"):
        _whole(content[key], f"{path}: {key}")
    variants = {
        name: _variant(name, values or {}, content.get("training") or {}, path)
        for name, values in content["variants"].items()
    }
    if all(variant.training is not None for variant in variants.values()):
        raise InputError(f"{path}: no variant is untrained; add `untrained: {{}}`")
    score = content.get("score", "odd")
    if score not in ("odd", "even"):
        raise InputError(f"{path}: score: expected odd or even, found {score!r}")
    for variant in variants.values():
        if score == "even" and variant.templates == "all":
            raise InputError(
                f"{path}: '{variant.name}' trains on all specimens with an even number, and `score: even` "
                "scores them"
            )
    compare = [tuple(pair) for pair in content.get("compare") or []]
    counts = {count for variant in variants.values() for count in variant.of or ()}
    if unknown := sorted(counts - set(content["templates"])):
        raise InputError(f"{path}: variants: of: no draw has {unknown[0]} templates (`templates`)")
    for name in [n for pair in compare for n in pair] + [content.get("ceiling")]:
        if name is not None and name not in variants:
            raise InputError(f"{path}: no variant '{name}'{nearest(name, variants)}")
    return Protocol(
        collections={name: Path(folder) for name, folder in content["collections"].items()},
        structures=read_structures(content["structures"]),
        templates=[_whole(n, f"{path}: templates") for n in content["templates"]],
        draws=content["draws"],
        seeds=content["seeds"],
        variants=variants,
        seed=content.get("seed", 1),
        score=score,
        model=validated(ModelOptions, content.get("model") or {}, f"{path}: model"),
        segmentation=validated(
            SegmentationOptions, content.get("segmentation") or {}, f"{path}: segmentation"
        ),
        evaluation=validated(
            EvaluationOptions, content.get("evaluation") or {}, f"{path}: evaluation"
        ),
        ceiling=content.get("ceiling"),
        compare=compare,
    )


def _given(training: TrainingOptions | None) -> dict[str, Any] | None:
    """The options that are not at their defaults: an option that is added later changes no hash."""
    if training is None:
        return None
    default = asdict(TrainingOptions())
    return {k: v for k, v in asdict(training).items() if v != default[k]}


def _variant(name: str, values: dict[str, Any], common: dict[str, Any], path: Path) -> Variant:
    where = f"{path}: variants: {name}"
    training = values.get("training")
    if training is not None:
        training = validated(TrainingOptions, {**common, **training}, where)
    return validated(Variant, {**values, "name": name, "training": training}, where)


def _whole(value: Any, where: str) -> int:
    if type(value) is not int or value < 1:
        raise InputError(f"{where}: expected a whole number above 0, found {value!r}")
    return value
