"""How an adapter is trained."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StrictBool, StrictFloat, StrictInt, model_validator

from sam2pal.config.fields import Machine, Turns, options, unique

Weight = Annotated[StrictFloat, Field(ge=0)]
Rate = Annotated[StrictFloat, Field(gt=0)]
Steps = Annotated[StrictInt, Field(ge=1, le=1_000_000)]
Views = Annotated[StrictInt, Field(ge=1, le=1024)]
Target = Literal[
    *("memory_attention", "memory_encoder", "mask_decoder"),
    *("neck", "encoder_late", "encoder_early"),
]


@options
class AdapterOptions:
    """What is trained."""

    rank: StrictInt = Field(16, ge=1, le=1024)
    """rank of the low-rank matrices"""
    alpha: StrictFloat = Field(16.0, gt=0)
    """these matrices are scaled by `alpha` / `rank`"""
    targets: Annotated[tuple[Target, ...], Field(min_length=1), AfterValidator(unique)] = (
        "memory_attention",
        "memory_encoder",
        "mask_decoder",
        "neck",
        "encoder_late",
    )
    """parts of SAM 2 that are trained: `memory_attention`, `memory_encoder`, `mask_decoder`, and
    of the image encoder `neck`, `encoder_late` (the last two stages of its trunk) and
    `encoder_early`"""


@options
class TrainingOptions(AdapterOptions):
    """How an adapter is trained."""

    steps: Steps = 100
    """optimiser steps"""
    pairs: StrictInt = Field(2, ge=1, le=256)
    """pairs of a template and a specimen per step, each with all structures"""
    views: Views = 8
    """augmented views of each template, each encoded once"""
    mirror: StrictBool = True
    """mirror half of these views; never done if a structure is named for a side (`left_antenna`,
    `right eye`)"""
    bend: Weight = 0.0
    """how far these views, and altered copies of unlabelled specimens, are bent: the largest standard
    deviation of a smooth field of shifts, as a share of the square's side"""
    turns: Turns = (0, 90, 180, 270)
    """degrees by which templates and unlabelled specimens may be turned against most templates;
    training turns all alike. Use `[0]` if all lie the same way"""
    learning_rate: Rate = 0.0003
    """peak of the learning rate; a cosine decay to zero follows"""
    warmup: StrictInt = Field(10, ge=0, le=1_000_000)
    """steps until the learning rate reaches its peak"""
    weight_decay: Weight = 0.01
    """weight decay of AdamW"""
    interpolation: Annotated[StrictFloat, Field(gt=0, le=1)] = 1.0
    """how far the published weights lie from the weights before training (0) towards those after
    it (1) (arXiv:2109.01903). Without `distillation` and with one template 0.5 is better than
    1"""
    clip: StrictFloat = Field(1.0, gt=0)
    """largest norm of the gradient; a larger one is scaled down to it"""
    palindrome: Weight = 1.0
    """weight of the palindrome's loss"""
    direct: Weight = 1.0
    """weight of the loss from one template to another; needs two templates"""
    self_pair: Weight = 1.0
    """weight of the loss from a template to another view of itself"""
    distillation: Weight = 3.0
    """weight of the loss on unlabelled specimens against the mean of the masks that the model
    before training finds on them when it sees them in several ways (arXiv:1712.04440)"""
    ways: StrictInt = Field(5, ge=2, le=8)
    """in how many ways the model sees an unlabelled specimen for `distillation`, as in
    `segmentation: ensemble`"""
    scores: Weight = 0.1
    """weight of the loss of predicted IoU and object score"""
    validate_every: StrictInt = Field(25, ge=1, le=1_000_000)
    """steps between validations"""
    validation_pairs: StrictInt = Field(32, ge=1, le=10_000)
    """largest number of pairs of templates in a validation"""
    controls: StrictInt = Field(2, ge=0, le=10_000)
    """pairs for which a validation also logs the loss of the way back, and for comparison the
    same loss from memories that do not show where the structure is; 0 for none"""
    patience: StrictInt = Field(0, ge=0, le=1_000_000)
    """validations without a new best after which training stops early; 0 for never"""
    restores: StrictInt = Field(2, ge=0, le=1000)
    """how often a training that diverges (its gradient is not finite, or its validation falls to
    less than half of the best, by at least 0.1) returns to its best state and continues at half
    the rate, before it fails"""
    checkpoint_minutes: Machine[Weight] = 5.0
    """minutes between checkpoints"""
    micro_batch: Machine[StrictInt] = Field(0, ge=0)
    """structures of a pair that go through the model at once; 0 takes as many as a graphics card
    holds, on a CPU as many as fit into 2 GB. The gradient is the same"""
    checkpoint_attention: Machine[StrictBool] = False
    """recompute the memory attention and the trained part of the image encoder's trunk in the
    backward pass: less memory, a third more time, the same gradient. Done automatically if one
    structure would not fit"""
    keep_megabytes: Machine[Weight] = 8192.0
    """encoded images kept in the device's memory, at most half of what a training uses of it; the
    others lie in a file under `resources/training` during a training"""

    @model_validator(mode="after")
    def _learns_something(self) -> Self:
        weights = (self.palindrome, self.direct, self.self_pair, self.distillation)
        if None not in weights and max(weights) <= 0:
            raise ValueError(
                "one of palindrome, direct, self_pair and distillation must have a weight above zero"
            )
        return self

    @property
    def adapter(self) -> AdapterOptions:
        return AdapterOptions(self.rank, self.alpha, self.targets)


SEVERAL = 3
"""templates from which the pairs of them teach enough for more steps; docs/training.md has the gain"""

WITH_SEVERAL = {"steps": 300, "views": 16, "bend": 0.05, "learning_rate": 5e-4, "palindrome": 0.0}
"""Defaults with so many. Beside pairs of templates the palindrome gains nothing and takes half the time."""


def _usual(name: str) -> Any:
    """The field of an option whose number depends on how many templates there are, if none is given."""
    of = TrainingOptions.__pydantic_fields__[name]
    usual = f"`none` is {of.default}, with {SEVERAL} or more templates {WITH_SEVERAL[name]}"
    return Field(None, description=f"{of.description}. {usual}")


@options
class ConfiguredTraining(TrainingOptions):
    """How an adapter is trained, as long as nobody knows from how many templates."""

    steps: Steps | None = _usual("steps")
    views: Views | None = _usual("views")
    learning_rate: Rate | None = _usual("learning_rate")
    bend: Weight | None = _usual("bend")
    palindrome: Weight | None = _usual("palindrome")

    def settled(self, templates: int) -> TrainingOptions:
        """With numbers where `none` is said, for so many templates."""
        longer = templates >= SEVERAL and max(self.direct, self.distillation) > 0
        values = {name: getattr(self, name) for name in TrainingOptions.__pydantic_fields__}
        given = {name: value for name, value in values.items() if value is not None}
        return TrainingOptions(**(WITH_SEVERAL if longer else {}) | given)


@options
class TrainingSection(ConfiguredTraining):
    """How an adapter is trained, and on how many unlabelled specimens."""

    pool_size: StrictInt = Field(32, ge=1, le=100_000)
    """unlabelled specimens that training may use, drawn once per round and kept"""
