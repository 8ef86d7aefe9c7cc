"""Folders of mask pictures: one indexed mask per photograph, or one binary mask per structure.

What a mask picture may be:

- binary: a black (or transparent) ground and one other value or colour, with soft edges of a few
  pixels at most. No pixel but ground says that the specimen lacks the structure.
- indexed: whole numbers or colours, each of which a legend gives a structure.

All else is refused, with what was seen in it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy
from PIL import Image

from sam2pal.dataset.drawing import Drawing, Outline, Source, faulty_outline, outline_of_mask
from sam2pal.dataset.exported import Exported
from sam2pal.dataset.formats.binary_masks import MaskError, binary_mask
from sam2pal.dataset.formats.legends import Value, read_labelmap, read_legend
from sam2pal.dataset.photographs import AmbiguousNameError, PhotographFile, Photographs
from sam2pal.images.window import Window
from sam2pal.io.errors import InputError
from sam2pal.io.files import atomic
from sam2pal.io.spelling import composed, folded

_SUFFIXES = frozenset({".png", ".tif", ".tiff", ".bmp", ".gif", ".jpg", ".jpeg", ".webp"})
_FORMATS = ("PNG", "TIFF", "BMP", "GIF", "JPEG", "WEBP")
_BACKGROUND = {"background", "_background_", "__ignore__"}
_INSTANCE = re.compile(r"([ _-]?(\d+|masks?))+$", re.I)
_HOLLOW = 2  # times larger without its holes a mask seems to be an edge alone


def pictures(listed: Iterable[Path]) -> list[Path]:
    """Those of a folder's files that may be masks."""
    return [path for path in listed if path.suffix.lower() in _SUFFIXES]


def read(
    folder: Path,
    listed: Sequence[Path],
    photographs: Photographs,
    structures: Sequence[str],
    glance: bool,
) -> Source:
    """Read a folder of mask pictures.

    - `{specimen}_{structure}.png`, `{specimen}/{structure}.png` and `{structure}/{specimen}.png`
      are binary; several that differ in a number at the end are united.
    - `{specimen}.png` is indexed: `legend.json`, `legend.csv` or `legend.tsv` beside it says which
      value (or colour, as `#rrggbb`) is which structure. A structure without a pixel is unknown.
    - A picture that fits no photograph is a fault, which leaves the others.
    - CVAT's export of segmentation masks is read by its `labelmap.txt`.

    Args:
        listed: all files of the folder and below it.
        glance: look at names, sizes and legend only; the outlines cannot be drawn.

    Raises:
        InputError: a mask fits no photograph or several, or a legend is missing.
    """
    if Path(photographs.place).resolve() == folder.resolve():
        raise InputError(
            f"{folder}: masks and photographs lie in the same folder; put the masks into a folder"
            " of their own"
        )
    if any(path.name == "label_names.txt" for path in listed):
        raise InputError(
            f"{folder}: this was made by labelme_json_to_dataset; give the LabelMe files (.json)"
            " that it was made of"
        )
    source = Source()
    legend: Mapping[Value, str] | None = None
    classes = folder if folder.name == "SegmentationClass" else folder / "SegmentationClass"
    if classes.is_dir() and (classes.parent / "labelmap.txt").is_file():
        legend, folder = read_labelmap(classes.parent / "labelmap.txt"), classes
    drawings: dict[str, list[Outline]] = {}
    for path in pictures(listed):
        if not path.is_relative_to(folder):
            continue
        name = path.relative_to(folder).with_suffix("").as_posix()
        try:
            photograph, label = _meaning(name, photographs, structures, path)
        except AmbiguousNameError:
            raise
        except InputError as error:
            source.faults.append(error)
            continue
        outlines = drawings.setdefault(photograph.name, [])
        try:
            if not label and legend is None:
                legend = read_legend(folder, source.notes)
            if glance:
                outlines += _seen([label] if label else set(legend.values()), path, photograph)
            elif label:
                outlines.append(_drawn(label, path, photograph))
            else:
                outlines += _indexed(path, legend, source, photograph)
        except MaskError as error:
            outlines.append(faulty_outline(label, str(path), error))
            if not label:
                raise
    if source.faults and not drawings:
        raise source.faults[0]
    for photograph_name, outlines in drawings.items():
        where = f"{folder}: masks of '{photograph_name}'"
        source.drawings.append(Drawing(photograph_name, where, outlines))
    return source


