"""How often bars and rulers are found and how well they are measured, drawn over real specimens.

    python tests/bench/scale.py bars --first 1 --count 400 --folder build/scale
    python tests/bench/scale.py table --first 1 --folder build/scale

Even seeds and photographs tune, odd ones report. Results are kept: a call goes on where the last one ended.
"""

import argparse
import csv
import io
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from sam2pal.config.scale import ScaleSearch
from sam2pal.morphometrics.scales.finding import Found, Search
from sam2pal.research.synthetic.scales import STYLES, Overlay, draw_bar, draw_ruler

DATA = Path(__file__).resolve().parents[3] / "shared/data"
COLUMNS = (
    "seed",
    "kind",
    "length",
    "legible",
    "status",
    "error",
    "uncertainty",
    "seconds",
    "reason",
)
TEXTS = ("1 mm", "0.5 mm", "2 mm", "500 um", "")
COLOURS = ((0, 0, 0), (255, 255, 255), (20, 20, 25), (235, 225, 60), (200, 30, 30), (90, 90, 90))


def backgrounds(odd: bool) -> list[Path]:
    """Real photographs: beetles whose number is odd or even, and ants without bars."""
    beetles = sorted(DATA.glob("carabidae/*/images/*.png"))
    return [path for path in beetles if int(path.stem) % 2 == odd]


@dataclass
class Drawn:
    """A picture with a bar of known length."""

    picture: np.ndarray
    length: float
    style: str
    legible: bool
    said: str
    line: tuple


