"""Beam search as Hugging Face's, and what holds for it without a reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mindformers.generation import Engine, GenerationOptions
from mindformers.tools.errors import InputError
from tests.models.tiny import tiny_net

PROMPTS = [[1, 17, 40, 99, 5], [1, 3], [1, *range(60, 76)]]
NEW_TOKENS = 12


@pytest.fixture(scope="module")
def net() -> Any:
    """Its end of sequence is a token that greedy decoding reaches, so that some beams end early."""
    made = tiny_net(experts=None)
    made.config.eos_token_id = -1
    made.config.eos_token_id = Engine(made).generate(PROMPTS[:1], GenerationOptions(max_new_tokens=5))[0][-1]
    return made


@pytest.fixture(scope="module")
def engine(net: Any) -> Engine:
    return Engine(net)


def beams(width: int = 4, **options: Any) -> GenerationOptions:
    return GenerationOptions(max_new_tokens=NEW_TOKENS, num_beams=width, **options)


@pytest.mark.parametrize("penalty", [1.0, 0.0, 2.0])
def test_the_best_beams_are_hugging_faces(net: Any, engine: Engine, penalty: float) -> None:
    torch = pytest.importorskip("torch", reason="the reference needs torch")
    pytest.importorskip("transformers", reason="the reference needs transformers")
    from tests.models.test_parity import hugging_face, name_of

    theirs = hugging_face(net)
    ours = {p.name: p.asnumpy() for p in net.get_parameters()}
    for name, tensor in theirs.named_parameters():
        tensor.data = torch.tensor(ours[name_of(name)])
    options, end = beams(num_return_sequences=4, length_penalty=penalty), net.config.eos_token_id
    found = [[answer.ids for answer in answers] for _, answers in engine.answers(PROMPTS, options)]
    ended = 0
    for prompt, answers in zip(PROMPTS, found, strict=True):
        wanted = theirs.generate(
            torch.tensor([prompt]),
            max_new_tokens=NEW_TOKENS,
            num_beams=4,
            num_return_sequences=4,
            length_penalty=penalty,
            do_sample=False,
            eos_token_id=end,
            pad_token_id=0,
        )
        rows = [row[len(prompt) :].tolist() for row in wanted]
        assert answers == [row[: row.index(end)] if end in row else row for row in rows]
        ended += sum(end in row for row in rows)
    if penalty == 0.0:
        assert ended > 0  # some beams end before the limit, or the test shows little


class Letters:
    """Each token is one letter."""

    def decode(self, ids: list[int], skip_special_tokens: bool = False) -> str:
        return "".join(chr(0x4E00 + index) for index in ids)

    def __len__(self) -> int:
        return 1000


def test_a_stop_text_ends_a_beam_and_is_cut_off(net: Any, engine: Engine) -> None:
    four = {"num_return_sequences": 4, "length_penalty": 0.0}
    [(_, free)] = engine.answers(PROMPTS[1:2], beams(**four))
    stop = Letters().decode(free[0].ids[2:4])
    [(_, found)] = Engine(net, tokenizer=Letters()).answers(PROMPTS[1:2], beams(**four, stop=(stop,)))
    assert "stop" in {answer.reason for answer in found}
    assert all(stop not in Letters().decode(answer.ids) for answer in found)
    assert free[0].ids[:2] in [answer.ids for answer in found if answer.reason == "stop"]


def test_beams_are_handed_out_when_the_best_is_known(engine: Engine) -> None:
    seen: list[int] = []
    answer = engine.stream(PROMPTS[0], beams(), seen.append)
    assert [seen] == [answer.ids] == engine.generate(PROMPTS[:1], beams())


def test_one_beam_is_greedy(engine: Engine) -> None:
    greedy = engine.generate(PROMPTS, GenerationOptions(max_new_tokens=NEW_TOKENS))
    assert engine.generate(PROMPTS, beams(width=1)) == greedy


def test_the_best_beam_is_no_worse_than_greedy_of_the_same_length(engine: Engine) -> None:
    scored = GenerationOptions(max_new_tokens=3, num_return_sequences=2, do_sample=True, top_k=1)
    greedy = [answers[0] for _, answers in engine.answers(PROMPTS, scored)]
    best = [answers[0] for _, answers in engine.answers(PROMPTS, GenerationOptions(max_new_tokens=3, num_beams=6))]
    for one, other in zip(best, greedy, strict=True):
        assert one.log_probability >= other.log_probability - 1e-4


def test_the_cache_changes_no_beam(net: Any, engine: Engine) -> None:
    slow = Engine(net, use_cache=False)
    assert slow.generate(PROMPTS[:2], beams()) == engine.generate(PROMPTS[:2], beams())


def test_beams_come_best_first_with_their_log_probabilities(engine: Engine) -> None:
    for _, answers in engine.answers(PROMPTS, beams(num_return_sequences=4)):
        scores = [a.log_probability / (len(a.ids) + (a.reason == "eos")) for a in answers]
        assert scores == sorted(scores, reverse=True)
        assert len({tuple(a.ids) for a in answers}) == 4
        assert np.all(np.asarray(scores) < 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_beams": 2, "do_sample": True}, "num_beams"),
        ({"num_beams": 2, "num_return_sequences": 3}, "num_return_sequences"),
        ({"num_return_sequences": 2}, "num_return_sequences"),
        ({"stop": ("",)}, "stop"),
        ({"min_new_tokens": 600}, "min_new_tokens"),
    ],
)
def test_contradictions_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        GenerationOptions(**options)
