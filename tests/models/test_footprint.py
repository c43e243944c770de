"""What is counted without building, beside what is built."""

from __future__ import annotations

from typing import Any

import pytest

from mindformers.models.footprint import Batch, Weight
from mindformers.models.llama.footprint import LlamaFootprint
from tests.models.tiny import tiny_config, tiny_net

LEARNED = {"num_experts": 16, "routing": "learned"}
VARIANTS = [
    {},
    {"experts": None},
    {"n_kv_heads": 2},
    {"tie_word_embeddings": True, "experts": None},
    {"experts": LEARNED},
    {"experts": {**LEARNED, "train_router": True}},
]


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_every_weight_is_counted_as_it_is_built(changes: dict[str, Any]) -> None:
    built = {p.name: (tuple(p.shape), p.requires_grad) for p in tiny_net(**changes).get_parameters()}
    counted = LlamaFootprint(tiny_config(**changes), "CPU").weights()
    assert {name: (weight.shape, weight.is_trained) for name, weight in counted.items()} == built


def test_a_cut_weight_leaves_its_largest_part() -> None:
    assert Weight((10, 3), cut=0).size_on(4) == 3 * 3
    assert Weight((10, 3), cut=1, dtype="float16").bytes_on(3) == 10 * 2
    assert Weight((10, 3)).size_on(4) == 30


def test_norms_stay_whole_and_matrices_are_cut() -> None:
    weights = LlamaFootprint(tiny_config(experts=None), "CPU").weights()
    whole = {name.split(".")[-2] for name, weight in weights.items() if weight.cut is None}
    assert whole == {"attention_norm", "ffn_norm", "norm_out"}
    assert (
        weights["model.layers.0.attention.wo.weight"].cut == weights["model.layers.0.feed_forward.w2.weight"].cut == 1
    )


def test_a_cpu_holds_float32_and_an_accelerator_what_the_recipe_says() -> None:
    config = tiny_config(param_init_type="float16")
    assert {w.dtype for w in LlamaFootprint(config, "CPU").weights().values()} == {"float32"}
    assert {w.dtype for w in LlamaFootprint(config, "Ascend").weights().values()} == {"float16"}


@pytest.mark.parametrize("device", ["CPU", "Ascend"])
def test_rows_count_linearly_and_scores_by_the_square_of_the_length(device: str) -> None:
    footprint = LlamaFootprint(tiny_config(), device)
    one, two, long = (footprint.activations(Batch(*shape)).kept for shape in ((1, 32), (2, 32), (1, 64)))
    assert two == pytest.approx(2 * one)
    assert long > 2 * one
    assert footprint.activations(Batch(1, 32, parts=2)).kept < one


def test_recompute_keeps_little_on_an_accelerator() -> None:
    deep = LlamaFootprint(tiny_config(num_layers=20), "Ascend").activations(Batch(4, 32))
    assert deep.kept_by_recompute < deep.kept / 8


def test_a_cache_has_keys_and_values_of_every_layer() -> None:
    config = tiny_config(n_kv_heads=2)  # heads of 8
    cache, prefill = LlamaFootprint(config, "CPU").prediction(Batch(3, 10))
    assert cache == 2 * 2 * 3 * 10 * (2 * 8) * 4
    assert prefill > 0
