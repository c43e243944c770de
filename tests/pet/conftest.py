"""Graph mode, as a run uses it; and a tiny network with an adapter that does something."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest

from mindformers.pet.adapter import Adapter
from mindformers.pet.lora_config import LoraConfig
from tests.models.tiny import NUM_TEXT_TOKENS, TINY, tiny_net

IDS = np.random.default_rng(3).integers(3, TINY["vocab_size"], (2, TINY["seq_length"])).astype(np.int32)
EVERYWHERE = ".*w[qkvo]|.*w[123]|lm_head"


@pytest.fixture(autouse=True)
def graph_mode() -> None:
    ms.set_context(mode=ms.GRAPH_MODE)


def settings(target_modules: str | list[str] = ".*wq|.*wv", **changes: object) -> LoraConfig:
    return LoraConfig.from_mapping({"target_modules": target_modules, "lora_rank": 4, "lora_dropout": 0.0, **changes})


def adapter_on(net: object, given: LoraConfig, seed: int = 7) -> Adapter:
    return Adapter(net, given, NUM_TEXT_TOKENS, seed)


def random_arrays(adapter: Adapter, seed: int = 1) -> dict[str, np.ndarray]:
    """Values as after some training."""
    rng = np.random.default_rng(seed)
    return {
        name: (0.1 * rng.standard_normal(weight.shape)).astype(np.float32) for name, weight in adapter.weights.items()
    }


def adapted_net(given: LoraConfig, **changes: object) -> tuple[object, Adapter]:
    """A network with an adapter of random values."""
    net = tiny_net(**changes)
    adapter = adapter_on(net, given)
    adapter.load(random_arrays(adapter))
    return net, adapter
