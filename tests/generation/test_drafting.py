"""Guessed tokens: answers are those without guesses, whatever is guessed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from mindformers.generation import Engine, GenerationOptions, drafting
from mindformers.generation.drafting import Drafter, Pace
from mindformers.generation.requests import Request
from mindformers.tools.errors import InputError
from tests.models.tiny import tiny_config, tiny_net

PROMPTS = [[1, 17, 40, 99, 5], [1, 3], [1, *range(60, 76)], [1, 9, 9, 9, 35, 36, 37], [1, 70], [1, 8, 61, 90]]
SEQ_LENGTH, NEW_TOKENS, NO_TOKEN = 48, 24, -1
GREEDY = GenerationOptions(max_new_tokens=NEW_TOKENS)
CHOICES = {
    "greedy": GREEDY,
    "sampled": GenerationOptions(max_new_tokens=NEW_TOKENS, do_sample=True, temperature=1.5, seed=7),
    "limited": GenerationOptions(max_new_tokens=NEW_TOKENS, do_sample=True, top_k=20, top_p=0.9, seed=11),
    "penalised": GenerationOptions(max_new_tokens=NEW_TOKENS, repetition_penalty=1.4, min_new_tokens=9),
    "several": GenerationOptions(max_new_tokens=NEW_TOKENS, do_sample=True, num_return_sequences=3),
}
ROUTINGS = {"plain": None, "activation": "activation", "learned": "learned"}
pytestmark = pytest.mark.usefixtures("library")


@pytest.fixture(scope="module", params=ROUTINGS)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Never stops by itself."""
    routing = ROUTINGS[request.param]
    experts = None if routing is None else {"num_experts": 16, "routing": routing}
    return Engine(tiny_net(seq_length=SEQ_LENGTH, experts=experts, eos_token_id=NO_TOKEN))


@pytest.fixture(scope="module")
def plain() -> Engine:
    return Engine(tiny_net(seq_length=SEQ_LENGTH, experts=None, eos_token_id=NO_TOKEN))


@pytest.fixture
def guessing(plain: Engine) -> Iterator[Engine]:
    """Guesses with every batch it may, and forgets what it learned of the guesses of other tests."""
    plain.draft, plain.drafter = "int8", None
    yield plain
    plain.draft, plain.config.eos_token_id = "none", NO_TOKEN


def answers_of(engine: Engine, draft: str, options: GenerationOptions, **settings: Any) -> list[Any]:
    engine.draft, engine.drafter = draft, None
    return [answers for _, answers in engine.answers(PROMPTS, options, **settings)]


def replace_guesses(monkeypatch: pytest.MonkeyPatch, change: Callable[[int, list[int]], list[int]]) -> None:
    """Let `change` make other guesses of those for a slot."""
    guess = Drafter.guess

    def changed(self: Drafter, *arguments: Any) -> dict[int, list[int]]:
        return {slot: change(slot, tokens) for slot, tokens in guess(self, *arguments).items()}

    monkeypatch.setattr(Drafter, "guess", changed)


@pytest.mark.parametrize("name", CHOICES)
def test_answers_are_those_without_guesses(engine: Engine, name: str) -> None:
    expected = answers_of(engine, "none", CHOICES[name])
    for batch_size in (1, 2, 4):
        assert answers_of(engine, "int8", CHOICES[name], batch_size=batch_size) == expected
        drafter = engine.drafter
        assert 0 < drafter.num_right < drafter.num_tried or drafter.num_right == drafter.num_tried > 20


@pytest.mark.parametrize("num_texts", [1, 2])
def test_wrong_guesses_change_nothing_and_soon_end(
    guessing: Engine, monkeypatch: pytest.MonkeyPatch, num_texts: int
) -> None:
    size = guessing.config.vocab_size
    replace_guesses(monkeypatch, lambda _, tokens: [(token + 1) % size for token in tokens])
    found = guessing.generate(PROMPTS, GREEDY, batch_size=num_texts)
    assert guessing.drafter.num_right == 0
    assert 0 < guessing.drafter.num_tried < 12
    guessing.draft = "none"
    assert found == guessing.generate(PROMPTS, GREEDY, batch_size=num_texts)


