"""Fit the confidence that is shipped with the bundled model.

    python scripts/research/confidence.py --data ../shared/data

Fits to drawn insects, to beetles with even numbers and to pictures of other things; beetles with odd numbers
judge, by tests/bench/judge_confidence.py.
What was segmented is kept in the cache, a folder for each weights, so that a call that was stopped goes on.
"""

import argparse
import json
import logging
import sys
from itertools import chain
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the library lies beside this folder

from sam2pal.cli import program, run
from sam2pal.config.model import ModelOptions
from sam2pal.io.files import sha256, write_text
from sam2pal.model.build import BUNDLED, build_model
from sam2pal.model.device import choose_device
from sam2pal.model.tracker import Tracker
from sam2pal.research.confidence.cases import beetle_cases, drawn_cases, real_cases
from sam2pal.research.confidence.fitting import ALIKE, ONCE, STEADY, fit, fit_alikeness, fit_single
from sam2pal.research.confidence.foreign import SETS, foreign_to_drawn, pictures
from sam2pal.research.confidence.segmenting import OPTIONS, folder_of, segmented
from sam2pal.segmentation.confidence import SHIPPED


def parse() -> argparse.Namespace:
    parser = program(__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder with `carabidae` and `real_masks`")
    add("--cache", type=Path, default=Path("build/confidence"))
    add("--genera", type=int, default=15, help="drawn genera to fit to")
    add("--device", default="auto", help="auto, cuda, mps or cpu")
    add("--output", type=Path, default=SHIPPED, help="the confidence that is fitted")
    return parser.parse_args()


def main() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    arguments = parse()
    weights = BUNDLED / "weights.safetensors"
    digest = sha256(weights)
    model = build_model(ModelOptions(), device=choose_device(arguments.device))
    folder = folder_of(arguments.cache, digest)
    tracker = Tracker(model)
    drawn = arguments.cache / "drawn"
    others = {name: pictures(arguments.data, name, 0) for name in SETS}
    even = beetle_cases(arguments.data / "carabidae", 0)
    beetles = list(segmented(even, tracker, OPTIONS, folder / "even"))
    cases = chain(
        real_cases(arguments.data / "real_masks"),
        drawn_cases(drawn, range(arguments.genera)),
        foreign_to_drawn(drawn, range(8), others),
    )
    found = list(segmented(cases, tracker, OPTIONS, folder / "fit"))
    foreign = [of for of in found if of.case.name.startswith("foreign-")]
    known = [of for of in found if not of.case.name.startswith("foreign-")]
    alike = [of for of in known if of.case.source == "drawn"]
    genera = {of.case.name.removeprefix("foreign-") for of in foreign}
    same = [of for of in known if of.case.name in genera]
    content = {
        "weights": digest,
        "masks": [fit([*known, *beetles], names) for names in (STEADY, ONCE)],
        "specimens": [fit_alikeness(alike, foreign, names) for names in ALIKE],
        "single": fit_single(same, foreign),
    }
    write_text(arguments.output, json.dumps(content, indent=1) + "\n")
    for of in content["masks"]:
        print(f"{of['masks']} masks, {of['good']} good: {[f['name'] for f in of['features']]}")


if __name__ == "__main__":
    with torch.inference_mode():
        run(main)
