"""An adapter on a network: it begins as nothing, changes only itself, and merged it computes the same."""

from __future__ import annotations

from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import ParameterTuple, Tensor, ops

from mindformers.core.loss import CausalLoss
from mindformers.core.optimizer import AdamW
from mindformers.models.llama.llama import LlamaForCausalLM
from mindformers.pet.adapter import Adapter
from mindformers.pet.adapter_file import AdapterConfig, StoredAdapter
from mindformers.pet.lora_config import LoraConfig
from mindformers.pet.merging import merge_into
from mindformers.trainer.checkpoint import load_weights, save_weights
from mindformers.trainer.step import TrainStep
from tests.models.tiny import NUM_TEXT_TOKENS, TINY, logits_of, tiny_net
from tests.pet.conftest import EVERYWHERE, IDS, adapted_net, adapter_on, random_arrays, settings

VOCAB = TINY["vocab_size"]


def stored_like(adapter: Adapter, arrays: dict[str, np.ndarray]) -> StoredAdapter:
    config = AdapterConfig(adapter.settings, "", "", "", VOCAB, NUM_TEXT_TOKENS, VOCAB - NUM_TEXT_TOKENS, {}, {})
    return StoredAdapter(Path("memory"), config, arrays)


def one_layer(**changes: object) -> LlamaForCausalLM:
    return tiny_net(**{"num_layers": 1, **changes})


def named(net: object) -> dict[str, np.ndarray]:
    return {p.name: p.asnumpy().copy() for p in net.get_parameters()}


@pytest.mark.parametrize("changes", [{"num_layers": 2}, {"tie_word_embeddings": True}], ids=["head", "tied"])
def test_it_begins_as_the_identity_and_merged_equals_unmerged(changes: dict[str, object]) -> None:
    is_tied = "tie_word_embeddings" in changes
    net, base = one_layer(**changes), one_layer(**changes)
    before = logits_of(base, IDS)
    adapter = adapter_on(net, settings(EVERYWHERE.removesuffix("|lm_head") if is_tied else EVERYWHERE))
    np.testing.assert_allclose(logits_of(net, IDS), before, atol=1e-5)  # plain operators beside native ones
    arrays = random_arrays(adapter)
    adapter.load(arrays)
    apart = logits_of(net, IDS)
    assert np.abs(apart - before).max() > 0.1
    assert merge_into(base, stored_like(adapter, arrays)) == (7 + 1 if is_tied else 2 * 7 + 2)
    np.testing.assert_allclose(logits_of(base, IDS), apart, atol=1e-5 * np.abs(apart).max())


def test_new_rows_reach_new_tokens_only() -> None:
    net, base = one_layer(), one_layer()
    adapter = adapter_on(net, settings())
    np.testing.assert_array_equal(logits_of(net, IDS), logits_of(base, IDS))
    arrays = {name: array * name.endswith("new_rows") for name, array in random_arrays(adapter).items()}
    adapter.load(arrays)
    text = IDS % (NUM_TEXT_TOKENS - 3) + 3
    ours, theirs = logits_of(net, text), logits_of(base, text)
    np.testing.assert_array_equal(ours[..., :NUM_TEXT_TOKENS], theirs[..., :NUM_TEXT_TOKENS])
    assert np.abs(ours - theirs)[..., NUM_TEXT_TOKENS:].max() > 0.1
    assert np.abs(logits_of(net, IDS) - logits_of(base, IDS))[..., :NUM_TEXT_TOKENS].max() > 0.1


def test_a_base_loads_into_the_wrapped_network(tmp_path: Path) -> None:
    other = one_layer(seed=9)
    save_weights(other.get_parameters(), tmp_path / "base.safetensors")
    net, adapter = adapted_net(settings(EVERYWHERE), num_layers=1)
    load_weights(net, tmp_path / "base.safetensors")
    arrays = {name: weight.asnumpy() for name, weight in adapter.weights.items()}
    apart = logits_of(net, IDS)
    merge_into(other, stored_like(adapter, arrays))
    np.testing.assert_allclose(apart, logits_of(other, IDS), atol=1e-5 * np.abs(apart).max())


