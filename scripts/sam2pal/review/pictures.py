"""Every mask of a shard as pictures: outlines over the photographs, or indexed masks."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from sam2pal.dataset.corrections import REFUSED
from sam2pal.dataset.dataset import AnnotatedSpecimen, Dataset
from sam2pal.dataset.judged import Corrections
from sam2pal.images.reading import read_photograph
from sam2pal.io.errors import InputError
from sam2pal.io.progress import Progress
from sam2pal.review.colours import line_styles
from sam2pal.review.folders import temporary_folder
from sam2pal.review.overlay import render_overlay

KINDS = ("overlays", "indexed")


def write_pictures(
    predictions: str | Path,
    kind: str,
    folder: str | Path,
    corrections: Corrections | None = None,
    progress: str | Path | None = None,
) -> int:
    """Draw the masks of a file of predictions, a picture per specimen, into a folder that is replaced.

    Args:
        kind: `overlays`, JPEG: filled outlines over the photograph, upright, at its size; or `indexed`, PNG
            as large and as turned as the photograph on disk: 0 or the place of the structure in `legend.csv`.
        corrections: what people said: corrected masks stand, and what was rejected is not drawn.
        progress: file to keep: how far it is.

    Returns:
        How many were written: of all specimens that have masks.

    Raises:
        InputError: the predictions are damaged, or a photograph is not the one they were made from.
    """
    dataset = Dataset(predictions)
    if corrections is not None:
        corrections.apply(dataset)
    folder = Path(folder)
    drawn = 0
    bar = Progress(progress, "specimen", len(dataset.specimens))
    with temporary_folder(folder) as build, bar:
        if kind == "indexed":
            lines = [f"{number},{name}\n" for number, name in enumerate(dataset.structures, 1)]
            (build / "legend.csv").write_text("value,structure\n" + "".join(lines), "utf-8")
        for specimen in bar.over(dataset.specimens):
            if specimen.status != "ok":
                continue
            used = {n: of for n, of in specimen.annotations.items() if of.verdict not in REFUSED}
            specimen = dataclasses.replace(specimen, annotations=used)
            path = build / f"{specimen.specimen}.{'png' if kind == 'indexed' else 'jpg'}"
            path.parent.mkdir(parents=True, exist_ok=True)
            if kind == "indexed":
                _indexed(specimen, dataset.parents).save(path)
            else:
                _overlay(specimen, dataset.structures).save(path, quality=90)
            drawn += 1
    return drawn


def _overlay(specimen: AnnotatedSpecimen, structures: Sequence[str]) -> Image.Image:
    photograph = read_photograph(specimen.path)
    if (photograph.width, photograph.height) != (specimen.width, specimen.height):
        raise InputError(
            f"{specimen.path}: the photograph changed since its masks were made; run the workflow again"
        )
    upright = {name: photograph.to_upright(mask) for name, mask in specimen.masks.items()}
    return Image.fromarray(
        render_overlay(photograph.pixels, upright, structures, fill=0.2, legend=True)
    )


def _indexed(specimen: AnnotatedSpecimen, parents: Mapping[str, str]) -> Image.Image:
    """Where structures lie over each other, parts are on top of what they are part of."""
    values = np.zeros((specimen.height, specimen.width), np.uint8)
    numbers = {name: number for number, name in enumerate(parents, 1)}
    masks = specimen.masks
    for name in sorted(masks, key=lambda name: (_depth(name, parents), numbers[name])):
        values[masks[name]] = numbers[name]
    picture = Image.fromarray(values, "P")
    colours = [0, 0, 0]
    for style in line_styles(list(parents)).values():
        colours += style.rgb
    picture.putpalette(colours)
    return picture


def _depth(name: str, parents: Mapping[str, str]) -> int:
    parent = parents.get(name, "")
    return 1 + _depth(parent, parents) if parent else 0
