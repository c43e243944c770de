"""The network against its rules in NumPy and against the original model's figures."""

from __future__ import annotations

import json

import numpy as np
import pytest
from mindspore import Tensor
from safetensors.numpy import load_file

from mindformers import GLMConfig, GLMForPreTraining
from mindformers.generation import Engine, GenerationOptions
from mindformers.generation.steps import DecodeStep, PrefillStep
from mindformers.pet.lora_config import LoraConfig
from tests.conftest import shared_data
from tests.models.glm import reference
from tests.models.glm.networks import network

GMASK, SOP, MASK, PAD = 71, 74, 70, 3
ROW = [5, 9, 33, 21, 60, GMASK, SOP, 44, 12, 8, 75]
INNER_MASK = [5, MASK, 33, 21, 60, 11, SOP, 44, 12, 8, 75]


@pytest.fixture(scope="module")
def weights() -> reference.Weights:
    return reference.random_weights(reference.small_config())


@pytest.fixture(scope="module")
def net(weights: reference.Weights) -> GLMForPreTraining:
    return network(reference.small_config(), weights)


def test_logits_follow_the_rules_whatever_stands_around_a_row(
    net: GLMForPreTraining, weights: reference.Weights
) -> None:
    """Two kinds of mask token; padding in front and behind."""
    rows = np.asarray([[*ROW, PAD, PAD], [PAD, PAD, *INNER_MASK]], np.int32)
    found = net(Tensor(rows)).asnumpy()
    for logits, ids in ((found[0, : len(ROW)], ROW), (found[1, 2:], INNER_MASK)):
        np.testing.assert_allclose(logits, reference.logits(weights, net.config, ids), atol=2e-4)


def test_cached_decoding_is_full_decoding(net: GLMForPreTraining) -> None:
    """Prompts of different lengths in slots of their own, and one that takes a slot over."""
    generator = np.random.default_rng(1)
    rows = [[*generator.integers(5, 70, size), GMASK, SOP, *generator.integers(5, 70, 6)] for size in (3, 9)]
    wanted = [net(Tensor(np.asarray([[*row, *[PAD] * (24 - len(row))]], np.int32))).asnumpy()[0] for row in rows]
    caches = net.new_caches(2, 24)
    prefill, decode = PrefillStep(net, caches), DecodeStep(net, caches)
    starts = [len(row) - 6 for row in rows]
    for slot, number in ((0, 1), (0, 0), (1, 1)):
        ids = np.full((1, 16), PAD, np.int32)
        ids[0, : starts[number]] = rows[number][: starts[number]]
        length, where = np.asarray([starts[number]], np.int32), np.asarray([slot], np.int32)
        logits = prefill(Tensor(ids), Tensor(length), Tensor(where)).asnumpy()[0]
        np.testing.assert_allclose(logits, wanted[number][starts[number] - 1], atol=1e-4)
    for step in range(6):
        positions = np.asarray([start + step for start in starts], np.int32)
        tokens = np.asarray([row[position] for row, position in zip(rows, positions, strict=True)], np.int32)
        logits = decode(Tensor(tokens), Tensor(positions)).asnumpy()
        for slot in range(2):
            np.testing.assert_allclose(logits[slot], wanted[slot][positions[slot]], atol=1e-4)


def test_the_engine_answers_with_and_without_a_cache_and_by_beams(net: GLMForPreTraining) -> None:
    prompts, options = [ROW[:7], [8, 7, GMASK, SOP]], GenerationOptions(max_new_tokens=5)
    answers = Engine(net).generate(prompts, options)
    assert answers == Engine(net, use_cache=False).generate(prompts, options)
    beams = GenerationOptions(max_new_tokens=5, num_beams=2)
    assert Engine(net).generate(prompts, beams) == Engine(net, use_cache=False).generate(prompts, beams)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_original_models_logits_and_losses(original: tuple, number: int) -> None:
    net, figures = original
    ids, labels = figures[f"ids_{number}"][None], figures[f"labels_{number}"][None]
    np.testing.assert_allclose(net(Tensor(ids)).asnumpy()[0], figures[f"logits_{number}"], atol=1e-4)
    assert abs(float(net(Tensor(ids), Tensor(labels))) - float(figures[f"loss_{number}"])) < 1e-5


def test_the_original_models_answer(original: tuple) -> None:
    net, figures = original
    found = Engine(net).generate([figures["prompt"].tolist()], GenerationOptions(max_new_tokens=16))
    assert found == [figures["greedy"].tolist()]


@pytest.fixture(scope="module")
def original() -> tuple:
    place = "glm/tiny_chatglm"
    settings = json.loads(shared_data(f"{place}.config.json").read_text())
    names = {"num_attention_heads": "num_heads", "max_sequence_length": "seq_length"}
    names |= {"layernorm_epsilon": "layernorm_epsilon", "position_encoding_2d": "position_encoding_2d"}
    given = {names.get(name, name): value for name, value in settings.items()}
    net = network(GLMConfig(**given, **reference.FLOATS), load_file(shared_data(f"{place}.safetensors")))
    return net, np.load(shared_data(f"{place}.npz"))


def test_counts_of_the_published_size_without_its_weights() -> None:
    from mindformers.models.glm.names import weight_shapes

    config, lora = GLMConfig(), LoraConfig.from_mapping({"target_modules": ".*query_key_value", "lora_rank": 8})
    shapes = weight_shapes(config)
    assert config.count_parameters() == sum(int(np.prod(shape)) for shape in shapes.values()) == 6_173_286_400
    trained = lora.weight_shapes(shapes, config.vocab_size, config.vocab_size)
    assert sum(int(np.prod(shape)) for shape in trained.values()) == 3_670_016
