"""LLaMA with its head."""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, nn, ops

from mindformers.core.dtype import compute_and_param_types
from mindformers.core.init import initialize_parameters
from mindformers.kernels.decode_weights import DecodeWeights
from mindformers.models.llama.decode_weights import decode_weights
from mindformers.models.llama.llama_config import LlamaConfig
from mindformers.models.llama.llama_transformer import LlamaModel
from mindformers.modules.kv_cache import KVCache
from mindformers.modules.linear import Linear
from mindformers.tools.registry import MindFormerModuleType, MindFormerRegister


@MindFormerRegister.register(MindFormerModuleType.MODELS)
class LlamaForCausalLM(nn.Cell):
    """Logits of the next token.

    Args:
        config: shape and arithmetic.
        seed: of the random weights; None leaves them zero, for a checkpoint to fill.

    Inputs: ids int32 [B, S] (S up to `seq_length`); optionally the document of each, int32 [B, S], see `Documents`.
    Returns: float32 logits [B, S, V].
    """

    def __init__(self, config: LlamaConfig, seed: int | None = 0) -> None:
        super().__init__()
        self.config = config
        self.model = LlamaModel(config)
        self.lm_head = None
        if not config.tie_word_embeddings:
            self.lm_head = Linear(config.hidden_size, config.vocab_size, *compute_and_param_types(config))
        if seed is not None:
            initialize_parameters(self, seed, config.initializer_range)

    def construct(self, ids: Tensor, documents: Tensor | None = None) -> Tensor:
        return self.logits_of(self.model(ids, None, None, None, documents))

    def recomputable(self) -> list[nn.Cell]:
        """The cells that may compute their activations a second time rather than keep them."""
        return list(self.model.layers)

    def logits_of(self, hidden: Tensor) -> Tensor:
        """Hidden states [..., D] to float32 logits [..., V]."""
        if self.lm_head is not None:
            return ops.cast(self.lm_head(hidden), ms.float32)
        return ops.cast(self.model.tok_embeddings.scores(hidden), ms.float32)

    def prefill(self, ids: Tensor, lengths: Tensor, caches: nn.CellList | None, slots: Tensor | None = None) -> Tensor:
        """Fill the caches with prompts.

        Args:
            ids: int32 [B, S], padded behind.
            lengths: int32 [B], tokens of each prompt, at least 1.
            caches: one `KVCache` per layer, or None to keep nothing.
            slots: int32 [B], where in the caches each prompt belongs; None for all slots in order.

        Returns:
            float32 [B, V], the logits behind each prompt's last token.
        """
        hidden = self.model(ids, caches, None, slots)
        rows = ops.cast(ops.arange(ids.shape[0]), ms.int32)
        last = ops.gather_nd(hidden, ops.stack((rows, lengths - 1), 1))
        return self.logits_of(last)

    def decode(self, ids: Tensor, positions: Tensor, caches: nn.CellList) -> Tensor:
        """Take one token of each row in.

        Args:
            ids: int32 [B], the tokens.
            positions: int32 [B], where they stand.
            caches: one `KVCache` per layer.

        Returns:
            float32 [B, V], the logits behind these tokens.
        """
        hidden = self.model(ids.expand_dims(1), caches, positions)
        return self.logits_of(hidden[:, 0])

    def prepare_generation(self) -> None:
        """To be called before answers are generated, when the weights are what they shall be."""
        for layer in self.model.layers:
            layer.feed_forward.prepare_generation()

    def decode_weights(self) -> DecodeWeights | None:
        """What the native decode step computes with; None where a layer is not as built here."""
        return decode_weights(self)

    def new_caches(self, batch_size: int, length: int) -> nn.CellList:
        """Empty caches for B rows of up to `length` tokens."""
        config = self.config
        dtype, _ = compute_and_param_types(config)
        shape = (batch_size, config.num_kv_heads, length, config.head_dim)
        return nn.CellList([KVCache(*shape, dtype) for _ in range(config.num_layers)])
