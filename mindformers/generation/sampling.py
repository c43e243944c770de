"""The next token of every row, from its logits."""

from __future__ import annotations

import numpy as np

from mindformers.generation.options import GenerationOptions


class Sampler:
    """Chooses tokens for the rows of a batch.

    Args:
        options: how.
        prompts: ids of each row's prompt.
        indices: each row's place in the whole input; its random draws follow from it.
    """

    def __init__(self, options: GenerationOptions, prompts: list[list[int]], indices: list[int]) -> None:
        self.options = options
        self._seen = [set(prompt) for prompt in prompts]
        self._generators = [np.random.default_rng([options.seed, index]) for index in indices]

    def choose(self, logits: np.ndarray) -> np.ndarray:
        """The next tokens.

        Args:
            logits: float32 [B, V].

        Returns:
            int32 [B].
        """
        if self.options.repetition_penalty != 1.0:
            logits = np.stack([self._penalised(row, seen) for row, seen in zip(logits, self._seen, strict=True)])
        if not self.options.do_sample:
            tokens = logits.argmax(-1).astype(np.int32)
        else:
            draws = [self._draw(row, rng) for row, rng in zip(logits, self._generators, strict=True)]
            tokens = np.asarray(draws, np.int32)
        for seen, token in zip(self._seen, tokens, strict=True):
            seen.add(int(token))
        return tokens

    def _penalised(self, logits: np.ndarray, seen: set[int]) -> np.ndarray:
        ids = np.fromiter(seen, np.int64)
        values = logits[ids]
        penalty = self.options.repetition_penalty
        changed = logits.copy()
        changed[ids] = np.where(values < 0, values * penalty, values / penalty)
        return changed

    def _draw(self, logits: np.ndarray, generator: np.random.Generator) -> int:
        order, shares = candidates(logits, self.options)
        place = np.searchsorted(np.cumsum(shares), generator.random() * shares.sum(), side="right")
        return int(order[min(place, len(order) - 1)])


def candidates(logits: np.ndarray, options: GenerationOptions) -> tuple[np.ndarray, np.ndarray]:
    """The tokens that may be drawn, most likely first, and their probabilities (not renormalised after top_p)."""
    scaled = logits.astype(np.float64) / options.temperature
    order = np.argsort(-scaled, kind="stable")
    if options.top_k:
        order = order[: options.top_k]
    shares = np.exp(scaled[order] - scaled[order[0]])
    shares /= shares.sum()
    before = np.cumsum(shares) - shares
    kept = max(int((before < options.top_p).sum()), 1)
    return order[:kept], shares[:kept]
