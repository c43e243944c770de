"""Networks small enough to compile and run in a second."""

from __future__ import annotations

from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn

from mindformers.models.llama.llama import LlamaForCausalLM
from mindformers.models.llama.llama_config import LlamaConfig

NUM_TEXT_TOKENS = 30
TINY = {
    "seq_length": 48,
    "hidden_size": 32,
    "num_layers": 2,
    "num_heads": 4,
    "vocab_size": NUM_TEXT_TOKENS + 98,
    "base_vocab_size": NUM_TEXT_TOKENS,
    "intermediate_size": 64,
    "compute_dtype": "float32",
    "initializer_range": 0.3,
}
EXPERTS = {"num_experts": 16, "routing": "activation"}


def tiny_config(**changes: Any) -> LlamaConfig:
    """A routed LLaMA of two layers; `experts=None` is the plain one."""
    return LlamaConfig(**{**TINY, "experts": dict(EXPERTS), **changes})


def tiny_net(seed: int | None = 0, **changes: Any) -> LlamaForCausalLM:
    """The network in graph mode, with random weights that make its answers differ."""
    ms.set_context(mode=ms.GRAPH_MODE)
    return LlamaForCausalLM(tiny_config(**changes), seed)


def logits_of(net: nn.Cell, ids: Any) -> np.ndarray:
    """float32 [B, S, V]."""
    net.set_train(False)
    return net(Tensor(np.asarray(ids, np.int32))).asnumpy()
