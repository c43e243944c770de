"""The next token of a sequence, from its logits."""

from __future__ import annotations

from typing import Any

import numpy as np

from mindformers.generation.options import GenerationOptions


class RowSampler:
    """Chooses the tokens of one sequence.

    Args:
        options: how.
        prompt: ids of its prompt.
        eos_token_id: the token that ends it.
        index, sample: its place in the whole input and the number of the answer; random draws follow from both.
        state: of a constraint, with `allowed(budget_left)` and `advance(token)`; None for a free answer.
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

    @property
    def is_plain_greedy(self) -> bool:
        """Whether the next token is simply the most likely one."""
        free = self.seen is None and self.state is None and self.generator is None
        return free and self.count >= self.options.min_new_tokens

    def choose(self, logits: np.ndarray, budget: int) -> int:
        """The next token of logits float32 [V], with `budget` tokens left, this one included."""
        logits = self.adjusted(logits, budget)
        token = int(logits.argmax()) if self.generator is None else self._draw(logits)
        self.take(token)
        return token

    def take(self, token: int) -> None:
        """Note a token that has been chosen."""
        self.count += 1
        if self.seen is not None:
            self.seen.add(token)
        if self.state is not None and token != self.eos_token_id:
            self.state.advance(token)

    def adjusted(self, logits: np.ndarray, budget: int) -> np.ndarray:
        """Logits with repetition penalised and everything that may not follow at minus infinity."""
        if self.seen is not None:
            logits = penalised(logits, self.seen, self.options.repetition_penalty)
        if self.state is not None:
            allowed = self.state.allowed(budget)
            if len(allowed) < len(logits):  # rows of the model behind the tokenizer's last token
                allowed = np.pad(allowed, (0, len(logits) - len(allowed)))
            logits = np.where(allowed, logits, -np.inf)
        if self.count < self.options.min_new_tokens and self.eos_token_id >= 0:
            free = np.isfinite(logits).sum() - np.isfinite(logits[self.eos_token_id])
            if free:  # a constraint may leave nothing but the end
                logits = logits.copy()
                logits[self.eos_token_id] = -np.inf
        return logits

    def _draw(self, logits: np.ndarray) -> int:
        order, shares = candidates(logits, self.options)
        place = np.searchsorted(np.cumsum(shares), self.generator.random() * shares.sum(), side="right")
        return int(order[min(place, len(order) - 1)])


def penalised(logits: np.ndarray, seen: set[int], penalty: float) -> np.ndarray:
    """A copy of logits [V] in which tokens that occurred are less likely."""
    ids = np.fromiter(seen, np.int64)
    values = logits[ids]
    changed = logits.copy()
    changed[ids] = np.where(values < 0, values * penalty, values / penalty)
    return changed


def candidates(logits: np.ndarray, options: GenerationOptions) -> tuple[np.ndarray, np.ndarray]:
    """The tokens that may be drawn, most likely first, and their probabilities (not renormalised after top_p)."""
    scaled = logits.astype(np.float64) / options.temperature
    order = np.argsort(-scaled, kind="stable")[: int(np.isfinite(scaled).sum())]
    if options.top_k:
        order = order[: options.top_k]
    shares = np.exp(scaled[order] - scaled[order[0]])
    shares /= shares.sum()
    before = np.cumsum(shares) - shares
    kept = max(int((before < options.top_p).sum()), 1)
    return order[:kept], shares[:kept]


def log_probability_of(logits: np.ndarray, token: int) -> float:
    """log softmax(logits)[token], nats; logits [V]."""
    top = float(logits.max())
    return float(logits[token]) - top - float(np.log(np.exp(logits - top, dtype=np.float64).sum()))
