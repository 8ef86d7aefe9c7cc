"""One run: train as the variant says, segment the specimens that are scored, score them."""

import copy
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from sam2.modeling.sam2_base import SAM2Base

from sam2pal.dataset.manifest import Specimen
from sam2pal.dataset.rle import decode_mask
from sam2pal.dataset.states import OK
from sam2pal.evaluation.pair import evaluate_pair
from sam2pal.io.errors import InputError
from sam2pal.model import adapters
from sam2pal.model.device import seed_everything
from sam2pal.model.tracker import Tracker
from sam2pal.research.benchmark.collection import Collection
from sam2pal.research.benchmark.protocol import BenchmarkRun, Protocol
from sam2pal.segmentation.shard import segment
from sam2pal.training.trainer import Trainer


class Runner:
    """Runs of a protocol in one process.

    Args:
        model: before training; its weights are not changed.
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
        self.protocol, self.base, self.collections = protocol, model, collections
        self.device, self.scratch = device, scratch

    def __call__(self, run: BenchmarkRun) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """A row per specimen and structure, and what is to be known of the training."""
        collection = self.collections[run.collection]
        templates = collection.draw(run.templates, run.draw, self.protocol.seed)
        model, record = self._train(run, templates)
        began = time.monotonic()
        rows = segment_and_score(self.protocol, collection, model, templates)
        names = [collection.tune[i].specimen for i in templates]
        seconds = {"segment_seconds": round(time.monotonic() - began, 2)}
        return rows, {"template_specimens": " ".join(names), **record, **seconds}

    def _train(self, run: BenchmarkRun, templates: list[int]) -> tuple[SAM2Base, dict[str, Any]]:
        """The model, and what its training was."""
        variant, seed = self.protocol.variants[run.variant], run.seed
        if variant.training is None:
            return self.base, {}
        # encoded before the clock starts: all variants share it
        options = variant.training.settled(len(templates))
        data = self.collections[run.collection].data(templates, options, seed)
        weights = torch.tensor([s.weight for s in self.protocol.structures], device=self.device)
        began, cpu = time.monotonic(), time.process_time()
        model = copy.deepcopy(self.base)
        seed_everything(seed)
        adapters.inject(model, options.adapter)
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            trainer = Trainer(model, data, options, weights, seed, Path(folder))
            state = trainer.train()
        trainer.publish()
        record = {
            "seconds": round(time.monotonic() - began, 2),
            "cpu_seconds": round(time.process_time() - cpu, 2),
            "steps": state.step,
            "trained_share": float(state.improved),
            "validation_untrained": state.untrained,
            "validation_best": state.best,
        }
        return model, record


@torch.no_grad()
def segment_and_score(
    protocol: Protocol, collection: Collection, model: SAM2Base, templates: list[int]
) -> list[dict[str, Any]]:
    """Masks at the photographs' own size, as a job of the workflow makes them, against truth.

    Raises:
        InputError: a photograph cannot be read.
    """
    # photographs of collections are cut to their specimens
    options = replace(protocol.segmentation, window="photograph")
    drawn = [collection.tune[i] for i in templates]
    used = {specimen.specimen for specimen in drawn}
    scored = [specimen for specimen in collection.scored if specimen.specimen not in used]
    listed = [Specimen.annotated(specimen) for specimen in scored]
    given = Tracker(model), listed, drawn, protocol.structures, options
    found = segment(*given, bundled=protocol.model.bundled)
    for image in found["images"]:
        if image["status"] != OK:
            raise InputError(f"{image['path']}: {image['reason']}")
    rows = []
    for annotation in found["annotations"]:
        specimen = scored[annotation["image_id"] - 1]
        structure = protocol.structures[annotation["category_id"] - 1].name
        row = {"specimen": specimen.specimen, "structure": structure}
        truth = specimen.masks.get(structure)
        if truth is not None:
            predicted = decode_mask(annotation["segmentation"])
            row |= evaluate_pair(predicted, truth, protocol.evaluation.boundary_tolerance)
        rows.append(row)
    return rows
