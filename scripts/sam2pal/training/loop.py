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
from functools import partial
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor

from sam2pal.config.training import TrainingOptions
from sam2pal.io.errors import InputError
from sam2pal.io.files import atomic
from sam2pal.model import adapters
from sam2pal.model.device import autocast, out_of_memory
from sam2pal.model.tracker import Tracker
from sam2pal.training.data import Data, held_out
from sam2pal.training.judging import controls, guess, validate
from sam2pal.training.memory import Holding, what_fits
from sam2pal.training.step import step_losses
from sam2pal.training.weights import area_weights, difficulty_weights, running_losses

log = logging.getLogger(__name__)

# a validation IoU below this share of the best, and lower by this much, is nothing to go on from
_COLLAPSED = 0.5, 0.1


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
        controls: of the model before the first step, see `judging.controls`.
        running: the running loss of each structure, from which `difficulty` makes weights.
        teacher: the adapter of the teacher, see `TrainingOptions.teacher`; empty without one.
        labeller: the teacher as it was when it last renewed the masks of the pool; empty before that.
    """

    step: int = 0
    best_step: int = 0
    restored: int = 0
    best: float = -math.inf
    untrained: float = -math.inf
    best_state: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict] = field(default_factory=list)
    controls: dict[str, float] = field(default_factory=dict)
    running: list[float | None] = field(default_factory=list)
    teacher: dict[str, Tensor] = field(default_factory=dict)
    labeller: dict[str, Tensor] = field(default_factory=dict)

    @property
    def controls_of_best(self) -> dict[str, float]:
        """Of what is published."""
        if self.best <= self.untrained:
            return self.controls
        line = self.history[self.best_step - 1]
        return {name: value for name, value in line.items() if name.startswith("control_")}


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

    Waits for another process that runs this training, left over from a workflow that was killed.

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
    data = replace(data, held_out=held_out(data, options.holdout))
    _check(data, options)
    tracker, judge = Tracker(model, gated=False), Tracker(model)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=options.learning_rate, weight_decay=options.weight_decay
    )
    device = weights.device
    teaching = options.self_training > 0 and options.teacher > 0
    if options.self_training > 0:  # before a checkpoint changes the model
        data = _guessed(judge, data, options, device)
    holding = what_fits(tracker, data, options)
    progress = _resume(model, optimizer, state / "checkpoint.pt")
    if progress.labeller:
        data = _taught(judge, data, options, device, progress.labeller)
    look = partial(_look, judge, tracker, data, weights, options)
    if progress.step == 0:
        progress.best_state = adapters.adapter_state(model)
        progress.running = [None] * len(weights)
        progress.teacher = dict(progress.best_state) if teaching else {}
        progress.untrained, progress.controls = look()
        if math.isnan(progress.untrained):
            raise InputError(
                "no view that is kept for validation shows any structure: nothing could be judged; outline "
                "larger structures, or more specimens"
            )
        log.info("untrained: validation IoU %.4f", progress.untrained)
    own = structure_weights(data, weights, options, progress)
    saved, longest = time.monotonic(), 0.0
    while not _finished(progress, options):
        began = time.monotonic()
        if options.structure_weights == "difficulty":  # the others stay as they are
            own = structure_weights(data, weights, options, progress)
        numbers = _step(tracker, data, own, options, seed, optimizer, parameters, progress, holding)
        if numbers is None:
            _restore(model, optimizer, progress, options, "the gradient is not finite")
            numbers = {"restored": progress.restored}
        if teaching:
            progress.teacher = _follow(progress.teacher, adapters.adapter_state(model), options.teacher)
        progress.step += 1
        numbers = {"step": progress.step, **numbers}
        last = progress.step == options.steps
        if last or progress.step % options.validate_every == 0:
            numbers["validation"], control = look()
            numbers |= control
            found = numbers["validation"]
            if not last and _collapsed(found, max(progress.best, progress.untrained)):
                why = f"validation IoU fell to {found:.3f}"
                _restore(model, optimizer, progress, options, why)
                numbers["restored"] = progress.restored
            if found > progress.best:
                progress.best, progress.best_step = found, progress.step
                if progress.best > progress.untrained:
                    progress.best_state = adapters.adapter_state(model)
            if teaching and not last:
                progress.labeller = progress.teacher
                data = _taught(judge, data, options, device, progress.labeller)
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
    found = progress.controls_of_best
    if lower := [name for name, value in found.items() if value < found["control_true"]]:
        log.warning(
            "what is published finds the way back no better from what was seen on the specimen than from a "
            "memory that does not say where the structure is (%s)",
            ", ".join(name.removeprefix("control_") for name in lower),
        )
    return progress


def _guessed(judge: Tracker, data: Data, options: TrainingOptions, device: torch.device) -> Data:
    """With the masks that the model sees on the pool."""
    with autocast(device):
        return replace(data, guessed=guess(judge, data, options.labels, options.pairs))


def _taught(judge: Tracker, data, options, device, teacher: dict[str, Tensor]) -> Data:
    """With the masks that the teacher sees on the pool."""
    own = adapters.adapter_state(judge.model)
    adapters.set_state(judge.model, teacher)
    data = _guessed(judge, data, options, device)
    adapters.set_state(judge.model, own)
    return data


def _follow(teacher: dict[str, Tensor], model: dict[str, Tensor], keep: float) -> dict[str, Tensor]:
    """The teacher a step later."""
    return {name: keep * value + (1 - keep) * model[name] for name, value in teacher.items()}


def _look(judge, tracker, data, weights, options) -> tuple[float, dict[str, float]]:
    """Validation and controls."""
    with autocast(weights.device):
        iou = validate(judge, data, options.validation_pairs, options.pairs)
        if options.controls < 1:
            return iou, {}
        found = controls(tracker, data, weights, options.controls, options.mask)
    found = {name: round(value, 6) for name, value in found.items()}
    said = ", ".join(f"{name.removeprefix('control_')} {v:.3f}" for name, v in found.items())
    log.info("loss of the way back: %s", said or "none, no pair shows a structure")
    return iou, found


def structure_weights(
    data: Data, numbers: Tensor, options: TrainingOptions, progress: Progress
) -> Tensor:
    """[K], how much each structure counts in the next step.

    Args:
        numbers: [K], the weights of the configuration.
    """
    if options.structure_weights == "auto":
        trained = data.trained.tolist()
        return numbers * area_weights(data.drawn.masks[trained], data.drawn.known[trained])
    if options.structure_weights == "difficulty":
        return numbers * difficulty_weights(progress.running).to(numbers)
    return numbers


def _check(data: Data, options: TrainingOptions) -> None:
    """Refuse to start where no step could have a loss."""
    shown = data.drawn.shown[data.trained.tolist()]
    if not bool(shown.any()):
        raise InputError("no template shows any structure to follow: nothing can be trained")
    if (
        max(options.palindrome, options.self_pair, options.self_training) <= 0
        and int(shown.sum(0).max()) < 2
    ):
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
    tracker,
    data,
    weights,
    options,
    seed,
    optimizer,
    parameters,
    progress: Progress,
    holding: Holding,
) -> dict[str, float] | None:
    """One optimiser step; its numbers, of which there are none when its pairs share no structure.

    None, and nothing is changed, if the gradient is not finite.
    """
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(progress.step, options) / 2**progress.restored
    while True:
        try:
            numbers, seen = _backward(
                tracker, data, weights, options, seed, optimizer, progress.step, holding
            )
            break
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            if not holding.less():
                raise InputError(
                    f"the memory of the device '{weights.device}' is too small for one structure; use a "
                    "smaller model, a smaller `image_size`, or another device"
                ) from error
        # outside of the handler, which would keep the tensors of the failed try alive
        if weights.device.type == "cuda":
            torch.cuda.empty_cache()
        log.warning("step %d: out of memory, going on with %s", progress.step + 1, holding)
    if not numbers:
        return {}
    norm = torch.nn.utils.clip_grad_norm_(parameters, options.clip)
    if not bool(torch.isfinite(norm)):
        return None
    optimizer.step()
    progress.running = running_losses(progress.running, seen)
    return {"loss": numbers.pop("loss"), "norm": norm.item(), **numbers}


def _backward(tracker, data, weights, options, seed, optimizer, step, holding: Holding):
    """The gradient of a step, part by part as the device holds them; its numbers, and the losses seen."""
    optimizer.zero_grad(set_to_none=True)
    tracker.checkpoint_attention = holding.checkpointed
    if options.dropout > 0:
        torch.manual_seed(int(np.random.SeedSequence([seed, 5, step]).generate_state(1)[0]))
        adapters.set_dropout(tracker.model, True)
    rng, seen, numbers = np.random.default_rng([seed, 4, step]), [], {}
    parts = step_losses(tracker, data, weights, options, rng, holding.at_once, seen)
    try:
        while True:
            with autocast(weights.device):
                loss, share = next(parts, (None, {}))
            if loss is None:
                return numbers, seen
            loss.backward()
            for name, value in {"loss": loss.item(), **share}.items():
                numbers[name] = numbers.get(name, 0.0) + value
    finally:
        adapters.set_dropout(tracker.model, False)


def _collapsed(found: float, best: float) -> bool:
    share, least = _COLLAPSED
    return found < share * best and best - found > least


def _restore(
    model, optimizer, progress: Progress, options: TrainingOptions, why: str
) -> None:
    """Go back to the best adapter so far, from which training goes on at half the rate.

    Raises:
        InputError: it has gone back too often.
    """
    step = len(progress.history) + 1
    if progress.restored >= options.restores:
        again = f", for the {progress.restored + 1}. time" if progress.restored else ""
        raise InputError(
            f"training diverged at step {step} ({why}{again}); lower "
            f"`learning_rate` (now {options.learning_rate})"
        )
    progress.restored += 1
    adapters.set_state(model, progress.best_state)
    optimizer.state.clear()
    if progress.teacher:  # it followed what has diverged
        progress.teacher = dict(progress.best_state)
    log.warning(
        "step %d: %s; going back to the adapter of step %d, at half the rate",
        step,
        why,
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
    adapters.set_state(model, progress.best_state)
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
    adapters.set_state(model, content["adapter"])
    optimizer.load_state_dict(content["optimizer"])
    progress = Progress(**content["progress"], history=json.loads(content["history"]))
    log.info("going on from step %d", progress.step)
    return progress
