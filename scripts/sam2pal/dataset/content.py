"""A hash of the annotations that a row of templates.tsv names; a file saved without a change keeps it."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sam2pal.config.tables import AnnotationSet
from sam2pal.dataset.dataset import State
from sam2pal.dataset.drawing import Drawing, Outline
from sam2pal.dataset.files import guarded
from sam2pal.dataset.photographs import PhotographFile, Photographs
from sam2pal.dataset.reading import read_annotations
from sam2pal.images.address import file_of
from sam2pal.io.errors import InputError
from sam2pal.io.files import files_state


def content_state(source: AnnotationSet, structures: Sequence[str]) -> str:
    """A hash of outlines and labels, and of names, sizes and times of the photographs they are on.

    Not of how a tool writes them: dates, order of keys, embedded pictures; and not of other photographs: the
    folder may hold thousands, whose coming and going is no reason to convert templates, and then to train,
    again. What cannot be read is told by `files_state`.
    """
    path, digest = Path(source.annotations), hashlib.sha256()
    photographs = Photographs.later(source.photographs)
    try:
        read = read_annotations(path, photographs, structures)
        with guarded(path):
            for drawing in sorted(read.drawings, key=lambda one: one.photograph):
                photograph = _photograph(drawing, photographs)
                digest.update(_of_drawing(drawing, photograph))
                digest.update(files_state(file_of(photograph.path)).encode() if photograph else b"")
    except InputError:
        return files_state(path)
    return digest.hexdigest()


def _photograph(drawing: Drawing, photographs: Photographs) -> PhotographFile | None:
    """Looked for by its path first, as that lists no folder; None if it is not there."""
    path = os.path.join(photographs.place, drawing.photograph)
    if os.path.isfile(path):
        return PhotographFile(drawing.photograph, path, drawing.photograph)
    try:
        return photographs.find(drawing.photograph, drawing.where, drawing.bytes)
    except InputError:
        return None  # the conversion says so


def _of_drawing(drawing: Drawing, photograph: PhotographFile | None) -> bytes:
    """Raises: InputError: an outline has no size to be drawn at."""
    known = (drawing.photograph, drawing.size, drawing.displayed)
    return repr(known).encode(errors="replace") + b"".join(
        _of_outline(outline, drawing, photograph) for outline in drawing.outlines
    )


def _of_outline(outline: Outline, drawing: Drawing, photograph: PhotographFile | None) -> bytes:
    why = () if outline.why == State.ABSENT else (str(outline.why),)
    known = (outline.label, outline.empty, outline.area, outline.box, *why)
    said = repr(known).encode(errors="replace")
    if outline.fault is not None:
        return said + str(outline.fault).encode(errors="replace")
    if outline.rings or outline.empty:
        return said + repr([list(map(float, ring)) for ring in outline.rings]).encode()
    size = outline.size or drawing.size
    if size is None:
        if photograph is None:
            raise InputError(f"{outline.where}: no size is said")
        size = photograph.header().displayed_size
    width, height = size
    return said + np.packbits(outline.draw(height, width)).tobytes()
