"""Whether masks that stay where a photograph is moved, turned and lit a little are better ones.

    PYTHONPATH=scripts python tests/bench/shaken.py ../shared/data/carabidae [--parity 1]

Each specimen is segmented from one template as it is, shifted by 3 % of its square, turned by 5 degrees, and
darker; `shaken` is the mean IoU of the three masks, moved back, with the first. It costs three encodings. The
table has the rank correlation with IoU, within each structure, of the confidence, of `shaken`, and of a
logistic regression on both that was fitted to the other collection, and the Brier scores.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from sam2pal.config.model import ModelOptions
from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.config.structures import read_structures
from sam2pal.dataset.dataset import AnnotatedSpecimen
from sam2pal.dataset.recalibration import log_odds
from sam2pal.dataset.rle import decode_mask
from sam2pal.images.reading import read_photograph
from sam2pal.model.build import build_model
from sam2pal.model.loading import square_image
from sam2pal.model.masks import hard_iou
from sam2pal.model.tracker import Tracker
from sam2pal.research.confidence.cases import Case, beetle_cases
from sam2pal.segmentation.annotations import Annotator
from sam2pal.segmentation.bank import remember
from sam2pal.segmentation.tracking import track_images

TURN, SHIFT, DARKER = np.radians(5), 0.03, 0.8


def shaken(images: Tensor) -> list[tuple[Tensor, np.ndarray]]:
    """The images [B, 3, S, S] as they are and changed, with the affine map [2, 3] of each change."""
    cos, sin = np.cos(TURN), np.sin(TURN)
    maps = [
        np.eye(2, 3),
        np.array([[1, 0, 2 * SHIFT], [0, 1, 2 * SHIFT]]),
        np.array([[cos, -sin, 0], [sin, cos, 0]]),
        np.eye(2, 3),
    ]
    found = [moved(images, by) for by in maps]
    found[3] = images * DARKER
    return list(zip(found, maps, strict=True))


def moved(images: Tensor, by: np.ndarray) -> Tensor:
    theta = torch.from_numpy(by).float().expand(len(images), -1, -1)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def back(by: np.ndarray) -> np.ndarray:
    """The inverse of an affine map."""
    return np.linalg.inv(np.vstack([by, [0, 0, 1]]))[:2]


@torch.no_grad()
def of_case(case: Case, tracker: Tracker) -> list[tuple[str, float, float, float]]:
    """Structure, IoU, log odds of the confidence and of `shaken`, of masks that are there."""
    options = SegmentationOptions(window="photograph")
    structures = read_structures(dict.fromkeys(case.structures))
    bank = remember(tracker, list(case.templates), list(case.structures), options)
    followed = [case.structures[k] for k in bank.followed.tolist()]
    annotator = Annotator(structures, followed, options)
    rows = []
    for specimen in case.specimens:
        photograph = read_photograph(specimen.path, tracker.image_size)
        image = square_image(photograph, tracker.image_size)[None]
        outcomes = [(track_images(tracker, bank, one, options)[0], by) for one, by in shaken(image)]
        first = outcomes[0][0]
        logits = torch.from_numpy(first.logits)[:, None]
        others = [moved(torch.from_numpy(o.logits)[:, None], back(by)) for o, by in outcomes[1:]]
        same = torch.stack([hard_iou(one, (logits > 0).float()) for one in others]).mean(0)
        shapes = bank.shapes_in(first.view)
        for name, entry in zip(
            case.structures, annotator.annotate(photograph, first, {}, (), shapes), strict=True
        ):
            if name in specimen.masks and entry["area"]:
                stays = log_odds(float(same[followed.index(name)]), 0.02)
                rows.append((name, iou_of(entry, specimen, name), log_odds(entry["score"]), stays))
    return rows


def iou_of(entry: dict, specimen: AnnotatedSpecimen, name: str) -> float:
    mask, drawn = decode_mask(entry["segmentation"]), specimen.masks[name]
    return float((mask & drawn).sum() / max((mask | drawn).sum(), 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collections", type=Path)
    parser.add_argument("--parity", type=int, default=0)
    arguments = parser.parse_args()
    tracker = Tracker(build_model(ModelOptions()))
    cases = [
        of for of in beetle_cases(arguments.collections, arguments.parity) if len(of.templates) == 1
    ]
    rows = {case.source: of_case(case, tracker) for case in cases}
    print("| collection | structure | n | confidence | shaken | both |\n" + "| --- " * 6 + "|")
    for source, found in rows.items():
        iou, values = arrays(found)
        other_iou, other = arrays(
            [row for name, of in rows.items() if name != source for row in of]
        )
        model = LogisticRegression(C=10).fit(other, other_iou >= 0.75)
        both = model.predict_proba(values)[:, 1]
        names = np.array([row[0] for row in found])
        scores = (values[:, 0], values[:, 1], both)
        for name in dict.fromkeys(names):
            of = names == name
            ranks = " | ".join(f"{spearmanr(s[of], iou[of])[0]:.2f}" for s in scores)
            print(f"| {source} | {name} | {of.sum()} | {ranks} |")
        alone = LogisticRegression(C=10).fit(other[:, :1], other_iou >= 0.75)
        brier = [
            np.mean((p - (iou >= 0.75)) ** 2)
            for p in (alone.predict_proba(values[:, :1])[:, 1], both)
        ]
        print(f"| {source} | Brier score | {len(iou)} | {brier[0]:.4f} | | {brier[1]:.4f} |")


def arrays(rows: list[tuple[str, float, float, float]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([row[1] for row in rows]), np.array([row[2:] for row in rows])


if __name__ == "__main__":
    main()
