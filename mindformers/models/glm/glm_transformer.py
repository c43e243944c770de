"""ChatGLM without its head: ids to hidden states."""

from __future__ import annotations

from mindspore import Tensor, nn

from mindformers.core.dtype import compute_and_param_types
from mindformers.models.glm.glm_config import GLMConfig
from mindformers.models.glm.glm_layer import GLMBlock, hidden_scores, layer_norm
from mindformers.models.glm.places import Places
from mindformers.models.glm.rotary import TwoWayRotary
from mindformers.modules.embedding import TokenEmbedding
from mindformers.modules.mask import CachedMask


class GLMModel(nn.Cell):
    """Word table, layers, final norm. Positions and visibility follow from the ids.

    Inputs: ids int32 [B, S]; optionally the caches of all layers and behind them a `PlaceCache`, with the slots int32
    [B] that prompts are filled into (None for all in order) or, when S is 1, the indices int32 [B] that are decoded.
    Returns: hidden states [B, S, D].
    """

    def __init__(self, config: GLMConfig) -> None:
        super().__init__()
        compute, params = compute_and_param_types(config)
        length = config.seq_length
        self.word_embeddings = TokenEmbedding(config.vocab_size, config.hidden_size, compute, params)
        self.layers = nn.CellList([GLMBlock(config, layer) for layer in range(config.num_layers)])
        self.final_layernorm = layer_norm(config)
        ids = config.bos_token_id, config.mask_token_id, config.gmask_token_id, config.pad_token_id
        self.places = Places(length, *ids)
        self.rotary = TwoWayRotary(config.head_dim, length + 1, compute)
        self.cached_mask = CachedMask(length)
        self.num_layers = config.num_layers

    def construct(
        self,
        ids: Tensor,
        caches: nn.CellList | None = None,
        positions: Tensor | None = None,
        slots: Tensor | None = None,
    ) -> Tensor:
        where = slots
        if positions is None:
            first, second, visible, remembered = self.places(ids)
            if caches is not None:
                caches[self.num_layers](remembered, slots)
        else:
            first, second = caches[self.num_layers].at(positions)
            visible = self.cached_mask(positions, caches[0].shape[2])
            where = positions
        angles, hidden = self.rotary(first, second), hidden_scores(visible)
        h = self.word_embeddings(ids)
        for i in range(self.num_layers):
            cache = None if caches is None else caches[i]
            h = self.layers[i](h, angles, hidden, cache, where)
        return self.final_layernorm(h)
