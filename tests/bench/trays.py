"""How many specimens of a tray are found, split, missed and false, by spacing and clutter.

    PYTHONPATH=scripts python tests/bench/trays.py --real ../shared/data/carabidae --parity 1

Trays are composed of the real beetles at their native size (`composed_trays.py`), each of one
collection, and searched with the outline of its one template. Found: a box whose IoU with the drawn masks'
is 0.5 or more. Split: there is none, but two or more boxes lie in the specimen's. Missed: neither. False:
all other boxes. Even numbers decide, odd ones report.

With `--layout` photographs of one specimen, cut to it or among clutter (`composites.py`), and trays of two to
six are asked for which of both they are, as `layout: auto` does; so many of each kind and collection.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from composed_trays import CLUTTER, Tray, compose_tray
from composites import compose
from PIL import Image

from sam2pal.dataset.trays import find, one_or_many
from sam2pal.images.foreground import overlap
from sam2pal.images.reading import Photograph, read_photograph
from sam2pal.model.templates import specimen_on
from sam2pal.research.benchmark.collection import read_collection

TURNS = {"pinned": (0,), "tray": (0, 1, 2, 3)}
HEADER = "| gap | clutter | touching | specimens | found | split | missed | false | flagged | IoU | CPU s |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--real", type=Path, required=True, help="folder of the collections")
    parser.add_argument("--collections", nargs="+", default=["pinned", "tray"])
    parser.add_argument("--parity", type=int, default=1, help="0 decides, 1 reports")
    parser.add_argument("--seed", type=int, default=0, help="of the trays")
    parser.add_argument("--gaps", type=float, nargs="+", default=[0.5, 0.25, 0.1, -0.05])
    parser.add_argument("--clutter", nargs="+", choices=CLUTTER, default=list(CLUTTER))
    parser.add_argument("--counts", type=int, nargs="+", default=[6, 24, 60])
    parser.add_argument("--layout", type=int, help="specimens that are asked for one or many")
    arguments = parser.parse_args()
    if arguments.layout:
        one_or_many_of(arguments)
        return
    print(HEADER + "\n" + "| --- " * HEADER.count(" | ") + "| --- |")
    known = {
        name: collection(arguments.real / name, arguments.parity) for name in arguments.collections
    }
    for gap in arguments.gaps:
        for clutter in arguments.clutter:
            counted: dict[bool, Counter] = {False: Counter(), True: Counter()}
            for name in arguments.collections:
                specimens, outline = known[name]
                for count in arguments.counts:
                    seed = [arguments.parity, count, CLUTTER.index(clutter), round(gap * 100) + 50]
                    seed += [arguments.seed] if arguments.seed else []
                    rng = np.random.default_rng(seed)
                    tray = compose_tray(specimens, count, gap, clutter, rng, TURNS[name])
                    search(tray, outline, counted)
            for touching, of in counted.items():
                if of["specimens"]:
                    print(row(gap, clutter, touching, of), flush=True)


def one_or_many_of(arguments: argparse.Namespace) -> None:
    """Print how many photographs are taken for one of a single specimen, and for a tray."""
    print("| photographs | asked | one | many |\n| --- | --- | --- | --- |")
    counted: dict[str, Counter] = {}
    for name in arguments.collections:
        specimens, outline = collection(arguments.real / name, arguments.parity)
        for kind, pixels in photographs(specimens, arguments, name):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "photograph.png"
                Image.fromarray(pixels).save(path, compress_level=1)
                found = one_or_many(read_photograph(path), [outline])
            of = counted.setdefault(kind, Counter())
            of["one" if found is None else "many"] += 1
            print(name, kind, "one" if found is None else len(found), file=sys.stderr, flush=True)
    for kind, of in counted.items():
        print(f"| {kind} | {of.total()} | {of['one']} | {of['many']} |")


def photographs(
    specimens: list, arguments: argparse.Namespace, name: str
) -> Iterator[tuple[str, np.ndarray]]:
    """Pixels of photographs of each kind."""
    chosen = specimens[: arguments.layout]
    for one in chosen:
        yield "cut to a specimen", read_photograph(one.path).pixels
        rng = np.random.default_rng([arguments.parity, arguments.seed, int(one.specimen)])
        yield "one among clutter", compose(one, rng, name == "tray").pixels
    for number in range(arguments.layout):
        count, clutter = (2, 3, 6)[number % 3], ("all", "none")[number % 2]
        rng = np.random.default_rng([arguments.parity, arguments.seed, number])
        yield (
            f"tray of {count}",
            compose_tray(specimens, count, 0.25, clutter, rng, TURNS[name]).pixels,
        )


def collection(folder: Path, parity: int) -> tuple:
    """The specimens of a parity that are no template, and the outline of the template."""
    used = {one.specimen for one in read_collection(folder, "templates_5.json")}
    template = read_collection(folder, "templates_1.json")[0]
    used.add(template.specimen)
    known = read_collection(folder, "annotations.json")
    chosen = [s for s in known if s.specimen not in used and int(s.specimen) % 2 == parity]
    return chosen, specimen_on(template, read_photograph(template.path))[1]


def search(tray: Tray, outline: object, counted: dict[bool, Counter]) -> None:
    """Count what is found; false boxes with the specimens that touch none, or with all that do."""
    height, width = tray.pixels.shape[:2]
    began = time.process_time()
    found = find(Photograph(tray.pixels, 1, width, height), [outline])
    seconds = time.process_time() - began
    ious = np.array([[overlap(one.box, box) for box in tray.boxes] for one in found]).reshape(
        -1, len(tray.boxes)
    )
    inside = np.array([[_inside(one.box, box) for box in tray.boxes] for one in found]).reshape(
        ious.shape
    )
    matched = set()
    for index, touches in enumerate(tray.touching):
        of = counted[touches]
        best = int(ious[:, index].argmax()) if found else -1
        of["specimens"] += 1
        if best >= 0 and ious[best, index] >= 0.5:
            matched.add(best)
            of["found"] += 1
            of["flagged"] += found[best].touching
            of["iou"] += ious[best, index]
        elif (parts := np.flatnonzero(inside[:, index] > 0.5)).size > 1:
            matched |= set(parts.tolist())
            of["split"] += 1
            of["flagged"] += any(found[part].touching for part in parts)
        else:
            of["missed"] += 1
    counted[any(tray.touching)]["false"] += len(found) - len(matched)
    counted[any(tray.touching)]["seconds"] += seconds
    counted[any(tray.touching)]["trays"] += 1


def _inside(one: tuple, other: tuple) -> float:
    high = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    wide = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    return max(high, 0) * max(wide, 0) / (one[2] * one[3])


def row(gap: float, clutter: str, touching: bool, of: Counter) -> str:
    """A line of the table."""
    counts = [of[key] for key in ("specimens", "found", "split", "missed", "false", "flagged")]
    mean = f"{of['iou'] / of['found']:.3f}" if of["found"] else ""
    seconds = f"{of['seconds'] / of['trays']:.1f}" if of["trays"] else ""
    cells = [gap, clutter, "yes" if touching else "no", *counts, mean, seconds]
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
