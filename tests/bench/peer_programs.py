"""This workflow's scripts and the published program, called as users call them, and what a call costs."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sam2pal.dataset.dataset import AnnotatedSpecimen, read_templates
from sam2pal.dataset.files import categories, read_json, write_json
from sam2pal.dataset.manifest import Specimen, write_list
from sam2pal.dataset.rle import decode_mask, encode_mask
from sam2pal.images.window import Window

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
MODEL = "sam2.1_hiera_tiny"
STEPS = 1
TIMED = [str(Path(__file__).with_name("first_step.py")), str(STEPS)]
CONFIGURED = str(Path(__file__).with_name("peer_configured.py"))

Masks = dict[tuple[str, str], np.ndarray]  # by specimen and structure


@dataclass
class Cost:
    """Of a program: CPU seconds, the most memory (GB), and when the steps of a training began and ended."""

    seconds: float
    memory: float
    steps: tuple[float, ...] = ()


def cost(command: list[str], log: Path) -> Cost:
    """Run a program to its end; its log begins with the command.

    Raises:
        SystemExit: it fails; its log says why.
    """
    with log.open("w") as file:
        print(*command, file=file, flush=True)
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command[:2])} failed, see {log}")
    text = log.read_text()
    steps = re.findall(r"step (?:begins|ends) after (\S+) CPU s", text)
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20, tuple(map(float, steps)))


def write_coco(path: Path, templates: list[AnnotatedSpecimen], names: Sequence[str]) -> None:
    """Templates as both programs read them."""
    images, annotations = [], []
    for number, template in enumerate(templates, 1):
        name = Path(template.path).name
        size = {"width": template.width, "height": template.height}
        images.append({"id": number, "file_name": name} | size)
        for category, structure in enumerate(names, 1):
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
    found = {"images": images, "categories": categories(names), "annotations": annotations}
    write_json(path, found)


class Ours:
    """The scripts of this repository.

    Args:
        checkpoint: of the official model; None is the bundled one.
        side: of the model's square, instead of its own.
    """

    def __init__(self, folder: Path, checkpoint: Path | None, side: int | None = None) -> None:
        self._folder, self._checkpoint, self._side = folder, checkpoint, side
        self._names: Sequence[str] = ()

    def _options(self, side: int | None = None, **more: object) -> Path:
        path = self._folder / "options.json"
        model: dict[str, Any] = {"name": MODEL} if self._checkpoint else {}
        side = side or self._side
        model |= {"image_size": side} if side else {}
        structures = dict.fromkeys(self._names)
        write_json(path, {"seed": 1, "model": model, "structures": structures, **more})
        return path

    def _run(self, script: str, *arguments: object, timed: Sequence[str] = ()) -> Cost:
        command = [sys.executable, *timed, str(SCRIPTS / f"{script}.py"), *map(str, arguments)]
        return cost(command, self._folder / f"{script}.log")

    def _model(self) -> tuple[object, ...]:
        return ("--checkpoint", self._checkpoint) if self._checkpoint else ()

    def prepare(self, templates: list[AnnotatedSpecimen], names: Sequence[str]) -> None:
        """What both programs read: `drawn.json`, and of it `templates.json`."""
        self._names = names
        write_coco(self._folder / "drawn.json", templates, names)
        path = self._folder / "convert.json"
        write_json(path, {"structures": dict.fromkeys(names)})
        self._run(
            *("convert_templates", "--options", path, "--annotations", self._folder / "drawn.json"),
            *("--photographs", Path(templates[0].path).parent, "--genus", "Fictus"),
            *("--round", "first", "--output", self._folder / "templates.json"),
        )
        read = read_templates(self._folder / "templates.json")
        if any(set(one.masks) != set(names) for one in read):
            raise SystemExit("a template lost a structure: see convert_templates.log")

    def segment(self, specimens: list[Specimen], options: Mapping[str, Any]) -> Cost:
        write_list(self._folder / "list.tsv", specimens)
        options = dict(options)
        path = self._options(options.pop("image_size", None), segmentation=options)
        return self._run(
            *("segment_shard", "--device", "cpu", "--options", path, *self._model()),
            *("--specimens", self._folder / "list.tsv"),
            *("--templates", self._folder / "templates.json"),
            *("--output", self._folder / "predictions.json"),
        )

    def masks(self) -> Masks:
        """Of the last segmentation."""
        found = read_json(self._folder / "predictions.json")
        names = {one["id"]: one["name"] for one in found["categories"]}
        images = {one["id"]: one["specimen"] for one in found["images"]}
        return {
            (images[one["image_id"]], names[one["category_id"]]): decode_mask(one["segmentation"])
            for one in found["annotations"]
        }

    def train(self, specimens: list[Specimen], options: Mapping[str, Any]) -> Cost:
        """Of one pair a step, all structures in it."""
        write_list(self._folder / "pool.tsv", specimens)
        training = {"pairs": 1, "views": 1, "validate_every": 1000, **options}
        with tempfile.TemporaryDirectory(dir=self._folder) as state:
            return self._run(
                *("train_palindrome", "--device", "cpu", *self._model()),
                *("--options", self._options(training=training)),
                *("--pool", self._folder / "pool.tsv"),
                *("--templates", self._folder / "templates.json", "--state", state),
                *("--output", self._folder / "adapter"),
                timed=TIMED,
            )


class Theirs:
    """`sam2_pal_batch_v21.py` of descriptron-vision.

    It is called so that it sees specimens at all (`--interleave_template`), without its extraction of the
    foreground, which fetches a model of its own.

    Args:
        config: of the model, a file.
    """

    def __init__(self, folder: Path, checkpoint: Path, python: Path, config: Path) -> None:
        self._folder, self._checkpoint, self._python = folder, checkpoint, python
        self._config = config
        code = "import descriptron_vision.tools as t; print(t.__path__[0])"
        found = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
        self._program = Path(found.stdout.strip()) / "sam2_pal_batch_v21.py"
        self._found: dict[str, np.ndarray] = {}

    def segment(
        self,
        template: AnnotatedSpecimen,
        specimens: list[Specimen],
        more: Sequence[str] = (),
        model: Sequence[str] = (),
        by: Sequence[str] = (),
    ) -> Cost:
        """Segment.

        Args:
            more: of the program's own arguments.
            model: arguments of `peer_configured.py`.
            by: a program that runs the program.
        """
        with tempfile.TemporaryDirectory(dir=self._folder) as place:
            photographs = Path(place, "photographs")
            photographs.mkdir()
            for specimen in specimens:
                (photographs / Path(specimen.path).name).symlink_to(specimen.path)
            command = [str(self._python), *by, CONFIGURED, str(self._config.parent), *model]
            command += [str(self._program), "--device", "cpu"]
            command += ["--template_json", str(self._folder / "drawn.json")]
            command += ["--template_image", template.path, "--image_dir", str(photographs)]
            command += ["--output_dir", f"{place}/found", "--sam2_config", self._config.stem]
            command += ["--sam2_checkpoint", str(self._checkpoint), "--fg_mask", "none"]
            command += ["--multi_mask", "--interleave_template", *more]
            taken = cost(command, self._folder / "peer.log")
            found = Path(place, "found", "masks").glob("*_mask.png")
            self._found = {path.stem: np.asarray(Image.open(path)) > 0 for path in found}
            return taken

    def masks(self, specimens: Sequence[str], names: Sequence[str]) -> Masks:
        """Of the last segmentation, as its PNGs have them; where there is none, nothing."""
        keys = ((one, name) for one in specimens for name in names)
        stems = {key: f"{key[0]}_{key[1]}_mask" for key in keys}
        return {key: self._found[stem] for key, stem in stems.items() if stem in self._found}

    def train(self, template: AnnotatedSpecimen, specimens: list[Specimen]) -> Cost:
        """A structure a step."""
        more = ["--pal_finetuning", "--use_lora", "--num_epochs", str(STEPS)]
        return self.segment(
            template, specimens[:1], [*more, "--max_images_per_epoch", "1"], by=TIMED
        )
