"""The next token of a sequence, from its logits."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from mindformers.generation.drawing import best, candidates, draw, penalised, shares_of
from mindformers.generation.options import GenerationOptions


class RowSampler:
    """Chooses the tokens of one sequence.

    Args:
        options: how.
        prompt: ids of its prompt.
        eos_token_id: the token that ends it.
        index, sample: its place in the whole input and the number of the answer; random draws follow from both.
        state: of a constraint, as `constrain.ConstraintState`; None for a free answer.
    """

    def __init__(
        self,
        options: GenerationOptions,
        prompt: list[int],
        eos_token_id: int = -1,
        index: int = 0,
        sample: int = 0,
        state: Any = None,
    ) -> None:
        self.options, self.eos_token_id, self.state = options, eos_token_id, state
        self.seen = set(prompt) if options.repetition_penalty != 1.0 else None
        seeds = [options.seed, index] if sample == 0 else [options.seed, index, sample]
        self.generator = np.random.default_rng(seeds) if options.do_sample else None
        self.count = 0
        self.has_ended = False

    @property
    def is_plain_greedy(self) -> bool:
        """Whether the next token is simply the most likely one, and nothing else is asked of the logits."""
        free = self.seen is None and self.state is None and self.generator is None and not self.options.is_scored
        return free and self.count >= self.options.min_new_tokens

    @property
    def columns(self) -> np.ndarray | None:
        """The ids whose logits `choose` can do with, ascending; None for all."""
        return None if self.state is None else self.state.columns

    def choose(self, logits: np.ndarray, budget: int, is_part: bool = False) -> int:
        """The next token.

        Args:
            logits: float32 [V], or those of `columns` only.
            budget: tokens that are left, this one included.
            is_part: whether they are those of `columns`.
        """
        if self.state is not None:
            token = self._choose_permitted(logits if is_part else logits[self.columns], budget)
        else:
            logits = self.adjusted(logits, budget)
            token = int(logits.argmax()) if self.generator is None else self._draw(logits)
        self.take(token)
        return token

    def take(self, token: int) -> None:
        """Note a token that has been chosen."""
        self.count += 1
        self.has_ended |= token == self.eos_token_id
        if self.seen is not None:
            self.seen.add(token)
        if self.state is not None and token != self.eos_token_id:
            self.state.advance(token)

    def copy(self) -> RowSampler:
        """One that goes on from here by itself and draws the same."""
        other = copy.copy(self)
        other.seen = None if self.seen is None else set(self.seen)
        other.state = None if self.state is None else self.state.copy()
        other.generator = copy.deepcopy(self.generator)
        return other

    def adjusted(self, logits: np.ndarray, budget: int) -> np.ndarray:
        """Logits [V] with repetition penalised and everything that may not follow at minus infinity."""
        if self.seen is not None:
            logits = penalised(logits, self.seen, self.options.repetition_penalty)
        if self.state is not None:
            allowed = self.state.allowed(budget)
            logits = np.where(allowed, logits, -np.inf)
        if self._is_early and self.eos_token_id >= 0:
            free = np.isfinite(logits).sum() - np.isfinite(logits[self.eos_token_id])
            if free:  # a constraint may leave nothing but the end
                logits = logits.copy()
                logits[self.eos_token_id] = -np.inf
        return logits

    @property
    def _is_early(self) -> bool:
        return self.count < self.options.min_new_tokens

    def _choose_permitted(self, values: np.ndarray, budget: int) -> int:
        """Choose of `columns` by their logits [K]. What may follow is asked of likely tokens first, for it takes time.

        The largest of log-probabilities with Gumbel noise is a draw from them, and the largest permitted one a draw
        from the permitted (Maddison, Tarlow, Minka 2014, "A* sampling", section 2).
        """
        columns, options = self.columns, self.options
        if self.seen is not None:
            seen = [place for place, token in enumerate(columns.tolist()) if token in self.seen]
            values = penalised(values, seen, options.repetition_penalty)
        if self.generator is None:
            place = next(self._permitted(best(values), budget))
        elif not options.is_limited:
            noise = options.temperature * self.generator.gumbel(size=len(values))
            place = next(self._permitted(best(values + noise), budget))
        else:
            count = options.top_k or len(values)
            places = np.fromiter(islice(self._permitted(best(values), budget), count), np.int64)
            place = places[self._draw(values[places])]
        return int(columns[place])

    def _permitted(self, order: np.ndarray, budget: int) -> Iterator[int]:
        """Those places of `columns` that the constraint permits; too early an end where nothing else may follow.

        Args:
            order: places.
            budget: tokens that are left.
        """
        places = order.tolist()
        return self._late(places, budget) if self._is_early else self.state.permitted(places, budget)

    def _late(self, places: list[int], budget: int) -> Iterator[int]:
        early_end = [place for place in places if self.columns[place] == self.eos_token_id]
        permitted = self.state.permitted([place for place in places if place not in early_end], budget)
        first = next(permitted, None)
        if first is None:
            yield from early_end
            return
        yield first
        yield from permitted

    def _draw(self, logits: np.ndarray) -> int:
        options, position = self.options, self.generator.random()
        if not options.is_limited:
            return draw(shares_of(logits, options.temperature), position)
        order, shares = candidates(logits, options)
        return int(order[draw(shares, position)])