def drawn_bar(seed: int) -> Drawn:
    """A bar over a real specimen: all angles, 10 to 2000 pixels, blur, glare, JPEG."""
    random = np.random.default_rng(seed)
    paths = backgrounds(bool(seed % 2))
    base = Image.open(paths[random.integers(len(paths))]).convert("RGB")
    length = float(10 ** random.uniform(1, math.log10(2000)))
    side = int(np.clip(length * random.uniform(1.8, 6), 300, 3600))
    factor = side / max(base.size)
    if factor > 1:
        base = base.resize([round(n * factor) for n in base.size], Image.Resampling.BICUBIC)
    picture = np.asarray(base)
    picture = np.pad(
        picture, ((0, 0), (0, max(0, int(length * 1.2) - picture.shape[1])), (0, 0)), "edge"
    )
    picture = np.pad(
        picture, ((0, max(0, int(length * 1.2) - picture.shape[0])), (0, 0), (0, 0)), "edge"
    )
    high, wide = picture.shape[:2]
    style = STYLES[seed // 2 % len(STYLES)]
    thickness = float(np.clip(length * random.uniform(0.01, 0.08), 1.5, 60))
    if style in ("box", "alternating"):
        thickness = float(np.clip(length * random.uniform(0.04, 0.12), 6, 60))
    angle = float(random.choice([0.0, math.pi / 2, random.uniform(0, math.pi)], p=[0.4, 0.1, 0.5]))
    text = TEXTS[random.integers(len(TEXTS))]
    colour = COLOURS[random.integers(len(COLOURS))]
    other = (255, 255, 255) if np.mean(colour) < 128 else (0, 0, 0)
    grey = np.asarray(Image.fromarray(picture).convert("L"), np.float32)
    best = None
    for _ in range(12):  # where a user would put it: where it is seen
        reach = length / 2 + 3
        rx = abs(math.cos(angle)) * reach + abs(math.sin(angle)) * thickness * 3 + 3
        ry = abs(math.sin(angle)) * reach + abs(math.cos(angle)) * thickness * 3 + 3
        centre = (
            random.uniform(min(rx, wide / 2), max(wide - rx, wide / 2)),
            random.uniform(min(ry, high / 2), max(high - ry, high / 2)),
        )
        seen = visible(grey, centre, angle, length, thickness, colour)
        if best is None or seen > best[0]:
            best = seen, centre
    seen, centre = best
    if style == "panel":
        seen = 255.0
    picture = draw_bar(
        picture, Overlay(centre, angle), length, thickness, style, colour, other, text
    )
    said = ""
    if random.random() < 0.2:
        spot = glare(picture.shape[:2], centre, length, random)
        strength = random.uniform(0.2, 0.5)
        picture = np.round(picture + (255 - picture) * (spot * strength)[..., None]).astype(
            np.uint8
        )
        said += f"glare {strength:.1f} "
        seen *= 1 - strength
    picture, spoilt = spoiled(picture, random)
    said, blur = f"{said}{spoilt[0]}", spoilt[1]
    legible = seen > 40 and thickness > 1.5 * blur
    return Drawn(picture, length, style, legible, said, (centre, angle, thickness, colour, text))


def glare(
    size: tuple[int, int], centre: tuple[float, float], length: float, random: np.random.Generator
) -> np.ndarray:
    """A bright spot [h, w], 0 to 1, over a part of a bar."""
    y, x = np.mgrid[: size[0], : size[1]]
    gx = centre[0] + random.uniform(-1, 1) * length / 2
    gy = centre[1] + random.uniform(-1, 1) * length / 4
    wide = length * random.uniform(0.2, 0.6)
    return np.exp(-((x - gx) ** 2 + (y - gy) ** 2) / (2 * wide**2))


def spoiled(
    picture: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, tuple[str, float]]:
    """A picture out of focus and compressed, some of the time; how, and the blur in pixels."""
    said, blur = "", 0.0
    if random.random() < 0.4:
        blur = float(random.uniform(0.4, 1.6))
        picture = np.stack([ndimage.gaussian_filter(picture[..., i], blur) for i in range(3)], -1)
        said += f"blur {blur:.1f} "
    if random.random() < 0.6:
        quality = int(random.integers(60, 96))
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
        picture = np.asarray(Image.open(buffer))
        said += f"jpeg {quality} "
    return picture, (said, blur)


def visible(grey, centre, angle, length, thickness, colour) -> float:
    """How much a bar there would differ from what is around it at its worst tenth, of 255."""
    s = np.linspace(-length / 2 - 4, length / 2 + 4, 60)
    v = np.array([-6, -4, -2, 2, 4, 6]) * max(thickness, 2.0) / 2
    x = centre[0] + s[None] * math.cos(angle) - v[:, None] * math.sin(angle)
    y = centre[1] + s[None] * math.sin(angle) + v[:, None] * math.cos(angle)
    around = ndimage.map_coordinates(grey, [y, x], order=1, mode="nearest")
    ink = float(np.dot(colour, [0.299, 0.587, 0.114]))
    difference = around - ink
    worst = max(np.percentile(difference, 5), -np.percentile(difference, 95))
    return float(worst)


def drawn_ruler(seed: int) -> tuple[np.ndarray, float, str, bool]:
    """A picture with a ruler, its period in pixels, its unit, and whether it is seen at an angle."""
    random = np.random.default_rng([seed, 1])
    paths = backgrounds(bool(seed % 2))
    base = Image.open(paths[random.integers(len(paths))]).convert("RGB")
    period = float(10 ** random.uniform(math.log10(5), math.log10(60)))
    ticks = int(random.integers(15, 80))
    side = int(np.clip(period * ticks * 1.3, 500, 3000))
    ticks = min(ticks, int(side / 1.3 / period))
    factor = side / max(base.size)
    base = base.resize([round(n * factor) for n in base.size], Image.Resampling.BICUBIC)
    long = np.asarray(base)
    picture = np.pad(long, ((0, side - long.shape[0]), (0, side - long.shape[1]), (0, 0)), "edge")
    unit = ("mm", "1/16 in")[int(random.random() < 0.3)]
    angle = float(random.choice([0.0, math.pi / 2, random.uniform(0, math.pi)], p=[0.3, 0.2, 0.5]))
    tilted = random.random() < 0.2
    shrink = 0.1 + 0.2 * random.random() if tilted else 0.0  # from one end to the other
    vanish = shrink / (period * ticks) / 2
    ground = None if random.random() < 0.2 else (235, 230, 215)
    every = (5, 10) if unit == "mm" else (2, 4, 8, 16)
    colour = (20, 20, 20) if random.random() < 0.8 else (250, 250, 250)
    if colour[0] > 128:
        ground = ground and (60, 60, 65)
    overlay = Overlay((side / 2, side / 2), angle, vanish)
    width = float(random.uniform(0.15, 0.4))
    picture = draw_ruler(picture, overlay, period, ticks, every, colour, ground, width)
    return spoiled(picture, random)[0], period, unit, tilted


def error_of_bar(seed: int, folder: Path) -> dict:
    drawn = drawn_bar(seed)
    path = folder / f"{seed}.png"
    Image.fromarray(drawn.picture).save(path, compress_level=1)
    began = time.process_time()
    found = Search(path).find(["bar"], ScaleSearch(bar_length=1.0))
    seconds = time.process_time() - began
    path.unlink()
    row = {"seed": seed, "kind": drawn.style, "length": drawn.length, "legible": int(drawn.legible)}
    return row | _result(found, drawn.length, seconds)


def error_of_ruler(seed: int, folder: Path) -> dict:
    picture, period, unit, tilted = drawn_ruler(seed)
    path = folder / f"ruler{seed}.png"
    Image.fromarray(picture).save(path, compress_level=1)
    began = time.process_time()
    found = Search(path).find(["ruler"], ScaleSearch(ruler=unit))
    seconds = time.process_time() - began
    path.unlink()
    kind = "tilted" if tilted else unit
    row = {"seed": seed, "kind": f"ruler, {kind}", "length": period, "legible": int(not tilted)}
    return row | _result(found, period, seconds)


def _result(found: Found, true: float, seconds: float) -> dict:
    error = "" if found.pixels is None else found.pixels / true - 1
    return {
        "status": found.status,
        "error": error,
        "uncertainty": "" if found.uncertainty is None else found.uncertainty,
        "seconds": round(seconds, 2),
        "reason": found.reason,
    }


def false_finds(kinds: Sequence[str], odd: bool, folder: Path) -> Iterator[dict]:
    """Real beetles, which have neither bar nor ruler nor card."""
    for path in backgrounds(odd):
        for kind in kinds:
            began = time.process_time()
            found = Search(path).find([kind], ScaleSearch(bar_length=1.0, card=(85.6, 54.0)))
            seconds = time.process_time() - began
            if found.picture is not None:
                Image.fromarray(found.picture).save(folder / f"{kind}_{path.parts[-3]}_{path.name}")
            row = {
                "seed": path.stem,
                "kind": f"{kind}, {path.parts[-3]}",
                "length": "",
                "legible": "",
            }
            yield row | _result(found, 1.0, seconds)


def ants(odd: bool, folder: Path) -> Iterator[dict]:
    """Ant profiles with bars of unknown length; pictures of what was found, to be looked at."""
    for number, path in enumerate(sorted(DATA.glob("antweb_unlabelled/images/*.jpg"))):
        if number % 2 != odd or number % 6 > 1:
            continue
        began = time.process_time()
        found = Search(path).find(["bar"], ScaleSearch(bar_length=1.0))
        if found.picture is not None:
            Image.fromarray(found.picture).save(folder / f"ant_{path.stem}.png")
        row = {"seed": path.stem, "kind": "ant", "length": found.pixels or "", "legible": ""}
        yield row | _result(found, found.pixels or 1.0, time.process_time() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("bars", "rulers", "false", "ants", "table"))
    parser.add_argument(
        "--first", type=int, default=1, help="seed; odd ones report, even ones tune"
    )
    parser.add_argument("--count", type=int, default=100, help="every second seed from there")
    parser.add_argument("--folder", type=Path, required=True, help="of results, which are kept")
    arguments = parser.parse_args()
    folder = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    odd = bool(arguments.first % 2)
    name = f"{arguments.what}_{'odd' if odd else 'even'}_{arguments.first:05d}.csv"
    if arguments.what == "table":
        rows = [
            row
            for path in sorted(folder.glob(f"*_{'odd' if odd else 'even'}_*.csv"))
            for row in csv.DictReader(path.open())
        ]
        print("\n".join(table(rows)))
        return
    path = folder / name
    done = {row["seed"] for row in csv.DictReader(path.open())} if path.is_file() else set()
    one = {"bars": error_of_bar, "rulers": error_of_ruler}.get(arguments.what)
    if one is not None:
        seeds = range(arguments.first, arguments.first + 2 * arguments.count, 2)
        rows = (one(seed, folder) for seed in seeds if str(seed) not in done)
    elif arguments.what == "false":
        rows = false_finds(("bar", "ruler", "card"), odd, folder)
    else:
        rows = ants(odd, folder)
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if not file.tell():
            writer.writeheader()
        for row in rows:
            writer.writerow(row)
            file.flush()


def table(rows: Sequence[dict]) -> list[str]:
    """A table of counts by what was drawn, and of legible bars by length."""
    lines = [
        "| what | n | right (1 %) | within 3 % | doubtful | none | wrong | median error | seconds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    groups: dict[str, list[dict]] = {}
    for row in rows:
        kind = row["kind"]
        if row["legible"] == "" or kind.startswith("ruler"):
            groups.setdefault(kind, []).append(row)
            continue
        if row["legible"] == "0":
            groups.setdefault("bars that are hard to see", []).append(row)
            continue
        groups.setdefault("legible bars", []).append(row)
        length = float(row["length"])
        edge = next(of for of in (15, 30, 100, 300, 2001) if length < of)
        groups.setdefault(f"legible, below {edge} px", []).append(row)
        groups.setdefault(f"legible, {kind}", []).append(row)
    for name in sorted(groups):
        of = groups[name]
        found = [abs(float(row["error"])) for row in of if row["status"] == "found"]
        counts = [
            sum(e <= 0.01 for e in found),
            sum(0.01 < e <= 0.03 for e in found),
            *(sum(row["status"] == status for row in of) for status in ("doubtful", "none")),
            sum(e > 0.03 for e in found),
        ]
        middle = f"{np.median(found):.2%}" if found else ""
        seconds = f"{np.mean([float(row['seconds']) for row in of]):.1f}"
        lines.append(
            f"| {name} | {len(of)} | {' | '.join(map(str, counts))} | {middle} | {seconds} |"
        )
    return lines


if __name__ == "__main__":
    main()
