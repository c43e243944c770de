"""Padding, cache and names of the network."""

from __future__ import annotations

import numpy as np
import pytest
from mindspore import Tensor

from mindformers.generation.steps import DecodeStep, PrefillStep
from mindformers.models.llama.llama import LlamaForCausalLM
from tests.models.tiny import logits_of, tiny_config, tiny_net

PAD, UNKNOWN = 0, 0
ROW = [1, 17, 40, 99, 5, 23, 61, 8]


@pytest.fixture(scope="module")
def net() -> LlamaForCausalLM:
    return tiny_net()


@pytest.fixture(scope="module")
def plain_logits(net: LlamaForCausalLM) -> np.ndarray:
    """[8, V] of ROW, padded behind to 11 so that all tests share one graph."""
    return logits_of(net, [[*ROW, PAD, PAD, PAD]])[0, : len(ROW)]


def test_padding_in_front_changes_nothing(net: LlamaForCausalLM, plain_logits: np.ndarray) -> None:
    found = logits_of(net, [[PAD, PAD, PAD, *ROW]])[0, 3:]
    np.testing.assert_allclose(found, plain_logits, atol=1e-4)


def test_what_stands_behind_changes_nothing(net: LlamaForCausalLM, plain_logits: np.ndarray) -> None:
    found = logits_of(net, [[*ROW, 7, 88, 9]])[0, : len(ROW)]
    np.testing.assert_allclose(found, plain_logits, atol=1e-5)


def test_an_unknown_token_inside_a_row_is_seen(net: LlamaForCausalLM) -> None:
    """LLaMA pads with the unknown token's id; inside a row it is a token like any other."""
    first = [1, UNKNOWN, 40, 99, 5, 23, 61, 8, 9, 10, 11]
    found = logits_of(net, [first])[0]
    embedding = net.model.tok_embeddings.embedding_weight
    kept = embedding.asnumpy()
    changed = kept.copy()
    changed[UNKNOWN] = kept[50]
    embedding.set_data(Tensor(changed))
    other = logits_of(net, [first])[0]
    embedding.set_data(Tensor(kept))
    assert np.array_equal(found[0], other[0])
    assert np.abs(found[2:] - other[2:]).max(1).min() > 1e-3


def test_cached_decoding_is_full_decoding(net: LlamaForCausalLM) -> None:
    rows = np.random.default_rng(2).integers(1, net.config.vocab_size, (2, 24)).astype(np.int32)
    wanted = logits_of(net, rows)
    caches = net.new_caches(2, 32)
    prefill, decode = PrefillStep(net, caches), DecodeStep(net, caches)
    lengths = np.asarray([3, 9], np.int32)
    ids = np.where(np.arange(16) < lengths[:, None], rows[:, :16], PAD).astype(np.int32)
    found = prefill(Tensor(ids), Tensor(lengths), Tensor(np.asarray([0, 1], np.int32))).asnumpy()
    np.testing.assert_allclose(found, wanted[[0, 1], lengths - 1], atol=1e-4)
    for step in range(15):
        positions = (lengths + step).astype(np.int32)
        found = decode(Tensor(rows[[0, 1], positions]), Tensor(positions)).asnumpy()
        np.testing.assert_allclose(found, wanted[[0, 1], positions], atol=1e-4)


def test_names_of_weights_are_public() -> None:
    layer = ["attention.wq", "attention.wk", "attention.wv", "attention.wo"]
    layer += ["feed_forward.w1", "feed_forward.w2", "feed_forward.w3", "attention_norm", "ffn_norm"]
    wanted = {f"model.layers.{i}.{name}.weight" for i in range(2) for name in layer}
    wanted |= {"model.tok_embeddings.embedding_weight", "model.norm_out.weight", "lm_head.weight"}
    assert {p.name for p in LlamaForCausalLM(tiny_config(), None).get_parameters()} == wanted


def test_a_tied_head_has_no_weights_of_its_own() -> None:
    tied, untied = (tiny_config(tie_word_embeddings=tied) for tied in (True, False))
    names = {p.name for p in LlamaForCausalLM(tied, None).get_parameters()}
    assert "lm_head.weight" not in names
    assert untied.count_parameters() - tied.count_parameters() == 128 * 32


@pytest.mark.parametrize("changes", [{}, {"n_kv_heads": 2}, {"tie_word_embeddings": True, "num_layers": 3}])
def test_weights_are_counted_without_building_them(changes: dict[str, object]) -> None:
    net = LlamaForCausalLM(tiny_config(**changes), None)
    assert net.config.count_parameters() == sum(p.size for p in net.get_parameters())


def test_without_a_seed_the_weights_wait_for_a_checkpoint() -> None:
    net = LlamaForCausalLM(tiny_config(), None)
    assert all(not p.asnumpy().any() for p in net.get_parameters() if p.ndim > 1)
