"""Second reading of the files: photograph, outlines and masks of one specimen at a time."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from sam2pal.config.review import ReviewOptions
from sam2pal.dataset.previews import Previews
from sam2pal.dataset.runs import Runs, rle_size
from sam2pal.images.address import split
from sam2pal.images.orientation import upright_points
from sam2pal.images.reading import Photograph, inspect, read_photograph
from sam2pal.io.errors import InputError
from sam2pal.review.outlines import svg_path
from sam2pal.review.overlay import fit, shrink, trace
from sam2pal.review.shards import Entry

UNITS = 10  # units of the SVG's coordinates a pixel of the picture
# of a copy of what no browser shows; larger ones are reduced, those of cameras of 100 megapixels not
COPIED_PIXELS = 120_000_000
_COPY_QUALITY = 90
_LONGEST = 65_500  # pixels of a JPEG's side, libjpeg's own limit
_ORIENTED = (b"\xff\xd8\xff",)  # JPEG: browsers obey its EXIF orientation
_IN_BROWSERS = (*_ORIENTED, b"\x89PNG", b"RIFF", b"BM")


@dataclass
class ShownSpecimen:
    """One specimen with its photograph, ready to be drawn.

    Attributes:
        photograph: None if it cannot be shown; `problem` then says why.
        masks: RLE of the masks that are there, as stored on disk, by structure; none if the photograph is
            no longer the one that was segmented.
        width, height: of what is shown, in pixels; 0 if not known.
        copy: whether browsers need a copy of the photograph.
        small: the photograph with few pixels, if these were kept.
        predicted: as `masks`, of what was predicted where a person's mask stands.
    """

    entry: Entry
    photograph: Photograph | None
    masks: dict[str, dict[str, Any]]
    width: int
    height: int
    problem: str = ""
    copy: bool = False
    small: Photograph | None = None
    predicted: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def orientation(self) -> int:
        """EXIF orientation by which masks must be turned to lie on what is shown."""
        return 1 if self.photograph is None else self.photograph.orientation

    def upright(self) -> dict[str, np.ndarray]:
        """The masks, bool `[H, W]`, upright if there is a photograph, else as stored."""
        masks = {name: self.entry.specimen.annotations[name].mask() for name in self.masks}
        if self.photograph is None:
            return masks
        return {name: self.photograph.to_upright(mask) for name, mask in masks.items()}


def show(
    entry: Entry, at_least: int | None = None, previews: Previews | None = None
) -> ShownSpecimen:
    """Read the photograph of an entry that has masks.

    Args:
        at_least: longer side in pixels that the photograph is needed with; see `read_photograph`.
        previews: small pictures: a photograph of which one is large enough is not decoded.

    Raises:
        InputError: a mask is damaged, or has another size than the photograph.
    """
    specimen = entry.specimen
    masks = {name: of.annotation.rle for name, of in entry.marks.items() if not of.absent}
    predicted = {
        name: before.rle
        for name, of in entry.marks.items()
        if (before := of.annotation.before) and before.area
    }
    try:
        file, window = split(entry.path)
        start = _start(file)
        copy = window is not None or not start.startswith(_IN_BROWSERS)
        kept = previews.of(specimen.specimen, file, at_least) if previews and at_least else None
        if kept is None or copy:
            photograph = read_photograph(entry.path, None if copy else at_least)
        else:
            of, (pixels, frame) = inspect(entry.path), kept
            photograph = Photograph(pixels, of.orientation, of.width, of.height, of.notes, frame)
        if photograph.orientation != 1 and not start.startswith(_ORIENTED) and not copy:
            copy, photograph = True, read_photograph(entry.path)
    except InputError as error:
        problem = f"The photograph cannot be shown: {error}. Masks are as stored on disk."
        size = specimen.width, specimen.height
        return ShownSpecimen(entry, None, masks, *size, problem, predicted=predicted)
    height, width = photograph.displayed_shape
    size = photograph.width, photograph.height
    if specimen.width and size != (specimen.width, specimen.height):
        problem = (
            f"The photograph has {photograph.width} x {photograph.height} pixels now, but had"
            f" {specimen.width} x {specimen.height} when it was segmented: run the workflow again."
        )
        return ShownSpecimen(entry, photograph, {}, width, height, problem, copy)
    for name, rle in [*masks.items(), *predicted.items()]:
        high, wide = rle_size(rle)
        if (wide, high) != size:
            raise InputError(
                f"{specimen.annotations[name].where}: the mask has {wide} x {high} pixels, the"
                f" photograph {size[0]} x {size[1]}; run the workflow again"
            )
    small = kept and replace(photograph, pixels=kept[0], frame=kept[1])
    return ShownSpecimen(
        entry, photograph, masks, width, height, copy=copy, small=small, predicted=predicted
    )


def picture(shown: ShownSpecimen, options: ReviewOptions, target: Path) -> dict[str, Any] | None:
    """Write the picture of a specimen, and give its size and its outlines as SVG paths.

    Returns:
        `width`, `height` in pixels, `paths` and `predicted` (`d` by structure), `windows` (`d` of all that
        the model saw, if not the whole photograph), `written`; None if nothing is known that could be shown.
    """
    if not (shown.width and shown.height):
        return None
    width, height = fit(shown.width, shown.height, options.side)
    if shown.photograph is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        image = shrink(shown.small or shown.photograph, options.side)
        image.save(target, "JPEG", quality=options.quality)
    scale = (UNITS * width / shown.width, UNITS * height / shown.height)
    paths, predicted = (
        {name: _path(shown, rle, max(width, height), scale) for name, rle in masks.items()}
        for masks in (shown.masks, shown.predicted)
    )
    return {
        "width": width,
        "height": height,
        "paths": paths,
        "predicted": predicted,
        "windows": _frames(shown, scale),
        "written": shown.photograph is not None,
    }


def write_copy(shown: ShownSpecimen, target: Path) -> None:
    """Write a JPEG of a photograph that no browser shows, upright and at its size where that is possible."""
    import simplejpeg  # here, as few photographs need it

    assert shown.photograph is not None
    target.parent.mkdir(parents=True, exist_ok=True)
    longer, pixels = max(shown.width, shown.height), shown.photograph.pixels
    most = min(_LONGEST, int(longer * (COPIED_PIXELS / (shown.width * shown.height)) ** 0.5))
    if most < longer:
        pixels = np.asarray(shrink(pixels, most))
    pixels = np.ascontiguousarray(pixels)
    # Pillow takes three times as long, to copy them first
    target.write_bytes(simplejpeg.encode_jpeg(pixels, _COPY_QUALITY, "RGB", "420"))


def address(path: str, folder: Path) -> str:
    """The address of a photograph as seen from a page in `folder`; empty if it has none."""
    try:
        relative = os.path.relpath(os.path.abspath(path), os.path.abspath(folder))
    except ValueError:  # another drive
        return ""
    return quote(Path(relative).as_posix())


def _path(shown: ShownSpecimen, rle: dict[str, Any], side: int, scale: tuple[float, float]) -> str:
    mask, top, left = Runs.from_rle(rle).window()
    height, width = rle_size(rle)
    polygons = [
        upright_points(polygon + (left, top), shown.orientation, width, height)
        for polygon in trace(mask, side, max(height, width))
    ]
    return svg_path(polygons, scale)


def _frames(shown: ShownSpecimen, scale: tuple[float, float]) -> str:
    specimen = shown.entry.specimen
    frames = []
    for left, top, width, height in specimen.windows if not shown.problem else ():
        right, bottom = left + width, top + height
        corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
        size = specimen.width, specimen.height
        frames.append(upright_points(np.array(corners), shown.orientation, *size))
    return svg_path(frames, scale)


def _start(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(16)
    except OSError:
        return b""  # read_photograph says what is wrong
