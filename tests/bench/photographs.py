"""What large photographs cost: CPU seconds per specimen by stage, and peak memory, by size and format.

    PYTHONPATH=scripts python tests/bench/photographs.py
    PYTHONPATH=scripts python tests/bench/photographs.py --megapixels 24 --formats jpg tif --specimens 2
    PYTHONPATH=scripts python tests/bench/photographs.py --megapixels 24 --formats jpg --specimens 8 --instant

From the repository's root; without PYTHONPATH it may find no library, or that of another folder.

A drawn beetle is enlarged to each size, with grain, and written once a format; the specimens of a shard are
that file under several names, and so is the one template. The shard is segmented with the bundled model (a
batch of four, two threads that decode), measured, and shown on a page. Seconds are those of the processor, of
all threads, so waiting for a shared machine does not count; the jobs' start (imports, templates) is left out.
Each case is a process of its own, whose largest resident memory counts. `network` holds what the model is
asked to find the specimen, too.

With `--instant` the network answers at once, as on a very fast device: what it said of the first batch is
said of all others. `loop` are then the seconds of the one thread that calls it and makes the masks, while
others decode; two cores segment 1 / max(loop, all / 2) specimens a second; `all` are those of all threads.
"""

import argparse
import importlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any
from zipfile import ZipFile

import numpy as np
from PIL import Image

from sam2pal.dataset.files import categories
from sam2pal.dataset.files import write as write_coco
from sam2pal.dataset.rle import encode_mask
from sam2pal.research.synthetic.photograph import sample_style
from sam2pal.research.synthetic.species import sample_species
from sam2pal.research.synthetic.specimen import draw_specimen

