"""The loop: resumable, with a line per step."""

import json
import logging
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from sam2.modeling.sam2_base import SAM2Base
from torch import nn
from torch.utils.data import DataLoader

from sam2pal.io.files import atomic, write_text
from sam2pal.model.tracker import Tracker
from sam2pal.research.pretraining.batches import Batches
from sam2pal.research.pretraining.optimizer import trainable, update_average
from sam2pal.research.pretraining.options import PretrainingOptions
from sam2pal.research.pretraining.photographs import PictureSet
from sam2pal.research.pretraining.step import step_loss
from sam2pal.training.schedule import schedule

log = logging.getLogger(__name__)


def pretrain(
    model: SAM2Base,
    options: PretrainingOptions,
    folder: Path,
    seed: int,
    on_step: Callable[[int, dict], None] = lambda step, numbers: None,
    photographs: Sequence[PictureSet] = (),
) -> None:
    """Train until `options.steps`, going on from the checkpoint in `folder` if there is one.

    Writes `folder/state.pt` (weights, their average, optimiser, step) and `folder/training.jsonl` (a line a
    step).
    """
    folder.mkdir(parents=True, exist_ok=True)
    device = next(model.parameters()).device
    # oneDNN's depthwise convolutions are twice as fast so, above all in bfloat16
    model = model.to(memory_format=torch.channels_last)
    average = deepcopy(model).requires_grad_(False)
    optimizer = torch.optim.AdamW(trainable(model, options), lr=options.learning_rate)
    state_path = folder / "state.pt"
    start = 0
    if state_path.is_file():
        state = torch.load(state_path, map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        start = state["step"]
        log.info("going on from step %d", start)
        _forget(folder / "training.jsonl", start)

    # training bypasses the gates; the trunk's batch normalisation stays frozen in eval()
    tracker = Tracker(model, gated=False)
    loader = DataLoader(
        Batches(options, seed, start, photographs),
        batch_size=None,
        num_workers=options.workers,
        prefetch_factor=4 if options.workers else None,
    )
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    saved = time.monotonic()
    for step, batch in zip(range(start, options.steps), loader, strict=False):
        began = time.monotonic()
        share = schedule(step, options.steps, options.warmup, options.cooldown, floor=0.01)
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * share * group["rate"]
        rng = np.random.default_rng([seed, 1, step])
        loss, numbers = step_loss(tracker, batch.to(device), rng, options)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(parameters, options.clip)
        if torch.isfinite(norm):
            optimizer.step()
        else:
            log.warning("step %d: the gradient is not finite, the step is left out", step)
        update_average(average, model, step, options.average)
        numbers |= {"loss": loss.item(), "norm": norm.item(), "seconds": time.monotonic() - began}
        with (folder / "training.jsonl").open("a") as file:
            file.write(
                json.dumps({"step": step, **{k: round(v, 5) for k, v in numbers.items()}}) + "\n"
            )
        on_step(step, numbers)

        last = step + 1 == options.steps
        if last or time.monotonic() - saved > 60 * options.checkpoint_minutes:
            with atomic(state_path) as temporary:
                state = {
                    "model": model.state_dict(),
                    "average": average.state_dict(),
                    "optimizer": optimizer.state_dict(),
                }
                torch.save({**state, "step": step + 1, "options": asdict(options)}, temporary)
            saved = time.monotonic()


def _forget(path: Path, step: int) -> None:
    """Leave out of a log what was done after the checkpoint and will be done again."""
    if path.is_file():
        lines = path.read_text().splitlines(keepends=True)
        write_text(path, "".join(x for x in lines if json.loads(x)["step"] < step))
