"""The published SAM2-PAL (Descriptron's v21) and this one, side by side, in one table.

    make bench-peers                                      # builds build/peers/venv, then every row
    make bench-peers ARGS='--rows training --repeats 1'   # one of them; what is known is kept

Both get the same photographs, the same outlined template, the same checkpoint (`sam2.1_hiera_tiny` with
random weights: cost does not depend on them) and as many threads, each as a program of its own, as a user
starts it. CPU seconds are those of the process; what a further specimen costs is the difference between
two calls with more and fewer of them, and the rest is the start. All specimens fill their photographs: of
random weights it would mean nothing where they find others. `512 px window` is cut round a specimen that
fills half of the side of the photograph, which the peer sees whole: as many pixels on the specimen; finding
it is not in it, and takes about as long again.

Of a training, the start ends where the first step sets gradients to zero, and that step, its encodings
included, is divided by its structures; the most memory is that until its end. The peer's step is one
structure. `palindrome alone` is what the peer trains; our default has other losses too, and teaches the
specimen.

The peer takes one template a call, so of five it is called five times, and which mask to take is left to
its user. `whole` is two genera of 20 specimens with 3 structures, all masks on disk: `cold` with the starts
of both calls, `warm` without; reckoned up, unless with `--specimens 1 20`. `real` asks
both for the masks of real beetles with the bundled weights, which v21 finds only where its configuration is
made known to Hydra (`peer_bundled.py`): mean IoU over structures.
"""

import argparse
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import sam2
import torch
from peer_programs import MODEL, Cost, Masks, Ours, Theirs
from safetensors.torch import load_file
from segmentation import NAMES, draw

from sam2pal.config.model import ModelOptions
from sam2pal.dataset.dataset import AnnotatedSpecimen
from sam2pal.dataset.manifest import Specimen, build_manifest
from sam2pal.model import build
from sam2pal.research.benchmark.collection import read_collection

PEER_MODEL = Path(sam2.__file__).parent / "configs/sam2.1/sam2.1_hiera_t.yaml"
WINDOW = {"image_size": 512, "window": "photograph"}
PALINDROME = {"distillation": 0.0, "self_pair": 0.0, "controls": 0}
OURS: dict[str, dict[str, Mapping[str, Any]]] = {
    "one template": {
        "any orientation (default)": {},
        "any orientation, float32": {"half": False},
        "any orientation, 512 px window": WINDOW,
    },
    "five templates": {"any orientation (default)": {}, "any orientation, 512 px window": WINDOW},
    "training": {
        "palindrome alone": PALINDROME,
        "palindrome alone, one at once": {**PALINDROME, "micro_batch": 1},
        "default": {"controls": 0},
    },
    "real": {
        "seen once": {"ensemble": 1},
        "seen three times, edges fitted (default)": {"ensemble": 3, "refine": True},
    },
}
THEIRS: dict[str, dict[str, Sequence[str]]] = {
    "one template": {"upright (default)": (), "any orientation": ("--orientation_search", "rot4")},
    "five templates": {"upright (default)": ()},
    "training": {"palindrome alone": ()},
    "real": {"upright (default)": (), "upright, the first mask token alone": ("--one-mask",)},
}
GENERA, SPECIMENS, STRUCTURES = 2, 20, 3  # of `whole`
FEW, MANY = (
    "upright (default)",
    "any orientation",
)  # v21's ways, of which the second is the first four times
REAL = 16  # specimens with an odd number
ROWS = ("one template", "five templates", "training", "whole", "real")
Row = dict[str, Any]


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


