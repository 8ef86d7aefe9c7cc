"""How far landmarks on real beetles are from where drawn masks put them.

    PYTHONPATH=scripts python tests/bench/landmarks.py ../shared/data/carabidae --folder build/landmarks

Truth are the points that drawn masks define (shapes/landmarks.py). From one template, or `warped` from five,
and predicted masks:
`mask` takes the same points of the predicted masks, `scaled` the template's points scaled by the box of
their structure in the body's frame, `along` those at the same share of the structure's length and of its
width there, `warped` those of shapes/transfer.py, and `feature` the place in the
structure's mask whose features are most like the template's at the landmark, on photographs cut alike along
the body's axis (the maps of the model's encoder, normalised, on the finest grid, refined by a parabola).
`return` is the rank correlation of an error with that of the way back. Cells: median and 95th percentile of
the error, % of the body's length.

The last table judges the confidence of bent landmarks by points where structures meet, on specimens all of
whose body is measured: `itself` may be the nearest point that masks define, or `another` is. `--fit` prints
the weights that these give, of both.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import shapely
import torch
import torch.nn.functional as F
from PIL import Image
from scipy import ndimage, stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sam2pal.config.model import ModelOptions
from sam2pal.config.segmentation import SegmentationOptions
from sam2pal.config.stages import ENSEMBLE
from sam2pal.config.structures import read_structures
from sam2pal.dataset.convert import convert
from sam2pal.dataset.dataset import AnnotatedSpecimen, Dataset
from sam2pal.dataset.manifest import build_manifest
from sam2pal.images.letterbox import IMAGENET_MEAN, IMAGENET_STD
from sam2pal.model.build import build_model
from sam2pal.model.tracker import Tracker
from sam2pal.morphometrics.geometry.moments import pixel_moments
from sam2pal.morphometrics.geometry.shape import Shape, measure_together
from sam2pal.morphometrics.shapes.frame import BodyFrame
from sam2pal.morphometrics.shapes.landmarks import landmarks
from sam2pal.morphometrics.shapes.outlines import OrientedOutline, in_one_piece
from sam2pal.morphometrics.shapes.transfer import OutlinedBody, Template, bent, confidence, transfer
from sam2pal.segmentation.shard import segment

BODY, SLENDER = ["head", "pronotum", "elytra"], ["antennae"]
NAMES = [*BODY, "legs", *SLENDER]
METHODS = ("mask", "scaled", "along", "warped", "feature")
END = 0.02  # of a structure's length: its width is taken no nearer to its ends
GROUPS = {
    "where structures meet": lambda name: "-" in name,
    "front and rear": lambda name: name.endswith((".front", ".rear")),
    "left and right": lambda name: name.endswith((".left", ".right")) and "-" not in name,
    "antennae": lambda name: name.startswith("antennae"),
}
WRONG, LEAST, MEASURED = 0.05, 0.9, 0.5  # of the body's length; least confidences
PIECE = 8  # specimens
FILLED = 0.8  # of the square's side that the body fills when features are compared


class Known:
    """A specimen's masks as the transfers see them."""

    def __init__(self, specimen: AnnotatedSpecimen) -> None:
        self.path = specimen.path
        self.masks = {name: mask for name, mask in specimen.masks.items() if mask.any()}
        shapes = {name: Shape.of(mask, min_part=0.01) for name, mask in self.masks.items()}
        body = np.logical_or.reduce([self.masks[name] for name in BODY if name in shapes])
        moments = pixel_moments(body)
        ends = shapes["head"].moments, shapes["elytra"].moments
        self.frame = BodyFrame.of(moments, moments.angle, *ends, False)
        slender = {name: shapes[name] for name in SLENDER if name in shapes}
        measure_together(list(slender.values()))
        whole = {n: of for n, of in shapes.items() if n in BODY and in_one_piece(of.parts)}
        self.outlines = {
            name: OrientedOutline(of.parts[0], self.frame) for name, of in whole.items()
        }
        self.landmarks = landmarks(self.outlines, slender, BODY, self.frame)
        points = {
            name: self.frame.local(np.concatenate([part.outer.points for part in of.parts]))
            for name, of in shapes.items()
        }
        self.boxes = {name: (of.min(0), of.max(0)) for name, of in points.items()}
        every = np.concatenate([points[name] for name in BODY if name in points])
        self.low, self.high = every.min(0), every.max(0)
        self.length = float(self.high[1] - self.low[1])

    def across(self, name: str, forward: float) -> tuple[float, float] | None:
        """Left and right of an outlined structure, where it is so far forwards in the frame."""
        area = shapely.Polygon(self.frame.local(self.outlines[name].points)).buffer(0)
        far = 10 * self.length
        cut = shapely.intersection(area, shapely.LineString([(-far, forward), (far, forward)]))
        return None if cut.is_empty else (cut.bounds[0], cut.bounds[2])

    def cut(self, image: Image.Image, side: int, resampling: Image.Resampling) -> np.ndarray:
        """A picture with the body upright in a square."""
        scale = FILLED * side / self.length
        right, forward = self.frame.right, self.frame.forward
        corner = self.square_to_photograph(np.zeros(2), side)
        step = (right[0] / scale, -forward[0] / scale), (right[1] / scale, -forward[1] / scale)
        matrix = (*step[0], corner[0], *step[1], corner[1])
        return np.asarray(image.transform((side, side), Image.Transform.AFFINE, matrix, resampling))

    def square_to_photograph(self, point: np.ndarray, side: int) -> np.ndarray:
        scale, middle = FILLED * side / self.length, (self.low + self.high) / 2
        return self.frame.photograph((point - side / 2) * (1, -1) / scale + middle)

    def photograph_to_square(self, point: np.ndarray, side: int) -> np.ndarray:
        scale, middle = FILLED * side / self.length, (self.low + self.high) / 2
        return (self.frame.local(point[None])[0] - middle) * (1, -1) * scale + side / 2

    def encode(self, tracker: Tracker) -> torch.Tensor:
        """Normalised features of the cut, [C, 64, 64] or the size of the finest map."""
        with Image.open(self.path) as image:
            cut = self.cut(image.convert("RGB"), tracker.image_size, Image.Resampling.BICUBIC)
        pixels = (cut / 255 - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)
        square = torch.from_numpy(pixels.transpose(2, 0, 1)).float()[None]
        maps = tracker.encode(square).maps
        size = max(of.shape[-1] for of in maps)
        large = [F.interpolate(of, (size, size), mode="bilinear")[0] for of in maps]
        alike = [F.normalize(of - of.mean((1, 2), keepdim=True), dim=0) for of in large]
        return F.normalize(torch.cat(alike), dim=0)

    def where(self, names: list[str], side: int, grid: int) -> np.ndarray:
        """Cells of the cut in or beside structures."""
        mask = np.logical_or.reduce([self.masks[name] for name in names if name in self.masks])
        cut = self.cut(Image.fromarray(mask), side, Image.Resampling.NEAREST)
        return ndimage.binary_dilation(cut.reshape(grid, side // grid, grid, -1).any((1, 3)))


def nearest(features: torch.Tensor, wanted: torch.Tensor, cells: np.ndarray) -> np.ndarray:
    """(x, y) in cells of the place most like `wanted`, refined by a parabola."""
    alike = np.where(cells, torch.einsum("chw,c->hw", features, wanted).numpy(), -np.inf)
    row, column = np.unravel_index(alike.argmax(), alike.shape)
    place = np.array([column + 0.5, row + 0.5])
    for axis, line, at in ((0, alike[row], column), (1, alike[:, column], row)):
        if 0 < at < len(line) - 1 and np.isfinite(line[at - 1 : at + 2]).all():
            before, here, after = line[at - 1 : at + 2]
            bend = before - 2 * here + after
            place[axis] += np.clip((before - after) / 2 / bend, -0.5, 0.5) if bend < 0 else 0
    return place


def at(features: torch.Tensor, cells: np.ndarray) -> torch.Tensor:
    grid = torch.tensor(cells * 2 / features.shape[-1] - 1, dtype=torch.float32)
    return F.grid_sample(features[None], grid[None, None, None], align_corners=False)[0, :, 0, 0]


def structures_of(name: str) -> list[str]:
    return name.split(".")[0].split("-")


def along(template: Known, one: Known, name: str, point: np.ndarray) -> np.ndarray | None:
    """The place at the same share of the structure's length, and of its width there."""
    if name not in template.outlines or name not in one.outlines:
        return None
    (low, high), (low_here, high_here) = template.boxes[name], one.boxes[name]
    across, forward = template.frame.local(point[None])[0]
    share = (forward - low[1]) / (high[1] - low[1])
    inner = min(max(share, END), 1 - END)
    sides = template.across(name, low[1] + inner * (high[1] - low[1]))
    here = one.across(name, low_here[1] + inner * (high_here[1] - low_here[1]))
    if sides is None or here is None or sides[0] == sides[1]:
        return None
    place = here[0] + (across - sides[0]) / (sides[1] - sides[0]) * (here[1] - here[0])
    return one.frame.photograph(
        np.array([place, low_here[1] + share * (high_here[1] - low_here[1])])
    )


def errors(templates: list[Known], one: Known, truth: Known, tracker: Tracker) -> list[dict]:
    """Of each landmark of the first template the error of each method, and that of the ways back."""
    template = templates[0]
    side = tracker.image_size
    own, other = template.encode(tracker), one.encode(tracker)
    cell = side / own.shape[-1]
    bodies = [OutlinedBody(of.frame, of.outlines, of.landmarks) for of in (template, one)]
    drawn = [Template(of.frame, of.outlines, of.landmarks, of.landmarks) for of in templates]
    warped = transfer(drawn, bodies[1], 1.0)
    placed = Template(*vars(bodies[1]).values(), {n: tuple(of.point) for n, of in warped.items()})
    returned = transfer([placed], bodies[0], 1.0)
    rows = []
    for name, point in template.landmarks.items():
        names = structures_of(name)
        if name not in truth.landmarks or names[0] not in one.masks:
            continue
        (low, high), (low_here, high_here) = template.boxes[names[0]], one.boxes[names[0]]
        share = (template.frame.local(point[None])[0] - low) / (high - low)
        found = {"mask": one.landmarks.get(name)}
        found["scaled"] = one.frame.photograph(low_here + share * (high_here - low_here))
        found["along"] = along(template, one, names[0], point)
        found["warped"] = warped[name].point if name in warped else None
        start = template.photograph_to_square(point, side) / cell
        place = nearest(other, at(own, start), one.where(names, side, own.shape[-1]))
        found["feature"] = one.square_to_photograph(place * cell, side)
        back = nearest(own, at(other, place), template.where(names, side, own.shape[-1]))
        missed = {
            of: None if point is None else np.hypot(*(point - truth.landmarks[name])) / truth.length
            for of, point in found.items()
        }
        missed["feature back"] = float(np.hypot(*(back - start)))
        if name in returned:
            missed["warped back"] = float(np.hypot(*(returned[name].point - point)))
        rows.append({"name": name, **missed})
    return rows


def evidence(templates: list[Known], one: Known, truth: Known, masks: float) -> list[dict]:
    """Of each point where structures meet the error and what its confidence is made of."""
    rows = []
    body = OutlinedBody(one.frame, one.outlines, one.landmarks)
    for name in dict.fromkeys(name for of in templates for name in of.landmarks):
        if "-" not in name or name not in truth.landmarks or masks < MEASURED:
            continue
        for near in ("itself", "another"):
            found = []
            for of in templates:
                if name in of.landmarks:
                    defined = dict(of.landmarks)
                    if near == "another":
                        del defined[name]
                    drawn = {name: of.landmarks[name]}
                    found += bent(Template(of.frame, of.outlines, defined, drawn), body)
            if found:
                _, places, changes, misses = zip(*found, strict=True)
                off = one.frame.photograph(np.mean(places, axis=0)) - truth.landmarks[name]
                known = {"near": near, "masks": masks}
                known |= {"change": float(np.mean(changes)), "miss": float(np.mean(misses))}
                rows.append(known | {"wrong": bool(np.hypot(*off) > WRONG * truth.length)})
    return rows


def judge(rows: list[dict], fit: bool) -> None:
    """Print how well confidences tell errors, and the weights of a logistic regression."""
    print(
        "| nearest | n | errors above 5 % | AUROC | ECE | below 0.9 | of the errors |\n"
        + "| --- " * 7
        + "|"
    )
    for near in ("itself", "another"):
        of = [row for row in rows if row["near"] == near]
        wrong = np.array([row["wrong"] for row in of])
        sure = np.array([confidence(row["masks"], row["change"], row["miss"]) for row in of])
        bins = np.array_split(np.argsort(sure), 8)
        apart = [len(b) * abs((~wrong[b]).mean() - sure[b].mean()) for b in bins]
        low = sure < LEAST
        cells = [
            f"{roc_auc_score(~wrong, sure):.2f}", f"{sum(apart) / len(of):.3f}",
            f"{low.mean():.0%}", f"{low[wrong].mean():.0%} ({low[wrong].sum()} of {wrong.sum()})",
        ]  # fmt: skip
        print(f"| {near} | {len(of)} | {wrong.mean():.1%} | " + " | ".join(cells) + " |")
    if fit:
        masks = np.clip([row["masks"] for row in rows], 0.01, 0.995)
        x = np.stack(
            [
                np.log(masks / (1 - masks)),
                [row["change"] for row in rows],
                np.log(np.array([row["miss"] for row in rows]) + 0.005),
            ],
            axis=1,
        )
        model = make_pipeline(StandardScaler(), LogisticRegression())
        model.fit(x, [not row["wrong"] for row in rows])
        weights = model[1].coef_[0] / model[0].scale_
        prior = float(model[1].intercept_[0] - weights @ model[0].mean_)
        print(f"prior {prior:.2f}, masks, change, miss", np.round(weights, 2))


def predicted(
    collection: Path, drawn: Path, parity: int, folder: Path, tracker: Tracker
) -> Iterator[AnnotatedSpecimen]:
    """Masks of specimens with odd (1) or even numbers, kept in pieces: a call goes on where one ended."""
    structures = dict.fromkeys(NAMES)
    source = convert(drawn, collection / "images", structures)
    templates = Dataset(source, source="drawn", where="templates").specimens
    listed = build_manifest(collection / "images", None, 1000).specimens
    wanted = [one for one in listed if int(one.specimen) % 2 == parity]
    folder.mkdir(parents=True, exist_ok=True)
    asked = read_structures(structures), SegmentationOptions(ensemble=ENSEMBLE, refine=True)
    for first in range(0, len(wanted), PIECE):
        path, piece = folder / f"{first:04}.json", wanted[first : first + PIECE]
        if not path.is_file():
            with torch.inference_mode():
                found = segment(tracker, piece, templates, *asked, bundled=True)
                path.write_text(json.dumps(found))
        yield from Dataset(path).specimens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--folder", type=Path, required=True, help="predictions are kept there")
    parser.add_argument("--parity", type=int, default=1, choices=(0, 1))
    parser.add_argument("--collections", nargs="+", default=["pinned", "tray"])
    parser.add_argument("--templates", type=int, default=1, choices=(1, 5))
    parser.add_argument("--fit", action="store_true", help="print weights of the confidence")
    arguments = parser.parse_args()
    judged: list[dict] = []
    tracker = Tracker(build_model(ModelOptions()))
    print("| collection | landmarks | n | " + " | ".join(METHODS) + " |")
    print("| --- " * (3 + len(METHODS)) + "|")
    for name in arguments.collections:
        collection, count = arguments.data / name, arguments.templates
        folder = arguments.folder / f"{name}{arguments.parity}_{count}"
        drawn = collection / f"templates_{count}.json"
        every = convert(
            collection / "annotations.json", collection / "images", dict.fromkeys(NAMES)
        )
        truth = Dataset(every, source="drawn", where="truth").by_specimen()
        used = [Path(of["file_name"]).stem for of in json.loads(drawn.read_text())["images"]]
        templates = [Known(truth[stem]) for stem in used if whole(truth[stem])]
        rows = []
        for one in predicted(collection, drawn, arguments.parity, folder, tracker):
            shown = truth.get(one.specimen)
            if shown is not None and one.specimen not in used and whole(one) and whole(shown):
                found = Known(replace(one, path=shown.path)), Known(shown)
                sure = [one.annotations[of].score or 0.0 for of in BODY if of in one.annotations]
                judged += evidence(templates, *found, min(sure))
                with torch.inference_mode():
                    rows += errors(templates, *found, tracker)
        for group, belongs in GROUPS.items():
            of = [row for row in rows if belongs(row["name"])]
            cells = []
            for method in METHODS:
                off = 100 * np.array([row[method] for row in of if row[method] is not None])
                cells.append(
                    f"{np.median(off):.1f}, {np.percentile(off, 95):.1f} (n {len(off)})"
                    if len(off)
                    else ""
                )
            print(f"| {name} | {group} | {len(of)} | " + " | ".join(cells) + " |", flush=True)
        for method in ("warped", "feature"):
            both = [(row[method], row[f"{method} back"]) for row in rows if f"{method} back" in row]
            told = stats.spearmanr(*zip(*both, strict=True)).statistic
            print(f"{name}: return of {method} against its error: rank correlation {told:.2f}")
    judge(judged, arguments.fit)


def whole(specimen: AnnotatedSpecimen) -> bool:
    """Whether it has the masks that its direction comes from."""
    return all(end in specimen.masks and specimen.masks[end].any() for end in ("head", "elytra"))


if __name__ == "__main__":
    main()
