"""What measuring costs: specimens a second and core, whole and in its parts; beside other sources if wanted.

    python tests/bench/measuring.py
    python tests/bench/measuring.py --annotations masks.json --photographs images
    python tests/bench/measuring.py --against ../before/scripts

Beetles are drawn, unless annotations are given, and made `--side` pixels long; their masks are called
predicted, so that everything is measured: five structures with all measures, intervals, colours and two
indices. Seconds are those of the processor in one thread, so waiting for a shared machine does not count; the
shortest of several counts. With other sources (the folder `scripts` of another checkout) both take turns.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from sam2pal.dataset.dataset import Dataset
from sam2pal.dataset.files import categories as coco_categories
from sam2pal.dataset.files import write as write_coco
from sam2pal.dataset.rle import encode_mask
from sam2pal.research.synthetic.photograph import sample_style
from sam2pal.research.synthetic.species import sample_species
from sam2pal.research.synthetic.specimen import draw_specimen

HERE = Path(__file__).resolve().parents[2] / "scripts"
NAMES = ["head", "pronotum", "elytra", "legs", "antennae"]
WHOLE = "measuring: from a shard and photographs to rows"
WRITTEN = "the same with both tables written, as CSV and as Parquet"
PARTS = {
    "outlines": "outlines",
    "moments and medial axes": "measure_together",
    "photographs decoded": "read_part",
    "colours of masks": "colour",
}
"""Functions that `sam2pal.morphometrics.measures.specimen` calls."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--specimens", type=int, default=40, help="drawn ones")
    parser.add_argument("--annotations", nargs="+", type=Path, help="COCO files to take instead")
    parser.add_argument("--photographs", nargs="+", type=Path, help="a folder for each of them")
    parser.add_argument("--side", type=int, default=500, help="longer side in pixels")
    parser.add_argument("--repeats", type=int, default=3, help="the shortest time counts")
    parser.add_argument("--against", type=Path, help="folder `scripts` of other sources")
    parser.add_argument("--output", type=Path, help="also write the table here")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(json.dumps(work(arguments.worker)))
        return
    if len(arguments.annotations or ()) != len(arguments.photographs or ()):
        parser.error("--annotations and --photographs need as many values each")
    sources = {"these sources": HERE}
    if arguments.against:
        sources = {"other sources": arguments.against.resolve()} | sources
    with tempfile.TemporaryDirectory() as folder:
        if arguments.annotations:
            pairs = zip(arguments.annotations, arguments.photographs, strict=True)
            given = (one for pair in pairs for one in read(*pair))
        else:
            given = draw(arguments.specimens, arguments.side)
        shard = write(Path(folder), given, arguments.side)
        best: dict[str, dict[str, float]] = {}
        for number in range(arguments.repeats):
            for name, place in sources.items():
                found = run(place, shard)
                best[name] = {k: min(v, best.get(name, found).get(k, v)) for k, v in found.items()}
                print(
                    f"{number + 1}, {name}: {found['count'] / found[WHOLE]:.1f} a second",
                    flush=True,
                )
    text = table(best)
    print(f"\n{text}")
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(text + "\n", encoding="utf-8")


Specimen = tuple[Image.Image, dict[str, np.ndarray]]


def draw(count: int, side: int) -> Iterator[Specimen]:
    """Photographs and masks of drawn beetles."""
    rng = np.random.default_rng(1)
    for _ in range(count):
        species, style = sample_species(rng, "beetle"), sample_style(rng)
        drawing = draw_specimen(species, rng, side, style=style, frame="fit", missing=())
        yield Image.fromarray(drawing.pixels), {name: drawing.masks[name] for name in NAMES}


def read(annotations: Path, photographs: Path) -> Iterator[Specimen]:
    for entry in Dataset(annotations).specimens:
        masks = entry.masks
        found = {name: masks.get(name) for name in NAMES}
        with Image.open(photographs / entry.file_name) as image:
            yield (
                image.convert("RGB"),
                {name: mask for name, mask in found.items() if mask is not None},
            )


