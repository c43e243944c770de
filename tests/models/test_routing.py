"""The whole network: how many experts each token uses follows from its id, in every layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mindspore as ms
import numpy as np
import pytest
from mindspore import ParameterTuple, Tensor, nn, ops

from mindformers.models.llama.llama import LlamaForCausalLM
from mindformers.modules import feed_forward
from mindformers.modules.router import ActivationRouter
from tests.models.tiny import EXPERTS, NUM_TEXT_TOKENS, logits_of, tiny_config, tiny_net

E = EXPERTS["num_experts"]
MOLECULES, NUCLEOTIDES, PROTEINS = range(30, 96), range(96, 101), range(101, 128)


@pytest.fixture
def masks(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[np.ndarray]]:
    """The mask [T, E] of every call of a router, operator by operator, in the masked form of the feed-forward."""
    monkeypatch.setattr(feed_forward, "native_routed_swiglu", lambda num_experts, routing: None)
    seen: list[np.ndarray] = []
    route = ActivationRouter.construct

    def watched(self: ActivationRouter, h: Tensor, k: Tensor) -> Tensor:
        mask = route(self, h, k)
        seen.append(mask.asnumpy())
        return mask

    monkeypatch.setattr(ActivationRouter, "construct", watched)
    ms.set_context(mode=ms.PYNATIVE_MODE)
    yield seen
    ms.set_context(mode=ms.GRAPH_MODE)


def random_ids(config: Any, rows: int = 4, length: int = 40) -> np.ndarray:
    return np.random.default_rng(5).integers(1, config.vocab_size, (rows, length)).astype(np.int32)


def test_every_token_uses_exactly_the_experts_of_its_modality(masks: list[np.ndarray]) -> None:
    net = LlamaForCausalLM(tiny_config(), seed=3)
    ids = random_ids(net.config)
    net(Tensor(ids))
    active = [mask.sum(1).reshape(ids.shape) for mask in masks]
    assert len(active) == net.config.num_layers
    is_text = ids < NUM_TEXT_TOKENS
    for counts in active:
        assert set(counts[is_text]) == {14}
        for members in (MOLECULES, NUCLEOTIDES, PROTEINS):
            assert set(counts[np.isin(ids, members)]) == {2}
    assert len(np.unique(masks[0], axis=0)) > 20  # the choices differ from token to token


def test_a_network_without_weights_still_keeps_exactly_k(masks: list[np.ndarray]) -> None:
    net = LlamaForCausalLM(tiny_config(), seed=None)
    ids = random_ids(net.config)
    net(Tensor(ids))
    k = np.where(ids < NUM_TEXT_TOKENS, 14, 2).reshape(-1, 1)
    assert all(np.array_equal(mask, np.arange(E) < k) for mask in masks)


class OneLogit(nn.Cell):
    """The sum of the last token's logits, each weighed differently."""

    def __init__(self, net: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        self.net = net
        self.weights = Tensor(np.linspace(-1, 1, net.config.vocab_size, dtype=np.float32))

    def construct(self, ids: Tensor) -> Tensor:
        return (self.net(ids)[:, -1] * self.weights).sum()


def test_gradients_of_a_token_touch_exactly_its_experts_in_the_compiled_graph() -> None:
    """For every id of the vocabulary: experts with any gradient, in all three matrices of each layer."""
    net = tiny_net()
    layers = [layer.feed_forward for layer in net.model.layers]
    weights = ParameterTuple([cell.weight for layer in layers for cell in (layer.w1, layer.w3, layer.w2)])
    gradients_of = ops.grad(OneLogit(net), None, weights)
    for token in range(1, net.config.vocab_size):
        found = [g.asnumpy() for g in gradients_of(Tensor([[token]], ms.int32))]
        for g1, g3, g2 in zip(found[0::3], found[1::3], found[2::3], strict=True):
            active = [(g.reshape(E, -1) != 0).any(1) for g in (g1, g3, g2.T)]
            assert active[0].sum() == (14 if token < NUM_TEXT_TOKENS else 2), f"token {token}"
            assert np.array_equal(active[0], active[1])
            assert np.array_equal(active[0], active[2])


def test_all_experts_for_all_tokens_is_the_plain_network() -> None:
    every = {"num_experts": E, "top_k": dict.fromkeys(("text", "molecule", "nucleotide", "protein"), E)}
    plain = tiny_net(experts=None)
    ids = random_ids(plain.config)
    wanted = logits_of(plain, ids)
    np.testing.assert_allclose(logits_of(tiny_net(experts=every), ids), wanted, atol=1e-5)
    assert np.abs(logits_of(tiny_net(), ids) - wanted).max() > 0.1  # fewer experts do change it
