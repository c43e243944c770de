"""Sizes that follow from others, modalities of ids, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from mindformers.models.llama.llama_config import LlamaConfig
from mindformers.tools.errors import InputError
from tests.models.tiny import tiny_config


@pytest.mark.parametrize(
    ("sizes", "width"),
    [
        ({"hidden_size": 4096}, 11008),  # LLaMA-2 7B
        ({"hidden_size": 5120, "num_heads": 40}, 13824),  # 13B
        ({"hidden_size": 8192, "num_heads": 64, "multiple_of": 4096, "ffn_dim_multiplier": 1.3}, 28672),  # 70B
        ({"hidden_size": 4096, "intermediate_size": 11000}, 11000),
    ],
)
def test_the_feed_forwards_width_follows_llamas_rule(sizes: dict[str, float], width: int) -> None:
    assert LlamaConfig(**sizes).ffn_size == width


def test_llama_2_7b_has_its_number_of_weights() -> None:
    assert LlamaConfig().count_parameters() == 6_738_415_616


def test_without_experts_nothing_is_routed_and_all_ids_are_text() -> None:
    config = LlamaConfig()
    assert (config.is_routed, config.first_modality_id, config.modality_table().max()) == (False, 32000, 0)
    assert not LlamaConfig(vocab_size=32098, experts={"routing": "none"}, multiple_of=16).is_routed


def test_the_published_vocabulary_has_molecules_only() -> None:
    config = LlamaConfig(vocab_size=32066, base_vocab_size=32000, experts={"modalities": ["molecule"]})
    k = config.experts_per_token()
    assert k.shape == (32066,)
    assert set(k[:32000]) == {14}
    assert set(k[32000:]) == {2}


def test_experts_of_every_id_follow_from_the_table() -> None:
    config = tiny_config(experts={"top_k": {"text": 13, "molecule": 1, "nucleotide": 3, "protein": 4}})
    wanted = [13] * 30 + [1] * 66 + [3] * 5 + [4] * 27
    assert config.experts_per_token().tolist() == wanted
    assert np.bincount(config.modality_table()).tolist() == [30, 66, 5, 27]


def test_ids_behind_the_modalities_are_text() -> None:
    config = tiny_config(vocab_size=30 + 98 + 4)
    assert config.experts_per_token()[-5:].tolist() == [2, 14, 14, 14, 14]


def test_modality_tokens_are_the_last_ones_where_no_base_is_given() -> None:
    assert LlamaConfig(vocab_size=500 + 98, experts={}, multiple_of=16).first_modality_id == 500


def test_defaults_never_exceed_the_number_of_experts() -> None:
    assert tiny_config(experts={"num_experts": 4}).experts.experts_of_rows() == [4, 2, 2, 2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_heads": 5}, "num_heads: 5 for hidden_size 32; expected an even head dimension"),
        ({"num_heads": 32}, "num_heads: 32 for hidden_size 32; expected an even head dimension"),
        ({"n_kv_heads": 3}, "n_kv_heads: 3; expected a divisor of num_heads 4"),
        ({"num_layers": 0}, "num_layers: 0; expected 1 or more"),
        ({"base_vocab_size": 200}, "vocab_size: 128; expected room for the modality tokens"),
        ({"experts": {"num_experts": 7}}, "experts.num_experts: 7; expected a divisor of the feed-forward's 64"),
        ({"experts": {"routing": "activaton"}}, "experts.routing: unknown name 'activaton'"),
        ({"experts": {"top_k": {"molecul": 2}}}, "experts.top_k: unknown name 'molecul'.*did you mean 'molecule'"),
        ({"experts": {"top_k": {"text": 17}}}, "experts.top_k.text: 17; expected 1 to num_experts 16"),
        ({"experts": {"top_k": {"text": 0}}}, "experts.top_k.text: 0; expected 1 to num_experts 16"),
        ({"experts": {"num_expert": 8}}, "experts.num_expert: unknown key; did you mean"),
    ],
)
def test_what_does_not_fit_is_refused_by_key(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tiny_config(**changes)


def test_a_mapping_is_decoded_strictly() -> None:
    config = LlamaConfig.from_mapping({"hidden_size": 64, "num_heads": 4, "do_sample": "False", "rms_norm_eps": "1e-6"})
    assert (config.hidden_size, config.do_sample, config.rms_norm_eps) == (64, False, 1e-6)
    with pytest.raises(InputError, match=r"model\.model_config\.hiden_size: unknown key; did you mean .*hidden_size"):
        LlamaConfig.from_mapping({"hiden_size": 64})


def test_what_is_written_out_reads_back_the_same() -> None:
    config = tiny_config(n_kv_heads=2, theta=5e5)
    assert LlamaConfig.from_mapping(config.to_dict()) == config
