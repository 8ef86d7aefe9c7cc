"""Training an adapter for a genus: sampling, schedule, validation, checkpoint and resume.

Every random choice of step `i` comes from a generator seeded by (seed, i), so a run that was killed and
goes on makes the same choices as one that was not.
"""

import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout
from peft.utils import set_peft_model_state_dict
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor

from sam2pal import adapters
from sam2pal.adapters import AdapterOptions
from sam2pal.augmentation import augment
from sam2pal.coco import Template
from sam2pal.errors import InputError
from sam2pal.files import atomic
from sam2pal.images import read_photograph
from sam2pal.loading import ahead, annotated, read_template, square_image
from sam2pal.losses import hard_iou
from sam2pal.models import autocast
from sam2pal.palindrome import View, direct, mask_loss, palindrome, score_loss
from sam2pal.tracker import Features, Tracker

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingOptions:
    """How an adapter is trained.

    Attributes:
        steps: optimiser steps.
        pairs: (template, specimen) pairs a step; all structures of all of them go in one pass.
        views: augmented views of each template, each encoded once.
        learning_rate: peak, after `warmup` steps; a cosine to zero follows.
        weight_decay, clip: of AdamW, and the largest norm of the gradient.
        palindrome, direct, self_pair, scores: weights of the losses; zero switches one off. `direct`
            needs two templates.
        rank, alpha, dropout, targets: the adapter, see `adapters.AdapterOptions`.
        validate_every: steps between validations.
        patience: validations without a new best after which training stops; 0 never stops early.
        checkpoint_minutes: minutes between checkpoints.
    """

    steps: int = 150
    pairs: int = 2
    views: int = 8
    learning_rate: float = 1e-3
    warmup: int = 10
    weight_decay: float = 0.01
    clip: float = 1.0
    palindrome: float = 1.0
    direct: float = 1.0
    self_pair: float = 0.0
    scores: float = 0.1
    rank: int = 16
    alpha: float = 16.0
    dropout: float = 0.0
    targets: tuple[str, ...] = field(default=tuple(adapters.TARGETS))
    validate_every: int = 25
    patience: int = 0
    checkpoint_minutes: float = 5.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "targets", tuple(self.targets))
        for name in ("steps", "pairs", "views", "validate_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; found {getattr(self, name)}")
        if max(self.palindrome, self.direct, self.self_pair) <= 0:
            raise ValueError(
                "one of palindrome, direct and self_pair must have a weight above zero"
            )
        _ = self.adapter  # refuses a wrong rank or target

    @property
    def adapter(self) -> AdapterOptions:
        return AdapterOptions(self.rank, self.alpha, self.dropout, self.targets)


@dataclass(frozen=True)
class Data:
    """Everything a training looks at, encoded once.

    Attributes:
        drawn: the `T` templates as photographed.
        views: their augmented views, view by view of template 0, then of template 1, ...: [T * V].
        unseen: one view of each that is kept for validation, [T].
        pool: features of the unlabelled specimens.
    """

    drawn: View
    views: View
    unseen: View
    pool: Features


@dataclass
class Progress:
    """What a checkpoint keeps beside the optimiser."""

    step: int = 0
    best_step: int = 0
    best: float = -math.inf
    untrained: float = -math.inf
    best_state: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict] = field(default_factory=list)


@torch.no_grad()
def prepare(
    tracker: Tracker,
    templates: list[Template],
    pool: list[str],
    structures: list[str],
    options: TrainingOptions,
    seed: int,
    device: torch.device,
) -> Data:
    """Encode the templates, their augmented views and the pool: once an image, whatever the number of steps.

    Args:
        pool: paths of unlabelled specimens.
    """
    side = tracker.model.image_size
    drawn, views, unseen = [], [], []
    for index, template in enumerate(templates):
        image, masks = read_template(template, structures, side)
        known = annotated(template, structures)
        drawn.append((image, masks, known))
        for view in range(options.views + 1):
            rng = np.random.default_rng([seed, 3, index, view])
            kept = unseen if view == options.views else views
            kept.append((*augment(image, masks, rng), known))
    encoded = [
        _encode(tracker, square_image(photograph, side)[None], device)
        for photograph in ahead(read_photograph, pool)
    ]
    return Data(
        _view(tracker, drawn, device),
        _view(tracker, views, device),
        _view(tracker, unseen, device),
        Features.cat(encoded),
    )


