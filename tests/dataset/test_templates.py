"""Templates: what a model reads."""

from __future__ import annotations

import pytest

from mindformers.dataset.example import GPT, HUMAN, SYSTEM, Turn
from mindformers.dataset.templates import VICUNA_SYSTEM, get_template, template_names
from mindformers.tools.errors import InputError

ONE = [Turn(HUMAN, "q"), Turn(GPT, "a")]
TWO = [*ONE, Turn(HUMAN, "r"), Turn(GPT, "b")]


def test_all_templates_are_known() -> None:
    assert template_names() == ["alpaca", "chatglm", "chemdfm", "plain", "vicuna"]
    with pytest.raises(InputError, match=r"template: unknown name 'vicun'.*did you mean 'vicuna'"):
        get_template("vicun")


def test_vicuna_is_the_published_wording() -> None:
    assert VICUNA_SYSTEM == (
        "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, "
        "detailed, and polite answers to the user's questions."
    )
    segments = get_template("vicuna").segments(TWO)
    assert segments == [
        (f"{VICUNA_SYSTEM} USER: q ASSISTANT:", False),
        (" a", True),
        ("USER: r ASSISTANT:", False),
        (" b", True),
    ]


@pytest.mark.parametrize(
    "name, turns, prompt",
    [
        ("vicuna", TWO[:3], f"{VICUNA_SYSTEM} USER: q ASSISTANT: a</s>USER: r ASSISTANT:"),
        ("vicuna", [Turn(SYSTEM, "Be brief."), *ONE[:1]], "Be brief. USER: q ASSISTANT:"),
        ("vicuna", [Turn(HUMAN, "q", "i")], f"{VICUNA_SYSTEM} USER: q\ni ASSISTANT:"),
        ("alpaca", ONE[:1], "Instruction: q\nAnswer: "),
        ("alpaca", [Turn(HUMAN, "q", "i")], "Instruction: q\nInput: i\nAnswer: "),
        ("chemdfm", TWO[:3], "[Round 0]\nHuman: q\nAssistant: a\n[Round 1]\nHuman: r\nAssistant:"),
        ("chemdfm", [Turn(SYSTEM, "Be brief."), *ONE[:1]], "Be brief.\n[Round 0]\nHuman: q\nAssistant:"),
        ("plain", ONE[:1], "q"),
    ],
)
def test_prompts(name: str, turns: list[Turn], prompt: str) -> None:
    assert get_template(name).render_prompt(turns) == prompt


@pytest.mark.parametrize("name", ["vicuna", "alpaca", "chemdfm", "plain"])
def test_the_prompt_is_the_first_segment_of_training(name: str) -> None:
    template = get_template(name)
    assert template.render_prompt(ONE[:1]) == template.segments(ONE)[0].text


@pytest.mark.parametrize(
    "name, turns, reason",
    [
        ("vicuna", [], "the conversation is empty"),
        ("vicuna", ONE, "the last turn is from 'gpt'"),
        ("vicuna", [Turn(GPT, "a")], "turn 1 is from 'gpt', expected 'human'"),
        ("vicuna", [Turn(HUMAN, " ")], r"turn 1 \(human\) is empty"),
        ("alpaca", TWO[:3], "2 rounds, but this template has 1"),
        ("plain", TWO[:3], "2 rounds, but this template has 1"),
    ],
)
def test_turns_that_cannot_be_a_prompt(name: str, turns: list[Turn], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        get_template(name).render_prompt(turns)
