"""Small pictures of large photographs: the stage that decodes these keeps them for the pages."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile, ZipFile, ZipInfo

import numpy as np

from sam2pal.dataset.manifest import Specimen
from sam2pal.images.address import file_of
from sam2pal.images.reading import Photograph
from sam2pal.images.reduction import large_enough

_QUALITY = 75  # pages show them at half their size or less


class Preview(NamedTuple):
    """A JPEG, upright, and where the edges of the photograph lie in it, as in `Photograph`."""

    content: bytes
    frame: tuple[float, float, float, float]


def preview(photograph: Photograph) -> Preview | None:
    """What was decoded of a photograph; None if that is all of it, which is soon decoded again."""
    import simplejpeg  # here, as few photographs need it

    if photograph.frame is None:
        return None
    content = simplejpeg.encode_jpeg(photograph.pixels, _QUALITY, "RGB", "420")
    return Preview(content, photograph.frame)


def keep(file: ZipFile, specimen: Specimen, picture: Preview) -> None:
    """Keep the picture of a specimen, and of which state of its photograph it is."""
    entry = ZipInfo(specimen.specimen)  # without the time: the same pictures are the same bytes
    entry.comment = json.dumps([specimen.size, specimen.mtime_ns, picture.frame]).encode()
    file.writestr(entry, picture.content)


class Previews:
    """The pictures that were kept of a shard; none if there is no file, or a damaged one."""

    def __init__(self, path: str | Path | None) -> None:
        self._file: ZipFile | None = None
        with suppress(OSError, BadZipFile):
            self._file = ZipFile(path) if path else None

    def of(
        self, specimen: str, path: str, at_least: int
    ) -> tuple[np.ndarray, tuple[float, float, float, float]] | None:
        """Pixels uint8 `[h, w, 3]` and `frame`, if kept of the photograph as it is, and enough.

        Args:
            path: of the photograph.
            at_least: longer side in pixels that is needed.
        """
        import simplejpeg

        with suppress(OSError, BadZipFile, KeyError, ValueError):
            if self._file is not None:
                entry, now = self._file.getinfo(specimen), os.stat(file_of(path))
                *state, frame = json.loads(entry.comment)
                if state == [now.st_size, now.st_mtime_ns]:
                    pixels = simplejpeg.decode_jpeg(self._file.read(entry))
                    return (
                        (pixels, tuple(frame))
                        if large_enough(*pixels.shape[:2], at_least)
                        else None
                    )
        return None
