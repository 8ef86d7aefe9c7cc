"""Structures that are not there: erased from real beetles, or never drawn on a specimen.

    PYTHONPATH=scripts python tests/bench/absence.py ../shared/data/carabidae --cache build/absence

Of beetles that are no templates, each structure in turn (and one antenna of two) is painted over with what
lies behind it: the background is continued under the whole specimen (biharmonic inpainting), and shows where
the structure was. Of others the photograph ends before the head. Drawn specimens lack structures from the
beginning. Each is segmented without a decision on absence (`absent_below` and `faint_below` 0), and what the
model says of each mask is kept by the SHA-256 of the weights, so that a call goes on where it was, and a
decision is judged at no cost.
"""

import argparse
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from remembering import remembered
from scipy import ndimage
from skimage.measure import label
from skimage.restoration import inpaint_biharmonic

from sam2pal.config.model import BUNDLED_WEIGHTS, ModelOptions
from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.config.stages import ENSEMBLE
from sam2pal.config.structures import read_structures
from sam2pal.dataset.dataset import AnnotatedSpecimen, drawn_annotations
from sam2pal.dataset.files import categories
from sam2pal.dataset.manifest import build_manifest
from sam2pal.dataset.rle import encode_mask
from sam2pal.io.files import sha256
from sam2pal.model import adapters
from sam2pal.model.build import build_model
from sam2pal.model.tracker import Tracker
from sam2pal.research.benchmark.collection import Collection, read_collection
from sam2pal.research.synthetic.collection import draw_collection
from sam2pal.research.synthetic.species import KINDS
from sam2pal.segmentation.shard import segment
from sam2pal.segmentation.states import SURE, Thresholds

NAMES = ["head", "pronotum", "elytra", "legs", "antennae"]
HARMED = {"unharmed": (), **{name: (name,) for name in NAMES}}
HARMED |= {"one antenna": ("antennae",), "head beyond": ("head",)}
EVERY = {
    "unharmed": 1,
    "head": 2,
    "pronotum": 2,
    "elytra": 2,
}  # n-th specimen; of others every sixth
PLATE = 128  # pixels of the longer side on which the background is continued
Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def erase(pixels: Pixels, masks: Mapping[str, Mask], gone: Mask) -> Pixels:
    """The photograph without what `gone` covers, and with all that other masks cover."""
    body = np.logical_or.reduce(list(masks.values()))
    near = max(3, round(max(body.shape) * 0.012))
    around = ndimage.binary_dilation(body, iterations=near)
    behind = _background(pixels, around)
    smooth = np.stack([ndimage.gaussian_filter(channel, 2) for channel in _channels(pixels)], -1)
    free = (pixels - smooth)[~ndimage.binary_dilation(around, iterations=2)]
    if len(free):
        rng = np.random.default_rng(0)
        grain = free[rng.integers(0, len(free), body.size)].reshape(pixels.shape)
        behind += np.stack([ndimage.gaussian_filter(c, 0.7) for c in np.moveaxis(grain, 2, 0)], -1)
    stays = body & ~gone
    hole = ndimage.binary_dilation(gone, iterations=near) & ~stays
    share = np.where(hole, 1.0, ndimage.gaussian_filter(hole.astype(float), 1.0))
    share = np.where(stays, 0.0, share)[..., None]
    return np.clip(pixels * (1 - share) + behind * share, 0, 255).astype(np.uint8)


def _channels(pixels: Pixels) -> Iterator[NDArray[np.float32]]:
    yield from np.moveaxis(pixels, 2, 0).astype(np.float32)


def _background(pixels: Pixels, hole: Mask) -> NDArray[np.float32]:
    """What lies behind `hole`, from what lies around it; computed on few pixels."""
    high, wide = hole.shape
    factor = min(1.0, PLATE / max(high, wide))
    size = max(1, round(wide * factor)), max(1, round(high * factor))

    def resized(values: NDArray, to: tuple[int, int], how: Image.Resampling) -> NDArray[np.float32]:
        return np.asarray(Image.fromarray(values.astype(np.float32)).resize(to, how))

    known = resized(~hole, size, Image.Resampling.BOX)
    small = np.stack(
        [resized(channel * ~hole, size, Image.Resampling.BOX) for channel in _channels(pixels)], -1
    )
    small /= np.maximum(known, 1e-3)[..., None] * 255
    unknown = known < 0.5
    small[unknown] = 0
    filled = inpaint_biharmonic(small, unknown, channel_axis=-1)
    # it overshoots in large holes
    low, high_ = np.percentile(small[~unknown], [2, 98], axis=0)
    filled = np.where(unknown[..., None], np.clip(filled, low, high_), filled)
    return np.stack(
        [
            resized(c * 255, (wide, high), Image.Resampling.BICUBIC)
            for c in np.moveaxis(filled, 2, 0)
        ],
        -1,
    )


def one_piece(mask: Mask) -> Mask:
    """The largest piece: of antennae that do not touch each other, one."""
    pieces = label(mask)
    return pieces == np.bincount(pieces[pieces > 0]).argmax()


