"""Sequences drawn at random and by stubborn samplers: all valid, none too long."""

from __future__ import annotations

import random
from collections.abc import Callable
from statistics import median

import pytest

from mindformers.generation.constrain import MIN_BUDGET, constraint_for
from mindformers.models.llama.llama_tokenizer import LlamaTokenizer
from tests.generation.constrain.molecules import parses

Choose = Callable[[list[int]], int]


def answer(tokenizer: LlamaTokenizer, budget: int, choose: Choose) -> str:
    """One answer, chosen token by token from the allowed ids in ascending order."""
    state = constraint_for("smiles", tokenizer).start(budget)
    ids: list[int] = []
    while True:
        allowed = sorted(state.allowed_ids().tolist())
        assert allowed, tokenizer.decode(ids)
        token = choose(allowed)
        state.advance(token)
        if token == tokenizer.eos_token_id:
            break
        ids.append(token)
    assert len(ids) <= budget
    return tokenizer.decode(ids, is_continuation=True).removeprefix(" ")


@pytest.mark.parametrize(("budget", "count"), [(MIN_BUDGET, 300), (2, 300), (5, 500), (20, 700), (60, 160), (200, 40)])
def test_random_molecules_are_valid(tokenizer: LlamaTokenizer, budget: int, count: int) -> None:
    draw = random.Random(budget)
    molecules = [answer(tokenizer, budget, draw.choice) for _ in range(count)]
    assert not [smiles for smiles in molecules if not parses(smiles)]
    if budget == 60:
        assert median(map(len, molecules)) > 10


def preferring(tokenizer: LlamaTokenizer, characters: str, share: float, draw: random.Random) -> Choose:
    ids = tokenizer.modality_vocabulary.ids["molecule"]
    wanted = {ids[character] for character in characters}

    def choose(allowed: list[int]) -> int:
        first = [token for token in allowed if token in wanted]
        return draw.choice(first if first and draw.random() < share else allowed)

    return choose


STUBBORN = ["[", "cnops", "bcnops12", "0123456789", "(", "(c1", "%", "cn123()", "c=1", "=#", "[nH]c1+-", "-c12", "."]


@pytest.mark.parametrize("characters", STUBBORN)
@pytest.mark.parametrize("share", [0.7, 1.0])
def test_stubborn_samplers_write_valid_molecules(tokenizer: LlamaTokenizer, characters: str, share: float) -> None:
    draw = random.Random(characters)
    choose = preferring(tokenizer, characters, share, draw)
    for budget in (15, 40, 90):
        for _ in range(4):
            smiles = answer(tokenizer, budget, choose)
            assert parses(smiles), smiles


@pytest.mark.parametrize("choose", [min, max])
@pytest.mark.parametrize("budget", [1, 2, 3, 10, 50, 120])
def test_the_lowest_and_the_highest_id_lead_to_valid_molecules(
    tokenizer: LlamaTokenizer, choose: Choose, budget: int
) -> None:
    without_end = [lambda ids: choose([i for i in ids if i != tokenizer.eos_token_id] or ids), choose]
    for one in without_end:
        smiles = answer(tokenizer, budget, one)
        assert parses(smiles), smiles
