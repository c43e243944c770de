"""Answers of a network under a constraint: valid whatever the options, the same in any batch."""

from __future__ import annotations

from statistics import median
from typing import Any

import pytest

from mindformers.generation import Engine, GenerationOptions
from mindformers.generation.requests import Request
from mindformers.models.llama.llama_tokenizer import LlamaTokenizer
from tests.generation.constrain.molecules import parses
from tests.models.tiny import tiny_net

SEQ_LENGTH, NEW_TOKENS = 64, 40
PROMPTS = [[1, 17, 40, 99, 5], [1, 3], [1, *range(60, 76)], [1, 9, 9, 9, 35, 36, 37]]


@pytest.fixture(scope="module")
def engine(tokenizer: LlamaTokenizer) -> Engine:
    """Of random weights."""
    size = {"vocab_size": len(tokenizer), "base_vocab_size": tokenizer.num_text_tokens}
    return Engine(tiny_net(seq_length=SEQ_LENGTH, initializer_range=0.02, **size), tokenizer=tokenizer)


def options_of(**changes: Any) -> GenerationOptions:
    return GenerationOptions(**{"max_new_tokens": NEW_TOKENS, "do_sample": True, "constrain": "smiles", **changes})


def molecules(engine: Engine, count: int, options: GenerationOptions) -> list[str]:
    prompts = [PROMPTS[index % len(PROMPTS)] for index in range(count)]
    answers = engine.answers(prompts, options, batch_size=8)
    return [engine.tokenizer.decode(found.ids, is_continuation=True).strip() for _, all in answers for found in all]


def test_free_answers_of_random_weights_are_no_molecules(engine: Engine) -> None:
    found = molecules(engine, 100, options_of(constrain=None))
    assert sum(map(parses, found)) < 5


@pytest.mark.parametrize(
    ("count", "changes"),
    [
        (60, {}),
        (30, {"temperature": 2.0}),
        (30, {"top_k": 3}),
        (30, {"top_p": 0.8, "temperature": 0.1}),
        (30, {"top_k": 10, "top_p": 0.7, "repetition_penalty": 1.3}),
        (60, {"max_new_tokens": 1}),
        (60, {"max_new_tokens": 8}),
        (30, {"max_new_tokens": 16, "min_new_tokens": 16}),
        (4, {"do_sample": False, "repetition_penalty": 1.5}),
        (4, {"do_sample": False, "num_beams": 4, "num_return_sequences": 4}),
        (4, {"do_sample": False, "num_beams": 3, "max_new_tokens": 7, "min_new_tokens": 5, "num_return_sequences": 3}),
    ],
)
def test_constrained_answers_of_random_weights_are_molecules(
    engine: Engine, count: int, changes: dict[str, Any]
) -> None:
    found = molecules(engine, count, options_of(**changes))
    assert not [smiles for smiles in found if not parses(smiles)]
    if not changes:
        assert median(map(len, found)) > 10


@pytest.mark.parametrize("changes", [{}, {"top_k": 4}, {"do_sample": False}, {"num_return_sequences": 2}])
def test_an_answer_is_the_same_alone_beside_free_ones_and_without_a_cache(
    engine: Engine, changes: dict[str, Any]
) -> None:
    options = options_of(max_new_tokens=12, **changes)
    wanted = [found for _, found in engine.answers(PROMPTS, options)]
    for place, prompt in enumerate(PROMPTS):
        [(_, alone)] = engine.answers([prompt], options, first_index=place)
        assert alone == wanted[place]
    free = GenerationOptions(max_new_tokens=9)
    requests = [Request(prompt, one, place) for place, prompt in enumerate(PROMPTS) for one in (options, free)]
    for request, answer in engine.run(requests, engine.slots_for(3, SEQ_LENGTH)):
        if request.options is options:
            assert answer.ids == wanted[request.index][0].ids
    slow = Engine(engine.net, use_cache=False, tokenizer=engine.tokenizer)
    assert slow.generate(PROMPTS[:2], options) == [found[0].ids for found in wanted[:2]]


def test_the_graphs_slots_give_the_logits_of_some_tokens(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    options = options_of(max_new_tokens=8)
    wanted = engine.generate(PROMPTS[:2], options)
    monkeypatch.setattr("mindformers.generation.slots.native_decoder", lambda *_: None)
    assert Engine(engine.net, tokenizer=engine.tokenizer).generate(PROMPTS[:2], options) == wanted


@pytest.mark.parametrize(
    ("name", "letters"), [("dna", "GACT"), ("rna", "GACU"), ("protein", "LAGVSERTIDPKQNFYMHWCXBUZO.-")]
)
def test_sequences_have_their_letters_only(engine: Engine, name: str, letters: str) -> None:
    for answer in molecules(engine, 12, options_of(constrain=name)):
        assert answer and set(answer) <= set(letters)
