"""Compare ways of training on real specimens by a protocol: many draws of templates, paired with no training.

Runs that are in the output folder are not run again, so it goes on where it was stopped. Writes runs/ (a file
per run) and, of the runs of the protocol, scores.csv (a row per run, specimen and structure), runs.csv and
table.md.
"""

import argparse
import logging
import math
import sys
import time
from pathlib import Path

import pandas as pd
from filelock import FileLock, Timeout
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the library lies beside this folder

from sam2pal.cli import run
from sam2pal.config.provenance import commit
from sam2pal.io.errors import InputError
from sam2pal.io.files import write_text
from sam2pal.io.spelling import nearest
from sam2pal.model.build import build_model, model_hash
from sam2pal.model.device import choose_device, seed_everything
from sam2pal.model.tracker import Tracker
from sam2pal.research.benchmark.collection import Collection
from sam2pal.research.benchmark.protocol import BenchmarkRun, Protocol, read_protocol
from sam2pal.research.benchmark.report import report
from sam2pal.research.benchmark.running import Runner
from sam2pal.research.benchmark.store import KEY, Store, key_of

PROTOCOL = Path(__file__).with_name("benchmark.yaml")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--protocol", type=Path, default=PROTOCOL, help="YAML")
    parser.add_argument("--output", type=Path, default=Path("build/benchmark"), help="folder")
    parser.add_argument("--device", default="auto", help="auto, cuda, mps or cpu")
    only = parser.add_argument_group(
        "run a part of the protocol (the table shows all that is there)"
    )
    only.add_argument("--variants", nargs="+", metavar="NAME")
    only.add_argument("--collections", nargs="+", metavar="NAME")
    for name in ("templates", "draws", "seeds"):
        only.add_argument(f"--{name}", nargs="+", type=int, metavar="N")
    only.add_argument("--minutes", type=float, default=math.inf, help="start no run after these")
    only.add_argument("--table", action="store_true", help="run nothing, write the table")
    return parser.parse_args()


def chosen(protocol: Protocol, arguments: argparse.Namespace) -> list[BenchmarkRun]:
    """The runs that the arguments ask for; InputError if there is none of that name."""
    names = {"variants": protocol.variants, "collections": protocol.collections}
    for key, known in names.items():
        for name in getattr(arguments, key) or ():
            if name not in known:
                raise InputError(f"--{key}: no '{name}' in the protocol{nearest(name, known)}")
    wanted = {
        "variant": arguments.variants,
        "collection": arguments.collections,
        "templates": arguments.templates,
        "draw": arguments.draws,
        "seed": arguments.seeds,
    }
    found = [
        r
        for r in protocol.runs()
        if all(values is None or getattr(r, key) in values for key, values in wanted.items())
    ]
    if not found:
        raise InputError("no run of the protocol is of these templates, draws and seeds")
    return found


def short_commit() -> str | None:
    """Of the repository, with a plus sign if it has been changed since; None without a repository."""
    found = commit()
    if found["commit"] == "unknown":
        return None
    return found["commit"][:10] + ("+" if found["changed"] else "")


def main() -> None:
    began = time.monotonic()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    arguments = parse()
    protocol = read_protocol(arguments.protocol)
    plan = chosen(protocol, arguments)
    for folder in protocol.collections.values():
        if not (folder / "annotations.json").is_file():
            raise InputError(f"{folder}: the collection is not here (no annotations.json)")
    seed_everything(protocol.seed)
    device = choose_device(arguments.device)
    model = build_model(protocol.model, device=device)
    weights = model_hash(model)
    tracker = Tracker(model)
    structures = [structure.name for structure in protocol.structures]
    collections = {
        name: Collection(folder, structures, tracker, device, protocol.score)
        for name, folder in protocol.collections.items()
    }

    def key(one: BenchmarkRun) -> dict:
        configuration = protocol.configuration(one.variant, weights, model.image_size)
        return key_of(one, configuration, collections[one.collection].digest)

    arguments.output.mkdir(parents=True, exist_ok=True)
    lock = FileLock(arguments.output / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(f"{arguments.output}: another benchmark is running there") from error
    with lock:
        store = Store(arguments.output)
        runner = Runner(protocol, model, collections, device, arguments.output)
        todo = [] if arguments.table else [one for one in plan if key(one) not in store]
        same = {"commit": short_commit(), "model": weights, "device": device.type}
        for one in tqdm(todo, unit="run", disable=None):
            if time.monotonic() - began > 60 * arguments.minutes:
                break
            rows, record = runner(one)
            store.add(rows, {**record, **same, **key(one)})
            write_tables(protocol, store, key, arguments.output)
        missing = write_tables(protocol, store, key, arguments.output)
    print(f"{arguments.output}/table.md: {missing} runs of the protocol are still to be done")


def write_tables(protocol: Protocol, store: Store, key, folder: Path) -> int:
    """The tables of the runs there are of this protocol; returns how many are missing."""
    plan = pd.DataFrame([key(one) for one in protocol.runs()])
    runs, scores = store.read()
    runs = plan.merge(runs, on=list(KEY))  # in the order of the protocol
    scores = runs[list(KEY)].merge(scores, on=list(KEY))
    if len(runs):
        write_text(folder / "table.md", report(protocol, runs, scores))
        for name, table in (("runs", runs), ("scores", scores)):
            write_text(folder / f"{name}.csv", table.to_csv(index=False))
    return len(plan) - len(runs)


if __name__ == "__main__":
    run(main)
