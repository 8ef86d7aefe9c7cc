"""Masks of any COCO file by specimen and structure, and which specimens two files share."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from sam2pal.dataset.files import check, read_json
from sam2pal.dataset.rle import decode_mask, rle_area
from sam2pal.evaluation.overlap import Mask
from sam2pal.io.errors import InputError


@dataclasses.dataclass(frozen=True)
class Entry:
    """A photograph in a COCO file; `height` and `width` in pixels, None if the file has none."""

    image_id: int
    specimen: str
    path: str
    height: int | None
    width: int | None
    status: str
    reason: str


class Masks:
    """The masks of a COCO file, decoded when asked for.

    Args:
        path: of the file. A bare list of COCO results is understood if `images_of` is given: it
            then has the images and categories of that file.

    Raises:
        InputError: the file is not sound COCO, or lists a specimen twice.
    """

    def __init__(self, path: str | Path, images_of: "Masks | None" = None) -> None:
        self.path = Path(path)
        data = read_json(path)
        if isinstance(data, list) and images_of is not None:
            data = {**images_of.head, "annotations": data}
        data = check(data, path)
        self.head = {key: data[key] for key in ("images", "categories")}
        self.info = data["info"] if isinstance(data.get("info"), dict) else {}
        self.entries = [_entry(image) for image in data["images"]]
        self.structures: dict[str, int] = {}
        for category in data["categories"]:
            if category["name"] in self.structures:
                raise InputError(
                    f"{path}: two categories are named '{category['name']}'; give each its own name"
                )
            self.structures[category["name"]] = category["id"]
        self._annotations: dict[tuple[int, int], list[dict[str, Any]]] = {}
        for annotation in data["annotations"]:
            key = (annotation["image_id"], annotation["category_id"])
            self._annotations.setdefault(key, []).append(annotation)

    def by_specimen(self) -> dict[str, Entry]:
        """The entries by specimen, without those that the listing marked as duplicates.

        Raises:
            InputError: two entries are the same specimen.
        """
        found: dict[str, Entry] = {}
        for entry in self.entries:
            if entry.status == "duplicate":
                continue
            if entry.specimen in found:
                raise InputError(
                    f"{self.path}: images {found[entry.specimen].image_id} and {entry.image_id} "
                    f"are both the specimen '{entry.specimen}'; remove or rename one"
                )
            found[entry.specimen] = entry
        return found

    def annotations(self, entry: Entry, category_id: int | None) -> list[dict[str, Any]]:
        """The annotations of one structure of one specimen; none if it is not annotated."""
        return self._annotations.get((entry.image_id, category_id), [])

    def mask(self, entry: Entry, category_id: int | None) -> Mask | None:
        """All annotations of a structure of a specimen united, bool [H, W]; None without any.

        Raises:
            InputError: a mask is damaged, or its size is not that of the photograph.
        """
        united: Mask | None = None
        for annotation in self.annotations(entry, category_id):
            mask = self._decode(entry, annotation)
            if united is not None and united.shape != mask.shape:
                raise InputError(
                    f"{self.path}: specimen '{entry.specimen}' has masks of different sizes: "
                    f"{_size(united.shape)} and {_size(mask.shape)} pixels"
                )
            united = mask if united is None else united | mask
        return united

    def area(self, entry: Entry, category_id: int | None) -> int:
        """Pixels of a structure of a specimen, 0 without any annotation."""
        annotations = self.annotations(entry, category_id)
        if len(annotations) == 1 and isinstance(annotations[0].get("segmentation"), dict):
            try:
                return rle_area(annotations[0]["segmentation"])  # without decoding
            except (ValueError, TypeError, KeyError):
                pass  # decoding it says what is wrong
        mask = self.mask(entry, category_id)
        return 0 if mask is None else int(mask.sum())

    def _decode(self, entry: Entry, annotation: dict[str, Any]) -> Mask:
        where = f"{self.path}: specimen '{entry.specimen}', annotation {annotation.get('id', '?')}"
        segmentation = annotation.get("segmentation")
        try:
            if isinstance(segmentation, list):
                mask = _polygons(segmentation, entry)
            elif isinstance(segmentation, dict):
                mask = decode_mask(segmentation)
            else:
                raise ValueError("it has no segmentation (a polygon or an RLE)")
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"{where}: {error}; export or draw it again") from error
        if None not in (entry.height, entry.width) and mask.shape != (entry.height, entry.width):
            raise InputError(
                f"{where}: the mask has {_size(mask.shape)} pixels (width x height), the "
                f"photograph {entry.width} x {entry.height}"
            )
        return mask


def check_same_size(entry: Entry, path: Path, other: Entry, other_path: Path) -> None:
    """Raise `InputError` if two files disagree about the size of a specimen's photograph."""
    sizes = (entry.width, entry.height), (other.width, other.height)
    if None in sizes[0] or None in sizes[1] or sizes[0] == sizes[1]:
        return
    hint = "outline it on the photograph that was segmented"
    if sizes[0] == sizes[1][::-1]:
        hint = (
            "one was outlined on the photograph as turned by its EXIF orientation, the other as "
            "stored; masks belong to the photograph as stored"
        )
    raise InputError(
        f"specimen '{entry.specimen}': {path} has a photograph of {sizes[0][0]} x {sizes[0][1]} "
        f"pixels, {other_path} one of {sizes[1][0]} x {sizes[1][1]}; {hint}"
    )


