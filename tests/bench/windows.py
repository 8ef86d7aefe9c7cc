"""How well specimens are found and segmented in photographs that show much more than them.

    python tests/bench/windows.py --real ../shared/data/carabidae --parity 1

The real beetles are pasted into photographs of 1500 to 4000 pixels, among labels, rulers, colour cards, codes
and pins, 15 to 40 % of the width long (`sam2pal.research.composites`); so is the template. A row is a shard
of the bundled model, scored at the photographs' own size: `cropped` are the photographs as they are, cut
to the specimens, without windows; `as they are` the same with windows; `whole`, `window` the composed ones.
"""

import argparse
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from sam2pal.config.model import ModelOptions
from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.config.structures import read_structures
from sam2pal.dataset.dataset import AnnotatedSpecimen
from sam2pal.dataset.manifest import build_manifest
from sam2pal.dataset.runs import Runs
from sam2pal.model.build import build_model
from sam2pal.model.tracker import Tracker
from sam2pal.research.benchmark.collection import read_collection
from sam2pal.research.composites import compose_all
from sam2pal.segmentation.shard import segment

NAMES = ["head", "pronotum", "elytra", "legs", "antennae"]
ROWS = {
    "cropped": ("cropped", "photograph"),
    "as they are": ("cropped", "specimen"),
    "whole": ("composed", "photograph"),
    "window": ("composed", "specimen"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--real", type=Path, required=True, help="folder of the collections")
    parser.add_argument("--collections", nargs="+", default=["pinned", "tray"])
    parser.add_argument("--parity", type=int, default=1, help="0 decides, 1 reports")
    parser.add_argument("--specimens", type=int, default=24, help="of each collection at most")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    tracker = Tracker(build_model(ModelOptions()))
    print(f"| collection | photographs | {' | '.join(NAMES)} | mean | encodings | windows |")
    print("| --- " * (len(NAMES) + 5) + "|")
    for name in arguments.collections:
        folder = arguments.real / name
        template, specimens = choose(folder, arguments.parity, arguments.specimens)
        with tempfile.TemporaryDirectory() as place:
            composed = list(compose_all([template, *specimens], Path(place), name == "tray"))
            for row in arguments.rows:
                kind, window = ROWS[row]
                shown = [template, *specimens] if kind == "cropped" else composed
                print(f"| {name} | {row} {score(tracker, shown, window)}", flush=True)


def choose(
    folder: Path, parity: int, most: int
) -> tuple[AnnotatedSpecimen, list[AnnotatedSpecimen]]:
    """The one template, and the first specimens of a parity that are no template of any file."""
    template = read_collection(folder, "templates_1.json")[0]
    used = {one.specimen for one in read_collection(folder, "templates_5.json")}
    known = read_collection(folder, "annotations.json")
    used.add(template.specimen)
    chosen = [s for s in known if s.specimen not in used and int(s.specimen) % 2 == parity]
    return template, chosen[:most]


def score(tracker: Tracker, shown: list[AnnotatedSpecimen], window: str) -> str:
    """The cells of a row.

    Args:
        shown: the template, then the specimens, of one folder.
    """
    options = replace(SegmentationOptions(), window=window, round_trip=0)
    template, *specimens = shown
    wanted = {specimen.specimen for specimen in specimens}
    manifest = build_manifest(Path(template.path).parent, None, 1000)
    listed = [one for one in manifest.specimens if one.specimen in wanted]
    encoded, encode = Counter(), tracker.encode

    def counted(images: torch.Tensor) -> object:
        encoded["images"] += len(images)
        return encode(images)

    began = time.process_time()
    tracker.encode = counted
    try:
        found = segment(tracker, listed, [template], read_structures(dict.fromkeys(NAMES)), options)
    finally:
        tracker.encode = encode
    seconds = (time.process_time() - began) / len(listed)
    truth = {specimen.specimen: specimen for specimen in specimens}
    images = {image["id"]: image for image in found["images"]}
    ious = {name: [] for name in NAMES}
    for image in images.values():
        masks = {
            NAMES[a["category_id"] - 1]: Runs.from_rle(a["segmentation"])
            for a in found["annotations"]
            if a["image_id"] == image["id"]
        }
        for name, drawn in truth[image["specimen"]].masks.items():
            if drawn.any():
                mask = Runs.of(drawn, *drawn.shape)
                ious[name].append(iou(masks[name], mask) if name in masks else 0.0)
    means = [float(np.mean(ious[name])) for name in NAMES]
    ways = Counter(image.get("window_by", "all") for image in images.values())
    cells = [*(f"{value:.3f}" for value in [*means, np.mean(means)])]
    cells += [f"{encoded['images'] / len(listed):.2f} ({seconds:.2f} s)"]
    cells += [", ".join(f"{number} {way}" for way, number in ways.most_common())]
    return f"| {' | '.join(cells)} |"


def iou(one: Runs, other: Runs) -> float:
    common = (one & other).area
    return common / (one.area + other.area - common)


if __name__ == "__main__":
    main()
