"""One engine, the same answer whatever the batch, the cache or the padding."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mindformers.generation import Engine, GenerationOptions, slots
from mindformers.generation.requests import Request
from mindformers.generation.scoring import Scorer
from mindformers.generation.slots import bucket
from mindformers.tools.errors import InputError
from tests.models.tiny import tiny_net

PROMPTS = [[1, 17, 40, 99, 5], [1, 3], [1, *range(60, 76)], [1, 9, 9, 9, 35, 36, 37]]
NEW_TOKENS = 20
SEQ_LENGTH = 48
NO_TOKEN = -1
GREEDY = GenerationOptions(max_new_tokens=NEW_TOKENS)
SAMPLED = GenerationOptions(max_new_tokens=NEW_TOKENS, do_sample=True, temperature=1.5, top_k=20, top_p=0.95, seed=11)
BOTH = pytest.mark.parametrize("options", [GREEDY, SAMPLED], ids=["greedy", "sampled"])


@pytest.fixture(scope="module")
def engine() -> Engine:
    """Never stops by itself: no token ends a sequence."""
    net = tiny_net(seq_length=SEQ_LENGTH)
    net.config.eos_token_id = NO_TOKEN
    return Engine(net)


@pytest.fixture(scope="module")
def uncached(engine: Engine) -> Engine:
    return Engine(engine.net, use_cache=False)


@pytest.fixture(scope="module")
def together(engine: Engine) -> dict[bool, list[list[int]]]:
    """Answers to all prompts in one batch, greedy and sampled."""
    return {options.do_sample: engine.generate(PROMPTS, options) for options in (GREEDY, SAMPLED)}


@contextmanager
def ending_at(engine: Engine, token: int) -> Iterator[None]:
    engine.config.eos_token_id = token
    yield
    engine.config.eos_token_id = NO_TOKEN


def test_answers_are_no_trivial_ones(together: dict[bool, list[list[int]]]) -> None:
    for answers in together.values():
        assert [len(answer) for answer in answers] == [NEW_TOKENS] * len(PROMPTS)
        assert len({tuple(answer) for answer in answers}) == len(PROMPTS)
    assert together[True] != together[False]
    assert len({token for answer in together[True] for token in answer}) > 15


@BOTH
def test_a_prompt_has_the_same_answer_alone(
    engine: Engine, options: GenerationOptions, together: dict[bool, list[list[int]]]
) -> None:
    for place, prompt in enumerate(PROMPTS):
        assert engine.generate([prompt], options, first_index=place) == [together[options.do_sample][place]]


@BOTH
def test_a_batch_may_be_filled_up(
    engine: Engine, options: GenerationOptions, together: dict[bool, list[list[int]]]
) -> None:
    found = engine.generate(PROMPTS[2:], options, first_index=2, batch_size=len(PROMPTS))
    assert found == together[options.do_sample][2:]


@BOTH
def test_the_cache_changes_nothing(
    uncached: Engine, options: GenerationOptions, together: dict[bool, list[list[int]]]
) -> None:
    assert uncached.generate(PROMPTS, options) == together[options.do_sample]


def test_another_seed_gives_another_answer(engine: Engine, together: dict[bool, list[list[int]]]) -> None:
    settings = {**vars(SAMPLED), "seed": SAMPLED.seed + 1}
    assert engine.generate(PROMPTS, GenerationOptions(**settings)) != together[True]
    assert engine.generate(PROMPTS, SAMPLED) == together[True]


def test_an_answer_ends_before_the_end_of_sequence(engine: Engine, together: dict[bool, list[list[int]]]) -> None:
    whole = together[True]
    end = whole[0][5]
    with ending_at(engine, end):
        found = engine.generate(PROMPTS, SAMPLED)
    wanted = [answer[: answer.index(end)] if end in answer else answer for answer in whole]
    assert found == wanted
    assert len(found[0]) <= 5
    assert any(len(answer) == NEW_TOKENS for answer in found)  # rows that go on while another has stopped


def test_an_answer_may_be_empty(engine: Engine, together: dict[bool, list[list[int]]]) -> None:
    with ending_at(engine, together[False][1][0]):
        assert engine.generate([PROMPTS[1]], GREEDY, first_index=1) == [[]]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_an_answer_has_at_most_so_many_tokens(
    engine: Engine, count: int, together: dict[bool, list[list[int]]]
) -> None:
    found = engine.generate(PROMPTS, GenerationOptions(max_new_tokens=count))
    assert found == [answer[:count] for answer in together[False]]


@pytest.mark.parametrize("use_cache", [True, False])
def test_an_answer_ends_with_the_models_length(engine: Engine, uncached: Engine, use_cache: bool) -> None:
    long = [1, *range(2, SEQ_LENGTH - 1)]
    prompts = [long, long[:-3], PROMPTS[0], PROMPTS[1]]
    one = engine if use_cache else uncached
    found = one.generate(prompts, GenerationOptions(max_new_tokens=500))
    assert [len(answer) for answer in found] == [SEQ_LENGTH - len(prompt) for prompt in prompts]


def test_a_penalty_on_repetition_reaches_the_engine(engine: Engine, together: dict[bool, list[list[int]]]) -> None:
    found = engine.generate(PROMPTS, GenerationOptions(max_new_tokens=NEW_TOKENS, repetition_penalty=1e6))
    for prompt, answer, plain in zip(PROMPTS, found, together[False], strict=True):
        assert len({*prompt, *answer}) == len(set(prompt)) + NEW_TOKENS  # nothing occurs twice
        assert answer != plain


def test_a_prompt_that_is_too_long_is_refused_by_its_number(engine: Engine) -> None:
    with pytest.raises(InputError, match=r"prompt 6: 48 tokens; expected at most 47 \(seq_length - 1\)"):
        engine.generate([[1], [1] * SEQ_LENGTH], GREEDY, first_index=4)


def test_an_empty_prompt_is_refused(engine: Engine) -> None:
    with pytest.raises(InputError, match="prompt 2: no tokens"):
        engine.generate([[1], []], GREEDY)


def test_buckets_grow_by_halves_and_thirds() -> None:
    sizes = [bucket(length, 10_000) for length in range(1, 200)]
    assert sorted(set(sizes)) == [16, 24, 32, 48, 64, 96, 128, 192, 256]
    assert all(size >= length for length, size in enumerate(sizes, start=1))
    assert bucket(30, 31) == 31


def test_slots_of_the_last_shapes_are_kept(engine: Engine) -> None:
    one = Engine(engine.net)
    first = one.slots_for(1, 1 + NEW_TOKENS)
    assert one.slots_for(1, 2 + NEW_TOKENS) is first
    for num_slots in (2, 3):
        one.slots_for(num_slots, 1 + NEW_TOKENS)
    assert [num_slots for num_slots, _ in one._slots] == [2, 3]


@pytest.mark.parametrize("num_slots", [1, 2, 3])
def test_prompts_take_the_place_of_those_that_end(
    engine: Engine, num_slots: int, together: dict[bool, list[list[int]]]
) -> None:
    end = together[True][0][5]
    with ending_at(engine, end):
        wanted = engine.generate(PROMPTS, SAMPLED)
        found = list(engine.answers(PROMPTS, SAMPLED, batch_size=num_slots))
    assert [number for number, _ in found] == list(range(len(PROMPTS)))
    assert [answers[0].ids for _, answers in found] == wanted
    assert {answers[0].reason for _, answers in found} == {"eos", "length"}


def test_several_samples_of_a_prompt(engine: Engine) -> None:
    options = GenerationOptions(max_new_tokens=6, do_sample=True, num_return_sequences=3, seed=2)
    found = [answers for _, answers in engine.answers(PROMPTS, options, batch_size=2)]
    assert [len(answers) for answers in found] == [3] * len(PROMPTS)
    for answers in found:
        assert len({tuple(answer.ids) for answer in answers}) == 3
        assert all(answer.log_probability < 0 for answer in answers)
    alone = GenerationOptions(max_new_tokens=6, do_sample=True, seed=2)
    assert engine.generate(PROMPTS, alone) == [answers[0].ids for answers in found]


def test_an_answers_log_probability_is_the_score_of_its_tokens(engine: Engine) -> None:
    options = GenerationOptions(max_new_tokens=6, log_probabilities=True)
    found = [answer for _, [answer] in engine.answers(PROMPTS, options)]
    plain = engine.generate(PROMPTS, GenerationOptions(max_new_tokens=6))
    assert [answer.ids for answer in found] == plain
    scores = Scorer(engine.net, batch_size=4).log_likelihoods(list(zip(PROMPTS, plain, strict=True)))
    assert [answer.log_probability for answer in found] == pytest.approx(scores.tolist(), abs=1e-4)


def test_tokens_are_handed_out_as_they_come(engine: Engine, together: dict[bool, list[list[int]]]) -> None:
    seen: list[int] = []
    answer = engine.stream(PROMPTS[0], GREEDY, seen.append)
    assert seen == answer.ids == together[False][0]


def test_a_stop_text_ends_an_answer_and_is_cut_off(engine: Engine, together: dict[bool, list[list[int]]]) -> None:
    class Letters:
        """Each token is one letter."""

        def decode(self, ids: list[int], skip_special_tokens: bool = False) -> str:
            return "".join(chr(0x4E00 + index) for index in ids)

        def __len__(self) -> int:
            return engine.config.vocab_size

    whole = together[False][0]
    text = Letters().decode(whole)
    one = Engine(engine.net, tokenizer=Letters())
    options = GenerationOptions(max_new_tokens=NEW_TOKENS, stop=(text[6:8], text[3:5]))
    [(_, [answer])] = one.answers(PROMPTS[:1], options)
    assert (answer.ids, answer.reason) == (whole[: text.index(text[3:5])], "stop")


NUM_KNOWN = 50
FEWER = [[token for token in prompt if token < NUM_KNOWN] for prompt in PROMPTS]


@pytest.mark.parametrize("more", [{}, {"do_sample": True}, {"num_beams": 3}, {"repetition_penalty": 1.2}], ids=str)
def test_ids_that_the_tokenizer_lacks_are_never_chosen(engine: Engine, more: dict[str, object]) -> None:
    options = GenerationOptions(max_new_tokens=NEW_TOKENS, **more)
    assert any(max(answer) >= NUM_KNOWN for answer in engine.generate(FEWER, options))
    found = Engine(engine.net, tokenizer=range(NUM_KNOWN)).generate(FEWER, options)
    assert [len(answer) for answer in found] == [NEW_TOKENS] * len(PROMPTS)
    assert max(map(max, found)) < NUM_KNOWN


def test_nor_in_graphs_or_without_a_cache(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    few = GenerationOptions(max_new_tokens=8)
    wanted = Engine(engine.net, tokenizer=range(NUM_KNOWN)).generate(FEWER[:2], few)
    assert Engine(engine.net, False, range(NUM_KNOWN)).generate(FEWER[:2], few) == wanted
    monkeypatch.setattr(slots, "native_decoder", lambda *_: None)
    assert Engine(engine.net, True, range(NUM_KNOWN)).generate(FEWER[:2], few) == wanted


LONG = [1, *range(2, 102)]  # more than goes in at once beside running answers


@pytest.fixture(scope="module")
def long_engine() -> Engine:
    net = tiny_net(seq_length=160)
    net.config.eos_token_id = NO_TOKEN
    return Engine(net)


MIXED = [PROMPTS[0], LONG, PROMPTS[1], LONG[:70], LONG[5:], PROMPTS[2], LONG[:65], PROMPTS[3]]
LENGTHS = [3, 30, 1, 12, 33, 7, 2, 50]


@pytest.fixture(scope="module")
def without_cache(long_engine: Engine) -> list[list[int]]:
    found = Engine(long_engine.net, use_cache=False).generate(MIXED, GenerationOptions(max_new_tokens=max(LENGTHS)))
    return [answer[:length] for answer, length in zip(found, LENGTHS, strict=True)]


@pytest.mark.parametrize("num_slots", [1, 2, 5])
def test_long_prompts_go_in_beside_running_answers(
    long_engine: Engine, num_slots: int, without_cache: list[list[int]]
) -> None:
    options = [GenerationOptions(max_new_tokens=length) for length in LENGTHS]
    requests = [Request(prompt, one, place) for place, (prompt, one) in enumerate(zip(MIXED, options, strict=True))]
    for request, answer in long_engine.run(requests, long_engine.slots_for(num_slots, 160)):
        assert answer.ids == without_cache[request.index]


def test_greedy_sampled_and_streamed_requests_share_the_slots(long_engine: Engine) -> None:
    sampled = GenerationOptions(max_new_tokens=9, do_sample=True, seed=4)
    late = GenerationOptions(max_new_tokens=12, min_new_tokens=5)
    seen: list[int] = []
    requests = [
        Request(PROMPTS[0], GenerationOptions(max_new_tokens=40), on_token=seen.append),
        Request(PROMPTS[1], sampled, index=1),
        Request(PROMPTS[2], late, index=2),
    ]
    found = {request.index: answer.ids for request, answer in long_engine.run(requests, long_engine.slots_for(3, 160))}
    assert seen == found[0] and len(seen) == 40
    for request in requests:
        alone = long_engine.generate([request.ids], request.options, first_index=request.index)
        assert [found[request.index]] == alone
