"""The loop: sampling, schedule, validation, checkpoint and resume.

Every random choice of step `i` comes from a generator seeded by (seed, i), so a run that was killed and
goes on makes the same choices as one that was not.
"""

import json
import logging
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout
from peft.utils import set_peft_model_state_dict
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor

from sam2pal import adapters
from sam2pal.errors import InputError
from sam2pal.files import atomic
from sam2pal.models import autocast
from sam2pal.palindrome import direct, mask_loss, palindrome, score_loss
from sam2pal.tracker import Tracker
from sam2pal.training.data import Data
from sam2pal.training.judging import guess, validate
from sam2pal.training.options import TrainingOptions

log = logging.getLogger(__name__)


@dataclass
class Progress:
    """What a checkpoint keeps beside the optimiser.

    Attributes:
        step: steps done.
        untrained: validation before the first step, of the model or of the adapter of `init`.
        best, best_step: the best validation, and after which step.
        best_state: the adapter of that step; the one before training if that was better.
        restored: how often training went back to `best_state` because the gradient was not finite.
        history: the numbers of every step.
    """

    step: int = 0
    best_step: int = 0
    restored: int = 0
    best: float = -math.inf
    untrained: float = -math.inf
    best_state: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict] = field(default_factory=list)


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

    Returns:
        A scalar, and numbers; none when the pairs of this step share no drawn structure.
    """
    templates = len(data.drawn.masks)
    source = rng.integers(templates, size=options.pairs)
    # x0' is another view of x0, so that "x0 -> y0" cannot be learned past m1
    back = data.views[
        _index(source * options.views + rng.integers(options.views, size=options.pairs))
    ]
    start = data.drawn[_index(source)]
    chosen = rng.choice(len(data.pool), options.pairs, replace=len(data.pool) < options.pairs)
    chosen = _index(chosen)
    ways = []
    if options.palindrome > 0:
        followed = palindrome(tracker, start, data.pool[chosen], back)
        ways.append(("palindrome", options.palindrome, followed))
    if options.self_pair > 0:
        ways.append(("self_pair", options.self_pair, direct(tracker, start, back)))
    if options.direct > 0 and templates > 1:
        other = (source + rng.integers(1, templates, size=options.pairs)) % templates
        view = other * options.views + rng.integers(options.views, size=options.pairs)
        goal = data.views[_index(view)]
        ways.append(("direct", options.direct, direct(tracker, start, goal)))
    if options.self_training > 0:
        followed = direct(tracker, start, data.guessed[chosen])
        ways.append(("self_training", options.self_training, followed))

    total = weights.new_zeros(())
    parts = {}
    for name, weight, followed in ways:
        if followed is None:
            continue
        loss = mask_loss(followed, weights, options.mask)
        total = total + weight * loss
        parts[name] = loss.item()
        parts[f"{name}_iou"] = followed.iou().mean().item()
        if options.scores > 0 and name != "self_training":  # a guess is no truth to be honest about
            honest = score_loss(followed)
            total = total + options.scores * honest
            parts["scores"] = parts.get("scores", 0.0) + honest.item()
    return total, parts


def _index(values: np.ndarray) -> Tensor:
    return torch.as_tensor(values, dtype=torch.long)


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

    Another process that runs this training, left over from a workflow that was killed, is waited for.

    Raises:
        InputError: the time is over, also that of waiting, or the loss is not finite.
    """
    state.mkdir(parents=True, exist_ok=True)
    with _locked(state, deadline):
        return _train(model, data, weights, options, seed, state, deadline, on_step)


def _locked(state: Path, deadline: float) -> AbstractContextManager:
    """The lock of a training, taken as soon as no other process holds it."""
    lock = FileLock(state / "lock")
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        log.info("%s: another process is running this training; waiting for it to end", state)
    left = max(0.0, deadline - time.monotonic())
    try:
        return lock.acquire(timeout=left if math.isfinite(left) else -1, poll_interval=1)
    except Timeout as error:
        raise InputError(
            f"{state}: another process is running this training, and did not end within the time limit; wait "
            "for it, or stop it first"
        ) from error


