"""What segmenting costs: a shard over encode + K x track, counted in FLOPs and timed alone, and older ways.

    python tests/bench/segmentation.py --models bundled sam2.1_hiera_tiny --specimens 8 2

Weights are random (cost does not depend on them), specimens are drawn. A bound is what one `encode` and
one `track` of all structures cost alone; with a round trip also one `memorize` and the `track` back. The
start of a job (templates encoded and memorized) is left out of a shard's cost and stands in a row of its own.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from cost import cost
from PIL import Image
from remembering import remembered

from sam2pal.config.model import ModelOptions
from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.config.structures import read_structures
from sam2pal.dataset.dataset import AnnotatedSpecimen, drawn_annotations
from sam2pal.dataset.manifest import Specimen, build_manifest
from sam2pal.images.reading import read_photograph
from sam2pal.model.build import build_model
from sam2pal.model.loading import square_image
from sam2pal.model.tracker import Tracker
from sam2pal.model.views import View
from sam2pal.research.synthetic.photograph import sample_style
from sam2pal.research.synthetic.species import sample_species
from sam2pal.research.synthetic.specimen import draw_specimen
from sam2pal.segmentation.shard import segment

NAMES = ["head", "pronotum", "elytra", "legs", "antennae"]
STRUCTURES = read_structures(dict.fromkeys(NAMES))
CPU = torch.device("cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["bundled", "sam2.1_hiera_tiny"])
    parser.add_argument("--specimens", nargs="+", type=int, default=[8, 2], help="one a model")
    parser.add_argument("--templates", nargs="+", type=int, default=[1, 5])
    parser.add_argument("--image-size", type=int, help="instead of the models' own")
    parser.add_argument("--repeats", type=int, default=3, help="the shortest time counts")
    parser.add_argument("--output", type=Path, help="also write the table here")
    arguments = parser.parse_args()
    if len(arguments.models) != len(arguments.specimens):
        parser.error("--models and --specimens need as many values each")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, count in zip(arguments.models, arguments.specimens, strict=True):
            torch.manual_seed(0)
            options = ModelOptions(name, image_size=arguments.image_size)
            tracker = Tracker(build_model(options, random_weights=True))
            for templates in arguments.templates:
                drawn, specimens = draw(Path(folder), templates, count)
                for row in bench(tracker, drawn, specimens, arguments.repeats):
                    rows.append((name, tracker.model.image_size, templates, *row))
                    print(f"{name}, {templates} templates: {row[0]}", flush=True)
    text = table(rows)
    print(f"\n{text}")
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(text + "\n", encoding="utf-8")


def draw(
    folder: Path, templates: int, count: int
) -> tuple[list[AnnotatedSpecimen], list[Specimen]]:
    """Templates, and photographs of specimens, of a drawn beetle."""
    rng = np.random.default_rng(1)
    species, style = sample_species(rng, "beetle"), sample_style(rng)
    place = folder / f"{templates}_{count}"
    (place / "specimens").mkdir(parents=True, exist_ok=True)
    found = []
    for number in range(templates + count):
        drawing = draw_specimen(species, rng, 700, style=style, frame="fit", missing=())
        if number < templates:
            path = place / f"template{number}.png"
            height, width = drawing.pixels.shape[:2]
            masks = {name: drawing.masks[name] for name in NAMES}
            found.append(
                AnnotatedSpecimen(path.stem, str(path), width, height, drawn_annotations(masks))
            )
        else:
            path = place / "specimens" / f"{number:04d}.png"
        Image.fromarray(drawing.pixels).save(path)
    return found, build_manifest(place / "specimens", None, 1000).specimens


@torch.no_grad()
def bench(
    tracker: Tracker, templates: list[AnnotatedSpecimen], specimens: list[Specimen], repeats: int
) -> list[tuple[str, float, float, float, float]]:
    """Rows: what, GFLOP and seconds per specimen, and both over the bound."""
    upright = SegmentationOptions(turns=(0,), batch_size=min(4, len(specimens)))
    side = tracker.model.image_size
    images = torch.stack([square_image(read_photograph(s.path), side) for s in specimens])
    images = images[: upright.batch_size]
    bank = remembered(tracker, templates, NAMES, upright)
    features = tracker.encode(images)
    memories = [memory[[*range(len(memory))] * len(images)] for memory in memories_of(bank, side)]

    def one(call: Callable, times: int = repeats) -> tuple[float, float]:
        """GFLOP and seconds of a call, for each image."""
        flops, seconds = cost(call, times)
        return flops / len(images), seconds / len(images)

    encode = one(lambda: tracker.encode(images))
    track = one(lambda: tracker.track(features, memories))
    bound = np.array(encode) + track

    rows = [("bound: encode + K x track", *bound, 1.0, 1.0)]

    def add(name: str, found: tuple[float, float]) -> None:
        rows.append((name, *found, *(np.array(found) / bound)))

    def shard(options: SegmentationOptions) -> tuple[float, float]:
        given = tracker, specimens, templates, STRUCTURES, options
        whole = cost(lambda: segment(*given, bundled=True), repeats)
        start = cost(lambda: remembered(tracker, templates, NAMES, options), repeats)
        return tuple((w - s) / len(specimens) for w, s in zip(whole, start, strict=True))

    size = upright.batch_size
    any_way = SegmentationOptions(batch_size=size)
    add("shard, upright only", shard(upright))
    add("shard, any orientation", shard(any_way))
    add("four encodings, best view", one(lambda: four_encodings(tracker, images, memories)))
    add("a loop over structures", one(lambda: loop(tracker, images, bank)))
    start = cost(lambda: remembered(tracker, templates, NAMES, any_way), repeats)
    rows.append(("start of a job (all of it)", *start, np.nan, np.nan))
    return rows


def memories_of(bank, side: int) -> list:
    """One a template, of all structures, upright, for squares of a side."""
    return bank.recall(torch.arange(len(NAMES)), side)


def four_encodings(tracker: Tracker, images: torch.Tensor, memories: list) -> torch.Tensor:
    """Every specimen encoded and tracked in four turns, the best by its scores."""
    scores = []
    for turn in (0, 90, 180, 270):
        features = tracker.encode(View(turn).undo(images))
        tracked = tracker.track(features, memories)
        score = tracked.predicted_iou * tracked.object_score.sigmoid()
        scores.append(score.view(len(images), -1).mean(1))
    return torch.stack(scores).argmax(0)


def loop(tracker: Tracker, images: torch.Tensor, bank) -> None:
    """One call of `track` for each structure of each specimen."""
    memories = memories_of(bank, images.shape[-1])
    for image in images:
        features = tracker.encode(image[None])
        for structure in range(len(NAMES)):
            tracker.track(features, [memory[[structure]] for memory in memories])


def table(rows: list[tuple]) -> str:
    """As Markdown."""
    lines = [
        "| model | square | templates | what | GFLOP per specimen | / bound | CPU s per specimen | / bound |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for model, square, templates, what, flops, seconds, flops_ratio, seconds_ratio in rows:
        numbers = (f"{flops:.1f}", flops_ratio, f"{seconds:.2f}", seconds_ratio)
        cells = [
            value if isinstance(value, str) else "" if np.isnan(value) else f"{value:.2f}"
            for value in numbers
        ]
        lines.append(f"| {model} | {square} | {templates} | {what} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
