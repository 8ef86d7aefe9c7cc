"""The specimens that a round's training learns from."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from sam2pal.dataset.dataset import AnnotatedSpecimen
from sam2pal.dataset.manifest import Specimen
from sam2pal.dataset.matching import find_templates
from sam2pal.dataset.states import OK
from sam2pal.images.address import file_of
from sam2pal.images.folder import natural_key
from sam2pal.io.errors import InputError, first_few, many


def draw_pool(
    specimens: Sequence[Specimen], templates: Sequence[AnnotatedSpecimen], size: int, seed: int
) -> list[Specimen]:
    """Draw the unlabelled specimens of a round's training, without replacement.

    A specimen's place in the draw depends on the seed and its id alone.

    Args:
        size: how many; all there are if there are fewer.

    Returns:
        Readable specimens in natural order. None is a template (see
        `find_templates`, by name).

    Raises:
        InputError: there is none.
    """
    if size < 1:
        raise InputError(f"pool_size is {size}; give 1 or more")
    excluded = find_templates(specimens, templates, by_name=True)
    readable = [specimen for specimen in specimens if specimen.status == OK]
    candidates = [specimen for specimen in readable if specimen.specimen not in excluded]
    if not candidates:
        raise InputError(
            f"no unlabelled specimen to train on: of {len(specimens)} photographs {len(readable)}"
            f" are readable, and {len(readable) - len(candidates)} of these are templates; add"
            " photographs to the genus' folder, or use a round without training"
        )

    def place(specimen: Specimen) -> bytes:
        return hashlib.sha256(f"{seed}\0{specimen.specimen}".encode()).digest()

    drawn = sorted(candidates, key=place)[:size]
    return sorted(drawn, key=lambda specimen: natural_key(specimen.name))


def check_pool(pool: Iterable[Specimen], where: str | Path) -> None:
    """Make sure that the photographs of a frozen training pool are still those that were drawn.

    Raises:
        InputError: naming those that disappeared or changed.
    """
    gone, changed = [], []
    for specimen in pool:
        try:
            status = os.stat(file_of(specimen.path))
        except OSError:
            gone.append(specimen.name)
        else:
            if (status.st_size, status.st_mtime_ns) != (specimen.size, specimen.mtime_ns):
                changed.append(specimen.name)
    if gone or changed:
        parts = [
            f"{many(len(names), 'photograph')} {what} since it was drawn: {first_few(names)}"
            for names, what in ((gone, "disappeared"), (changed, "changed"))
            if names
        ]
        raise InputError(
            f"{where}: {'; '.join(parts)}; put them back, or delete this file to draw another"
            " training pool (the round is then trained anew)"
        )
