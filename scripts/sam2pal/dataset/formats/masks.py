"""Folders of PNG masks: one indexed mask a photograph, or one binary mask a structure."""

import csv
import json
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from sam2pal.dataset.drawing import Drawing, Outline, Source, drawn
from sam2pal.images.folder import natural_key
from sam2pal.io.errors import InputError

_BACKGROUND = {"background", "_background_", "__ignore__"}

Value = int | tuple[int, int, int]


def read(folder: Path, stems: Collection[str]) -> Source:
    """Read a folder of PNG masks.

    - `{specimen}_{structure}.png` and `{specimen}/{structure}.png` are binary; a mask without a
      pixel says that the specimen lacks the structure.
    - `{specimen}.png` is indexed: `legend.json`, `legend.csv` or `legend.tsv` beside it says which
      value (or colour, as `#rrggbb`) is which structure. A structure without a pixel is unknown.

    Args:
        stems: names of the photographs without extension, relative to their folder.

    Raises:
        InputError: a mask fits no photograph, a legend is missing, or a mask cannot be read.
    """
    source = Source()
    known = {stem.casefold(): stem for name in stems for stem in (name, name.rsplit("/", 1)[-1])}
    legend: dict[Value, str] | None = None
    drawings: dict[str, list[Outline]] = {}
    for path in sorted(folder.rglob("*.png"), key=lambda path: natural_key(path.as_posix())):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if path.name.startswith("."):
            continue
        specimen, label = _split(name, known, path)
        if label:
            drawings.setdefault(specimen, []).append(drawn(label, str(path), _binary(path)))
            continue
        if legend is None:
            legend = _legend(folder)
        drawings.setdefault(specimen, []).extend(_indexed(path, legend, source))
    for specimen, outlines in drawings.items():
        source.drawings.append(Drawing(specimen, f"{folder}: masks of '{specimen}'", outlines))
    return source


def _split(name: str, known: Mapping[str, str], path: Path) -> tuple[str, str]:
    """Photograph and structure that a mask's name stands for; no structure if it is indexed."""
    lower = name.casefold()
    for start in (lower, lower.rsplit("/", 1)[-1]):
        if start in known:
            return known[start], ""
    for start, original in ((lower, name), (lower.rsplit("/", 1)[-1], name.rsplit("/", 1)[-1])):
        for cut in range(len(start) - 1, 0, -1):
            if start[cut] in "_/-. " and start[:cut] in known:
                return known[start[:cut]], original[cut + 1 :].strip()
    if "/" in lower and lower.rsplit("/", 1)[0].rsplit("/", 1)[-1] in known:
        parent, label = name.rsplit("/", 1)
        return known[parent.rsplit("/", 1)[-1].casefold()], label
    raise InputError(
        f"{path}: this mask fits no photograph; name masks {{specimen}}_{{structure}}.png,"
        " {specimen}/{structure}.png or, with a legend, {specimen}.png"
    )


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(
            f"{path}: the mask cannot be decoded ({error}); export it again"
        ) from error


def _binary(path: Path) -> np.ndarray:
    image = _open(path)
    if image.mode in ("RGBA", "LA", "PA"):
        opacity = np.asarray(image.getchannel("A"))
        if opacity.min() < 255:  # drawn on a transparent ground
            return opacity > 127
    if image.mode not in ("L", "1", "P") and not image.mode.startswith("I"):
        image = image.convert("RGB").convert("L")
    values = np.asarray(image)
    # Two values are background and structure; more are soft edges, cut in the middle.
    return values > (0 if len(np.unique(values)) <= 2 else values.max() / 2)


def _indexed(path: Path, legend: Mapping[Value, str], source: Source) -> list[Outline]:
    image = _open(path)
    colours = any(isinstance(value, tuple) for value in legend)
    if colours:
        values = np.asarray(image.convert("RGB")).astype(np.int64) @ (65536, 256, 1)
    elif image.mode in ("L", "1", "P") or image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
    else:
        raise InputError(
            f"{path}: the legend gives index values, but this mask has colours; save it as an"
            " indexed PNG, or write the colours as #rrggbb into the legend"
        )
    outlines = []
    for value in np.unique(values).tolist():
        key = (value >> 16, value >> 8 & 255, value & 255) if colours else value
        label = legend.get(key)
        if label is None:
            if value != 0:
                source.ignore(f"mask values {key} without an entry in the legend")
        elif label.casefold() not in _BACKGROUND:
            outlines.append(drawn(label, f"{path}: '{label}'", values == value))
    return outlines


def _legend(folder: Path) -> dict[Value, str]:
    for suffix in ("json", "csv", "tsv"):
        path = folder / f"legend.{suffix}"
        if path.is_file():
            break
    else:
        raise InputError(
            f"{folder}: indexed masks need a file legend.csv (or .tsv, .json) beside them that says"
            " which value is which structure, for example a row 1,head"
        )
    text = path.read_text(encoding="utf-8-sig")
    if suffix == "json":
        try:
            pairs = list(json.loads(text).items())
        except (json.JSONDecodeError, AttributeError) as error:
            raise InputError(f'{path}: expected an object such as {{"1": "head"}}') from error
    else:
        pairs = [
            row for row in csv.reader(text.splitlines(), delimiter="," if suffix == "csv" else "\t")
        ]
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


def _value(cell: object) -> Value | None:
    text = str(cell).strip()
    if text.isdecimal():
        return int(text)
    if len(text) == 7 and text[0] == "#":
        try:
            return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
        except ValueError:
            return None
    return None
