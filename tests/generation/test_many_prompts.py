"""A hundred prompts of mixed length: one answer to each, however it is asked for; and nothing kept of many."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from mindformers.dataset.prompt import Prompt
from mindformers.generation import Engine, GenerationOptions, slots
from mindformers.generation.requests import Answer, Request, Running
from mindformers.trainer.predicting import predict_all, survey
from tests.models.tiny import tiny_net

COUNT, SEQ_LENGTH, NEW_TOKENS, FIRST = 100, 48, 10, 0x4E00
OPTIONS = GenerationOptions(max_new_tokens=NEW_TOKENS)


class Letters:
    """Each token is one letter."""

    def encode(self, text: str) -> list[int]:
        return [ord(letter) - FIRST for letter in text]

    def decode(self, ids: list[int], skip_special_tokens: bool = False) -> str:
        return "".join(chr(FIRST + index) for index in ids)

    def __len__(self) -> int:
        return 128


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(tiny_net(seq_length=SEQ_LENGTH), tokenizer=Letters())


@pytest.fixture(scope="module")
def prompts() -> list[list[int]]:
    rng = np.random.default_rng(3)
    lengths = rng.integers(1, SEQ_LENGTH - NEW_TOKENS, COUNT)
    return [[1, *rng.integers(3, 128, length).tolist()] for length in lengths]


@pytest.fixture(scope="module")
def wanted(engine: Engine, prompts: list[list[int]]) -> list[list[int]]:
    """Each prompt on its own."""
    found = engine.generate(prompts, OPTIONS, batch_size=1)
    assert len({tuple(ids) for ids in found}) > COUNT // 2
    return found


@pytest.mark.parametrize("num_slots", [8, 32])
def test_a_batch_of_any_size(engine: Engine, prompts: list[list[int]], wanted: list[list[int]], num_slots: int) -> None:
    assert engine.generate(prompts, OPTIONS, batch_size=num_slots) == wanted


def test_without_a_cache(engine: Engine, prompts: list[list[int]], wanted: list[list[int]]) -> None:
    assert Engine(engine.net, use_cache=False).generate(prompts, OPTIONS, batch_size=32) == wanted


def test_in_graphs(
    engine: Engine, prompts: list[list[int]], wanted: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "native_decoder", lambda *_: None)
    short = [number for number, prompt in enumerate(prompts) if len(prompt) <= 16]  # few graphs to compile
    found = Engine(engine.net).generate([prompts[number] for number in short], OPTIONS, batch_size=8)
    assert found == [wanted[number] for number in short]
    assert len(short) > 20


def test_as_a_stream(engine: Engine, prompts: list[list[int]], wanted: list[list[int]]) -> None:
    for prompt, answer in zip(prompts, wanted, strict=True):
        seen: list[int] = []
        engine.stream(prompt, OPTIONS, seen.append)
        assert seen == answer


def test_as_a_prediction(engine: Engine, prompts: list[list[int]], wanted: list[list[int]]) -> None:
    asked = [Prompt(Letters().decode(prompt)) for prompt in prompts]
    known = survey(asked, Letters(), SEQ_LENGTH)
    found = predict_all(engine, Letters(), asked, known, OPTIONS, 8)
    assert [Letters().encode(text) for texts in found for text in texts] == wanted


class Many:
    """Prompts that are made as they are gone through."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[Prompt]:
        for number in range(self.count):
            yield Prompt(Letters().decode([1, 3 + number % 120]), {"id": str(number)})


def test_nothing_is_kept_of_prompts_that_are_answered(engine: Engine) -> None:
    num_slots, many = 4, Many(150)
    options = GenerationOptions(max_new_tokens=4, do_sample=True, num_return_sequences=2)
    kept = (Prompt, Answer, Request, Running)
    gc.collect()
    before = Counter(type(one) for one in gc.get_objects() if isinstance(one, kept))
    known = survey(many, Letters(), SEQ_LENGTH)
    most: Counter[type] = Counter()
    for number, _ in enumerate(predict_all(engine, Letters(), many, known, options, num_slots)):
        if number % 10 == 9:
            most |= Counter(type(one) for one in gc.get_objects() if isinstance(one, kept))
    assert known.count == 150
    most.subtract(before)
    assert most[Request] >= 1
    assert max(most.values()) <= 4 * num_slots
