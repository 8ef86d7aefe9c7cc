"""A hash of the annotations that a row of templates.tsv names; a file saved without a change keeps it."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sam2pal.config.sources import source_state
from sam2pal.config.tables import AnnotationSet
from sam2pal.dataset.drawing import Drawing, Outline
from sam2pal.dataset.photographs import LaterPhotographs
from sam2pal.dataset.reading import read_annotations
from sam2pal.io.errors import InputError


def content_state(source: AnnotationSet, structures: Sequence[str]) -> str:
    """A hash of outlines and labels, and of names, sizes and times of the photographs they are on.

    Not of how a tool writes them: dates, order of keys, embedded pictures. What cannot be read, or
    says no size to draw masks at, is told by its bytes or, of a folder, by names, sizes and times.
    """
    path, digest = Path(source.annotations), hashlib.sha256()
    try:
        read = read_annotations(path, LaterPhotographs(source.photographs), structures)
        for drawing in sorted(read.drawings, key=lambda one: one.photograph):
            digest.update(_of_drawing(drawing))
            digest.update(_of_file(Path(source.photographs, drawing.photograph)))
    except InputError:
        return _as_written(path, source)
    return digest.hexdigest()


def _of_drawing(drawing: Drawing) -> bytes:
    """Raises: InputError: an outline has no size to be drawn at."""
    known = (drawing.photograph, drawing.size, drawing.displayed)
    return repr(known).encode(errors="replace") + b"".join(
        _of_outline(outline, drawing) for outline in drawing.outlines
    )


def _of_outline(outline: Outline, drawing: Drawing) -> bytes:
    said = repr((outline.label, outline.empty, outline.area, outline.box)).encode(errors="replace")
    if outline.fault is not None:
        return said + str(outline.fault).encode(errors="replace")
    if outline.rings or outline.empty:
        return said + repr([list(map(float, ring)) for ring in outline.rings]).encode()
    size = outline.size or drawing.size
    if size is None:
        raise InputError(f"{outline.where}: no size is said")
    width, height = size
    return said + np.packbits(outline.draw(height, width)).tobytes()


def _of_file(path: Path) -> bytes:
    try:
        status = os.stat(path)
    except OSError:
        return b""  # a name without folder or suffix; the list of specimens has its time
    return f"{status.st_size} {status.st_mtime_ns}".encode()


def _as_written(path: Path, source: AnnotationSet) -> str:
    if path.is_dir():
        return source_state(source)
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() + source_state(source)
    except OSError:
        return ""  # not there; the check of the configuration, or the job, says so
