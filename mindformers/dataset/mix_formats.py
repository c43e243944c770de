"""The rows of a mixed table: ready prompts, instructions or conversations, each of which a source reads again."""

from __future__ import annotations

from abc import ABC, abstractmethod

from mindformers.dataset.example import Example, split_system
from mindformers.dataset.templates import Template, get_template
from mindformers.tools.errors import unknown_name


class Format(ABC):
    """How an example becomes a row of JSON."""

    def why_not(self, example: Example) -> str | None:
        """Why an example cannot be such a row, or None where it can."""
        return None if example.turns else "a text without question and answer"

    @abstractmethod
    def row(self, example: Example, name: str) -> dict[str, object]:
        """The row of an example that `why_not` has no objection to; `name` is unique in the table."""


class ContextTarget(Format):
    """`context`: all up to the last answer, as the template writes it; `target`: the last answer."""

    def __init__(self, template: Template) -> None:
        self._template = template

    def why_not(self, example: Example) -> str | None:
        return super().why_not(example) or self._template.why_not(example.turns)

    def row(self, example: Example, name: str) -> dict[str, object]:
        return {"context": self._template.render_prompt(example.turns[:-1]), "target": example.turns[-1].text}


class Alpaca(Format):
    """`instruction`, `input`, `output`: one round."""

    def why_not(self, example: Example) -> str | None:
        system, rounds = split_system(example.turns)
        if len(rounds) > 2 or system:
            return "several rounds or a system turn, an instruction has neither; use --format qa"
        return super().why_not(example)

    def row(self, example: Example, name: str) -> dict[str, object]:
        asked, answer = example.turns
        return {"instruction": asked.text, "input": asked.input, "output": answer.text}


class Conversation(Format):
    """`id` and `conversation`: any number of rounds."""

    def row(self, example: Example, name: str) -> dict[str, object]:
        said = [(turn.role, f"{turn.text}\n{turn.input}" if turn.input else turn.text) for turn in example.turns]
        return {"id": name, "conversation": [{"from": role, "value": value} for role, value in said]}


FORMATS = ("context_target", "alpaca", "qa")


def make_format(name: str, template: str) -> Format:
    """The format `name`; only `context_target` uses the template. Raises InputError for an unknown name."""
    if name not in FORMATS:
        raise unknown_name("--format", name, FORMATS)
    if name == "context_target":
        return ContextTarget(get_template(template))
    return Alpaca() if name == "alpaca" else Conversation()
