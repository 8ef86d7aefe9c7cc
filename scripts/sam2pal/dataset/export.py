"""Predictions into the formats of annotation tools."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from sam2pal.dataset.dataset import Dataset, check_structures
from sam2pal.dataset.exported import Exported
from sam2pal.dataset.formats import coco, cvat, geojson, labelme, labelstudio, masks, yolo
from sam2pal.dataset.judged import Corrections
from sam2pal.dataset.photographs import PhotographFile
from sam2pal.dataset.whole import write_whole
from sam2pal.io.errors import InputError
from sam2pal.io.spelling import composed, nearest

WRITERS = {
    "coco": coco.write,
    "labelme": labelme.write,
    "cvat": cvat.write,
    "labelstudio": labelstudio.write,
    "yolo": yolo.write,
    "geojson": geojson.write,
    "masks": masks.write,
}
"""A writer takes specimens, the structures in order and a folder."""
WHOLE = "whole"


def export(
    predictions: Sequence[str | Path],
    tool: str,
    folder: str | Path,
    wanted: Iterable[str] | None = None,
    tolerance: float = 0.0,
    corrections: Corrections | None = None,
) -> int:
    """Write what is known of specimens for another tool; say of how many.

    A structure that no template shows stays unknown: nothing is said of it. One that a specimen
    lacks stays absent, in the way that the tool (or its file) has for it.

    Args:
        tool: a key of `WRITERS`, or `WHOLE` for specimens of trays on the photographs of the trays.
        folder: is made; must be empty.
        wanted: ids of specimens; all if not given. Those that cannot be used are left out.
        corrections: what people said: corrected and accepted masks stand.
        tolerance: how far, in pixels, a polygon may stray from its mask; 0 keeps every pixel.

    Raises:
        InputError: a file is not sound, a wanted specimen is in none, or the folder is not empty.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: there is something in it already; give a new folder")
    datasets = [Dataset(path) for path in predictions]
    if corrections is not None:
        datasets = [corrections.apply(dataset) for dataset in datasets]
    if not datasets:
        raise InputError("no predictions are given; give results/{genus}/{round}/shards/*.json")
    structures = datasets[0].structures
    for other in datasets:
        check_structures(other, datasets[0].path, structures)
    known = {composed(s.specimen): s.status for data in datasets for s in data.specimens}
    chosen = None if wanted is None else {composed(name) for name in wanted}
    for name in sorted((chosen or set()) - set(known)):
        raise InputError(f"the predictions have no specimen '{name}'{nearest(name, known)}")
    folder.mkdir(parents=True, exist_ok=True)
    specimens = list(_specimens(datasets, chosen, tolerance))
    (write_whole if tool == WHOLE else WRITERS[tool])(specimens, structures, folder)
    return len(specimens)


def _specimens(
    datasets: Sequence[Dataset], chosen: set[str] | None, tolerance: float
) -> Iterator[Exported]:
    for dataset in datasets:
        for specimen in dataset.by_specimen().values():
            unusable = specimen.status != "ok" or not specimen.width
            if unusable or (chosen is not None and composed(specimen.specimen) not in chosen):
                continue
            name, path = specimen.name, specimen.path
            size = (specimen.width, specimen.height)
            header = PhotographFile(name, path, specimen.specimen, *size).header()
            if (header.width, header.height) != size:
                raise InputError(
                    f"{path}: the photograph has {header.width} x {header.height} pixels, its masks"
                    f" {size[0]} x {size[1]}; run the workflow again"
                )
            yield Exported(specimen, header.orientation, tolerance)
