"""What the workflow does on a GPU: one part a call, a line of JSON a result as soon as it is there.

    bash tests/bench/gpu.sh OUT                      # all parts, each within its time
    python tests/bench/gpu.py train --output OUT     # one part, or several
    python tests/bench/gpu.py all --dry-run --device cpu --output OUT

Weights are random: cost depends on neither weights nor pictures. `--dry-run` runs the same calls with the
bundled model on small squares, to see that they run.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from remembering import remembered
from segmentation import NAMES, STRUCTURES, draw, memories_of

from sam2pal.config.model import ModelOptions
from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.config.training import AdapterOptions, TrainingOptions
from sam2pal.dataset.manifest import build_manifest
from sam2pal.images.reading import read_photograph
from sam2pal.model import adapters
from sam2pal.model.build import build_model
from sam2pal.model.device import autocast
from sam2pal.model.loading import square_image
from sam2pal.model.tracker import Tracker
from sam2pal.segmentation.shard import segment
from sam2pal.training.data import Data
from sam2pal.training.palindrome import AnnotatedViews
from sam2pal.training.step_loss import StepLoss
from sam2pal.training.step_memory import fit_to_memory, palindrome_bytes

Row = dict[str, Any]
MEGAPIXELS = (2, 24)
WINDOW = (
    "photograph"  # a model with random weights finds no specimen, and searches for it at length
)
PARTS: dict[str, Callable[["Bench"], Iterator[Row]]] = {}


def part(function: Callable[["Bench"], Iterator[Row]]) -> Callable[["Bench"], Iterator[Row]]:
    """Make a generator of results a part that can be called by its name."""
    PARTS[function.__name__] = function
    return function


class Bench:
    """The device, and sizes that fit it."""

    def __init__(self, device: str, dry: bool, seconds: float) -> None:
        self.device, self.dry = torch.device(device), dry
        self.seconds = 0.5 if dry else seconds
        self.models = ("bundled",) if dry else ("sam2.1_hiera_tiny", "sam2.1_hiera_large")
        self.side = 64 if dry else 1024

    def tracker(self, name: str, gated: bool = True, adapted: bool = False) -> Tracker:
        """A model with random weights, with adapters if it is to be trained."""
        torch.manual_seed(0)
        options = ModelOptions(name, image_size=self.side)
        model = build_model(options, device=self.device, random_weights=True)
        if adapted:
            adapters.inject(model, AdapterOptions())
        return Tracker(model.to(self.device), gated=gated)

    def wait(self) -> None:
        """Until the device has done what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def time(self, call: Callable[[], object], warm: int = 2) -> float:
        """Seconds of a call: the mean of as many as fit the time, after warming up."""
        for _ in range(1 if self.dry else warm):
            call()
        self.wait()
        began, count = time.perf_counter(), 0
        while not count or time.perf_counter() - began < self.seconds:
            call()
            self.wait()
            count += 1
        return (time.perf_counter() - began) / count

    def peak(self, call: Callable[[], object]) -> float:
        """GB that a call takes at the most, weights included; 0 without CUDA."""
        if self.device.type != "cuda":
            call()
            return 0.0
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        call()
        return torch.cuda.max_memory_allocated() / 2**30


@part
def machine(bench: Bench) -> Iterator[Row]:
    """What it runs on."""
    row = {"python": platform.python_version(), "torch": torch.__version__}
    if bench.device.type == "cuda":
        found = torch.cuda.get_device_properties(0)
        row |= {"gpu": found.name, "GB": round(found.total_memory / 2**30, 1)}
        row |= {"cuda": torch.version.cuda, "bf16": torch.cuda.is_bf16_supported(False)}
    yield row


# ------------------------------------------------------------------ training


def training_data(tracker: Tracker, pairs: int, structures: int) -> Data:
    """Noise, encoded as a training has it."""
    side, device = tracker.image_size, tracker.device
    masks = (torch.rand(pairs, structures, side, side, device=device) > 0.5).half()
    known = torch.ones(pairs, structures, dtype=torch.bool, device=device)
    with torch.no_grad(), autocast(device):
        views = [tracker.encode(torch.randn(pairs, 3, side, side, device=device)) for _ in range(4)]
    drawn, back, unseen = (AnnotatedViews(view, masks, known) for view in views[:3])
    return Data(drawn, back, unseen, views[3])