def _without(gone: Mask, masks: Mapping[str, Mask]) -> tuple[slice, slice]:
    """The part of the photograph beyond which a structure lies, on the side to which it sticks out."""
    body = np.logical_or.reduce(list(masks.values()))
    rows, columns = (np.flatnonzero(gone.any(axis)) for axis in (1, 0))
    apart = [
        np.mean(of) - np.mean(np.nonzero(body)[axis]) for axis, of in enumerate((rows, columns))
    ]
    axis = int(np.argmax(np.abs(apart)))
    of = (rows, columns)[axis]
    kept = slice(int(of[-1]) + 1, None) if apart[axis] < 0 else slice(0, int(of[0]))
    return (kept, slice(None)) if axis == 0 else (slice(None), kept)


def harmed(
    specimens: Sequence[AnnotatedSpecimen], what: str, folder: Path
) -> dict[str, dict[str, bool]]:
    """Write the photographs of one kind of harm; by specimen, whether each structure is there."""
    folder.mkdir(parents=True, exist_ok=True)
    there: dict[str, dict[str, bool]] = {}
    for specimen in specimens:
        masks = {name: specimen.masks[name] for name in NAMES if name in specimen.masks}
        state = {name: bool(mask.any()) for name, mask in masks.items()}
        gone = next((masks[name] for name in HARMED[what] if state.get(name)), None)
        if what == "one antenna":
            if gone is None or label(gone).max() < 2:
                continue
            gone = one_piece(gone)
        elif what != "unharmed":
            if gone is None:
                continue
            state[HARMED[what][0]] = False
        there[specimen.specimen] = state
        path = folder / f"{specimen.specimen}.png"
        if not path.is_file():
            pixels = np.asarray(Image.open(specimen.path).convert("RGB"))
            if what == "head beyond":
                pixels = pixels[_without(gone, masks)]
            elif gone is not None:
                pixels = erase(pixels, masks, gone)
            Image.fromarray(pixels).save(path)
    return there


