"""Reading, checking and writing the COCO files of the workflow."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sam2pal.dataset.rle import decode_mask
from sam2pal.io.errors import InputError
from sam2pal.io.files import atomic


@dataclass(frozen=True)
class Template:
    """A specimen with drawn masks.

    Attributes:
        specimen: its id.
        path: its photograph.
        width, height: of the photograph as stored on disk, in pixels.
        masks: bool `[height, width]` of every annotated structure, as stored on disk, in the
            order of the categories. A structure without an entry is unknown; an entry without
            a pixel says that the specimen lacks the structure.
    """

    specimen: str
    path: str
    width: int
    height: int
    masks: dict[str, np.ndarray]


def read_json(path: str | Path) -> Any:
    """Parse a JSON file.

    Raises:
        InputError: it is missing, empty or not JSON.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: the file does not exist; correct its path") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the file cannot be read ({error})") from error
    if not text.strip():
        raise InputError(f"{path}: the annotation file is empty; export the annotations again")
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not valid JSON ({error}); export it again") from error


def load(path: str | Path) -> dict[str, Any]:
    """Read a COCO file and check its structure: lists, ids and what they refer to.

    Ids become ints. Masks are not decoded.

    Raises:
        InputError: naming the entry that is wrong.
    """
    return check(read_json(path), path)


def check(data: Any, where: str | Path) -> dict[str, Any]:
    """See `load`; `where` is what messages call the file."""
    if not isinstance(data, dict):
        raise InputError(
            f"{where}: expected COCO with images, annotations and categories, found a"
            f" {type(data).__name__}; export with images (COCO results alone have none)"
        )
    for key in ("images", "annotations", "categories"):
        if not isinstance(data.get(key), list):
            raise InputError(f"{where}: COCO needs a list '{key}'; export the annotations again")
        for number, entry in enumerate(data[key], 1):
            if not isinstance(entry, dict):
                raise InputError(f"{where}: entry {number} of '{key}' is not an object")
    ids = {}
    for key, name in (("images", "file_name"), ("categories", "name")):
        seen: dict[int, str] = {}
        for number, entry in enumerate(data[key], 1):
            place = f"{where}: entry {number} of '{key}'"
            if not isinstance(entry.get(name), str) or not entry[name].strip():
                raise InputError(f"{place} has no '{name}'")
            entry["id"] = _whole(entry.get("id"), f"{place} ('{entry[name]}')", "id")
            if entry["id"] in seen:
                raise InputError(
                    f"{where}: '{seen[entry['id']]}' and '{entry[name]}' of '{key}' have the same"
                    f" id {entry['id']}; give each its own"
                )
            seen[entry["id"]] = entry[name]
        ids[key] = seen
    for number, entry in enumerate(data["annotations"], 1):
        place = f"{where}: annotation {entry.get('id', f'number {number}')}"
        for key, target in (("image_id", "images"), ("category_id", "categories")):
            entry[key] = _whole(entry.get(key), place, key)
            if entry[key] not in ids[target]:
                raise InputError(f"{place} has {key} {entry[key]}, which is not in '{target}'")
    return data


def _whole(value: Any, place: str, key: str) -> int:
    if isinstance(value, str) and value.strip().lstrip("-").isdecimal():
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise InputError(f"{place} has {key} {value!r}; COCO needs a whole number")


def categories(structures: Mapping[str, Any] | Sequence[str]) -> list[dict[str, Any]]:
    """COCO categories of the configuration's structures: ids from 1 in their order."""
    options = structures if isinstance(structures, Mapping) else dict.fromkeys(structures)
    return [
        {"id": number, "name": name, "supercategory": (options[name] or {}).get("parent") or ""}
        for number, name in enumerate(options, 1)
    ]


def write(path: str | Path, data: dict[str, Any]) -> None:
    """Write a COCO file, whole or not at all; the same data give the same bytes.

    Keys are sorted and every entry of a list has its own line. NaN is refused (ValueError).
    """
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write("{")
        for number, key in enumerate(sorted(data)):
            file.write(f"{',' if number else ''}\n{json.dumps(key)}: ")
            if isinstance(data[key], list):
                for place, entry in enumerate(data[key]):
                    file.write(f"{',' if place else '['}\n{_dumps(entry)}")
                file.write("\n]" if data[key] else "[]")
            else:
                file.write(_dumps(data[key]))
        file.write("\n}\n")


def _dumps(value: Any) -> str:
    return json.dumps(
        value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    )


def read_templates(path: str | Path) -> list[Template]:
    """The templates of a canonical COCO file, in its order, masks decoded.

    Raises:
        InputError: the file is not canonical (`convert` makes such a file), or a mask is damaged.
    """
    data = load(path)
    names = {category["id"]: category["name"] for category in data["categories"]}
    order = {identifier: place for place, identifier in enumerate(names)}
    drawn: dict[int, list[dict[str, Any]]] = {}
    for annotation in data["annotations"]:
        drawn.setdefault(annotation["image_id"], []).append(annotation)
    templates = []
    for image in data["images"]:
        for key in ("specimen", "path", "width", "height"):
            if key not in image:
                raise InputError(
                    f"{path}: image '{image['file_name']}' has no '{key}'; this is not a file that"
                    " scripts/convert_templates.py wrote: convert it first"
                )
        masks = {}
        size = [image["height"], image["width"]]
        for annotation in sorted(
            drawn.get(image["id"], []), key=lambda entry: order[entry["category_id"]]
        ):
            name = names[annotation["category_id"]]
            place = f"{path}: image '{image['file_name']}', structure '{name}'"
            if name in masks:
                raise InputError(f"{place} is annotated twice; convert the annotations again")
            try:
                masks[name] = decode_mask(annotation["segmentation"])
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise InputError(f"{place}: damaged mask ({error}); convert it again") from error
            if list(masks[name].shape) != size:
                raise InputError(
                    f"{place}: the mask has {masks[name].shape[1]} x {masks[name].shape[0]} pixels,"
                    f" the photograph {image['width']} x {image['height']}"
                )
        templates.append(
            Template(image["specimen"], image["path"], image["width"], image["height"], masks)
        )
    return templates
