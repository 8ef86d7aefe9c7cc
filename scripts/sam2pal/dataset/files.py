"""Reading, checking and writing the COCO files of the workflow."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sam2pal.io.errors import InputError
from sam2pal.io.files import atomic


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
    except (ValueError, RecursionError) as error:
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
