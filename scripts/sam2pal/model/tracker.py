"""SAM 2 as three batched, differentiable functions: `encode`, `memorize`, `track`.

Words and shapes, as in SAM 2: `S` side of the model's square, `s = S / 16` side of its coarsest feature
map, `C` feature channels, `Cm` memory channels, `B` images, `K` structures, `N = B * K` tracked objects,
image by image (object `b * K + k` is structure `k` of image `b`).

Nothing here knows about time: a template is a conditioning frame, a specimen the frame that is tracked,
and the memory bank is whatever list of memories the caller passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from sam2.modeling.memory_attention import MemoryAttentionLayer
from sam2.modeling.sam2_base import NO_OBJ_SCORE, SAM2Base
from sam2.modeling.sam2_utils import get_1d_sine_pe
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from sam2pal.model.encoder import Encoded, Frozen, StagedEncoder

# pixels of squares that a CPU works on at once where nothing is kept for a gradient: with more of them it is
# no faster and takes more memory
AT_ONCE = 2**20

# SAM 2 writes a drawn mask as logits of this size: sigmoid(10) differs from 1 by 5e-5
DRAWN_LOGIT = 10.0


def drawn_logits(masks: Tensor) -> Tensor:
    """Turn drawn masks (0 or 1, or the covered share of a pixel) into logits of large size."""
    return masks * (2 * DRAWN_LOGIT) - DRAWN_LOGIT


@dataclass(frozen=True)
class Features:
    """What the frozen trunk says about `B` images; computed once an image and cacheable.

    Attributes:
        low: [B, C, s, s], the map that memories are attended from.
        high: [B, C/8, 4s, 4s] and [B, C/4, 2s, 2s], for sharp outlines; already through `conv_s0/s1`.
        position: [1, C, s, s], the sine encoding of `low`.
    """

    low: Tensor
    high: tuple[Tensor, Tensor]
    position: Tensor

    def __len__(self) -> int:
        return len(self.low)

    def __getitem__(self, index: Tensor | slice | Sequence[int]) -> Features:
        return Features(self.low[index], (self.high[0][index], self.high[1][index]), self.position)

    @property
    def maps(self) -> tuple[Tensor, ...]:
        """What differs from image to image."""
        return self.low, *self.high

    def with_maps(self, maps: Sequence[Tensor]) -> Features:
        """Of other images of the same size."""
        return Features(maps[0], (maps[1], maps[2]), self.position)

    @staticmethod
    def cat(parts: Sequence[Features]) -> Features:
        """Join batches of images into one."""
        if len(parts) == 1:
            return parts[0]
        high = tuple(torch.cat([part.high[i] for part in parts]) for i in (0, 1))
        return Features(torch.cat([part.low for part in parts]), high, parts[0].position)


@dataclass(frozen=True)
class Memory:
    """A conditioning memory of one view for each of `N` objects.

    Attributes:
        spatial: [N, Cm, s, s].
        position: [1, Cm, s, s], the sine encoding of `spatial`.
        pointer: [N, C], the object pointer.
        valid: [N] bool; False where the view says nothing of the structure (it was not annotated).
    """

    spatial: Tensor
    position: Tensor
    pointer: Tensor
    valid: Tensor

    def __len__(self) -> int:
        return len(self.spatial)

    def __getitem__(self, index: Tensor | slice | Sequence[int]) -> Memory:
        return Memory(self.spatial[index], self.position, self.pointer[index], self.valid[index])

    @staticmethod
    def cat(parts: Sequence[Memory]) -> Memory:
        """Join memories of several objects into one."""
        spatial, pointer, valid = (
            torch.cat([getattr(part, name) for part in parts])
            for name in ("spatial", "pointer", "valid")
        )
        return Memory(spatial, parts[0].position, pointer, valid)


@dataclass(frozen=True)
class Tracked:
    """What the mask decoder says about `N` objects.

    Attributes:
        logits: [N, 1, S/4, S/4], the mask that was taken.
        predicted_iou: [N], the decoder's own estimate for that mask.
        object_score: [N], a logit; above zero the structure is said to be visible.
        candidates: [N, M, S/4, S/4], every mask that could have been taken.
        candidate_iou: [N, M], their estimates.
    """

    logits: Tensor
    predicted_iou: Tensor
    object_score: Tensor
    candidates: Tensor
    candidate_iou: Tensor


class Tracker:
    """The three functions, around a `SAM2Base` that stays in `eval()`.

    `SAM2Base.train()` turns on dropout inside the memory attention and changes which pointers are
    attended, so training here differs from inference only in the gates below and in gradients.

    Args:
        model: any SAM 2 with memory; official or bundled.
        gated: keep SAM 2's hard decisions on whether a structure is present (inference). Training passes
            False: behind such a gate no gradient flows.
        checkpoint_attention: compute each layer of the memory attention again in the backward pass instead of
            keeping its activations; the same gradient for less memory.
    """

    def __init__(
        self, model: SAM2Base, *, gated: bool = True, checkpoint_attention: bool = False
    ) -> None:
        if model.num_maskmem == 0 or not model.use_obj_ptrs_in_encoder:
            raise ValueError("the model has no memory or no object pointers: it cannot track")
        self.model = model.eval()
        self.gated = gated
        self.checkpoint_attention = checkpoint_attention

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.model.maskmem_tpos_enc.device

    @property
    def image_size(self) -> int:
        """S."""
        return self.model.image_size

    # ------------------------------------------------------------------ encode

    def encode(self, images: Tensor) -> Features:
        """Run the image encoder.

        Args:
            images: [B, 3, s, s], normalised as SAM 2 expects. s is the model's S, or any other side that 32
                divides: then what is found is s/4 wide, and memories must be of the same side.

        Raises:
            ValueError: the images are not such squares.
        """
        height, width = images.shape[-2:]
        if height != width or height % 32:
            raise ValueError(
                f"expected squares of a side that 32 divides, got {tuple(images.shape)}"
            )
        parts = self._parts(len(images), height)
        return Features.cat([_features(self.model.forward_image(images[part])) for part in parts])

    def begin(self, images: Tensor, frozen: Frozen) -> Features | Encoded:
        """Run the layers of the image encoder that are frozen; `finish` runs those that are left."""
        if frozen == Frozen.ENCODER:
            return self.encode(images)
        return StagedEncoder(self.model).begin(images, frozen)

    def finish(self, encoded: Features | Encoded) -> Features:
        """Run the layers of the image encoder that are trained, with gradient."""
        if isinstance(encoded, Features):
            return encoded
        run = None
        if self.checkpoint_attention and torch.is_grad_enabled():
            run = partial(checkpoint, use_reentrant=False)
        return _features(StagedEncoder(self.model).finish(encoded, run))

    def coarse(self, images: Tensor) -> Tensor:
        """The coarsest feature map [B, C, s/16, s/16] of images [B, 3, s, s] of any side that 32 divides."""
        return self.model.forward_image(images)["backbone_fpn"][-1]

    # ------------------------------------------------------------------ memorize

    def memorize(
        self, features: Features, mask_logits: Tensor, valid: Tensor | None = None
    ) -> Memory:
        """Make a conditioning memory of masks, drawn or predicted, with gradient to the logits.

        SAM 2 keeps a mask as two things, and both are made of the same p = sigmoid(z): the spatial memory
        and the object pointer. SAM 2's own path for a mask prompt squeezes p through a second sigmoid,
        which leaves gradient only near p = 0.5.

        Args:
            features: of the `B` images the masks lie on.
            mask_logits: z, [N, 1, h, w] with h = w = S/4 or S, `N` a multiple of `B`.
            valid: [N] bool, False for masks that say nothing; all valid if not given.

        Raises:
            ValueError: `N` is not a multiple of `B`.
        """
        model = self.model
        structures = _structures(features, len(mask_logits))
        side = features.low.shape[-1] * model.backbone_stride
        if valid is None:
            valid = torch.ones(len(mask_logits), dtype=torch.bool, device=mask_logits.device)
        parts = self._parts(len(mask_logits), side)
        if len(parts) > 1:
            images = torch.arange(len(features)).repeat_interleave(structures)
            each = [
                self.memorize(features[images[part]], mask_logits[part], valid[part])
                for part in parts
            ]
            return Memory.cat(each)
        if mask_logits.shape[-1] != side:
            mask_logits = F.interpolate(
                mask_logits.float(), (side, side), mode="bilinear", align_corners=False
            )
        probability = mask_logits.float().sigmoid()

        low = features.low.repeat_interleave(structures, dim=0)
        encoded = model.memory_encoder(
            low,
            probability * model.sigmoid_scale_for_mem_enc + model.sigmoid_bias_for_mem_enc,
            skip_mask_sigmoid=True,
        )
        spatial = encoded["vision_features"]
        position = encoded["vision_pos_enc"][-1][:1]

        prompt = model.mask_downsample(probability)  # [N, 1, S, S] to [N, 1, S/4, S/4]
        *_, tokens, _ = self._decode(features, low, prompt, multimask=False)
        pointer = model.obj_ptr_proj(tokens[:, 0])

        if self.gated:
            absent = (probability <= 0.5).flatten(1).all(dim=1)
            if model.pred_obj_scores:
                pointer = torch.where(absent[:, None], model.no_obj_ptr.to(pointer), pointer)
            if model.no_obj_embed_spatial is not None:
                missing = model.no_obj_embed_spatial[..., None, None].to(spatial)
                spatial = spatial + absent[:, None, None, None] * missing
        return Memory(spatial, position, pointer, valid)

    # ------------------------------------------------------------------ track

    def track(self, features: Features, memories: Sequence[Memory]) -> Tracked:
        """Find the structures of the memories on other images.

        Args:
            features: of `B` images.
            memories: one a view, each of the same `N` objects, `N` a multiple of `B`; all valid. Their order
                does not matter.

        Raises:
            ValueError: no memories, sizes that do not fit, or a memory that is not valid.
        """
        if not memories:
            raise ValueError("tracking needs at least one memory")
        objects = len(memories[0])
        if any(len(memory) != objects for memory in memories):
            raise ValueError(
                f"memories of {[len(m) for m in memories]} objects: expected as many each"
            )
        structures = _structures(features, objects)
        if not all(bool(memory.valid.all()) for memory in memories):
            raise ValueError("a memory says nothing of a structure; track those that it shows")
        bank, bank_position, pointer_tokens = self._bank(memories)
        low = self._attend(features, structures, bank, bank_position, pointer_tokens)
        multimask = self.model._use_multimask(is_init_cond_frame=False, point_inputs=None)
        candidates, candidate_iou, _, object_score = self._decode(features, low, None, multimask)
        object_score = object_score[:, 0]
        if self.gated and self.model.pred_obj_scores:
            hidden = (object_score <= 0)[:, None, None, None]
            candidates = candidates.masked_fill(hidden, NO_OBJ_SCORE)
        candidates = candidates.float()

        best = candidate_iou.argmax(dim=1)
        rows = torch.arange(len(best), device=best.device)
        return Tracked(
            logits=candidates[rows, best][:, None],
            predicted_iou=candidate_iou[rows, best].float(),
            object_score=object_score.float(),
            candidates=candidates,
            candidate_iou=candidate_iou.float(),
        )

    # ------------------------------------------------------------------ parts

    def _parts(self, count: int, side: int) -> list[slice]:
        """Images or objects on squares of a side that are worked on at once."""
        if torch.is_grad_enabled() or self.device.type != "cpu":
            return [slice(0, count)]
        each = max(1, AT_ONCE // side**2)
        return [slice(start, start + each) for start in range(0, count, each)]

    def _bank(self, memories: Sequence[Memory]) -> tuple[Tensor, Tensor, int]:
        """Tokens of all memories [N, L, Cm], their positions [N, L, Cm], and how many are pointer tokens."""
        model = self.model
        objects, channels = len(memories[0]), model.mem_dim
        spatial = [memory.spatial.flatten(2).transpose(1, 2) for memory in memories]
        # every view is a conditioning frame: the last of SAM 2's temporal encodings
        conditioning = model.maskmem_tpos_enc[model.num_maskmem - 1]
        spatial_position = [
            (m.position.flatten(2).transpose(1, 2) + conditioning).expand(objects, -1, -1)
            for m in memories
        ]

        # a pointer of C channels becomes C / Cm tokens
        split = model.hidden_dim // channels
        pointers = [memory.pointer.reshape(objects, split, channels) for memory in memories]
        if model.add_tpos_enc_to_obj_ptrs:
            width = model.hidden_dim if model.proj_tpos_enc_in_obj_ptrs else channels
            # all at the longest distance, so that the order of memories does not matter
            distances = torch.ones(len(memories), device=pointers[0].device)
            sine = get_1d_sine_pe(distances, dim=width).to(pointers[0])
            encoding = model.obj_ptr_tpos_proj(sine)
        else:
            encoding = pointers[0].new_zeros(len(memories), channels)
        pointer_position = encoding.repeat_interleave(split, dim=0)[None].expand(objects, -1, -1)

        tokens = torch.cat([*spatial, *pointers], dim=1)
        token_position = torch.cat([*spatial_position, pointer_position.to(tokens)], dim=1)
        return tokens, token_position, split * len(memories)

    def _attend(
        self,
        features: Features,
        structures: int,
        bank: Tensor,
        bank_position: Tensor,
        pointer_tokens: int,
    ) -> Tensor:
        """Condition the images on the bank: [B, C, s, s] to [N, C, s, s]."""
        attention = self.model.memory_attention
        position = features.position.flatten(2).transpose(1, 2)  # 1xCxHxW to 1xHWxC
        output = features.low.flatten(2).transpose(1, 2)
        if attention.pos_enc_at_input:
            output = output + 0.1 * position
        images = torch.arange(len(features), device=bank.device).repeat_interleave(structures)
        run = _run
        if self.checkpoint_attention and torch.is_grad_enabled():
            run = partial(checkpoint, use_reentrant=False)
        first, *others = attention.layers
        # no memory has been seen yet, so the first self-attention is the same for all structures
        seen = run(first._forward_sa, output, position)
        each = []
        for part in self._parts(len(bank), features.low.shape[-1] * self.model.backbone_stride):
            memory = bank[part], bank_position[part], position, pointer_tokens
            output = run(partial(_first_layer, first), seen, images[part], *memory)
            for layer in others:
                output = run(layer, output, *memory)
            each.append(attention.norm(output))
        output = torch.cat(each)
        return output.transpose(1, 2).reshape(len(output), -1, *features.low.shape[-2:])

    def _decode(
        self, features: Features, low: Tensor, mask_prompt: Tensor | None, multimask: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """SAM's prompt encoder and mask decoder without SAM 2's gates.

        Returns:
            Masks [N, M, S/4, S/4], predicted IoU [N, M], mask tokens [N, M, C], object score [N, 1].
        """
        model = self.model
        objects, device = len(low), low.device
        structures = objects // len(features)
        parts = self._parts(objects, low.shape[-1] * model.backbone_stride)
        if len(parts) > 1:
            images = torch.arange(len(features)).repeat_interleave(structures)
            each = [
                self._decode(
                    features if len(features) == 1 else features[images[part]],
                    low[part],
                    None if mask_prompt is None else mask_prompt[part],
                    multimask,
                )
                for part in parts
            ]
            return tuple(map(torch.cat, zip(*each, strict=True)))
        # SAM 2 stands an empty point in for "no clicks"
        no_points = (
            torch.zeros(objects, 1, 2, device=device),
            -torch.ones(objects, 1, dtype=torch.int32, device=device),
        )
        encoder = model.sam_prompt_encoder
        sparse, dense = encoder(points=no_points, boxes=None, masks=mask_prompt)
        if mask_prompt is None:
            dense = encoder.no_mask_embed.weight[:, :, None, None]  # at any size
        high = [
            # one image serves all its objects by broadcasting, without a copy
            level if len(features) == 1 else level.repeat_interleave(structures, dim=0)
            for level in features.high
        ]
        return model.sam_mask_decoder(
            image_embeddings=low,
            image_pe=encoder.pe_layer(tuple(low.shape[-2:]))[None],
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=multimask,
            repeat_image=False,
            high_res_features=high,
        )


def _features(output: dict) -> Features:
    """From what `SAM2Base.forward_image` gives."""
    fine, middle, low = output["backbone_fpn"][-3:]
    return Features(low, (fine, middle), output["vision_pos_enc"][-1][:1])


def _run(layer: Callable, *inputs: Tensor | int) -> Tensor:
    return layer(*inputs)


def _first_layer(  # what SAM 2's layers take, and `images`: selected outside, checkpoints would keep copies
    layer: MemoryAttentionLayer,
    seen: Tensor,
    images: Tensor,
    bank: Tensor,
    bank_position: Tensor,
    position: Tensor,
    pointer_tokens: int,
) -> Tensor:
    """A layer of the memory attention behind its self-attention, which images [B, ...] went through."""
    seen = seen.index_select(0, images)
    output = layer._forward_ca(seen, bank, position, bank_position, pointer_tokens)
    hidden = layer.dropout(layer.activation(layer.linear1(layer.norm3(output))))
    return output + layer.dropout3(layer.linear2(hidden))


def _structures(features: Features, objects: int) -> int:
    """How many objects each image has."""
    if objects == 0 or objects % len(features):
        raise ValueError(f"{objects} objects do not divide among {len(features)} images")
    return objects // len(features)
