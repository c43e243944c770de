"""The one engine: a batch of prompts is taken in at once, then one position after the other with a cache.

prompts  a b c . .        one graph, S padded to a bucket       -> logits behind c, behind e
         d e . . .
decode   x . / y .        one graph for all steps, each row at a position of its own
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
from mindspore import Tensor

from mindformers.generation.options import GenerationOptions
from mindformers.generation.sampling import Sampler
from mindformers.generation.steps import DecodeStep, PrefillStep
from mindformers.tools.errors import InputError

_KEPT_SHAPES = 4
_SMALLEST_BUCKET = 16


def bucket(length: int, limit: int) -> int:
    """The length that a prompt is padded to: 16, 24, 32, 48, 64, 96, ... tokens, so that few graphs serve all."""
    size = _SMALLEST_BUCKET
    while size < length:
        size = size * 3 // 2 if size & (size - 1) == 0 else size * 4 // 3
    return min(size, limit)


class Engine:
    """Generates with one network.

    Args:
        net: has `prefill`, `decode`, `new_caches` and `config` (as `LlamaForCausalLM`).
        use_cache: False computes every step from the whole text again: slow, and the same answers.
    """

    def __init__(self, net: Any, use_cache: bool = True) -> None:
        self.net, self.config, self.use_cache = net, net.config, use_cache
        self.net.set_train(False)
        self._steps: OrderedDict[tuple[int, int], tuple[PrefillStep, DecodeStep | None]] = OrderedDict()

    @property
    def longest_prompt(self) -> int:
        """Tokens a prompt may have; one position is left for an answer."""
        return self.config.seq_length - 1

    def check(self, prompt: Sequence[int], what: str) -> None:
        """Raises InputError, naming `what`, where a prompt is empty or longer than the model."""
        if not prompt:
            raise InputError(what, "no tokens", "at least one token", "give it some text")
        if len(prompt) > self.longest_prompt:
            raise InputError(
                what, f"{len(prompt)} tokens", f"at most {self.longest_prompt} (seq_length - 1)", "shorten the prompt"
            )

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        options: GenerationOptions,
        first_index: int = 0,
        batch_size: int | None = None,
    ) -> list[list[int]]:
        """Answer a batch of prompts.

        Args:
            prompts: token ids of each prompt, of any lengths.
            options: how to choose tokens and when to stop.
            first_index: the first prompt's place in the whole input; random draws follow from it.
            batch_size: rows of the compiled graph, at least the number of prompts; a smaller last batch is filled
                up, so that it needs no graph of its own.

        Returns:
            The ids of each answer, without the end-of-sequence token.

        Raises:
            InputError: an empty prompt, or one that is longer than the model.
        """
        for number, prompt in enumerate(prompts):
            self.check(prompt, f"prompt {first_index + number + 1}")
        rows = [list(prompt) for prompt in prompts]
        rows += [[self.config.bos_token_id]] * ((batch_size or len(rows)) - len(rows))
        indices = [first_index + number for number in range(len(rows))]
        answers = self._answers(rows, len(prompts), Sampler(options, rows, indices), options.max_new_tokens)
        return answers[: len(prompts)]

    def _answers(self, rows: list[list[int]], num_real: int, sampler: Sampler, max_new_tokens: int) -> list[list[int]]:
        lengths = np.asarray([len(row) for row in rows], np.int32)
        limit = np.minimum(lengths + max_new_tokens, self.config.seq_length)
        limit[num_real:] = 0
        stepper = self._stepper(rows, lengths, int(limit.max()))
        answers: list[list[int]] = [[] for _ in rows]
        positions, running = lengths.copy(), np.arange(len(rows)) < num_real
        logits = next(stepper)
        while True:
            tokens = sampler.choose(logits)
            running &= tokens != self.config.eos_token_id
            for row in np.flatnonzero(running):
                answers[row].append(int(tokens[row]))
            running &= positions + 1 < limit
            if not running.any():
                return answers
            logits = stepper.send((tokens, np.where(running, positions, 0), running))
            positions = positions + 1

    def _stepper(self, rows: list[list[int]], lengths: np.ndarray, longest: int) -> Any:
        """A coroutine: yields logits [B, V], takes (tokens, positions, running) int32 [B] for the next ones."""
        if self.use_cache:
            return self._cached(rows, lengths, longest)
        return self._uncached(rows, lengths)

    def _cached(self, rows: list[list[int]], lengths: np.ndarray, longest: int) -> Any:
        prefill, decode = self._steps_for(len(rows), bucket(longest, self.config.seq_length))
        logits = prefill(Tensor(self._padded(rows)), Tensor(lengths))
        while True:
            tokens, positions, _ = yield logits.asnumpy()
            logits = decode(Tensor(tokens), Tensor(positions.astype(np.int32)))

    def _uncached(self, rows: list[list[int]], lengths: np.ndarray) -> Any:
        prefill, _ = self._steps_for(len(rows), 0)
        rows = [list(row) for row in rows]
        while True:
            lengths = np.asarray([len(row) for row in rows], np.int32)
            tokens, _, running = yield prefill(Tensor(self._padded(rows)), Tensor(lengths)).asnumpy()
            for row in np.flatnonzero(running):
                rows[row].append(int(tokens[row]))

    def _padded(self, rows: list[list[int]]) -> np.ndarray:
        width = bucket(max(map(len, rows)), self.config.seq_length)
        ids = np.full((len(rows), width), self.config.pad_token_id, np.int32)
        for row, tokens in enumerate(rows):
            ids[row, : len(tokens)] = tokens
        return ids

    def _steps_for(self, batch_size: int, cache_length: int) -> tuple[PrefillStep, DecodeStep | None]:
        """The graphs of a shape, with their caches; those of the last few shapes are kept."""
        shape = (batch_size, cache_length)
        if shape not in self._steps:
            caches = self.net.new_caches(batch_size, cache_length) if cache_length else None
            decode = DecodeStep(self.net, caches) if cache_length else None
            self._steps[shape] = (PrefillStep(self.net, caches), decode)
        self._steps.move_to_end(shape)
        while len(self._steps) > _KEPT_SHAPES:
            self._steps.popitem(last=False)
        return self._steps[shape]