@part
def fits(bench: Bench) -> Iterator[Row]:
    """What a structure's palindrome takes, counted and measured, and what is made of it."""
    for name in bench.models:
        for again in (False, True):
            tracker = bench.tracker(name, gated=False, adapted=True)
            tracker.checkpoint_attention = again
            data = training_data(tracker, 1, 1)

            def call(tracker: Tracker = tracker, data: Data = data) -> int:
                with autocast(bench.device):
                    return palindrome_bytes(tracker, data.drawn, data.pool, data.drawn)

            counted = call() / 2**30
            before = torch.cuda.memory_allocated() / 2**30 if bench.device.type == "cuda" else 0
            measured = bench.peak(call) - before
            options = TrainingOptions(views=1, turns=(0,), checkpoint_attention=again)
            memory = fit_to_memory(tracker, training_data(tracker, 1, 5), options)
            yield {
                "model": name,
                "attention_again": again,
                "GB_counted": round(counted, 3),
                "GB_measured": round(measured, 3),
                "of_5_structures": str(memory),
            }


@part
def train(bench: Bench) -> Iterator[Row]:
    """Steps a second and peak memory, with the default options."""
    for name in bench.models:
        for structures in (1, 5):
            tracker = bench.tracker(name, gated=False, adapted=True)
            options = TrainingOptions(views=1, turns=(0,))
            data = training_data(tracker, options.pairs, structures)
            began = time.perf_counter()
            memory = fit_to_memory(tracker, data, options)
            bench.wait()
            probed = time.perf_counter() - began
            parameters = [p for p in tracker.model.parameters() if p.requires_grad]
            optimizer = torch.optim.AdamW(parameters, lr=1e-5)
            weights = torch.ones(structures, device=bench.device)
            loss = StepLoss(tracker, data, options)
            tracker.checkpoint_attention = memory.checkpointed

            def step(loss=loss, optimizer=optimizer, memory=memory, weights=weights) -> None:
                optimizer.zero_grad(set_to_none=True)
                parts = loss.parts(np.random.default_rng(0), weights, memory.at_once)
                while True:
                    with autocast(bench.device):
                        found = next(parts, None)
                    if found is None:
                        break
                    found.loss.backward()
                optimizer.step()

            seconds = bench.time(step)
            yield {
                "model": name,
                "structures": structures,
                "pairs": options.pairs,
                "steps_per_s": round(1 / seconds, 3),
                "GB_peak": round(bench.peak(step), 2),
                "s_to_probe": round(probed, 2),
                "held": str(memory),
            }


# ------------------------------------------------------------------ segmentation


@part
def segmentation(bench: Bench) -> Iterator[Row]:
    """Specimens a second beside the bound: encode + K x track alone."""
    count = 4 if bench.dry else 32
    with tempfile.TemporaryDirectory() as folder:
        all_drawn, specimens = draw(Path(folder), 5, count)
        for name in bench.models:
            tracker = bench.tracker(name)
            for templates in (1, 5):
                drawn = all_drawn[:templates]
                options = SegmentationOptions(batch_size=min(8, count), window=WINDOW)
                first = bound(bench, tracker, drawn, specimens[: options.batch_size])
                with torch.no_grad():
                    start = bench.time(lambda: remembered(tracker, drawn, NAMES, options), warm=1)  # noqa: B023
                for label, more in (("default", {}), ("upright", {"turns": (0,)})):
                    chosen = SegmentationOptions(**{**vars(options), **more})
                    began = time.perf_counter()
                    with torch.inference_mode():
                        given = tracker, specimens, drawn, STRUCTURES, chosen
                        segment(*given, bundled=name == "bundled")
                    bench.wait()
                    each = max(1e-9, time.perf_counter() - began - start) / count
                    yield {
                        "model": name,
                        "templates": templates,
                        "how": label,
                        "specimens_per_s": round(1 / each, 2),
                        "over_bound": round(each / first, 2),
                        "ms_bound": round(1e3 * first, 2),
                    }