def _train(model, data, weights, options, seed, state, deadline, on_step) -> Progress:
    _check(data, options)
    tracker, judge = Tracker(model, gated=False), Tracker(model)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=options.learning_rate, weight_decay=options.weight_decay
    )
    if options.self_training > 0:  # before a checkpoint changes the model
        data = replace(data, guessed=guess(judge, data, options.labels, options.pairs))
    progress = _resume(model, optimizer, state / "checkpoint.pt")
    if progress.step == 0:
        progress.best_state = adapters.adapter_state(model)
        progress.untrained = validate(judge, data, options.validation_pairs, options.pairs)
        if math.isnan(progress.untrained):
            raise InputError(
                "no view that is kept for validation shows any structure: nothing could be judged; outline "
                "larger structures, or more specimens"
            )
        log.info("untrained: validation IoU %.4f", progress.untrained)
    saved, longest = time.monotonic(), 0.0
    while not _finished(progress, options):
        began = time.monotonic()
        numbers = _step(tracker, data, weights, options, seed, optimizer, parameters, progress)
        if numbers is None:
            _restore(model, optimizer, progress, options)
            numbers = {"restored": progress.restored}
        progress.step += 1
        numbers = {"step": progress.step, **numbers}
        last = progress.step == options.steps
        if last or progress.step % options.validate_every == 0:
            numbers["validation"] = validate(judge, data, options.validation_pairs, options.pairs)
            if numbers["validation"] > progress.best:
                progress.best, progress.best_step = numbers["validation"], progress.step
                if progress.best > progress.untrained:
                    progress.best_state = adapters.adapter_state(model)
        progress.history.append({k: round(v, 6) for k, v in numbers.items()})
        on_step(progress.step, numbers)

        now = time.monotonic()
        longest = max(longest, now - began)
        out_of_time = now + longest > deadline  # the next step might not end in time
        if last or out_of_time or now - saved > 60 * options.checkpoint_minutes:
            _checkpoint(model, optimizer, progress, state / "checkpoint.pt")
            saved = now
        if out_of_time and not _finished(progress, options):
            raise InputError(
                f"the time limit came at step {progress.step} of {options.steps}; the checkpoint is kept "
                "and the next run goes on from there"
            )
    if progress.step < options.steps:
        log.info("no new best for %d validations: stopped early", options.patience)
    return progress


def _check(data: Data, options: TrainingOptions) -> None:
    """Refuse to start where no step could have a loss."""
    shown = data.drawn.known & (data.drawn.masks.flatten(2).amax(2) > 0.5)  # [T, K]
    if not bool(shown.any()):
        raise InputError("no template shows any structure to follow: nothing can be trained")
    if max(options.palindrome, options.self_pair, options.self_training) <= 0 and int(shown.sum(0).max()) < 2:
        raise InputError(
            "training: only `direct` has a weight above zero, and it needs two templates that show the same "
            "structure; outline another specimen, or give `palindrome` a weight"
        )


def _finished(progress: Progress, options: TrainingOptions) -> bool:
    """All steps done, or too long without a new best."""
    waited = progress.step - progress.best_step
    return progress.step >= options.steps or (
        options.patience > 0 and waited >= options.patience * options.validate_every
    )


def _step(
    tracker, data, weights, options, seed, optimizer, parameters, progress: Progress
) -> dict[str, float] | None:
    """One optimiser step; its numbers, of which there are none when its pairs share no structure.

    None, and nothing is changed, if the gradient is not finite.
    """
    step = progress.step
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(step, options) / 2**progress.restored
    if options.dropout > 0:
        torch.manual_seed(int(np.random.SeedSequence([seed, 5, step]).generate_state(1)[0]))
        adapters.set_dropout(tracker.model, True)
    with autocast(weights.device):
        rng = np.random.default_rng([seed, 4, step])
        loss, numbers = step_loss(tracker, data, weights, options, rng)
    optimizer.zero_grad(set_to_none=True)
    if numbers:
        loss.backward()
    adapters.set_dropout(tracker.model, False)
    if not numbers:
        return {}
    norm = torch.nn.utils.clip_grad_norm_(parameters, options.clip)
    if not bool(torch.isfinite(norm)):
        return None
    optimizer.step()
    return {"loss": loss.item(), "norm": norm.item(), **numbers}


def _restore(model, optimizer, progress: Progress, options: TrainingOptions) -> None:
    """Go back to the best adapter so far, from which training goes on at half the rate.

    Raises:
        InputError: it has gone back too often.
    """
    if progress.restored >= options.restores:
        again = f", for the {progress.restored + 1}. time" if progress.restored else ""
        raise InputError(
            f"training diverged at step {progress.step + 1} (the gradient is not finite{again}); lower "
            f"`learning_rate` (now {options.learning_rate})"
        )
    progress.restored += 1
    set_peft_model_state_dict(model, progress.best_state)
    optimizer.state.clear()
    log.warning(
        "step %d: the gradient is not finite; going back to the adapter of step %d, at half the rate",
        progress.step + 1,
        progress.best_step if progress.best > progress.untrained else 0,
    )


def publish(model: SAM2Base, progress: Progress) -> bool:
    """Put the best adapter by validation into the model; what training started from, if none beats it.

    Returns:
        Whether a trained adapter is used.
    """
    better = progress.best > progress.untrained
    if not better:
        log.info(
            "no step was better than the model before training (validation IoU %.4f, best %.4f): it is "
            "published as it was",
            progress.untrained,
            progress.best,
        )
    set_peft_model_state_dict(model, progress.best_state)
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