def draw(number: int, folder: Path) -> tuple[list[AnnotatedSpecimen], dict[str, dict[str, bool]]]:
    """A template that shows most structures, and specimens of which half lack one."""
    kinds = sorted(KINDS)
    rng = np.random.default_rng([20, number])
    drawings = draw_collection(rng, 10, 320, kinds[number // 2 % len(kinds)], lacking=0.5)
    whole = max(drawings, key=lambda one: sum(mask.any() for mask in one.masks.values()))
    known = {name: mask for name, mask in whole.masks.items() if mask.any()}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder.with_name(f"{folder.name}.png")
    Image.fromarray(whole.pixels).save(path)
    height, width = whole.pixels.shape[:2]
    there, images, annotations = {}, [], []
    for at, drawing in enumerate(drawings):
        if drawing is whole:
            continue
        Image.fromarray(drawing.pixels).save(folder / f"{at:04d}.png")
        there[f"{at:04d}"] = {name: bool(drawing.masks[name].any()) for name in known}
        height, width = drawing.pixels.shape[:2]
        image = {"id": at, "file_name": f"{at:04d}.png", "specimen": f"{at:04d}"}
        images.append(image | {"width": width, "height": height})
        for category, name in enumerate(known, 1):
            rle = encode_mask(drawing.masks[name])
            entry = {"id": len(annotations) + 1, "image_id": at, "category_id": category}
            annotations.append(entry | {"segmentation": rle, "iscrowd": 0})
    truth = {"images": images, "annotations": annotations, "categories": categories(list(known))}
    folder.with_name(f"{folder.name}_truth.json").write_text(json.dumps(truth))
    return [
        AnnotatedSpecimen("template", str(path), width, height, drawn_annotations(known))
    ], there


def collect(arguments: argparse.Namespace) -> Path:
    """Segment what is not in the cache yet; the folder of all results."""
    torch.set_num_threads(1)
    model = build_model(ModelOptions(checkpoint=str(arguments.checkpoint)))
    if arguments.adapter:
        adapters.load(model, arguments.adapter)
    tracker = Tracker(model)
    options = SegmentationOptions(
        absent_below=0.0, faint_below=0.0, window="photograph", ensemble=ENSEMBLE, refine=True
    )
    root = arguments.cache / "photographs"
    results = arguments.cache / weights(arguments.checkpoint, arguments.adapter, arguments.draw)
    results.mkdir(parents=True, exist_ok=True)

    def one(name: str, templates: list, there: dict, folder: Path) -> None:
        names = [structure for structure in templates[0].masks]
        data = segment(
            tracker,
            [s for s in build_manifest(folder, None, 10_000).specimens if s.specimen in there],
            templates,
            read_structures(dict.fromkeys(names)),
            options,
            bundled=True,
        )
        bank = remembered(tracker, templates, names, options)
        own = dict(zip(names, zip(bank.sure, bank.contrast, strict=True), strict=True))
        (results / f"{name}.json").write_text(json.dumps(data | {"there": there, "own": own}))
        print(name, len(data["images"]), flush=True)

    places = [arguments.folder / name for name in arguments.collections]
    for count, what, place in itertools.product(arguments.templates, arguments.harm, places):
        if count > 1 and what not in ("unharmed", *NAMES[:3]):
            continue
        name = f"{place.name}_{count}_{what.replace(' ', '_')}"
        if (results / f"{name}.json").is_file():
            continue
        if arguments.draw:
            collection = Collection(place, NAMES, tracker, torch.device("cpu"))
            drawn = collection.draw(count, arguments.draw, 1)
            templates = [collection.tune[number] for number in drawn]
            beside = {one.specimen for one in templates}
        else:
            templates = read_collection(place, f"templates_{count}.json")
            beside = {one.specimen for one in read_collection(place, "templates_5.json")}
        known = read_collection(place, "annotations.json")
        rest = [specimen for specimen in known if specimen.specimen not in beside]
        folder = root / place.name / what.replace(" ", "_")
        there = harmed(rest[:: EVERY.get(what, 6)], what, folder)
        one(name, templates, there, folder)
    for number in range(arguments.drawn):
        name = f"drawn{number:03d}"
        if not (results / f"{name}.json").is_file():
            one(name, *draw(number, root / name), root / name)
    return results


def judge(results: Path, shares: Sequence[tuple[float, float]]) -> None:
    """Print what each pair of `absent_below` and `faint_below` would call absent.

    Precision is of erased among all that are called absent, with the unharmed photographs alone beside.
    """
    head = ["numbers", "templates", "structure", "shares", "erased, absent", "unharmed, absent"]
    print("| " + " | ".join([*head, "others erased, absent", "precision"]) + " |")
    print("| --- " * 8 + "|")
    rows = [row for path in sorted(results.glob("*.json")) for row in _rows(path)]
    groups = sorted({(row["parity"], row["templates"]) for row in rows})
    for (parity, templates), name, share in itertools.product(groups, [*NAMES, "any"], shares):
        counts = {kind: [0, 0] for kind in ("erased", "unharmed", "others")}
        for row in rows:
            if (row["parity"], row["templates"]) != (parity, templates):
                continue
            if name not in (row["structure"], "any") or (name == "any") != (templates == "drawn"):
                continue
            kind = "others" if row["what"] in NAMES + ["one_antenna"] else "unharmed"
            kind = kind if row["there"] else "erased"
            counts[kind][0] += row["empty"] or not row["met"](*share)
            counts[kind][1] += 1
        if counts["unharmed"][1]:
            right, wrong = counts["erased"][0], counts["unharmed"][0]
            cells = [f"{found} of {n}" for found, n in counts.values()]
            cells.append(f"{right / max(right + wrong, 1):.2f}")
            place = [("even", "odd")[parity], templates, name, " ".join(map(str, share))]
            print("| " + " | ".join(place + cells) + " |")


def _rows(path: Path) -> Iterator[dict]:
    """What is known of each structure of the specimens of one kind of harm."""
    data = json.loads(path.read_text())
    collection, templates, what = (path.stem.split("_", 2) + ["drawn", "drawn"])[:3]
    if what == "head_beyond":
        return
    names = {one["id"]: one["name"] for one in data["categories"]}
    specimens = {one["id"]: one["specimen"] for one in data["images"]}
    for entry in data["annotations"]:
        specimen, name = specimens[entry["image_id"]], names[entry["category_id"]]
        there = data["there"].get(specimen, {}).get(name)
        if there is not None:
            number = collection.removeprefix("drawn") if what == "drawn" else specimen
            yield {
                "parity": int(number) % 2, "templates": templates, "what": what,
                "structure": name, "there": there, "empty": not entry["area"],
                "met": partial(_met, entry["confidence"], *data["own"][name]),
            }  # fmt: skip


def _met(
    signals: dict, sure: float, contrast: float, absent_below: float, faint_below: float
) -> bool:
    return Thresholds(absent_below * sure, faint_below * contrast, SURE * sure).is_met(signals)


def weights(
    checkpoint: Path = BUNDLED_WEIGHTS, adapter: Path | None = None, draw: int | None = None
) -> str:
    """What tells weights, what training made of them, and a draw of templates from others."""
    name = sha256(checkpoint)[:12]
    name += f"-{sha256(adapter / 'adapter_model.safetensors')[:12]}" if adapter else ""
    return f"{name}-draw{draw}" if draw else name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="collections with annotations and templates")
    parser.add_argument("--collections", nargs="*", default=["pinned", "tray"])
    parser.add_argument("--harm", nargs="*", choices=HARMED, default=list(HARMED))
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, default=BUNDLED_WEIGHTS, help="other weights")
    parser.add_argument("--adapter", type=Path, help="of a trained model")
    parser.add_argument("--templates", type=int, nargs="*", default=[1, 5])
    parser.add_argument("--draw", type=int, help="templates as the benchmark draws them")
    parser.add_argument("--drawn", type=int, default=40, help="drawn collections")
    arguments = parser.parse_args()
    results = collect(arguments)
    today = SegmentationOptions()
    shares = [(0.0, 0.0), (today.absent_below, today.faint_below), (0.0, 0.4), (0.2, 0.5)]
    judge(results, shares)


if __name__ == "__main__":
    main()
