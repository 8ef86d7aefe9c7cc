"""VGG Image Annotator (VIA) 1 and 2: JSON, projects and CSV."""

import csv
import io
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from sam2pal.dataset.drawing import Drawing, Outline, Source, ellipse, finite, polygons, rectangle
from sam2pal.io.errors import InputError
from sam2pal.io.spelling import folded

_CSV_COLUMNS = {"filename", "region_shape_attributes", "region_attributes"}
_LONGEST_HEADER = 4096
csv.field_size_limit(2**31 - 1)  # a region of many points; what it takes is bounded by the file


def recognise(data: Any) -> bool:
    """VIA 1 or 2, or the project of VIA 3, which `read` explains cannot be used."""
    if not isinstance(data, dict):
        return False
    if "_via_img_metadata" in data or {"project", "metadata", "view"} <= set(data):
        return True
    return bool(data) and all(isinstance(v, dict) and "regions" in v for v in data.values())


def recognise_csv(text: str) -> bool:
    """A table with VIA's columns."""
    return len({*_header(text)} & _CSV_COLUMNS) > 1


def _header(text: str) -> list[str]:
    first = text[:_LONGEST_HEADER].partition("\n")[0].rstrip("\r")
    return [name.strip().strip('"').lstrip("#") for name in first.split(_sign(first))]


def _sign(header: str) -> str:
    return max(",;\t", key=header.count)


def read(data: Any, path: Path, structures: Collection[str]) -> Source:
    """Read VIA's JSON.

    VIA draws on what the browser shows, and browsers turn photographs upright; it does not write
    down their size. So its coordinates are those of the displayed photograph.

    Raises:
        InputError: naming the region that is wrong.
    """
    if "metadata" in data and "view" in data:
        raise InputError(
            f"{path}: this is a project of VIA 3, which cannot be read; annotate with VIA 2, or"
            " export as COCO"
        )
    entries = data.get("_via_img_metadata", data)
    if not isinstance(entries, dict):
        raise InputError(f"{path}: its list of photographs is damaged; export it again")
    regions = []
    for key, entry in entries.items():
        name = entry.get("filename") or key if isinstance(entry, dict) else None
        listed = entry.get("regions") or [] if isinstance(entry, dict) else None
        listed = list(listed.values()) if isinstance(listed, dict) else listed  # VIA 1
        if not isinstance(name, str) or not isinstance(listed, list):
            raise InputError(f"{path}: the entry '{key}' is damaged; export it again")
        pairs = []
        for region in listed:
            if not isinstance(region, dict):
                raise InputError(f"{path}: the regions of '{name}' are damaged; export them again")
            pairs.append((region.get("shape_attributes"), region.get("region_attributes")))
        regions.append((name, entry.get("size"), pairs))
    return _read(regions, path, structures, _options(data))


def read_csv(text: str, path: Path, structures: Collection[str]) -> Source:
    """Read VIA's CSV; see `read`."""
    names = _header(text)
    missing = sorted(_CSV_COLUMNS - {*names})
    if missing:
        raise InputError(
            f"{path}: the column '{missing[0]}' of VIA is missing; export it again from VIA"
        )
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=_sign(text.partition("\n")[0]))
    next(rows)
    regions: dict[tuple[str, str], list[tuple[Any, Any]]] = {}
    faults = []
    for cells in rows:
        if not any(cells):
            continue
        row = dict(zip(names, cells, strict=False))
        where = f"{path}: row {rows.line_num} ('{row.get('filename', '')}')"
        if len(cells) < len(names):
            faults.append(InputError(f"{where} is cut off; export it again from VIA"))
            continue
        listed = regions.setdefault((row["filename"], row.get("file_size", "")), [])
        try:
            shape = json.loads(row["region_shape_attributes"] or "{}")
            attributes = json.loads(row["region_attributes"] or "{}")
        except (ValueError, RecursionError) as error:
            faults.append(InputError(f"{where} is damaged ({error}); export it again from VIA"))
            continue
        if shape:  # VIA writes a row without a shape for a photograph without regions
            listed.append((shape, attributes))
    if faults and not any(regions.values()):
        raise faults[0]
    named = [(name, size, listed) for (name, size), listed in regions.items()]
    source = _read(named, path, structures, {})
    source.faults += faults
    return source


