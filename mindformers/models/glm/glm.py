"""ChatGLM with its head."""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, nn, ops

from mindformers.core.dtype import compute_and_param_types
from mindformers.core.init import initialize_parameters
from mindformers.core.loss import TokenLoss, shifted
from mindformers.models.glm.glm_config import GLMConfig
from mindformers.models.glm.glm_transformer import GLMModel
from mindformers.models.glm.places import PlaceCache
from mindformers.modules.kv_cache import KVCache
from mindformers.tools.registry import MindFormerModuleType, MindFormerRegister


@MindFormerRegister.register(MindFormerModuleType.MODELS)
class GLMForPreTraining(nn.Cell):
    """Logits of the next token: prompt, [gMASK], sop, answer, eop.

    Args:
        config: shape and arithmetic.
        seed: of the random weights; None leaves them zero, for a checkpoint to fill.

    Inputs: ids int32 [B, S] (S up to `seq_length`), optionally labels int32 [B, S].
    Returns: float32 logits [B, S, V]; with labels the mean loss over those that count, nats, each label being
    predicted from the token before it.
    """

    def __init__(self, config: GLMConfig, seed: int | None = 0) -> None:
        super().__init__()
        self.config = config
        self.transformer = GLMModel(config)
        self.loss = TokenLoss(config.ignore_token_id)
        if seed is not None:
            initialize_parameters(self, seed, config.initializer_range)

    def construct(self, ids: Tensor, labels: Tensor | None = None) -> Tensor:
        logits = self.logits_of(self.transformer(ids))
        if labels is None:
            return logits
        _, said = shifted(ids, labels)
        losses, weights = self.loss(logits[:, :-1].reshape(-1, logits.shape[-1]), said.reshape(-1))
        return losses.sum() / ops.maximum(weights.sum(), 1.0)

    def recomputable(self) -> list[nn.Cell]:
        """The cells that may compute their activations a second time rather than keep them."""
        return list(self.transformer.layers)

    def logits_of(self, hidden: Tensor) -> Tensor:
        """Hidden states [..., D] to float32 logits [..., V]."""
        return ops.cast(self.transformer.word_embeddings.scores(hidden), ms.float32)

    def prefill(self, ids: Tensor, lengths: Tensor, caches: nn.CellList | None, slots: Tensor | None = None) -> Tensor:
        """Fill the caches with prompts; arguments and result as `LlamaForCausalLM.prefill`."""
        hidden = self.transformer(ids, caches, None, slots)
        rows = ops.cast(ops.arange(ids.shape[0]), ms.int32)
        return self.logits_of(ops.gather_nd(hidden, ops.stack((rows, lengths - 1), 1)))

    def decode(self, ids: Tensor, positions: Tensor, caches: nn.CellList) -> Tensor:
        """Take one token of each row in; arguments and result as `LlamaForCausalLM.decode`."""
        return self.logits_of(self.transformer(ids.expand_dims(1), caches, positions)[:, 0])

    def prepare_generation(self) -> None:
        """The weights lie as they are read."""

    def decode_weights(self) -> None:
        """There is no native decode step for this family; plain operators decode."""
        return None

    def new_caches(self, batch_size: int, length: int) -> nn.CellList:
        """Empty caches for B rows of up to `length` tokens: one per layer, then the places of the prompts."""
        config = self.config
        dtype, _ = compute_and_param_types(config)
        shape = (batch_size, config.num_heads, length, config.head_dim)
        layers = [KVCache(*shape, dtype) for _ in range(config.num_layers)]
        return nn.CellList([*layers, PlaceCache(batch_size)])
