"""The whole of config.yaml, and the parts of it that stages read."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.dataclasses import dataclass

from sam2pal.config.evaluation import EvaluationOptions
from sam2pal.config.fields import LOW_CONFIDENCE, FilePath, Name, Section, Share
from sam2pal.config.measurement import MeasurementOptions, MeasurementSection
from sam2pal.config.model import ModelOptions
from sam2pal.config.outlines import OutlineOptions
from sam2pal.config.review import NextOptions, ReviewOptions, ReviewSection
from sam2pal.config.rounds import Round
from sam2pal.config.segmentation import SegmentationOptions, SegmentationSection
from sam2pal.config.structures import Structures
from sam2pal.config.training import ConfiguredTraining, TrainingSection

POOL_SIZE = TrainingSection.__pydantic_fields__["pool_size"]
_WHOLE = {"frozen": True, "kw_only": True, "config": ConfigDict(extra="forbid")}


@dataclass(**_WHOLE)
class Sections:
    """What the configuration and the options of a stage share."""

    seed: StrictInt = Field(
        1,
        ge=0,
        le=2**32 - 1,
        description="seed of everything random; the same seed gives the same results",
    )
    shard_size: StrictInt = Field(
        500,
        ge=1,
        le=100_000,
        description="specimens per segmentation job; one job takes minutes on a GPU",
    )
    final_round: Name | None = Field(
        None,
        description="round whose measurements are the result (wide table, figures); `none` takes for each "
        "genus the best round against truth, or without truth the last one, unless an earlier one is clearly "
        "better by leave-one-out",
    )
    confirmed_only: StrictBool = Field(
        False,
        description="use only masks that a person drew, corrected or accepted in the summary of "
        "measurements, the wide table of all genera and their figures; `n_unconfirmed` counts the others",
    )
    long_csv: StrictBool = Field(
        False,
        description="also write the tables with a row per specimen, structure and measure "
        "(`morphometrics.parquet`) as CSV, which takes twelve times the space",
    )
    unreadable: Literal["error", "note"] = Field(
        "error",
        description="how photographs that cannot be read are reported: `error` names them at the end and "
        "exits with 2; `note` lists them as a warning. All others are in the tables either way",
    )
    model: Section[ModelOptions] = Field(default_factory=ModelOptions)
    evaluation: Section[EvaluationOptions] = Field(default_factory=EvaluationOptions)


@dataclass(**_WHOLE)
class Configuration(Sections):
    """The configuration of SAM2-PAL. config/README.md explains every key."""

    genera: FilePath = Field(description="path of the table of genera")
    templates: FilePath = Field(description="path of the table of templates")
    corrections: FilePath = Field(
        "config/corrections",
        description="folder of the files that the review page exports: files of one genus in a folder of its "
        "name or below it, files of several genera beside these folders. All that end in `.json` are read",
    )
    specimen_table: FilePath | None = Field(
        None, description="path of a table of specimens, whose columns are joined to all results"
    )
    device: Literal["auto", "cuda", "mps", "cpu"] = Field(
        "auto", description="what computes: `auto` takes a CUDA GPU, else Apple's, else the CPU"
    )
    structures: Annotated[Structures, Field(min_length=1)] = Field(
        description="the structures, by the names used in the annotations"
    )
    rounds: Annotated[dict[Name, Round], Field(min_length=1)] = Field(
        description="the rounds, by name: which templates each uses, and how it trains"
    )
    low_confidence: Share = LOW_CONFIDENCE
    training: Section[TrainingSection] = Field(default_factory=TrainingSection)
    segmentation: Section[SegmentationSection] = Field(default_factory=SegmentationSection)
    measurement: Section[MeasurementSection] = Field(default_factory=MeasurementSection)
    outlines: OutlineOptions | None = None
    darwin_core: StrictBool = Field(
        False,
        description="write measurements as rows of Darwin Core MeasurementOrFact, photographs and "
        "masks as rows of Audiovisual (Audubon) Core, in `results/{genus}/darwin_core/`",
    )
    review: Section[ReviewSection] = Field(default_factory=ReviewSection)
    next: Section[NextOptions] = Field(default_factory=NextOptions)

    @model_validator(mode="before")
    @classmethod
    def _rounds_override_training(cls, values: Any) -> Any:
        """Complete each round's `train` by what `training` says."""
        if not isinstance(values, Mapping) or not isinstance(values.get("rounds"), Mapping):
            return values
        training = values.get("training") or {}
        try:
            TypeAdapter(TrainingSection).validate_python(training)
        except ValidationError:
            return values  # it is told of `training`, not of every round
        rounds = {
            name: entry | {"train": dict(training) | dict(entry["train"])}
            if isinstance(entry, Mapping) and isinstance(entry.get("train"), Mapping)
            else entry
            for name, entry in values["rounds"].items()
        }
        return {**values, "rounds": rounds}


@dataclass(**_WHOLE)
class StageOptions(Sections):
    """What one stage reads of the configuration: the keys it depends on, and its method."""

    method: StrictInt | None = Field(None, description="the version of the stage's method")
    structures: Structures = Field(default_factory=dict)
    rounds: list[Name] = Field(default_factory=list, description="the rounds in their order")
    pool_size: StrictInt = POOL_SIZE
    training: Section[ConfiguredTraining] = Field(default_factory=ConfiguredTraining)
    segmentation: Section[SegmentationOptions] = Field(default_factory=SegmentationOptions)
    measurement: Section[MeasurementOptions] = Field(default_factory=MeasurementOptions)
    outlines: Section[OutlineOptions] = Field(default_factory=OutlineOptions)
    review: Section[ReviewOptions] = Field(default_factory=ReviewOptions)
    next: Section[NextOptions] = Field(default_factory=NextOptions)
