"""Folders of mask pictures: one indexed mask per photograph, or one binary mask per structure.

What a mask picture may be:

- binary: a black (or transparent) ground and one other value or colour, with soft edges of a few
  pixels at most. No pixel but ground says that the specimen lacks the structure.
- indexed: whole numbers or colours, each of which a legend gives a structure.

All else is refused, with what was seen in it.
"""

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy
from PIL import Image

from sam2pal.dataset.drawing import Drawing, Outline, Source, faulty_outline, outline_of_mask
from sam2pal.dataset.exported import Exported
from sam2pal.dataset.photographs import AmbiguousNameError, PhotographFile, Photographs
from sam2pal.images.folder import visible_below
from sam2pal.images.window import Window
from sam2pal.io.errors import InputError
from sam2pal.io.files import atomic
from sam2pal.io.text import decoded
from sam2pal.io.user_tables import composed, folded

SUFFIXES = frozenset({".png", ".tif", ".tiff", ".bmp", ".gif", ".jpg", ".jpeg", ".webp"})
_FORMATS = ("PNG", "TIFF", "BMP", "GIF", "JPEG", "WEBP")
_BACKGROUND = {"background", "_background_", "__ignore__"}
_VALUE_NAMES = {"id", "value", "index", "pixel", "number", "class_id", "label_id"}
_STRUCTURE_NAMES = {"name", "structure", "label", "class", "class_name"}
_INSTANCE = re.compile(r"([ _-]?(\d+|masks?))+$", re.I)
_HOLLOW = 2  # times larger without its holes a mask seems to be an edge alone
_FLAT = 8  # colours, more of which are a picture
_MANY = 2**16
_TINT = 16  # levels by which a soft edge may differ from its structure's colour made darker
_SOFT = 5  # pixels: how wide a soft edge is not, and steps from black or white that JPEG makes

Value = int | tuple[int, int, int]


def present(folder: Path) -> bool:
    """Whether a folder holds any picture."""
    return any(path.suffix.lower() in SUFFIXES for path in visible_below(folder))


def others(folder: Path, photographs: Photographs) -> list[str]:
    """Pictures in a folder that are not called as a photograph is."""
    found = [path for path in visible_below(folder) if path.suffix.lower() in SUFFIXES]
    return sorted(path.name for path in found if photographs.name_of_file(path) is None)


def read(
    folder: Path, photographs: Photographs, structures: Sequence[str], glance: bool = False
) -> Source:
    """Read a folder of mask pictures.

    - `{specimen}_{structure}.png`, `{specimen}/{structure}.png` and `{structure}/{specimen}.png`
      are binary; several that differ in a number at the end are united.
    - `{specimen}.png` is indexed: `legend.json`, `legend.csv` or `legend.tsv` beside it says which
      value (or colour, as `#rrggbb`) is which structure. A structure without a pixel is unknown.
    - A picture that fits no photograph is a fault, which leaves the others.
    - CVAT's export of segmentation masks is read by its `labelmap.txt`.

    Args:
        glance: look at names, sizes and legend only; the outlines cannot be drawn.

    Raises:
        InputError: a mask fits no photograph or several, or a legend is missing.
    """
    if Path(photographs.place).resolve() == folder.resolve():
        raise InputError(
            f"{folder}: masks and photographs lie in the same folder; put the masks into a folder"
            " of their own"
        )
    if any(path.name == "label_names.txt" for path in visible_below(folder)):
        raise InputError(
            f"{folder}: this was made by labelme_json_to_dataset; give the LabelMe files (.json)"
            " that it was made of"
        )
    source = Source()
    legend: Mapping[Value, str] | None = None
    classes = folder if folder.name == "SegmentationClass" else folder / "SegmentationClass"
    if classes.is_dir() and (classes.parent / "labelmap.txt").is_file():
        legend, folder = _labelmap(classes.parent / "labelmap.txt"), classes
    drawings: dict[str, list[Outline]] = {}
    for path in visible_below(folder):
        if path.suffix.lower() not in SUFFIXES:
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
                legend = _legend(folder, source)
            if glance:
                outlines += _seen([label] if label else set(legend.values()), path, photograph)
            elif label:
                outlines.append(_drawn(label, path, photograph))
            else:
                outlines += _indexed(path, legend, source, photograph)
        except _MaskError as error:
            outlines.append(faulty_outline(label, str(path), error))
            if not label:
                raise
    if source.faults and not drawings:
        raise source.faults[0]
    for photograph_name, outlines in drawings.items():
        where = f"{folder}: masks of '{photograph_name}'"
        source.drawings.append(Drawing(photograph_name, where, outlines))
    return source


class _MaskError(InputError):
    """A picture is no mask."""


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
        raise _MaskError(f"{path}: this is not a regular file; put a mask there")
    try:
        with Image.open(path, formats=_FORMATS) as image:
            _check_size(image, path, photograph)
            pages = getattr(image, "n_frames", 1)
            if pages > 1:
                raise _MaskError(
                    f"{path}: it has {pages} pages; save each structure as its own file"
                )
            if load:
                image.load()
            return image
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _MaskError(
            f"{path}: the mask cannot be decoded ({error}); export it again as PNG"
        ) from error


