"""What a source yields: one training example, or a row that cannot be one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

SYSTEM, HUMAN, GPT = "system", "human", "gpt"


class Turn(NamedTuple):
    """One turn of a conversation.

    Args:
        role: `human`, `gpt`, or `system` for a first turn that replaces the template's system line.
        text: what was said; sequences stand in tags or in token form.
        input: of an alpaca row, the text that the instruction is about.
    """

    role: str
    text: str
    input: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """A conversation or a raw text, and where it came from.

    Args:
        turns: the turns of a conversation; empty for a raw text.
        text: a raw text, all of which is learnt.
        file: the source file.
        line: the line in it, from 1; 0 where it is not known.
        is_start, is_end: whether the raw text begins and ends here, or is a window of a longer sequence.
        may_split: whether a raw text may be cut anywhere and go on in the next record; a molecule may not.
    """

    turns: tuple[Turn, ...] = ()
    text: str = ""
    file: str = ""
    line: int = 0
    is_start: bool = True
    is_end: bool = True
    may_split: bool = True


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that is kept out, with the reason.

    Args:
        file: the source file.
        line: the line in it, from 1; 0 where it is not known.
        reason: one line, for the user.
    """

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file} line {self.line}: {self.reason}" if self.line else f"{self.file}: {self.reason}"


@dataclass(frozen=True, slots=True)
class LeftOut(BadRow):
    """A row that is whole but teaches nothing: reported like a bad one, but no error."""


def split_system(turns: Sequence[Turn]) -> tuple[str | None, Sequence[Turn]]:
    """The text of a leading system turn, or None, and the other turns."""
    if turns and turns[0].role == SYSTEM:
        return turns[0].text, turns[1:]
    return None, turns


def why_not_a_conversation(turns: Sequence[Turn], is_prompt: bool = False) -> str | None:
    """Why turns cannot be used, or None where they can.

    Args:
        turns: the turns; after an optional system turn, human and gpt take turns and human begins.
        is_prompt: whether the last word is the human's (inference) or gpt's (training).
    """
    _, rounds = split_system(turns)
    for number, turn in enumerate(rounds):
        wanted = (HUMAN, GPT)[number % 2]
        if turn.role != wanted:
            return f"turn {number + 1} is from '{turn.role}', expected '{wanted}'"
        if not turn.text.strip() and not turn.input.strip():
            return f"turn {number + 1} ({turn.role}) is empty"
    if len(rounds) % 2 != is_prompt or not rounds:
        return "the conversation is empty" if not rounds else f"the last turn is from '{rounds[-1].role}'"
    return None