def _encode(tracker: Tracker, images: Tensor, device: torch.device) -> Features:
    with autocast(device):
        return tracker.encode(images.to(device))


def _view(
    tracker: Tracker, entries: list[tuple[Tensor, Tensor, Tensor]], device: torch.device
) -> View:
    images, masks, known = zip(*entries, strict=True)
    features = Features.cat([_encode(tracker, image[None], device) for image in images])
    # the loss is taken where the decoder predicts, at a quarter of the square
    quarter = torch.nn.functional.avg_pool2d(torch.stack(masks).to(device), 4)
    return View(features, quarter, torch.stack(known).to(device))


def step_loss(
    tracker: Tracker,
    data: Data,
    weights: Tensor,
    options: TrainingOptions,
    rng: np.random.Generator,
) -> tuple[Tensor, dict[str, float]]:
    """The loss of one step, all pairs and structures in one pass, and its parts for the log.

    Args:
        weights: [K], one a structure.
    """
    templates = len(data.drawn.masks)
    source = rng.integers(templates, size=options.pairs)
    # x0' is another view of x0, so that "x0 -> y0" cannot be learned past m1
    back = data.views[
        _index(source * options.views + rng.integers(options.views, size=options.pairs))
    ]
    start = data.drawn[_index(source)]
    specimens = data.pool[
        _index(rng.choice(len(data.pool), options.pairs, replace=len(data.pool) < options.pairs))
    ]
    ways = []
    if options.palindrome > 0:
        ways.append(("palindrome", options.palindrome, palindrome(tracker, start, specimens, back)))
    if options.self_pair > 0:
        ways.append(("self_pair", options.self_pair, direct(tracker, start, back)))
    if options.direct > 0 and templates > 1:
        other = (source + rng.integers(1, templates, size=options.pairs)) % templates
        view = other * options.views + rng.integers(options.views, size=options.pairs)
        goal = data.views[_index(view)]
        ways.append(("direct", options.direct, direct(tracker, start, goal)))

    total = weights.new_zeros(())
    parts = {}
    for name, weight, followed in ways:
        if followed is None:
            continue
        loss = mask_loss(followed, weights)
        total = total + weight * loss
        parts[name] = loss.item()
        parts[f"{name}_iou"] = hard_iou(followed.tracked.logits, followed.target).mean().item()
        if options.scores > 0:
            honest = score_loss(followed)
            total = total + options.scores * honest
            parts["scores"] = parts.get("scores", 0.0) + honest.item()
    return total, parts


def _index(values: np.ndarray) -> Tensor:
    return torch.as_tensor(values, dtype=torch.long)


@torch.no_grad()
def validate(tracker: Tracker, data: Data) -> float:
    """Mean IoU from each template to unseen views of the others, or of itself if there is only one."""
    templates = len(data.drawn.masks)
    scores = []
    for shift in range(1, templates) if templates > 1 else [0]:
        goal = data.unseen[_index((np.arange(templates) + shift) % templates)]
        followed = direct(tracker, data.drawn, goal)
        if followed is not None:
            scores.append(hard_iou(followed.tracked.logits, followed.target))
    return torch.cat(scores).mean().item() if scores else math.nan


