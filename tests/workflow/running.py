"""A small project on which Snakemake is run for real."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import yaml
from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIG = {
    "seed": 1,
    "genera": "config/genera.tsv",
    "templates": "config/templates.tsv",
    "shard_size": 6,
    "long_csv": True,
    "model": {"image_size": 64},
    "training": {"steps": 2, "views": 1, "pool_size": 2},
    "structures": {"head": None, "eye": {"parent": "head", "exclusive": False}},
    "rounds": {
        "untrained": {"templates": ["first"]},
        "trained": {"templates": ["first"], "train": {}},
        "refined": {
            "templates": ["first", "second", "corrections"],
            "train": {},
            "init": "trained",
        },
    },
}
SQUARE = (4, 4, 21, 20)  # the head as a person corrected it on a specimen of Aus


@dataclass
class Call:
    """What a call of Snakemake did."""

    code: int
    text: str
    jobs: list[str] = field(default_factory=list)

    def names(self) -> set[str]:
        """The rules of which jobs ran (or would run), but for the record that follows any change."""
        return {job.split()[0] for job in self.jobs} - {"all", "provenance"}


@dataclass
class Project:
    """A folder with config/ and photographs in which the workflow runs."""

    folder: Path

    def write(self, config: dict, genera: str | None = None, templates: str | None = None) -> None:
        """Write config/; None leaves a table as it is."""
        place = self.folder / "config"
        place.mkdir(exist_ok=True)
        (place / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        if genera is not None:
            (place / "genera.tsv").write_text(genera)
        if templates is not None:
            (place / "templates.tsv").write_text(templates)

    def command(self, *arguments: str) -> list[str]:
        snakemake = [sys.executable, "-m", "snakemake", "--directory", str(self.folder)]
        snakemake += ["--snakefile", str(REPOSITORY / "workflow/Snakefile")]
        snakemake += ["--workflow-profile", str(REPOSITORY / "profiles/default"), "--nocolor"]
        threads = ["--set-threads", "train_palindrome=1", "segment_shard=1"]
        return [*snakemake, *arguments, *threads]

    def environment(self, **more: str) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("SNAKEMAKE")}
        return kept | {"OMP_NUM_THREADS": "1"} | more

    def start(self, output: IO[str], *arguments: str, **more: Any) -> subprocess.Popen:
        """Call Snakemake, which writes to `output`; `more` is for `Popen`."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            **more,
        )

    def run(self, *arguments: str, **environment: str) -> Call:
        """Call Snakemake and list its jobs, each as the rule's name and its wildcards."""
        done = subprocess.run(
            self.command(*arguments),
            env=self.environment(**environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=1500,
            cwd=self.folder,
        )
        return Call(done.returncode, done.stdout, sorted(jobs_in(done.stdout)))


def jobs_in(text: str) -> Iterator[str]:
    """The jobs a call of Snakemake announces."""
    for block in re.split(r"\n(?=\[|Job stats)", text):
        rule = re.search(r"^(?:local)?(?:rule|checkpoint) (\w+):", block, re.MULTILINE)
        if rule:
            wildcards = re.search(r"^    wildcards: (.*)", block, re.MULTILINE)
            values = re.findall(r"=([^,]*)", wildcards[1]) if wildcards else []
            yield " ".join([rule[1], *values])


def photographs(folder: Path, numbers: range, seed: int = 0) -> None:
    """Write small photographs, `NUMBER.png` each: a dark square with a red eye, where `outline` has them."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        pixels = np.random.default_rng([seed, number]).integers(225, 250, (24, 32, 3), np.uint8)
        pixels[4:20, 4:20] -= 165
        pixels[8:12, 8:12] = (200, 60, 40)
        Image.fromarray(pixels).save(folder / f"{number:04d}.png")


def outline(path: Path, numbers: list[int]) -> None:
    """Write COCO annotations with a square head, and an eye in it, on some photographs."""
    squares = {1: [4, 4, 20, 20], 2: [8, 8, 12, 12]}
    annotations = []
    for number in numbers:
        for category, (left, top, right, bottom) in squares.items():
            polygon = [left, top, right, top, right, bottom, left, bottom]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": category,
                    "iscrowd": 0,
                    "area": (right - left) * (bottom - top),
                    "bbox": [left, top, right - left, bottom - top],
                    "segmentation": [polygon],
                }
            )
    images = [
        {"id": number, "file_name": f"{number:04d}.png", "width": 32, "height": 24}
        for number in numbers
    ]
    categories = [{"id": 1, "name": "head"}, {"id": 2, "name": "eye"}]
    path.write_text(
        json.dumps({"images": images, "categories": categories, "annotations": annotations})
    )


def correct(folder: Path, square: tuple[int, int, int, int], verdict: str = "rejected") -> None:
    """Write what a person said of the genus Aus: a head corrected to a square, and a verdict on another."""
    images, annotations = [], []
    left, top, right, bottom = square
    ring = [left, top, right, top, right, bottom, left, bottom]
    for number, (specimen, said) in enumerate((("0003", "corrected"), ("0004", verdict)), 1):
        photograph = folder / f"data/Aus/{specimen}.png"
        image = {"id": number, "file_name": photograph.name, "specimen": specimen, "genus": "Aus"}
        sha256 = hashlib.sha256(photograph.read_bytes()).hexdigest()
        images.append(image | {"width": 32, "height": 24, "sha256": sha256})
        annotation = {"id": number, "image_id": number, "category_id": 1, "iscrowd": 0}
        outline = [ring] if said == "corrected" else []
        annotations.append(
            annotation | {"verdict": said, "round": "trained", "segmentation": outline}
        )
    path = folder / "config/corrections/Aus/corrections.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    categories = [{"id": 1, "name": "head"}]
    data = {"images": images, "categories": categories, "annotations": annotations}
    path.write_text(json.dumps(data))


def make_project(folder: Path) -> Project:
    """Two genera of six noisy photographs each, with templates for three rounds; one has truth and
    corrections."""
    genera = ["genus\tspecimens\ttruth\tpixels_per_mm\tcountry"]
    templates = ["genus\tround\tannotations\tphotographs"]
    for seed, genus in enumerate(("Aus", "Bus")):
        photographs(folder / "data" / genus, range(6), seed)
        for label, numbers in (("first", [0]), ("second", [1, 2])):
            outline(folder / "data" / f"{genus}_{label}.json", numbers)
            templates.append(f"{genus}\t{label}\tdata/{genus}_{label}.json\tdata/{genus}")
        truth = "data/Aus_second.json" if genus == "Aus" else ""
        genera.append(f"{genus}\tdata/{genus}\t{truth}\t12.5\tItaly")
    made = Project(folder)
    made.write(CONFIG, "\n".join(genera) + "\n", "\n".join(templates) + "\n")
    correct(folder, SQUARE)
    return made
