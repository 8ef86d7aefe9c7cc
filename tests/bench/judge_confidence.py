"""How well confidences tell good masks from bad ones within each structure, and specimens from other things.

    PYTHONPATH=scripts python tests/bench/judge_confidence.py --data ../shared/data --score odd

On real beetles, of which the fit saw even numbers (scripts/research/confidence.py), and on drawn genera
beyond those of the fit. What was segmented is kept in the cache, so that a call that was stopped goes on.
"""

import argparse
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sam2pal.cli import program, run
from sam2pal.config.model import ModelOptions
from sam2pal.dataset.dataset import AnnotatedSpecimen
from sam2pal.dataset.recalibration import Recalibration, labelled_in
from sam2pal.dataset.signals import GOOD_IOU
from sam2pal.evaluation.calibration import auroc, brier_skill, expected_calibration_error, spearman
from sam2pal.io.files import sha256
from sam2pal.model.build import BUNDLED, build_model
from sam2pal.model.device import choose_device
from sam2pal.model.tracker import Tracker
from sam2pal.research.benchmark.collection import Collection
from sam2pal.research.confidence.cases import (
    BEETLES,
    Case,
    beetle_cases,
    drawings,
    drawn_cases,
    kind_of,
)
from sam2pal.research.confidence.foreign import (
    SETS,
    background,
    foreign_to_drawn,
    named,
    pictures,
    side_by_side,
)
from sam2pal.research.confidence.segmenting import (
    OPTIONS,
    SegmentedCase,
    folder_of,
    segmented,
    specimens_of,
)
from sam2pal.research.synthetic.species import KINDS
from sam2pal.segmentation.alikeness import Alikeness, shipped_alikeness
from sam2pal.segmentation.confidence import Confidence, shipped_confidence

BAD_IOU = 0.5
ENOUGH = 10  # bad masks, for an AUROC that says something
MEASURES = ("auroc", "spearman", "ece", "noise", "brier")
MOST = 6  # photographs of a kind
Score = Callable[[Mapping[str, Any]], float]


