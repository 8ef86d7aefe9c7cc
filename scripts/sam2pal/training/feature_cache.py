"""Encoded images: in memory up to a limit, then in a file that is mapped into memory."""

import tempfile
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor

from sam2pal.model.tracker import Features


class FeaturesOnDisk:
    """Features of `B` images in a file; asked for some of them, as `Features` are, it gives `Features`.

    Args:
        file: of the images' features one after another; closed, and with it removed, when nothing uses it.
        one: features of one image, of the kind that all are.
        images: how many there are.
        device: where features are asked for.
    """

    def __init__(self, file: IO[bytes], one: Features, images: int, device: torch.device) -> None:
        self._kinds = [(t.shape[1:], t.dtype) for t in one.maps]
        self._sizes = [t.numel() * t.element_size() for t in one.maps]
        shape = (images, sum(self._sizes))
        self._bytes = np.memmap(file, np.uint8, "r", shape=shape)
        self._file, self._device = file, device
        self._one = one

    def __len__(self) -> int:
        return len(self._bytes)

    def __getitem__(self, index: Tensor | slice | Sequence[int]) -> Features:
        if isinstance(index, slice):
            index = range(*index.indices(len(self)))
        rows = torch.as_tensor(self._bytes[np.asarray(index, dtype=np.int64)])
        maps = []
        pieces = rows.split(self._sizes, dim=1)
        for piece, (shape, dtype) in zip(pieces, self._kinds, strict=True):
            flat = piece.contiguous().view(dtype)
            maps.append(flat.reshape(len(rows), *shape).to(self._device))
        return self._one.with_maps(maps)


class FeatureCache:
    """Puts encoded images where there is place.

    Args:
        megabytes: of features that are kept in the device's memory.
        folder: for the files of all others; the system's folder for temporary files if not given.
    """

    def __init__(self, megabytes: float, folder: Path | None = None) -> None:
        self._free, self._folder = megabytes * 2**20, folder

    def keep(self, encoded: Iterable[Features]) -> Features | FeaturesOnDisk:
        """Features of images that come one after another, at least one."""
        held: list[Features] = []
        iterator = iter(encoded)
        for one in iterator:
            held.append(one)
            self._free -= _size(one)
            if self._free < 0:
                break
        else:
            maps = zip(*(one.maps for one in held), strict=True)
            return held[0].with_maps([torch.cat(levels) for levels in maps])
        self._free += sum(_size(one) for one in held)
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
        # it has no name, so that nothing is left of it when the process ends, however that happens
        file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115, as long as it is mapped
        first, images = held[0], 0
        for one in chain(held, iterator):
            for tensor in one.maps:
                file.write(tensor.cpu().contiguous().view(torch.uint8).numpy().tobytes())
            images += 1
        file.flush()
        return FeaturesOnDisk(file, first, images, first.maps[0].device)


def _size(features: Features) -> int:
    return sum(t.numel() * t.element_size() for t in features.maps)
