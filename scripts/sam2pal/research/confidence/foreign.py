"""Photographs of what the templates do not show: other things, or nothing."""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from sam2pal.dataset.dataset import AnnotatedSpecimen
from sam2pal.research.confidence.cases import Case, drawn_cases

SETS = {
    "ants": "antweb_unlabelled",
    "animals": "real_masks/openimages_animals",
    "chickens": "real_masks/chicken_parts",
    "faces": "real_masks/faces_generated",
    "tissue": "real_masks/drosophila_tissue",
    "trees": "real_masks/tree_parts",
}
TRIES = 300  # squares of background


def foreign_to_drawn(
    folder: Path, genera: Sequence[int], others: Mapping[str, Sequence[AnnotatedSpecimen]]
) -> Iterator[Case]:
    """Drawn genera with specimens of another one, backgrounds, other pictures, by their set, and two of their
    own in a photograph.
    """
    alone = [case for case in drawn_cases(folder, genera) if len(case.templates) == 1]
    for number, case in enumerate(alone):
        there, other = case.specimens, alone[(number + 1) % len(alone)].specimens
        some = [("genus", other[0]), ("genus", other[1])]
        half = list(others)[number % 2 :: 2]
        some += [(name, others[name][number]) for name in half if number < len(others[name])]
        nothing = background(there[0], folder / "backgrounds")
        some += [("background", nothing)] if nothing else []
        some += [("two", side_by_side(*there[i : i + 2], folder / "two")) for i in (0, 2)]
        yield replace(case, name=f"foreign-{case.name}", specimens=named(some))


def pictures(data: Path, name: str, half: int) -> list[AnnotatedSpecimen]:
    """Half of the pictures of a set, in an order of chance, without masks."""
    files = sorted((data / SETS[name] / "images").glob("*.*"))
    chosen = [path for path in files if zlib.crc32(path.name.encode()) // 7 % 2 == half]
    order = np.random.default_rng(zlib.crc32(name.encode())).permutation(len(chosen))
    return [bare(chosen[i]) for i in order]


def background(one: AnnotatedSpecimen, folder: Path) -> AnnotatedSpecimen | None:
    """The largest square found that shows nothing of a specimen, mirrored to the size of the photograph."""
    path = folder / f"{Path(one.path).parent.parent.name}-{one.specimen}.png"
    if not path.is_file():
        pixels = np.asarray(Image.open(one.path).convert("RGB"))
        drawn = np.logical_or.reduce(list(one.masks.values()))
        height, width = drawn.shape
        rng = np.random.default_rng(zlib.crc32(path.name.encode()))
        best = (0, 0, 0)
        for _ in range(TRIES):
            side = int(rng.integers(8, min(height, width)))
            top, left = int(rng.integers(height - side)), int(rng.integers(width - side))
            if side > best[0] and not drawn[top : top + side, left : left + side].any():
                best = side, top, left
        side, top, left = best
        if side < 16:
            return None
        piece = pixels[top : top + side, left : left + side]
        wider = ((0, max(0, height - side)), (0, max(0, width - side)), (0, 0))
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.pad(piece, wider, mode="symmetric")).save(path)
    return bare(path)


def side_by_side(
    one: AnnotatedSpecimen, other: AnnotatedSpecimen, folder: Path
) -> AnnotatedSpecimen:
    """A photograph of two specimens."""
    path = folder / f"{Path(one.path).parent.parent.name}-{one.specimen}.png"
    if not path.is_file():
        left, right = (Image.open(of.path).convert("RGB") for of in (one, other))
        right = right.resize((max(1, right.width * left.height // right.height), left.height))
        both = Image.new("RGB", (left.width + right.width, left.height))
        both.paste(left, (0, 0))
        both.paste(right, (left.width, 0))
        path.parent.mkdir(parents=True, exist_ok=True)
        both.save(path)
    return bare(path)


def named(some: Iterable[tuple[str, AnnotatedSpecimen]]) -> tuple[AnnotatedSpecimen, ...]:
    """Specimens that are named by what they are; nothing is drawn on them."""
    return tuple(
        replace(one, specimen=f"{kind}/{one.specimen}", annotations={}) for kind, one in some
    )


def bare(path: Path) -> AnnotatedSpecimen:
    """A picture without masks."""
    with Image.open(path) as image:
        return AnnotatedSpecimen(path.stem, str(path), *image.size, {})
