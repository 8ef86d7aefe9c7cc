"""The trained layers of the image encoder, run once for all parts of a step."""

from collections.abc import Iterator

import torch
from torch import Tensor

from sam2pal.model.encoder import Encoded
from sam2pal.model.tracker import Features, Tracker


class StepEncodings:
    """Images that the losses of a step share, each encoded once.

    Args:
        apart: the backward passes of the parts end at the features. Those of the encoder follow in `losses`,
            an image at a time, for which each image is encoded once more.
    """

    def __init__(self, tracker: Tracker, apart: bool) -> None:
        self._tracker, self._apart = tracker, apart
        self._done: dict[int, tuple[Features | Encoded, Features]] = {}

    def of(self, encoded: Features | Encoded) -> Features:
        """Features of `B` images; `apart` they gather the gradient of all parts."""
        if id(encoded) not in self._done:
            self._done[id(encoded)] = encoded, self._finish(encoded)
        return self._done[id(encoded)][1]

    def _finish(self, encoded: Features | Encoded) -> Features:
        if not self._apart or isinstance(encoded, Features):
            return self._tracker.finish(encoded)
        with torch.no_grad():
            images = range(len(encoded))
            done = Features.cat([self._tracker.finish(encoded[[number]]) for number in images])
        return done.with_maps([level.requires_grad_() for level in done.maps])

    def losses(self) -> Iterator[Tensor]:
        """After the backward passes of all parts: zeros, whose gradients are those that are missing."""
        for encoded, features in self._done.values():
            if isinstance(encoded, Features):
                continue
            for number in range(len(encoded)):
                finished = self._tracker.finish(encoded[[number]]).maps
                total = sum(
                    (level * gathered.grad[[number]]).sum()
                    for level, gathered in zip(finished, features.maps, strict=True)
                    if gathered.grad is not None  # a pointer needs no fine maps
                )
                if torch.is_tensor(total):
                    yield total - total.detach()