NAMES = ["head", "pronotum", "elytra", "legs", "antennae"]
FORMATS = {"jpg": "JPEG", "png": "PNG", "tif": "TIFF, 16 bits"}
STAGES = ("decode", "find", "square", "network", "masks", "rest", "measure", "page")
DECODING = {"measure": "decode to measure", "page": "decode for page"}  # parts of these stages
COLUMNS = (*STAGES, *DECODING.values(), "loop", "all")
BAND = 256
# what the first specimen imports
IMPORTED = [
    "cv2",
    "imagecodecs",
    "scipy.cluster.vq",
    "scipy.ndimage",
    "scipy.sparse.csgraph",
    "scipy.spatial.distance",
    "simplejpeg",
]
IMPORTED += ["skimage.color.colorconv", "skimage.filters.thresholding", "tifffile"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megapixels", nargs="+", type=float, default=[0.05, 2, 24, 100])
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--specimens", type=int, default=4, help="in a shard")
    parser.add_argument("--output", type=Path, help="also write the table here")
    parser.add_argument("--instant", action="store_true", help="a network that answers at once")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(json.dumps(work(arguments.worker, arguments.instant)))
        return
    rows = []
    for megapixels in arguments.megapixels:
        for suffix in arguments.formats:
            with tempfile.TemporaryDirectory() as folder:
                write(Path(folder), megapixels, suffix, arguments.specimens)
                rows.append((megapixels, FORMATS[suffix], run(Path(folder), arguments.instant)))
            print(table(rows[-1:]).splitlines()[-1], flush=True)
    text = table(rows)
    print(f"\n{text}")
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(text + "\n", encoding="utf-8")


def write(folder: Path, megapixels: float, suffix: str, count: int) -> None:
    """Photographs of a shard, and its template: a file under several names, with its masks."""
    rng = np.random.default_rng(1)
    species, style = sample_species(rng, "beetle"), sample_style(rng)
    drawing = draw_specimen(species, rng, 700, style=style, frame="fit", missing=())
    height, width = drawing.pixels.shape[:2]
    factor = (megapixels * 1e6 / (height * width)) ** 0.5
    size = round(width * factor), round(height * factor)
    pixels = np.array(Image.fromarray(drawing.pixels).resize(size, Image.Resampling.BICUBIC))
    for top in range(0, size[1], BAND):
        band = pixels[top : top + BAND]
        grain = rng.integers(-4, 5, band.shape, np.int8)
        band[...] = np.clip(band.astype(np.int16) + grain, 0, 255)
    path = folder / f"template.{suffix}"
    if suffix == "tif":
        import tifffile

        tifffile.imwrite(path, pixels.astype(np.uint16) * 257, photometric="rgb", rowsperstrip=64)
    else:
        Image.fromarray(pixels).save(
            path, **({"quality": 92} if suffix == "jpg" else {"compress_level": 1})
        )
    annotations = []
    for category, name in enumerate(NAMES, 1):
        mask = Image.fromarray(drawing.masks[name]).resize(size, Image.Resampling.NEAREST)
        segmentation = encode_mask(np.asarray(mask))
        annotation = {"id": category, "image_id": 1, "category_id": category, "iscrowd": 0}
        annotations.append(annotation | {"segmentation": segmentation})
    image = {"id": 1, "file_name": path.name, "path": str(path), "specimen": "template"}
    image |= {"width": size[0], "height": size[1]}
    data = {
        "info": {},
        "images": [image],
        "annotations": annotations,
        "categories": categories(NAMES),
    }
    write_coco(folder / "templates.json", data)
    (folder / "specimens").mkdir()
    for number in range(count):
        place = folder / "specimens" / f"{number:04d}.{suffix}"
        if number == 0:
            shutil.copyfile(path, place)
        else:
            os.link(folder / "specimens" / f"0000.{suffix}", place)
    with path.open("ab") as file:
        file.write(
            b"\0"
        )  # harmless, but it is no copy of the specimens, which would need no segmenting


def run(folder: Path, instant: bool) -> dict[str, float]:
    """Seconds a specimen and peak memory of a process of its own."""
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--worker", str(folder)]
    command += ["--instant"] if instant else []
    done = subprocess.run(
        command, env=os.environ | one, check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def work(folder: Path, instant: bool) -> dict[str, float]:
    """Seconds of the processor a specimen by stage, and `segmenting` and `peak`: GB resident at most.

    Also `loop` and `all`, see above, without those of the network.
    """
    for name in IMPORTED:
        importlib.import_module(name)
    from sam2pal.config.measurement import MeasurementOptions
    from sam2pal.config.model import ModelOptions
    from sam2pal.config.segmentation import SegmentationOptions
    from sam2pal.config.structures import read_structures
    from sam2pal.dataset.dataset import read_templates
    from sam2pal.dataset.manifest import build_manifest
    from sam2pal.dataset.previews import keep
    from sam2pal.model.build import build_model
    from sam2pal.model.finding import Finder
    from sam2pal.model.tracker import Tracker
    from sam2pal.morphometrics.measures import specimen as measures
    from sam2pal.morphometrics.tables.genus import GenusShards
    from sam2pal.review import specimens as pictures
    from sam2pal.review.survey import Sources
    from sam2pal.review.writing import write_review
    from sam2pal.segmentation import shard, tracking
    from sam2pal.segmentation.annotations import Annotator
    from sam2pal.segmentation.batches import BatchSegmenter

    listed = build_manifest(folder / "specimens", None, 1000).specimens
    specimens = [replace(one, status="ok") for one in listed]  # copies
    spent: Counter[str] = Counter()
    watch(spent, "decode", shard, "read_photograph")
    watch(spent, "decode", shard, "look_closer")
    watch(spent, "find", Finder, "regions")
    watch(spent, "find", Finder, "find")
    watch(spent, "network", Finder, "_judge")
    watch(spent, "start", Finder.__dict__["_memory"], "func")
    watch(spent, "square", tracking, "square_image")
    if instant:
        answer_at_once(tracking)
    watch(spent, "network", tracking, "track_batch")
    watch(spent, "masks", Annotator, "annotate", list)
    watch(spent, "start", BatchSegmenter, "__init__")
    watch(spent, DECODING["measure"], measures, "read_part")
    watch(spent, DECODING["page"], pictures, "read_photograph")
    options = SegmentationOptions(batch_size=4, decode_threads=2)
    tracker = Tracker(build_model(ModelOptions("bundled")))
    templates = read_templates(folder / "templates.json")
    structures = read_structures(dict.fromkeys(NAMES))
    began, loop = time.process_time(), time.thread_time()
    with ZipFile(folder / "shard.zip", "w") as file:
        given = tracker, specimens, templates, structures, options
        found = shard.segment(*given, bundled=True, keep=partial(keep, file))
    loop = time.thread_time() - loop - spent["start"] - spent["network"]
    every = time.process_time() - began - spent["start"] - spent["network"]
    spent["rest"] = time.process_time() - began - sum(spent.values())
    segmenting = memory()
    found["info"] |= {"genus": "Bench", "round": "bench"}
    write_coco(folder / "shard.json", found)

    body = ["head", "pronotum", "elytra"]
    measuring = MeasurementOptions(body=body, curved=["legs", "antennae"])
    first = {
        key: [one for one in found[key] if one.get("image_id", one["id"]) == 1]
        for key in ("images", "annotations")
    }
    write_coco(folder / "first.json", found | first)
    for name in ("first", "shard"):  # what is imported at first use counts for the job's start
        for part in DECODING.values():
            spent[part] = 0.0
        began = time.process_time()
        genus = GenusShards([folder / f"{name}.json"], measuring, pixels_per_mm=20.0)
        for measured in genus.measured():
            genus.layout.tidy("Bench", "bench", measured)
        spent["measure"] = time.process_time() - began
        began = time.process_time()
        sources = Sources([folder / f"{name}.json"], pictures=[folder / "shard.zip"])
        write_review(folder / f"{name}.html", sources)
        spent["page"] = time.process_time() - began
    spent |= {"loop": loop, "all": every}
    each = {stage: spent[stage] / len(specimens) for stage in COLUMNS}
    return each | {"segmenting": segmenting, "peak": memory()}


def answer_at_once(module: ModuleType) -> None:
    """Let the network say of every batch what it said of the first one of that size."""
    call, said = module.track_batch, {}

    def at_once(tracker: Any, bank: Any, images: Any, *more: Any) -> Any:
        if len(images) not in said:
            said[len(images)] = call(tracker, bank, images, *more)
        return said[len(images)]

    module.track_batch = at_once


within = threading.local()  # seconds of watched functions in those that call them


def watch(
    spent: Counter, stage: str, of: Any, name: str, whole: Callable = lambda found: found
) -> None:
    """Add up the seconds of a function, in any thread, without those of others that are watched."""
    call = getattr(of, name)

    def watched(*given: Any, **more: Any) -> Any:
        outer, within.seconds = getattr(within, "seconds", 0.0), 0.0
        began = time.thread_time()
        try:
            return whole(call(*given, **more))
        finally:
            every = time.thread_time() - began
            spent[stage] += every - within.seconds
            within.seconds = outer + every

    setattr(of, name, watched)


def memory() -> float:
    """GB that the process had resident at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def table(rows: list[tuple[float, str, dict[str, float]]]) -> str:
    """As Markdown."""
    lines = [
        f"| megapixels | format | {' | '.join(COLUMNS)} | GB segmenting | GB at most |",
        "| --- " * (len(COLUMNS) + 4) + "|",
    ]
    for megapixels, kind, found in rows:
        seconds = " | ".join(f"{found[stage]:.2f}" for stage in COLUMNS)
        lines.append(
            f"| {megapixels:g} | {kind} | {seconds} | {found['segmenting']:.1f} | {found['peak']:.1f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