def _read(
    regions: list[tuple[str, Any, list[tuple[Any, Any]]]],
    path: Path,
    structures: Collection[str],
    options: Mapping[str, Mapping[str, str]],
) -> Source:
    """The regions of each photograph."""
    source = Source()
    if not any(listed for *_, listed in regions):
        raise InputError(f"{path}: none of its {len(regions)} photographs has a region; draw some")
    for place, (name, size, listed) in enumerate(regions):
        sound = []
        for number, (shape, attributes) in enumerate(listed, 1):
            if isinstance(shape, dict) and isinstance(attributes, dict):
                sound.append((number, shape, attributes))
            else:
                source.faults.append(
                    InputError(
                        f"{path}: region {number} of '{name}' has no shape or no attributes;"
                        " redraw it"
                    )
                )
        regions[place] = (name, size, sound)
    if not any(sound for *_, sound in regions):
        raise source.faults[0]
    attribute = _structure_attribute(
        (attributes for *_, sound in regions for *_, attributes in sound), path, structures, options
    )
    for name, size, sound in regions:
        count = int(size) if str(size).isdecimal() and len(str(size)) < 16 else None
        drawing = Drawing(name, f"{path}: image '{name}'", [], displayed=True, bytes=count)
        for number, shape, attributes in sound:
            where = f"{path}: region {number} of '{name}'"
            labels = _labels(attributes.get(attribute), options.get(attribute, {}))
            if not labels:
                source.faults.append(
                    InputError(f"{where} has no '{attribute}'; name its structure in VIA")
                )
            for label in labels:
                labelled = f"{where} ('{label}')"
                drawing.add(label, labelled, _outline, shape, label, labelled, source)
        source.drawings.append(drawing)
    return source


def _options(data: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """What the menus of a VIA project show for what they store, by attribute."""
    attributes = data.get("_via_attributes")
    regions = attributes.get("region") if isinstance(attributes, dict) else None
    found = {}
    for name, attribute in regions.items() if isinstance(regions, dict) else ():
        options = attribute.get("options") if isinstance(attribute, dict) else None
        if isinstance(options, dict):
            found[name] = {
                key: text.strip() for key, text in options.items() if isinstance(text, str) and text
            }
    return found


def _labels(value: Any, options: Mapping[str, str]) -> list[str]:
    """The value of a text, menu or radio attribute, or what is ticked in a checkbox."""
    if isinstance(value, Mapping):
        stored = sorted(str(key) for key, ticked in value.items() if ticked)
    else:
        text = "" if value is None else str(value).strip()
        stored = [text] if text else []
    # a menu may show the structure and store a number, or store it and show a description
    return [options.get(key, key) if key.isdecimal() else key for key in stored]


def _structure_attribute(
    attributes: Iterable[Any],
    path: Path,
    structures: Collection[str],
    options: Mapping[str, Mapping[str, str]],
) -> str:
    """The region attribute whose values name structures most often."""
    known = {folded(name) for name in structures}
    named: Counter = Counter()
    hits: Counter = Counter()
    for values in attributes:
        for key, value in values.items():
            named[key] += 1
            hits[key] += any(
                folded(label) in known for label in _labels(value, options.get(key, {}))
            )
    if not named:
        raise InputError(
            f"{path}: no region has an attribute that names its structure; add a region attribute"
            " in VIA and fill it in"
        )
    if len(named) > 1 and not any(hits.values()):
        raise InputError(
            f"{path}: none of the region attributes {', '.join(sorted(named))} holds names of"
            f" structures ({', '.join(structures)}); correct the values in VIA, or the names in the"
            " configuration"
        )
    return min(named, key=lambda key: (-hits[key], key))


def _outline(shape: Any, label: str, where: str, source: Source) -> Outline | None:
    kind = shape.get("name")
    try:
        if kind == "polygon":
            xs, ys = shape["all_points_x"], shape["all_points_y"]
            if len(xs) != len(ys):
                raise ValueError(f"{len(xs)} x but {len(ys)} y")
            ring = [v for point in zip(xs, ys, strict=True) for v in point]
        elif kind == "rect":
            x, y, width, height = (finite(shape[key]) for key in ("x", "y", "width", "height"))
            ring = rectangle(x, y, x + width, y + height)
        elif kind == "circle":
            cx, cy, radius = (finite(shape[key]) for key in ("cx", "cy", "r"))
            ring = ellipse(cx, cy, radius, radius)
        elif kind == "ellipse":
            sizes = (finite(shape[key]) for key in ("cx", "cy", "rx", "ry"))
            ring = ellipse(*sizes, finite(shape.get("theta", 0.0)))
        else:
            source.ignore(f"regions of shape {kind}")
            return None
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{where}: its {kind} is damaged ({error}); redraw it") from error
    return polygons(label, where, [ring], browser=True)
