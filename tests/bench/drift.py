"""What guards against drift gain: templates alone, beside memories handed from specimen to specimen.

    PYTHONPATH=scripts python tests/bench/drift.py ../shared/data/carabidae/pinned

Video trackers carry predictions from frame to frame and need guards against drift. Here every specimen is
tracked from the template alone, so nothing can drift. Mean IoU over specimens with an even number, untrained,
one template, and the median of what single masks lose against `reset`. `clamp` cuts masks to the area
and the place that the template allows.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from sam2pal.config.model import ModelOptions
from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.images.reading import read_photograph
from sam2pal.model.build import build_model
from sam2pal.model.loading import square_image, square_masks
from sam2pal.model.masks import at_size_of, hard_iou
from sam2pal.model.tracker import Memory, Tracker
from sam2pal.research.benchmark.collection import read_collection
from sam2pal.segmentation.bank import Bank, remember
from sam2pal.segmentation.tracking import choose_view

NAMES = ["head", "pronotum", "elytra", "legs", "antennae"]
# which memories a specimen is tracked from: of the template, and of the specimens before it
WAYS = {
    "reset: the template alone": lambda template, before, number: [template],
    "handed on: the specimen before": lambda template, before, number: before[-1:] or [template],
    "re-anchored: so, but every fifth from the template": lambda template, before, number: (
        before[-1:] if number % 5 else [template]
    ),
    "interleaved: the template and the specimen before": lambda template, before, number: [
        template,
        *before[-1:],
    ],
    "as in a video: the template and the last six": lambda template, before, number: [
        template,
        *before[-6:],
    ],
}


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a collection")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    tracker = Tracker(build_model(ModelOptions()))
    side = tracker.image_size
    templates = read_collection(arguments.folder, "templates_1.json")
    bank = remember(tracker, templates, NAMES, SegmentationOptions())
    every = torch.arange(len(NAMES))
    (template,) = bank.recall(torch.zeros(len(NAMES), 1).long(), torch.zeros_like(every), every)
    specimens = []
    for specimen in read_collection(arguments.folder, "annotations.json"):
        if int(specimen.specimen) % 2 or specimen.specimen == templates[0].specimen:
            continue
        photograph = read_photograph(specimen.path, side)
        image = square_image(photograph, side)[None]
        view = choose_view(tracker, bank, image).view
        turn = bank.views[int(view)].undo
        truth = turn(square_masks(specimen, photograph, NAMES, side))
        shown = torch.tensor([name in specimen.masks for name in NAMES]) & truth.flatten(1).any(1)
        specimens.append((tracker.encode(turn(image[0])[None]), truth[:, None], shown))
    scores: dict[str, Tensor] = {}
    for name, way in WAYS.items():
        before: list[Memory] = []
        rows = []
        for number, (features, truth, shown) in enumerate(specimens):
            found = tracker.track(features, way(template, before, number))
            before.append(tracker.memorize(features, found.logits))
            rows.append(score(found.logits, truth, shown))
            if name.startswith("reset"):
                cut = clamped(found.logits, bank)
                rows_cut = scores.setdefault("reset, and clamped", torch.zeros(0, len(NAMES)))
                scores["reset, and clamped"] = torch.cat([rows_cut, score(cut, truth, shown)[None]])
        scores[name] = torch.stack(rows)
        print(name, flush=True)
    table(scores, arguments.folder.name)


def score(logits: Tensor, truth: Tensor, shown: Tensor) -> Tensor:
    """IoU of each structure, NaN where the specimen does not show it."""
    return torch.where(shown, hard_iou(at_size_of(logits, truth), truth), torch.nan)


def clamped(logits: Tensor, bank: Bank) -> Tensor:
    """Nothing outside of the limit's box, and no more than its largest area."""
    cut = logits.clone()
    side = logits.shape[-1]
    middles = (torch.arange(side) + 0.5) / side
    for number, limit in enumerate(bank.limits.by_view[0]):
        if limit is None:
            continue
        top, left, bottom, right = limit.box
        inside = ((middles >= top) & (middles <= bottom))[:, None] & (
            (middles >= left) & (middles <= right)
        )
        cut[number, 0][~inside] = -10.0
        most = int(limit.largest * side**2)
        if int((cut[number, 0] > 0).sum()) > most:
            least = cut[number, 0].flatten().topk(most).values[-1]
            cut[number, 0][cut[number, 0] < least] = -10.0
    return cut


def table(scores: dict[str, Tensor], collection: str) -> None:
    print(f"\n| {collection} | {' | '.join(NAMES)} | mean | masks worse by 0.05 | better by 0.05 |")
    print("| --- " * (len(NAMES) + 4) + "|")
    reset = next(of for name, of in scores.items() if name.endswith("alone"))
    for name, of in scores.items():
        each: Sequence[float] = of.nanmean(0).tolist()
        apart = (of - reset)[~of.isnan()]
        cells = [f"{value:.3f}" for value in (*each, sum(each) / len(each))]
        cells += [str(int((apart < -0.05).sum())), str(int((apart > 0.05).sum()))]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
