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
its seconds are divided by them. `as many pixels on the specimen` is a window of 512 pixels cut round a
specimen that fills half of the side of the photograph, which the peer sees whole; finding it is not in it.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from segmentation import NAMES, draw

from sam2pal.config.model import ModelOptions
from sam2pal.dataset.dataset import AnnotatedSpecimen
from sam2pal.dataset.files import categories, write_json
from sam2pal.dataset.manifest import Specimen, write_list
from sam2pal.dataset.rle import encode_mask
from sam2pal.model.build import build_model

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
MODEL = "sam2.1_hiera_tiny"
PEER_MODEL = "configs/sam2.1/sam2.1_hiera_t.yaml"
OURS = {
    "default": {},
    "upright": {"turns": [0]},
    "as many pixels on the specimen": {"image_size": 512, "window": "photograph"},
}
THEIRS = {"default": [], "any orientation": ["--orientation_search", "rot4"]}


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
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": category,
                    "iscrowd": 0,
                    "area": int(mask.sum()),
                    "bbox": [0, 0, template.width, template.height],
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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--peer", type=Path, required=True, help="a Python that has descriptron-vision")
    add("--specimens", nargs=2, type=int, default=[1, 3], help="of the shorter and longer call")
    add("--templates", nargs="+", type=int, default=[1, 5])
    add("--only", nargs="+", default=["segment", "train"], choices=["segment", "train"])
    add("--ways", nargs="+", help="of those printed, only some")
    add("--threads", type=int, default=2)
    add("--output", type=Path, required=True, help="folder of the tables and logs")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    folder = arguments.output.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "random.pt"
    torch.manual_seed(0)
    model = build_model(ModelOptions(MODEL), random_weights=True)
    torch.save({"model": model.state_dict()}, checkpoint)
    ours = Ours(folder, checkpoint)
    theirs = Theirs(folder, checkpoint, arguments.peer)
    numbers = arguments.specimens
    rows = []

    def add_row(program: str, what: str, templates: int, each: float, start: float, memory: float):
        rows.append(
            {
                "program": program,
                "what": what,
                "templates": templates,
                "CPU_s_each": round(each, 2),
                "CPU_s_to_start": round(start, 1),
                "GB_peak": round(memory, 2),
            }
        )
        print(json.dumps(rows[-1]), flush=True)
        (folder / "peers.json").write_text(json.dumps(rows, indent=1) + "\n")

    def add_calls(program: str, what: str, templates: int, few: Cost, many: Cost) -> None:
        each = (many.seconds - few.seconds) / (numbers[1] - numbers[0])
        start = few.seconds - each * numbers[0]
        add_row(program, what, templates, each, start, many.memory)

    def add_training(program: str, found: Cost, structures: int) -> None:
        first, second = found.steps[:2]
        start = first - (second - first)
        each = (second - first) / structures
        add_row(program, "training step, a structure", 1, each, start, found.memory)

    def wanted(way: str) -> bool:
        return not arguments.ways or way in arguments.ways

    for count in arguments.templates:
        templates, specimens = draw(folder / "drawn", count, max(*numbers, 2))
        ours.prepare(templates)
        if "segment" in arguments.only:
            for way, options in OURS.items():
                if wanted(way):
                    costs = [ours.segment(specimens[:n], options) for n in numbers]
                    add_calls("ours", way, count, *costs)
            for way, flags in THEIRS.items():
                if wanted(way) and count == 1:  # it takes one template
                    costs = [theirs.segment(templates[0], specimens[:n], flags) for n in numbers]
                    add_calls("v21", way, count, *costs)
        if "train" in arguments.only and count == 1:
            add_training("ours", ours.train(specimens[:2]), len(NAMES))
            add_training("v21", theirs.train(templates[0], specimens), 1)
    lines = [f"| {' | '.join(rows[0])} |", "| --- " * len(rows[0]) + "|"]
    lines += [f"| {' | '.join(map(str, row.values()))} |" for row in rows]
    (folder / "peers.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
