"""LLaMA without its head: ids to hidden states."""

from __future__ import annotations

from mindspore import Tensor, nn, ops

from mindformers.core.dtype import compute_and_param_types, dtype_named
from mindformers.models.llama.llama_config import LlamaConfig
from mindformers.models.llama.llama_layer import LlamaDecodeLayer
from mindformers.modules.embedding import TokenEmbedding
from mindformers.modules.mask import CachedMask, CausalMask
from mindformers.modules.norm import RMSNorm
from mindformers.modules.rotary import RotaryEmbedding


class LlamaModel(nn.Cell):
    """Embedding, layers, final norm. How many experts a token may use follows from its id by a table.

    Inputs: ids int32 [B, S]; optionally the caches of all layers with the slots int32 [B] that prompts are filled into
    (None for all in order) or, when S is 1, the positions int32 [B] that are decoded; or the document int32 [B, S] of
    each token, whose attention then stays inside (positions go on: rotary attention knows only their differences).
    Returns: hidden states [B, S, D].
    """

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        compute, params = compute_and_param_types(config)
        length = config.seq_length
        self.tok_embeddings = TokenEmbedding(config.vocab_size, config.hidden_size, compute, params)
        self.layers = nn.CellList([LlamaDecodeLayer(config) for _ in range(config.num_layers)])
        self.norm_out = RMSNorm(
            config.hidden_size,
            config.rms_norm_eps,
            dtype_named(config.layernorm_compute_type, "layernorm_compute_type"),
            params,
        )
        self.rotary = RotaryEmbedding(
            config.head_dim,
            length,
            dtype_named(config.rotary_dtype, "rotary_dtype"),
            theta=config.theta,
            extend_method=config.extend_method,
            scaling_factor=config.scaling_factor,
        )
        self.causal_mask = CausalMask(length, config.pad_token_id)
        self.cached_mask = CachedMask(length)
        self.experts_per_token = Tensor(config.experts_per_token()) if config.is_routed else None
        self.modality_table = Tensor(config.modality_table()) if config.is_routed else None
        self.gather = ops.Gather()

    def construct(
        self,
        ids: Tensor,
        caches: nn.CellList | None = None,
        positions: Tensor | None = None,
        slots: Tensor | None = None,
        documents: Tensor | None = None,
    ) -> Tensor:
        cos, sin = self.rotary(ids.shape[1], positions)
        k, modality = self.routed_by(ids)
        if positions is None:
            mask = self.causal_mask(ids, documents)
        else:
            mask = self.cached_mask(positions, caches[0].shape[2])
        x = self.tok_embeddings(ids)
        for i in range(len(self.layers)):
            cache = None if caches is None else caches[i]
            x = self.layers[i](x, k, modality, cos, sin, mask, cache, slots if positions is None else positions)
        return self.norm_out(x)

    def routed_by(self, ids: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Of every token the number of experts it may use and its modality, int32 [B, S]; None where nothing routes."""
        if self.experts_per_token is None:
            return None, None
        return self.gather(self.experts_per_token, ids, 0), self.gather(self.modality_table, ids, 0)

    def feed_forward_inputs(self, ids: Tensor) -> list[Tensor]:
        """What every layer's feed-forward reads, [B, S, D] each; ids int32 [B, S]."""
        cos, sin = self.rotary(ids.shape[1], None)
        k, modality = self.routed_by(ids)
        mask = self.causal_mask(ids)
        x = self.tok_embeddings(ids)
        inputs = []
        for i in range(len(self.layers)):
            h = self.layers[i].attended(x, cos, sin, mask)
            read = self.layers[i].ffn_norm(h)
            inputs.append(read)
            x = h + self.layers[i].feed_forward(read, k, modality)
        return inputs