def test_only_wrapped_layers_lose_their_native_form() -> None:
    net = tiny_net()
    native = [layer.feed_forward.native for layer in net.model.layers]
    adapter_on(net, settings(r".*wq|model\.layers\.1\..*w2"))
    assert [layer.feed_forward.native for layer in net.model.layers] == [native[0], None]
    assert net.decode_weights() is None


def test_a_network_with_new_rows_alone_has_no_native_decode() -> None:
    net = one_layer(tie_word_embeddings=True)
    assert net.decode_weights() is not None
    adapter_on(net, settings(r"model\.layers\.0\.attention\.wq"))
    net.model.layers[0].attention.insert_child_to_cell("wq", net.model.layers[0].attention.wq.base)
    assert net.decode_weights() is None


class Bench:
    """A few steps of training under LoRA."""

    def __init__(self, given: LoraConfig, **changes: object) -> None:
        self.net = one_layer(**changes)
        self.before = named(self.net)
        self.adapter = adapter_on(self.net, given)
        self.first = {name: p.asnumpy().copy() for name, p in self.adapter.weights.items()}
        self.optimizer = AdamW(self.net.trainable_params(), weight_decay=0.1)
        self.step = TrainStep(CausalLoss(self.net), self.optimizer)
        self.net.set_train()

    def take(self, step: int, lr: float = 0.05) -> float:
        self.adapter.begin_step(step)
        return self.step([{"input_ids": IDS, "labels": IDS}], lr, 1.0, step + 1).loss


@pytest.fixture(scope="module")
def bench() -> Bench:
    ms.set_context(mode=ms.GRAPH_MODE)
    return Bench(settings(lora_dropout=0.5))


def test_the_dropout_is_that_of_the_step(bench: Bench) -> None:
    bench.take(0)
    losses = [bench.take(step, lr=0.0) for step in (3, 4, 3)]
    assert losses[0] == losses[2] != losses[1]


def test_there_is_no_dropout_outside_of_training(bench: Bench) -> None:
    bench.take(0)
    found = []
    for step in (0, 1):
        bench.adapter.begin_step(step)
        found.append(logits_of(bench.net, IDS))
    bench.net.set_train()
    np.testing.assert_array_equal(*found)


def test_only_the_adapter_changes_and_all_of_it(bench: Bench) -> None:
    losses = [bench.take(step) for step in range(5)]
    assert losses[-1] < losses[0]
    now = named(bench.net)
    assert all(np.array_equal(now[name], value) for name, value in bench.before.items())
    assert all(not np.array_equal(now[name], value) for name, value in bench.first.items())
    assert {p.name for p in bench.optimizer.weights} == set(bench.adapter.weights)
    assert all(now[f"{name}.new_rows"].any() for name in ("lm_head.weight", "model.tok_embeddings.embedding_weight"))


def test_the_gradient_of_new_rows_is_that_of_the_tables_rows() -> None:
    """With a tied head one table has both roles, and its rows get the sum."""

    def gradient(net: object, weight: ms.Parameter) -> np.ndarray:
        loss = ops.value_and_grad(CausalLoss(net), None, ParameterTuple([weight]), has_aux=True)
        net.set_train(False)
        return loss(Tensor(IDS), Tensor(IDS))[1][0].asnumpy()

    net, whole = (one_layer(tie_word_embeddings=True) for _ in range(2))
    adapter = adapter_on(net, settings())
    name = "model.tok_embeddings.embedding_weight"
    expected = gradient(whole, whole.model.tok_embeddings.embedding_weight)
    found = gradient(net, adapter.weights[f"{name}.new_rows"])
    np.testing.assert_allclose(found, expected[NUM_TEXT_TOKENS:], atol=1e-5)
