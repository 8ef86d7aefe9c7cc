"""One run: train as the variant says, segment the specimens that are scored, score them."""

import copy
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sam2.modeling.sam2_base import SAM2Base

from sam2pal.dataset.rle import decode_mask
from sam2pal.evaluation.pair import evaluate_pair
from sam2pal.model import adapters
from sam2pal.model.device import seed_everything
from sam2pal.model.encoder import Frozen
from sam2pal.model.tracker import Tracker
from sam2pal.research.benchmark.collection import Collection
from sam2pal.research.benchmark.encodings import Encodings
from sam2pal.research.benchmark.protocol import Protocol, Run, Variant
from sam2pal.segmentation.annotations import Annotator
from sam2pal.segmentation.bank import remember
from sam2pal.segmentation.tracking import Outcome, track_halving
from sam2pal.training.data import Data
from sam2pal.training.trainer import Trainer


@dataclass
class Trained:
    """A model, or one a structure, and what its training was.

    Attributes:
        parts: models, and the positions of the structures each is for.
        record: seconds (of the clock and of this process), steps and validation, summed or averaged over
            `parts`.
    """

    parts: list[tuple[SAM2Base, list[int]]]
    record: dict[str, Any] = field(default_factory=dict)


class Runner:
    """Runs of a protocol in one process: photographs are encoded once for all of them.

    Args:
        model: before training; its weights are not changed.
        encodings: of that model.
        scratch: folder for checkpoints of the training under way.
    """

    def __init__(
        self,
        protocol: Protocol,
        model: SAM2Base,
        encodings: Encodings,
        collections: dict[str, Collection],
        device: torch.device,
        scratch: Path,
    ) -> None:
        self.protocol, self.base, self.collections = protocol, model, collections
        self.encodings, self.untrained = encodings, encodings.serve(copy.copy(model))
        self.device, self.scratch = device, scratch
        self._latest: dict[tuple[str, str], tuple[int, Trained]] = {}

    def __call__(self, run: Run) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """A row a specimen and structure, and what is to be known of the training."""
        collection = self.collections[run.collection]
        templates = collection.draw(run.templates, run.draw, self.protocol.seed)
        trained = self._train(run, templates)
        began = time.monotonic()
        rows = segment_and_score(self.protocol, collection, trained, templates)
        names = [collection.tune[i].specimen for i in templates]
        seconds = {"segment_seconds": round(time.monotonic() - began, 2)}
        return rows, {"template_specimens": " ".join(names), **trained.record, **seconds}

    def _train(self, run: Run, templates: list[int]) -> Trained:
        variant = self.protocol.variants[run.variant]
        collection = self.collections[run.collection]
        everything = list(range(len(self.protocol.structures)))
        if variant.training is None:
            return Trained([(self.untrained, everything)])
        if variant.templates == "all":
            # does not depend on the draw; only that of the latest seed is kept
            where = run.collection, run.variant
            if self._latest.get(where, (None, None))[0] != run.seed:
                every = list(range(len(collection.tune)))
                self._latest[where] = run.seed, self._fit(variant, collection, every, run.seed)
            return self._latest[where][1]
        return self._fit(variant, collection, templates, run.seed)

    def _fit(
        self, variant: Variant, collection: Collection, templates: list[int], seed: int
    ) -> Trained:
        # encoded before the clock starts: all variants share it
        data = collection.data(templates, variant.training, seed)
        weights = torch.tensor([s.weight for s in self.protocol.structures], device=self.device)
        everything = list(range(len(weights)))
        groups = [[i] for i in everything] if variant.separate else [everything]
        began, cpu = time.monotonic(), time.process_time()
        parts, done = [], []
        for group in groups:
            some = data if len(groups) == 1 else data.of_structures(group)
            trainer = self._fit_one(variant, some, weights[group], seed)
            parts.append((trainer.model, group))
            done.append(trainer.state)
        record = {
            "seconds": round(time.monotonic() - began, 2),
            "cpu_seconds": round(time.process_time() - cpu, 2),
            "steps": sum(state.step for state in done),
            "trained_share": float(np.mean([state.improved for state in done])),
            "validation_untrained": float(np.mean([state.untrained for state in done])),
            "validation_best": float(np.mean([state.best for state in done])),
        }
        return Trained(parts, record)

    def _fit_one(
        self, variant: Variant, data: Data, weights: torch.Tensor, seed: int
    ) -> Trainer:
        model = copy.deepcopy(self.base)
        if adapters.frozen_by(variant.training.targets) == Frozen.ENCODER:
            self.encodings.serve(model)
        seed_everything(seed)
        adapters.inject(model, variant.training.adapter)
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            trainer = Trainer(model, data, variant.training, weights, seed, Path(folder))
            trainer.train()
        trainer.publish()
        return trainer


@torch.no_grad()
def segment_and_score(
    protocol: Protocol, collection: Collection, trained: Trained, templates: list[int]
) -> list[dict[str, Any]]:
    """Masks at the photographs' own size, as a job of the workflow makes them, against truth."""
    names = [structure.name for structure in protocol.structures]
    options = protocol.segmentation
    annotator = Annotator(protocol.structures, names, options)
    drawn = [collection.tune[i] for i in templates]
    used = {specimen.specimen for specimen in drawn}
    banks = []
    for model, structures in trained.parts:
        tracker, own = Tracker(model), [names[i] for i in structures]
        banks.append((tracker, remember(tracker, drawn, own, options)))
    order = np.argsort([i for _, structures in trained.parts for i in structures])
    scored = [specimen for specimen in collection.scored if specimen.specimen not in used]
    rows = []
    for start in range(0, len(scored), options.batch_size):
        some = [collection.listed(s) for s in scored[start : start + options.batch_size]]
        parts = [track_halving(tracker, bank, some, options)[0] for tracker, bank in banks]
        for specimen, (_, photograph), *outcomes in zip(scored[start:], some, *parts, strict=False):
            outcome = _join(outcomes, order)
            limits = [limit for _, bank in banks for limit in bank.limits.by_view[outcome.view]]
            annotations = annotator.annotate(photograph, outcome, {}, [limits[i] for i in order])
            for name, annotation in zip(names, annotations, strict=True):
                row = {"specimen": specimen.specimen, "structure": name}
                truth = specimen.masks.get(name)
                if truth is not None:
                    predicted = decode_mask(annotation["segmentation"])
                    tolerance = protocol.evaluation.boundary_tolerance
                    row |= evaluate_pair(predicted, truth, tolerance)
                rows.append(row)
    return rows


def _join(outcomes: Sequence[Outcome], order: np.ndarray) -> Outcome:
    """The outcome of all structures from those of models of some of them; all saw the same view, which the
    encoder alone decides."""
    joined = {}
    for field_ in (
        "logits",
        "predicted_iou",
        "object_score",
        "roundtrip_iou",
        "agreement",
        "known",
    ):
        values = [getattr(outcome, field_) for outcome in outcomes]
        joined[field_] = None if values[0] is None else np.concatenate(values)[order]
    return replace(outcomes[0], **joined)
