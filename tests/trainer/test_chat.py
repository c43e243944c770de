"""The conversation in the terminal: what the model is asked, what is shown, what the commands do."""

from __future__ import annotations

import io
import json
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mindformers.dataset.templates import get_template
from mindformers.generation import GenerationOptions
from mindformers.generation.requests import Answer
from mindformers.generation.streaming import TextStream
from mindformers.tools.errors import InputError
from mindformers.trainer.chat import Chat, converse, molecules_of

ANSWER = " It is <molecule>CCO</molecule> é."


class Echo:
    """An engine that always says the same and keeps what it was asked."""

    def __init__(self, tokenizer: Any, seq_length: int = 4096, stops_after: int | None = None) -> None:
        self.config = SimpleNamespace(seq_length=seq_length)
        self.says = tokenizer.encode(ANSWER, is_continuation=True)
        self.asked: list[list[int]] = []
        self.stops_after = stops_after

    def stream(self, prompt: list[int], options: GenerationOptions, on_token: Callable[[int], None]) -> None:
        self.asked.append(prompt)
        for number, token in enumerate(self.says):
            if number == self.stops_after:
                raise KeyboardInterrupt
            on_token(token)

    def check(self, prompt: list[int], what: str) -> None:
        if len(prompt) >= self.config.seq_length:
            raise InputError(what, f"{len(prompt)} tokens", "fewer", "shorten it")


def chat_with(engine: Echo, tokenizer: Any, template: str = "vicuna") -> Chat:
    return Chat(engine, tokenizer, get_template(template), GenerationOptions(max_new_tokens=8))


def talk(chat: Chat, *lines: str) -> str:
    out = io.StringIO()
    converse(chat, [f"{line}\n" for line in lines], out)
    return out.getvalue()


def test_the_second_question_is_asked_behind_the_first_round(tokenizer: Any) -> None:
    engine = Echo(tokenizer)
    chat = chat_with(engine, tokenizer)
    shown = talk(chat, "What is this?", "And this: <molecule>C</molecule>")
    text = tokenizer.decode(engine.asked[1], skip_special_tokens=True, with_tags=True)
    assert "USER: What is this? ASSISTANT: It is <molecule>CCO</molecule> é." in text
    assert text.endswith("USER: And this: <molecule>C</molecule> ASSISTANT:")
    assert shown.count("It is CCO é.\n  CCO  C2H6O, 46.07 g/mol\n") == 2


def test_commands(tokenizer: Any, tmp_path: Path) -> None:
    chat = chat_with(Echo(tokenizer), tokenizer)
    file = tmp_path / "talk.json"
    shown = talk(chat, "a", "b", "/back", f"/save {file}", "/clear", "/back", "/what", "", "/quit", "never asked")
    rows = json.loads(file.read_text(encoding="utf-8"))[0]["conversation"]
    assert [row["value"] for row in rows] == ["a", ANSWER.strip()]
    assert chat.turns == []
    for said in ("back by one round", f"saved {file}", "cleared", "nothing to go back to", "/clear   forget"):
        assert said in shown
    assert len(chat.engine.asked) == 2


def test_old_rounds_go_where_the_model_is_too_short(tokenizer: Any) -> None:
    alone = len(tokenizer.encode(get_template("vicuna").render_prompt(chat_turns("q")[:1])))
    engine = Echo(tokenizer, seq_length=alone + 20)
    chat = chat_with(engine, tokenizer)
    talk(chat, "q", "q", "q")
    assert [len(asked) for asked in engine.asked] == [alone] * 3


def chat_turns(question: str) -> list[Any]:
    from mindformers.dataset.example import HUMAN, Turn

    return [Turn(HUMAN, question)]


def test_a_question_that_cannot_be_asked_is_refused_and_the_talk_goes_on(tokenizer: Any) -> None:
    chat = chat_with(Echo(tokenizer), tokenizer)
    shown = talk(chat, "<molecule>CQ</molecule>", "a")
    assert "error: " in shown and "'Q' is not in the alphabet" in shown
    assert len(chat.engine.asked) == 1


def test_an_interrupted_answer_counts_as_it_stands(tokenizer: Any) -> None:
    chat = chat_with(Echo(tokenizer, stops_after=2), tokenizer)
    assert " ..." in talk(chat, "a")
    assert chat.turns[1].text == tokenizer.decode(chat.engine.says[:2]).strip()


def test_an_interrupt_stops_the_answer_and_the_talk_goes_on(tokenizer: Any) -> None:
    class Interrupted(Echo):
        def stream(self, prompt: list[int], options: GenerationOptions, on_token: Callable[[int], None]) -> None:
            def take(token: int) -> None:
                if len(self.asked) == 1 and token == self.says[2]:
                    signal.raise_signal(signal.SIGINT)
                on_token(token)

            super().stream(prompt, options, take)

    chat, before = chat_with(Interrupted(tokenizer), tokenizer), signal.getsignal(signal.SIGINT)
    shown = talk(chat, "a", "b")
    assert chat.turns[1].text == tokenizer.decode(chat.engine.says[:3]).strip()
    assert chat.turns[3].text == ANSWER.strip()
    assert " ..." in shown
    assert signal.getsignal(signal.SIGINT) is before


def test_molecules_are_listed_with_formula_and_weight() -> None:
    assert molecules_of("<molecule>CCO</molecule> and <molecule>C(C)(C)(C)(C)C</molecule> and <dna>AC</dna>") == [
        "CCO  C2H6O, 46.07 g/mol",
        "C(C)(C)(C)(C)C  not a valid molecule",
    ]


def test_a_stop_text_is_not_shown_and_not_a_part_of_the_answer(tokenizer: Any) -> None:
    ids = tokenizer.encode("so it is. END and more", add_special_tokens=False)
    stream = TextStream(tokenizer, ["never", ". EN", "is. END"])
    shown = ""
    for token in ids:
        shown += stream.add(token)
        assert "so it ".startswith(shown)
    assert shown + stream.end() == "so it "

    class Stopping(Echo):
        def stream(self, prompt: list[int], options: GenerationOptions, on_token: Callable[[int], None]) -> Answer:
            super().stream(prompt, options, on_token)
            return Answer(self.says[:1], reason="stop")

    chat = chat_with(Stopping(tokenizer), tokenizer)
    chat.ask("a", lambda text: None)
    assert chat.turns[1].text == tokenizer.decode(chat.engine.says[:1]).strip()


@pytest.mark.parametrize("text", ["plain words", "乙醇 and é", "<molecule>CCO</molecule> is it"])
def test_a_stream_shows_each_character_once_and_never_half_of_one(tokenizer: Any, text: str) -> None:
    ids = tokenizer.encode(text, add_special_tokens=False)
    stream = TextStream(tokenizer)
    pieces = [stream.add(token) for token in ids]
    assert "\ufffd" not in "".join(pieces)
    assert "".join(pieces) + stream.end() == tokenizer.decode(ids)
