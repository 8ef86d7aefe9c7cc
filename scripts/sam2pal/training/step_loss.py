"""The loss of a step: the pairs it draws, the losses between them, and the parts that a device can hold."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from sam2pal.config.training import TrainingOptions
from sam2pal.model.encoder import Encoded
from sam2pal.model.tracker import Features, Tracker
from sam2pal.training.data import Data
from sam2pal.training.palindrome import (
    AnnotatedViews,
    Followed,
    direct,
    drawn_in_both,
    object_losses,
    palindrome,
    score_losses,
)
from sam2pal.training.step_encodings import StepEncodings
from sam2pal.training.teacher import PseudoLabels


@dataclass(frozen=True)
class LossTerm:
    """One of the losses of a step: from drawn masks on `P` images to drawn masks on `P` others.

    Attributes:
        factor: of the loss in the sum of all.
        start, goal: the images and their masks.
        structures: [K], which structures the masks are of.
        through: the unlabelled specimens of a palindrome; None where masks are followed from start to goal
            directly.
        labels: what the palindrome should find on them; None without `distillation`.
        weight, objects: summed weight and number of all structures that can be followed, also where this is
            only a part of the term.
    """

    name: str
    factor: float
    start: AnnotatedViews
    goal: AnnotatedViews
    structures: Tensor
    through: Features | Encoded | None = None
    labels: PseudoLabels | None = None
    weight: Tensor | None = None
    objects: Tensor | None = None

    @property
    def frames(self) -> int:
        """How often a memory is made and followed."""
        return 1 if self.through is None else 2

    @property
    def held(self) -> int:
        """Frames of structures that its backward pass needs."""
        return self.start.known.numel() * self.frames

    def weighed(self, weights: Tensor) -> "LossTerm | None":
        """With `weight` and `objects`; None if no structure can be followed."""
        usable = drawn_in_both(self.start, self.goal)
        if not bool(usable.any()):
            return None
        return replace(self, weight=(usable * weights).sum(), objects=usable.sum())

    def encoded(self, encodings: StepEncodings) -> "LossTerm":
        """With the trained layers of the image encoder run."""
        start, goal = (
            replace(views, features=encodings.of(views.features))
            for views in (self.start, self.goal)
        )
        through = None if self.through is None else encodings.of(self.through)
        return replace(self, start=start, goal=goal, through=through)

    def parts(self, objects: int) -> Iterator["LossTerm"]:
        """Parts of at most so many structures of images: whole images together, as the structures of one
        share the first part of the memory attention."""
        pairs, structures = self.start.known.shape
        together = max(1, objects // structures)
        for some in torch.arange(pairs).split(together):
            for few in torch.arange(structures).split(min(objects, structures)):
                start, goal = (v[some].of_structures(few.tolist()) for v in (self.start, self.goal))
                through = None if self.through is None else self.through[some]
                labels = None if self.labels is None else self.labels[some].of_structures(few)
                own = self.structures[few.to(self.structures.device)]
                yield replace(
                    self, start=start, goal=goal, through=through, labels=labels, structures=own
                )


@dataclass
class LossPart:
    """A part of a step's loss, to be followed by its backward pass."""

    loss: Tensor
    numbers: dict[str, float] = field(default_factory=dict)

    def log(self, name: str, value: Tensor) -> None:
        self.numbers[name] = self.numbers.get(name, 0.0) + value.item()