@torch.no_grad()
def bound(bench: Bench, tracker: Tracker, drawn: list, specimens: list) -> float:
    """Seconds a specimen of one encoding and one tracking of all structures from one template."""
    upright = SegmentationOptions(turns=(0,), window=WINDOW)
    bank = remembered(tracker, drawn, NAMES, upright)
    side = tracker.image_size
    images = torch.stack([square_image(read_photograph(s.path), side) for s in specimens])
    images = images.to(bench.device)
    memories = [
        memory[[*range(len(memory))] * len(images)] for memory in memories_of(bank, side)[:1]
    ]

    def call() -> None:
        with autocast(bench.device):
            tracker.track(tracker.encode(images), memories)

    return bench.time(call) / len(images)


@part
def compiled(bench: Bench) -> Iterator[Row]:
    """torch.compile of the encoder and of the memory attention, without and with CUDA graphs."""
    batch = 2 if bench.dry else 8
    modes = ("eager",) if bench.dry else ("default", "reduce-overhead")
    with tempfile.TemporaryDirectory() as folder:
        drawn, _ = draw(Path(folder), 1, 1)
        for name in bench.models:
            tracker = bench.tracker(name)
            model, side = tracker.model, tracker.image_size
            images = torch.randn(batch, 3, side, side, device=bench.device)
            with torch.no_grad(), autocast(bench.device):
                features = tracker.encode(images)
                bank = remembered(
                    tracker, drawn, NAMES, SegmentationOptions(turns=(0,), window=WINDOW)
                )
                memories = [
                    memory[[*range(len(memory))] * batch] for memory in memories_of(bank, side)
                ]
            calls = {  # the one that takes longer first
                "memory_attention": lambda: tracker.track(features, memories),  # noqa: B023
                "image_encoder": lambda: tracker.encode(images),  # noqa: B023
            }
            for module, call in calls.items():
                plain = getattr(model, module)

                def quiet(call: Callable = call) -> None:
                    with torch.no_grad(), autocast(bench.device):
                        call()

                before = bench.time(quiet)
                for mode in modes:
                    compile_it = {"backend": "eager"} if bench.dry else {"mode": mode}
                    setattr(model, module, torch.compile(plain, **compile_it))
                    began = time.perf_counter()
                    try:
                        quiet()
                        bench.wait()
                        warm = time.perf_counter() - began
                        after = bench.time(quiet)
                    except Exception as error:  # what cannot be compiled is a result too
                        yield {
                            "model": name,
                            "of": module,
                            "mode": mode,
                            "failed": str(error)[:200],
                        }
                        continue
                    finally:
                        setattr(model, module, plain)
                    yield {
                        "model": name,
                        "of": module,
                        "mode": mode,
                        "ms": round(1e3 * before, 2),
                        "ms_compiled": round(1e3 * after, 2),
                        "gain": round(before / after, 2),
                        "s_to_compile": round(warm, 1),
                    }


@part
def copies(bench: Bench) -> Iterator[Row]:
    """A batch to the device: as it is, from pinned memory, and while the one before is encoded."""
    tracker = bench.tracker(bench.models[0])
    images = torch.randn(8, 3, bench.side, bench.side)
    there = images.to(bench.device)

    @torch.no_grad()
    def encode() -> None:
        with autocast(bench.device):
            tracker.encode(there)

    def milliseconds(call: Callable[[], object]) -> float:
        return round(1e3 * bench.time(call), 2)

    def in_turn() -> None:
        images.to(bench.device)
        encode()

    row = {
        "MB": round(images.nbytes / 2**20, 1),
        "ms_plain": milliseconds(lambda: there.copy_(images)),
    }
    row |= {"ms_encode": milliseconds(encode), "ms_in_turn": milliseconds(in_turn)}
    if bench.device.type == "cuda":
        pinned, ahead = images.pin_memory(), torch.cuda.Stream()

        def together() -> None:
            with torch.cuda.stream(ahead):
                pinned.to(bench.device, non_blocking=True)
            encode()

        row["ms_pinned"] = milliseconds(lambda: there.copy_(pinned, non_blocking=True))
        row["ms_to_pin"] = milliseconds(images.pin_memory)
        row["ms_overlapped"] = milliseconds(together)
    yield row


