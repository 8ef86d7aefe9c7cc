"""Fit the confidence that is shipped with the bundled model, or judge it on real beetles.

    python scripts/research/confidence.py --data ../shared/data
    python scripts/research/confidence.py --data ../shared/data --judge odd

Fits to drawn insects and to pictures of other things; beetles only choose (even numbers) and judge (odd).
What was segmented is kept in the cache, a folder for each weights, so that a call that was stopped goes on.
"""

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the library lies beside this folder

from sam2pal.cli import program, run
from sam2pal.config.model import ModelOptions
from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.io.errors import InputError
from sam2pal.io.files import atomic, sha256
from sam2pal.model.build import BUNDLED, build_model
from sam2pal.model.device import choose_device
from sam2pal.model.tracker import Tracker
from sam2pal.research.confidence.cases import Case, beetle_cases, drawn_cases, real_cases
from sam2pal.research.confidence.foreign import foreign_to_beetles, foreign_to_drawn
from sam2pal.research.confidence.judging import SCORES, judged, recognised, rescored, table
from sam2pal.research.confidence.segmenting import segmented
from sam2pal.segmentation import METHODS
from sam2pal.segmentation.alikeness import shipped_alikeness
from sam2pal.segmentation.confidence import SHIPPED, shipped


def parse() -> argparse.Namespace:
    parser = program(__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder with `carabidae` and `real_masks`")
    add("--cache", type=Path, default=Path("build/confidence"))
    add("--genera", type=int, default=15, help="drawn genera to fit to")
    add("--minutes", type=float, help="stop after so long; the next call goes on")
    add("--judge", choices=("even", "odd"), help="print how good it is on beetles instead")
    add("--adapter", type=Path, help="with --judge: of a trained model")
    add("--device", default="auto", help="auto, cuda, mps or cpu")
    add("--output", type=Path, default=SHIPPED, help="the confidence that is fitted")
    return parser.parse_args()


def main() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    arguments = parse()
    weights = BUNDLED / "weights.safetensors"
    digest = sha256(weights)
    model = build_model(ModelOptions(), device=choose_device(arguments.device))
    folder = arguments.cache / f"{digest[:12]}-{METHODS['segment_shard']}"
    if arguments.adapter:
        from sam2pal.model import adapters

        adapters.load(model, arguments.adapter)
        folder /= f"adapter-{sha256(arguments.adapter / 'adapter_model.safetensors')[:12]}"
    tracker, options = Tracker(model), SegmentationOptions(window="photograph")
    if arguments.judge:
        cases = beetle_cases(arguments.data / "carabidae", int(arguments.judge == "odd"))
        folder /= arguments.judge
        timed = in_time(arguments.minutes)
        made = segmented(timed(cases), tracker, options, folder)
        found = [rescored(one, shipped()) for one in made]
        print(table(judged(found, SCORES)), flush=True)
        others = foreign_to_beetles(arguments.cache, arguments.data, int(arguments.judge == "odd"))
        drawings, unseen = arguments.cache / "drawn", range(arguments.genera, 2 * arguments.genera)
        others = chain(others, foreign_to_drawn(drawings, None, unseen))
        foreign = list(segmented(timed(others), tracker, options, folder))
        alone = (case for case in drawn_cases(drawings, unseen) if len(case.templates) == 1)
        one = [of for of in found if len(of.case.templates) == 1]
        one += segmented(timed(alone), tracker, options, folder)
        print("\n" + recognised(one, foreign, shipped_alikeness()))
        return
    from sam2pal.research.confidence.fitting import (
        ONE,
        SEVERAL,
        TURNED,
        UNTURNED,
        fit,
        fit_alikeness,
    )

    drawn = arguments.cache / "drawn"
    cases = chain(
        real_cases(arguments.data / "real_masks"),
        drawn_cases(drawn, range(arguments.genera)),
        foreign_to_drawn(drawn, arguments.data, range(8)),
    )
    timed = in_time(arguments.minutes)
    found = list(segmented(timed(cases), tracker, options, folder / "fit"))
    foreign = [of for of in found if of.case.name.startswith("foreign-")]
    known = [of for of in found if not of.case.name.startswith("foreign-")]
    alike = [of for of in known if of.case.source == "drawn"]
    content = {
        "weights": digest,
        "masks": [fit(known, names) for names in (SEVERAL, ONE)],
        "specimens": [fit_alikeness(alike, foreign, names) for names in (TURNED, UNTURNED)],
    }
    with atomic(arguments.output) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    for of in content["masks"]:
        print(f"{of['masks']} masks, {of['good']} good: {[f['name'] for f in of['features']]}")


def in_time(minutes: float | None) -> Callable[[Iterable[Case]], Iterator[Case]]:
    """Gives cases as long as there is time; then it raises `InputError`."""
    began = time.monotonic()

    def timed(cases: Iterable[Case]) -> Iterator[Case]:
        for case in cases:
            if minutes is not None and time.monotonic() - began > 60 * minutes:
                raise InputError(
                    f"{minutes:g} minutes are over before '{case.name}': call it again"
                )
            yield case

    return timed


if __name__ == "__main__":
    with torch.inference_mode():
        run(main)
