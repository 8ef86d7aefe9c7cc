"""Which specimens are worth correcting: ways to choose them, tried on collections whose masks are all known.

A collection is halved. From one template of the first half (another one in each draw) the other specimens of
that half are ranked by what can be known without truth; the first 1, 2, 4 and 8 get their true masks and
become further templates. The second half, of which none is ever chosen, is scored. IoU is taken at the
model's resolution, specimens are turned by quarter turns to lie alike, and templates decide as in
`combine: masks`. What a person gains in all is the mean of the first half, in which corrected masks
count as right.
"""

import argparse
import copy
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the library lies beside this folder

from sam2pal.cli import run
from sam2pal.config.model import ModelOptions
from sam2pal.model.build import build_model
from sam2pal.model.device import choose_device
from sam2pal.model.similarity import describe
from sam2pal.model.templates import TemplateSet
from sam2pal.model.tracker import Features, Memory, Tracked, Tracker, drawn_logits
from sam2pal.research.benchmark.collection import read_collection
from sam2pal.review.choosing import cover, spread, standardised
from sam2pal.segmentation.combining import Decision, alone, mean_of_masks, skill
from sam2pal.training.losses import at_size_of, hard_iou

STRUCTURES = ("head", "pronotum", "elytra", "legs", "antennae")
BATCH = 8
KEPT = ("logits", "predicted_iou", "object_score")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "collections", nargs="+", type=Path, help="folders with `images/` and `annotations.json`"
    )
    parser.add_argument("--structures", nargs="+", default=STRUCTURES, metavar="NAME")
    parser.add_argument("--specimens", choices=("odd", "even"), default="odd", help="which ones")
    parser.add_argument("--ways", nargs="+", metavar="NAME", help="of choosing; default: all")
    parser.add_argument("--counts", nargs="+", type=int, default=(1, 2, 4, 8), metavar="N")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--random", type=int, default=10, help="random choices a draw")
    parser.add_argument("--seed", type=int, default=1, help="of the draws")
    parser.add_argument("--cache", type=Path, help="folder to keep what was tracked in")
    parser.add_argument(
        "--accepted", type=float, metavar="IOU",
        help="instead try predicted masks of at least this IoU as further templates",
    )  # fmt: skip
    parser.add_argument("--device", default="auto", help="auto, cuda, mps or cpu")
    return parser.parse_args()


