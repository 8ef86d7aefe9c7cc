"""Attention to memories on a CPU, with less to multiply than SAM 2's own and the same outcome."""

import math

import torch
from sam2.modeling.memory_attention import MemoryAttentionLayer
from sam2.modeling.position_encoding import apply_rotary_enc
from torch import Tensor

LONG = 1024  # queries: with fewer of them nothing is saved
ROWS = 512  # queries at once: their weights stay in the processor's cache


def is_faster(layer: MemoryAttentionLayer, queries: Tensor) -> bool:
    """Whether `attend_memory` is faster than the layer's own function."""
    return (
        not torch.is_grad_enabled()
        and queries.device.type == "cpu"
        and queries.shape[1] >= LONG
        and layer.cross_attn_image.num_heads == 1
    )


def attend_memory(
    layer: MemoryAttentionLayer,
    seen: Tensor,
    memory: Tensor,
    position: Tensor,
    where: Tensor,
    pointers: int,
) -> Tensor:
    """`MemoryAttentionLayer._forward_ca`; memories are averaged before they become values.

    The weights of a query sum to one, so the projection of the mean is the mean of the projections, and
    memories have fewer channels than values.

    Args:
        seen: [N, L, C].
        memory: [N, M, Cm].
        position: [1, L, C], of what is seen.
        where: [N, M, Cm], position of the memories.
        pointers: how many of the M, at their end, are pointers without a place in the image.
    """
    attention = layer.cross_attn_image
    queries = layer.norm2(seen)
    if layer.pos_enc_at_cross_attn_queries:
        queries = queries + position
    keys = memory + where if layer.pos_enc_at_cross_attn_keys else memory
    queries, keys = attention.q_proj(queries)[:, None], attention.k_proj(keys)[:, None]
    length, placed = queries.shape[-2], keys.shape[-2] - pointers
    turns = attention.freqs_cis
    if len(turns) != length:
        side = math.isqrt(length)
        turns = attention.compute_cis(end_x=side, end_y=side)
    queries, keys[:, :, :placed] = apply_rotary_enc(
        queries, keys[:, :, :placed], freqs_cis=turns, repeat_freqs_k=attention.rope_k_repeat
    )
    queries = queries[:, 0] / math.sqrt(queries.shape[-1])
    means = torch.empty(*queries.shape[:2], memory.shape[-1], dtype=memory.dtype)
    for mean, own, key, values in zip(means, queries, keys[:, 0], memory, strict=True):
        for start in range(0, length, ROWS):
            weights = (own[start : start + ROWS] @ key.T).softmax(-1)
            mean[start : start + ROWS] = weights @ values
    return seen + attention.out_proj(attention.v_proj(means))
