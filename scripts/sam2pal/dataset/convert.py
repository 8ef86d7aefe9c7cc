"""Conversion of any annotation format into canonical COCO, by the rules in config/README.md."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sam2pal.dataset.collected import LEFT_OUT, Collected
from sam2pal.dataset.dataset import Dataset
from sam2pal.dataset.files import guarded, read_json
from sam2pal.dataset.formats import coco
from sam2pal.dataset.photographs import Photographs
from sam2pal.dataset.reading import read_annotations
from sam2pal.io.errors import InputError

Paths = str | Path | Sequence[str | Path]


def convert(
    annotations: Paths,
    photographs: Paths | Photographs,
    structures: Mapping[str, Any] | Sequence[str],
    genus: str = "",
    round_name: str = "",
    truth: bool = False,
) -> dict[str, Any]:
    """Read annotations of any known format into canonical COCO.

    Args:
        annotations: annotation files or folders, earlier ones first.
        photographs: the folder of the photographs of each (or one for all), or all photographs
            that the annotations may mean.
        structures: the configuration's structures in order; a mapping may name the `parent`.
        truth: keep photographs without an outline, and those that are not there, with a note,
            instead of leaving them out.

    Returns:
        COCO as in the design; `info.notes` lists what was left out or decided, for people.

    Raises:
        InputError: naming the file and the entry that is wrong, and what to do.
    """
    collected = _collect(annotations, photographs, Collected(structures, truth), genus)
    what = "truth" if truth else "templates"
    return collected.coco({"description": what, "genus": genus, "round": round_name}, structures)


def notes_on_annotations(
    annotations: str | Path, photographs: Photographs, structures: Sequence[str], truth: bool
) -> tuple[list[str], set[str] | None, int, str]:
    """What `convert` would note, as far as can be told without drawing the outlines.

    Returns:
        Notes; the labels, or None if the file cannot be read; on how many photographs structures are drawn;
        and why it cannot be used, or nothing.
    """
    collected = Collected(structures, truth, glance=True)
    try:
        _collect(annotations, photographs, collected)
    except InputError as error:
        return [], collected.labels, 0, str(error)
    return collected.notes, collected.labels, len(collected.images), ""


def _collect(
    annotations: Paths, photographs: Paths | Photographs, collected: Collected, genus: str = ""
) -> Collected:
    files = _listed(annotations)
    known = isinstance(photographs, Photographs)
    folders = [Path(photographs.place)] if known else _listed(photographs)
    if not files:
        raise InputError(f"genus {genus}: no annotation file is given; add a row to templates.tsv")
    if len(folders) == 1:
        folders *= len(files)
    if len(folders) != len(files):
        raise InputError(
            f"{len(files)} annotation files but {len(folders)} folders of photographs; give one"
            " folder, or one for each file"
        )
    listed: dict[Path, Photographs] = {folders[0]: photographs} if known else {}
    for file, folder in zip(files, folders, strict=True):
        if folder not in listed:
            listed[folder] = Photographs.of_place(folder)
        with guarded(file):
            source = read_annotations(file, listed[folder], collected.structures, collected.glance)
            collected.add(file, source, listed[folder])
    return collected


def convert_judged(
    data: dict[str, Any], where: str | Path, photographs: Photographs, structures: Mapping[str, Any]
) -> dict[str, Any]:
    """COCO of corrections, as `dataset.corrections` merged them, into canonical COCO.

    Raises:
        InputError: a mask cannot be drawn on its photograph.
    """
    collected = Collected(structures, truth=False)
    if data["annotations"]:
        source = coco.read(data, Path(where))
        faults = [o.fault for drawing in source.drawings for o in drawing.outlines if o.fault]
        for fault in [*source.faults, *faults]:
            raise fault
        collected.add(Path(where), source, photographs)
        for note in collected.notes:
            if note.startswith(LEFT_OUT):
                raise InputError(note.removeprefix(LEFT_OUT))
    notes = list(collected.notes)
    found = collected.coco({}, structures)
    found["info"]["notes"] = notes
    return found


def read_truth(path: str | Path, predictions: Sequence[str | Path]) -> Dataset:
    """Truth as `convert` wrote it, or annotations of any known format of predicted specimens.

    Raises:
        InputError: see `convert`; or the predictions are not sound.
    """
    path = Path(path)
    if path.suffix.lower() == ".json" and path.is_file():
        data = read_json(path)
        if isinstance(data, dict) and (data.get("info") or {}).get("canonical"):
            return Dataset(data, source="drawn", where=path)
    specimens, structures = [], {}
    for file in predictions:
        data = read_json(file)
        if isinstance(data, list):  # COCO results have the images of the truth
            return Dataset(path, source="drawn")
        dataset = Dataset(data, where=file)
        specimens += dataset.specimens
        structures |= dict.fromkeys(dataset.structures)
    photographs = Photographs.of_specimens(specimens, "the predictions")
    return Dataset(convert(path, photographs, structures, truth=True), source="drawn", where=path)


def _listed(paths: Paths) -> list[Path]:
    return [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
