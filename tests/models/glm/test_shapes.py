"""Networks of other shapes, vocabularies and special ids against the rules in NumPy: logits, loss, answers."""

from __future__ import annotations

import numpy as np
import pytest
from mindspore import Tensor

from mindformers.generation import Engine, GenerationOptions
from mindformers.models.glm.glm_config import GLMConfig
from tests.models.glm import reference
from tests.models.glm.networks import network

ODD = {"bos_token_id": 7, "eos_token_id": 50, "mask_token_id": 9, "gmask_token_id": 11, "pad_token_id": 60}
SMALLEST = {"hidden_size": 8, "num_layers": 1, "num_heads": 2}
PUBLISHED = dict.fromkeys(reference.IDS)
NEW_TOKENS = 8


@pytest.fixture(
    scope="module",
    params=[
        {"hidden_size": 48, "num_layers": 4, "num_heads": 3, "inner_hidden_size": 100, "vocab_size": 61, **ODD},
        {"hidden_size": 32, "num_layers": 3, "num_heads": 8, "inner_hidden_size": 64, "seq_length": 90},
        {**SMALLEST, **PUBLISHED, "vocab_size": 130528},
        {**SMALLEST, **PUBLISHED, "vocab_size": 150528},
    ],
    ids=["odd ids", "narrow heads", "published rows", "early rows"],
)
def config(request: pytest.FixtureRequest) -> GLMConfig:
    """Of a small network."""
    return reference.small_config(**request.param)


def prompts(config: GLMConfig) -> list[list[int]]:
    """The mask token at the end or inside, of either kind or both, and in prompts of three lengths."""
    generator = np.random.default_rng(3)
    special = {config.bos_token_id, config.gmask_token_id, config.mask_token_id, config.pad_token_id}
    words = [index for index in generator.permutation(config.vocab_size)[:100].tolist() if index not in special]
    gmask, mask, sop = config.gmask_token_id, config.mask_token_id, config.bos_token_id
    return [
        [*words[:12], gmask, sop],
        [*words[12:14], mask, *words[14:17], sop],
        [words[17], mask, words[18], gmask, words[19], words[17], sop],
    ]


def test_logits_and_loss_of_padded_rows(config: GLMConfig) -> None:
    """Rows of three lengths in a batch, padding in front; what is learnt is counted over all of them."""
    weights = reference.random_weights(config)
    net = network(config, weights)
    rows = [[*prompt, *prompt[:3], config.eos_token_id] for prompt in prompts(config)]
    longest = max(map(len, rows))
    ids = np.full((len(rows), longest), config.pad_token_id, np.int32)
    labels = np.full_like(ids, config.ignore_token_id)
    losses: list[float] = []
    for row, said, learnt in zip(rows, ids, labels, strict=True):
        said[longest - len(row) :] = row
        learnt[-5:] = row[-5:]
        wanted = reference.logits(weights, config, row)
        shares = wanted - np.log(np.exp(wanted).sum(1, keepdims=True))
        losses += [-shares[place - 1, row[place]] for place in range(len(row) - 5, len(row))]
    found = net(Tensor(ids)).asnumpy()
    for row, logits in zip(rows, found, strict=True):
        wanted = reference.logits(weights, config, row)
        np.testing.assert_allclose(logits[longest - len(row) :], wanted, atol=1e-4)
    assert float(net(Tensor(ids), Tensor(labels))) == pytest.approx(np.mean(losses), abs=1e-5)


def test_answers_are_the_likeliest_tokens_of_the_rules(config: GLMConfig) -> None:
    """Prompts of several lengths at once, with a cache; several different tokens are said."""
    weights = reference.random_weights(config, seed=4, scale=10 / 3)
    asked = prompts(config)
    answers = Engine(network(config, weights)).generate(asked, GenerationOptions(max_new_tokens=NEW_TOKENS))
    assert answers == [greedy(weights, config, prompt) for prompt in asked]
    assert len({token for answer in answers for token in answer}) >= 3


def greedy(weights: reference.Weights, config: GLMConfig, prompt: list[int]) -> list[int]:
    """The answer without a cache, each token from all before it."""
    said: list[int] = []
    while len(said) < NEW_TOKENS:
        said.append(int(reference.logits(weights, config, prompt + said)[-1].argmax()))
        if said[-1] == config.eos_token_id:
            break
    return said
