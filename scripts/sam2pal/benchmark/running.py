"""One run: train as the variant says, segment the specimens that are scored, score them."""

import copy
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sam2.modeling.sam2_base import SAM2Base

from sam2pal import adapters
from sam2pal.benchmark.collection import Collection
from sam2pal.benchmark.protocol import Protocol, Run, Variant
from sam2pal.coco import decode_mask
from sam2pal.metrics import evaluate_pair
from sam2pal.models import autocast, seed_everything
from sam2pal.segmentation.annotations import annotations_of
from sam2pal.segmentation.tracking import Bank, Outcome, remember
from sam2pal.tracker import Features, Tracker
from sam2pal.training import Data, publish, train

BATCH = 4  # specimens that are tracked together


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
        model: before training; it is not changed.
        scratch: folder for checkpoints of the training under way.
    """

    def __init__(
        self,
        protocol: Protocol,
        model: SAM2Base,
        collections: dict[str, Collection],
        device: torch.device,
        scratch: Path,
    ) -> None:
        self.protocol, self.model, self.collections = protocol, model, collections
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
            return Trained([(self.model, everything)])
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
        data = collection.data(templates, variant.training.views, seed)
        weights = torch.tensor([s.weight for s in self.protocol.structures], device=self.device)
        everything = list(range(len(weights)))
        groups = [[i] for i in everything] if variant.separate else [everything]
        began, cpu = time.monotonic(), time.process_time()
        parts, done = [], []
        for group in groups:
            model, progress, better = self._fit_one(
                variant, data if len(groups) == 1 else data.of_structures(group), weights[group], seed
            )
            parts.append((model, group))
            done.append((progress, better))
        record = {
            "seconds": round(time.monotonic() - began, 2),
            "cpu_seconds": round(time.process_time() - cpu, 2),
            "steps": sum(progress.step for progress, _ in done),
            "trained_share": float(np.mean([better for _, better in done])),
            "validation_untrained": float(np.mean([p.untrained for p, _ in done])),
            "validation_best": float(np.mean([p.best for p, _ in done])),
        }
        return Trained(parts, record)

    def _fit_one(self, variant: Variant, data: Data, weights: torch.Tensor, seed: int):
        model = copy.deepcopy(self.model)
        seed_everything(seed)
        adapters.inject(model, variant.training.adapter)
        with tempfile.TemporaryDirectory(dir=self.scratch) as state:
            progress = train(model, data, weights, variant.training, seed, Path(state))
        return model, progress, publish(model, progress)


@torch.no_grad()
def segment_and_score(
    protocol: Protocol, collection: Collection, trained: Trained, templates: list[int]
) -> list[dict[str, Any]]:
    """Masks at the photographs' own size, as a job of the workflow makes them, against truth."""
    names = [structure.name for structure in protocol.structures]
    drawn = [collection.tune[i] for i in templates]
    banks = []
    for model, structures in trained.parts:
        own = [names[i] for i in structures]
        tracker = Tracker(model)
        bank = remember(tracker, drawn, own, collection.device)
        banks.append((tracker, bank, structures))
    rows = []
    for some in torch.arange(len(collection.report)).split(BATCH):
        some = some.tolist()
        for position, outcome in zip(some, _track(banks, collection, some), strict=True):
            specimen = collection.report[position]
            annotations = annotations_of(
                collection.photograph(position),
                outcome,
                protocol.structures,
                names,
                protocol.segmentation,
                {},
            )
            for name, annotation in zip(names, annotations, strict=True):
                row = {"specimen": specimen.specimen, "structure": name}
                truth = specimen.masks.get(name)
                if truth is not None:
                    predicted = decode_mask(annotation["segmentation"])
                    tolerance = protocol.evaluation.boundary_tolerance
                    row |= evaluate_pair(predicted, truth, tolerance)
                rows.append(row)
    return rows


def _track(
    banks: list[tuple[Tracker, Bank, list[int]]], collection: Collection, positions: list[int]
) -> list[Outcome]:
    """An outcome a specimen, put together from the models of the structures."""
    features = Features.cat([collection.features(i) for i in positions])
    parts: dict[str, list[np.ndarray]] = {"logits": [], "predicted_iou": [], "object_score": []}
    order = np.argsort([i for _, _, structures in banks for i in structures])
    for tracker, bank, _ in banks:
        memories = [memory.repeat(len(positions)) for memory in bank.memories]
        with autocast(collection.device):
            tracked = tracker.track(features, memories)
        for name, found in parts.items():
            values = getattr(tracked, name).float().cpu().numpy()
            # [N, 1, h, w] or [N] to [B, F, h, w] or [B, F]
            found.append(values.reshape(len(positions), -1, *values.shape[2:]))
    logits, iou, score = (np.concatenate(found, axis=1)[:, order] for found in parts.values())
    return [Outcome(logits[i], iou[i], score[i], None) for i in range(len(positions))]
