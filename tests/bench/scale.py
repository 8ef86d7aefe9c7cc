"""How often bars, rulers and cards are found and how well they are measured, drawn over real specimens.

    python tests/bench/scale.py bars --first 80001 --count 140 --folder build/scale
    python tests/bench/scale.py table --first 1 --folder build/scale

Even seeds and photographs decide, odd ones report. Results are kept: a call goes on where the last one ended.
"""

import argparse
import csv
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from drawn_scales import CARD, DATA, Drawn, backgrounds, drawn_bar, drawn_card, drawn_ruler
from PIL import Image

from sam2pal.config.scale import ScaleSearch
from sam2pal.morphometrics.scales.finding import FoundScale, Search

KNOWN = ("length", "angle", "blur", "glare", "quality", "contrast", "ground", "unread")
COLUMNS = ("seed", "what", "kind", *KNOWN, "status", "error", "uncertainty", "seconds", "reason")
DRAWN: dict[str, Callable[[int], Drawn]] = {
    "bar": drawn_bar,
    "ruler": drawn_ruler,
    "card": drawn_card,
}
STEPS = {
    "length": (30, 60, 100, 300, 1000),
    "angle": (0.5, 15),
    "blur": (0.1, 0.8),
    "glare": (0.1,),
    "contrast": (40, 60, 100),
}


def found_in(path: Path, what: str, options: ScaleSearch) -> tuple[FoundScale, float]:
    began = time.process_time()
    found = Search(path).find([what], options)
    return found, round(time.process_time() - began, 2)


def of_drawn(what: str, seed: int, folder: Path) -> dict:
    """A row on what was found of something drawn."""
    drawn = DRAWN[what](seed)
    path = drawn.write(folder, f"{what}{seed}")
    options = ScaleSearch(bar_length=1.0, ruler=drawn.unit, card=CARD)
    found, seconds = found_in(path, what, options)
    path.unlink()
    known = {name: getattr(drawn, name) for name in KNOWN}
    known |= {n: round(of, 2) for n, of in known.items() if isinstance(of, float)}
    if drawn.refused:
        known["unread"] = "at an angle"
    return (
        {"seed": seed, "what": what, "kind": drawn.kind}
        | known
        | said(found, drawn.length, seconds)
    )


def said(found: FoundScale, true: float | None, seconds: float) -> dict:
    return {
        "status": found.status,
        "error": "" if found.pixels is None or true is None else round(found.pixels / true - 1, 5),
        "uncertainty": "" if found.uncertainty is None else round(found.uncertainty, 5),
        "seconds": seconds,
        "reason": found.reason,
    }


def of_photographs(paths: Iterable[Path], whats: Sequence[str], folder: Path) -> Iterator[dict]:
    """Rows on photographs, and pictures of what was found, which are to be looked at."""
    for path in paths:
        for what in whats:
            found, seconds = found_in(path, what, ScaleSearch(bar_length=1.0, card=CARD))
            kind = path.parts[-3]
            if found.picture is not None:
                name = f"{what}_{found.status}_{kind}_{path.stem}.png"
                Image.fromarray(found.picture).save(folder / name)
            row = {"seed": path.stem, "what": f"{what}, {kind}", "kind": kind}
            yield row | {"length": found.pixels or ""} | said(found, None, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("bars", "rulers", "cards", "false", "ants", "table"))
    parser.add_argument(
        "--first", type=int, default=1, help="seed; odd ones report, even ones decide"
    )
    parser.add_argument("--count", type=int, default=300, help="every second seed from there")
    parser.add_argument("--folder", type=Path, required=True, help="of results, which are kept")
    arguments = parser.parse_args()
    folder, odd = arguments.folder, arguments.first % 2
    folder.mkdir(parents=True, exist_ok=True)
    if arguments.what == "table":
        paths = sorted(folder.glob(f"*_{odd}.csv"))
        rows = [row for path in paths for row in csv.DictReader(path.open())]
        print("\n".join(table(rows)))
        return
    path = folder / f"{arguments.what}_{odd}.csv"
    done = {row["seed"] for row in csv.DictReader(path.open())} if path.is_file() else set()
    if arguments.what == "false":
        paths = [of for of in backgrounds(bool(odd)) if of.stem not in done]
        rows = of_photographs(paths, ("bar", "ruler", "card"), folder)
    elif arguments.what == "ants":
        paths = sorted(DATA.glob("antweb_unlabelled/images/*.jpg"))
        mine = [of for n, of in enumerate(paths) if n % 6 == odd and of.stem not in done]
        rows = of_photographs(mine, ("bar",), folder)
    else:
        seeds = range(arguments.first, arguments.first + 2 * arguments.count, 2)
        what = arguments.what.removesuffix("s")
        rows = (of_drawn(what, seed, folder) for seed in seeds if str(seed) not in done)
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        if not file.tell():
            writer.writeheader()
        for row in rows:
            writer.writerow(row)
            file.flush()


def groups(row: dict) -> Iterator[str]:
    """What a row counts for."""
    what = row["what"]
    if row["status"] and row["kind"] in ("pinned", "tray", "antweb_unlabelled"):
        yield what
    elif row["unread"]:
        yield f"{what}, not legible: {row['unread']}"
    else:
        yield f"{what}, legible"
        yield f"{what}, legible, {row['kind']}"
        yield f"{what}, legible, on {row['ground']}"
        yield f"{what}, legible, JPEG {'yes' if row['quality'] != '0' else 'no'}"
        for name, steps in STEPS.items():
            at = sum(float(row[name]) >= step for step in steps)
            low, high = ("", *steps)[at], (*steps, "")[at]
            yield f"{what}, legible, {name} {low} to {high}"


def table(rows: Sequence[dict]) -> list[str]:
    """Counts by what was drawn."""
    lines = [
        "| what | n | within 1 % | within 3 % | wrong | doubtful | none | recall | median error | seconds |",
        "| --- " * 10 + "|",
    ]
    found: dict[str, list[dict]] = {}
    for row in rows:
        for name in groups(row):
            found.setdefault(name, []).append(row)
    for name in sorted(found):
        of = found[name]
        errors = [abs(float(row["error"] or 0)) for row in of if row["status"] == "found"]
        counts = [
            sum(e <= 0.01 for e in errors),
            sum(0.01 < e <= 0.03 for e in errors),
            sum(e > 0.03 for e in errors),
            *(sum(row["status"] == status for row in of) for status in ("doubtful", "none")),
        ]
        cells = [
            *map(str, counts),
            f"{counts[0] / len(of):.0%}",
            f"{np.median(errors):.2%}" if errors else "",
            f"{np.mean([float(row['seconds']) for row in of]):.2f}",
        ]
        lines.append(f"| {name} | {len(of)} | {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    main()