def write(folder: Path, specimens: Iterator[Specimen], side: int) -> Path:
    """A shard of predictions, and photographs beside it."""
    images, annotations = [], []
    for number, (photograph, masks) in enumerate(specimens, 1):
        factor = side / max(photograph.size)
        size = tuple(max(round(length * factor), 1) for length in photograph.size)
        path = folder / f"{number:04d}.png"
        photograph.resize(size, Image.Resampling.BICUBIC).save(path)
        images.append({"id": number, "file_name": path.name, "path": str(path)})
        images[-1] |= {"width": size[0], "height": size[1], "specimen": path.stem, "status": "ok"}
        for category, name in enumerate(NAMES, 1):
            if name not in masks:
                continue
            drawn = Image.fromarray(masks[name].astype(np.uint8) * 255)
            soft = np.asarray(drawn.resize(size, Image.Resampling.BILINEAR)) / 255
            rle = encode_mask(soft > 0.5)
            annotation = {"id": len(annotations) + 1, "image_id": number, "category_id": category}
            annotation |= {"segmentation": rle, "area": int((soft > 0.5).sum()), "iscrowd": 0}
            annotation |= {"bbox": [0, 0, *size], "score": 0.9, "source": "predicted", "flags": []}
            annotation["areas"] = {f"{at}": int((soft > at).sum()) for at in (0.25, 0.5, 0.75)}
            annotations.append(annotation)
    path = folder / "shard.json"
    data = {"info": {"genus": "Bench", "round": "bench"}, "images": images}
    write_coco(path, data | {"annotations": annotations, "categories": coco_categories(NAMES)})
    return path


def run(sources: Path, shard: Path) -> dict[str, float]:
    """Seconds of a process of its own that measures the shard with these sources."""
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(sources)}
    command = [sys.executable, __file__, "--worker", str(shard)]
    done = subprocess.run(
        command, env=os.environ | one, check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout)


def work(shard: Path) -> dict[str, float]:
    """Seconds of the processor for a shard, whole and by part, and how many specimens it has."""
    from sam2pal.config.measurement import MeasurementOptions
    from sam2pal.morphometrics.measures import specimen
    from sam2pal.morphometrics.tables.genus import GenusShards

    indices = {
        "body": "head.length + pronotum.length + elytra.length",
        "ratio": "pronotum.width / pronotum.length",
    }
    body = ["head", "pronotum", "elytra"]
    options = MeasurementOptions(body=body, curved=["legs", "antennae"], indices=indices)
    spent: Counter[str] = Counter()

    def watch(what: str, name: str) -> None:
        call = getattr(specimen, name, None)
        if call is None:  # other sources may not have it
            return

        def watched(*given: object, **more: object) -> object:
            began = time.process_time()
            try:
                return call(*given, **more)
            finally:
                spent[what] += time.process_time() - began

        setattr(specimen, name, watched)

    for what, name in PARTS.items():
        watch(what, name)

    def once() -> int:
        genus = GenusShards([shard], options, pixels_per_mm=20.0)
        return sum(
            bool(genus.layout.tidy("Bench", "bench", measured)) for measured in genus.measured()
        )

    def written() -> None:
        from measure import write

        with tempfile.TemporaryDirectory() as folder:
            tidy, wide = ([f"{folder}/{name}.{kind}" for kind in ("csv", "parquet")]
                          for name in ("tidy", "wide"))  # fmt: skip
            write(GenusShards([shard], options, pixels_per_mm=20.0), None, tidy, wide)

    once()  # imports, and what is kept
    spent.clear()
    began = time.process_time()
    count = once()
    found = {"count": count, WHOLE: time.process_time() - began, **spent}
    written()
    began = time.process_time()
    written()
    return found | {WRITTEN: time.process_time() - began}


def table(best: dict[str, dict[str, float]]) -> str:
    """As Markdown."""
    several = len(best) > 1
    lines = [
        "| what | sources | ms per specimen | specimens a second and core |",
        "| --- | --- | --- | --- |",
    ]
    for what in (WHOLE, WRITTEN, *PARTS):
        for name, found in best.items():
            if what in found:
                each = found[what] / found["count"]
                lines.append(f"| {what} | {name} | {1000 * each:.1f} | {1 / each:.1f} |")
    if several:
        before, after = (found[WHOLE] for found in best.values())
        lines.append(f"\nThese sources are {before / after:.2f} times as fast as the other ones.")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