def test_guesses_that_are_right_in_some_slots_only(guessing: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    size = guessing.config.vocab_size
    replace_guesses(monkeypatch, lambda slot, tokens: tokens if slot else [(token + 1) % size for token in tokens])
    found = guessing.generate(PROMPTS, GREEDY, batch_size=2)
    assert 0 < guessing.drafter.num_right < guessing.drafter.num_tried
    guessing.draft = "none"
    assert found == guessing.generate(PROMPTS, GREEDY)


def test_an_end_among_the_guesses_ends_the_answer(guessing: Engine) -> None:
    whole = guessing.generate(PROMPTS[:1], GREEDY)[0]
    for place in range(1, 8):
        guessing.config.eos_token_id = whole[place]
        first = whole.index(whole[place])
        ((_, (answer,)),) = guessing.answers(PROMPTS[:1], GREEDY)
        assert (answer.ids, answer.reason) == (whole[:first], "eos")
    guessing.config.eos_token_id = whole[4]
    together = guessing.generate(PROMPTS, GREEDY, batch_size=3)
    guessing.draft = "none"
    assert together == guessing.generate(PROMPTS, GREEDY)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_an_answer_has_at_most_so_many_tokens(guessing: Engine, count: int) -> None:
    whole = guessing.generate(PROMPTS, GREEDY, batch_size=2)
    found = guessing.generate(PROMPTS, GenerationOptions(max_new_tokens=count), batch_size=2)
    assert found == [answer[:count] for answer in whole]


def test_an_answer_ends_with_the_models_length(guessing: Engine) -> None:
    prompts = [[1, *range(2, SEQ_LENGTH - 1)], [1, *range(2, SEQ_LENGTH - 6)], PROMPTS[0]]
    options = GenerationOptions(max_new_tokens=500)
    found = guessing.generate(prompts, options, batch_size=2)
    assert [len(answer) for answer in found] == [SEQ_LENGTH - len(prompt) for prompt in prompts]
    guessing.draft = "none"
    assert found == guessing.generate(prompts, options)


def test_tokens_are_streamed_in_their_order(guessing: Engine) -> None:
    told: list[int] = []
    answer = guessing.stream(PROMPTS[0], GREEDY, told.append)
    assert told == answer.ids == guessing.generate(PROMPTS[:1], GREEDY)[0]
    assert guessing.drafter.num_right > 0


def test_greedy_and_drawn_answers_share_the_slots(guessing: Engine) -> None:
    requests = [
        Request(prompt, options, index)
        for index, (prompt, options) in enumerate(zip(PROMPTS, list(CHOICES.values())[:4] + [GREEDY] * 2, strict=True))
    ]
    found = {request.index: answer for request, answer in guessing.run(requests, guessing.slots_for(3, SEQ_LENGTH))}
    guessing.draft = "none"
    for request in requests:
        ((_, alone),) = guessing.run([request], guessing.slots_for(1, SEQ_LENGTH))
        assert found[request.index] == alone


def test_large_batches_are_answered_without_guesses(guessing: Engine) -> None:
    requests = (Request(PROMPTS[0], GREEDY, index) for index in range(9))
    assert len(list(guessing.run(requests, guessing.slots_for(9, SEQ_LENGTH)))) == 9
    assert guessing.drafter.num_tried == 0


def test_only_weights_far_larger_than_the_cache_are_rounded_unasked(
    plain: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert plain.config.draft == "auto"
    engine = Engine(plain.net)
    engine.generate(PROMPTS[:1], GREEDY)
    assert engine.drafter is None
    monkeypatch.setattr(drafting, "last_level_cache", lambda: 1024)
    engine.generate(PROMPTS[:1], GREEDY)
    assert engine.drafter.num_tried > 0
    uncached = Engine(plain.net, use_cache=False, draft="int8")
    assert uncached.generate(PROMPTS[:1], GREEDY) == engine.generate(PROMPTS[:1], GREEDY)
    assert uncached.drafter is None


def test_a_choice_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InputError, match="draft"):
        tiny_config(draft="int9")


def test_the_pace_follows_what_was_right() -> None:
    pace = Pace()
    assert 1 < pace.num_guesses(1) <= 7
    for _ in range(30):
        pace.note(7, 7)
    assert pace.num_guesses(1) == 7
    assert [pace.num_guesses(count) for count in (2, 4, 5)] == [3, 1, 0]
    cost = 0
    for _ in range(40):
        cost += pace.num_guesses(1)
        pace.note(pace.num_guesses(1) > 0, 0)
    assert pace.num_guesses(1) == 0
    assert cost < 60
    pace.note_without(pace.tokens_between_trials)
    assert pace.num_guesses(1) == 1
    pace.note(1, 0)
    assert pace.num_guesses(1) == 0


def test_few_guesses_follow_where_many_are_wrong() -> None:
    rng, counts = np.random.default_rng(0), {}
    for share in (0.5, 0.7, 0.9):
        pace = Pace()
        for _ in range(300):
            right = rng.random(pace.num_guesses(1)) < share
            num_right = len(right) if right.all() else int(right.argmin())
            pace.note(min(num_right + 1, len(right)), num_right)
        counts[share] = pace.num_guesses(1)
    assert counts[0.5] < counts[0.7] < counts[0.9]