def _check_size(image: Image.Image, path: Path, photograph: PhotographFile) -> None:
    """Refuse a mask of another size before it is decoded."""
    header = photograph.header()
    if image.size not in ((header.width, header.height), header.displayed):
        raise _MaskError(
            f"{path}: the mask has {image.width} x {image.height} pixels, but the photograph"
            f" {photograph.path} has {header.width} x {header.height}; export it at that size"
        )


def _seen(labels: Iterable[str], path: Path, photograph: PhotographFile) -> list[Outline]:
    """What a picture of the right size may show."""
    size = _open(path, photograph, load=False).size
    shown = [label for label in labels if label.casefold() not in _BACKGROUND]
    return [Outline(label, str(path), np.zeros, size) for label in shown]


def _drawn(label: str, path: Path, photograph: PhotographFile) -> Outline:
    mask = _binary(path, photograph)
    outline = outline_of_mask(label, str(path), mask)
    if outline.empty:
        note = f"{path}: a mask without a pixel; the structure counts as absent"
        return replace(outline, notes=(note,))
    held = mask[Window.holding(mask).slices]
    if _HOLLOW * held.sum() < scipy.ndimage.binary_fill_holes(held).sum():
        note = f"{path}: the mask is hollow; fill it if only the structure's edge was drawn"
        return replace(outline, notes=(note,))
    return outline


def _binary(path: Path, photograph: PhotographFile) -> np.ndarray:
    image = _open(path, photograph)
    if image.mode in ("RGBA", "LA", "PA"):
        opacity = np.asarray(image.getchannel("A"))
        if opacity.min() < 255:  # drawn on a transparent ground
            colours = np.unique(np.asarray(image.convert("RGB"))[opacity == 255], axis=0)
            if 1 < len(colours) <= _FLAT:  # a structure cut out of its photograph has more
                raise _several_colours(path, colours)
            return _cut(opacity, path)
    if image.mode == "P":
        indices = np.asarray(image)
        image = image.convert("RGB")
        black = any(colour == (0, 0, 0) for _, colour in image.getcolors(indices.size))
        if not black and len(np.unique(indices)) <= 2 and not indices.min():
            return _cut(indices, path)
    if image.mode not in ("L", "1") and not image.mode.startswith("I"):
        image = image.convert("RGB")
        return _cut(np.asarray(image).max(axis=2), path, image)
    return _cut(np.asarray(image), path)


def _check_colours(image: Image.Image, path: Path) -> None:
    """Refuse a picture on black with areas of more than one colour; soft edges are darker ones."""
    counted = image.getcolors(_MANY)
    if counted is None:  # a picture, which has other values in areas, too
        return
    counts, colours = (np.array(of) for of in zip(*counted, strict=True))
    bright = colours.max(axis=1) > colours.max() / 2
    main = colours[bright][counts[bright].argmax()]
    depth = colours @ main / max(1, main @ main)
    strays = np.abs(colours - depth[:, None] * main).max(axis=1) > _TINT
    if path.suffix.lower() in (".jpg", ".jpeg", ".webp") and strays.any():  # stain edges
        code = (65536, 256, 1)
        among = np.isin(np.asarray(image).astype(np.int32) @ code, colours[strays] @ code)
        if not scipy.ndimage.minimum_filter(among.astype(np.uint8), _SOFT, mode="constant").any():
            return
    if strays.any():
        raise _several_colours(path, [main, colours[strays][counts[strays].argmax()]])


def _several_colours(path: Path, colours: Iterable[Iterable[int]]) -> _MaskError:
    listed = ", ".join(f"#{bytes(map(int, colour)).hex()}" for colour in colours)
    return _MaskError(
        f"{path}: this is not a binary mask: it has several colours ({listed}); save each structure"
        " alone, white on black, or name it {specimen}.png and say in a legend.csv which colour is"
        " which structure"
    )


