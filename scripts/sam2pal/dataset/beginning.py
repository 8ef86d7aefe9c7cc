"""Writing the configuration of a new project from its photographs and annotations."""

import os
import platform
import re
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sam2pal.config.structures import StructureName
from sam2pal.config.tables import LONGEST_NAME, NAME, RESERVED
from sam2pal.dataset.collected import drawn_within
from sam2pal.dataset.convert import convert
from sam2pal.dataset.drawing import Drawing
from sam2pal.dataset.photographs import Photographs
from sam2pal.dataset.reading import read_annotations
from sam2pal.images.folder import scan
from sam2pal.io.errors import InputError
from sam2pal.io.files import write_text

FILES = ("config.yaml", "genera.tsv", "templates.tsv")
_PLAIN = {"images", "image", "photographs", "photos", "pictures", "specimens", "data", "jpg", "tif"}
_FEW = 20  # annotated photographs of a file up to which structures within others are looked for
_ALONG = "head|mandib|eye pronot|prothor thorax|mesosom|scutel waist|petiol elytr|wing abdom|gaster"
_CURVED = re.compile(r"leg|femur|tibia|tarsus|antenna|scape|funicul|flagell|palp|cerc", re.I)
_BESIDE = re.compile(
    r"(?<![a-z])(scale|scalebar|ruler|label|pin|card|tag|background)s?(?![a-z])", re.I
)  # what lies beside specimens, and is no part of a body


@dataclass
class GenusFound:
    """A genus: its folder, how many photographs it has, and the annotations of some of them."""

    name: str
    folder: Path
    photographs: int
    annotations: list[Path] = field(default_factory=list)
    annotated: set[str] = field(default_factory=set)


@dataclass
class ProjectContent:
    """Photographs and annotations.

    Attributes:
        labels: on how many photographs each structure is drawn.
        parents: of structures that are drawn within another one, which.
    """

    genera: list[GenusFound]
    labels: Counter[str] = field(default_factory=Counter)
    parents: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find_content(
    photographs: Path, annotations: Sequence[Path], genus: str | None = None
) -> ProjectContent:
    """Find genera (a folder each, or one of all), and which of them the annotations are of.

    Args:
        genus: name of the only genus; default: its folder's name.

    Raises:
        InputError: there is no photograph, or annotations cannot be read or are of none of them.
    """
    found = ProjectContent(_genera(photographs, genus))
    if not annotations:
        found.missing.append(
            "outlines: draw the structures on one to five specimens of each genus (docs/own-data.md "
            "names tools), then name the file in templates.tsv and the structures in config.yaml"
        )
    places = {of.name: Photographs.of_folder(of.folder) for of in found.genera}
    every = Photographs.of_folder(photographs)
    few = []
    for path in annotations:
        read = read_annotations(path, every, [])
        drawn = [drawing for drawing in read.drawings if drawing.outlines]
        if not drawn:
            raise InputError(f"{path}: nothing is outlined in it; is it the right file?")
        taken = 0
        for of in found.genera:
            names = _those_of(drawn, places[of.name])
            if names:
                of.annotations.append(path)
                of.annotated |= names
                taken += len(names)
        if not taken:
            raise InputError(
                f"{path}: it annotates '{drawn[0].photograph}' and others; no photograph in {photographs} "
                "is called so, give the folder that it was drawn on"
            )
        for drawing in drawn:  # a structure may be drawn in pieces
            found.labels.update(list(dict.fromkeys(of.label for of in drawing.outlines)))
        few += [path] if len(drawn) <= _FEW else []
    found.parents = _parents(few, every, found.labels)
    _say(found, bool(annotations))
    return found


def _genera(folder: Path, name: str | None) -> list[GenusFound]:
    listing = scan(folder)
    files = [file.name for file in (*listing.photographs, *listing.unsupported)]
    if not files:
        kinds = ", ".join(
            f"{n} {suffix or 'without suffix'}" for suffix, n in listing.others.items()
        )
        raise InputError(f"{folder}: there is no photograph in it{f' ({kinds})' if kinds else ''}")
    tops = Counter(file.split("/", 1)[0] if "/" in file else "" for file in files)
    in_folders = "" not in tops and (len(tops) > 1 or min(tops).casefold() not in _PLAIN)
    if name is None and in_folders:
        found: list[GenusFound] = []
        for top, count in sorted(tops.items()):
            name = _named(top, {of.name.lower() for of in found})
            found.append(GenusFound(name, folder / top, count))
        return found
    plain = folder.resolve()
    while name is None and plain.name.casefold() in _PLAIN and plain.parent != plain:
        plain = plain.parent
    return [GenusFound(_named(name or plain.name), folder, len(files))]