def match(specimens: Iterable[str], others: Iterable[str], what: str) -> dict[str, str]:
    """Which of `others` each specimen is.

    Two names are the same specimen if they are equal, or else if one is the end of the
    other, whole folders only (`ants/0040` and `0040`, but not `ants/0040` and `bees/0040`).

    Args:
        what: the two files, for the message.

    Raises:
        InputError: a name fits several.
    """
    specimens, others = list(specimens), set(others)
    found = {name: name for name in specimens if name in others}
    free = others - set(found)
    ends: dict[str, list[str]] = {}
    for other in sorted(free):
        for end in _ends(other):
            ends.setdefault(end, []).append(other)
    taken: dict[str, str] = {}
    for name in specimens:
        if name in found:
            continue
        candidates = set(ends.get(name, ())) | {end for end in _ends(name) if end in free}
        if len(candidates) > 1:
            raise InputError(
                f"{what}: '{name}' could be any of {', '.join(sorted(candidates))}; use the same "
                "names, with their folders, in both"
            )
        for other in candidates:
            if other in taken:
                raise InputError(
                    f"{what}: both '{taken[other]}' and '{name}' could be '{other}'; use the same "
                    "names, with their folders, in both"
                )
            taken[other] = name
            found[name] = other
    return found


def _ends(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[i:]) for i in range(1, len(parts))]


def _entry(image: dict[str, Any]) -> Entry:
    specimen = image.get("specimen")
    if not isinstance(specimen, str) or not specimen:
        file_name = PurePosixPath(image["file_name"].replace("\\", "/"))
        specimen = file_name.with_suffix("").as_posix()
    size = [image.get("height"), image.get("width")]
    height, width = (n if type(n) is int and n > 0 else None for n in size)
    return Entry(
        image["id"],
        specimen,
        str(image.get("path") or ""),
        height,
        width,
        str(image.get("status") or "ok"),
        str(image.get("reason") or ""),
    )


def _polygons(polygons: list[Any], entry: Entry) -> Mask:
    if entry.height is None or entry.width is None:
        raise ValueError("a polygon, but the image has no 'width' and 'height'")
    if polygons and not isinstance(polygons[0], list):
        polygons = [polygons]
    for polygon in polygons:
        if len(polygon) < 6 or len(polygon) % 2:
            raise ValueError(
                f"a polygon of {len(polygon)} numbers; expected x, y of 3 or more points"
            )
        if not all(type(n) in (int, float) and np.isfinite(n) for n in polygon):
            raise ValueError("a polygon with something that is not a number")
    mask = np.zeros((entry.height, entry.width), bool)
    for rle in coco_mask.frPyObjects(polygons, entry.height, entry.width) if polygons else ():
        mask |= coco_mask.decode(rle).astype(bool)
    return mask


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"