def _meaning(
    name: str, photographs: Photographs, structures: Sequence[str], path: Path
) -> tuple[PhotographFile, str]:
    """Photograph and structure that a mask's name stands for; no structure if it is indexed."""
    known = {folded(structure) for structure in structures}
    folder, _, base = composed(name).rpartition("/")
    found: dict[tuple[str, str], PhotographFile] = {}

    def add(stem: str, label: str) -> None:
        several = photographs.candidates(stem)
        if len(several) > 1:
            listed = ", ".join(f"'{photograph.name}'" for photograph in several[:5])
            raise AmbiguousNameError(
                f"{path}: this mask may be of any of {listed}; name it as the photograph with its"
                " folders"
            )
        for photograph in several:
            found[photograph.name, label] = photograph

    if folder and folded(folder.rsplit("/", 1)[-1]) in known:
        add(base, folder.rsplit("/", 1)[-1])
    if not found:
        add(name, "")
        if not found and folder:
            add(base, "")
    if not found:
        for cut in range(len(base) - 1, 0, -1):
            if base[cut] in "_-. ":
                stem = f"{folder}/{base[:cut]}" if folder else base[:cut]
                add(stem, base[cut + 1 :].strip())
                if folder and not found:
                    add(base[:cut], base[cut + 1 :].strip())
        if folder:
            add(folder, base)
    meant = {
        (photograph, structure): found[photograph, label]
        for photograph, label in found
        if (structure := _structure(label, known)) is not None
    }
    if len(meant) > 1:
        listed = ", ".join(f"'{label}' of '{photograph}'" for photograph, label in meant)
        raise AmbiguousNameError(f"{path}: this mask may be {listed}; rename mask or photograph")
    if meant:
        ((_, label),) = meant
        return meant[next(iter(meant))], label
    if found:
        key = next(iter(found))  # the longest name of a photograph
        return found[key], key[1]
    raise InputError(
        f"{path}: this mask fits no photograph; name masks {{specimen}}_{{structure}}.png,"
        " {specimen}/{structure}.png or, with a legend, {specimen}.png"
    )


def _structure(label: str, known: set[str]) -> str | None:
    """A label that is a structure, without the number of an instance; empty if indexed."""
    if not label or folded(label) in known:
        return label
    stripped = _INSTANCE.sub("", label)
    return stripped if folded(stripped) in known else None


def _open(path: Path, photograph: PhotographFile, load: bool = True) -> Image.Image:
    if not path.is_file():
        raise MaskError(f"{path}: this is not a regular file; put a mask there")
    try:
        with Image.open(path, formats=_FORMATS) as image:
            _check_size(image, path, photograph)
            pages = getattr(image, "n_frames", 1)
            if pages > 1:
                raise MaskError(
                    f"{path}: it has {pages} pages; save each structure as its own file"
                )
            if not image.mode.startswith("I") and ";16" in str(image.tile):
                # Pillow keeps the upper 8 of 16 bits of a colour, so that 255 would be black
                raise MaskError(f"{path}: its colours have 16 bits; save it with 8 bits a channel")
            if load:
                image.load()
            return image
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise MaskError(
            f"{path}: the mask cannot be decoded ({error}); export it again as PNG"
        ) from error


def _check_size(image: Image.Image, path: Path, photograph: PhotographFile) -> None:
    """Refuse a mask of another size before it is decoded."""
    header = photograph.header()
    if image.size not in ((header.width, header.height), header.displayed_size):
        raise MaskError(
            f"{path}: the mask has {image.width} x {image.height} pixels, but the photograph"
            f" {photograph.path} has {header.width} x {header.height}; export it at that size"
        )


def _seen(labels: Iterable[str], path: Path, photograph: PhotographFile) -> list[Outline]:
    """What a picture of the right size may show."""
    size = _open(path, photograph, load=False).size
    shown = [label for label in labels if label.casefold() not in _BACKGROUND]
    return [Outline(label, str(path), np.zeros, size) for label in shown]


def _drawn(label: str, path: Path, photograph: PhotographFile) -> Outline:
    mask = binary_mask(_open(path, photograph), path)
    outline = outline_of_mask(label, str(path), mask)
    if outline.empty:
        note = f"{path}: a mask without a pixel; the structure counts as absent"
        return replace(outline, notes=(note,))
    held = mask[Window.holding(mask).slices]
    if _HOLLOW * held.sum() < scipy.ndimage.binary_fill_holes(held).sum():
        note = f"{path}: the mask is hollow; fill it if only the structure's edge was drawn"
        return replace(outline, notes=(note,))
    return outline


def _indexed(
    path: Path, legend: Mapping[Value, str], source: Source, photograph: PhotographFile
) -> list[Outline]:
    image = _open(path, photograph)
    colours = any(isinstance(value, tuple) for value in legend)
    if colours:
        values = np.asarray(image.convert("RGB")).astype(np.int64) @ (65536, 256, 1)
    elif image.mode in ("L", "1", "P") or image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
    else:
        channels = np.asarray(image.convert("RGB")).astype(np.int64)
        if (channels != channels[..., :1]).any():
            raise MaskError(
                f"{path}: the legend gives index values, but this mask has colours; save it as an"
                " indexed PNG, or write the colours as #rrggbb into the legend"
            )
        values = channels[..., 0]
    found = np.unique(values).tolist()
    if len(found) > 2 * len(legend) + 32:
        raise MaskError(
            f"{path}: this is not an indexed mask: it holds {len(found)} values, the legend"
            f" {len(legend)}; save it as PNG, without soft edges"
        )
    outlines = []
    for value in found:
        key = (value >> 16, value >> 8 & 255, value & 255) if colours else value
        label = legend.get(key)
        if label is None:
            if value != 0:
                source.ignore(f"mask values {key} without an entry in the legend")
        elif label.casefold() not in _BACKGROUND:
            outlines.append(outline_of_mask(label, f"{path}: '{label}'", values == value))
    return outlines


def write(specimens: Sequence[Exported], structures: Sequence[str], folder: Path) -> None:
    """Write `{specimen}_{structure}.png`, white on black; all black where it is absent."""
    for one in specimens:
        for structure in (*one.present, *one.absent):
            with atomic(folder / f"{one.specimen.specimen}_{structure}.png") as temporary:
                Image.fromarray(one.specimen.masks[structure].astype(np.uint8) * 255).save(
                    temporary
                )