def _named(text: str, taken: Collection[str] = ()) -> str:
    """A name that may be that of a genus, and is none of those `taken` (in lower case)."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_-") or "Genus"
    name = name if re.fullmatch(NAME, name) else f"G{name}"
    name = f"{name}_" if name.lower() in RESERVED["genus"] else name[: LONGEST_NAME - 5]
    number, free = 1, name
    while free.lower() in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def _those_of(drawn: Iterable[Drawing], photographs: Photographs) -> set[str]:
    names = set()
    for drawing in drawn:
        try:
            names.add(photographs.find(drawing.photograph, drawing.where).specimen)
        except InputError:
            continue
    return names


def _parents(
    annotations: Sequence[Path], photographs: Photographs, labels: Iterable[str]
) -> dict[str, str]:
    """Of structures that are drawn within others, the innermost of these."""
    structures = {label: None for label in labels if _may_be(label)}
    masks: dict[tuple[Path, int], dict[str, Any]] = {}
    for path in annotations:
        with suppress(InputError):  # which the check of the project tells
            data = convert(path, photographs, structures)
            names = {category["id"]: category["name"] for category in data["categories"]}
            for of in data["annotations"]:
                known = masks.setdefault((path, of["image_id"]), {})
                known[names[of["category_id"]]] = of["segmentation"]
    pairs = drawn_within(list(masks.values()), structures)
    usual = [pair for pair, (within, count) in pairs.items() if within > count / 2]
    around: dict[str, list[str]] = {}
    for small, large in usual:
        around.setdefault(small, []).append(large)
    return {
        small: max(of, key=lambda name: sum((name, other) in usual for other in of))
        for small, of in around.items()
    }


def _say(found: ProjectContent, given: bool) -> None:
    for of in found.genera:
        if given and not of.annotations:
            found.missing.append(
                f"outlines of '{of.name}': none of its {of.photographs} photographs is annotated; "
                "add a row to templates.tsv, or remove the genus from genera.tsv"
            )
        if of.annotated and len(of.annotated) == of.photographs:
            found.notes.append(
                f"'{of.name}': all {of.photographs} photographs are outlined, so nothing is left to find; to "
                "score masks against outlines, keep a few as templates and name the rest as `truth`"
            )
    found.notes.append(
        "no scale is given: lengths are in pixels until genera.tsv or a specimen table has pixels_per_mm, or "
        "measurement.scale names what photographs show, such as a scale bar (docs/scale.md)"
    )


def machine() -> tuple[str, str]:
    """The model that suits this machine, and why."""
    if shutil.which("nvidia-smi") or Path("/proc/driver/nvidia/version").exists():
        return "sam2.1_hiera_large", "there is an NVIDIA GPU; 0.9 GB are downloaded once"
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return "sam2.1_hiera_tiny", "for the GPU of this Mac; 0.2 GB are downloaded once"
    return "bundled", "there is no GPU; this small model runs on a processor"


def write_project(folder: Path, found: ProjectContent) -> list[Path]:
    """Write `FILES` into a folder's `config/`.

    Raises:
        InputError: one of them is there, or the folder lies among the photographs.
    """
    place = folder / "config"
    paths = [place / name for name in FILES]
    for path in paths:
        if path.exists():
            raise InputError(
                f"{path}: it exists and is not overwritten; edit it, or choose another folder"
            )
    for of in found.genera:
        if (folder / "results").resolve().is_relative_to(of.folder.resolve()):
            raise InputError(
                f"{of.folder}: photographs lie in it, and the project would too: pictures that a run writes "
                "would become specimens. Put the photographs into a folder of their own, such as "
                f"photographs/{of.name}, or begin the project in another folder"
            )
    texts = (_config(found), _genera_table(folder, found), _templates(folder, found))
    for path, text in zip(paths, texts, strict=True):
        try:
            write_text(path, text)
        except OSError as error:
            raise InputError(
                f"{path}: cannot be written ({error.strerror}); choose a folder in which you may write"
            ) from None
    return paths


def _path(path: Path, folder: Path) -> str:
    """Relative to the project where it lies inside, else absolute."""
    path, folder = path.resolve(), folder.resolve()
    return os.path.relpath(path, folder) if path.is_relative_to(folder) else str(path)


def _genera_table(folder: Path, found: ProjectContent) -> str:
    lines = ["genus\tspecimens\ttruth\tpixels_per_mm"]
    lines += [f"{of.name}\t{_path(of.folder, folder)}\t\t" for of in found.genera]
    return "\n".join(lines) + "\n"


def _templates(folder: Path, found: ProjectContent) -> str:
    lines = ["genus\tround\tannotations"]
    for of in found.genera:
        lines += [f"{of.name}\tfirst\t{_path(path, folder)}" for path in of.annotations]
    return "\n".join(lines) + "\n"


def _config(found: ProjectContent) -> str:
    model, why = machine()
    names = [name for name, _ in found.labels.most_common() if _may_be(name)]
    curved = [name for name in names if _CURVED.search(name)]
    parts = [name for name in names if name not in (*curved, *found.parents)]
    body = sorted((name for name in parts if not _BESIDE.search(name)), key=_how_far_back)
    first = [*body, *names, "head"][0]
    structures = "\n".join(
        f"  {_quoted(name)}:{_parent(found.parents.get(name))} # drawn on "
        f"{_specimens(found.labels[name])}"
        for name in names
    )
    measurement = [
        f"  body: [{', '.join(map(_quoted, body))}] # their union gives the body axis; from front to rear"
        if body
        else "  # body: [head, thorax, abdomen] # their union gives the body axis; from front to rear",
        f"  curved: [{', '.join(map(_quoted, curved))}] # measured along their bends"
        if curved
        else "  # curved: [antennae, legs] # measured along their bends",
        "  # indices:",
        f"  #   my_ratio: {first}.width / {first}.length",
    ]
    return (
        f"""\
