"""What weights reach on what they never learned from: real specimens, drawings, and held-out pictures.

    PYTHONPATH=scripts python tests/bench/weights.py [WEIGHTS] --real ../shared/data/carabidae

Prints tables; compare them with those of the bundled weights before these are replaced.
"""

import argparse
import resource
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from held_out import drawn_groups, judge, photographed_groups
from real_specimens import decide, evaluate_real, remember

from sam2pal.cli import program, run
from sam2pal.config.model import ModelOptions
from sam2pal.dataset.dataset import AnnotatedSpecimen
from sam2pal.io.errors import InputError
from sam2pal.model.build import build_model
from sam2pal.model.templates import TemplateSet
from sam2pal.model.tracker import Tracker
from sam2pal.research.benchmark.collection import read_collection
from sam2pal.research.pretraining.photographs import PictureSet


def parse() -> argparse.Namespace:
    parser = program(__doc__)
    add = parser.add_argument
    add("weights", nargs="?", type=Path, help="instead of those of the bundled model")
    add("--real", type=Path, required=True, help="folder of real collections")
    add("--even", action="store_true", help="even numbers, which decide, instead of the odd ones")
    add("--photographs", type=Path, nargs="*", default=[], help="sets that taught the model")
    add("--left-out", type=Path, nargs="*", default=[], help="sets that did not")
    add("--size", type=int, default=256, help="side of the model's square, pixels")
    add("--groups", type=int, default=24, help="drawn groups in each row")
    add("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    side = arguments.size
    given = arguments.weights and str(arguments.weights)
    tracker = Tracker(build_model(ModelOptions(image_size=side, checkpoint=given)))
    sets = [PictureSet.read(folder, side) for folder in arguments.photographs]
    sets += [replace(PictureSet.read(of, side), left_out=True) for of in arguments.left_out]
    folders = sorted(path for path in arguments.real.iterdir() if path.is_dir())
    if not folders:
        raise InputError(f"{arguments.real}: it holds no folders of real collections")
    print(report_real(tracker, folders, 0 if arguments.even else 1))
    print("\n" + report_held_out(tracker, sets, arguments.groups))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"\n{side} px, {torch.get_num_threads()} threads, peak {memory:.0f} MiB")
    for number in (1, 5):
        seconds = seconds_a_specimen(tracker, folders[0], number)
        print(f"{seconds:.3f} s per specimen with all its structures, {number} template(s)")


def template_draws(folder: Path, number: int = 5) -> list[AnnotatedSpecimen]:
    """Specimens that can each be the one template: of `templates_1.json`, then even-numbered ones.

    All of them are annotated for every structure, and the even-numbered ones lie evenly among all such.
    """
    first = read_collection(folder, "templates_1.json")
    known = read_collection(folder, "annotations.json")
    names = {name for template in known for name in template.masks}
    templates = {template.specimen for template in read_collection(folder, "templates_5.json")}
    templates |= {template.specimen for template in first}
    even = [
        t
        for t in known
        if int(t.specimen) % 2 == 0
        and t.specimen not in templates
        and names == {name for name, mask in t.masks.items() if mask.any()}
    ]
    places = np.linspace(0, len(even) - 1, number - 1).round().astype(int)
    return [*first, *(even[place] for place in places)]


def report_real(tracker: Tracker, folders: list[Path], parity: int) -> str:
    """Markdown tables: one template (five draws of it), five templates, specimens turned."""
    lines, names = [], []
    for folder in folders:
        # the same specimens in every row, none of them a template in any
        score = partial(
            evaluate_real,
            tracker,
            folder,
            parity,
            leave_out=frozenset(t.specimen for t in read_collection(folder, "templates_5.json")),
        )
        draws = [score([template]) for template in template_draws(folder)]
        five = score(5)
        if not lines:
            names = [name for name in five if not name.startswith(("absent", "present"))]
            lines = [
                f"| collection | templates | {' | '.join(names)} | missing recognised | present missed |",
                "| --- " * (len(names) + 4) + "|",
            ]
        rows = {f"1, draw {number}": row for number, row in enumerate(draws, 1)}
        rows["1, mean of draws"] = {
            name: float(np.mean([row[name] for row in draws])) for name in draws[0]
        }
        rows["5"] = five
        for quarters in (1, 2, 3):
            turned = score(1, quarters)
            rows[f"1, draw 1, specimens turned by {90 * quarters} degrees"] = turned
        for label, row in rows.items():
            numbers = " | ".join(f"{row[name]:.3f}" for name in names)
            absent = f"{row['absent_seen']:.2f}" if "absent_seen" in row else "none is missing"
            lines.append(
                f"| {folder.name} | {label} | {numbers} | {absent} | {row['present_missed']:.3f} |"
            )
    return "\n".join(lines)


def report_held_out(
    tracker: Tracker, photographs: Sequence[PictureSet], number: int, seed: int = 1
) -> str:
    """A Markdown table of `number` groups of each kind: one template, five, and specimens turned."""
    side, views = tracker.model.image_size, 6
    sources = {
        "drawn, plans that teach": list(drawn_groups(seed, number, side, False, views)),
        "drawn, plans that only judge": list(drawn_groups(seed, number, side, True, views)),
    }
    for one in photographs:
        label = "real, left out" if one.left_out else "real, held-out pictures"
        groups = photographed_groups(seed, max(2, number // 4), [one], views)
        sources[f"{label}: {one.name}"] = list(groups)
    lines = [
        "| held out | templates | IoU | missing recognised | present missed |",
        "| --- " * 5 + "|",
    ]
    for source, groups in sources.items():
        rows = {str(count): judge(tracker, groups, count) for count in (1, 5)}
        rows["1, turned by 90 degrees"] = judge(tracker, groups, 1, quarters=1)
        for label, row in rows.items():
            absent = f"{row['absent_seen']:.2f}" if "absent_seen" in row else "none is missing"
            lines.append(
                f"| {source} | {label} | {row['iou']:.3f} | {absent} | {row['present_missed']:.3f} |"
            )
    return "\n".join(lines)


@torch.no_grad()
def seconds_a_specimen(tracker: Tracker, folder: Path, templates: int = 1, most: int = 16) -> float:
    """Median seconds to encode one photograph and find all structures on it, one photograph a call."""
    names, memories = remember(tracker, read_collection(folder, f"templates_{templates}.json"))
    spent = []
    for specimen in read_collection(folder, "annotations.json")[:most]:
        image = TemplateSet.read([specimen], names, tracker.image_size, aligned=False).images
        began = time.perf_counter()
        decide(tracker, tracker.encode(image), memories)
        spent.append(time.perf_counter() - began)
    return float(np.median(spent))


if __name__ == "__main__":
    run(main)
