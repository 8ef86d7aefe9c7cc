"""Photographs of many specimens: the box, name and window of each."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from sam2pal.dataset.dataset import AnnotatedSpecimen
from sam2pal.dataset.drawing import is_number, positive_size
from sam2pal.dataset.files import Coco, check, read_json
from sam2pal.dataset.manifest import Windowed
from sam2pal.dataset.photographs import PhotographFile, Photographs
from sam2pal.images.foreground import SIDE as SMALL
from sam2pal.images.foreground import Silhouette, regions_like, to_lab
from sam2pal.images.reading import Photograph
from sam2pal.images.rows import names_of, numbered
from sam2pal.images.trays import ALIKE, LIKE, SIDE, specimens_in
from sam2pal.images.window import Window
from sam2pal.io.errors import DamagedError, InputError
from sam2pal.io.files import atomic
from sam2pal.io.spelling import composed

OUTLINED = 256  # pixels of an outline's longer side suffice
FAR = 0.1  # of the longest piece: what is drawn at twice that distance may be another specimen
ALONE = 0.6  # of the photograph's longer side: beside a specimen of that length no other has room
FEW_PIXELS = 100  # of a specimen's length: a tray whose specimens mostly have fewer is searched at
LARGER_SIDE = 3072
MARGIN = 0.05  # of a box's longer side, on each side of it
TOUCHES = "it touches another specimen, or is more than one"
FOUND, DRAWN = "found", "drawn"


@dataclass(frozen=True)
class Boxed:
    """A specimen of a tray.

    Attributes:
        number: row and column, as `0203`, or what its code says; empty until `named`.
        box: (left, top, width, height) in pixels of the upright photograph.
        source: `found`, or `drawn` by a person.
        touching: whether it touches another, or may be several.
        likeness: to the template that it resembles most; None if a person drew it.
    """

    number: str
    box: tuple[float, float, float, float]
    source: str = DRAWN
    touching: bool = False
    likeness: float | None = None

    def window(self, size: tuple[int, int]) -> Window:
        """The box with a margin, as far as the photograph of (height, width) reaches."""
        left, top, width, height = self.box
        margin = MARGIN * max(width, height)
        first, start = max(round(top - margin), 0), max(round(left - margin), 0)
        end = min(round(top + height + margin), size[0])
        right = min(round(left + width + margin), size[1])
        return Window(first, start, end - first, right - start)


@dataclass(frozen=True)
class Tray:
    """A photograph of many specimens, in reading order.

    Attributes:
        width, height: of the upright photograph, in pixels.
        whole: whether it shows a single one, which is not boxed.
    """

    photograph: PhotographFile
    width: int
    height: int
    specimens: tuple[Boxed, ...]
    whole: bool = False

    def name(self, specimen: Boxed) -> str:
        """As `TRAY_017#0203`."""
        return f"{self.photograph.specimen}#{specimen.number}"


def outline_of(template: AnnotatedSpecimen, photograph: Photograph) -> Silhouette | None:
    """The outline of what is drawn on a photograph, or None if nothing is.

    Args:
        photograph: with all of its pixels.

    Raises:
        InputError: several specimens are outlined.
    """
    union = template.union(photograph)
    window = Window.holding(union)
    if not window.side:
        return None
    place = window.slices
    step = max(1, window.side // OUTLINED)
    part = union[place][::step, ::step]
    pieces = _far_apart(part)
    masks = [photograph.to_upright(mask)[place][::step, ::step] for mask in template.masks.values()]
    shown = [{n for n, mask in enumerate(masks) if mask[piece].any()} for piece in pieces]
    if any(len(one & other) > 1 for one, other in combinations(shown, 2)):
        raise InputError(
            f"{template.path}: more than one specimen is outlined on it; leave the outlines of one"
        )
    return Silhouette.of(part, to_lab(photograph.pixels[place][::step, ::step]))


def _far_apart(drawn: np.ndarray) -> list[tuple[slice, ...]]:
    """The places of pieces that lie far from each other, of bool [h, w]."""
    from scipy.ndimage import find_objects, label, maximum_filter

    sides = (edge.stop - edge.start for piece in find_objects(label(drawn)[0]) for edge in piece)
    near = round(FAR * max(sides, default=0))
    return find_objects(label(maximum_filter(drawn, 2 * near + 1))[0])


def find(photograph: Photograph, known: Sequence[Silhouette]) -> list[Boxed]:
    """The specimens of a tray that look like the templates."""
    pixels = photograph.small(SIDE)
    boxed = specimens_in(pixels, known)
    if boxed and median(max(one.box[2:]) for one in boxed) < FEW_PIXELS:
        pixels = photograph.small(LARGER_SIDE)
        boxed = specimens_in(pixels, known)
    scale = max(photograph.displayed_shape) / max(pixels.shape[:2])
    found = []
    for one in boxed:
        top, left, height, width = (round(edge * scale, 1) for edge in one.box)
        box = left, top, width, height
        found.append(Boxed("", box, FOUND, one.touching, round(one.likeness, 3)))
    return found


def one_or_many(photograph: Photograph, known: Sequence[Silhouette]) -> list[Boxed] | None:
    """The specimens of a tray; None if the photograph shows a single one, or nothing that is found.

    What is much less alike than the most alike is no second specimen: it may be a label.
    """
    if _fills(photograph, known):
        return None
    found = find(photograph, known)
    likeness = [one.likeness or 0.0 for one in found]
    alike = [one for one in likeness if one >= max(likeness) - LIKE]
    return found if len(alike) > 1 else None


def _fills(photograph: Photograph, known: Sequence[Silhouette]) -> bool:
    """Whether something that looks like a template is so long that no other has room beside it."""
    pixels = photograph.small(SMALL)
    best = regions_like(pixels, known, 1)
    return (
        bool(best)
        and best[0].likeness >= ALIKE
        and max(best[0].box[2:]) >= ALONE * max(pixels.shape[:2])
    )


def named(specimens: Sequence[Boxed], where: str) -> tuple[Boxed, ...]:
    """In reading order, each with its number; one that has a number keeps it.

    Args:
        where: what a message calls the photograph.

    Raises:
        InputError: a number is there twice.
    """
    given = [one.number for one in specimens if one.number]
    twice = sorted({number for number in given if given.count(number) > 1})
    if twice:
        raise InputError(f"{where}: two boxes are named '{twice[0]}'; give each its own name")
    taken, places = set(given), numbered([one.box for one in specimens])
    found = []
    for index in sorted(range(len(specimens)), key=places.__getitem__):
        one = specimens[index]
        if not one.number:
            row, column = places[index]
            while (number := names_of([(row, column)])[0]) in taken:
                column += 1
            taken.add(number)
            one = replace(one, number=number)
        found.append(one)
    return tuple(found)


def read_boxes(
    paths: Iterable[str | Path], photographs: Photographs
) -> dict[str, tuple[str, list[Boxed] | None]]:
    """What people drew, COCO with a `bbox` per specimen, in pixels of the upright photographs.

    A photograph without a box has no specimen, or a single one if it is said to be `whole`. An annotation
    may have a `name`, the number of the specimen.

    Returns:
        By the path of the photograph, the file that says it and the boxes; None of a whole photograph.

    Raises:
        InputError: a file is not sound, names a photograph that is not there, one that another file names or
            one of another size, or a box is not in its photograph.
    """
    found: dict[str, tuple[str, list[Boxed] | None]] = {}
    for path in map(Path, paths):
        data = check(read_json(path), path)
        drawn: dict[Any, list[dict[str, Any]]] = {}
        for annotation in data["annotations"]:
            drawn.setdefault(annotation["image_id"], []).append(annotation)
        for image in data["images"]:
            photograph = photographs.find(image["file_name"], str(path))
            where = f"{path}: image '{image['file_name']}'"
            size = positive_size(image.get("width"), image.get("height"), where)
            if size is not None and size != (shown := photograph.header().displayed_size):
                raise InputError(
                    f"{where}: its boxes were drawn on {size[0]} x {size[1]} pixels, but the photograph has"
                    f" {shown[0]} x {shown[1]}, upright; draw them on the photograph itself"
                )
            if photograph.path in found:
                other = found[photograph.path][0]
                raise InputError(
                    f"{path}: the boxes of {photograph.name} are also in {other}; remove one of them"
                )
            boxes = [_box(of, photograph, str(path)) for of in drawn.get(image["id"], ())]
            whole = image.get("whole") is True and not boxes
            found[photograph.path] = str(path), None if whole else boxes
    return found


def _box(annotation: dict[str, Any], photograph: PhotographFile, file: str) -> Boxed:
    where = f"{file}: annotation {annotation.get('id', '?')} of {photograph.name}"
    box = annotation.get("bbox")
    numbers = isinstance(box, list) and all(is_number(edge) for edge in box)
    if not numbers or len(box) != 4 or min(box[2:]) < 1:
        raise InputError(
            f"{where}: its bbox is {box!r}; expected left, top, width and height in pixels, the last two"
            " 1 or more"
        )
    width, height = photograph.header().displayed_size
    left, top = max(box[0], 0), max(box[1], 0)
    right, bottom = min(box[0] + box[2], width), min(box[1] + box[3], height)
    if right - left < 1 or bottom - top < 1:
        raise InputError(
            f"{where}: its bbox {box} lies outside of the photograph, which has {width} x {height} pixels"
        )
    number = str(annotation.get("name") or "").rpartition("#")[2]
    if not number.replace("-", "").replace("_", "").isalnum() and number:
        raise InputError(
            f"{where}: its name '{number}' becomes part of a file's name; use letters, digits, _ and -"
        )
    source = annotation.get("source") if annotation.get("source") == FOUND else DRAWN
    touching = source == FOUND and annotation.get("touching") is True
    return Boxed(number, (left, top, right - left, bottom - top), source, touching)


def as_coco(trays: Iterable[Tray]) -> dict[str, Any]:
    """COCO with a box per specimen, which any annotation tool opens and `read_boxes` reads again."""
    coco = Coco(
        ["specimen"], description="specimens of trays; boxes in pixels of the upright photographs"
    )
    for tray in trays:
        whole = True if tray.whole else None
        size = {"width": tray.width, "height": tray.height}
        number = coco.image(file_name=tray.photograph.name, **size, whole=whole)
        for one in tray.specimens:
            coco.annotation(
                number,
                "specimen",
                bbox=list(one.box),
                area=round(one.box[2] * one.box[3], 1),
                name=tray.name(one),
                window=list(one.window((tray.height, tray.width)).bbox),
                source=one.source,
                touching=one.touching,
                likeness=one.likeness,
            )
    return coco.data


def windows_of(path: str | Path) -> dict[str, list[Windowed] | None]:
    """The windows that `as_coco` wrote, by the photograph's name as manifests have it; None of a whole one.

    Raises:
        InputError: the file is not sound.
    """
    data = check(read_json(path), path)
    names = {image["id"]: composed(image["file_name"]) for image in data["images"]}
    windows: dict[str, list[Windowed]] = {name: [] for name in names.values()}
    try:
        whole = {names[image["id"]] for image in data["images"] if image.get("whole") is True}
        for one in data["annotations"]:
            left, top, width, height = one["window"]
            number = one["name"].rpartition("#")[2]
            reason = TOUCHES if one["touching"] else ""
            window = Windowed(number, Window(top, left, height, width), reason)
            windows[names[one["image_id"]]].append(window)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DamagedError(path, f"{path}: damaged list of windows ({error})") from error
    return {name: None if name in whole else found for name, found in windows.items()}


def cut(photograph: Photograph, tray: Tray, folder: Path) -> int:
    """Write the window of each specimen, PNG at the photograph's own size, upright.

    What an earlier call cut from the tray, and is no specimen any more, is removed.

    Args:
        photograph: with all of its pixels.

    Returns:
        How many were written.
    """
    own = folder / f"{tray.photograph.specimen}#"
    kept = {tray.name(one).rpartition("#")[2] for one in tray.specimens}
    for path in own.parent.glob(f"{glob.escape(own.name)}*.png"):
        if path.stem.rpartition("#")[2] not in kept:
            path.unlink()
    for one in tray.specimens:
        top, left, height, width = one.window(photograph.displayed_shape)
        pixels = photograph.pixels[top : top + height, left : left + width]
        path = folder / f"{tray.name(one)}.png"
        with atomic(path) as temporary:
            Image.fromarray(pixels).save(temporary, compress_level=1)
    return len(tray.specimens)
