"""What is asked of the engine, how it goes in, and what is answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mindformers.generation.options import GenerationOptions
from mindformers.tools.errors import InputError


@dataclass(frozen=True)
class Request:
    """One prompt.

    Args:
        ids: its tokens.
        options: how it is answered.
        index: its place in the whole input; random draws follow from it.
        sample: number of the answer, from 0, where a prompt gets several.
        on_token: called with every token as it is chosen.
    """

    ids: list[int]
    options: GenerationOptions
    index: int = 0
    sample: int = 0
    on_token: Callable[[int], None] | None = None


@dataclass(frozen=True)
class Answer:
    """What came of a request.

    Args:
        ids: its tokens, without the end-of-sequence token and without a stop text.
        log_probability: sum over its tokens, the end-of-sequence token included, nats, under the model's own
            distribution (before temperature, limits and constraint); of beams that of the search. 0 where it is not
            asked for.
        reason: `eos`, `stop` (a stop text) or `length`.
    """

    ids: list[int]
    log_probability: float = 0.0
    reason: str = "length"


def check_prompt(prompt: Sequence[int], seq_length: int, what: str) -> None:
    """Raises InputError, naming `what`, where a prompt is empty or leaves no room for an answer."""
    if not prompt:
        raise InputError(what, "no tokens", "at least one token", "give it some text")
    if len(prompt) >= seq_length:
        raise InputError(
            what, f"{len(prompt)} tokens", f"at most {seq_length - 1} (seq_length - 1)", "shorten the prompt"
        )


class Piece(NamedTuple):
    """What goes into a slot: a prompt, at position 0, or the tokens behind what the slot holds already."""

    slot: int
    tokens: Sequence[int]
    position: int


@dataclass
class Running:
    """A request that holds a slot.

    Args:
        request: what is asked.
        limit: tokens the answer may have.
        sampler: chooses its tokens.
        ids: the answer so far.
        log_probability: of the answer so far.
        num_taken: tokens of prompt and answer that the slot holds.
    """

    request: Request
    limit: int
    sampler: Any
    ids: list[int] = field(default_factory=list)
    log_probability: float = 0.0
    num_taken: int = 0

    @property
    def columns(self) -> Any:
        """The ids whose logits it needs, int32 [K]; None for all."""
        return None if self.request.options.is_scored else self.sampler.columns

    @property
    def num_left(self) -> int:
        """Tokens that the answer may still get."""
        return self.limit - len(self.ids)

    @property
    def is_read(self) -> bool:
        """Whether the slot holds the whole prompt."""
        return self.num_taken >= len(self.request.ids)
