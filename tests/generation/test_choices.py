"""The probability of one of two answers, against the logits."""

from __future__ import annotations

import numpy as np
import pytest

from mindformers.generation import Engine, GenerationOptions
from mindformers.generation.choices import first_choice_share
from mindformers.tools.errors import InputError
from tests.models.tiny import logits_of, tiny_net

PROMPT = [1, 17, 40, 99, 5]


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(tiny_net(seq_length=48))


def _share(engine: Engine, context: list[int], first: int, second: int) -> float:
    logits = logits_of(engine.net, np.array([context], np.int32))[0, -1].astype(np.float64)
    shares = np.exp(logits - logits.max())
    return float(shares[first] / (shares[first] + shares[second]))


def test_the_first_tokens_decide(engine: Engine) -> None:
    found = first_choice_share(engine, PROMPT, [7, 8], [9])
    assert found == pytest.approx(_share(engine, PROMPT, 7, 9), rel=1e-4)
    assert first_choice_share(engine, PROMPT, [9], [7, 8]) == pytest.approx(1 - found)


def test_prompts_of_any_length_share_a_slot(engine: Engine) -> None:
    alone = first_choice_share(engine, PROMPT, [7, 8], [9])
    assert first_choice_share(engine, PROMPT, [7, 8], [9], longest=40) == pytest.approx(alone, rel=1e-4)
    slots = engine.slots_for(1, 41)
    first_choice_share(engine, [1, 3], [7], [9], longest=40)
    assert engine.slots_for(1, 41) is slots


def test_a_shared_beginning_belongs_to_the_prompt(engine: Engine) -> None:
    found = first_choice_share(engine, PROMPT, [30, 7], [30, 9, 2])
    assert found == pytest.approx(_share(engine, [*PROMPT, 30], 7, 9), rel=1e-4)


def test_answers_that_are_under_way_stay_what_they_are(engine: Engine) -> None:
    prompts, options = [PROMPT, [1, 3], [1, 9, 9]], GenerationOptions(max_new_tokens=12)
    alone = engine.generate(prompts, options, batch_size=1)
    mixed = []
    for _, answers in engine.answers(prompts, options, batch_size=1):
        mixed.append(answers[0].ids)
        first_choice_share(engine, [1, 50, 51, 52], [7], [9])
    assert mixed == alone


@pytest.mark.parametrize(
    ("prompt", "answers", "complaint"),
    [(PROMPT, ([7], [7, 8]), "begins with the other"), ([1] * 60, ([7], [8]), "60 tokens")],
)
def test_what_cannot_be_judged_is_refused(engine: Engine, prompt: list[int], answers: tuple, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        first_choice_share(engine, prompt, *answers)