def learning_rate(step: int, options: TrainingOptions) -> float:
    """Linear warm-up, then a cosine to zero."""
    if step < options.warmup:
        return options.learning_rate * (step + 1) / options.warmup
    done = (step - options.warmup) / max(1, options.steps - options.warmup)
    return options.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def train(
    model: SAM2Base,
    data: Data,
    weights: Tensor,
    options: TrainingOptions,
    seed: int,
    state: Path,
    deadline: float = math.inf,
    on_step: Callable[[int, dict], None] = lambda step, numbers: None,
) -> Progress:
    """Train the adapters inside `model`, going on from the checkpoint in `state` if there is one.

    Args:
        weights: [K], one a structure.
        state: a folder of this training alone; holds `checkpoint.pt`, and a lock while it runs.
        deadline: value of `time.monotonic()` before which to stop and keep a checkpoint.

    Raises:
        InputError: another process runs this training, the time is over, or the loss is not finite.
    """
    state.mkdir(parents=True, exist_ok=True)
    lock = FileLock(state / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(
            f"{state}: another process is running this training; wait for it, or stop it first"
        ) from error
    with lock:
        return _train(model, data, weights, options, seed, state, deadline, on_step)


def _train(model, data, weights, options, seed, state, deadline, on_step) -> Progress:
    tracker, judge = Tracker(model, gated=False), Tracker(model)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=options.learning_rate, weight_decay=options.weight_decay
    )
    device = weights.device
    progress = _resume(model, optimizer, state / "checkpoint.pt")
    if progress.step == 0:
        progress.untrained = validate(judge, data)
        log.info("untrained: validation IoU %.4f", progress.untrained)
    saved = time.monotonic()
    while progress.step < options.steps:
        step = progress.step
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, options)
        with autocast(device):
            loss, numbers = step_loss(
                tracker, data, weights, options, np.random.default_rng([seed, 4, step])
            )
        if not numbers:
            raise InputError("no template shows any structure to follow: nothing can be trained")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, options.clip)
        if not bool(torch.isfinite(norm)):
            raise InputError(
                f"training diverged at step {step + 1} (the gradient is not finite); lower "
                f"`learning_rate` (now {options.learning_rate})"
            )
        optimizer.step()
        progress.step += 1
        numbers = {"step": progress.step, "loss": loss.item(), "norm": norm.item(), **numbers}

        last = progress.step == options.steps
        if last or progress.step % options.validate_every == 0:
            numbers["validation"] = validate(judge, data)
            if numbers["validation"] > progress.best:
                progress.best, progress.best_step = numbers["validation"], progress.step
                progress.best_state = adapters.adapter_state(model)
        progress.history.append({k: round(v, 6) for k, v in numbers.items()})
        on_step(progress.step, numbers)

        out_of_time = time.monotonic() > deadline
        if last or out_of_time or time.monotonic() - saved > 60 * options.checkpoint_minutes:
            _checkpoint(model, optimizer, progress, state / "checkpoint.pt")
            saved = time.monotonic()
        if out_of_time and not last:
            raise InputError(
                f"the time limit came at step {progress.step} of {options.steps}; the checkpoint is kept "
                "and the next run goes on from there"
            )
        waited = progress.step - max(progress.best_step, 0)
        if options.patience and waited >= options.patience * options.validate_every:
            log.info("no new best for %d validations: stopping early", options.patience)
            break
    return progress


def publish(model: SAM2Base, progress: Progress) -> bool:
    """Put the best adapter by validation into the model, or none if no one beats the untrained model.

    Returns:
        Whether the trained adapter is used.
    """
    better = progress.best > progress.untrained
    state = progress.best_state
    if not better:
        # a LoRA whose second matrix is zero changes nothing
        state = {
            name: torch.zeros_like(value) if "lora_B" in name else value
            for name, value in adapters.adapter_state(model).items()
        }
    set_peft_model_state_dict(model, state)
    return better


def _checkpoint(model, optimizer, progress: Progress, path: Path) -> None:
    with atomic(path) as temporary:
        torch.save(
            {
                "adapter": adapters.adapter_state(model),
                "optimizer": optimizer.state_dict(),
                "progress": {k: v for k, v in vars(progress).items() if k != "history"},
                "history": json.dumps(progress.history),
            },
            temporary,
        )


def _resume(model, optimizer, path: Path) -> Progress:
    if not path.is_file():
        return Progress()
    content = torch.load(path, map_location="cpu", weights_only=True)
    set_peft_model_state_dict(model, content["adapter"])
    optimizer.load_state_dict(content["optimizer"])
    progress = Progress(**content["progress"], history=json.loads(content["history"]))
    log.info("going on from step %d", progress.step)
    return progress