def _cut(values: np.ndarray, path: Path, colours: Image.Image | None = None) -> np.ndarray:
    """The mask of a picture of a black ground and one other value, soft edges cut in the middle."""
    low, high = values.min().item(), values.max().item()
    if low == high and not low:
        return np.zeros(values.shape, bool)
    levels = np.unique(values)
    if low > (_SOFT if path.suffix.lower() in (".jpg", ".jpeg") else 0):
        seen = f"its darkest value is {low}, its lightest {high}"
        if colours is not None:
            most = sorted(colours.getcolors(values.size), reverse=True)[:3]
            seen = (
                f"its commonest colours are {', '.join('#' + bytes(one).hex() for _, one in most)}"
            )
        raise _MaskError(
            f"{path}: the mask has no black ground: {seen}; save the structure as white on black"
        )
    if len(levels) > 2:
        between = (values > low + _SOFT) & (values < high - _SOFT)
        if len(levels) < 9:
            between = (values > low) & (values < high)
        if scipy.ndimage.minimum_filter(between.astype(np.uint8), _SOFT, mode="constant").any():
            shown = ", ".join(str(level) for level in levels[:8])
            raise _MaskError(
                f"{path}: this is not a binary mask: it holds {len(levels)} values ({shown}"
                f"{', ...' if len(levels) > 8 else ''}) in areas, not only at edges; save the"
                " structure alone, white on black, or an indexed mask with a legend"
            )
    if colours is not None:
        _check_colours(colours, path)
    mask = values > (0 if len(levels) <= 2 else high / 2)
    edge = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    if edge.mean() > 0.9:
        raise _MaskError(
            f"{path}: the mask covers the edge of the photograph all round; it seems to be inverted:"
            " save the structure white on black"
        )
    return mask


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
            raise _MaskError(
                f"{path}: the legend gives index values, but this mask has colours; save it as an"
                " indexed PNG, or write the colours as #rrggbb into the legend"
            )
        values = channels[..., 0]
    found = np.unique(values).tolist()
    if len(found) > 2 * len(legend) + 32:
        raise _MaskError(
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


def _labelmap(path: Path) -> dict[Value, str]:
    """CVAT's list of labels: `name:red,green,blue:parts:actions`."""
    legend: dict[Value, str] = {}
    for line in _text(path, Source()).splitlines():
        cells = line.split(":")
        if line.startswith("#") or len(cells) < 2:
            continue
        numbers = cells[1].split(",")
        if len(numbers) != 3 or not all(number.strip().isdecimal() for number in numbers):
            raise InputError(f"{path}: '{line[:60]}' gives no colour as red,green,blue")
        red, green, blue = (int(number) for number in numbers)
        legend[red, green, blue] = cells[0].strip()
    return legend


def _text(path: Path, source: Source) -> str:
    text, note = decoded(path.read_bytes())
    if note:
        source.notes.append(f"{path}: {note}")
    return text


def _legend(folder: Path, source: Source) -> dict[Value, str]:
    for suffix in ("json", "csv", "tsv"):
        path = folder / f"legend.{suffix}"
        if path.is_file():
            break
    else:
        raise InputError(
            f"{folder}: indexed masks need a file legend.csv (or .tsv, .json) beside them that says"
            " which value is which structure, for example a row 1,head"
        )
    text = _text(path, source)
    if suffix == "json":
        try:
            pairs = [list(pair) for pair in json.loads(text).items()]
        except (ValueError, RecursionError, AttributeError) as error:
            raise InputError(f'{path}: expected an object such as {{"1": "head"}}') from error
    else:
        first = text.partition("\n")[0]
        sign = max(",;\t", key=first.count)
        pairs = _two_columns([row for row in csv.reader(text.splitlines(), delimiter=sign)])
    legend: dict[Value, str] = {}
    for number, pair in enumerate(pairs, 1):
        if not any(str(cell).strip() for cell in pair):
            continue
        if len(pair) != 2:
            raise InputError(f"{path}: row {number} needs a value and a structure, found {pair}")
        value, label = _value(pair[0]), pair[1]
        if value is None:
            value, label = _value(pair[1]), pair[0]
        if value is None:
            if number == 1:  # a header
                continue
            raise InputError(
                f"{path}: row {number} ({pair[0]}, {pair[1]}) has neither a whole number nor a"
                " colour #rrggbb"
            )
        if value in legend:
            raise InputError(f"{path}: the value {pair[0]} has two structures")
        legend[value] = str(label).strip()
    if len({type(value) for value in legend}) != 1:
        raise InputError(
            f"{path}: expected either index values or colours, for one structure or more"
        )
    return legend


def _two_columns(rows: list[list[str]]) -> list[list[str]]:
    """Value and structure of every row, where a header says which of more columns these are."""
    header = [cell.strip().casefold() for cell in rows[0]] if rows else []
    value = next((i for i, name in enumerate(header) if name in _VALUE_NAMES), None)
    label = next((i for i, name in enumerate(header) if name in _STRUCTURE_NAMES), None)
    if len(header) < 3 or value is None or label is None:
        return rows
    return [
        [row[value], row[label]] if len(row) > max(value, label) else row for row in rows if row
    ]


def _value(cell: object) -> Value | None:
    text = str(cell).strip()
    if text.isdecimal() and text.isascii() and len(text) < 10:
        return int(text)
    if len(text) == 7 and text[0] == "#":
        try:
            return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
        except ValueError:
            return None
    return None


def write(specimens: Sequence[Exported], structures: Sequence[str], folder: Path) -> None:
    """Write `{specimen}_{structure}.png`, white on black; all black where it is absent."""
    for one in specimens:
        for structure in (*one.present, *one.missing):
            with atomic(folder / f"{one.specimen.specimen}_{structure}.png") as temporary:
                Image.fromarray(one.specimen.masks[structure].astype(np.uint8) * 255).save(
                    temporary
                )
