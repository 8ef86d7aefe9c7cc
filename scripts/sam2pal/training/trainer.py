"""Training the adapters inside a model: steps, schedule, validation, checkpoint and resume.

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
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor

from sam2pal.config.training import TrainingOptions
from sam2pal.io.errors import InputError
from sam2pal.io.files import atomic, set_aside
from sam2pal.io.memory import release_freed
from sam2pal.model import adapters
from sam2pal.model.device import autocast, out_of_memory
from sam2pal.model.tracker import Tracker
from sam2pal.training.checkpoints import locked
from sam2pal.training.data import Data
from sam2pal.training.schedule import schedule
from sam2pal.training.step_loss import StepLoss
from sam2pal.training.step_memory import fit_to_memory
from sam2pal.training.validation import controls, validate

log = logging.getLogger(__name__)

# a validation IoU below this share of the best, and lower by this much, is nothing to go on from
_COLLAPSED = 0.5, 0.1

Numbers = dict[str, float]


@dataclass
class TrainingState:
    """What a checkpoint keeps beside the optimiser.

    Attributes:
        untrained: validation before the first step, of the model or of the adapter of `init`.
        best, best_step: the best validation, and after which step.
        best_state: what would be published of that step; the adapter before training if that was better.
        restored: how often training went back to `best_state` because it diverged.
        controls: of the model before the first step, see `validation.controls`.
        left_out: why photographs of the pool could not be used, also those that an earlier process met.
    """

    step: int = 0
    best_step: int = 0
    restored: int = 0
    best: float = -math.inf
    untrained: float = -math.inf
    best_state: dict[str, Tensor] = field(default_factory=dict)
    before: dict[str, Tensor] = field(default_factory=dict)
    history: list[Numbers] = field(default_factory=list)
    controls: Numbers = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    @property
    def improved(self) -> bool:
        """Whether a step was better than what training started from."""
        return self.best > self.untrained

    @property
    def controls_of_best(self) -> Numbers:
        """Of what is published."""
        if not self.improved:
            return self.controls
        line = self.history[self.best_step - 1]
        return {name: value for name, value in line.items() if name.startswith("control_")}


class Trainer:
    """A training of the adapters inside a model.

    Args:
        model: with adapters; only they have gradients.
        weights: [K], how much each structure counts.
        folder: of this training alone; holds `checkpoint.pt`, and a lock while it runs.
    """

    def __init__(
        self,
        model: SAM2Base,
        data: Data,
        options: TrainingOptions,
        weights: Tensor,
        seed: int,
        folder: Path,
    ) -> None:
        self.model, self.options, self.seed, self.folder = model, options, seed, folder
        self.data, self.weights, self.device = data, weights, weights.device
        self.tracker, self.judge = Tracker(model, gated=False), Tracker(model)
        self.state = TrainingState()
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=options.learning_rate, weight_decay=options.weight_decay
        )

    def train(
        self,
        deadline: float = math.inf,
        on_step: Callable[[int, Numbers], None] = lambda step, numbers: None,
    ) -> TrainingState:
        """Take all steps, going on from the checkpoint if there is one.

        Waits for another process that runs this training, left over from a workflow that was killed.

        Args:
            deadline: value of `time.monotonic()` before which to stop and keep a checkpoint.

        Raises:
            InputError: the time is over, also that of waiting, training diverged, or nothing can be learned
                or judged.
        """
        with locked(self.folder, deadline):
            self._start()
            saved, longest = time.monotonic(), 0.0
            while not self._finished:
                began = time.monotonic()
                numbers = self._step()
                self.state.history.append({k: round(v, 6) for k, v in numbers.items()})
                on_step(self.state.step, numbers)
                now = time.monotonic()
                longest = max(longest, now - began)
                out_of_time = now + longest > deadline  # the next step might not end in time
                late = now - saved > 60 * self.options.checkpoint_minutes
                if self._last or out_of_time or late:
                    self._save()
                    saved = now
                if out_of_time and not self._finished:
                    raise InputError(
                        f"the time limit came at step {self.state.step} of {self.options.steps}; the "
                        "checkpoint is kept and the next run goes on from there"
                    )
        self._report()
        return self.state

    def publish(self) -> bool:
        """Put the best adapter by validation into the model; what training started from, if none beats it."""
        if not self.state.improved:
            log.info(
                "no step was better than the model before training (validation IoU %.4f, best %.4f): it is "
                "published as it was",
                self.state.untrained,
                self.state.best,
            )
        adapters.set_state(self.model, self.state.best_state)
        return self.state.improved

    # ------------------------------------------------------------------ begin and end

    def _start(self) -> None:
        self._refuse_what_has_no_loss()
        self.loss = StepLoss(self.tracker, self.data, self.options)
        self.memory = fit_to_memory(self.tracker, self.data, self.options)
        self.state.before = self.state.best_state = adapters.adapter_state(self.model)
        self._resume()

    def _refuse_what_has_no_loss(self) -> None:
        options, shown = self.options, self.data.drawn.shown
        if not bool(shown.any()):
            raise InputError("no template shows any structure to follow: nothing can be trained")
        alone = max(options.palindrome, options.self_pair, options.distillation) > 0
        if not alone and int(shown.sum(0).max()) < 2:
            raise InputError(
                "training: only `direct` has a weight above zero, and it needs two templates that show the "
                "same structure; outline another specimen, or give `palindrome` or `distillation` a weight"
            )

    def _judge_untrained(self) -> None:
        """With the first validation, so that the first step need not wait."""
        state, own = self.state, adapters.adapter_state(self.model)
        adapters.set_state(self.model, state.before)
        state.untrained, state.controls = self._validate()
        adapters.set_state(self.model, own)
        if math.isnan(state.untrained):
            raise InputError(
                "no view that is kept for validation shows any structure: nothing could be judged; outline "
                "larger structures, or more specimens"
            )
        log.info("untrained: validation IoU %.4f", state.untrained)

    def _report(self) -> None:
        state = self.state
        if state.step < self.options.steps:
            log.info("no new best for %d validations: stopped early", self.options.patience)
        found = state.controls_of_best
        if lower := [name for name, value in found.items() if value < found["control_true"]]:
            log.warning(
                "the published adapter returns to the template equally well without the prediction on the "
                "specimen (%s): the palindrome taught it little",
                ", ".join(name.removeprefix("control_") for name in lower),
            )

    @property
    def _last(self) -> bool:
        return self.state.step == self.options.steps

    @property
    def _finished(self) -> bool:
        """All steps done, or too long without a new best."""
        options, waited = self.options, self.state.step - self.state.best_step
        return self.state.step >= options.steps or (
            options.patience > 0 and waited >= options.patience * options.validate_every
        )

    # ------------------------------------------------------------------ a step

    def _step(self) -> Numbers:
        """One step, and the validation that is due after it; the numbers for the log."""
        state, options = self.state, self.options
        numbers = self._optimise()
        if numbers is None:
            self._restore("the gradient is not finite")
            numbers = {"restored": state.restored}
        state.step += 1
        numbers = {"step": state.step, **numbers}
        if self._last or state.step % options.validate_every == 0:
            numbers |= self._select()
        state.left_out = list(dict.fromkeys([*state.left_out, *self.data.left_out]))
        return numbers

    def _optimise(self) -> Numbers | None:
        """Change the weights; the numbers of the step, none of them when its pairs share no structure.

        None, and nothing is changed, if the gradient is not finite.
        """
        state, options, failed = self.state, self.options, True
        share = schedule(state.step, options.steps, options.warmup)
        rate = options.learning_rate * share / 2**state.restored
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        while failed:
            try:
                numbers = self._backward()
                failed = False
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
                if not self.memory.less():
                    raise InputError(
                        f"the memory of the device '{self.device}' is too small for one structure; use a "
                        "smaller model, a smaller `image_size`, or another device"
                    ) from error
            # outside of the handler, which would keep the tensors of the failed try alive
            if failed:
                if self.device.type == "cuda":
                    torch.cuda.empty_cache()
                log.warning("step %d: out of memory, going on with %s", state.step + 1, self.memory)
        if not numbers:
            return {}
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.options.clip)
        if not bool(torch.isfinite(norm)):
            return None
        self.optimizer.step()
        return {"loss": numbers.pop("loss"), "norm": norm.item(), **numbers}

    def _backward(self) -> Numbers:
        """The gradient of a step, part by part as the device holds them; its numbers."""
        self.optimizer.zero_grad(set_to_none=True)
        self.tracker.checkpoint_attention = self.memory.checkpointed
        rng = np.random.default_rng([self.seed, 4, self.state.step])
        parts = self.loss.parts(rng, self.weights, self.memory.at_once)
        numbers: Numbers = {}
        while True:
            with autocast(self.device):
                part = next(parts, None)
            if part is None:
                return numbers
            part.loss.backward()
            if self.memory.at_once is not None and self.device.type == "cpu":
                release_freed()  # or what parts leave adds up
            for name, value in {"loss": part.loss.item(), **part.numbers}.items():
                numbers[name] = numbers.get(name, 0.0) + value

    # ------------------------------------------------------------------ which step is the best

    def _select(self) -> Numbers:
        """Validate; keep the adapter if it is the best, go back to the best if this one has collapsed."""
        state = self.state
        if state.untrained == -math.inf:
            self._judge_untrained()
        own = adapters.adapter_state(self.model)
        published = self._interpolated(own)
        adapters.set_state(self.model, published)
        found, numbers = self._validate()
        adapters.set_state(self.model, own)
        numbers = {"validation": found, **numbers}
        if not self._last and self._collapsed(found):
            self._restore(f"validation IoU fell to {found:.3f}")
            numbers["restored"] = state.restored
        if found > state.best:
            state.best, state.best_step = found, state.step
            if state.improved:
                state.best_state = published
        return numbers

    def _interpolated(self, after: dict[str, Tensor]) -> dict[str, Tensor]:
        """What would be published of this adapter (weight-space interpolation, arXiv:2109.01903).

        An adapter changes a weight by the product of its two matrices. The second of a fresh one begins at
        zero: with that one interpolated and the other as it is, the weight itself is. Of an adapter that
        training went on from both are, and the weights follow a path that is nearly straight.
        """
        before, share = self.state.before, self.options.interpolation
        if share == 1:
            return after
        fresh = not any(bool(value.any()) for name, value in before.items() if ".lora_B." in name)
        return {
            name: value if fresh and ".lora_A." in name else torch.lerp(before[name], value, share)
            for name, value in after.items()
        }

    def _validate(self) -> tuple[float, Numbers]:
        """Mean IoU, and the controls."""
        options = self.options
        with autocast(self.device):
            iou = validate(self.judge, self.data, options.validation_pairs, options.pairs)
            if options.controls < 1:
                return iou, {}
            found = controls(self.tracker, self.data, self.weights, options.controls)
        found = {name: round(value, 6) for name, value in found.items()}
        said = ", ".join(f"{name.removeprefix('control_')} {v:.3f}" for name, v in found.items())
        log.info("loss of the way back: %s", said or "none, no pair shows a structure")
        return iou, found

    def _collapsed(self, found: float) -> bool:
        (share, least), best = _COLLAPSED, max(self.state.best, self.state.untrained)
        return found < share * best and best - found > least

    def _restore(self, why: str) -> None:
        """Go back to the best adapter so far, from which training goes on at half the rate."""
        state = self.state
        step = len(state.history) + 1
        if state.restored >= self.options.restores:
            again = f", for the {state.restored + 1}. time" if state.restored else ""
            raise InputError(
                f"training diverged at step {step} ({why}{again}); lower "
                f"`learning_rate` (now {self.options.learning_rate})"
            )
        state.restored += 1
        adapters.set_state(self.model, state.best_state)
        self.optimizer.state.clear()
        log.warning(
            "step %d: %s; going back to the adapter of step %d, at half the rate",
            step,
            why,
            state.best_step if state.improved else 0,
        )

    # ------------------------------------------------------------------ checkpoint

    def _save(self) -> None:
        with atomic(self.folder / "checkpoint.pt") as temporary:
            torch.save(
                {
                    "adapter": adapters.adapter_state(self.model),
                    "optimizer": self.optimizer.state_dict(),
                    "state": {k: v for k, v in vars(self.state).items() if k != "history"},
                    "history": json.dumps(self.state.history),
                },
                temporary,
            )

    def _resume(self) -> None:
        path = self.folder / "checkpoint.pt"
        if not path.is_file():
            return
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            state = TrainingState(**content["state"], history=json.loads(content["history"]))
            self._check_resumed(state, content["adapter"])
            moments = [v for of in content["optimizer"]["state"].values() for v in of.values()]
            if not all(bool(torch.isfinite(torch.as_tensor(v)).all()) for v in moments):
                raise ValueError("the optimiser holds what is not a number")
            self.optimizer.load_state_dict(content["optimizer"])
        except Exception as error:  # whatever a damaged file makes torch raise
            reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
            log.warning(
                "%s: damaged (%s); it was set aside as %s, and training begins anew",
                path,
                reason,
                set_aside(path).name,
            )
            return
        adapters.set_state(self.model, content["adapter"])
        self.state = state
        log.info("going on from step %d", self.state.step)

    def _check_resumed(self, state: TrainingState, found: dict[str, Tensor]) -> None:
        """Raise `ValueError` unless a checkpoint can be of this training."""
        counts = (state.step, state.best_step, state.restored, len(state.history))
        if not all(type(count) is int and count >= 0 for count in counts):
            raise ValueError(f"its counts are {counts}")
        if not state.best_step <= state.step == len(state.history) <= self.options.steps:
            raise ValueError(
                f"step {state.step}, best {state.best_step}, {len(state.history)} lines of"
                f" {self.options.steps} steps"
            )
        own = adapters.adapter_state(self.model)
        for kept in (found, state.best_state):
            if kept.keys() != own.keys() or any(
                kept[name].shape != value.shape or not bool(torch.isfinite(kept[name]).all())
                for name, value in own.items()
            ):
                raise ValueError("its weights are not those of this training, or no numbers")