def parse() -> argparse.Namespace:
    parser = program(__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder with `carabidae` and `real_masks`")
    add("--cache", type=Path, default=Path("build/confidence"))
    add("--genera", type=int, default=15, help="drawn genera that were fitted to")
    add("--score", choices=("even", "odd"), default="odd", help="beetles of these numbers")
    add("--adapter", type=Path, help="of a trained model")
    add("--cases", nargs="*", help="pinned-1, pinned-5, tray-1, tray-5; then these alone")
    add(
        "--draws",
        type=int,
        nargs="*",
        help="templates as the benchmark draws them; then these alone",
    )
    add("--device", default="auto", help="auto, cuda, mps or cpu")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    model = build_model(ModelOptions(), device=choose_device(arguments.device))
    digest = sha256(BUNDLED / "weights.safetensors")
    folder = folder_of(arguments.cache, digest)
    if arguments.adapter:
        from sam2pal.model import adapters

        adapters.load(model, arguments.adapter)
        folder /= f"adapter-{sha256(arguments.adapter / 'adapter_model.safetensors')[:12]}"
    tracker = Tracker(model)
    folder /= arguments.score
    if arguments.draws:
        beetles = cases_of_draws(
            arguments.data / "carabidae", arguments.score, arguments.draws, tracker
        )
    else:
        beetles = beetle_cases(arguments.data / "carabidae", int(arguments.score == "odd"))
    asked = (
        case
        for case in beetles
        if not arguments.cases or case.name.split("-draw-")[0] in arguments.cases
    )
    made = segmented(asked, tracker, OPTIONS, folder)
    found = [rescored(one, shipped_confidence()) for one in made]
    print(table(judged(found, SCORES)), flush=True)
    if arguments.draws:
        print("\n" + over_draws(found), flush=True)
    if arguments.cases or arguments.draws:
        return
    drawn, unseen = arguments.cache / "drawn", range(arguments.genera, 2 * arguments.genera)
    others = chain(
        foreign_to_beetles(arguments.cache, arguments.data, int(arguments.score == "odd")),
        unlike_drawings(drawn, unseen),
    )
    foreign = list(segmented(others, tracker, OPTIONS, folder))
    alone = (case for case in drawn_cases(drawn, unseen) if len(case.templates) == 1)
    one = [of for of in found if len(of.case.templates) == 1]
    one += segmented(alone, tracker, OPTIONS, folder)
    print("\n" + recognised(one, foreign, shipped_alikeness()))


def cases_of_draws(
    data: Path, score: str, draws: Sequence[int], tracker: Tracker
) -> Iterator[Case]:
    """The real beetles with templates of draws of the benchmark: even numbers that show every structure."""
    names = ("head", "pronotum", "elytra", "legs", "antennae")
    for source in BEETLES:
        known = Collection(data / source, list(names), tracker, torch.device("cpu"), score)
        for count, draw in itertools.product((1, 5), draws):
            templates = [known.tune[i] for i in known.draw(count, draw, 1)]
            used = {one.specimen for one in templates}
            some = tuple(one for one in known.scored if one.specimen not in used)
            yield Case(f"{source}-{count}-draw-{draw}", source, names, tuple(templates), some)


def of_signal(name: str) -> Score:
    """A signal as a score, between 0 and 1."""

    def score(mask: Mapping[str, Any]) -> float:
        value = mask["signals"].get(name)
        return np.nan if value is None else min(max(value, 0.0), 1.0)

    return score


def product(mask: Mapping[str, Any]) -> float:
    """Predicted IoU times object score: the score before confidences were fitted."""
    signals = mask["signals"]
    return min(max(signals["predicted_iou"], 0.0), 1.0) * signals["object_score"]


def rescored(found: SegmentedCase, confidence: Confidence) -> SegmentedCase:
    """With the scores that another confidence gives to the same signals."""
    known = [
        replace(one, probability=confidence.unadapted(one.signals))
        for one in labelled_in(found.info)
    ]
    adapted = replace(confidence, recalibration=Recalibration.learn(known))
    masks = [
        mask
        | {
            "score": adapted(mask["structure"], mask["signals"]),
            "unadapted": confidence.unadapted(mask["signals"]),
        }
        for mask in found.masks
    ]
    return replace(found, masks=masks)


SCORES: dict[str, Score] = {
    "confidence": lambda mask: mask["score"],
    "before the genus is known": lambda mask: mask["unadapted"],
    "predicted IoU": of_signal("predicted_iou"),
    "former score": product,
}


def judged(found: Iterable[SegmentedCase], scores: Mapping[str, Score]) -> list[dict[str, Any]]:
    """A row a case, structure and score: of masks that are there, by their IoU."""
    rows = []
    for of in found:
        for structure in of.case.structures:
            known = [m for m in of.masks if m["structure"] == structure and m["iou"] is not None]
            masks = [m for m in known if m["found"]]
            iou = np.array([mask["iou"] for mask in masks])
            for name, score in scores.items():
                given = np.array([score(mask) for mask in masks])
                there = np.isfinite(given)
                if there.any():
                    key = {"case": of.case.name, "structure": structure, "score": name}
                    rows.append(key | _judge(given[there], iou[there]))
    return rows


def over_draws(found: Sequence[SegmentedCase]) -> str:
    """Markdown: the confidence's measures as means of draws, with the least and the largest.

    AUROC besides of the masks of all draws together, and an interval of its mean that resamples specimens.
    """
    lines = ["| case | structure | n | bad | " + " | ".join(MEASURES) + " | together | 90 % |"]
    lines.append("| --- " * (6 + len(MEASURES)) + "|")
    score = {"confidence": SCORES["confidence"]}
    for place in dict.fromkeys(of.case.name.split("-draw-")[0] for of in found):
        own = [of for of in found if of.case.name.split("-draw-")[0] == place]
        all_rows = judged(own, score)
        for structure in own[0].case.structures:
            rows = [row for row in all_rows if row["structure"] == structure]
            cells = [str(sum(row["n"] for row in rows)), str(sum(row["bad"] for row in rows))]
            for measure in MEASURES:
                of = np.array([row[measure] for row in rows])
                of = of[np.isfinite(of)]
                cells.append(
                    f"{of.mean():.2f} ({of.min():.2f} to {of.max():.2f})" if len(of) else ""
                )
            masks = [_masks(one, structure) for one in own]
            together = auroc(*_bad(np.concatenate(masks)))
            ends = np.nanquantile(_resampled(masks), (0.05, 0.95)) if cells[2] else (np.nan, np.nan)
            cells += [_cell(together), " to ".join(map(_cell, ends)) if cells[2] else ""]
            lines.append(f"| {place} | {structure} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _masks(found: SegmentedCase, structure: str) -> np.ndarray:
    """Number of the specimen, confidence and IoU [masks, 3]."""
    return np.array(
        [
            (int(mask["specimen"]), mask["score"], mask["iou"])
            for mask in found.masks
            if mask["structure"] == structure and mask["found"] and mask["iou"] is not None
        ]
    ).reshape(-1, 3)


def _bad(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return -masks[:, 1], masks[:, 2] < BAD_IOU


def _resampled(draws: Sequence[np.ndarray], replicates: int = 1000) -> np.ndarray:
    """Mean AUROC of draws, of specimens drawn with replacement: the same ones in each draw."""
    rng = np.random.default_rng(1)
    specimens = np.unique(np.concatenate([masks[:, 0] for masks in draws]))
    where = [{int(masks[i, 0]): i for i in range(len(masks))} for masks in draws]
    means = []
    for _ in range(replicates):
        chosen = rng.choice(specimens, len(specimens)).astype(int).tolist()
        of = [
            auroc(*_bad(masks[[at[one] for one in chosen if one in at]]))
            for masks, at in zip(draws, where, strict=True)
            if (masks[:, 2] < BAD_IOU).sum() >= ENOUGH
        ]
        means.append(np.nanmean(of))
    return np.array(means)


def _judge(given: np.ndarray, iou: np.ndarray) -> dict[str, Any]:
    good, bad = iou >= GOOD_IOU, iou < BAD_IOU
    return {
        "n": len(iou),
        "bad": int(bad.sum()),
        "good": int(good.sum()),
        "auroc": auroc(-given, bad) if bad.sum() >= ENOUGH else np.nan,
        "spearman": spearman(given, iou),
        "ece": expected_calibration_error(given, good, 10),
        "noise": _noise(given),
        "brier": brier_skill(given, good),
    }


def _noise(given: np.ndarray, replicates: int = 200) -> float:
    """The calibration error that so few masks have on average if the probabilities are right."""
    rng = np.random.default_rng(1)
    drawn = rng.random((replicates, len(given))) < given
    return float(np.mean([expected_calibration_error(given, of, 10) for of in drawn]))


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: a line a case and structure, and the means of each score."""
    lines = ["| case | structure | score | n | bad | good | " + " | ".join(MEASURES) + " |"]
    lines.append("| --- " * (6 + len(MEASURES)) + "|")
    for row in rows:
        cells = [str(row[key]) for key in ("case", "structure", "score", "n", "bad", "good")]
        lines.append("| " + " | ".join([*cells, *(_cell(row[m]) for m in MEASURES)]) + " |")
    for name in dict.fromkeys(row["score"] for row in rows):
        of = [row for row in rows if row["score"] == name]
        means = [_cell(np.nanmean([row[m] for row in of] or [np.nan])) for m in MEASURES]
        total = [str(sum(row[key] for row in of)) for key in ("n", "bad", "good")]
        lines.append("| " + " | ".join(["all", "mean", name, *total, *means]) + " |")
    return "\n".join(lines)


def recognised(
    found: Iterable[SegmentedCase], foreign: Iterable[SegmentedCase], alikeness: Alikeness
) -> str:
    """Markdown: how well specimens are told from what the templates do not show, by what that is.

    Cases of one source are judged together. Flagged at the shipped limit, and at the limit that flags one in
    a hundred of these specimens.
    """
    lines = [
        "| source | what | specimens | others | AUROC | others flagged | specimens flagged"
        " | others flagged at 1 % of the specimens |",
        "| --- " * 8 + "|",
    ]
    sources: dict[str, tuple[list[tuple[float, bool]], dict[str, list[tuple[float, bool]]]]] = {}
    for own, other in zip(found, foreign, strict=True):
        right, kinds = sources.setdefault(own.case.source, ([], {}))
        right += [alikeness(of) for of in specimens_of(own).values()]
        for name, of in specimens_of(other).items():
            kinds.setdefault(name.split("/")[0], []).append(alikeness(of))
    for source, (right, kinds) in sources.items():
        same = kinds.pop("collection", None)
        kinds["all of these"] = [one for of in kinds.values() for one in of]
        if same:
            kinds["the other collection"] = same
        given = np.array([probability for probability, _ in right])
        for kind, of in kinds.items():
            values = np.array([probability for probability, _ in of])
            area = auroc(np.r_[-given, -values], np.arange(len(given) + len(values)) >= len(given))
            numbers = (
                area,
                np.mean([flagged for _, flagged in of]),
                np.mean([flagged for _, flagged in right]),
                np.mean(values < np.quantile(given, 0.01)),
            )
            cells = [source, kind, str(len(given)), str(len(values))]
            lines.append("| " + " | ".join([*cells, *map(_cell, numbers)]) + " |")
    return "\n".join(lines)


def _cell(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else ""


def unlike_drawings(folder: Path, genera: Sequence[int]) -> Iterator[Case]:
    """Drawn genera with what is foreign to them, and the same animal from another side."""
    for number, case in zip(genera, foreign_to_drawn(folder, genera, {}), strict=True):
        sides = [("side", one) for one in other_side(folder, number)]
        yield replace(case, specimens=(*case.specimens, *named(sides)))


def foreign_to_beetles(folder: Path, data: Path, parity: int) -> Iterator[Case]:
    """The real beetles from one template, with other pictures, backgrounds, two specimens, and each other.

    Pictures are of the second half of each set.
    """
    own = {
        case.name: case
        for case in beetle_cases(data / "carabidae", parity)
        if len(case.templates) == 1
    }
    for name, case in own.items():
        some = [(of, one) for of in SETS for one in pictures(data, of, 1)[:MOST]]
        there = case.specimens[:MOST]
        nothing = [background(one, folder / "backgrounds") for one in there]
        some += [("background", one) for one in nothing if one]
        pairs = zip(case.specimens[::2], case.specimens[1::2], strict=False)
        some += [("two", side_by_side(*pair, folder / "two")) for pair in list(pairs)[:MOST]]
        other = {"pinned": "tray", "tray": "pinned"}[case.source]
        some += [("collection", one) for one in own[f"{other}-1"].specimens[:MOST]]
        yield replace(case, name=f"foreign-{name}", specimens=named(some))


def other_side(folder: Path, number: int) -> list[AnnotatedSpecimen]:
    """Two specimens of a drawn genus from another side; none if there is no plan of it.

    The same random numbers begin them, so that proportions and mostly colours are alike.
    """
    kind = kind_of(number)
    same = [one for one in KINDS if _animal(one) == _animal(kind)]
    seen = [one for one in same if ("profile" in one) != ("profile" in kind)]
    if not seen:
        return []
    return drawings(folder / f"{number:04d}-side", number, seen[number % len(seen)], 2)


def _animal(kind: str) -> str:
    return kind.removeprefix("ground ").split()[0]


if __name__ == "__main__":
    with torch.inference_mode():
        run(main)
