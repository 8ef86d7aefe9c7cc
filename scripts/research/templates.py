"""What more templates are worth: collections of real specimens segmented with one template and with several.

A draw puts ten templates in an order and takes the first, the first two, the first three ...: so a table says
what each further template adds. Templates are specimens with an even number; IoU is taken at the model's
resolution.
"""

import argparse
import re
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the library lies beside this folder

from sam2pal.cli import run
from sam2pal.config.model import ModelOptions
from sam2pal.model.build import build_model
from sam2pal.model.combining import alone, each_on_each, mean_of_masks, skill
from sam2pal.model.device import choose_device
from sam2pal.model.masks import at_size_of, hard_iou
from sam2pal.model.templates import TemplateSet
from sam2pal.model.tracker import Features, Tracked, Tracker, drawn_logits
from sam2pal.research.benchmark.collection import read_collection

STRUCTURES = ("head", "pronotum", "elytra", "legs", "antennae")
ORDERED = 10  # templates a draw
BATCH = 8


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "collections", nargs="+", type=Path, help="folders with `images/` and `annotations.json`"
    )
    parser.add_argument("--weights", type=Path, help="instead of those of the bundled model")
    parser.add_argument("--structures", nargs="+", default=STRUCTURES, metavar="NAME")
    parser.add_argument("--counts", nargs="+", type=int, default=(1, 2, 3, 5, 10), metavar="N")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1, help="of the draws")
    parser.add_argument("--score", choices=("odd", "even"), default="odd", help="which specimens")
    parser.add_argument(
        "--memories", action="store_true", help="also attend to the memories of all at once"
    )
    parser.add_argument("--device", default="auto", help="auto, cuda, mps or cpu")
    return parser.parse_args()


class Scored:
    """A collection whose specimens are scored with any of ten templates.

    Args:
        odd: score the specimens with odd numbers, else those with even ones that are no template.
    """

    def __init__(self, tracker: Tracker, folder: Path, names: list[str], seed: int, odd: bool):
        specimens = read_collection(folder, "annotations.json")
        by_parity = [[s for s in specimens if _number(s.specimen) % 2 == p] for p in (0, 1)]
        complete = [
            s for s in by_parity[0] if all(n in s.masks and s.masks[n].any() for n in names)
        ]
        self.tracker, self.rng = tracker, np.random.default_rng(seed)
        chosen = [complete[i] for i in self.rng.permutation(len(complete))[:ORDERED]]
        ids = {template.specimen for template in chosen}
        targets = [s for s in by_parity[odd] if s.specimen not in ids]
        side, device = tracker.image_size, tracker.device
        templates, self.truth = (
            TemplateSet.read(some, names, side, aligned=False) for some in (chosen, targets)
        )
        encoded, self.features = (self._encode(some) for some in (templates, self.truth))
        self.memories = [
            tracker.memorize(encoded[[i]], drawn_logits(masks[:, None].to(device)))
            for i, masks in enumerate(templates.masks)
        ]
        self.iou = each_on_each(tracker, encoded, self.memories, templates)
        self.alone = cache(self._alone)

    def orders(self, draws: int) -> list[list[int]]:
        """The templates of each draw, in their order; no two draws begin with the same one."""
        first = self.rng.permutation(ORDERED)[:draws]
        return [
            [int(one), *(i for i in self.rng.permutation(ORDERED).tolist() if i != one)]
            for one in first
        ]

    def _encode(self, some: TemplateSet) -> Features:
        device = self.tracker.device
        return Features.cat([self.tracker.encode(image[None].to(device)) for image in some.images])

    def _alone(self, template: int) -> Tracked:
        parts = [
            alone(self.tracker, features, self.memories[template].repeat(len(features)))
            for features in self._batches()
        ]
        fields = Tracked.__dataclass_fields__
        return Tracked(*(torch.cat([getattr(part, name) for part in parts]) for name in fields))

    def _batches(self) -> list[Features]:
        return [self.features[i : i + BATCH] for i in range(0, len(self.features), BATCH)]

    def masks(self, templates: list[int]) -> float:
        """Mean IoU if each template is asked alone."""
        found = [self.alone(template) for template in templates]
        if len(found) == 1:
            return self._score(found[0].logits)
        valid = torch.ones(len(found[0].logits), len(found), dtype=torch.bool)
        skills = skill(self.iou[templates][:, templates]).repeat(1, len(self.truth)).T
        return self._score(mean_of_masks(found, valid.to(skills.device), skills).logits)

    def memories_at_once(self, templates: list[int]) -> float:
        """Mean IoU if the memories of all templates are attended to at once."""
        logits = [
            self.tracker.track(
                features, [self.memories[template].repeat(len(features)) for template in templates]
            ).logits
            for features in self._batches()
        ]
        return self._score(torch.cat(logits))

    def _score(self, logits: torch.Tensor) -> float:
        masks = self.truth.masks.flatten(0, 1)[:, None].to(logits.device)
        iou = hard_iou(at_size_of(logits, masks), masks).view(len(self.truth), -1)
        shown = self.truth.shown.to(iou.device)
        return float(torch.where(shown, iou, torch.nan).nanmean(0).mean())


def _number(specimen: str) -> int:
    return int(re.findall(r"\d+", specimen)[-1])


def rows(name: str, scores: np.ndarray) -> str:
    """A line of the table.

    Args:
        scores: [draws, counts].
    """
    means = " | ".join(f"{mean:.3f}" for mean in scores.mean(0))
    return f"| {name} | {means} | {np.diff(scores, axis=1).min():+.3f} |"


@torch.no_grad()
def main() -> None:
    arguments = parse()
    tracker = Tracker(
        build_model(ModelOptions(), arguments.weights, choose_device(arguments.device))
    )
    heads = " | ".join(f"{count}" for count in arguments.counts)
    print(f"| collection, templates asked | {heads} | worst step of a draw |")
    print("| --- " * (len(arguments.counts) + 2) + "|")
    for folder in arguments.collections:
        names = list(arguments.structures)
        scored = Scored(tracker, folder, names, arguments.seed, arguments.score == "odd")
        orders = scored.orders(arguments.draws)
        ways: dict[str, Callable[[list[int]], float]] = {"each alone": scored.masks}
        if arguments.memories:
            ways["all at once"] = scored.memories_at_once
        for name, score in ways.items():
            found = [[score(order[:count]) for count in arguments.counts] for order in orders]
            print(rows(f"{folder.name}, {name}", np.array(found)), flush=True)


if __name__ == "__main__":
    run(main)
