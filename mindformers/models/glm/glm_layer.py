"""One layer of ChatGLM."""

from __future__ import annotations

import math

import mindspore as ms
from mindspore import Tensor, nn, ops

from mindformers.core.dtype import compute_and_param_types, dtype_named
from mindformers.models.glm.glm_config import GLMConfig
from mindformers.models.glm.rotary import rotate_halves
from mindformers.modules.kv_cache import KVCache
from mindformers.modules.linear import Linear
from mindformers.modules.norm import LayerNorm

# The published model has 28 layers; a smaller one keeps their weight of the residual.
_ALPHA = math.sqrt(2 * 28)
_HIDDEN = -10000.0  # the score of a key that is not visible


class GLMAttention(nn.Cell):
    """softmax((l + 1) * (q k^T / (sqrt(d) (l + 1)))) v in layer l: in half precision the products stay small.

    Args:
        config: the network's.
        layer: its number l, from 0.

    Inputs: x [B, S, D]; angles from `TwoWayRotary`; hidden float32 [B, 1, S, T], `_HIDDEN` where a key is not visible,
    else 0; optionally a cache and where in it the keys belong (see `KVCache`). Returns: [B, S, D].
    """

    def __init__(self, config: GLMConfig, layer: int) -> None:
        super().__init__()
        compute, params = compute_and_param_types(config)
        width = config.hidden_size
        self.num_heads, self.head_dim, self.level = config.num_heads, config.head_dim, float(layer + 1)
        self.scale = 1.0 / (math.sqrt(config.head_dim) * self.level)
        self.query_key_value = Linear(width, 3 * width, compute, params, has_bias=True)
        self.dense = Linear(width, width, compute, params, has_bias=True)
        self.multiply, self.multiply_transposed = ops.BatchMatMul(), ops.BatchMatMul(transpose_b=True)

    def construct(
        self,
        x: Tensor,
        angles: tuple[Tensor, Tensor, Tensor, Tensor],
        hidden: Tensor,
        cache: KVCache | None = None,
        where: Tensor | None = None,
    ) -> Tensor:
        batch, length, _ = x.shape
        fused = self.query_key_value(x).reshape(batch, length, self.num_heads, 3 * self.head_dim)
        q, k, v = ops.split(fused.transpose(0, 2, 1, 3), self.head_dim, -1)
        q, k = rotate_halves(q, angles), rotate_halves(k, angles)
        if cache is not None:
            k, v = cache(k, v, where)
        scores = ops.cast(self.multiply_transposed(q * self.scale, k), ms.float32) * self.level
        shares = ops.cast(ops.softmax(scores + hidden, -1), v.dtype)
        mixed = self.multiply(shares, v).transpose(0, 2, 1, 3)
        return self.dense(mixed.reshape(batch, length, -1))


class GLMFeedForward(nn.Cell):
    """GELU(x W + b) W' + b', GELU in its tanh form. Inputs and result: [B, S, D]."""

    def __init__(self, config: GLMConfig) -> None:
        super().__init__()
        compute, params = compute_and_param_types(config)
        self.dense_h_to_4h = Linear(config.hidden_size, config.ffn_size, compute, params, has_bias=True)
        self.dense_4h_to_h = Linear(config.ffn_size, config.hidden_size, compute, params, has_bias=True)
        self.gelu = ops.GeLU()

    def construct(self, x: Tensor) -> Tensor:
        return self.dense_4h_to_h(self.gelu(self.dense_h_to_4h(x)))


class GLMBlock(nn.Cell):
    """Attention, then the feed-forward; what runs on beside each is the normalised input, weighted.

        h -- norm --+-- attention ----+--> h -- norm --+-- feed-forward --+--> out
                    +-- * alpha ------+                +-- * alpha -------+

    Inputs: as `GLMAttention`. Returns: [B, S, D].
    """

    def __init__(self, config: GLMConfig, layer: int) -> None:
        super().__init__()
        self.input_layernorm = layer_norm(config)
        self.attention = GLMAttention(config, layer)
        self.post_attention_layernorm = layer_norm(config)
        self.mlp = GLMFeedForward(config)

    def construct(
        self,
        h: Tensor,
        angles: tuple[Tensor, Tensor, Tensor, Tensor],
        hidden: Tensor,
        cache: KVCache | None = None,
        where: Tensor | None = None,
    ) -> Tensor:
        x = self.input_layernorm(h)
        y = self.post_attention_layernorm(x * _ALPHA + self.attention(x, angles, hidden, cache, where))
        return y * _ALPHA + self.mlp(y)


def layer_norm(config: GLMConfig) -> LayerNorm:
    """A normalisation of the recipe's types."""
    _, params = compute_and_param_types(config)
    compute = dtype_named(config.layernorm_compute_type, "layernorm_compute_type")
    return LayerNorm(config.hidden_size, config.layernorm_epsilon, compute, params)


def hidden_scores(visible: Tensor) -> Tensor:
    """What is added to the scores: float32, 0 where `visible` (bool) is 1."""
    return ops.cast(ops.logical_not(visible), ms.float32) * _HIDDEN
