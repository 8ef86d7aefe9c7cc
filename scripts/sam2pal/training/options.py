"""How an adapter is trained."""

from dataclasses import dataclass, field

from sam2pal.model import adapters
from sam2pal.model.adapters import AdapterOptions
from sam2pal.training.palindrome import MASK_LOSSES, PROMPTS
from sam2pal.training.weights import WAYS

MACHINE = ("checkpoint_minutes", "micro_batch", "checkpoint_attention", "keep_megabytes")
"""Options that fit a training to a machine, and change nothing of what it learns."""


@dataclass(frozen=True)
class TrainingOptions:
    """How an adapter is trained.

    Attributes:
        steps: optimiser steps.
        pairs: (template, specimen) pairs a step; all structures of all of them go in one pass.
        views: augmented views of each template, each encoded once.
        mirror: half of the views are mirrored; never if a structure is named for a side.
        turns: degrees by which templates and unlabelled specimens may lie turned against the first template;
            they are turned to lie as it does, as when specimens are segmented.
        learning_rate: peak, after `warmup` steps; a cosine to zero follows.
        weight_decay, clip: of AdamW, and the largest norm of the gradient.
        palindrome, direct, self_pair, self_training, scores: weights of the losses; zero switches one
            off. `direct` needs two templates.
        prompt: what is remembered of the prediction on the unlabelled specimen: itself (`soft`), or, to be
            compared with it, `thresholded` or `two_sigmoids`.
        reset: the way back forgets the drawn masks; False is there to be compared with it.
        specimens: unlabelled specimens on the way of a palindrome, one after another, each with a reset.
        pairing: which specimens go with a template: any (`random`), or any of the half that looks most like
            it (`similar`).
        confident: a palindrome counts as much as the model trusts its masks on the way, by predicted IoU and
            visibility.
        structure_weights: how much a structure counts: `numbers`, its `weight`; `auto`, that times one over
            the square root of its area on the templates; `difficulty`, that times its running loss.
        labels: what `self_training` learns from, the masks that the model saw on the pool before training:
            `hard` (p > 0.5) or `soft` (p itself).
        teacher: zero keeps these masks. Above it, every validation renews them, as a teacher sees them that
            keeps this share of its weights a step and takes the rest from the model.
        mask: the loss between a predicted and a drawn mask, `dice_bce` (Dice + binary cross-entropy) or
            `dice_focal` (Dice + 20 x focal loss, as SAM 2 was trained).
        loss_size: where masks are compared, in the losses and in validation: at a `quarter` of the square,
            where the decoder predicts, or at its `full` size, as masks are applied. Averaged over a quarter's
            cells a thin limb covers less than half of each: the mask is taught to stay below p = 0.5 there.
        method, rank, alpha, dropout, targets: the adapter, see `adapters.AdapterOptions`.
        holdout: keep one template for validation and train on the others: True, False, or `auto`, with at
            least three templates.
        validate_every: steps between validations.
        validation_pairs: at about so many pairs of templates a validation ends, however many there are.
        controls: pairs for which a validation also compares the loss of the way back with that of the same
            way from a blank memory, from another structure's and from another specimen's; 0 for none.
        patience: validations without a new best after which training stops; 0 never stops early.
        restores: how often a training that diverges (its gradient is not finite, or its validation falls to
            less than half of the best, by at least 0.1) goes back to its best adapter, and on at
            half the rate, before it fails.
        checkpoint_minutes: minutes between checkpoints.
        micro_batch: structures of a pair that go through the model at once, with the same gradient whatever
            it is; 0 takes as many as the device holds.
        checkpoint_attention: compute the memory attention again in the backward pass, with the same gradient;
            done without being asked where one structure would not fit.
        keep_megabytes: of encoded images that are kept in the device's memory; the others lie in a file.
    """

    steps: int = 150
    pairs: int = 2
    views: int = 8
    mirror: bool = True
    turns: tuple[int, ...] = (0, 90, 180, 270)
    learning_rate: float = 2e-4
    warmup: int = 10
    weight_decay: float = 0.01
    clip: float = 1.0
    palindrome: float = 1.0
    direct: float = 1.0
    self_pair: float = 1.0
    self_training: float = 0.0
    labels: str = "hard"
    teacher: float = 0.0
    prompt: str = "soft"
    reset: bool = True
    specimens: int = 1
    pairing: str = "random"
    confident: bool = False
    structure_weights: str = "numbers"
    scores: float = 0.1
    mask: str = "dice_focal"
    loss_size: str = "full"
    method: str = "lora"
    rank: int = 16
    alpha: float = 16.0
    dropout: float = 0.0
    targets: tuple[str, ...] = field(default=tuple(adapters.TARGETS))
    holdout: bool | str = False
    validate_every: int = 25
    validation_pairs: int = 32
    controls: int = 2
    patience: int = 0
    restores: int = 2
    checkpoint_minutes: float = 5.0
    micro_batch: int = 0
    checkpoint_attention: bool = False
    keep_megabytes: float = 8192.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "targets", tuple(self.targets))
        object.__setattr__(self, "turns", tuple(self.turns))
        if not self.turns or not set(self.turns) <= {0, 90, 180, 270}:
            raise ValueError(f"turns are some of 0, 90, 180 and 270; found {list(self.turns)}")
        for name in ("steps", "pairs", "views", "specimens", "validate_every", "validation_pairs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; found {getattr(self, name)}")
        if max(self.palindrome, self.direct, self.self_pair, self.self_training) <= 0:
            raise ValueError(
                "one of palindrome, direct, self_pair and self_training must have a weight above zero"
            )
        for name, known in (
            ("labels", ("hard", "soft")),
            ("mask", tuple(MASK_LOSSES)),
            ("prompt", tuple(PROMPTS)),
            ("pairing", ("random", "similar")),
            ("structure_weights", WAYS),
            ("loss_size", ("quarter", "full")),
        ):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} must be {' or '.join(known)}; found {getattr(self, name)!r}"
                )
        if self.holdout not in (True, False, "auto"):
            raise ValueError(f"holdout must be true, false or auto; found {self.holdout!r}")
        if not 0 <= self.teacher < 1:
            raise ValueError(f"teacher must be at least 0 and below 1; found {self.teacher}")
        _ = self.adapter  # refuses a wrong rank or target

    @property
    def adapter(self) -> AdapterOptions:
        return AdapterOptions(self.rank, self.alpha, self.dropout, self.targets, self.method)
