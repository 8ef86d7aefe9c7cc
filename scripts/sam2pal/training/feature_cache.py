"""Images, each encoded when it is first asked for: kept in memory up to a limit, else in a mapped file."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor

from sam2pal.model.tracker import Features


class FeaturesOnDisk:
    """Features of `B` images in a file; indexing gives `Features`."""

    nbytes = 0  # in the device's memory

    def __init__(self, file: IO[bytes], one: Features, images: int) -> None:
        self._kinds = [(t.shape[1:], t.dtype) for t in one.maps]
        self._sizes = [t.numel() * t.element_size() for t in one.maps]
        file.truncate(images * sum(self._sizes))
        self._bytes = np.memmap(file, np.uint8, "r+", shape=(images, sum(self._sizes)))
        self._file, self._device = file, one.maps[0].device
        self._one = one

    def __len__(self) -> int:
        return len(self._bytes)

    def put(self, number: int, one: Features) -> None:
        """Keep the features of an image."""
        raw = [t.cpu().contiguous().view(torch.uint8).flatten() for t in one.maps]
        self._bytes[number] = torch.cat(raw).numpy()

    def __getitem__(self, index: Tensor | slice | Sequence[int]) -> Features:
        rows = torch.as_tensor(self._bytes[_numbers(index, len(self))])
        maps = []
        pieces = rows.split(self._sizes, dim=1)
        for piece, (shape, dtype) in zip(pieces, self._kinds, strict=True):
            flat = piece.contiguous().view(dtype)
            maps.append(flat.reshape(len(rows), *shape).to(self._device))
        return self._one.with_maps(maps)


class _InMemory:
    """The same in memory."""

    def __init__(self, one: Features, images: int) -> None:
        self._held: list[Features | None] = [None] * images
        self.nbytes = images * _size(one)

    def __len__(self) -> int:
        return len(self._held)

    def put(self, number: int, one: Features) -> None:
        self._held[number] = one

    def __getitem__(self, index: Tensor | slice | Sequence[int]) -> Features:
        some = [self._held[number] for number in _numbers(index, len(self))]
        maps = zip(*(one.maps for one in some), strict=True)
        return some[0].with_maps([torch.cat(levels) for levels in maps])


class OnDemand:
    """Features of `B` images, computed when first needed; indexing gives `Features`."""

    def __init__(self, encode: Callable[[int], Features], kept: _InMemory | FeaturesOnDisk) -> None:
        self._encode, self._kept = encode, kept
        self._there: set[int] = set()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def nbytes(self) -> int:
        """What all of them take in the device's memory."""
        return self._kept.nbytes

    def __getitem__(self, index: Tensor | slice | Sequence[int]) -> Features:
        for number in _numbers(index, len(self)).tolist():
            if number not in self._there:
                self._kept.put(number, self._encode(number))
                self._there.add(number)
        return self._kept[index]


class FeatureCache:
    """Keeps encoded images in memory up to a limit, the others in a file.

    Args:
        megabytes: of features that are kept in the device's memory.
        folder: for the files of all others; the system's folder for temporary files if not given.
    """

    def __init__(self, megabytes: float, folder: Path | None = None) -> None:
        self._free, self._folder = megabytes * 2**20, folder

    def place(self, one: Features, images: int) -> "_InMemory | FeaturesOnDisk":
        """Room for so many images."""
        size = images * _size(one)
        if size <= self._free:
            self._free -= size
            return _InMemory(one, images)
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
        # it has no name, so that nothing is left of it when the process ends, however that happens
        file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115, as long as it is mapped
        return FeaturesOnDisk(file, one, images)

    def keep(self, encoded: Sequence[Features]) -> Features | FeaturesOnDisk:
        """Features of images that are encoded already, at least one."""
        kept = self.place(encoded[0], len(encoded))
        for number, one in enumerate(encoded):
            kept.put(number, one)
        return kept[:] if isinstance(kept, _InMemory) else kept


def _numbers(index: Tensor | slice | Sequence[int], of: int) -> np.ndarray:
    if isinstance(index, slice):
        index = range(*index.indices(of))
    return np.asarray(index, dtype=np.int64)


def _size(features: Features) -> int:
    return sum(t.numel() * t.element_size() for t in features.maps)
