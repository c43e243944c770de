"""Requests that share the slots: one that ends leaves, and the next one takes its place.

slot 0   [prompt a][a a a a a a][prompt d][d d d ...
slot 1   [prompt b][b b][prompt c][c c c c c c c ...          a step continues all slots, each at its own position
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mindformers.generation.drafting import Drafter
from mindformers.generation.drawing import log_probability_of
from mindformers.generation.requests import Answer, Piece, Request, Running
from mindformers.generation.stopping import StopTexts

# Tokens of a native call at the most, and how long it may take, in seconds: what is streamed shall flow.
_MOST_STEPS, _LONGEST_CALL, _LONGEST_STREAMED_CALL = 32, 0.25, 0.04


class Batch:
    """Keeps every slot busy.

    Args:
        slots: from `new_slots`.
        begin: the state of a request that has just got a slot.
        eos_token_id: the token that ends an answer.
        tokenizer: needed for stop texts only.
        drafter: guesses tokens for the slots; None for none.
    """

    def __init__(
        self,
        slots: Any,
        begin: Callable[[Request], Running],
        eos_token_id: int,
        tokenizer: Any,
        drafter: Drafter | None = None,
    ) -> None:
        self.slots, self.begin, self.eos_token_id, self.tokenizer = slots, begin, eos_token_id, tokenizer
        self.drafter = drafter
        self.running: dict[int, Running] = {}  # slot -> request, those that came first in front
        self._are_more = True
        self._step_seconds = _LONGEST_STREAMED_CALL

    def run(self, waiting: Iterator[Request]) -> Iterator[tuple[Request, Answer]]:
        """Answer requests as slots become free, yielding each when it is done."""
        while self._admit(waiting):
            for slot, answer in self._advance():
                yield self.running.pop(slot).request, answer

    def _admit(self, waiting: Iterator[Request]) -> bool:
        """Give free slots to waiting requests. Returns whether there is anything to do."""
        for slot in range(self.slots.num_slots):
            if slot not in self.running and self._are_more:
                request = next(waiting, None)
                self._are_more = request is not None
                if request is not None:
                    self.running[slot] = self.begin(request)
        return bool(self.running)

    def _advance(self) -> list[tuple[int, Answer]]:
        if self._can_guess():
            return self._check_guesses()
        before = {slot: len(one.ids) for slot, one in self.running.items()}
        ended = self._loop() if self._can_loop() else self._step()
        if self.drafter is not None:
            self.drafter.pace.note_without(max(len(one.ids) - before[slot] for slot, one in self.running.items()))
        return ended

    def _can_guess(self) -> bool:
        """Whether tokens should be guessed: all prompts are read, and there is more than one to come."""
        if self.drafter is None or not all(one.is_read for one in self.running.values()):
            return False
        is_worth = any(one.num_left > 1 for one in self.running.values())
        return is_worth and self.drafter.pace.num_guesses(len(self.running)) > 0

    def _check_guesses(self) -> list[tuple[int, Answer]]:
        """Guess some tokens of every answer, and take them in as far as they are what is chosen."""
        columns = self._columns()
        guesses = self.drafter.guess(self.slots, self.running, columns)
        pieces = [Piece(slot, one.ids[-1:] + guesses[slot], one.num_taken) for slot, one in self.running.items()]
        ended = []
        for piece, logits in zip(pieces, self.slots.take_drafts(pieces, columns), strict=True):
            one = self.running[piece.slot]
            answer = self._choose_while_right(one, logits, piece.tokens[1:], columns is not None)
            if answer is not None:
                ended.append((piece.slot, answer))
            num_right = one.num_taken - piece.position - 1
            self.drafter.note(min(num_right + (answer is None), len(piece.tokens) - 1), num_right)
        return ended

    def _choose_while_right(self, one: Running, logits: np.ndarray, guesses: list[int], is_part: bool) -> Answer | None:
        """Choose tokens up to the first one that was not guessed; the answer when one was the last."""
        for row, guess in zip(logits, [*guesses, None], strict=True):
            one.num_taken += 1
            answer = self._choose(one, row, is_part)
            if answer is not None or one.ids[-1] != guess:
                return answer
        return None

    def _step(self) -> list[tuple[int, Answer]]:
        """Take in the last token of every answer, and as much of the prompts as goes in at once."""
        pieces = self._pieces()
        columns = self._columns()
        logits = self.slots.take(pieces, columns)
        ended = []
        for piece, row in zip(pieces, logits, strict=True):
            one = self.running[piece.slot]
            one.num_taken = piece.position + len(piece.tokens)
            if one.is_read and (answer := self._choose(one, row, columns is not None)) is not None:
                ended.append((piece.slot, answer))
        return ended

    def _pieces(self) -> list[Piece]:
        """Where an answer runs, prompts go in bit by bit, so that it does not wait long."""
        is_waited_for = any(one.is_read for one in self.running.values())
        left = self.slots.most_prompt_tokens if is_waited_for else sys.maxsize
        pieces = []
        for slot, one in self.running.items():
            if one.is_read:
                pieces.append(Piece(slot, one.ids[-1:], one.num_taken))
            elif left:
                end = min(len(one.request.ids), one.num_taken + left)
                pieces.append(Piece(slot, one.request.ids[one.num_taken : end], one.num_taken))
                left -= end - one.num_taken
        return pieces

    def _can_loop(self) -> bool:
        """Whether the next tokens are simply the most likely ones, in all slots."""
        is_native = hasattr(self.slots, "continue_greedily")
        return is_native and all(one.is_read and one.sampler.is_plain_greedy for one in self.running.values())

    def _loop(self) -> list[tuple[int, Answer]]:
        """Several tokens of every answer in one call, which is left when one ends for which another could begin."""
        pieces = [Piece(slot, one.ids[-1:], one.num_taken) for slot, one in self.running.items()]
        counts = [one.num_left for one in self.running.values()]
        start = time.perf_counter()
        found = self.slots.continue_greedily(
            pieces, counts, min(self._num_steps(), max(counts)), self.eos_token_id, self._are_more
        )
        self._step_seconds = (time.perf_counter() - start) / max(map(len, found))
        ended = []
        for piece, tokens in zip(pieces, found, strict=True):
            one = self.running[piece.slot]
            one.num_taken += len(tokens)
            answers = (self._accept(one, token) for token in self._taken(one, tokens))
            if (answer := next(filter(None, answers), None)) is not None:
                ended.append((piece.slot, answer))
        return ended

    def _num_steps(self) -> int:
        is_streamed = any(one.request.on_token for one in self.running.values())
        longest = _LONGEST_STREAMED_CALL if is_streamed else _LONGEST_CALL
        return int(np.clip(longest / self._step_seconds, 1, _MOST_STEPS))

    @staticmethod
    def _taken(one: Running, tokens: list[int]) -> Iterator[int]:
        for token in tokens:
            one.sampler.take(token)
            yield token

    def _columns(self) -> np.ndarray | None:
        """The ids whose logits are enough for all answers; None for all ids."""
        first, *others = (one.columns for one in self.running.values())
        return first if all(other is first for other in others) else None

    def _choose(self, one: Running, logits: np.ndarray, is_part: bool) -> Answer | None:
        """Choose a sequence's next token; its answer when that was the last one."""
        token = one.sampler.choose(logits, one.num_left, is_part)
        if one.request.options.is_scored:
            one.log_probability += log_probability_of(logits, token)
        return self._accept(one, token)

    def _accept(self, one: Running, token: int) -> Answer | None:
        """Add a chosen token to an answer; the answer when that was the last one."""
        if token == self.eos_token_id:
            return Answer(one.ids, one.log_probability, "eos")
        one.ids.append(token)
        if one.request.on_token:
            one.request.on_token(token)
        if one.request.options.stop:
            kept = StopTexts(one.request.options.stop, self.tokenizer).cut(one.ids)
            if kept is not None:
                return Answer(kept, one.log_probability, "stop")
        return Answer(one.ids, one.log_probability, "length") if len(one.ids) >= one.limit else None
