"""A frozen image encoder asked once for each image, whatever the number of models that share it."""

import hashlib
from collections import OrderedDict

import torch
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor


class Encodings:
    """Stands in for `SAM2Base.forward_image` of models that differ behind their encoder only.

    Args:
        model: whose encoder is asked.
        megabytes: of features that are kept; those used longest ago go first.
    """

    def __init__(self, model: SAM2Base, megabytes: float = 4096) -> None:
        self._encode = type(model).forward_image.__get__(model)
        self._kept: OrderedDict[bytes, list[Tensor]] = OrderedDict()
        self._positions: dict[torch.Size, list[Tensor]] = {}
        self._free = int(megabytes * 2**20)

    def serve(self, model: SAM2Base) -> SAM2Base:
        """Let the model, a copy of the one whose encoder is asked, use what is kept."""
        model.forward_image = self
        return model

    @torch.no_grad()
    def __call__(self, images: Tensor) -> dict:
        """As `SAM2Base.forward_image` of [B, 3, S, S]."""
        found = [self._one(image[None]) for image in images]
        levels = range(len(found[0]))
        maps = [torch.cat([one[level] for one in found]) for level in levels]
        positions = [p.expand(len(images), -1, -1, -1) for p in self._positions[images.shape[1:]]]
        return {"backbone_fpn": maps, "vision_pos_enc": positions, "vision_features": maps[-1]}

    def _one(self, image: Tensor) -> list[Tensor]:
        key = hashlib.blake2b(image.cpu().numpy().tobytes(), digest_size=16).digest()
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        output = self._encode(image)
        encoded = output["backbone_fpn"]
        # the same for all images of a size
        self._positions.setdefault(image.shape[1:], [p[:1] for p in output["vision_pos_enc"]])
        self._kept[key] = encoded
        self._free -= _size(encoded)
        while self._free < 0 and len(self._kept) > 1:
            self._free += _size(self._kept.popitem(last=False)[1])
        return encoded


def _size(maps: list[Tensor]) -> int:
    return sum(level.numel() * level.element_size() for level in maps)
