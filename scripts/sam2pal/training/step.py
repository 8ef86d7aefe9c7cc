"""The loss of one step: which pairs, which ways between their images, and what a device can hold at once."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from sam2pal.config.training import TrainingOptions
from sam2pal.model.tracker import Features, Tracker
from sam2pal.training.data import Data
from sam2pal.training.palindrome import (
    Followed,
    View,
    direct,
    drawn_in_both,
    object_losses,
    palindrome,
    score_losses,
)

Seen = list[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Way:
    """From drawn masks on `P` images to drawn masks on `P` others.

    Attributes:
        name: of the loss.
        weight: of the loss.
        through: the unlabelled specimens of a palindrome, one after another; none goes there directly.
    """

    name: str
    weight: float
    start: View
    goal: View
    through: tuple[Features, ...] = ()

    @property
    def frames(self) -> int:
        """How often a memory is made and followed."""
        return 1 + len(self.through)

    def follow(self, tracker: Tracker, options: TrainingOptions) -> Followed | None:
        if not self.through:
            return direct(tracker, self.start, self.goal)
        return palindrome(
            tracker, self.start, self.through, self.goal, options.prompt, options.reset
        )

    def parts(self, objects: int) -> Iterator[tuple["Way", Tensor]]:
        """The same way in parts of at most so many structures of images, each with its structures: whole
        images together, as the structures of one share the first part of the memory attention."""
        pairs, structures = self.start.known.shape
        together = max(1, objects // structures)
        for some in torch.arange(pairs).split(together):
            for few in torch.arange(structures).split(min(objects, structures)):
                start, goal = (v[some].of_structures(few.tolist()) for v in (self.start, self.goal))
                through = tuple(specimens[some] for specimens in self.through)
                yield replace(self, start=start, goal=goal, through=through), few


def draw_ways(data: Data, options: TrainingOptions, rng: np.random.Generator) -> list[Way]:
    """The pairs of a step, and the ways between them whose losses have a weight."""
    trained = data.trained
    place = rng.integers(len(trained), size=options.pairs)
    source = trained[place]
    # x0' is another view of x0, so that "x0 -> y0" cannot be learned past m1
    back = data.views[
        _index(source * options.views + rng.integers(options.views, size=options.pairs))
    ]
    start = data.drawn[_index(source)]
    rounds = [_specimens(data, source, options, rng) for _ in range(options.specimens)]
    chosen = rounds[0]
    ways = []
    if options.palindrome > 0:
        through = tuple(data.pool[some] for some in rounds)
        ways.append(Way("palindrome", options.palindrome, start, back, through))
    if options.self_pair > 0:
        ways.append(Way("self_pair", options.self_pair, start, back))
    if options.direct > 0 and len(trained) > 1:
        other = trained[(place + rng.integers(1, len(trained), size=options.pairs)) % len(trained)]
        view = other * options.views + rng.integers(options.views, size=options.pairs)
        ways.append(Way("direct", options.direct, start, data.views[_index(view)]))
    if options.self_training > 0:
        ways.append(Way("self_training", options.self_training, start, data.guessed[chosen]))
    return ways


def _specimens(
    data: Data, source: np.ndarray, options: TrainingOptions, rng: np.random.Generator
) -> Tensor:
    """[P], a specimen of the pool for each template; no specimen twice where there are enough."""
    if options.pairing == "random" or len(data.pool) < 2:
        return _index(rng.choice(len(data.pool), len(source), replace=len(data.pool) < len(source)))
    # among the half that looks most like the template
    some = -(-len(data.pool) // 2)
    nearest = data.similarity[_index(source)].argsort(dim=1, descending=True)[:, :some]
    taken: list[int] = []
    for alike in nearest.tolist():
        taken.append(int(rng.choice([n for n in alike if n not in taken] or alike)))
    return torch.tensor(taken)


def step_losses(
    tracker: Tracker,
    data: Data,
    weights: Tensor,
    options: TrainingOptions,
    rng: np.random.Generator,
    at_once: int | None = None,
    seen: Seen | None = None,
) -> Iterator[tuple[Tensor, dict[str, float]]]:
    """The loss of a step in parts whose sum it is, each to be followed by its backward pass.

    One part if the device can hold everything: all pairs, structures and ways.

    Args:
        weights: [K], one a structure.
        at_once: how many frames of structures may be held for the backward pass (a palindrome of one
            structure has two); None holds all of them.
        seen: here the structures that were followed, and their losses, are added.

    Yields:
        A scalar, and its share in the numbers for the log. Nothing when no pair shares a drawn structure.
    """
    ways = []
    for way in draw_ways(data, options, rng):
        usable = drawn_in_both(way.start, way.goal)
        if bool(usable.any()):
            # of all parts together
            ways.append((way, (usable * weights).sum(), usable.sum()))
    held = sum(way.start.known.numel() * way.frames for way, *_ in ways)
    if at_once is None or held <= at_once:
        total, numbers = weights.new_zeros(()), {}
        for way, weight, count in ways:
            followed = way.follow(tracker, options)
            loss = _losses(way, followed, weights, weight, count, options, numbers, seen)
            total = total + loss
        if ways:
            yield total, numbers
        return
    for way, weight, count in ways:
        for part, structures in way.parts(max(1, at_once // way.frames)):
            followed = part.follow(tracker, options)
            if followed is None:
                continue
            numbers, own, where = {}, [], structures.to(weights.device)
            loss = _losses(part, followed, weights[where], weight, count, options, numbers, own)
            if seen is not None:
                seen += [(where[structure], values) for structure, values in own]
            yield loss, numbers


def _losses(
    way: Way,
    followed: Followed,
    weights: Tensor,
    weight: Tensor,
    count: Tensor,
    options: TrainingOptions,
    numbers: dict[str, float],
    seen: Seen | None,
) -> Tensor:
    """The loss of a way or of a part of it.

    Args:
        weights: [K], of the part's structures.
        weight, count: summed weight and number of the followed structures of the whole way.
        numbers: to these the part's share is added.
    """
    each = object_losses(followed, options.mask)
    if seen is not None:
        seen.append((followed.structure, each.detach()))
    if options.confident and followed.confidence is not None:
        each = followed.confidence * each
    loss = (weights[followed.structure] * each).sum() / weight
    _add(numbers, way.name, loss)
    _add(numbers, f"{way.name}_iou", followed.iou().sum() / count)
    total = way.weight * loss
    if options.scores > 0 and way.name != "self_training":  # a guess is no truth to be honest about
        honest = score_losses(followed).sum() / count
        total = total + options.scores * honest
        _add(numbers, "scores", honest)
    return total


def _add(numbers: dict[str, float], name: str, value: Tensor) -> None:
    numbers[name] = numbers.get(name, 0.0) + value.item()


def _index(values: np.ndarray) -> Tensor:
    return torch.as_tensor(values, dtype=torch.long)
