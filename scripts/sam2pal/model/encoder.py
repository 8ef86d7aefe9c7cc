"""The image encoder in two parts: frozen layers that run once an image, and trained ones behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from sam2.modeling.backbones.hieradet import Hiera
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor, nn

from sam2pal.io.errors import InputError
from sam2pal.model.trunk import TAKEN, EfficientNetLite

Run = Callable[..., Tensor]
_EARLY = 2  # of the trunk's four stages


class Frozen(IntEnum):
    """How much of the image encoder is not trained, from its begin."""

    NOTHING = 0
    EARLY_STAGES = 1
    TRUNK = 2
    ENCODER = 3


@dataclass(frozen=True)
class Encoded:
    """What the frozen layers say about `B` images.

    Attributes:
        frozen: which layers these are, of the trunk at most.
        maps: the images, [B, 3, S, S], or the trunk's maps so far, finest first, [B, c, S/4, S/4] ...
    """

    frozen: Frozen
    maps: tuple[Tensor, ...]

    def __len__(self) -> int:
        return len(self.maps[0])

    def __getitem__(self, index: Tensor | slice | Sequence[int]) -> Encoded:
        return Encoded(self.frozen, tuple(level[index] for level in self.maps))

    def with_maps(self, maps: Sequence[Tensor]) -> Encoded:
        """The same layers of other images."""
        return Encoded(self.frozen, tuple(maps))


class StagedEncoder:
    """The encoder of a SAM 2 whose trunk can be stopped between stages, and goes on from there.

    Raises:
        InputError: the trunk is of a kind that is not known here.
    """

    def __init__(self, model: SAM2Base) -> None:
        self._model, trunk = model, model.image_encoder.trunk
        self._trunk = trunk
        if isinstance(trunk, Hiera):
            self._blocks, self._ends, self._path = trunk.blocks, list(trunk.stage_ends), "blocks"
        elif isinstance(trunk, EfficientNetLite):
            self._blocks, self._ends, self._path = trunk.body.blocks, list(TAKEN), "body.blocks"
        else:
            raise InputError(
                "training: only image encoders with a Hiera or EfficientNetLite trunk can be adapted, and "
                f"this one is {type(trunk).__name__}; take encoder_late and encoder_early out of `targets`"
            )

    def late_blocks(self) -> list[str]:
        """Names inside the model of the blocks of the last two stages."""
        first = self._ends[_EARLY - 1] + 1
        return [
            f"image_encoder.trunk.{self._path}.{number}"
            for number in range(first, len(self._blocks))
        ]

    def begin(self, images: Tensor, frozen: Frozen) -> Encoded:
        """The frozen part of [B, 3, S, S]; at most the trunk."""
        if frozen == Frozen.NOTHING:
            return Encoded(frozen, (images,))
        last = _EARLY if frozen == Frozen.EARLY_STAGES else len(self._ends)
        return Encoded(frozen, tuple(self._stages(images, (), last, _plain)))

    def finish(self, encoded: Encoded, run: Run | None = None) -> dict:
        """The rest, as `SAM2Base.forward_image` gives it."""
        maps, every = encoded.maps, len(self._ends)
        if encoded.frozen == Frozen.NOTHING:
            maps = tuple(self._stages(maps[0], (), every, run or _plain))
        elif encoded.frozen == Frozen.EARLY_STAGES:
            maps = tuple(self._stages(None, maps, every, run or _plain))
        encoder, decoder = self._model.image_encoder, self._model.sam_mask_decoder
        features, positions = encoder.neck(list(maps))
        if encoder.scalp > 0:
            features, positions = features[: -encoder.scalp], positions[: -encoder.scalp]
        if self._model.use_high_res_features_in_sam:
            features[0], features[1] = decoder.conv_s0(features[0]), decoder.conv_s1(features[1])
        return {"backbone_fpn": features, "vision_pos_enc": positions}

    def _stages(
        self, images: Tensor | None, maps: Sequence[Tensor], last: int, run: Run
    ) -> Iterator[Tensor]:
        """The maps of stages up to the `last`; from the images, or going on from the maps there are."""
        yield from maps
        channels_last = isinstance(self._trunk, Hiera)
        if images is None:
            value = maps[-1].permute(0, 2, 3, 1) if channels_last else maps[-1]
        elif channels_last:
            value = self._trunk.patch_embed(images)
            value = value + self._trunk._get_pos_embed(value.shape[1:3])
        else:
            value = self._trunk.stem(images)
        first = self._ends[len(maps) - 1] + 1 if maps else 0
        for number in range(first, self._ends[last - 1] + 1):
            value = run(self._blocks[number], value)
            if number in self._ends:
                yield value.permute(0, 3, 1, 2) if channels_last else value


def _plain(block: nn.Module, value: Tensor) -> Tensor:
    return block(value)