class Bench:
    """Both programs on the same photographs."""

    def __init__(
        self, folder: Path, numbers: tuple[int, int], repeats: int, peer: Path, side: int
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.numbers, self.side = folder, numbers, side
        config = folder / f"tiny{side}.yaml"
        text = PEER_MODEL.read_text().replace("image_size: 1024", f"image_size: {side}")
        config.write_text(text)
        checkpoint, bundled = folder / "random.pt", folder / "bundled.pt"
        if not checkpoint.is_file():
            torch.manual_seed(0)
            model = build.build_model(ModelOptions(MODEL), random_weights=True)
            torch.save({"model": model.state_dict()}, checkpoint)
            torch.save({"model": load_file(build.BUNDLED / "weights.safetensors")}, bundled)
        self.ours = Ours(folder, checkpoint, side)
        self.theirs = Theirs(folder, checkpoint, peer, config)
        self.ours_bundled = Ours(folder, None)
        self.theirs_bundled = Theirs(folder, bundled, peer, build.BUNDLED / "config.yaml")
        self._calls = Calls(folder / f"calls{side}.json", repeats)
        self._prepared: tuple[int, int] | None = None

    def _drawn(
        self, templates: int, count: int, names: Sequence[str] = NAMES
    ) -> tuple[list[AnnotatedSpecimen], list[Specimen]]:
        """Templates and as many photographs of one specimen, both also where the programs read them."""
        key = (templates, len(names))
        if key != self._prepared:
            self._drawing = draw(self.folder / "drawn", templates, 2)
            self.ours.prepare(self._drawing[0], names)
            self._prepared = key
        found, specimens = self._drawing
        return found, same(self.folder / f"specimens{templates}_{count}", specimens, count)

    def segmenting(self, what: str, program: str, way: str) -> list[Row]:
        """What a further specimen costs, and the start."""
        count = 5 if what == "five templates" else 1
        calls = 1 if program == "ours" else count  # each with a template of its own

        def call(way: str, number: int) -> Cost:
            templates, specimens = self._drawn(count if program == "ours" else 1, number)
            if program == "ours":
                return self.ours.segment(specimens, OURS[what][way])
            return self.theirs.segment(templates[0], specimens, THEIRS[what][way])

        given = what if program == "ours" else "one template"

        def known(way: str, number: int) -> Cost:
            return self._calls.least(
                f"{given}, {program}, {way}, {number}", partial(call, way, number)
            )

        if (program, way) == ("v21", MANY):  # long: one call, less the start that it has too
            most = known(way, self.numbers[0])
            _, start = self._apart(known(FEW, self.numbers[0]), known(FEW, self.numbers[1]))
            each = (most.seconds - start) / self.numbers[0]
        else:
            most = known(way, self.numbers[1])
            each, start = self._apart(known(way, self.numbers[0]), most)
        said = f"{way}, {calls} calls" if calls > 1 else way
        return [_row(what, program, said, calls * each, calls * start, most.memory)]

    def training(self, what: str, program: str, way: str) -> list[Row]:
        """What a structure costs in a step, and what comes before the first step."""

        def call() -> Cost:
            templates, specimens = self._drawn(1, 1)
            if program == "ours":
                return self.ours.train(specimens, OURS[what][way])
            return self.theirs.train(templates[0], specimens)

        found = self._calls.least(f"{what}, {program}, {way}", call)
        start, ended = found.steps[:2]
        each = (ended - start) / (len(NAMES) if program == "ours" else 1)
        return [_row(what, program, f"{way}, a structure", each, start, found.memory)]

    def _apart(self, few: Cost, many: Cost) -> tuple[float, float]:
        """Seconds of a further specimen, and of the start."""
        each = (many.seconds - few.seconds) / (self.numbers[1] - self.numbers[0])
        return each, few.seconds - each * self.numbers[0]

    def whole(self, what: str, program: str, way: str) -> list[Row]:
        """Two genera to masks on disk, from calls with fewer and more specimens of one."""

        def call(number: int) -> Cost:
            templates, specimens = self._drawn(1, number, NAMES[:STRUCTURES])
            if program == "ours":
                return self.ours.segment(specimens, {})
            return self.theirs.segment(templates[0], specimens)

        few, many = (
            self._calls.least(f"{what}, {program}, {n}", partial(call, n)) for n in self.numbers
        )
        each, start = self._apart(few, many)
        warm = GENERA * SPECIMENS * each
        row = _row(what, program, f"{way}, cold and warm", each, start, many.memory)
        return [row | {"CPU_s_in_all": f"{warm + GENERA * start:.0f}, {warm:.0f}"}]

    def real(self, what: str, program: str, way: str, collections: Path) -> list[Row]:
        """Mean IoU of the bundled weights on real beetles that are no template."""
        rows = []
        self._prepared = None
        for folder in sorted(path for path in collections.iterdir() if path.is_dir()):
            templates = read_collection(folder, "templates_1.json")
            truth = read_collection(folder, "annotations.json")
            odd = [one for one in truth if int(one.specimen) % 2][:REAL]
            names = [name for name in NAMES if all(name in one.masks for one in templates)]
            self.ours_bundled.prepare(templates, names)
            place = self.folder / f"real_{folder.name}"
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            for one in odd:
                shutil.copy(one.path, place)
            specimens = build_manifest(place, None, 1000).specimens
            if program == "ours":
                taken = self.ours_bundled.segment(specimens, OURS[what][way])
                found = self.ours_bundled.masks()
            else:
                model = THEIRS[what][way]
                taken = self.theirs_bundled.segment(templates[0], specimens, model=model)
                found = self.theirs_bundled.masks([one.specimen for one in odd], names)
            each, iou = taken.seconds / len(odd), mean_iou(found, odd, names)
            row = _row(f"{what}, {folder.name}", program, way, each, None, taken.memory)
            by_structure = ", ".join(f"{value:.2f}" for value in iou)
            rows.append(row | {"IoU": f"{np.mean(iou):.3f} ({by_structure})"})
        return rows


def mean_iou(found: Masks, truth: Sequence[AnnotatedSpecimen], names: Sequence[str]) -> list[float]:
    """By structure, over the specimens that show it; a mask that was not found has an IoU of 0."""
    means = []
    for name in names:
        values = []
        for one in truth:
            if name in one.masks and one.masks[name].any():
                drawn = one.masks[name]
                mask = found.get((one.specimen, name), np.zeros_like(drawn))
                values.append((mask & drawn).sum() / (mask | drawn).sum())
        means.append(float(np.mean(values)))
    return means


def _row(what: str, program: str, way: str, each: float, start: float | None, memory: float) -> Row:
    return {
        "what": what,
        "program": program,
        "how": way,
        "CPU_s_each": round(each, 2),
        "CPU_s_to_start": "" if start is None else round(start, 1),
        "GB_peak": round(memory, 2),
        "CPU_s_in_all": "",
        "IoU": "",
    }


def same(folder: Path, specimens: Sequence[Specimen], count: int) -> list[Specimen]:
    """The first specimen so many times: it fills its photograph, so that random weights find it."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        shutil.copy(specimens[0].path, folder / f"{number:04d}.png")
    return [replace(one, status="ok") for one in build_manifest(folder, None, 1000).specimens]


def table(rows: Sequence[Row]) -> str:
    """As Markdown."""
    lines = [f"| {' | '.join(rows[0])} |", "| --- " * len(rows[0]) + "|"]
    lines += [f"| {' | '.join(map(str, row.values()))} |" for row in rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--peer", type=Path, required=True, help="a Python that has descriptron-vision")
    add("--rows", nargs="+", default=ROWS, choices=ROWS)
    add("--programs", nargs="+", default=["ours", "v21"], choices=["ours", "v21"])
    add("--ways", nargs="+", help="of those printed, only some")
    add("--specimens", nargs=2, type=int, default=[1, 3], help="of the shorter and longer call")
    add("--repeats", type=int, default=2, help="the shortest counts")
    add("--threads", type=int, default=2)
    add("--side", type=int, default=1024, help="of the square of the model with random weights")
    add("--real", type=Path, help="folder of real collections; without it no row `real`")
    add("--output", type=Path, required=True, help="folder of results; goes on where it was")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    folder = arguments.output.resolve()
    bench = Bench(
        folder, tuple(arguments.specimens), arguments.repeats, arguments.peer, arguments.side
    )
    calls: dict[str, Callable[[str, str, str], list[Row]]] = {
        "one template": bench.segmenting,
        "five templates": bench.segmenting,
        "training": bench.training,
        "whole": bench.whole,
    }
    if arguments.real:
        calls["real"] = partial(bench.real, collections=arguments.real)
    kept = folder / "rows.json"
    known: dict[str, list[Row]] = json.loads(kept.read_text()) if kept.is_file() else {}
    for what in (what for what in arguments.rows if what in calls):
        for program in arguments.programs:
            for way in {"ours": OURS, "v21": THEIRS}[program].get(what, {"default": ()}):
                name = f"{what}, {program}, {way}, {arguments.side}"
                if name in known or (arguments.ways and way not in arguments.ways):
                    continue
                chosen = (
                    f'--side {arguments.side} --rows "{what}" --programs {program} --ways "{way}"'
                )
                command = {"command": f"make bench-peers ARGS='{chosen}'"}
                side = {"side": 256 if what == "real" else arguments.side}
                known[name] = [side | row | command for row in calls[what](what, program, way)]
                print(*map(json.dumps, known[name]), sep="\n", flush=True)
                kept.write_text(json.dumps(known, indent=1) + "\n")
    rows = sorted(sum(known.values(), []), key=lambda row: ROWS.index(row["what"].split(",")[0]))
    text = table(rows)
    (folder / "peers.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