# Written by `sam2pal init`. config/README.md of SAM2-PAL explains every key.
# Check and estimate: sam2pal run -n           Run: sam2pal run

genera: config/genera.tsv # a row per genus: where its photographs are, and pixels_per_mm if you know it
templates: config/templates.tsv # a row per file of outlined specimens
# specimen_table: specimens.tsv # a row per specimen (columns genus, specimen, any others)

model:
  name: {model} # {why}

# The structures, by the labels used in the annotations. No two share a pixel, unless one is a part of the
# other: `eye: {{parent: head}}`.
structures:
{structures or "  # head:"}

# Each round uses the rows of templates.tsv whose `round` it lists under `templates`.
rounds:
  untrained:
    templates: [first]
  trained: # also learns from unlabelled photographs; may gain nothing with fewer than three templates
    templates: [first]
    train: {{}}
  # Look at the masks in results/index.html, correct a few on the page, and put the exported file into
  # config/corrections/GENUS/. Then remove the # of these lines, and run again:
  # refined:
  #   templates: [first, corrections]
  #   train: {{}}
  #   init: trained

measurement:
"""
        + "\n".join(measurement)
        + "\n"
    )


def _parent(name: str | None) -> str:
    """The parent of a structure as a mapping, or nothing."""
    return f" {{parent: {_quoted(name)}}}" if name else ""


def _how_far_back(name: str) -> float:
    """Its place from front to rear; the middle for a name that says nothing."""
    places = [i for i, words in enumerate(_ALONG.split()) if re.search(words, name, re.I)]
    return places[0] if places else 2.5


def _specimens(count: int) -> str:
    return f"{count} specimen{'s' * (count > 1)}"


def _may_be(name: str) -> bool:
    try:
        from pydantic import TypeAdapter, ValidationError

        TypeAdapter(StructureName).validate_python(name)
    except ValidationError:
        return False
    return True


def _quoted(name: str) -> str:
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_ -]*", name)
    reserved = name.casefold() in ("yes", "no", "on", "off", "true", "false", "null", "y", "n")
    return name if plain and not reserved else f'"{name}"'
