"""What a sampler sees: masks, states, budgets, and names that do not exist."""

from __future__ import annotations

import random
import time
from statistics import median

import numpy as np
import pytest

from mindformers.generation.constrain import constraint_for, constraint_names
from mindformers.models.llama.llama_tokenizer import LlamaTokenizer
from mindformers.tools.errors import InputError
from tests.generation.constrain.molecules import REAL


def ids_of(tokenizer: LlamaTokenizer, sequence: str, modality: str = "molecule") -> list[int]:
    return [tokenizer.modality_vocabulary.ids[modality][character] for character in sequence]


def text_of(tokenizer: LlamaTokenizer, mask: np.ndarray) -> str:
    """The characters of a mask, without end and blank."""
    return "".join(tokenizer.decode([index]) for index in np.flatnonzero(mask) if index >= tokenizer.num_text_tokens)


@pytest.mark.parametrize("name", constraint_names())
def test_masks_are_boolean_over_the_vocabulary_and_made_once(tokenizer: LlamaTokenizer, name: str) -> None:
    constraint = constraint_for(name, tokenizer)
    one, other = constraint.start(50).allowed(), constraint.start(60).allowed()
    assert one.shape == (len(tokenizer),) and one.dtype == bool and not one.flags.writeable
    assert one is other


@pytest.mark.parametrize(
    ("name", "letters"), [("protein", "LAGVSERTIDPKQNFYMHWCXBUZO.-"), ("dna", "GACT"), ("rna", "GACU")]
)
def test_letters_come_and_then_the_end(tokenizer: LlamaTokenizer, name: str, letters: str) -> None:
    state = constraint_for(name, tokenizer).start(3)
    blank = tokenizer.encode(" ", add_special_tokens=False, is_continuation=True)
    modality = "protein" if name == "protein" else "nucleotide"
    assert set(text_of(tokenizer, state.allowed())) == set(letters)
    assert state.allowed()[blank[0]] and not state.is_complete
    for letter in letters[:3]:
        state.advance(*ids_of(tokenizer, letter, modality))
        assert state.is_complete and not state.allowed()[blank[0]]
    assert np.flatnonzero(state.allowed()).tolist() == [tokenizer.eos_token_id]
    state.advance(tokenizer.eos_token_id)
    assert state.is_ended and np.flatnonzero(state.allowed()).tolist() == [tokenizer.eos_token_id]


def test_an_answer_may_begin_with_one_blank(tokenizer: LlamaTokenizer) -> None:
    answer = tokenizer.encode(" <molecule>CCO</molecule></s>", add_special_tokens=False, is_continuation=True)
    state = constraint_for("smiles", tokenizer).start(10)
    for token in answer:
        assert state.allowed()[token]
        state.advance(token)
    assert state.is_ended


def test_a_blank_is_refused_where_it_takes_the_only_token(tokenizer: LlamaTokenizer) -> None:
    constraint = constraint_for("smiles", tokenizer)
    blank = tokenizer.encode(" ", add_special_tokens=False, is_continuation=True)[0]
    assert constraint.start(2).allowed()[blank]
    assert not constraint.start(1).allowed()[blank]
    state = constraint.start(5)
    state.advance(blank)
    assert state.budget_left == 4 and not state.allowed()[blank]


def test_a_smaller_budget_counts_from_then_on(tokenizer: LlamaTokenizer) -> None:
    state = constraint_for("smiles", tokenizer).start(100)
    for token in ids_of(tokenizer, "C(C"):
        state.advance(token)
    assert len(text_of(tokenizer, state.allowed())) > 10
    assert text_of(tokenizer, state.allowed(1)) == ")"
    assert state.budget_left == 1


def test_copies_go_their_own_ways(tokenizer: LlamaTokenizer) -> None:
    state = constraint_for("smiles", tokenizer).start(40)
    for token in ids_of(tokenizer, "c1cc"):
        state.advance(token)
    before = state.allowed().copy()
    twin = state.copy()
    for token in ids_of(tokenizer, "ccc1"):
        twin.advance(token)
    assert twin.is_complete and not state.is_complete
    assert (state.allowed() == before).all()
    assert state.budget_left == 36 and twin.budget_left == 32


@pytest.mark.parametrize("name", constraint_names())
def test_a_few_tokens_are_permitted_just_if_they_are_among_all_allowed(tokenizer: LlamaTokenizer, name: str) -> None:
    """With ample and with tight budgets, one by one and several at once."""
    draw = random.Random(name)
    constraint = constraint_for(name, tokenizer)
    for _ in range(8):
        state = constraint.start(draw.randrange(5, 60))
        while not state.is_ended:
            places = draw.sample(range(len(state.columns)), len(state.columns))
            asked, size = [], draw.choice([1, 4, 99])
            few = state.copy()
            for start in range(0, len(places), size):
                asked += few.permitted(places[start : start + size])
            allowed = state.allowed_ids()
            assert sorted(few.columns[asked].tolist()) == sorted(allowed.tolist())
            token = draw.choice(sorted(allowed.tolist()))
            chosen = draw.choice([state, few])
            chosen.advance(token)
            state = chosen


def test_unusable_wishes_are_named(tokenizer: LlamaTokenizer, tokenizer_file: str) -> None:
    with pytest.raises(InputError, match="smiles"):
        constraint_for("smile", tokenizer)
    with pytest.raises(InputError, match="max_new_tokens"):
        constraint_for("smiles", tokenizer).start(0)
    with pytest.raises(InputError, match="no tokens for protein"):
        constraint_for("protein", LlamaTokenizer(tokenizer_file, modalities=["molecule"]))


def test_a_token_costs_little_time(tokenizer: LlamaTokenizer) -> None:
    """A tenth of the millisecond that the smallest models take; the median is far below."""
    constraint = constraint_for("smiles", tokenizer)
    times = []
    for smiles in random.Random(1).sample(REAL, 40):
        state = constraint.start(300)
        for token in ids_of(tokenizer, smiles):
            begin = time.perf_counter()
            state.allowed()
            state.advance(token)
            times.append(time.perf_counter() - begin)
    assert median(times) < 100e-6