@part
def busy(bench: Bench) -> Iterator[Row]:
    """Share of the time in which the GPU computes, with photographs of 2 and 24 megapixels."""
    count, name = (2 if bench.dry else 24), bench.models[0]
    tracker = bench.tracker(name)
    cuda = bench.device.type == "cuda"
    activity = torch.profiler.ProfilerActivity
    activities = [activity.CUDA] if cuda else [activity.CPU]
    with tempfile.TemporaryDirectory() as folder:
        drawn, specimens = draw(Path(folder), 1, 1)
        picture = Image.open(specimens[0].path).convert("RGB")
        for megapixels in (0.1,) if bench.dry else MEGAPIXELS:
            place = Path(folder, f"{megapixels}")
            place.mkdir()
            factor = (megapixels * 1e6 / (picture.width * picture.height)) ** 0.5
            size = tuple(int(factor * length) for length in picture.size)
            picture.resize(size, Image.Resampling.BILINEAR).save(place / "0.jpg", quality=92)
            for number in range(1, count):
                os.link(place / "0.jpg", place / f"{number}.jpg")
            found = build_manifest(place, None, 1000).specimens
            listed = [replace(one, status="ok") for one in found]  # copies
            for threads in (2, 8):
                options = SegmentationOptions(batch_size=8, decode_threads=threads, window=WINDOW)

                def call(options=options, listed=listed) -> None:
                    with torch.inference_mode():
                        given = tracker, listed, drawn, STRUCTURES, options
                        segment(*given, bundled=name == "bundled")
                    bench.wait()

                if not bench.dry:
                    call()  # kernels are chosen, files are in the cache of the system
                began = time.perf_counter()
                with torch.profiler.profile(activities=activities) as profile:
                    call()
                seconds = time.perf_counter() - began
                row = {
                    "model": name,
                    "megapixels": megapixels,
                    "threads": threads,
                    "specimens_per_s": round(count / seconds, 2),
                }
                if cuda:
                    on = sum(event.self_device_time_total for event in profile.key_averages())
                    row["busy"] = round(on / 1e6 / seconds, 3)
                yield row


# ------------------------------------------------------------------ teaching the bundled model


@part
def pretrain(bench: Bench) -> Iterator[Row]:
    """A step of the pretraining of the bundled model in bfloat16, with its pictures at hand."""
    from sam2pal.research.pretraining.batches import make_batch
    from sam2pal.research.pretraining.optimizer import trainable
    from sam2pal.research.pretraining.options import PretrainingOptions
    from sam2pal.research.pretraining.step import step_loss

    options = PretrainingOptions(half=True, image_size=64 if bench.dry else 256, trunk_frozen=0)
    began = time.perf_counter()
    batch = make_batch(np.random.default_rng(0), options)
    drawn = time.perf_counter() - began
    torch.manual_seed(0)
    model = build_model(
        ModelOptions(image_size=options.image_size), device=bench.device, random_weights=True
    ).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(trainable(model, options), lr=1e-5)
    tracker, batch = Tracker(model, gated=False), batch.to(bench.device)

    def step() -> None:
        loss, _ = step_loss(tracker, batch, np.random.default_rng(0), options)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    seconds = bench.time(step)
    yield {
        "side": options.image_size,
        "images": len(batch.images),
        "steps_per_s": round(1 / seconds, 2),
        "s_to_draw_a_batch": round(drawn, 2),
        "GB_peak": round(bench.peak(step), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="+", choices=[*PARTS, "all"])
    parser.add_argument("--output", type=Path, required=True, help="folder of the results")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dry-run", action="store_true", help="small squares, few calls")
    parser.add_argument("--seconds", type=float, default=2.0, help="that each timing may take")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    bench = Bench(arguments.device, arguments.dry_run, arguments.seconds)
    for name in PARTS if arguments.parts == ["all"] else arguments.parts:
        with (arguments.output / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            file.write(json.dumps({"title": PARTS[name].__doc__}) + "\n")
            for row in PARTS[name](bench):
                print(name, json.dumps(row), flush=True)
                file.write(json.dumps(row) + "\n")
                file.flush()


if __name__ == "__main__":
    main()