@dataclass
class Collection:
    """`n` specimens in two halves, each segmented from every specimen of the first half.

    Attributes:
        known: the specimens with their true masks.
        pool, scored: the two halves.
        tracked: what is kept of `Tracked` by template, [n, K, ...].
        iou: [n, n, K], of the mask that the first finds on the second; NaN where it is not shown.
        likeness: [n, n], of the photographs.
    """

    tracker: Tracker
    known: TemplateSet
    features: Features
    pool: list[int]
    scored: list[int]
    tracked: dict[int, dict[str, Tensor]]
    iou: Tensor
    likeness: np.ndarray

    @classmethod
    def read(
        cls, tracker: Tracker, folder: Path, names: list[str], odd: bool, cache: Path | None
    ) -> "Collection":
        chosen = [
            one
            for one in read_collection(folder, "annotations.json")
            if int(re.findall(r"\d+", one.specimen)[-1]) % 2 == odd
        ]
        known = TemplateSet.read(chosen, names, tracker.image_size, aligned=True)
        device = tracker.device
        features = Features.cat([tracker.encode(image[None].to(device)) for image in known.images])
        order = np.random.default_rng(0).permutation(len(known)).tolist()
        pool, scored = sorted(order[: len(order) // 2]), sorted(order[len(order) // 2 :])
        tracked = {}
        iou = torch.full((len(known), len(known), len(names)), torch.nan)
        for i in pool:
            kept = cache / f"{folder.name}-{chosen[i].specimen}.pt" if cache else None
            if kept and kept.is_file():
                tracked[i] = torch.load(kept, weights_only=True)
            else:
                tracked[i] = _all_from(tracker, features, _drawn(tracker, features, known, i))
                if kept:
                    kept.parent.mkdir(parents=True, exist_ok=True)
                    torch.save(tracked[i], kept)
            iou[i] = _iou(tracked[i]["logits"], known.masks, known.shown)
        described = torch.cat([describe(tracker, image[None].to(device)) for image in known.images])
        likeness = (described @ described.T).cpu().numpy()
        return cls(tracker, known, features, pool, scored, tracked, iou, likeness)

    def __len__(self) -> int:
        return len(self.known)

    def firsts(self, number: int) -> list[int]:
        """The template of each draw: those of the pool that show every structure."""
        return [i for i in self.pool if bool(self.known.shown[i].all())][:number]

    def decide(
        self, templates: list[int], specimens: list[int], extra: "Extra | None" = None
    ) -> Decision:
        """What templates say together of the structures of some specimens."""
        found = [self.tracked[i] for i in templates]
        shown = self.known.shown[templates]
        iou = self.iou[templates][:, templates]
        iou[range(len(templates)), range(len(templates))] = torch.nan
        if extra is not None:
            found += extra.found
            shown = torch.cat([shown, extra.shown])
            iou = extra.skills(self, templates)
        nothing = torch.empty(0)
        tracked = [
            Tracked(
                *(of[name][specimens].flatten(0, 1).float() for name in KEPT),
                nothing, nothing, nothing,
            )
            for of in found
        ]  # fmt: skip
        valid = shown.T.repeat(len(specimens), 1)
        return mean_of_masks(tracked, valid, skill(iou).T.repeat(len(specimens), 1))

    def score(
        self, templates: list[int], specimens: list[int], extra: "Extra | None" = None
    ) -> float:
        """Mean over structures of the mean IoU over specimens."""
        found = self.iou_of(self.decide(templates, specimens, extra), specimens)
        return float(found.nanmean(0).nanmean())

    def both(self, template: int, order: np.ndarray, count: int) -> tuple[float, float]:
        """Mean IoU of the scored half, and of the candidates where the first `count` count as right."""
        templates, candidates = [template, *order[:count].tolist()], order.tolist()
        found = self.iou_of(self.decide(templates, candidates), candidates)
        found[:count] = torch.where(found[:count].isnan(), torch.nan, 1.0)
        return self.score(templates, self.scored), float(found.nanmean(0).nanmean())

    def iou_of(self, decision: Decision, specimens: list[int]) -> Tensor:
        """[specimens, K]; NaN where the specimen does not show the structure."""
        logits = decision.logits.unflatten(0, (len(specimens), -1))
        return _iou(logits, self.known.masks[specimens], self.known.shown[specimens])

    def confidence(self, template: int) -> np.ndarray:
        """[pool, K], as in predictions: the model's estimate, tempered by the way back to the template."""
        decision = self.decide([template], self.pool)
        estimate = decision.predicted_iou.clamp(0, 1) * decision.object_score.sigmoid()
        count = len(self.known.names)
        back = []
        for place, i in enumerate(self.pool):
            logits = decision.logits[place * count : (place + 1) * count]
            memory = self.tracker.memorize(self.features[[i]], logits)
            found = self.tracker.track(self.features[[template]], [memory])
            drawn = self.known.masks[template][:, None]
            back.append(hard_iou(at_size_of(found.logits, drawn), drawn))
        return (estimate * torch.cat(back)).sqrt().view(len(self.pool), -1).numpy()


class Extra:
    """Templates whose masks were predicted and accepted."""

    def __init__(self, of: Collection, decision: Decision, accepted: Tensor, chosen: list[int]):
        count = len(of.known.names)
        self.chosen, self.shown = chosen, accepted[chosen]
        self.masks = decision.logits.view(len(of), count, *decision.logits.shape[1:])[chosen]
        self.found = []
        for i, masks, shown in zip(chosen, self.masks, self.shown, strict=True):
            sure = drawn_logits((masks > 0).float())
            memory = of.tracker.memorize(of.features[[i]], sure, shown)
            self.found.append(_all_from(of.tracker, of.features, memory))

    def first(self, count: int) -> "Extra":
        """The first so many of them."""
        some = copy.copy(self)
        some.chosen, some.found = self.chosen[:count], self.found[:count]
        some.shown, some.masks = self.shown[:count], self.masks[:count]
        return some

    def skills(self, of: Collection, templates: list[int]) -> Tensor:
        """IoU of each template's mask with that of each other one, drawn or accepted."""
        places = [*templates, *self.chosen]
        found = [of.tracked[i]["logits"] for i in templates] + [one["logits"] for one in self.found]
        iou = torch.full((len(places), len(places), len(of.known.names)), torch.nan)
        for a, logits in enumerate(found):
            for b, place in enumerate(places):
                if a == b:
                    continue
                if b < len(templates):
                    target, there = of.known.masks[place][:, None], of.known.shown[place]
                else:
                    target = (self.masks[b - len(templates)] > 0).float()
                    there = self.shown[b - len(templates)]
                own = hard_iou(at_size_of(logits[place].float(), target), target)
                iou[a, b] = torch.where(there, own, torch.nan)
        return iou


def _drawn(tracker: Tracker, features: Features, known: TemplateSet, i: int) -> Memory:
    masks = drawn_logits(known.masks[i][:, None].to(tracker.device))
    return tracker.memorize(features[[i]], masks, known.shown[i].to(tracker.device))


def _all_from(tracker: Tracker, features: Features, memory: Memory) -> dict[str, Tensor]:
    """All specimens from one template, [n, K, ...] a field; logits at half precision."""
    parts = [
        alone(tracker, some, memory.repeat(len(some)))
        for some in (features[i : i + BATCH] for i in range(0, len(features), BATCH))
    ]
    found = {}
    for name in KEPT:
        value = torch.cat([getattr(part, name) for part in parts]).cpu()
        value = value.half() if name == "logits" else value
        found[name] = value.unflatten(0, (len(features), -1))
    return found


def _iou(logits: Tensor, masks: Tensor, shown: Tensor) -> Tensor:
    """[n, K] of [n, K, 1, h, w]; NaN where the specimen does not show the structure."""
    rows = [
        hard_iou(at_size_of(found.float(), target[:, None]), target[:, None])
        for found, target in zip(logits, masks, strict=True)
    ]
    return torch.where(shown, torch.stack(rows), torch.nan)


def ways(scores: np.ndarray, likeness: np.ndarray, templates: np.ndarray) -> dict[str, list[int]]:
    """Rankings of candidates by what is known without truth.

    Args:
        scores: [n, K], their confidence.
        likeness: [n, n], of each other.
        templates: [n], likeness to the template.
    """
    low = -standardised(scores).mean(1)  # high where the confidence is low

    def order(values: np.ndarray) -> list[int]:
        return np.argsort(-values, kind="stable").tolist()

    return {
        "lowest score": order(-scores.mean(1)),
        "lowest score, standardised": order(low),
        "highest score": order(scores.mean(1)),
        "unlike the template and each other": spread(likeness, templates),
        "low score, unlike each other": spread(likeness, templates, low),
        "like many others": cover(likeness, templates),
        "like many others of low score": cover(likeness, templates, low),
    }


def compare(of: Collection, arguments: argparse.Namespace) -> dict[str, np.ndarray]:
    """[draws, counts, 2] mean IoU by way of choosing: of the scored half, and of the half chosen from."""
    rng = np.random.default_rng(arguments.seed)
    found: dict[str, list] = {}
    for template in of.firsts(arguments.draws):
        places = [at for at, i in enumerate(of.pool) if i != template]
        pool = np.array(of.pool)[places]
        scores = of.confidence(template)[places]
        first = of.both(template, pool, 0)

        def curve(
            order: np.ndarray, template: int = template, first: tuple[float, float] = first
        ) -> list[tuple[float, float]]:
            return [first, *(of.both(template, order, n) for n in arguments.counts)]

        drawn = [curve(rng.permutation(pool)) for _ in range(arguments.random)]
        found.setdefault("random", []).append(np.mean(drawn, 0).tolist())
        orders = ways(scores, of.likeness[np.ix_(pool, pool)], of.likeness[pool, template])
        for name, order in orders.items():
            if not arguments.ways or name in arguments.ways:
                found.setdefault(name, []).append(curve(pool[order]))
    return {name: np.array(curves) for name, curves in found.items()}


def accept(of: Collection, arguments: argparse.Namespace) -> dict[str, np.ndarray]:
    """[draws, counts] mean IoU with one and three drawn templates and so many accepted ones."""
    found: dict[str, list[list[float]]] = {}
    every = list(range(len(of)))
    for template in of.firsts(arguments.draws):
        others = [i for i in of.pool if i != template]
        for drawn in (1, 3):
            templates = [template, *others[: drawn - 1]]
            decision = of.decide(templates, every)
            right = of.iou_of(decision, every).nan_to_num(0) >= arguments.accepted
            rest = [i for i in others[drawn - 1 :] if right[i].any()]
            rest.sort(key=lambda i, right=right: -int(right[i].sum()))
            extra = Extra(of, decision, right, rest[: max(arguments.counts)])
            curve = [of.score(templates, of.scored)]
            for count in arguments.counts:
                curve.append(of.score(templates, of.scored, extra.first(count)))
            found.setdefault(f"{drawn} drawn", []).append(curve)
    return {name: np.array(curves) for name, curves in found.items()}


def interval(values: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """95 %, by a bootstrap over draws."""
    chosen = rng.integers(len(values), size=(2000, len(values)))
    low, high = np.percentile(values[chosen].mean(1), (2.5, 97.5))
    return float(low), float(high)


def table(title: str, counts: list[int], found: dict[str, np.ndarray], against: str | None) -> str:
    """A row a way: the means, and the difference from another way with its interval."""
    rng = np.random.default_rng(0)
    lines = [
        f"| {title} | " + " | ".join(map(str, counts)) + " |",
        "| --- |" + " --- |" * len(counts),
    ]
    for name, curves in found.items():
        cells = []
        for at, value in enumerate(curves.mean(0)):
            base = found[against][:, at] if against else curves[:, 0]
            low, high = interval(curves[:, at] - base, rng)
            same = at == 0 or name == against
            cells.append(f"{value:.3f}" + ("" if same else f" ({low:+.3f} to {high:+.3f})"))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


@torch.no_grad()
def main() -> None:
    arguments = parse()
    tracker = Tracker(build_model(ModelOptions(), None, choose_device(arguments.device)))
    for folder in arguments.collections:
        names = list(arguments.structures)
        of = Collection.read(tracker, folder, names, arguments.specimens == "odd", arguments.cache)
        if arguments.accepted is not None:
            found, against = accept(of, arguments), None
        else:
            found, against = compare(of, arguments), "random"
        draws = len(of.firsts(arguments.draws))
        title = f"{folder.name}, {arguments.specimens}, {draws} draws"
        counts = [0, *arguments.counts]
        if against is None:
            print(table(title, counts, found, None), "\n", flush=True)
            continue
        for place, what in enumerate(("others", "those chosen from")):
            part = {name: curves[..., place] for name, curves in found.items()}
            print(table(f"{title}, {what}", counts, part, against), "\n", flush=True)


if __name__ == "__main__":
    run(main)
