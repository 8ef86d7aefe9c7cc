"""How well specimens are found and segmented in photographs that show much more than them.

    python tests/bench/windows.py --real ../shared/data/carabidae --parity 1
    python tests/bench/windows.py --real ../shared/data/carabidae --parity 1 --parts

The real beetles are pasted into photographs of 1500 to 4000 pixels, among labels, rulers, colour cards, codes
and pins, 15 to 40 % of the width long (`composites.py`); so is the template. A row is a shard
of the bundled model, scored at the photographs' own size: `cropped` are the photographs as they are, cut
to the specimens, without windows; `as they are` the same with windows; `whole`, `window` the composed ones.

With `--parts` eyes and mouthparts of the pinned beetles as they are (`annotations_9class.json`) are followed
without a parent (`flat`), and with the head as their `parent`.
"""

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from composites import compose_all

from sam2pal.config.model import ModelOptions
from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.config.structures import read_structures
from sam2pal.dataset.dataset import AnnotatedSpecimen
from sam2pal.dataset.manifest import build_manifest
from sam2pal.dataset.runs import Runs
from sam2pal.model.build import build_model
from sam2pal.model.tracker import Tracker
from sam2pal.research.benchmark.collection import read_collection
from sam2pal.segmentation.shard import segment

NAMES = ["head", "pronotum", "elytra", "legs", "antennae"]
PARTS = {"eyes": "head", "mouthparts": "head"}
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
    parser.add_argument("--ensemble", type=int, default=1, help="times that each is seen")
    parser.add_argument("--refine", action="store_true", help="fit edges to the picture")
    parser.add_argument("--parts", action="store_true", help="parts of the head instead")
    arguments = parser.parse_args()
    shared = {"ensemble": arguments.ensemble, "refine": arguments.refine}
    torch.set_num_threads(1)
    tracker = Tracker(build_model(ModelOptions()))
    names = [*NAMES, *PARTS] if arguments.parts else NAMES
    print(f"| collection | photographs | {' | '.join(names)} | mean | encodings | windows |")
    print("| --- " * (len(names) + 5) + "|")
    if arguments.parts:
        shown = choose(
            arguments.real / "pinned",
            arguments.parity,
            arguments.specimens,
            "annotations_9class.json",
        )
        options = SegmentationOptions(**shared)
        for row, parents in (("flat", {}), ("parent", PARTS)):
            structures = {name: {"parent": parents.get(name)} for name in names}
            cells = score(tracker, shown, options, structures)
            print(f"| pinned | {row} {cells}", flush=True)
        return
    for name in arguments.collections:
        folder = arguments.real / name
        cropped = choose(folder, arguments.parity, arguments.specimens)
        with tempfile.TemporaryDirectory() as place:
            needed = any(ROWS[row][0] == "composed" for row in arguments.rows)
            composed = list(compose_all(cropped, Path(place), name == "tray")) if needed else []
            for row in arguments.rows:
                kind, window = ROWS[row]
                shown = cropped if kind == "cropped" else composed
                options = SegmentationOptions(window=window, **shared)
                cells = score(tracker, shown, options, dict.fromkeys(NAMES))
                print(f"| {name} | {row} {cells}", flush=True)


def choose(
    folder: Path, parity: int, most: int, file: str = "annotations.json"
) -> list[AnnotatedSpecimen]:
    """The one template, then the first specimens of a parity that are no template of any file."""
    first = read_collection(folder, "templates_1.json")[0].specimen
    used = {one.specimen for one in read_collection(folder, "templates_5.json")} | {first}
    known = read_collection(folder, file)
    chosen = [s for s in known if s.specimen not in used and int(s.specimen) % 2 == parity]
    return [next(s for s in known if s.specimen == first), *chosen[:most]]


def score(
    tracker: Tracker,
    shown: list[AnnotatedSpecimen],
    options: SegmentationOptions,
    structures: dict[str, dict | None],
) -> str:
    """The cells of a row.

    Args:
        shown: the template, then the specimens, of one folder.
    """
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
        given = tracker, listed, [template], read_structures(structures), options
        found = segment(*given, bundled=True)
    finally:
        tracker.encode = encode
    seconds = (time.process_time() - began) / len(listed)
    truth = {specimen.specimen: specimen for specimen in specimens}
    images = {image["id"]: image for image in found["images"]}
    names = list(structures)
    ious = {name: [] for name in names}
    for image in images.values():
        masks = {
            names[a["category_id"] - 1]: Runs.from_rle(a["segmentation"])
            for a in found["annotations"]
            if a["image_id"] == image["id"]
        }
        for name, drawn in truth[image["specimen"]].masks.items():
            if name in ious and drawn.any():
                mask = Runs.of(drawn, *drawn.shape)
                ious[name].append(iou(masks[name], mask) if name in masks else 0.0)
    means = [float(np.mean(ious[name])) for name in names]
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
