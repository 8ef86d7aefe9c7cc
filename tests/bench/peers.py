"""The published SAM2-PAL (Descriptron's v21) and this one, side by side: what a specimen costs, and a step.

    make bench-peers                                # builds build/peers/venv and compares
    python tests/bench/peers.py --peer build/peers/venv/bin/python --specimens 1 3

Both get the same photographs, the same outlined template, the same checkpoint (`sam2.1_hiera_tiny` with
random weights: cost does not depend on them) and as many threads, each as a program of its own, as a user
starts it. CPU seconds are those of the process; what a further specimen costs is the difference between two
calls with more and fewer of them, so that what is left is the start. Of a training, the start is what the
first of two optimiser steps ends later than the second one lasts. The peer is called so that it sees the
specimen at all (`--interleave_template`), without its extraction of the foreground, which fetches a model
of its own. It takes one template and trains one structure per step; ours does all structures in a step, and
its seconds are divided by them. All specimens fill their photographs: of random weights it would mean nothing
where they find others. `as many pixels on the specimen` is a window of 512 pixels cut round a specimen that
fills half of the side of the photograph, which the peer sees whole; finding it is not in it, and takes about
as long again.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from segmentation import NAMES, draw

from sam2pal.config.model import ModelOptions
from sam2pal.dataset.dataset import AnnotatedSpecimen, read_templates
from sam2pal.dataset.files import categories, write_json
from sam2pal.dataset.manifest import Specimen, build_manifest, write_list
from sam2pal.dataset.rle import encode_mask
from sam2pal.images.window import Window
from sam2pal.model.build import build_model

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
MODEL = "sam2.1_hiera_tiny"
PEER_MODEL = "configs/sam2.1/sam2.1_hiera_t.yaml"
OURS = {
    "default": {},
    "float32": {"half": False},
    "upright": {"turns": [0]},
    "as many pixels on the specimen": {"image_size": 512, "window": "photograph"},
}
THEIRS = {
    "default": [],
    "any orientation": ["--orientation_search", "rot4"],
}
Row = dict[str, Any]

TIMED = [str(Path(__file__).with_name("first_step.py"))]
STEPS = 2


@dataclass
class Cost:
    """Of a program: seconds of CPU, the most memory (GB), and when the steps of a training ended."""

    seconds: float
    memory: float
    steps: tuple[float, ...] = ()


def cost(command: list[str], log: Path) -> Cost:
    """Run a program to its end.

    Raises:
        SystemExit: it fails; its log says why.
    """
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command[:2])} failed, see {log}")
    steps = re.findall(r"^optimiser step after (\S+) CPU s$", log.read_text(), re.MULTILINE)
    seconds = usage.ru_utime + usage.ru_stime
    return Cost(seconds, usage.ru_maxrss / 2**20, tuple(map(float, steps)))


def write_coco(path: Path, templates: list[AnnotatedSpecimen]) -> None:
    """Templates as both programs read them."""
    images, annotations = [], []
    for number, template in enumerate(templates, 1):
        name = Path(template.path).name
        size = {"width": template.width, "height": template.height}
        images.append({"id": number, "file_name": name} | size)
        for category, structure in enumerate(NAMES, 1):
            mask = template.masks[structure]
            top, left, high, wide = Window.holding(mask)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": category,
                    "iscrowd": 0,
                    "area": int(mask.sum()),
                    "bbox": [left, top, wide, high],
                    "segmentation": encode_mask(mask),
                }
            )
    write_json(
        path, {"images": images, "categories": categories(NAMES), "annotations": annotations}
    )


class Ours:
    """The scripts of this repository."""

    def __init__(self, folder: Path, checkpoint: Path) -> None:
        self._folder, self._checkpoint = folder, checkpoint

    def _options(self, side: int | None = None, **more: object) -> Path:
        path = self._folder / "options.json"
        model = {"name": MODEL} | ({"image_size": side} if side else {})
        write_json(path, {"seed": 1, "model": model, "structures": dict.fromkeys(NAMES), **more})
        return path

    def _run(self, script: str, *arguments: object, timed: Sequence[str] = ()) -> Cost:
        command = [sys.executable, *timed, str(SCRIPTS / f"{script}.py"), *map(str, arguments)]
        return cost(command, self._folder / f"{script}.log")

    def prepare(self, templates: list[AnnotatedSpecimen]) -> None:
        write_coco(self._folder / "drawn.json", templates)
        path = self._folder / "convert.json"
        write_json(path, {"structures": dict.fromkeys(NAMES)})
        self._run(
            *("convert_templates", "--options", path, "--annotations", self._folder / "drawn.json"),
            *("--photographs", Path(templates[0].path).parent, "--genus", "Fictus"),
            *("--round", "first", "--output", self._folder / "templates.json"),
        )
        read = read_templates(self._folder / "templates.json")
        if any(set(one.masks) != set(NAMES) for one in read):
            raise SystemExit("a template lost a structure: see convert_templates.log")

    def segment(self, specimens: list[Specimen], options: dict) -> Cost:
        write_list(self._folder / "list.tsv", specimens)
        options = dict(options)
        path = self._options(options.pop("image_size", None), segmentation=options)
        return self._run(
            *("segment_shard", "--device", "cpu", "--options", path),
            *("--checkpoint", self._checkpoint, "--specimens", self._folder / "list.tsv"),
            *("--templates", self._folder / "templates.json"),
            *("--output", self._folder / "predictions.json"),
        )

    def train(self, specimens: list[Specimen]) -> Cost:
        """Of one pair a step, all structures at once."""
        write_list(self._folder / "pool.tsv", specimens)
        training = {"steps": STEPS, "pairs": 1, "views": 1, "validate_every": 1000, "controls": 0}
        with tempfile.TemporaryDirectory(dir=self._folder) as state:
            return self._run(
                *("train_palindrome", "--device", "cpu"),
                *("--options", self._options(training=training)),
                *("--checkpoint", self._checkpoint, "--pool", self._folder / "pool.tsv"),
                *("--templates", self._folder / "templates.json", "--state", state),
                *("--output", self._folder / "adapter"),
                timed=TIMED,
            )


class Theirs:
    """`sam2_pal_batch_v21.py` of descriptron-vision."""

    def __init__(self, folder: Path, checkpoint: Path, python: Path) -> None:
        self._folder, self._checkpoint, self._python = folder, checkpoint, python
        code = "import descriptron_vision.tools as t; print(t.__path__[0])"
        found = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
        self._program = Path(found.stdout.strip()) / "sam2_pal_batch_v21.py"

    def _run(
        self,
        template: AnnotatedSpecimen,
        specimens: list[Specimen],
        *more: str,
        timed: Sequence[str] = (),
    ) -> Cost:
        with tempfile.TemporaryDirectory(dir=self._folder) as place:
            photographs = Path(place, "photographs")
            photographs.mkdir()
            for specimen in specimens:
                (photographs / Path(specimen.path).name).symlink_to(specimen.path)
            command = [str(self._python), *timed, str(self._program), "--device", "cpu"]
            command += ["--template_json", str(self._folder / "drawn.json")]
            command += ["--template_image", template.path, "--image_dir", str(photographs)]
            command += ["--output_dir", f"{place}/found", "--sam2_config", PEER_MODEL]
            command += ["--sam2_checkpoint", str(self._checkpoint), "--fg_mask", "none"]
            command += ["--multi_mask", "--interleave_template", *more]
            return cost(command, self._folder / "peer.log")

    def segment(
        self, template: AnnotatedSpecimen, specimens: list[Specimen], more: list[str]
    ) -> Cost:
        return self._run(template, specimens, *more)

    def train(self, template: AnnotatedSpecimen, specimens: list[Specimen]) -> Cost:
        """A structure per step, and then the segmentation of one specimen, which the program always does."""
        more = ["--pal_finetuning", "--use_lora", "--num_epochs", str(STEPS)]
        more += ["--max_images_per_epoch", "1"]
        return self._run(template, specimens[:1], *more, timed=TIMED)


class Calls:
    """What calls cost, kept in a file: what was measured before is not measured again."""

    def __init__(self, path: Path, repeats: int) -> None:
        self._path, self._repeats = path, repeats
        self._known = json.loads(path.read_text()) if path.is_file() else {}

    def least(self, name: str, call: Callable[[], Cost]) -> Cost:
        """The shortest of some calls, with the most memory that any took."""
        known = self._known.setdefault(name, [])
        while len(known) < self._repeats:
            known.append(asdict(call()))
            print(f"{name}: {known[-1]['seconds']:.1f} s, {known[-1]['memory']:.2f} GB", flush=True)
            self._path.write_text(json.dumps(self._known, indent=1) + "\n")
        best = min(known, key=lambda one: one["seconds"])
        memory = max(one["memory"] for one in known)
        return Cost(best["seconds"], memory, tuple(best["steps"]))


@dataclass
class Bench:
    """Both programs on drawn photographs."""

    folder: Path
    numbers: tuple[int, int]
    repeats: int
    peer: Path

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        checkpoint = self.folder / "random.pt"
        if not checkpoint.is_file():
            torch.manual_seed(0)
            model = build_model(ModelOptions(MODEL), random_weights=True)
            torch.save({"model": model.state_dict()}, checkpoint)
        self.ours = Ours(self.folder, checkpoint)
        self.theirs = Theirs(self.folder, checkpoint, self.peer)
        self._calls = Calls(self.folder / "calls.json", self.repeats)

    def further(self, program: str, way: str, count: int) -> Row:
        """What a further specimen costs, and the start."""
        templates, specimens = draw(self.folder / "drawn", count, max(*self.numbers, 2))
        specimens = same(self.folder / f"specimens{count}", specimens)
        self.ours.prepare(templates)  # both read what it writes

        def call(number: int) -> Cost:
            if program == "ours":
                return self.ours.segment(specimens[:number], OURS[way])
            return self.theirs.segment(templates[0], specimens[:number], THEIRS[way])

        few, many = (
            self._calls.least(f"{program}, {way}, {count}, {n}", partial(call, n))
            for n in self.numbers
        )
        each = (many.seconds - few.seconds) / (self.numbers[1] - self.numbers[0])
        start = few.seconds - each * self.numbers[0]
        return _row(program, way, count, each, start, max(few.memory, many.memory))

    def training(self, program: str) -> Row:
        """What a structure costs in a step, and what comes before the first step."""
        templates, specimens = draw(self.folder / "drawn", 1, max(*self.numbers, 2))
        self.ours.prepare(templates)

        def call() -> Cost:
            if program == "ours":
                return self.ours.train(specimens[:2])
            return self.theirs.train(templates[0], specimens)

        found = self._calls.least(f"{program}, training", call)
        first, second = found.steps[:2]
        each = (second - first) / (len(NAMES) if program == "ours" else 1)
        start = first - (second - first)
        return _row(program, "training step, a structure", 1, each, start, found.memory)


def _row(program: str, what: str, templates: int, each: float, start: float, memory: float) -> Row:
    return {
        "program": program,
        "what": what,
        "templates": templates,
        "CPU_s_each": round(each, 2),
        "CPU_s_to_start": round(start, 1),
        "GB_peak": round(memory, 2),
    }


def same(folder: Path, specimens: Sequence[Specimen]) -> list[Specimen]:
    """The first specimen as many times: it fills its photograph, so that random weights find it."""
    folder.mkdir(parents=True, exist_ok=True)
    for one in specimens:
        shutil.copy(specimens[0].path, folder / Path(one.path).name)
    return build_manifest(folder, None, 1000).specimens


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--peer", type=Path, required=True, help="a Python that has descriptron-vision")
    add("--specimens", nargs=2, type=int, default=[1, 3], help="of the shorter and longer call")
    add("--repeats", type=int, default=2, help="the shortest counts")
    add("--templates", nargs="+", type=int, default=[1, 5])
    add("--only", nargs="+", default=["segment", "train"], choices=["segment", "train"])
    add("--ways", nargs="+", help="of those printed, only some")
    add("--threads", type=int, default=2)
    add(
        "--output", type=Path, required=True, help="folder of tables and logs; goes on where it was"
    )
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    folder = arguments.output.resolve()
    numbers = tuple(arguments.specimens)
    bench = Bench(folder, numbers, arguments.repeats, arguments.peer)
    todo: list[Callable[[], Row]] = []
    for count in arguments.templates if "segment" in arguments.only else ():
        # the peer takes one template
        ways = {"ours": OURS, "v21": THEIRS if count == 1 else {}}
        todo += [
            partial(bench.further, program, way, count)
            for program, those in ways.items()
            for way in those
            if not arguments.ways or way in arguments.ways
        ]
    if "train" in arguments.only:
        todo += [partial(bench.training, program) for program in ("ours", "v21")]
    rows = []
    for one in todo:
        rows.append(one())
        print(json.dumps(rows[-1]), flush=True)
    lines = [f"| {' | '.join(rows[0])} |", "| --- " * len(rows[0]) + "|"]
    lines += [f"| {' | '.join(map(str, row.values()))} |" for row in rows]
    (folder / "peers.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
