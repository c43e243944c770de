"""Attention with grouped queries (Ainslie et al. 2023), rotary positions and a cache."""

from __future__ import annotations

import math

import mindspore as ms
from mindspore import Tensor, nn, ops

from mindformers.kernels.training import NativeAttention, native
from mindformers.modules.kv_cache import KVCache
from mindformers.modules.linear import Linear
from mindformers.modules.rotary import rotate


class Attention(nn.Cell):
    """softmax(q k^T / sqrt(d)) v. In training on a CPU all between the projections is one native operator.

    Args:
        hidden_size: D.
        num_heads: H.
        num_kv_heads: G, heads of keys and values; divides H.
        compute_dtype, param_dtype, softmax_dtype: types of the products, the weights and the softmax.

    Inputs: x [B, S, D]; cos and sin of its positions; mask bool [B, 1, S, T], 1 is visible; optionally a cache and
    where in it the keys belong (see `KVCache`). Returns: [B, S, D].
    """

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        num_kv_heads: int,
        compute_dtype: ms.Type,
        param_dtype: ms.Type,
        softmax_dtype: ms.Type = ms.float32,
    ) -> None:
        super().__init__()
        self.num_heads, self.num_kv_heads, self.head_dim = num_heads, num_kv_heads, hidden_size // num_heads
        self.softmax_dtype, self.scale = softmax_dtype, 1.0 / math.sqrt(self.head_dim)
        self.hidden = -1e4 if softmax_dtype == ms.float16 else -1e9  # added to the score of a key that is not visible
        kv_size = num_kv_heads * self.head_dim
        self.wq = Linear(hidden_size, hidden_size, compute_dtype, param_dtype)
        self.wk = Linear(hidden_size, kv_size, compute_dtype, param_dtype)
        self.wv = Linear(hidden_size, kv_size, compute_dtype, param_dtype)
        self.wo = Linear(hidden_size, hidden_size, compute_dtype, param_dtype)
        is_float32 = compute_dtype == softmax_dtype == ms.float32
        self.fused = native(NativeAttention) if is_float32 else None
        self.multiply, self.multiply_transposed = ops.BatchMatMul(), ops.BatchMatMul(transpose_b=True)

    def construct(
        self,
        x: Tensor,
        cos: Tensor,
        sin: Tensor,
        mask: Tensor,
        cache: KVCache | None = None,
        where: Tensor | None = None,
    ) -> Tensor:
        if self.training and self.fused is not None and cache is None and cos.dtype == ms.float32:
            return self.wo(self.fused(self.wq(x), self.wk(x), self.wv(x), cos, sin, mask))
        q = rotate(self.heads_of(self.wq(x), self.num_heads), cos, sin)
        k = rotate(self.heads_of(self.wk(x), self.num_kv_heads), cos, sin)
        v = self.heads_of(self.wv(x), self.num_kv_heads)
        if cache is not None:
            k, v = cache(k, v, where)
        return self.wo(self.attend(q, k, v, mask))

    def heads_of(self, x: Tensor, num_heads: int) -> Tensor:
        """[B, S, heads * d] to [B, heads, S, d]."""
        return x.reshape(x.shape[0], x.shape[1], num_heads, self.head_dim).transpose(0, 2, 1, 3)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        """Queries that share a key head are laid below each other, so that keys are never repeated in memory."""
        batch, heads, length, head_dim = q.shape
        rows, keys = batch * self.num_kv_heads, k.shape[2]
        q = (q * self.scale).reshape(rows, -1, head_dim)
        scores = self.multiply_transposed(q, k.reshape(rows, keys, head_dim)).reshape(batch, heads, length, keys)
        hidden = ops.cast(ops.logical_not(mask), self.softmax_dtype) * self.hidden
        shares = ops.softmax(ops.cast(scores, self.softmax_dtype) + hidden, -1)
        mixed = self.multiply(ops.cast(shares, q.dtype).reshape(rows, -1, keys), v.reshape(rows, keys, head_dim))
        return mixed.reshape(batch, heads, length, head_dim).transpose(0, 2, 1, 3).reshape(batch, length, -1)
