"""Where the palindrome's gradient points, beside that of the truth, on real specimens with an even number.

    python tests/bench/alignment.py --specimens 8
    python tests/bench/alignment.py --targets memory_attention memory_encoder mask_decoder

For every draw of one template, some specimens and every structure: the gradient of the palindrome's loss,
that of the self-pair's, and that of the same loss on the specimen's drawn mask, which training on unlabelled
specimens does not have. Cosines are taken at z1, the soft mask on the specimen, and over the weights of an
adapter, a fresh one or one that was trained (`--adapter`); 1 points where the truth does, 0 anywhere. The
loss of the way back from z1 stands beside that from the drawn mask: where they are alike, the way back does
not tell whether z1 is right. `rho` is the rank correlation of the palindrome's loss, or of the model's
confidence, with the IoU of z1 within a structure: a loss that knew where z1 is wrong would have -1.
"""

import argparse
import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from sam2pal.config.training import AdapterOptions, Target, TrainingOptions
from sam2pal.model import adapters
from sam2pal.model.build import build_model
from sam2pal.model.device import choose_device
from sam2pal.model.templates import TemplateSet
from sam2pal.model.tracker import Tracker
from sam2pal.research.benchmark.collection import Collection
from sam2pal.research.benchmark.protocol import Protocol, read_protocol
from sam2pal.training.data import Data, prepare
from sam2pal.training.palindrome import Followed, direct, object_losses, palindrome