class StepLoss:
    """The loss of optimiser steps."""

    def __init__(self, tracker: Tracker, data: Data, options: TrainingOptions) -> None:
        self.tracker, self.data, self.options = tracker, data, options

    def parts(
        self, rng: np.random.Generator, weights: Tensor, at_once: int | None = None
    ) -> Iterator[LossPart]:
        """The loss of a step in parts whose sum it is: one part if the device can hold everything.

        Args:
            weights: [K], one per structure.
            at_once: how many frames of structures may be held for the backward pass (a palindrome of one
                structure has two); None holds all of them.
        """
        drawn = (term.weighed(weights) for term in self.draw(rng))
        terms = [term for term in drawn if term is not None]
        apart = at_once is not None and sum(term.held for term in terms) > at_once
        encodings = StepEncodings(self.tracker, apart)
        if not apart:
            whole = LossPart(weights.new_zeros(()))
            for term in terms:
                self._add(whole, term.encoded(encodings), weights)
            if terms:
                yield whole
            return
        for term in terms:
            for some in term.encoded(encodings).parts(max(1, at_once // term.frames)):
                part = LossPart(weights.new_zeros(()))
                if self._add(part, some, weights):
                    yield part
        yield from map(LossPart, encodings.losses())

    def draw(self, rng: np.random.Generator) -> list[LossTerm]:
        """The pairs of a step, and the terms between them that count."""
        data, options = self.data, self.options
        templates = len(data.drawn.masks)
        source = rng.integers(templates, size=options.pairs)
        # x0' is another view of x0, so that "x0 -> y0" cannot be learned past m1
        back = self._views(source, rng)
        start = data.drawn[_index(source)]
        specimens = self._specimens(source, rng)
        structures = torch.arange(start.known.shape[1], device=start.known.device)
        terms = []

        def add(
            name: str,
            goal: AnnotatedViews,
            through: Features | Encoded | None = None,
            labels: PseudoLabels | None = None,
        ) -> None:
            factor = getattr(options, name)
            terms.append(LossTerm(name, factor, start, goal, structures, through, labels))

        labels = None if data.pseudo_labels is None else data.pseudo_labels[specimens]
        if options.palindrome > 0:
            add("palindrome", back, data.pool[specimens], labels)
        elif labels is not None:
            add("distillation", AnnotatedViews(data.pool[specimens], labels.masks, labels.trusted))
        if options.self_pair > 0:
            add("self_pair", back)
        if options.direct > 0 and templates > 1:
            further = rng.integers(1, templates, size=options.pairs)
            add("direct", self._views((source + further) % templates, rng))
        return terms

    def _views(self, templates: np.ndarray, rng: np.random.Generator) -> AnnotatedViews:
        """One of the views of each template."""
        views = self.options.views
        chosen = rng.integers(views, size=len(templates))
        return self.data.views[_index(templates * views + chosen)]

    def _specimens(self, source: np.ndarray, rng: np.random.Generator) -> Tensor:
        """[P], an image of the pool for each template; no specimen twice where there are enough."""
        there, count, copies = self.data.specimens, len(source), self.data.copies
        chosen = _index(rng.choice(there, count, replace=there < count)) * copies
        if copies == 1:
            return chosen
        return chosen + _index(rng.integers(copies, size=count))

    def _add(self, part: LossPart, term: LossTerm, weights: Tensor) -> bool:
        """Add a term, or a part of one; False if none of its structures can be followed."""
        options = self.options
        if term.through is None:
            followed = direct(self.tracker, term.start, term.goal)
        else:
            followed = palindrome(self.tracker, term.start, term.through, term.goal)
        if followed is None:
            return False
        structures = term.structures[followed.structure]
        each = object_losses(followed)
        loss = (weights[structures] * each).sum() / term.weight
        part.log(term.name, loss)
        part.log(f"{term.name}_iou", followed.iou().sum() / term.objects)
        total = term.factor * loss
        if term.labels is not None:
            anchor = self._anchor(followed, term, weights)
            part.log("distillation", anchor)
            total = total + options.distillation * anchor
        # of masks that nobody drew the IoU is not known
        if options.scores > 0 and term.name != "distillation":
            honest = score_losses(followed).sum() / term.objects
            total = total + options.scores * honest
            part.log("scores", honest)
        part.loss = part.loss + total
        return True

    def _anchor(self, followed: Followed, term: LossTerm, weights: Tensor) -> Tensor:
        """How far what a palindrome finds on the specimens is from what it should."""
        images, structure = drawn_in_both(term.start, term.goal).nonzero(as_tuple=True)
        target = term.labels.masks[images, structure][:, None]
        found = replace(
            followed, tracked=replace(followed.tracked, logits=followed.middle), target=target
        )
        each = term.labels.trusted[images, structure] * object_losses(found)
        return (weights[term.structures[structure]] * each).sum() / term.weight


def _index(values: np.ndarray) -> Tensor:
    return torch.as_tensor(values, dtype=torch.long)
