"""Reading, checking and writing the COCO files of the workflow."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sam2pal.dataset.rle import rle_measures
from sam2pal.io.errors import InputError
from sam2pal.io.files import atomic, write_text
from sam2pal.io.text import content_of, utf8, wide_encoding

_HALF = re.compile(r"\\u[dD][89a-fA-F]")


@contextmanager
def guarded(path: str | Path) -> Iterator[None]:
    """Turn whatever goes wrong while a user's file is read into an InputError that names the file."""
    try:
        yield
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"{path}: too large for the memory of this computer") from error
    except Exception as error:
        what = str(error) or "it ends too early"
        raise InputError(
            f"{path}: it cannot be read ({type(error).__name__}: {what[:200]}); export it again"
        ) from error


def read_text(path: str | Path) -> str:
    """The text of a user's file, UTF-8 or what its first bytes say; InputError if it is none."""
    content = content_of(path)
    return utf8(content, path, wide_encoding(content) or "utf-8-sig")


def read_json(path: str | Path) -> Any:
    """Parse a JSON file; InputError if it is missing, empty or not JSON."""
    return parse_json(read_text(path), path)


def parse_json(text: str, path: str | Path) -> Any:
    """Parse JSON; `path` is what messages call it.

    Raises:
        InputError: it is empty or not JSON.
    """
    if not text.strip():
        raise InputError(f"{path}: the annotation file is empty; export the annotations again")
    try:
        data = json.loads(text, object_pairs_hook=_once)
        if _HALF.search(text):  # half of a character beyond the first 65,536
            json.dumps(data, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid JSON ({str(error)[:200]}); export it again") from error
    return data


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of which no key occurs twice, as one of the two would vanish."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"the key '{twice[:40]}' occurs twice in one object")
    return found


def check(
    data: Any, where: str | Path, dropped: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """Check the structure of a COCO file: lists, ids, which become ints, and what they refer to.

    What cannot be used is an error, or left out and told to `dropped`. Masks are not decoded.
    """
    if not isinstance(data, dict):
        raise InputError(
            f"{where}: expected COCO with images, annotations and categories, found a"
            f" {type(data).__name__}; export with images (COCO results alone have none)"
        )
    for key in ("images", "annotations", "categories"):
        if not isinstance(data.get(key), list):
            raise InputError(f"{where}: COCO needs a list '{key}'; export the annotations again")
    data["images"] = [
        {"id": entry, "file_name": entry} if isinstance(entry, str) else entry
        for entry in data["images"]
    ]
    for key in ("images", "annotations", "categories"):
        for number, entry in enumerate(data[key], 1):
            if not isinstance(entry, dict):
                raise InputError(
                    f"{where}: entry {number} of '{key}' has no keys; export the annotations again"
                )
    if any("segments_info" in entry for entry in data["annotations"]):
        raise InputError(
            f"{where}: this is COCO panoptic, whose masks lie in PNG files; export COCO instance"
            " segmentation"
        )
    ids = {
        "image_id": _identified(data["images"], "images", "file_name", where),
        "category_id": _identified(data["categories"], "categories", "name", where),
    }
    by_name = {
        key: {name: identifier for identifier, name in of.items()} for key, of in ids.items()
    }
    of_image = by_name["image_id"]
    of_image |= {
        stem: identifier
        for name, identifier in reversed([*of_image.items()])
        if (stem := name.rsplit(".", 1)[0]) not in of_image
    }
    kept = []
    for number, entry in enumerate(data["annotations"], 1):
        place = f"{where}: annotation {entry.get('id', f'number {number}')}"
        wrong = None
        for key, target in (("image_id", "images"), ("category_id", "categories")):
            said = _identifier(entry.get(key), place, key)
            entry[key] = said if said in ids[key] else by_name[key].get(said, said)
            if wrong is None and entry[key] not in ids[key]:
                wrong = f"{place} has {key} {said}, which is not in '{target}'"
                if dropped is None:
                    raise InputError(wrong)
                dropped(wrong)
        if wrong is None:
            kept.append(entry)
    data["annotations"] = kept
    return data


def _identified(
    entries: list[dict[str, Any]], key: str, name: str, where: str | Path
) -> dict[int | str, str]:
    """The names of images or categories by their ids, which are made alike."""
    seen: dict[int | str, str] = {}
    for number, entry in enumerate(entries, 1):
        place = f"{where}: entry {number} of '{key}'"
        if key == "images" and name not in entry and isinstance(entry.get("coco_url"), str):
            entry[name] = entry["coco_url"]  # LVIS
        if not isinstance(entry.get(name), str) or not entry[name].strip():
            raise InputError(f"{place} has no '{name}'; export the annotations again")
        entry["id"] = _identifier(entry.get("id"), f"{place} ('{entry[name]}')", "id")
        if seen.get(entry["id"], entry[name]) != entry[name]:
            raise InputError(
                f"{where}: '{seen[entry['id']]}' and '{entry[name]}' of '{key}' have the same"
                f" id {entry['id']}; give each its own"
            )
        seen[entry["id"]] = entry[name]
    return seen


def _identifier(value: Any, place: str, key: str) -> int | str:
    """Ids are only labels: whole numbers, in disguise too, or texts."""
    if isinstance(value, str) and value.strip():
        text = value.strip()
        return int(text) if len(text) < 19 and text.lstrip("-").isdecimal() else text
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise InputError(
        f"{place} has {key} {value!r}, not a whole number or a name; export the annotations again"
    )


def notes_of(path: str | Path) -> list[str]:
    """What was noticed when a canonical file was made; the rest of it is not parsed.

    Raises:
        InputError: the file is missing or damaged.
    """
    for line in read_text(path).splitlines():
        if line.startswith('"info": '):
            info = parse_json(line.removeprefix('"info": ').rstrip(","), path)
            notes = info.get("notes") if isinstance(info, dict) else None
            return [str(note) for note in notes] if isinstance(notes, list) else []
    return []


def categories(structures: Mapping[str, Any] | Sequence[str]) -> list[dict[str, Any]]:
    """COCO categories of the configuration's structures: ids from 1 in their order."""
    options = structures if isinstance(structures, Mapping) else dict.fromkeys(structures)
    return [
        {"id": number, "name": name, "supercategory": (options[name] or {}).get("parent") or ""}
        for number, name in enumerate(options, 1)
    ]


class Coco:
    """Builds a COCO file; images and annotations are numbered from 1."""

    def __init__(self, structures: Mapping[str, Any] | Sequence[str], **info: Any) -> None:
        self.info, self.categories = info, categories(structures)
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []
        self._numbers = {category["name"]: category["id"] for category in self.categories}

    def image(self, **entry: Any) -> int:
        """Add an image; what is given as None is left out. Returns its number."""
        given = {key: value for key, value in entry.items() if value is not None}
        self.images.append({"id": len(self.images) + 1, **given})
        return len(self.images)

    def annotation(self, image: int, structure: str, **entry: Any) -> None:
        """Add an annotation of an image; what is given as None is left out."""
        ids = {"id": len(self.annotations) + 1, "image_id": image, "iscrowd": 0}
        ids["category_id"] = self._numbers[structure]
        self.annotations.append(ids | {k: v for k, v in entry.items() if v is not None})

    def mask(self, image: int, structure: str, rle: Mapping[str, Any], **more: Any) -> None:
        """Add a mask of an image; more as of `annotation`."""
        self.annotation(image, structure, segmentation=rle, **rle_measures(rle), **more)

    def write(self, path: str | Path) -> None:
        """See `write`."""
        write(path, self.data)

    @property
    def data(self) -> dict[str, Any]:
        """The content of the file."""
        names = ("info", "images", "categories", "annotations")
        return {name: getattr(self, name) for name in names}


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


def write_json(path: str | Path, data: Any) -> None:
    """Write JSON for another program, whole or not at all."""
    write_text(path, _dumps(data) + "\n")


def _dumps(value: Any) -> str:
    return json.dumps(
        value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    )