OPTIONS = TrainingOptions(views=1, turns=(0,), distillation=0.0)
PROTOCOL = Path(__file__).resolve().parents[2] / "scripts/research/benchmark.yaml"
COLUMNS = {
    "iou": "IoU of z1",
    "loss": "loss of the way back",
    "loss_from_drawn": "the same from the drawn mask",
    "rho_loss": "rho of the loss",
    "rho_confidence": "rho of the confidence",
    "at_z1": "cosine at z1",
    "palindrome": "cosine over weights, palindrome",
    "self_pair": "cosine over weights, self-pair",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--protocol", type=Path, default=PROTOCOL, help="its collections and draws")
    parser.add_argument("--specimens", type=int, default=8, help="of every draw")
    parser.add_argument("--device", default="auto", help="auto, cuda, mps or cpu")
    parser.add_argument("--checkpoint", type=Path, help="other weights of the bundled model")
    parser.add_argument("--targets", nargs="+", choices=get_args(Target), default=OPTIONS.targets)
    parser.add_argument("--adapter", type=Path, help="a trained one instead of a fresh one")
    parser.add_argument("--collections", nargs="+", help="of the protocol's, instead of all")
    parser.add_argument("--output", type=Path, help="also write a row per pair and structure (CSV)")
    arguments = parser.parse_args()
    protocol, device = read_protocol(arguments.protocol), choose_device(arguments.device)
    rows = pd.DataFrame(measure(protocol, arguments, device))
    names = [structure.name for structure in protocol.structures]
    rows["structure"] = pd.Categorical(rows["structure"], names)  # in their order
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        rows.to_csv(arguments.output, index=False)
    print(table(rows))


def measure(
    protocol: Protocol, arguments: argparse.Namespace, device: torch.device
) -> Iterator[dict]:
    """A row per collection, draw, specimen and structure."""
    known = replace(protocol.model, checkpoint=arguments.checkpoint and str(arguments.checkpoint))
    model = build_model(known, device=device)
    plain = Tracker(copy.deepcopy(model))
    torch.manual_seed(protocol.seed)
    options = replace(OPTIONS, targets=tuple(arguments.targets))
    if arguments.adapter:
        adapters.load(model, arguments.adapter, trainable=True, options=options)
    else:
        adapters.inject(model, AdapterOptions(targets=options.targets))
    tracker = Tracker(model, gated=False)
    names = [structure.name for structure in protocol.structures]
    for name in arguments.collections or protocol.collections:
        folder = protocol.collections[name]
        collection = Collection(folder, names, plain, device)
        for draw in tqdm(range(1, protocol.draws + 1), desc=name):
            (template,) = collection.draw(1, draw, protocol.seed)
            others = [i for i in range(len(collection.tune)) if i != template]
            rng = np.random.default_rng([protocol.seed, 7, draw])
            chosen = rng.choice(
                others, min(arguments.specimens, len(others)), replace=False
            ).tolist()
            drawn = [collection.tune[i] for i in (template, *chosen)]
            templates = TemplateSet.read(drawn, names, plain.image_size, aligned=False)
            data = prepare(plain, templates, [drawn[0].path], options, draw)
            for row in of_draw(tracker, data):
                yield {
                    "collection": name,
                    "draw": draw,
                    **row,
                    "structure": names[row["structure"]],
                }


def of_draw(tracker: Tracker, data: Data) -> Iterator[dict]:
    """From the first specimen, the template, through each of the others."""
    weights = [p for p in tracker.model.parameters() if p.requires_grad]
    start, back = data.drawn[[0]], data.views[[0]]

    def gradients(followed: Followed, logits: Tensor | None = None) -> dict[int, Tensor]:
        """Of each structure's loss, over the weights or at its own of the logits [N, 1, S/4, S/4]."""
        losses = object_losses(followed)
        at, found = weights if logits is None else [logits], {}
        for row, structure in enumerate(followed.structure.tolist()):
            parts = torch.autograd.grad(losses[row], at, retain_graph=True, allow_unused=True)
            parts = [
                torch.zeros_like(a) if p is None else p for a, p in zip(at, parts, strict=True)
            ]
            if logits is not None:
                parts = [parts[0][row]]
            found[structure] = torch.cat([part.flatten() for part in parts])
        return found

    own = gradients(direct(tracker, start, back))
    for number in range(1, len(data.drawn.masks)):
        truth = data.drawn[[number]]
        way, known = palindrome(tracker, start, truth.features, back), direct(tracker, start, truth)
        if known is None:  # the specimen was annotated for nothing that the template shows
            continue
        over, right = gradients(way), gradients(known)
        at_z1, right_z1 = gradients(way, way.middle), gradients(known, known.tracked.logits)
        iou = by_structure(known, known.iou())
        seen = known.tracked
        trust = seen.predicted_iou.clamp(0, 1) * seen.object_score.sigmoid()
        trust = by_structure(known, trust)
        with torch.no_grad():
            again = direct(tracker, truth, back)
            from_drawn = by_structure(again, object_losses(again))
        losses = by_structure(way, object_losses(way))
        for k in right:
            yield {
                "specimen": number,
                "structure": k,
                "iou": iou[k],
                "loss": losses[k],
                "loss_from_drawn": from_drawn[k],
                "confidence": trust[k],
                "at_z1": cosine(at_z1[k], right_z1[k]),
                "palindrome": cosine(over[k], right[k]),
                "self_pair": cosine(own[k], right[k]),
            }


def by_structure(followed: Followed, values: Tensor) -> dict[int, float]:
    """Values [N] of what was followed, by the structure."""
    return dict(zip(followed.structure.tolist(), values.tolist(), strict=True))


def cosine(first: Tensor, second: Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(first, second, dim=0))


def table(rows: pd.DataFrame) -> str:
    """Means by collection and structure, as Markdown."""
    lines = [
        f"| collection | structure | pairs | {' | '.join(COLUMNS.values())} |",
        "| --- " * (3 + len(COLUMNS)) + "|",
    ]
    for (collection, structure), part in rows.groupby(["collection", "structure"], observed=True):
        means = part.mean(numeric_only=True)
        for name in ("loss", "confidence"):
            means[f"rho_{name}"] = part[name].corr(part["iou"], method="spearman")
        cells = [f"{means[column]:.2f}" for column in COLUMNS]
        lines.append(f"| {collection} | {structure} | {len(part)} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
