"""One layer of LLaMA."""

from __future__ import annotations

from mindspore import Tensor, nn

from mindformers.core.dtype import compute_and_param_types, dtype_named
from mindformers.kernels.routed_ffn import LEARNED
from mindformers.modalities import MODALITIES
from mindformers.models.llama.llama_config import LlamaConfig
from mindformers.modules.attention import Attention
from mindformers.modules.feed_forward import FeedForward
from mindformers.modules.kv_cache import KVCache
from mindformers.modules.norm import RMSNorm
from mindformers.modules.router import ActivationRouter, LearnedRouter


class LlamaDecodeLayer(nn.Cell):
    """Attention, then the feed-forward, each added to the stream it reads.

        x ---+-- norm -- attention --+--> h ---+-- norm -- feed-forward --+--> y
             +-----------------------+         +--------------------------+

    Inputs: x [B, S, D]; k and modality int32 [B, S] or None, as `FeedForward`; the rest as `Attention`.
    Returns: [B, S, D].
    """

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        compute, params = compute_and_param_types(config)
        norm = dtype_named(config.layernorm_compute_type, "layernorm_compute_type")
        softmax = dtype_named(config.softmax_compute_type, "softmax_compute_type")
        self.attention_norm = RMSNorm(config.hidden_size, config.rms_norm_eps, norm, params)
        self.ffn_norm = RMSNorm(config.hidden_size, config.rms_norm_eps, norm, params)
        self.attention = Attention(config.hidden_size, config.num_heads, config.num_kv_heads, compute, params, softmax)
        self.feed_forward = FeedForward(config.hidden_size, config.ffn_size, compute, params, router_of(config))

    def construct(
        self,
        x: Tensor,
        k: Tensor | None,
        modality: Tensor | None,
        cos: Tensor,
        sin: Tensor,
        mask: Tensor,
        cache: KVCache | None = None,
        where: Tensor | None = None,
    ) -> Tensor:
        h = self.attended(x, cos, sin, mask, cache, where)
        return h + self.feed_forward(self.ffn_norm(h), k, modality)

    def attended(
        self,
        x: Tensor,
        cos: Tensor,
        sin: Tensor,
        mask: Tensor,
        cache: KVCache | None = None,
        where: Tensor | None = None,
    ) -> Tensor:
        """The stream [B, S, D] behind the attention."""
        return x + self.attention(self.attention_norm(x), cos, sin, mask, cache, where)


def router_of(config: LlamaConfig) -> ActivationRouter | LearnedRouter | None:
    """A layer's router, as the recipe's `experts` say."""
    if not config.is_routed:
        return None
    experts = config.experts
    if experts.routing == LEARNED:
        return LearnedRouter(experts.num_experts, config.hidden_size, len(MODALITIES), experts.train_router)
    return ActivationRouter(experts.num_experts)
